"""A gateway: forwards chat completions byte for byte, and knows what was said.

    UPSTREAM=http://127.0.0.1:8080 uvicorn --factory gateway:create_app --app-dir examples

Needs starlette, httpx and uvicorn. Whatever the upstream answers goes to the client as it comes, be it a stream, a whole
response or an error; a stream asked for with `?clean` is written as OpenAI would write it. What was used and how it
ended is logged when it is over. A client that leaves takes the request to the upstream with it, so that nobody pays for
text that nobody reads; a client whose upstream breaks off sees its own connection break off, and no ending.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamkit import AsyncTee, async_tee, async_to_events
from streamkit.sources import AsyncBlocks

log = logging.getLogger("gateway")
Over = Callable[[AsyncTee], None]

# Of one connection, not of the message (RFC 9110, Section 7.6.1), or written anew for the next one.
OF_THE_CONNECTION = frozenset(
    "connection host keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)


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
                    clean = self.clean and upstream.headers.get("content-type", "").startswith("text/event-stream")
                    body = upstream.aiter_bytes() if clean else upstream.aiter_raw()  # encoded, it goes on as it is
                    watched = async_tee(AsyncBlocks(body, close=upstream.aclose))
                    await self.forward(upstream, watched, clean, send)
                except httpx.RequestError as error:  # its DecodingError is no TransportError
                    if watched is None:
                        answer = PlainTextResponse(f"the upstream does not answer: {error}\n", 502)
                        await answer(scope, receive, send)
                    else:  # no last block: the server closes the connection, and the client can tell
                        log.warning("the upstream broke off: %s: %s", type(error).__name__, error)
                tasks.cancel_scope.cancel()
        finally:
            if watched is None:
                log.info("nothing was forwarded: the client left, or the upstream was not to be had")
            else:
                with anyio.CancelScope(shield=True):
                    await watched.aclose()
                self.over(watched)

    async def forward(self, upstream: httpx.Response, watched: AsyncTee, clean: bool, send: Send) -> None:
        anew = (b"content-length", b"content-encoding") if clean else ()
        headers = [one for one in upstream.headers.raw if kept(one[0], anew)]
        await send({"type": "http.response.start", "status": upstream.status_code, "headers": headers})
        async for block in async_to_events(watched) if clean else watched:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def until_left(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


def kept(name: bytes, others: Sequence[bytes] = ()) -> bool:
    return name.lower().decode("latin-1") not in OF_THE_CONNECTION and name.lower() not in others


def create_app(upstream: str | None = None, over: Over = report) -> Starlette:
    """The gateway to `upstream` (by default the environment's UPSTREAM). `over` is told of each request that is over."""
    base = upstream or os.environ.get("UPSTREAM", "http://127.0.0.1:8080")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=base, timeout=httpx.Timeout(10, read=None), trust_env=False) as client:
            yield {"client": client}

    async def forward(request: Request) -> Response:
        client: httpx.AsyncClient = request.state.client
        headers = [one for one in request.headers.raw if kept(one[0], (b"accept-encoding",))]
        headers.append((b"accept-encoding", b"identity"))
        params = tuple((name, value) for name, value in request.query_params.multi_items() if name != "clean")
        body = await request.body()
        sent = client.build_request("POST", request.url.path, params=params, content=body, headers=headers)
        return Forwarded(client, sent, over, "clean" in request.query_params)

    return Starlette(routes=[Route("/v1/chat/completions", forward, methods=["POST"])], lifespan=lifespan)
