"""`cleaning_transport` and its async sibling: a transport out of keyword arguments, each with its default in sight."""

from __future__ import annotations

from typing import Any

from streamkit import Clean, Deadlines, Dialect, Limits

from ._options import OnEnd, checked
from ._transports import AsyncCleaningTransport, CleaningTransport

__all__ = ("async_cleaning_transport", "cleaning_transport")

RAISE_TRUNCATED = Clean(truncated="raise")


def cleaning_transport(
    inner: Any = None,
    *,
    on_end: OnEnd = None,
    clean: Clean = RAISE_TRUNCATED,
    dialect: Dialect | None = None,
    limits: Limits | None = None,
    deadlines: Deadlines | None = None,
) -> CleaningTransport:
    """Return a transport for `httpx.Client` or `httpx2.Client` that writes every stream of chat completions clean.

        openai.OpenAI(http_client=openai.DefaultHttpxClient(transport=cleaning_transport()))

    `inner`: the transport that sends; None: what a client would use, with the proxies and certificates of the environment.
    `on_end`: called with an `Ended` once for each request for a stream, however it ended. `clean`: what a strict reader
    needs beyond what OpenAI writes; a stream that broke off raises, unless it says otherwise. `dialect`, `limits`: as those
    of an `Accumulator`. `deadlines`: over one of them the client's `ReadTimeout` is raised.

    Raises what the client's library raises where a connection breaks, with our error as the cause. `MisuseError` for wrong
    arguments.
    """
    return CleaningTransport(inner, checked(on_end, clean, dialect, limits, deadlines), asynchronous=False)


def async_cleaning_transport(
    inner: Any = None,
    *,
    on_end: OnEnd = None,
    clean: Clean = RAISE_TRUNCATED,
    dialect: Dialect | None = None,
    limits: Limits | None = None,
    deadlines: Deadlines | None = None,
) -> AsyncCleaningTransport:
    """Do what `cleaning_transport` does, for `httpx.AsyncClient` or `httpx2.AsyncClient`, on asyncio and trio.

    openai.AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient(transport=async_cleaning_transport()))
    """
    return AsyncCleaningTransport(inner, checked(on_end, clean, dialect, limits, deadlines), asynchronous=True)
