"""What is raised where a stream broke: an exception of the client's library, with ours as its cause.

In: httpx or httpx2, and our error. Out: what a client raises for a broken connection, so that the retries and the error
classes of an SDK work.
"""

from __future__ import annotations

from typing import Any

from streamkit import StreamError

__all__ = ("again", "made")


def made(library: Any, name: str, ours: StreamError, request: Any, text: str | None = None) -> Exception:
    """Return the exception of `library` with this name, for `request`; `text`: None for what `ours` says."""
    kind = getattr(library, name, library.ReadError)
    error: Exception = kind(str(ours) if text is None else text, request=request)
    error.__cause__ = ours
    return error


def again(library: Any, error: Exception, ours: StreamError, request: Any) -> Exception:
    """Return what is raised for `error`, of a source: another of the same class, since `error` is the cause of `ours`."""
    if isinstance(error, library.RequestError):
        return made(library, type(error).__name__, ours, request, str(error))
    if isinstance(error, (ValueError, EOFError)):  # what unpacks the body says that it is broken
        return made(library, "DecodingError", ours, request, str(error))
    return error
