"""The transports: which requests they touch, and what they return for them.

Rule 1  A request is touched if it asks for a stream of chat completions: `POST`, a path that ends in `/chat/completions`,
        and `"stream": true` in its JSON. Not by what answers: senders name a stream `text/plain`, or nothing.
Rule 2  Of these, an answer with the status 200 is written clean, without the headers that say how long or how packed it
        was. Any other passes byte for byte; one from 400 on is read on the side, where there is an `on_end`.
Rule 3  Every request that is touched is reported once: also one that found no connection. A redirect is not an end.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from streamkit import MisuseError
from streamkit.sources import OneKind, Onward, async_blocks, blocks, body_class, library_of

from ._asked import Asked
from ._bodies import AsyncCleanBody, CleanBody
from ._exchange import Exchange
from ._options import Options
from ._refused import Refused

if TYPE_CHECKING:
    _Transport = Any  # fits where a BaseTransport of either library is asked for
else:
    _Transport = object

__all__ = ("AsyncCleaningTransport", "CleaningTransport")

_REFUSED = 400  # RFC 9110 section 15
_GONE = frozenset((b"content-encoding", b"content-length"))


class _Common(OneKind):
    """What both siblings know."""

    def __init__(self, inner: Any, options: Options, *, asynchronous: bool) -> None:
        if isinstance(inner, _Common):  # cleaned once, by the last options
            inner = inner.inner
        self._onward = Onward(inner, asynchronous=asynchronous)
        self._options = options

    @property
    def inner(self) -> Any:
        """The transport that sends; None for what a client would use."""
        return self._onward.inner

    def _begun(self, request: Any, body: bytes) -> Exchange | None:
        """Return what is known of a request from now on; None for one that is not touched (Rule 1)."""
        if b'"stream"' not in body:
            return None
        try:
            asked = json.loads(body)
        except ValueError:
            return None
        if not isinstance(asked, dict) or asked.get("stream") is not True:
            return None
        return Exchange(library_of(request), request, asked, self._options)

    def _response(self, begun: Exchange, response: Any, kind: Any, base: str) -> Any:
        """Return the response that the client gets."""
        status = response.status_code
        refused = status != 200
        exchange: Asked = begun
        if refused:
            if status < _REFUSED or self._options.on_end is None:
                return response
            exchange = Refused.of(begun)
        exchange.head(response)
        find = blocks if kind is CleanBody else async_blocks
        try:
            found = find(response, unpack=not refused)
        except MisuseError as error:  # packed in a way that is not known here, or unpacked already
            if not isinstance(exchange, Exchange):
                exchange.leave()
                return response
            exchange.failed(error)
            found = find(response, unpack=False)
        library = exchange.library
        headers = response.headers.raw
        if not refused:
            headers = [(name, value) for name, value in headers if name.lower() not in _GONE]
        body = body_class(kind, getattr(library, base))(exchange, found)
        return library.Response(status, headers=headers, stream=body, extensions=response.extensions)


def _is_asked(request: Any) -> bool:
    path: str = request.url.path
    return request.method == "POST" and path.rstrip("/").endswith("/chat/completions")


class CleaningTransport(_Common, _Transport):  # type: ignore[misc]
    """A transport of httpx or httpx2; `cleaning_transport` makes it."""

    sibling = "async_cleaning_transport()"

    def handle_request(self, request: Any) -> Any:
        """Send a request on, and clean what answers; the client calls it."""
        exchange = self._begun(request, request.read()) if _is_asked(request) else None
        if exchange is None:
            return self._onward.send(request)
        try:
            response = self._onward.send(request)
        except BaseException as error:
            exchange.lost(error)
            raise
        return self._response(exchange, response, CleanBody, "SyncByteStream")

    def close(self) -> None:
        """Close the inner transport, or what stands for it."""
        self._onward.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncCleaningTransport(_Common, _Transport):  # type: ignore[misc]
    """An async transport of httpx or httpx2; `async_cleaning_transport` makes it."""

    sibling = "cleaning_transport()"

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request on, and clean what answers; the client calls it."""
        exchange = self._begun(request, await request.aread()) if _is_asked(request) else None
        if exchange is None:
            return await self._onward.send(request)
        try:
            response = await self._onward.send(request)
        except BaseException as error:
            exchange.lost(error)
            raise
        return self._response(exchange, response, AsyncCleanBody, "AsyncByteStream")

    async def aclose(self) -> None:
        """Close the inner transport, or what stands for it."""
        await self._onward.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
