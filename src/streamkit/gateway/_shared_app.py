"""The gateway that shares: a chat completion is asked for once, and read by any number of clients, in any worker.

    POST /v1/chat/completions     asks the upstream for a stream; 202, `Location: /v1/streams/KEY`, {"key":…,"events":…}
    GET  /v1/streams/KEY          its events, see `SharedStreams`

Rule 1  An upstream that answers with anything but a stream is answered with that, and there is no key.
Rule 2  The stream is read to its end, whether somebody follows it or not: that is what a page that is reloaded needs.
Rule 3  A client that leaves before it has the key takes the request with it: nobody else could read the answer.
Rule 4  The same refusals as those of the gateway that forwards: both framings, a body above `max_body`, no answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
import httpx2

from streamkit import MisuseError
from streamkit.forwarding import (
    Receive,
    Send,
    has_both_framings,
    kept_headers,
    read_body,
    refuse,
    respond,
    serve_lifespan,
    until_left,
)

from ._app import CONNECTIONS, MAX_BODY, TIMEOUT, base_url
from ._log import quiet
from ._shared import SharedStreams, new_key

__all__ = ("SharedGateway", "create_shared_app")

_ASK = "/v1/chat/completions"
_FOLLOW = "/v1/streams/"


def create_shared_app(
    upstream: str,
    streams: SharedStreams | None = None,
    *,
    connections: httpx2.Limits = CONNECTIONS,
    timeout: httpx2.Timeout = TIMEOUT,
    max_body: int = MAX_BODY,
) -> SharedGateway:
    """Return the gateway that shares what `upstream` streams, an `http:` or `https:` URL without the `/v1`.

    `streams`: where, a new `SharedStreams` by default, which only this process sees; with several workers pass one in a
    `RedisStore`. `connections`, `timeout`: of httpx2, for the upstream. `max_body`: bytes of a request.
    """
    base = base_url(upstream, max_body)
    if streams is not None and not isinstance(streams, SharedStreams):
        raise MisuseError(f"streams= takes a SharedStreams, or None for a new one, not {type(streams).__name__}")
    quiet()
    return SharedGateway(base, SharedStreams() if streams is None else streams, max_body, connections, timeout)


class SharedGateway:
    """A pure ASGI app; `create_shared_app` makes it. Needs asyncio, as streams are read in tasks."""

    def __init__(
        self,
        base: httpx2.URL,
        streams: SharedStreams,
        max_body: int,
        connections: httpx2.Limits,
        timeout: httpx2.Timeout,
    ) -> None:
        self._base, self._max_body = base, max_body
        self._sending: dict[str, Any] = {"limits": connections, "timeout": timeout}
        self._client: httpx2.AsyncClient | None = None
        self.streams = streams
        """The streams that it serves."""

    def __repr__(self) -> str:
        return f"<SharedGateway to {self._base.copy_with(username=None, password=None)}>"

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection's scope, as ASGI 3 says."""
        if scope["type"] == "lifespan":
            return await serve_lifespan(receive, send, self.aclose)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1000})
        path, method = scope["path"], scope["method"]
        if path == _ASK and method == "POST":
            await self._ask(scope, receive, send)
        elif path.startswith(_FOLLOW) and method == "GET":
            await self.streams.serve(path[len(_FOLLOW) :], scope, receive, send)
        else:
            await refuse(send, 404, f"this gateway serves POST {_ASK} and GET {_FOLLOW}KEY")

    async def aclose(self) -> None:
        """Cancel what is read, which ends those streams as cancelled, and close the client and the store. The server's shutdown
        does so."""
        await self.streams.aclose()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _ask(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if has_both_framings(scope["headers"]):
            return await refuse(send, 400, "a request has Content-Length or Transfer-Encoding, not both")
        body = await read_body(receive, self._max_body)
        if body is None:
            return  # the client left, and nobody reads an answer
        if len(body) > self._max_body:
            return await refuse(send, 413, f"a request has at most {self._max_body} bytes")
        asked = _request(body)
        if asked is None:
            return await refuse(send, 400, "a request is a JSON object")
        answer = await self._answered(self._to_upstream(asked, scope), receive)
        if answer is None:
            return
        if isinstance(answer, httpx2.RequestError):
            return await refuse(send, 502, f"the upstream did not answer: {type(answer).__name__}: {answer}")
        kind = answer.headers.get("content-type", "")
        if answer.status_code != 200 or not kind.startswith("text/event-stream"):
            return await _pass_on(answer, send)
        key = new_key()
        try:
            await self.streams.start(key, answer)
        except BaseException:  # the store does not answer
            await answer.aclose()
            raise
        events = scope.get("root_path", "") + _FOLLOW + key
        said = json.dumps({"key": key, "events": events}) + "\n"
        await respond(send, 202, said, "application/json", [(b"location", events.encode())])

    async def _answered(
        self, request: httpx2.Request, receive: Receive
    ) -> httpx2.Response | httpx2.RequestError | None:
        """Return the head of the upstream's answer, or why there is none; None where the client left before it had the key."""
        answer: httpx2.Response | httpx2.RequestError | None = None
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as asking:
                tasks.start_soon(until_left, receive, asking)
                try:
                    answer = await self._open().send(request, stream=True)
                except httpx2.RequestError as error:
                    answer = error
            tasks.cancel_scope.cancel()
        return answer

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(trust_env=False, **self._sending)
        return self._client

    def _to_upstream(self, asked: dict[str, Any], scope: Mapping[str, Any]) -> httpx2.Request:
        url = self._base.copy_with(raw_path=self._base.raw_path.rstrip(b"/") + _ASK.encode())
        mine = (b"accept-encoding", b"content-length", b"content-type", b"cookie", b"origin", b"referer")
        headers = [*kept_headers(scope["headers"], *mine), (b"content-type", b"application/json")]
        content = json.dumps({**asked, "stream": True}).encode()
        return self._open().build_request("POST", url, content=content, headers=headers)


def _request(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def _pass_on(answer: httpx2.Response, send: Send) -> None:
    """Answer with what the upstream answered instead of a stream."""
    try:
        body = await answer.aread()
    except httpx2.RequestError as error:
        return await refuse(send, 502, f"the upstream broke off: {type(error).__name__}: {error}")
    finally:
        await answer.aclose()
    kept = kept_headers(answer.headers.raw, b"content-length", b"content-encoding", b"content-type")
    kind = answer.headers.get("content-type", "application/octet-stream")
    await respond(send, answer.status_code, body.decode("utf-8", "replace"), kind, kept)
