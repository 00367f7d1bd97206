"""How long a sender asks its clients to wait before they ask again, from the headers of any client's response.

In: a response that a `ChatStream` takes. Out: seconds, or None. Costs a lookup of two headers.
"""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import Any

from ._detect import header

__all__ = ("retry_after",)


def retry_after(response: Any) -> float | None:
    """Return for how many seconds the sender of `response` asks to wait, at least 0; None if it does not ask.

    Reads `retry-after-ms` (OpenAI, Azure) before `Retry-After`, which is a number of seconds or a date (RFC 9110, section
    10.2.3). A date counts from the response's own `Date`, since the clocks of two machines differ. Anything that is not a
    response of a client, or has headers that mean nothing, does not ask.
    """
    if (seconds := _number(header(response, "retry-after-ms"), 1000)) is not None:
        return seconds
    asked = header(response, "retry-after")
    if (seconds := _number(asked, 1)) is not None:
        return seconds
    until, now = _instant(asked), _instant(header(response, "date"))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def _number(text: str | None, unit: int) -> float | None:
    try:
        value = float(text or "") / unit
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _instant(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):  # no date, or one in the year 0
        return None
