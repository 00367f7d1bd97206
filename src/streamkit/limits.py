"""Limits on what a stream may grow to. On by default, since the sender is an untrusted program.

A limit that real streams reach is worse than none, so each default is next to the precedent it was chosen by.
"""

from __future__ import annotations

import attrs

from ._arguments import whole
from ._field_docs import show_fields
from .errors import MisuseError, shown

__all__ = ("DEFAULT_LIMITS", "Limits")


def _positive(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not whole(value, 1):
        raise MisuseError(f"Limits({attribute.name}=...) takes a whole number from 1, not {shown(value)}")


@attrs.frozen(kw_only=True)
class Limits:
    """Limits of one stream. Beyond any of them it fails with a `LimitError`; what had arrived is kept."""

    max_event_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=_positive)
    """Bytes of one event. aiohttp's 128 and 512 KiB and httpx2's 1 MiB cut real images and reasoning traces off."""
    max_event_values: int = attrs.field(default=1024 * 1024, validator=_positive)
    """JSON values of one event, weighted by the memory they take: each counts 1, a string 1 more, a member of an object
    3 more, an array or an object 10 more. 6 MB of `{},` took 260 MB, and 1,200 MB as choices. A prompt of a million
    `token_ids` is within it, 1,000 citations are about 50,000; an event with log probabilities,
    which are many, may take twice the memory of this limit, 64 MB by default: those of 4,500 tokens with twenty alternatives
    each."""
    max_response_bytes: int = attrs.field(default=256 * 1024 * 1024, validator=_positive)
    """Bytes of event data folded into one response, all events together: 16 events of the largest size."""
    max_choices: int = attrs.field(default=1024, validator=_positive)
    """Choices of one response. OpenAI allows n up to 128; TGI numbers tokens instead of choices, hence the large
    value."""
    max_tool_calls: int = attrs.field(default=1024, validator=_positive)
    """Tool calls of one choice. OpenAI takes at most 128 tools in a request, and one may be called repeatedly."""
    max_nesting: int = attrs.field(default=128, validator=_positive)
    """Levels of arrays and objects in an unknown field. jiter itself refuses a document deeper than 200."""
    max_extra_values: int = attrs.field(default=2_000_000, validator=_positive)
    """What is kept outside the typed fields, in units of about 32 bytes of memory: a number counts 1, a string in a
    list 2, an object or a list 8, each member of an object 7 more, a new unknown field 30, a choice 60, a tool call 45.
    A replaced value no longer counts. 60,000 unknown fields, or 1,000 citations in every chunk, are within it."""
    max_comments: int = attrs.field(default=250_000, validator=_positive)
    """Comments (keep-alives) of one stream: one a second for almost three days."""
    max_anomalies: int = attrs.field(default=256, validator=_positive)
    """Different anomalies kept; repeats of one are counted, not kept. Beyond it they are counted but not described."""


DEFAULT_LIMITS = Limits()
"""The limits of an accumulator that is passed no others."""


show_fields(__name__)
