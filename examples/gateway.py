"""A gateway: forwards chat completions byte for byte, and knows what was said.

    UPSTREAM=http://127.0.0.1:8080 uvicorn --factory gateway:create_app --app-dir examples

Needs starlette, httpx and uvicorn. Whatever the upstream answers goes to the client as it comes, be it a stream, a whole
response or an error; what was used and how it ended is logged when it is over. A client that leaves takes the request
to the upstream with it, so that nobody pays for text that nobody reads.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamkit.sources import AsyncBlocks
from streamkit.tees import AsyncTee, async_tee

log = logging.getLogger("gateway")

# Of one connection, not of the message (RFC 9110, Section 7.6.1), or written anew for the next one.
OF_THE_CONNECTION = frozenset(
    "connection host keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)


def report(watched: AsyncTee) -> None:
    """Log one request that is over."""
    outcome, response = watched.outcome, watched.response
    usage = response.usage if response is not None else None
    log.info(
        "model=%s outcome=%s reason=%s prompt_tokens=%s completion_tokens=%s",
        response.model if response is not None else None,
        outcome.name if outcome is not None else None,
        outcome.reason if outcome is not None else None,
        usage.prompt_tokens if usage is not None else None,
        usage.completion_tokens if usage is not None else None,
    )
    if watched.error is not None:
        log.error("the watcher failed; the bytes went on", exc_info=watched.error)


class Forwarded(Response):
    """The upstream's answer, block by block."""

    def __init__(self, client: httpx.AsyncClient, request: httpx.Request, over: Callable[[AsyncTee], None]) -> None:
        self.client = client
        self.request = request
        self.over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watched: AsyncTee | None = None
        try:
            async with anyio.create_task_group() as tasks:
                # From the start: a model may think for minutes before its first byte, and the client may not wait.
                tasks.start_soon(self.until_left, receive, tasks.cancel_scope)
                try:
                    upstream = await self.client.send(self.request, stream=True)
                except httpx.TransportError as error:
                    answer = PlainTextResponse(f"the upstream does not answer: {error}\n", 502)
                    await answer(scope, receive, send)
                else:
                    # Raw, so that an encoded body goes on as it is (only the client can read it; the request asks for none).
                    watched = async_tee(AsyncBlocks(upstream.aiter_raw(), close=upstream.aclose))
                    headers = [(name, value) for name, value in upstream.headers.raw if kept(name)]
                    await send({"type": "http.response.start", "status": upstream.status_code, "headers": headers})
                    async for block in watched:
                        await send({"type": "http.response.body", "body": block, "more_body": True})
                    await send({"type": "http.response.body", "body": b""})
                tasks.cancel_scope.cancel()
        finally:
            if watched is None:
                log.info("nothing was forwarded: the client left, or the upstream was not to be had")
            else:
                with anyio.CancelScope(shield=True):
                    await watched.aclose()
                self.over(watched)

    async def until_left(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


def kept(name: bytes) -> bool:
    return name.lower().decode("latin-1") not in OF_THE_CONNECTION


def create_app(upstream: str | None = None, over: Callable[[AsyncTee], None] = report) -> Starlette:
    """The gateway to `upstream` (by default the environment's UPSTREAM). `over` is told of each request that is over."""
    base = upstream or os.environ.get("UPSTREAM", "http://127.0.0.1:8080")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=base, timeout=httpx.Timeout(10, read=None), trust_env=False) as client:
            yield {"client": client}

    async def forward(request: Request) -> Response:
        client: httpx.AsyncClient = request.state.client
        headers = [(name, value) for name, value in request.headers.raw if kept(name) and name != b"accept-encoding"]
        headers.append((b"accept-encoding", b"identity"))
        body = await request.body()
        sent = client.build_request(
            "POST", request.url.path, params=request.query_params, content=body, headers=headers
        )
        return Forwarded(client, sent, over)

    return Starlette(routes=[Route("/v1/chat/completions", forward, methods=["POST"])], lifespan=lifespan)
