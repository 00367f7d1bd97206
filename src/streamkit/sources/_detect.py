"""What an object looks like: a response, a file, or a mistake that can be named. No client is imported for it.

In: whatever a caller passed as a source. Out: the response in it, its status and content type, or the `MisuseError`
that says what to pass instead. Costs some attribute lookups, once a stream.
"""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ..errors import MisuseError

__all__ = (
    "body_of",
    "check_packed",
    "closer",
    "consumed",
    "encoding_of",
    "head_of",
    "header",
    "is_async",
    "is_over",
    "is_sdk_helper",
    "method",
    "refusal",
    "response_of",
)


def method(source: Any, name: str) -> Callable[..., Any] | None:
    """The method of that name, None where there is none."""
    found = getattr(source, name, None)
    return found if callable(found) else None


def is_async(found: object) -> bool:
    """Whether a call gives something to await."""
    return inspect.iscoroutinefunction(found)


def _is_httpx(source: Any) -> bool:
    return method(source, "iter_raw") is not None and method(source, "aiter_raw") is not None


def response_of(source: Any) -> Any:
    """The httpx or httpx2 response that `source` is or carries, else None.

    `http_response`: openai's `with_raw_response` and `with_streaming_response`. `response`: openai's `Stream` and those
    of SDKs made alike, the event source of httpx-sse, errors of httpx and openai that carry an answer. Only where it is
    their own: what wraps a stream to watch it, and passes all else through, is to be iterated, or it would see nothing.
    `MisuseError` for what looks like a source, and would be read as none or wrongly.
    """
    if isinstance(source, type):  # it has all the methods of its instances
        raise MisuseError(f"the class {source.__name__} is no source: pass the object itself, not its class")
    if isinstance(source, ModuleType):  # `os` has a `read`, `socket` a `close`
        raise MisuseError(f"the module {source.__name__} is not a source: pass what one of its functions gives")
    if (name := _lines(source)) is not None:
        raise MisuseError(
            f"{name}() gives lines without their ends, so no event could end: pass the response itself, or what gives its"
            " bytes as they come"
        )
    if _is_httpx(source):
        return source
    if isinstance(source, Mapping):
        return None
    if inspect.getattr_static(source, "source_error", None) is not None:  # reading `response` would read it all
        raise MisuseError("a ChatStream is no source: pass what it was made of, or its .chunks()")
    for name in ("http_response", "response"):
        if inspect.getattr_static(source, name, None) is None:
            continue
        inner = getattr(source, name, None)
        if inner is not None and _is_httpx(inner):
            return inner
    return None


def _lines(source: Any) -> str | None:
    """What a client's iterator over lines is called. Those of requests are bytes, and would be joined to one long line:
    no event to the end, and no response at all where the first line is a comment."""
    code = getattr(source, "gi_code", None) or getattr(source, "ag_code", None)
    name = getattr(code, "co_name", None)
    return name if name in ("iter_lines", "aiter_lines") else None


def body_of(response: Any) -> bytes | None:
    """The body of an httpx response that was read already, else None."""
    try:
        content: Any = response.content
    except RuntimeError:  # httpx.ResponseNotRead is one
        return None
    return content if isinstance(content, bytes) else None


def head_of(response: Any) -> dict[str, Any]:
    """Status and content type, as keywords for `Blocks`; None where there is none."""
    status = next(
        (code for name in ("status_code", "status") if type(code := getattr(response, name, None)) is int), None
    )
    return {"status": status, "content_type": header(response, "content-type")}


def header(response: Any, name: str) -> str | None:
    """A header of a response, however it keeps them."""
    get = method(getattr(response, "headers", None), "get")
    value = None if get is None else get(name) or get(name.title())
    return value if isinstance(value, str) else None


def encoding_of(response: Any, unpack: bool) -> str | None:
    """The `Content-Encoding` that has to be undone; None where there is none, or the caller wants the bytes as sent."""
    return header(response, "content-encoding") if unpack else None


