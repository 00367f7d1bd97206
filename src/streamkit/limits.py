"""How large a stream may grow before it is an attack. On by default: a sender is somebody else's program.

A number that real streams meet is worse than none, so each stands beside the precedent it was chosen by.
"""

from __future__ import annotations

import attrs

from ._arguments import whole
from .errors import MisuseError, shown

__all__ = ("DEFAULT_LIMITS", "Limits")


def _positive(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not whole(value, 1):
        raise MisuseError(f"Limits({attribute.name}=...) takes a whole number from 1, not {shown(value)}")


@attrs.frozen(kw_only=True)
class Limits:
    """Over any of these the stream fails with a `LimitError`; what had arrived stays."""

    max_event_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=_positive)
    """Bytes of one event. aiohttp's 128 and 512 KiB and httpx2's 1 MiB cut real images and reasoning traces off."""
    max_response_bytes: int = attrs.field(default=256 * 1024 * 1024, validator=_positive)
    """Bytes of event data folded into one response, all events together: 16 events of the largest size."""
    max_choices: int = attrs.field(default=1024, validator=_positive)
    """Choices of one response. OpenAI allows n up to 128; TGI numbers tokens instead of choices, hence the room."""
    max_tool_calls: int = attrs.field(default=1024, validator=_positive)
    """Tool calls of one choice. OpenAI takes at most 128 tools in a request, and one may be called repeatedly."""
    max_nesting: int = attrs.field(default=128, validator=_positive)
    """Levels of arrays and objects in an unknown field. jiter itself refuses a document deeper than 200."""
    max_anomalies: int = attrs.field(default=256, validator=_positive)
    """Different anomalies kept; repeats of one are counted, not kept. Over it they are counted but not described."""


DEFAULT_LIMITS = Limits()
