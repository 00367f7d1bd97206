"""The ASGI app of the recording proxy: every request to one upstream, every exchange into a trace.

In: requests, whatever the method and the path. Out: what the upstream answers, block for block, and a file an exchange.

Rule 1  A block is forwarded as one chunk of HTTP as soon as it is there. Its time is that at which it arrived, not that at which the
        reader took it.
Rule 2  A reader that leaves takes the request to the upstream with it, and the trace ends as "cancelled"; one that leaves after
        `[DONE]` does not: what follows is read for `grace` seconds. With `finish` everything is read for the trace.
Rule 3  An upstream that breaks off breaks the client's connection off, in the same way: reset, or closed in mid-body.
Rule 4  An upstream that does not answer is a 502 for the client, and in the trace an exchange without a head.
Rule 5  Path, query, method, body and the spelling of headers go through; fields of one connection do not, and the upstream is
        asked not to encode (`Accept-Encoding: identity`), since what is encoded cannot be searched for secrets.
Rule 6  The trace is whole before its client can know that the answer is: the block that completes a body of a known length, and
        the head of a response without a body, are sent once the end is recorded, which then nobody has to wait for.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import httpx2

from ..errors import MisuseError, shown
from ..forwarding import Receive, Send, has_both_framings, kept_headers, refuse, serve_lifespan, until_left
from ..sources import async_blocks
from ..trace import Trace
from .edge import MAX_BODY, Request, Requests, hang_up, request_of
from .exchanges import body_fields, head_of_source
from .record import AFTER_DONE, AsyncRecording
from .recorder import Options, Recorder
from .targets import Targets
from .uvicorn_edge import break_off
from .ways_to_end import end_of, words_of

__all__ = ("ProxyApp", "upstream_url")

_CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
_TIMEOUT = httpx2.Timeout(10, read=None, write=None)  # seconds to connect; a model may think long
_log = logging.getLogger("streamkit.proxy")


def upstream_url(upstream: object) -> httpx2.URL:
    """Return the URL of an upstream, without a `/v1` at its end: the client's path has that. `MisuseError` for anything else."""
    words = "upstream takes an http: or https: URL without query and fragment"
    try:
        url = httpx2.URL(upstream)  # type: ignore[arg-type]
    except Exception as error:
        raise MisuseError(f"{words}, not {shown(upstream)}: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise MisuseError(f"{words}, not {shown(upstream)}")
    return url.copy_with(raw_path=url.raw_path.rstrip(b"/").removesuffix(b"/v1") or b"/")


class ProxyApp:
    """A pure ASGI app; `RecordingProxy` runs it."""

    def __init__(
        self,
        upstream: httpx2.URL,
        targets: Targets,
        options: Options,
        *,
        finish: bool = False,
        max_body: int = MAX_BODY,
    ) -> None:
        self._upstream, self._targets, self._options = upstream, targets, options
        self._finish, self._max_body = finish, max_body
        self._client: httpx2.AsyncClient | None = None
        self._requests = Requests()

    def stop(self) -> None:
        """End every exchange that is under way."""
        self._requests.stop()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection's scope, as ASGI 3 says."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._close)
        elif scope["type"] == "http":
            request = await request_of(scope, receive, send, self._max_body)
            if request is not None:
                await _Exchange(self, request, send).run(receive)

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            # A proxy of the environment is none for this machine.
            environment = self._upstream.host not in ("localhost", "127.0.0.1", "::1")
            self._client = httpx2.AsyncClient(limits=_CONNECTIONS, timeout=_TIMEOUT, trust_env=environment)
        return self._client

    def _forwarded(self, request: Request) -> httpx2.Request:
        headers = [
            *kept_headers(request.headers, b"accept-encoding", b"content-length"),
            (b"Accept-Encoding", b"identity"),  # Rule 5
        ]
        url = self._upstream.copy_with(raw_path=self._upstream.raw_path.rstrip(b"/") + request.target.encode("latin-1"))
        body = request.body or (b"" if request.method in ("POST", "PUT", "PATCH") else None)
        # Not by the client, which would add fields that nobody sent.
        return httpx2.Request(request.method, url, content=body, headers=headers)


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: ProxyApp, request: Request, send: Send) -> None:
        self._app, self._request, self._send = app, request, send
        header = Trace(
            method=request.method,
            path=request.target,
            request_headers=request.pairs,
            observed="proxy",
            **body_fields(request.body),
        )
        self._recorder = Recorder(app._targets, header, app._options)
        self._recording: AsyncRecording | None = None
        self._response: httpx2.Response | None = None
        self._left = False

    async def run(self, receive: Receive) -> None:
        """Forward and record, until it is over or the client leaves (rule 2)."""
        scope = anyio.CancelScope()
        self._app._requests.add(scope)
        try:
            with scope:
                async with anyio.create_task_group() as tasks:
                    answering = anyio.CancelScope()
                    tasks.start_soon(self._watch, receive, answering)
                    with answering:
                        await self._answer()
                    tasks.cancel_scope.cancel()
            if scope.cancelled_caught:
                await hang_up(self._send)
        finally:
            self._app._requests.remove(scope)
            with anyio.CancelScope(shield=True):
                await self._close()

    async def _watch(self, receive: Receive, answering: anyio.CancelScope) -> None:
        with anyio.CancelScope() as nothing:
            await until_left(receive, nothing)
        self._left = True
        if self._app._finish:
            return
        if self._recording is not None and self._recording.said_end:
            await anyio.sleep(self._app._options.grace)
            self._recorder.end("unknown", AFTER_DONE)
        answering.cancel()

    async def _close(self) -> None:
        try:
            if self._recording is not None:
                await self._recording.aclose()
            elif self._response is not None:
                await self._response.aclose()
        except Exception as error:
            _log.warning("closing the upstream failed: %s", words_of(error))
        self._recorder.end("cancelled", "the reader left before the response had begun")

    async def _answer(self) -> None:
        recorder, send, begun = self._recorder, self._send, False
        try:
            forwarded = self._app._forwarded(self._request)
            recorder.start()
            self._response = response = await self._app._open().send(forwarded, stream=True)
            recorder.head(response.status_code, head_of_source(response))
            if has_both_framings(response.headers.raw):
                raise httpx2.RemoteProtocolError("it sent both Content-Length and Transfer-Encoding")
            found = async_blocks(response, unpack=False)
            self._recording = recording = AsyncRecording(
                found, recorder, self._app._options.grace, response.headers.get("content-encoding")
            )
            begun = True
            headers = kept_headers(response.headers.raw)
            left = self._length(response)
            if left == 0:  # Rule 6
                async for _ in recording:
                    pass
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            await self._pass_on(recording, left)
        except OSError as error:  # ASGI 2.4: what a server raises where the client has left
            _log.debug("the client left: %s", words_of(error))
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            end, words = end_of(error), words_of(error)
            recorder.end(end, words)
            _log.warning("the upstream broke off: %s", words)
            if not begun:
                return await refuse(send, 502, f"the upstream did not answer: {words}", path=self._request.path)
            await break_off(send, reset=end == "reset")

    def _length(self, response: httpx2.Response) -> int:
        """Return how many bytes complete the body; -1 where only its end says so."""
        if self._request.method == "HEAD" or response.status_code in (204, 304):
            return 0
        said = response.headers.get("content-length", "")
        return int(said) if said.isascii() and said.isdigit() and len(said) <= 18 else -1

    async def _pass_on(self, blocks: AsyncIterator[bytes], left: int) -> None:
        send, last = self._send, b""
        async for block in blocks:  # recorded by now, and that takes microseconds: times are those of the arrival
            left -= len(block)
            if left == 0:  # Rule 6
                last += block
            elif block and not self._left:
                await send({"type": "http.response.body", "body": block, "more_body": True})
        if not self._left:
            await send({"type": "http.response.body", "body": last})
