"""What is worth knowing of a stream although reading it is not hindered: observations, beside the anomalies.

In: the blocks of a stream. Out: a `Finding` for each observation seen, with how often and where first. An anomaly is noted
while a stream is read, so it must cost nothing there; an observation is looked for by `streamkit check` only, in a
second reading. Cost: about that of decoding the JSON again.

Two severities: `info`, the format and the standard below it allow this, and clients are known to break on it all the
same; `note`, the format says otherwise, and the response is not changed by it. What OpenAI itself writes in every
stream is not an observation. Where a code is an anomaly as well, the anomaly is what counts: see `check`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import attrs

from .._decode.documents import DONE
from .._decode.repair import unframed_lines
from .._decode.scanning import check_weight
from .._decode.tolerant_json import decode
from .._field_docs import show_fields
from ..anomalies import Sighting
from ..dialect import Dialect, suggest
from ..errors import LimitError, excerpt
from ..limits import DEFAULT_LIMITS
from ..sse import Comment, Discarded, EventDecoder, ServerSentEvent
from ..types import CreateChatCompletionResponse
from .chunk_observations import Chunks
from .framing_observations import Framing
from .known_client_bugs import Client

__all__ = ("OBSERVATIONS", "Finding", "FindingSeverity", "Observations")

FindingSeverity = Literal["info", "note", "repaired", "lost"]
"""`info`: within the format. The others are those of an anomaly."""


@attrs.frozen
class Finding(Sighting[FindingSeverity]):
    """One entry of a report on a stream: an anomaly, or an observation."""

    clients: tuple[Client, ...] = ()
    """Clients that are known to break on it."""


_ANY = "It makes no difference."
_KEPT = "It is kept as an unknown field."

OBSERVATIONS: dict[str, tuple[Literal["info", "note"], str, str]] = {
    # code: (severity, what the sender does, what streamkit makes of it)
    # --- lines and events
    "sse_bom": ("info", "The stream begins with a byte order mark.", "It is skipped."),
    "sse_no_space": ("info", "`data:` has no space after its colon.", _ANY),
    "sse_line_ends": ("info", "Lines end with CR LF or CR, not with LF.", _ANY),
    "sse_comment": ("info", "Comments are sent between the events, as keep-alives.", "They are keep-alive events."),
    "sse_no_data": ("info", "An event has no data, only a type, an id or a retry time.", "It is not an event."),
    "sse_id": ("info", "Events have an id.", _ANY),
    "sse_several_lines": ("info", "The data of an event is on several lines.", "They are joined."),
    "line_separator": ("info", "JSON holds U+2028, U+2029 or U+0085 as it is.", "Lines end at CR and LF only."),
    "surrogate_halves": ("note", "A character is cut into surrogate halves, in two chunks.", "The halves are joined."),
    "content_type": ("note", "The response is not labelled `text/event-stream`.", "The body itself is looked at."),
    # --- errors: of many shapes, `{"error": {"message": …}}` is the usual one
    "error_bare": ("note", "An error is a bare object, known by its event type or its fields.", "It is read as one."),
    "error_in_choice": ("note", "An error is inside a choice.", "It is read as one."),
    "error_fields": ("note", "An error is in fields of a chunk, `error_type` and the like.", "It is read as one."),
    "error_base_resp": ("note", "An error is in `base_resp`, as a status.", "It is read as one."),
    # --- the chunk
    "first_chunk_empty": ("info", "The first chunk has no choices.", "What it says of the response is taken."),
    "object_missing": ("note", "A chunk has no `object`, or an empty one.", "A chunk is known by its other fields."),
    "object_other": ("note", "`object` is not `chat.completion.chunk`.", "A chunk is known by its other fields."),
    "id_missing": ("note", "A chunk has no `id`, or an empty one.", "The first that is not empty counts."),
    "model_missing": ("note", "A chunk has no `model`, or an empty one.", "The first that is not empty counts."),
    "field_dropped": ("info", "A fingerprint or service tier is null in a later chunk.", "The value is kept."),
    "choices_out_of_order": ("info", "A choice begins before one of a lower index.", "They are sorted by index."),
    "token_index": ("note", "The index of a choice seems to count tokens.", "`Dialect(token_index=True)` reads it so."),
    "role_missing": ("note", "No chunk of a choice has a role.", "It counts as `assistant`."),
    "role_empty": ("note", "A role is the empty string.", "It counts as none."),
    "role_repeated": ("info", "The role is in several chunks of a choice.", "It is taken once."),
    "finish_repeated": ("note", "A choice got the same finish reason again.", "It is taken once."),
    "finish_stop_with_calls": ("note", "A choice with tool calls finished with `stop`.", "Both are kept."),
    "finish_calls_without_calls": ("note", "A choice finished with `tool_calls` and has none.", "It is kept."),
    "finish_with_payload": ("info", "A finish reason is in the same chunk as text or a tool call.", _ANY),
    "logprobs_at_start": ("info", "The chunk that opens a choice has log probabilities.", "They are taken once."),
    "usage_with_choices": ("info", "Usage is on a chunk that has choices.", _ANY),
    "usage_empty": ("note", "Usage is an empty object, or nothing but zeros.", "It does not replace earlier figures."),
    "usage_dropped": ("info", "A chunk without usage follows one that has it.", "The figures are kept."),
    "usage_shrinks": ("note", "A field of the usage is missing in a later one.", "Its earlier figure is kept."),
    # --- text and reasoning
    "reasoning_field": ("info", "Reasoning is in a field that OpenAI does not define.", _KEPT),
    "reasoning_twice": ("info", "Reasoning is in two fields of one delta.", "It is reported once; both are kept."),
    "reasoning_object": ("note", "Reasoning is an object or a list, not a text.", _KEPT),
    "reasoning_details": ("info", "Reasoning is sent as `reasoning_details`.", "Pieces join by type and index."),
    "think_tags": ("note", "Reasoning is in the content, in tags.", "`Dialect(think_tags=True)` takes it out."),
    "cumulative_text": (
        "note", "Each delta seems to repeat the text so far.", "`Dialect(cumulative_text=True)` reads it so.",
    ),
    "text_replayed": (
        "note", "A delta repeats all of the text so far.", "It adds; `Dialect(cumulative_text=True)` takes it once.",
    ),
    "cumulative_logprobs": (
        "note", "Each chunk seems to repeat the log probabilities so far.", "`Dialect(cumulative_logprobs=True)` reads it so.",
    ),
    "choice_text": (
        "note",
        "Text is on the choice, as in the old completions API (`text_completion`).",
        "It is not read as content; `Dialect(choice_text=True)` reads it so.",
    ),
    "markup_in_text": (
        "note", "The model's own markup is in the text: a tool call, a channel, the end of a turn.",
        "It is kept.",
    ),
    "doubled_arguments": (
        "note", "Arguments of a call hold more than one document.", "`Dialect(doubled_arguments=True)` takes the last.",
    ),
    "list_without_index": ("info", "A delta has a list of objects without an index.", "Its items are appended."),
    "scalar_in_delta": ("note", "A number or a boolean of a delta changes from one to the next.", "The last one wins."),
    "scalar_repeated": ("info", "A number or a boolean is in several deltas, always the same.", "It is taken once."),
    # --- tool calls
    "tool_index_gap": ("note", "The indices of tool calls do not run 0, 1, 2 ….", "Calls keep the order they began in."),
    "tool_id_repeated": ("info", "The id of a tool call is in several of its fragments.", "It is taken once."),
    "tool_id_empty": ("note", "The id of a tool call is the empty string in a fragment.", "It counts as none."),
    "tool_name_late": ("note", "The name of a tool call arrives after its arguments.", "The call has both."),
    "tool_name_empty": ("note", "The name of a tool call is empty in a fragment, or the word `null`.", "It counts as none."),
    "tool_type_null": ("info", "The type of a tool call is null in a fragment.", "It counts as none."),
    "tool_function_null": ("note", "The function of a tool call is null in a fragment.", "It counts as none."),
    "tool_calls_empty": ("info", "A delta has an empty list of tool calls.", _ANY),
    "tool_fragments_together": ("info", "One chunk holds two fragments of one tool call.", "Both are taken, in order."),
    "calls_interleaved": ("info", "Fragments of several tool calls take turns.", "Each goes to its own call."),
    "arguments_empty": ("note", "A tool call has no arguments, not even `{}`.", "They are the empty string."),
    "arguments_not_object": ("note", "The arguments of a tool call are not a JSON object.", "They are kept."),
    "call_cut_off": ("note", "A tool call was cut off by a limit on tokens or by a filter.", "It is not complete."),
    "content_blank": ("note", "The content beside tool calls is nothing but white space.", "It is kept."),
    "custom_tool": ("info", "A tool call is of type `custom`.", "It is a custom tool call."),
    "function_call": ("info", "A delta has the old `function_call`.", "It is kept beside tool calls."),
    "extra_content": ("info", "`extra_content` is to be sent back in the next turn.", _KEPT),
}  # fmt: skip
"""Every observation with its severity, what the sender does, and what streamkit makes of it."""


class Observations:
    """Looks at one stream: feed(block) for each block, then close().

    It ends by itself at `[DONE]`, and where an event grows over the limit: what follows does not concern the format.
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_LIMITS.max_event_bytes) -> None:
        self._seen: dict[str, Finding] = {}
        self._counts: dict[str, int] = {}
        self._decoder = EventDecoder(max_event_bytes=max_event_bytes)
        self._framing = Framing(self._note)
        self._chunks = Chunks(self._note)
        self._event = 0
        self.done = False
        """Whether `[DONE]` arrived."""
        self._over = False

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        if self._over:
            return
        try:
            items = self._decoder.feed_raw(block)
        except LimitError:
            self._over = True
            return
        self._framing.feed(block)
        self._items(items)

    def close(self, response: CreateChatCompletionResponse | None, *, complete: bool) -> tuple[Finding, ...]:
        """Return what was seen, by event and code. `response`: the full one; `complete`: the stream says so."""
        last = None if self._over else self._decoder.close()
        if last is not None:
            self._items([last])
        if self.done or not self._over:
            self._framing.close()  # also after `[DONE]`, whose blank line may have been cut inside its CR LF
        self._habits(suggest(self._chunks.typed))
        if complete:
            self._chunks.end(response)
        found = (attrs.evolve(one, count=self._counts[one.code]) for one in self._seen.values())
        return tuple(sorted(found, key=lambda one: (one.event, one.code)))  # the lines of a block are looked at first

    def _items(self, items: Iterable[bytes | ServerSentEvent | Comment | Discarded]) -> None:
        for item in items:
            if self._over:
                return
            if isinstance(item, Discarded):  # what an accumulator reads as an event all the same
                lines = unframed_lines(item.lines)
                self._event += sum(line.lstrip()[:1] == b"{" or line.startswith(b"error:") for line in lines)
            elif not isinstance(item, Comment):
                self._event += 1
                self._data(*((item, "message") if isinstance(item, bytes) else (item.data, item.event)))

    def _data(self, data: bytes, kind: str) -> None:
        if data.strip() == DONE:
            self.done = self._over = True
            return
        try:
            check_weight(data, DEFAULT_LIMITS.max_event_values)
            value, _ = decode(data)
        except LimitError:
            self._over = True
            return
        except ValueError:
            return  # an anomaly, and that is noted
        self._chunks.see(value, self._event, kind=kind, data=data)

    def _habits(self, dialect: Dialect) -> None:
        for field in attrs.fields(Dialect):
            if getattr(dialect, field.name) and field.name in OBSERVATIONS:
                self._note(field.name, 0)

    def _note(self, code: str, event: int, path: str = "$", found: Any = None) -> None:
        if code in self._counts:
            self._counts[code] += 1
            return
        self._counts[code] = 1
        shown = None if found is None else excerpt(found)
        self._seen[code] = Finding(code, *OBSERVATIONS[code], path, event, 1, shown)


show_fields(__name__)
