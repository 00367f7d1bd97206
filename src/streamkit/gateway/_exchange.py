"""One request to the upstream, and its answer to the client.

In: a request of httpx2, and the ASGI callables of the client's. Out: the answer, sent; and for a chat completion an `Ended`.

Rule 1  A block is forwarded before it is looked at, and what the watching does never reaches the bytes.
Rule 2  A client that leaves takes the request to the upstream with it, from the first moment: a model may think for minutes
        before its first byte, and nobody is to pay for text that nobody reads.
Rule 3  An upstream that breaks off breaks the client's connection off: there is no last block, so that the client knows. In
        the clean form an error event precedes that.
Rule 4  An upstream that does not answer, or one with both framings, is a 502 that says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import anyio
import attrs
import httpx2

from streamkit import Accumulator, Clean, Cleaner, Dialect, Ended, Limits, MisuseError, StreamError
from streamkit.ended import Times
from streamkit.forwarding import Receive, Send, has_both_framings, kept_headers, refuse, until_left
from streamkit.sources import AsyncBlocks, async_blocks, end_stream, said_end, unpacked, unpacker_for

from ._log import log, on_purpose

__all__ = ("Exchange", "Form")

Form = Literal["raw", "clean"]

# The last two: a packed body that is cut, or none.
_BROKEN = (httpx2.RequestError, StreamError, EOFError, ValueError)


class Exchange:
    """One request that is forwarded. `form`: how its answer is written, if it is a chat completion; None for any other
    request, which is forwarded and not watched."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        request: httpx2.Request,
        form: Form | None,
        *,
        clean: Clean,
        limits: Limits,
        dialect: Dialect,
    ) -> None:
        self._client, self._request, self._form = client, request, form
        self._clean, self._limits, self._dialect = clean, limits, dialect
        self._times = Times(time.monotonic)
        self._status: int | None = None
        self._upstream: httpx2.Response | None = None
        self._blocks: AsyncBlocks | None = None
        self._accumulator = Accumulator(limits=limits, dialect=dialect)

    async def run(self, receive: Receive, send: Send) -> None:
        """Forward the request and its answer, until that is over or the client leaves."""
        try:
            async with anyio.create_task_group() as tasks:
                with anyio.CancelScope() as answering:
                    tasks.start_soon(until_left, receive, answering)
                    try:
                        await self._answer(send)
                    except OSError:  # ASGI 2.4: what a server raises where the client has left
                        log.debug("the client left", exc_info=True)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    async def _close(self) -> None:
        """Close the upstream; what follows `[DONE]` is read for a moment, so that the connection can be used again. Takes at
        most 5.1 seconds, as closing blocks does."""
        if self._blocks is not None:
            await (self._blocks.finish if said_end(self._accumulator.outcome) else self._blocks.aclose)()
        elif self._upstream is not None:
            await self._upstream.aclose()

    def ended(self, request: dict[str, Any]) -> Ended:
        """Return what is known of it now that it is over. `request`: its JSON."""
        accumulator = self._accumulator
        if accumulator.outcome is None:
            accumulator.cancel()
        url = str(self._request.url.copy_with(query=None, username=None, password=None))
        ended = Ended.of(accumulator, request=request, url=url)
        return attrs.evolve(ended, timing=self._times.timing(ended.usage), status=self._status)

    async def _answer(self, send: Send) -> None:
        begun = False
        try:
            self._upstream = upstream = await self._client.send(self._request, stream=True)
            self._times.head()
            self._status = upstream.status_code
            if has_both_framings(upstream.headers.raw):
                raise httpx2.RemoteProtocolError("it sent both Content-Length and Transfer-Encoding")
            clean = self._form == "clean" and _is_stream(upstream)
            self._blocks = blocks = async_blocks(upstream, unpack=clean)
            headers = kept_headers(upstream.headers.raw, *((b"content-length", b"content-encoding") if clean else ()))
            begun = True
            await send({"type": "http.response.start", "status": upstream.status_code, "headers": headers})
            if await (self._write_clean if clean else self._pass_on)(blocks, send):
                await send({"type": "http.response.body", "body": b""})
        except _BROKEN as error:
            if self._accumulator.outcome is None:
                end_stream(self._accumulator, error, status=self._status)
            said = f"{type(error).__name__}: {error}".rstrip(": ")  # httpx says no more of a reset than its class
            if begun:
                log.warning("the upstream broke off: %s", said)
                on_purpose()
            else:
                await refuse(send, 502, f"the upstream did not answer: {said}", path=self._request.url.path)

    async def _pass_on(self, blocks: AsyncBlocks, send: Send) -> bool:
        """Pass each block on, and look at it then. This loop is what a gateway does: `streamkit.tee` means the same, at one
        more coroutine a block."""
        if self._form is None:
            async for block in blocks:
                await send({"type": "http.response.body", "body": block, "more_body": True})
            return True
        accumulator, clock, seen = self._accumulator, self._times.now, self._times.seen
        absorb: Callable[[bytes], None] | None = self._watcher()
        now: float | None = None
        async for block in blocks:
            now = clock()
            await send({"type": "http.response.body", "body": block, "more_body": True})
            if absorb is not None:
                try:
                    absorb(block)
                    seen(now, accumulator)
                except Exception as error:
                    absorb = None
                    log.error("watching a stream failed; its bytes are still forwarded", exc_info=error)
        end_stream(accumulator, status=self._status)
        if now is not None:
            seen(now, accumulator)  # what the end made had arrived with the last block
        return True

    def _watcher(self) -> Callable[[bytes], None]:
        """Return what looks at a block as it was sent: packed, where an upstream packs though nobody asked."""
        absorb = self._accumulator.absorb
        encoding = None if self._upstream is None else self._upstream.headers.get("content-encoding")
        try:
            layers = unpacker_for(encoding)
        except MisuseError as error:
            log.warning("a stream cannot be watched: %s", error)
            return absorb
        if not layers:
            return absorb

        def absorb_packed(block: bytes) -> None:
            for piece in unpacked(block, layers):
                absorb(piece)

        return absorb_packed

    async def _write_clean(self, blocks: AsyncBlocks, send: Send) -> bool:
        """Write the stream clean; return whether the client is to see the end of a body."""
        cleaner = Cleaner(clean=self._clean, limits=self._limits, dialect=self._dialect)
        times, accumulator = self._times, cleaner.accumulator
        self._accumulator = accumulator
        try:
            async for block in blocks:
                now = times.now()
                events = cleaner.feed(block)
                times.seen(now, accumulator)
                if events:
                    await send({"type": "http.response.body", "body": b"".join(events), "more_body": True})
                if accumulator.done:
                    break
            end_stream(accumulator, status=self._status)
        except _BROKEN as error:
            end_stream(accumulator, error, status=self._status)
            await _send_last(cleaner, send)
            raise
        if not (whole := await _send_last(cleaner, send)):
            on_purpose()
        return whole


async def _send_last(cleaner: Cleaner, send: Send) -> bool:
    if events := cleaner.end():
        await send({"type": "http.response.body", "body": b"".join(events), "more_body": True})
    return cleaner.fault is None


def _is_stream(upstream: httpx2.Response) -> bool:
    return bool(upstream.headers.get("content-type", "").startswith("text/event-stream"))