def check_packed(response: Any, unpack: bool) -> None:
    """`MisuseError` where the client has unpacked the body already, and the caller wants the bytes as they were sent."""
    if not unpack and header(response, "content-encoding") not in (None, "", "identity"):
        raise MisuseError(
            f"unpack=False: the client has unpacked the body of this {type(response).__name__} already; pass a response"
            " that was not read, or ask for it with the header `Accept-Encoding: identity`"
        )


def closer(*sources: Any, asynchronous: bool = False) -> Callable[[], Any] | None:
    """How to close the first of them that can be closed."""
    for source in sources:
        for name in ("aclose", "close") if asynchronous else ("close",):
            if (close := method(source, name)) is not None:
                return close
    return None


def is_sdk_helper(source: Any) -> bool:
    """Whether this is what openai's `chat.completions.stream()` gives: events of its own, with the chunks among them."""
    return method(source, "get_final_completion") is not None


def is_over(file: Any) -> bool:
    """Whether a file, or a response that is one, is closed: those of http.client close when they are read to the end."""
    isclosed = method(file, "isclosed")
    return getattr(file, "closed", False) is True or (isclosed is not None and bool(isclosed()))


def consumed(source: Any) -> MisuseError:
    """The error for a source whose blocks went to somebody else, or that was closed."""
    return MisuseError(
        f"this {type(source).__name__} was already read, or closed: pass it while it is open, inside of its `with` block,"
        " and before anything else reads from it; or pass the blocks that were read"
    )


_TAKEN = {
    False: "bytes, a path, a file opened in binary mode, a response of a sync client, or an iterable of blocks or chunks",
    True: "a response of an async client, an async stream of bytes, an async iterable of blocks or chunks, bytes, or a"
    " list of them",
}


def refusal(source: Any, *, asynchronous: bool) -> MisuseError:
    """The error for what is no source, with what to pass instead."""
    kind = "an async source" if asynchronous else "a source"
    hint = _hint(source, asynchronous)
    return MisuseError(f"{kind} is {_TAKEN[asynchronous]}, not {type(source).__name__}" + (f": {hint}" if hint else ""))


def _hint(source: Any, asynchronous: bool) -> str:
    if isinstance(source, io.TextIOBase):
        return "it is opened as text: open it in binary mode, open(path, 'rb'), or pass its .buffer"
    if isinstance(source, (str, os.PathLike)):
        return "pass the bytes of the body, or read the file first: Path(path).read_bytes()"
    if isinstance(source, Mapping) or method(source, "model_dump") is not None:
        return "for one chunk pass a list, [chunk]; a request for a stream says stream=True"
    if hasattr(source, "stdout") and hasattr(source, "returncode"):
        return "pass its stdout"
    awaitable, manager = hasattr(source, "__await__"), hasattr(source, "__aenter__")
    if awaitable and not hasattr(source, "__aiter__"):
        return "await it, and pass what that gives" + (", or enter it: `async with … as response`" if manager else "")
    for name in ("aiter_bytes", "aiter_content") if asynchronous else ("iter_bytes", "iter_content"):
        if (found := method(source, name)) is not None and not (is_async(found) or _is_httpx(source)):
            return f"pass what gives its bytes, .{name}() without a size"
    known = ("iter_raw", "iter_content", "read", "__iter__", "__aiter__", "__next__")
    if not any(hasattr(source, name) for name in known):
        if method(source, "recv") is not None:
            return (
                "a socket gives more than the body: pass a client's response, or socket.makefile('rb') behind the head"
            )
        if manager or hasattr(source, "__enter__"):
            word = "async with" if manager else "with"
            return f"enter it, `{word} … as response`, and pass what that gives"
        if callable(source):
            return "call it, and pass what that gives"
        return ""
    if asynchronous:
        return (
            "it would block the event loop while it waits: use ChatStream (in a thread of its own), or the async client;"
            " of a file, anyio.wrap_file(file)"
        )
    return "it is async: use AsyncChatStream, or iterate it and feed an Accumulator"
