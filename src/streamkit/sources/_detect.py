"""Recognise objects: the small questions that every client module asks about a source. No client is imported for it.

In: whatever a caller passed as a source. Out: its methods, its status and content type, how it is closed. Costs a few
attribute lookups, once a stream.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import MisuseError

__all__ = (
    "READ",
    "check_packed",
    "closer",
    "consumed",
    "encoding_of",
    "head_of",
    "header",
    "is_async",
    "is_httpx",
    "is_over",
    "method",
)

READ = 65536  # bytes: the most that one read may return; a pipe returns what is available


def method(source: Any, name: str) -> Callable[..., Any] | None:
    """Return the method of that name, None if there is none."""
    found = getattr(source, name, None)
    return found if callable(found) else None


def is_async(found: object) -> bool:
    """Return True if a call returns an awaitable."""
    return inspect.iscoroutinefunction(found)


def is_httpx(source: Any) -> bool:
    """Return True if this is a response of httpx or httpx2, sync or async; also called for objects that carry one."""
    return method(source, "iter_raw") is not None and method(source, "aiter_raw") is not None


def head_of(response: Any) -> dict[str, Any]:
    """Return status and content type, as keywords for `Blocks`; None if absent."""
    status = next(
        (code for name in ("status_code", "status") if type(code := getattr(response, name, None)) is int), None
    )
    return {"status": status, "content_type": header(response, "content-type")}


def header(response: Any, name: str) -> str | None:
    """Return a header of a response, however it stores them."""
    get = method(getattr(response, "headers", None), "get")
    value = None if get is None else get(name) or get(name.title())
    return value if isinstance(value, str) else None


def encoding_of(response: Any, unpack: bool) -> str | None:
    """Return the `Content-Encoding` to undo; None if there is none, or the caller wants the bytes as sent."""
    return header(response, "content-encoding") if unpack else None


def check_packed(response: Any, unpack: bool) -> None:
    """Raise `MisuseError` if the client has unpacked the body already, but the caller wants the bytes as sent."""
    if not unpack and header(response, "content-encoding") not in (None, "", "identity"):
        raise MisuseError(
            f"unpack=False asks for the bytes as sent, but the body of this {type(response).__name__} was unpacked by its"
            " client; pass a response that was not read, or send the header `Accept-Encoding: identity`"
        )


def closer(*sources: Any, asynchronous: bool = False) -> Callable[[], Any] | None:
    """Return how to close the first of them that can be closed."""
    for source in sources:
        for name in ("aclose", "close") if asynchronous else ("close",):
            if (close := method(source, name)) is not None:
                return close
    return None


def is_over(file: Any) -> bool:
    """Return True if a file, or a response that is one, is closed: http.client closes responses read to the end."""
    isclosed = method(file, "isclosed")
    return getattr(file, "closed", False) is True or (isclosed is not None and bool(isclosed()))


def consumed(source: Any) -> MisuseError:
    """Return the error for a source that was already read or closed."""
    return MisuseError(
        f"this {type(source).__name__} was already read, or closed: pass it while it is open, inside its `with` block,"
        " and before anything else reads from it; or pass the blocks that were read"
    )
