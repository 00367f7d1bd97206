"""Streams as they stand on the wire, and everything that can be seen when one is read: whole, and byte by byte.

The JSON of a delta is in the test itself; the rest is written here, as plainly as any sender does.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from streamkit import Accumulator, events, unstructure
from streamkit.events import Event
from streamkit.outcome import Outcome
from streamkit.testing import DONE


def sse(*documents: str | bytes) -> bytes:
    """Each document as one event: `data: {...}`, blank line."""
    return b"".join(b"data: " + (one.encode() if isinstance(one, str) else one) + b"\n\n" for one in documents)


def chunk(choices: str = "", more: str = "") -> str:
    """A chunk with the JSON of its choices; `more` is JSON of further fields: `"usage":{...}`."""
    more = f",{more}" if more else ""
    return f'{{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{choices}]{more}}}'


def choice(delta: str = "{}", finish: str | None = None, index: int | str = 0, more: str = "") -> str:
    """A choice with the JSON of its delta."""
    reason = "null" if finish is None else f'"{finish}"'
    more = f",{more}" if more else ""
    return f'{{"index":{index},"delta":{delta},"finish_reason":{reason}{more}}}'


def delta(delta: str = "{}", finish: str | None = None, index: int | str = 0, more: str = "") -> str:
    """Return a chunk with one choice, which has the JSON of this delta; `more`: fields of the chunk."""
    return chunk(choice(delta, finish, index), more)


def calls(*fragments: str) -> list[str]:
    """One chunk for each fragment of a tool call, and one that finishes."""
    return [*(delta(f'{{"tool_calls":[{one}]}}') for one in fragments), delta(finish="tool_calls")]


def each_byte(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


@attrs.frozen
class Reading:
    """Everything that can be seen of one stream."""

    accumulator: Accumulator = attrs.field(eq=False)
    events: tuple[Event, ...] = attrs.field(eq=False)
    response: Any
    """The response as JSON, None where there is none."""
    outcome: Outcome
    told: tuple[Any, ...]
    """The events in a form that can be compared, since errors are equal only to themselves."""
    anomalies: tuple[Any, ...]

    @property
    def message(self) -> dict[str, Any]:
        return self.response["choices"][0]["message"]

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """Each tool call of choice 0: id, name, arguments."""
        found = self.message.get("tool_calls", [])
        return [(one["id"], one["function"]["name"], one["function"]["arguments"]) for one in found]

    @property
    def codes(self) -> list[str]:
        return [anomaly.code for anomaly in self.anomalies]

    @property
    def ending(self) -> tuple[str, str]:
        return self.outcome.name, self.outcome.reason

    def of(self, *kinds: type[Any]) -> list[Any]:
        """The events of these kinds."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def kinds(self) -> list[str]:
        """The names of all events in order, but for anomalies."""
        return [type(event).__name__ for event in self.events if not isinstance(event, events.AnomalySeen)]


def read(*parts: str | bytes, done: bool = True, **options: Any) -> Reading:
    """Read documents (`str`, one event each) and raw bytes; `done`: `[DONE]` after them.

    They are read whole, byte by byte and without events; all three must give the same. The grammar of the events holds.
    """
    stream = b"".join(sse(part) if isinstance(part, str) else part for part in parts) + (DONE if done else b"")
    whole = read_blocks([stream], **options)
    assert whole == read_blocks(each_byte(stream), **options), "byte by byte is not what it is as a whole"
    silent = Accumulator(**options)
    silent.absorb(stream)
    outcome = silent.close()
    assert (whole.response, whole.outcome) == (_response(silent), outcome), "absorb() is not what feed() is"
    assert whole.anomalies == silent.anomalies
    return whole


def read_blocks(blocks: Iterable[bytes], **options: Any) -> Reading:
    accumulator = Accumulator(**options)
    told: list[Event] = []
    for block in blocks:
        told += accumulator.feed(block)
    outcome = accumulator.close()
    told += outcome.events
    check_grammar(told, outcome)
    return Reading(
        accumulator,
        tuple(told),
        _response(accumulator),
        outcome,
        tuple(_comparable(event) for event in told),
        accumulator.anomalies,
    )


def _response(accumulator: Accumulator) -> Any:
    response = accumulator.snapshot()
    return None if response is None else unstructure(response)


def _comparable(event: Event) -> Any:
    return (event.sequence, str(event.error)) if isinstance(event, events.ErrorSeen) else event


_PARTS = {
    name.removesuffix("Started"): getattr(events, name)
    for name in events.__all__
    if name.endswith("Started") and name != "ChoiceStarted"
}


def check_grammar(told: Sequence[Event], outcome: Outcome) -> None:
    """The grammar at the head of events.py, and that the pieces of a part are what its end says."""
    assert list(range(len(told))) == [event.sequence for event in told]
    assert [len(told) - 1] == [at for at, event in enumerate(told) if isinstance(event, events.End)], "one End, last"
    assert outcome == told[-1].outcome
    open_choices: set[int] = set()
    done_choices: set[int] = set()
    open_parts: set[tuple[Any, ...]] = set()
    done_parts: set[tuple[Any, ...]] = set()
    pieces: dict[tuple[Any, ...], list[Any]] = {}
    for event in told:
        name = type(event).__name__
        if name == "ChoiceStarted":
            assert event.choice not in open_choices
            assert event.reopened == (event.choice in done_choices)
            open_choices.add(event.choice)
            continue
        if hasattr(event, "choice"):
            assert event.choice in open_choices, f"{event} stands outside of its choice"
        if name == "ChoiceDone":
            assert not [part for part in open_parts if part[0] == event.choice], "a choice is done with open parts"
            open_choices.remove(event.choice)
            done_choices.add(event.choice)
        for part in _PARTS:
            key = (getattr(event, "choice", None), part, getattr(event, "call", None))
            if name == f"{part}Started":
                assert key not in open_parts
                assert event.reopened == (key in done_parts)
                open_parts.add(key)
            elif name == f"{part}Delta":
                assert key in open_parts, f"{event} comes before its part has started"
                pieces.setdefault(key, []).append(event)
            elif name == f"{part}Done":
                assert key in open_parts, f"{event} comes without its part"
                open_parts.remove(key)
                done_parts.add(key)
                _check_whole(part, pieces.get(key, []), event)


def _check_whole(part: str, pieces: list[Any], done: Any) -> None:
    """What the pieces of a part add up to is what its last event says."""
    if part in ("Content", "Refusal", "Reasoning"):
        assert done.text == "".join(piece.text for piece in pieces)
    elif part == "ToolCall":
        call = done.tool_call
        whole = call.custom.input if hasattr(call, "custom") else call.function.arguments
        assert whole == "".join(piece.arguments for piece in pieces)
    elif part == "FunctionCall":
        assert done.function_call.arguments == "".join(piece.arguments for piece in pieces)
    elif part == "Audio":
        if not pieces:
            return
        assert done.audio.transcript == "".join(piece.transcript for piece in pieces)
        data = base64.b64encode(b"".join(piece.data for piece in pieces)).decode()
        if re.fullmatch(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?", done.audio.data):
            assert done.audio.data == data
    elif part == "Annotations":
        assert done.annotations == [one for piece in pieces for one in piece.annotations]
    else:
        assert (done.logprobs.content or []) == [one for piece in pieces for one in piece.content]
        assert (done.logprobs.refusal or []) == [one for piece in pieces for one in piece.refusal]
