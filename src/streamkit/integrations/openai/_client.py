"""`client`: an openai client like the one that is passed, whose streams are written clean beneath it.

In: an `OpenAI`, `AsyncOpenAI`, or a subclass (Azure). Out: another of the same class and options, over a copy of its HTTP
client in which each transport and mount is wrapped. What is beneath (a custom transport, a proxy) sees each request as
before.

Rule    Both share connections: the copy keeps the original alive, as the SDK closes an HTTP client that nobody holds.
        Closing either closes the connections of both; httpx opens new ones for the one that stays in use.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from streamkit import Clean, Deadlines, Dialect, Limits, MisuseError
from streamkit.integrations.httpx import OnEnd, async_cleaning_transport, cleaning_transport

__all__ = ("client",)

Client = TypeVar("Client")


def client(
    openai_client: Client,
    *,
    on_end: OnEnd = None,
    clean: Clean | None = None,
    dialect: Dialect | None = None,
    limits: Limits | None = None,
    deadlines: Deadlines | None = None,
) -> Client:
    """Return a client like `openai_client`, of the same class, that reads each stream of chat completions clean.

    The options are those of `streamkit.integrations.httpx.cleaning_transport`. `MisuseError` for what is not a client of the
    SDK.
    """
    http: Any = getattr(openai_client, "_client", None)
    with_options: Any = getattr(openai_client, "with_options", None)
    if with_options is None or not (hasattr(http, "_transport") and hasattr(http, "_mounts")):
        raise MisuseError(
            f"client() takes an openai.OpenAI or AsyncOpenAI over httpx, not {type(openai_client).__name__}: for any other,"
            " pass a cleaning_transport() to its HTTP client"
        )
    wrap = async_cleaning_transport if hasattr(http, "aclose") else cleaning_transport
    options: dict[str, Any] = {"on_end": on_end, "dialect": dialect, "limits": limits, "deadlines": deadlines}
    if clean is not None:
        options["clean"] = clean
    cleaned = copy.copy(http)
    cleaned._transport = wrap(http._transport, **options)
    # None: no proxy for that pattern, which the client reads as its transport.
    cleaned._mounts = {
        pattern: None if mount is None else wrap(mount, **options) for pattern, mount in http._mounts.items()
    }
    cleaned._kept_alive = http  # what it closes when it is collected is in use here
    made: Client = with_options(http_client=cleaned)
    return made
