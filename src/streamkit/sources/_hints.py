"""Refuse values that are not sources: mistakes that look like one, and what to pass instead of anything else. Two
tables.

In: whatever a caller passed. Out: the `MisuseError` that says what to pass instead. Costs a few attribute lookups, once
a stream; no client is imported.

Rule 1  `MISTAKES` are checked first: each would be read as a source, wrongly or as empty.
Rule 2  `HINTS` are checked last, for what no client module accepted; the first whose test matches is the message.
To add one, add a row.
"""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeAlias

from ..errors import MisuseError
from ._detect import is_async, is_httpx, method

__all__ = ("check_mistakes", "refusal")

_TAKEN = {
    False: "bytes, a path, a file opened in binary mode, a response of a sync client, or an iterable of blocks or chunks",
    True: "a response of an async client, an async stream of bytes, an async iterable of blocks or chunks, bytes, or a"
    " list of them",
}


def check_mistakes(source: Any, *, asynchronous: bool) -> None:
    """Raise `MisuseError` for a value that looks like a source, but would be read wrongly or as empty."""
    if isinstance(source, (Mapping, io.TextIOBase)) or (asynchronous and isinstance(source, str)):
        raise refusal(source, asynchronous=asynchronous)
    for is_it, sentence in MISTAKES:
        if (name := is_it(source)) is not None:
            raise MisuseError(sentence.format(name))


def refusal(source: Any, *, asynchronous: bool) -> MisuseError:
    """Return the error for a value that is not a source, with what to pass instead."""
    kind = "an async source" if asynchronous else "a source"
    hint = next((text for side, fits, text in HINTS if side in (None, asynchronous) and fits(source)), "")
    return MisuseError(f"{kind} is {_TAKEN[asynchronous]}, not {type(source).__name__}" + (f": {hint}" if hint else ""))


# --- mistakes: a test that returns the name of what it found, and the message


def _class(source: Any) -> str | None:
    return source.__name__ if isinstance(source, type) else None  # it has all the methods of its instances


def _module(source: Any) -> str | None:
    return source.__name__ if isinstance(source, ModuleType) else None  # `os` has a `read`, `socket` a `close`


def _lines(source: Any) -> str | None:
    """Return the name of a client's iterator over lines. The lines of requests are bytes, and would be joined to one
    long line: no event until the end, and no response if the first line is a comment."""
    code = getattr(source, "gi_code", None) or getattr(source, "ag_code", None)
    name = getattr(code, "co_name", None)
    return name if name in ("iter_lines", "aiter_lines") else None


def _stream(source: Any) -> str | None:
    # By two names, since the stream helper of openai has an `until_done`, too; looked up without a call, since
    # `response` of a ChatStream would read all of it.
    found = all(inspect.getattr_static(source, name, None) is not None for name in ("until_done", "source_error"))
    return type(source).__name__ if found else None


def _read(source: Any) -> str | None:
    """Return the name of what was read to its end, or closed: its reader would blame the sender for an empty body."""
    ended = None in (getattr(source, "gi_frame", source), getattr(source, "ag_frame", source))  # a generator
    return type(source).__name__ if ended or getattr(source, "_was_read", False) is True else None


MISTAKES: tuple[tuple[Callable[[Any], str | None], str], ...] = (
    (_class, "the class {} is not a source: pass an instance of it"),
    (_module, "the module {} is not a source: pass what one of its functions returns"),
    (
        _lines,
        "{}() yields lines without line ends, so no event could end: pass the response itself, or its byte iterator",
    ),
    (_stream, "a {} is not a source: pass the source that it reads, or its .chunks()"),
    (_read, "this {} was already read, or closed: pass a new one, or the blocks that were read"),
)


# --- hints: for which side (None: both), a test, and the message

_Test: TypeAlias = Callable[[Any], bool]


def _is_one_chunk(source: Any) -> bool:
    return isinstance(source, Mapping) or method(source, "model_dump") is not None


def _is_process(source: Any) -> bool:
    return hasattr(source, "stdout") and hasattr(source, "returncode")


def _is_awaitable(source: Any) -> bool:
    return hasattr(source, "__await__") and not hasattr(source, "__aiter__")


def _is_awaitable_manager(source: Any) -> bool:
    return _is_awaitable(source) and hasattr(source, "__aenter__")


def _gives_bytes(name: str) -> _Test:
    def test(source: Any) -> bool:
        found = method(source, name)
        return found is not None and not (is_async(found) or is_httpx(source))

    return test


_READABLE = ("iter_raw", "iter_content", "read", "__iter__", "__aiter__", "__next__")


def _is_unreadable(source: Any) -> bool:
    return not any(hasattr(source, name) for name in _READABLE)


def _unreadable_with(name: str) -> _Test:
    return lambda source: _is_unreadable(source) and hasattr(source, name)


HINTS: tuple[tuple[bool | None, _Test, str], ...] = (
    (
        None,
        lambda source: isinstance(source, io.TextIOBase),
        "it is opened as text: open it in binary mode, open(path, 'rb'), or pass its .buffer",
    ),
    (
        None,
        lambda source: isinstance(source, (str, os.PathLike)),
        "pass the bytes of the body, or read the file first: Path(path).read_bytes()",
    ),
    (None, _is_one_chunk, "for a single chunk, pass a list, [chunk]; to request a stream, send stream=True"),
    (None, _is_process, "pass its stdout"),
    (None, _is_awaitable_manager, "await it and pass the result, or enter it: `async with … as response`"),
    (None, _is_awaitable, "await it and pass the result"),
    *(
        (name.startswith("a"), _gives_bytes(name), f"pass an iterator over its bytes, .{name}() without a size")
        for name in ("aiter_bytes", "aiter_content", "iter_bytes", "iter_content")
    ),
    (
        None,
        _unreadable_with("recv"),
        "a socket yields more than the body: pass a client's response, or socket.makefile('rb') after the HTTP head",
    ),
    (None, _unreadable_with("__aenter__"), "enter it, `async with … as response`, and pass the response"),
    (None, _unreadable_with("__enter__"), "enter it, `with … as response`, and pass the response"),
    (None, lambda source: _is_unreadable(source) and callable(source), "call it and pass the result"),
    (None, _is_unreadable, ""),
    (
        True,
        lambda source: True,
        (
            "it would block the event loop while it waits: use ChatStream (in another thread), or the async client;"
            " for a file, anyio.wrap_file(file)"
        ),
    ),
    (False, lambda source: True, "it is async: use AsyncChatStream, or iterate it and feed an Accumulator"),
)
