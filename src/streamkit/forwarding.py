"""What an ASGI app that forwards requests needs at its two edges: header rules, bounded bodies, readers that leave.

In: messages and callables as ASGI 3 has them. Out: the fields to forward to the next connection, the body of a request or the
reason why it is refused, an answer sent. Costs nothing beyond that.

Rule 1  Fields of one connection are not forwarded, nor those that `Connection` names (RFC 9110, Section 7.6.1).
Rule 2  A message with both framings is how requests are smuggled (RFC 9112, Section 6.3): neither side may send one.
Rule 3  A body is bounded in bytes and, where asked, in seconds: a peer that sends a byte a second is not waited for.
Rule 4  No path leaves the one below which it was asked for (`/v1/../x`).
Rule 5  A refusal has the shape that the SDKs of these APIs read: OpenAI's, and Anthropic's below `/v1/messages`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

import anyio

__all__ = (
    "Headers",
    "Message",
    "Receive",
    "Send",
    "api_error",
    "has_both_framings",
    "has_dot_segments",
    "kept_headers",
    "read_body",
    "refuse",
    "respond",
    "serve_lifespan",
    "until_left",
)

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
"""Header fields in their order, each a name and a value."""
Message: TypeAlias = MutableMapping[str, Any]
"""One message of ASGI."""
Receive: TypeAlias = Callable[[], Awaitable[Message]]
"""What an app is called with for the messages of its client."""
Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""What an app is called with for its own."""

# Of one connection, not of the message (RFC 9110, Section 7.6.1), or written anew for the next one.
_OF_THE_CONNECTION = frozenset(
    b"connection expect host keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
_BOTH = frozenset((b"content-length", b"transfer-encoding"))
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
}
# OpenAI calls these so; for the others it has the same words.
_OPENAI = {404: "invalid_request_error", 413: "invalid_request_error", 500: "server_error", 502: "server_error"}


def kept_headers(headers: Headers, *others: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields to forward: not those of the connection, those that `Connection` names, and `others`, which are names
    in lower case. Order, spelling and repeated fields stay."""
    headers = list(headers)
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    gone = {*_OF_THE_CONNECTION, *others, *(name.strip() for name in named.lower().split(b","))}
    return [(name, value) for name, value in headers if name.lower() not in gone]


def has_both_framings(headers: Headers) -> bool:
    """Return whether a message has both Content-Length and Transfer-Encoding (rule 2)."""
    return _BOTH.issubset(name.lower() for name, _ in headers)


def has_dot_segments(path: str) -> bool:
    """Return whether a path, unquoted, has a segment `.` or `..` (rule 4)."""
    return bool({".", ".."} & set(path.split("/")))


async def read_body(receive: Receive, most: int, seconds: float | None = None) -> bytes | None:
    """Return the body of a request, or as much of it as is more than `most` bytes; None where the client left.

    Raises `TimeoutError` where the body was not whole after that many `seconds`.
    """
    body = bytearray()
    with anyio.fail_after(seconds):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body", False) or len(body) > most:
                return bytes(body)


async def until_left(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel `scope` as soon as the client has left. Runs until then, beside what answers it."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def serve_lifespan(receive: Receive, send: Send, close: Callable[[], Awaitable[None]] | None = None) -> None:
    """Answer the messages of a server that starts and stops an app; call `close` before the answer to its shutdown."""
    while True:
        kind = (await receive())["type"]
        if kind == "lifespan.shutdown" and close is not None:
            await close()
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def respond(
    send: Send,
    status: int,
    text: str,
    kind: str = "text/plain; charset=utf-8",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with a text: its status, its content type, and more headers."""
    body = text.encode()
    fields = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def api_error(status: int, message: str, *, code: str | None = None, path: str = "") -> str:
    """Return the body of an error, as JSON text. `code`: OpenAI's, such as `model_not_found`. `path`: of the request (rule 5)."""
    kind = _TYPES.get(status, "api_error")
    if "/messages" in path.partition("?")[0]:
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}}, ensure_ascii=False)
    error = {"message": message, "type": _OPENAI.get(status, kind), "param": None, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False)


async def refuse(
    send: Send,
    status: int,
    message: str,
    *,
    code: str | None = None,
    path: str = "",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with an `api_error`."""
    await respond(send, status, api_error(status, message, code=code, path=path), "application/json", headers)
