"""A gateway: forwards chat completions byte for byte, and knows what was said.

    UPSTREAM=http://127.0.0.1:8080 uvicorn --factory gateway:create_app --app-dir examples

Needs starlette, httpx and uvicorn. Whatever the upstream answers goes to the client as it comes, be it a stream, a whole
response or an error; a stream asked for under `/clean/v1` (`OpenAI(base_url="http://…/clean/v1")`) is written as OpenAI
would write it, with an error event where it broke off. What was used and how it ended is logged when it is over. A client
that leaves takes the request to the upstream with it, so that nobody pays for text that nobody reads; a client whose
upstream breaks off sees its own connection break off, and no ending.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamkit import AsyncTee, Clean, StreamError, async_tee, async_to_events
from streamkit.sources import AsyncBlocks

log = logging.getLogger("gateway")
Headers = Iterable[tuple[bytes, bytes]]
Over = Callable[[AsyncTee], None]

MAX_BODY = 64 * 1024 * 1024  # bytes of a request: OpenAI takes 50 MB of images
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)  # clients at once; httpx stops at 100
TIMEOUT = httpx.Timeout(10, read=None)  # seconds to connect, and to wait for one of LIMITS; a model may think long
CLEAN = Clean(truncated="error")  # a client that knows no `[DONE]` must see that the stream broke off
BROKEN = (httpx.RequestError, StreamError, EOFError, ValueError)  # the last two: a packed body that is cut, or none

# Of one connection, not of the message (RFC 9110, Section 7.6.1), or written anew for the next one.
OF_THE_CONNECTION = frozenset(
    b"connection expect host keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
BOTH = frozenset((b"content-length", b"transfer-encoding"))  # who sends both smuggles (RFC 9112, Section 6.3)


def kept(headers: Headers, *others: bytes) -> list[tuple[bytes, bytes]]:
    """The fields that go on: not those of the connection, those that `Connection` names, and `others`."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    gone = {*OF_THE_CONNECTION, *others, *(name.strip() for name in named.lower().split(b","))}
    return [(name, value) for name, value in headers if name.lower() not in gone]


def has_both(headers: Headers) -> bool:
    return BOTH.issubset(name.lower() for name, _ in headers)


def without_query(record: logging.LogRecord) -> bool:
    """A filter that keeps queries out of the log: some clients send their key there."""
    if isinstance(record.args, tuple):
        record.args = tuple(one if isinstance(one, int) else str(one).partition("?")[0] for one in record.args)
    return True


def report(watched: AsyncTee) -> None:
    """Log one request that is over."""
    outcome, response = watched.outcome, watched.response
    usage = response.usage if response is not None else None
    ended = (outcome.name, outcome.reason) if outcome is not None else (None, None)
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage is not None else (None, None)
    facts = (response.model if response is not None else None, *ended, *tokens)
    log.info("model=%s outcome=%s reason=%s prompt_tokens=%s completion_tokens=%s", *facts, exc_info=watched.error)


class Forwarded(Response):
    """The upstream's answer, block by block."""

    def __init__(self, client: httpx.AsyncClient, request: httpx.Request, over: Over, clean: bool) -> None:
        self.client, self.request, self.over, self.clean = client, request, over, clean

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watched: AsyncTee | None = None
        try:
            async with anyio.create_task_group() as tasks:
                # From the start: a model may think for minutes before its first byte, and the client may not wait.
                tasks.start_soon(self.until_left, receive, tasks.cancel_scope)
                try:
                    upstream = await self.client.send(self.request, stream=True)
                    watched = await self.watch(upstream)
                    await self.forward(upstream, watched, send)
                except BROKEN as error:
                    said = f"{type(error).__name__}: {error}"
                    if watched is None:
                        await PlainTextResponse(f"the upstream gives no answer: {said}\n", 502)(scope, receive, send)
                    else:  # no last block: the server closes the connection, and the client can tell
                        log.warning("the upstream broke off: %s", said)
                tasks.cancel_scope.cancel()
        finally:
            if watched is None:
                log.info("nothing was forwarded: the client left, or the upstream was not to be had")
            else:
                with anyio.CancelScope(shield=True):
                    await watched.aclose()
                self.over(watched)

    async def watch(self, upstream: httpx.Response) -> AsyncTee:
        self.clean = self.clean and upstream.headers.get("content-type", "").startswith("text/event-stream")
        try:
            if has_both(upstream.headers.raw):
                raise httpx.RemoteProtocolError("it sent both Content-Length and Transfer-Encoding")
            # Encoded, it goes on as it is; to be cleaned, it is unpacked.
            return async_tee(upstream if self.clean else AsyncBlocks(upstream.aiter_raw(), close=upstream.aclose))
        except Exception:
            await upstream.aclose()
            raise

    async def forward(self, upstream: httpx.Response, watched: AsyncTee, send: Send) -> None:
        headers = kept(upstream.headers.raw, *((b"content-length", b"content-encoding") if self.clean else ()))
        await send({"type": "http.response.start", "status": upstream.status_code, "headers": headers})
        async for block in async_to_events(watched, clean=CLEAN) if self.clean else watched:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def until_left(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


def create_app(
    upstream: str | None = None, over: Over = report, limits: httpx.Limits = LIMITS, timeout: httpx.Timeout = TIMEOUT
) -> Starlette:
    """The gateway to `upstream` (by default the environment's UPSTREAM). `over` is called for each request that is over."""
    base = upstream or os.environ.get("UPSTREAM", "http://127.0.0.1:8080")
    for name in ("httpx", "uvicorn.access"):  # both log every URL
        logging.getLogger(name).addFilter(without_query)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=base, timeout=timeout, limits=limits, trust_env=False) as client:
            yield {"client": client}

    async def forward(request: Request) -> Response:
        if has_both(request.headers.raw):
            return PlainTextResponse("a request has Content-Length or Transfer-Encoding, not both\n", 400)
        body = bytearray()
        try:
            async for block in request.stream():
                body += block
                if len(body) > MAX_BODY:
                    return PlainTextResponse(f"a request has at most {MAX_BODY} bytes\n", 413)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        headers = [*kept(request.headers.raw, b"accept-encoding", b"content-length"), (b"accept-encoding", b"identity")]
        path = request.url.path.removeprefix("/clean")
        url = httpx.URL(path, query=request.scope["query_string"])
        sent = request.state.client.build_request("POST", url, content=bytes(body), headers=headers)
        return Forwarded(request.state.client, sent, over, clean=path != request.url.path)

    paths = ("/v1/chat/completions", "/clean/v1/chat/completions")
    return Starlette(routes=[Route(path, forward, methods=["POST"]) for path in paths], lifespan=lifespan)
