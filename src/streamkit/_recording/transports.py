"""Transports of httpx and httpx2 that record every exchange: one argument more for a client, and no other change.

    client = openai.OpenAI(http_client=openai.DefaultHttpxClient(transport=RecordingTransport(into="traces/")))

In: another transport, or none, and where to write. Out: the same responses, byte for byte as they arrive. Costs a write a
block. Which of the two libraries it is, the first request says; neither is imported here.

Rule 1  Without an inner transport, requests go where a client without `transport=` would send them: through the proxies and
        with the certificates that the environment names (`sources.Onward`).
Rule 2  Senders are asked not to encode (`Accept-Encoding: identity`), since an encoded body cannot be searched for secrets.
Rule 3  SDKs close at `[DONE]`; closing reads on for `grace` seconds then, so that the end is seen and the connection lives.
Rule 4  Failures are exchanges too: what is raised instead of a response ends a trace without a head, and is raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..sources import GRACE, OneKind, Onward, async_blocks, blocks, body_class, library_of
from ..trace import MAX_BYTES, Trace
from .exchanges import head_of_source, request_of_httpx
from .record import AsyncRecording, Into, Recording
from .recorder import Options, Recorder
from .scrub import Find
from .session import Session
from .targets import Targets
from .ways_to_end import end_of, words_of

if TYPE_CHECKING:
    from typing import Any as Base  # for type checkers it is a transport of either library
else:
    Base = object

__all__ = ("AsyncRecordingTransport", "RecordingTransport")

Target = Callable[[Trace], Any]
"""From the header of an exchange to the path or the file that it is written to."""


class _Common(OneKind):
    """What both siblings know: the options, and how an exchange is written down."""

    def __init__(
        self,
        inner: Any = None,
        into: Into | Session | None = None,
        *,
        scrub: Find | bool = True,
        keep_headers: tuple[str, ...] = (),
        max_bytes: int = MAX_BYTES,
        allow_encoded: bool = False,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = Options(
            scrub=scrub,
            keep_headers=keep_headers,
            max_bytes=max_bytes,
            allow_encoded=allow_encoded,
            grace=grace,
            clock=clock,
        )
        if into is None:
            raise MisuseError("a RecordingTransport takes into=, a directory, a Session or a path that ends in .jsonl")
        self._onward = Onward(inner, asynchronous=hasattr(self, "handle_async_request"))
        self._options = options
        self._targets: Target = into.target if isinstance(into, Session) else Targets(into)

    def _recorder(self, request: Any, body: bytes, target: Target | None) -> Recorder:
        request.headers["Accept-Encoding"] = "identity"
        try:
            header = Trace(**request_of_httpx(request, body), observed="transport")
        except Exception:  # a request of a class of the caller's: what cannot be had of it is left empty
            header = Trace(observed="transport")
        return Recorder(target or self._targets, header, self._options)

    def _response(self, library: Any, response: Any, recorder: Recorder, kind: Any, base: str) -> Any:
        """Return a response like `response`, whose body is recorded while it is read."""
        recorder.head(response.status_code, head_of_source(response))
        try:
            found = (blocks if kind is Recording else async_blocks)(response, unpack=False)
        except MisuseError as error:  # read and unpacked before it arrived here: its bytes are gone
            recorder.end("unknown", str(error))
            return response
        stream = body_class(kind, getattr(library, base))(
            found, recorder, self._options.grace, response.headers.get("content-encoding")
        )
        return library.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class RecordingTransport(_Common, Base):  # type: ignore[misc]
    """A transport of httpx or httpx2 that records every exchange.

        openai.OpenAI(http_client=openai.DefaultHttpxClient(transport=streamkit.RecordingTransport(into="traces/")))

    `inner`: the transport that sends; None: what a client would use, with the proxies and certificates of the environment.
    `into`: a directory or a `Session`, one file an exchange (`001-<digest>.trace.jsonl`), or a path that ends in `.jsonl` (`.jsonl.gz`,
    `.jsonl.zst`), beside which a second exchange is written as `x-2.trace.jsonl`.

    `scrub`: a function that returns what else is private in some text; False records credentials. `keep_headers`: request
    headers to record beside `content-type` and the like. `max_bytes` of each body are recorded. `allow_encoded`: record
    bodies that are encoded although the sender was asked not to. `grace`: seconds to wait for the end of a body after
    `[DONE]`. `clock`: returns seconds.

    A recording that fails never breaks the stream: it warns (`RecordingWarning`). Raises `MisuseError` for wrong arguments.
    """

    sibling = "AsyncRecordingTransport"

    def handle_request(self, request: Any) -> Any:
        """Send a request, and record what answers; the client calls it."""
        return self._exchange(request, self._onward.send)

    def _exchange(self, request: Any, send: Callable[[Any], Any], target: Target | None = None) -> Any:
        """Send a request by `send`, and record what answers; `target`: where, if not `into`."""
        library = library_of(request)
        recorder = self._recorder(request, request.read(), target)
        recorder.start()
        try:
            response = send(request)
        except BaseException as error:
            recorder.end(end_of(error), words_of(error))
            raise
        return self._response(library, response, recorder, Recording, "SyncByteStream")

    def close(self) -> None:
        """Close the inner transport, or what stands for it."""
        self._onward.close()

    def __enter__(self) -> RecordingTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRecordingTransport(_Common, Base):  # type: ignore[misc]
    """The async sibling of `RecordingTransport`, on asyncio and trio.

        openai.AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient(transport=AsyncRecordingTransport(into="traces/")))

    Takes the same arguments; `inner` is an async transport.
    """

    sibling = "RecordingTransport"

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request, and record what answers; the client calls it."""
        return await self._exchange(request, self._onward.send)

    async def _exchange(self, request: Any, send: Callable[[Any], Any], target: Target | None = None) -> Any:
        """Send a request by `send`, and record what answers; `target`: where, if not `into`."""
        library = library_of(request)
        recorder = self._recorder(request, await request.aread(), target)
        recorder.start()
        try:
            response = await send(request)
        except BaseException as error:
            recorder.end(end_of(error), words_of(error))
            raise
        return self._response(library, response, recorder, AsyncRecording, "AsyncByteStream")

    async def aclose(self) -> None:
        """Close the inner transport, or what stands for it."""
        await self._onward.aclose()

    async def __aenter__(self) -> AsyncRecordingTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
