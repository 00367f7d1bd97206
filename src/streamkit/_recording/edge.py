"""What the proxy and the server do with a request before they know what it asks for: bounds, and refusals.

In: what ASGI passes of a request. Out: a `Request`, or None where it was refused and answered.

Rule 1  What is refused: a target that is not a path (`GET http://other/`), a path with `.` or `..`, both framings, a body that is too
        large, or not whole in time. The answer has the API's error shape.
Rule 2  A body that says it is too large is refused before it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import attrs

from ..forwarding import Receive, Send, has_both_framings, has_dot_segments, read_body, refuse
from .uvicorn_edge import break_off, spelled_headers

__all__ = ("BODY_SECONDS", "JSON", "MAX_BODY", "Request", "Requests", "hang_up", "request_of")

MAX_BODY = 64 * 1024 * 1024  # bytes of a request: OpenAI takes 50 MB of images
BODY_SECONDS = 120.0  # for the body of a request: 64 MB at 4 Mbit/s
JSON = "application/json"


@attrs.frozen(kw_only=True)
class Request:
    """One request, its body read."""

    method: str
    target: str
    """Its path with its query, as it was sent."""
    path: str
    """Its path, unquoted."""
    headers: tuple[tuple[bytes, bytes], ...]
    """In order and spelling received."""
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of a header, "" where it was not sent. `name`: in lower case."""
        values = (value for one, value in self.headers if one.lower() == name.encode())
        return next(values, b"").decode("latin-1")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The headers as a trace has them."""
        return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers)


class Requests:
    """The requests that are being answered, so that a server that stops can end them."""

    def __init__(self) -> None:
        self._scopes: set[Any] = set()
        self.stopped = False

    def stop(self) -> None:
        """Cancel each of them."""
        self.stopped = True
        for scope in tuple(self._scopes):
            scope.cancel()

    def add(self, scope: Any) -> None:
        """Add the cancel scope of one."""
        self._scopes.add(scope)
        if self.stopped:
            scope.cancel()

    def remove(self, scope: Any) -> None:
        """Remove one that is over."""
        self._scopes.discard(scope)


async def hang_up(send: Send) -> None:
    """Close the connection in the middle of an answer, as a server does that stops."""
    with anyio.CancelScope(shield=True):
        await break_off(send, reset=False)
        for _ in range(2):  # until the server knows that it is closed; it would log an answer that is not whole
            await anyio.lowlevel.checkpoint()


async def request_of(
    scope: Mapping[str, Any], receive: Receive, send: Send, most: int, seconds: float = BODY_SECONDS
) -> Request | None:
    """Read a request; None where it was refused (rule 1), or its client left."""
    try:
        body = await _accepted(scope, receive, most, seconds)
    except _Refused as refused:
        # What is left of the body would be taken for the next request.
        close = () if refused.status == 400 else ((b"connection", b"close"),)
        await refuse(send, refused.status, str(refused), path=scope["path"], headers=close)
        return None
    if body is None:
        return None
    raw, query = _raw_path(scope), scope.get("query_string", b"")
    return Request(
        method=scope["method"],
        target=(raw + b"?" + query if query else raw).decode("latin-1"),
        path=scope["path"],
        headers=tuple(spelled_headers(scope, send)),
        body=body,
    )


class _Refused(Exception):
    """A request that is not read further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _raw_path(scope: Mapping[str, Any]) -> bytes:
    return scope.get("raw_path") or scope["path"].encode()  # type: ignore[no-any-return]


async def _accepted(scope: Mapping[str, Any], receive: Receive, most: int, seconds: float) -> bytes | None:
    if not _raw_path(scope).startswith(b"/") or has_dot_segments(scope["path"]):
        raise _Refused(400, "the target of a request is a path, without `.` and `..` in it")
    if has_both_framings(scope["headers"]):
        raise _Refused(400, "a request has Content-Length or Transfer-Encoding, not both")
    too_large = _Refused(413, f"a request has at most {most} bytes")
    said = dict(scope["headers"]).get(b"content-length", b"")
    if said.isdigit() and (len(said) > 18 or int(said) > most):
        raise too_large
    try:
        body = await read_body(receive, most, seconds)
    except TimeoutError:
        raise _Refused(408, f"the body of the request was not whole after {seconds:g} seconds") from None
    if body is not None and len(body) > most:
        raise too_large
    return body
