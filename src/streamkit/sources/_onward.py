"""Where a transport of httpx or httpx2 forwards its requests, and the body class that a client of that library accepts.

In: another transport, or None; then a request of either library. Out: the transport that takes this request. Neither
library is imported here: the class of the request determines it.

Rule 1  Without an inner transport, requests are sent where a client without `transport=` would send them: through the
        proxies and with the certificates from the environment. A client of that kind is asked for the transport of each
        URL.
Rule 2  Once closed it may be used again, with new connections: frameworks close their client after each request, and
        pass the same transport to the next one.
"""

from __future__ import annotations

import sys
from functools import cache
from threading import Lock
from typing import Any

from ..errors import MisuseError, shown

__all__ = ("OneKind", "Onward", "body_class", "library_of")

_LIBRARIES = ("httpx", "httpx2")
# Like openai: with 100 connections, httpx's default, a client would be slower with a transport than without.
_CONNECTIONS, _KEPT_ALIVE = 1000, 100

_SYNC_METHODS = ("handle_request", "__enter__", "__exit__", "close")
_ASYNC_METHODS = ("handle_async_request", "__aenter__", "__aexit__", "aclose")


def library_of(request: Any) -> Any:
    """Return the library of a request, response or transport: httpx or httpx2."""
    for cls in type(request).__mro__:
        name = cls.__module__.partition(".")[0]
        if name in _LIBRARIES:
            return sys.modules[name]
    raise MisuseError(f"a transport takes requests of httpx or httpx2, not {shown(request)}")


@cache
def body_class(kind: type[Any], base: type[Any]) -> type[Any]:
    """Return `kind` as a body that a client of the library of `base`, its `SyncByteStream` or `AsyncByteStream`,
    accepts: clients check for that class."""
    return type(kind.__name__, (kind, base), {})


class OneKind:
    """Base of a transport for clients of one kind, sync or async. A client of the other kind gets an AttributeError that
    names the sibling (`sibling`), where it would get one that names a method."""

    sibling = ""

    def __getattr__(self, name: str) -> Any:
        asynchronous = hasattr(type(self), "handle_async_request")
        for_others = _SYNC_METHODS if asynchronous else _ASYNC_METHODS
        kind, other = ("async", "a sync") if asynchronous else ("sync", "an async")
        if name in for_others:
            raise AttributeError(f"{type(self).__name__} is for {kind} clients: pass {self.sibling} to {other} one")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Onward:
    """Sends requests on: to `inner`, or to where a client without a transport would (Rule 1)."""

    def __init__(self, inner: Any = None, *, asynchronous: bool = False) -> None:
        self.inner = inner
        """The transport that sends."""
        self._method = "handle_async_request" if asynchronous else "handle_request"
        self._client_class = "AsyncClient" if asynchronous else "Client"
        if inner is not None and not hasattr(inner, self._method):
            other = " (the client is an async one, or this is)" if hasattr(inner, "handle_request") else ""
            raise MisuseError(f"inner= takes a transport that has {self._method}(), not {shown(inner)}{other}")
        self._clients: dict[str, Any] = {}  # one for each library, for its transports
        self._lock = Lock()

    def send(self, request: Any) -> Any:
        """Send `request`; return its response, or an awaitable of it."""
        if self.inner is not None:
            return getattr(self.inner, self._method)(request)
        client = self._client_of(library_of(request))
        # The one place that knows the environment's proxies for a URL; not public, so there is a fallback without it,
        # which does the same and logs each request twice.
        find = getattr(client, "_transport_for_url", None)
        if find is not None:
            return getattr(find(request.url), self._method)(request)
        return client.send(request, stream=True, auth=None)

    def _client_of(self, library: Any) -> Any:
        with self._lock:
            client = self._clients.get(library.__name__)
            if client is None:
                limits = library.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_KEPT_ALIVE)
                client = self._clients[library.__name__] = getattr(library, self._client_class)(limits=limits)
            return client

    def _all(self) -> list[Any]:
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        return [*clients, *([] if self.inner is None else [self.inner])]

    def close(self) -> None:
        """Close the inner transport, or its substitutes."""
        for one in self._all():
            one.close()

    async def aclose(self) -> None:
        """Do what `close` does, for async requests."""
        for one in self._all():
            await one.aclose()
