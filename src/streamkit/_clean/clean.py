"""`Clean`: what a strict reader needs of a stream beyond what OpenAI writes; one value for all that writes clean streams.

In: words. Out: a frozen value, or a `MisuseError` that names the field and the words it takes. The default of each field
is what OpenAI itself sends. `_clean/shaping.py` carries the fields out.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from .._arguments import whole
from .._field_docs import show_fields
from ..errors import MisuseError, shown

__all__ = ("DEFAULT_CLEAN", "Clean")


def _word(*words: str) -> Any:
    """Return a field that takes one of `words`; the first is its default."""

    def check(_: object, attribute: attrs.Attribute[str], value: object) -> None:
        if not isinstance(value, str) or value not in words:
            taken = ", ".join(f'"{word}"' for word in words[:-1])
            raise MisuseError(f'Clean({attribute.name}=...) takes {taken} or "{words[-1]}", not {shown(value)}')

    return attrs.field(default=words[0], validator=check)


def _count_or_all(_: object, attribute: attrs.Attribute[int | None], value: object) -> None:
    if value is not None and not whole(value, 1):
        raise MisuseError(
            f"Clean({attribute.name}=...) takes a whole number from 1, or None for all, not {shown(value)}"
        )


@attrs.frozen(kw_only=True, repr=False)
class Clean:
    """What the clean stream does where a strict reader would fail, or be silent. `Clean()` is what OpenAI sends.

    For a gateway: `Clean(truncated="error", order="index")`. An error that is written has the form of one of the sender's
    (`{"error":{"message":…,"type":"stream_error","code":…}}`), and takes the place of `[DONE]`; one that is raised follows
    the last event. `to_chunks` and `async_to_chunks`, which cannot write an error, raise it.
    """

    truncated: Literal["as_sent", "error", "raise"] = _word("as_sent", "error", "raise")
    """Where the stream broke off: `"as_sent"` ends with nothing, which a client that knows no `[DONE]` takes for complete;
    `"error"` ends with an error event; `"raise"` raises the `TruncatedError`."""
    refusal: Literal["as_sent", "content"] = _word("as_sent", "content")
    """Where a refusal is written: `"as_sent"` in `refusal`; `"content"` in `content`, for readers that know no refusal."""
    reasoning: Literal["as_sent", "reasoning_content", "reasoning", "tags", "drop"] = _word(
        "as_sent", "reasoning_content", "reasoning", "tags", "drop"
    )
    """Where reasoning is written: `"as_sent"` in the sender's fields; `"reasoning_content"` or `"reasoning"` in that one field,
    whatever the sender's was; `"tags"` in `content`, between `<think>` and `</think>`; `"drop"` nowhere. Typed blocks
    (`reasoning_details`) stay beside a field, and go with `"tags"` and `"drop"`."""
    choices: int | None = attrs.field(default=None, validator=_count_or_all)
    """How many choices are written: None for all; 1 for that of index 0, which readers that know one choice need."""
    incomplete_calls: Literal["as_sent", "error", "raise", "drop"] = _word("as_sent", "error", "raise", "drop")
    """A tool call that the finish reason `length` (or a filter) cut off: `"as_sent"` writes it, and many agents run it;
    `"error"` ends with an error event, `"raise"` raises a `TruncatedError`; `"drop"` leaves it out, for which all calls wait
    for the end, and leaves out too what a stream that broke off has of a call."""
    order: Literal["sent", "index"] = _word("sent", "index")
    """In which order choices begin: `"sent"` as their sender began them; `"index"` from 0 on, as the stream helper of
    openai-python needs: a choice waits until those before it have begun, at most to the end."""

    def __repr__(self) -> str:
        fields = ((field.name, getattr(self, field.name), field.default) for field in attrs.fields(Clean))
        return f"Clean({', '.join(f'{name}={value!r}' for name, value, default in fields if value != default)})"


DEFAULT_CLEAN = Clean()


show_fields(__name__)
