"""How a body ended, in the words of a trace, from what the client raised.

In: an exception of any client. Out: one of `trace.ENDS`. No client is imported: classes are known by their names, along the
chain of causes, since each client wraps what its lower layer raised (httpx.ReadError <- httpcore.ReadError <-
ConnectionResetError).
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ("end_of", "words_of")

# The first row of which a name appears anywhere in the chain decides: a time that ran out may wear any other's clothes.
_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("timeout", ("Timeout",)),
    ("reset", ("ConnectionResetError", "BrokenPipeError", "ConnectionAbortedError")),
    (
        "incomplete",
        (
            *("RemoteProtocolError", "ProtocolError", "IncompleteRead", "ChunkedEncodingError", "ClientPayloadError"),
            *("ServerDisconnectedError", "TransferEncodingError", "ContentLengthError", "EOFError", "EndOfStream"),
        ),
    ),
    ("cancelled", ("CancelledError", "Cancelled", "KeyboardInterrupt", "GeneratorExit")),
    ("reset", ("ReadError", "ConnectError", "ConnectionError", "NetworkError", "OSError", "BrokenResourceError")),
)

_LONG = 500  # characters of what a client said


def end_of(error: BaseException) -> str:
    """Return how a body ended that was read with this exception."""
    names = [cls.__name__ for one in _chain(error) for cls in type(one).__mro__]
    for end, words in _ROWS:
        if any(word in name if word == "Timeout" else word == name for word in words for name in names):
            return end
    return "unknown"


def words_of(error: BaseException) -> str:
    """Return what the client said: the class, and its message."""
    try:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:
        text = type(error).__name__
    return text[:_LONG]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
