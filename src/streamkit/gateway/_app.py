"""The ASGI app: which request goes where, and what is refused before anything is asked of the upstream.

Rule 1  Below `/v1/` and `/clean/v1/` everything goes to the one upstream, below its own path; no path leaves that
        (`/v1/../x`), and no request names another host. Anything else is a 404.
Rule 2  What is watched is `POST …/chat/completions`.
Rule 3  A request with both framings is a 400, a body above `max_body` a 413. What is refused has the API's error shape.
Rule 4  `on_end` is called once for each request that was watched. What it raises is logged, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from streamkit import Clean, Cleaner, Dialect, Ended, Limits, MisuseError
from streamkit.forwarding import (
    Receive,
    Send,
    has_both_framings,
    has_dot_segments,
    kept_headers,
    read_body,
    refuse,
    respond,
    serve_lifespan,
)

from ._exchange import Exchange, Form
from ._log import log, quiet, report
from ._metrics import Metrics, metrics_if_installed

__all__ = ("CLEAN", "Gateway", "base_url", "create_app")

CLEAN = Clean(truncated="error", incomplete_calls="error", order="index")
"""How the clean form is written by default: a client that knows neither `[DONE]` nor finish reasons gets an error where the
stream broke off, or was cut off inside a tool call."""

MAX_BODY = 64 * 1024 * 1024  # bytes of a request: OpenAI takes 50 MB of images
CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)  # clients at once; httpx stops at 100
TIMEOUT = httpx2.Timeout(10, read=None)  # seconds to connect, and to wait for one of those; a model may think long
_CLEAN_PATH = "/clean"


def create_app(
    upstream: str,
    *,
    on_end: Callable[[Ended], object] | None = None,
    clean: Clean = CLEAN,
    always_clean: bool = False,
    limits: Limits | None = None,
    dialect: Dialect | None = None,
    connections: httpx2.Limits = CONNECTIONS,
    timeout: httpx2.Timeout = TIMEOUT,
    max_body: int = MAX_BODY,
    metrics: bool = True,
) -> Gateway:
    """Return the gateway to `upstream`, an `http:` or `https:` URL without the `/v1`.

    `on_end`: called with an `Ended` for each chat completion that is over. `clean`: how the clean form is written;
    `always_clean`: whether every path is. `limits`, `dialect`: as those of an `Accumulator`. `connections`, `timeout`: of
    httpx2, for the upstream. `max_body`: bytes of a request. `metrics`: whether `/metrics` is served, if it can be.
    """
    base = base_url(upstream, max_body)
    if on_end is not None and not callable(on_end):
        raise MisuseError(f"on_end= takes a function of one Ended, or None, not {type(on_end).__name__}")
    quiet()
    reading: dict[str, Any] = {
        "limits": Limits() if limits is None else limits,
        "dialect": Dialect() if dialect is None else dialect,
    }
    Cleaner(clean=clean, **reading)  # which refuses what is none of these, here instead of in the first request
    sending: dict[str, Any] = {"limits": connections, "timeout": timeout}
    counters = metrics_if_installed() if metrics else None
    return Gateway(base, on_end, always_clean, max_body, counters, {"clean": clean, **reading}, sending)


class Gateway:
    """A pure ASGI app; `create_app` makes it. The client to the upstream is made with the first request, and closed when
    the server shuts down."""

    def __init__(
        self,
        base: httpx2.URL,
        on_end: Callable[[Ended], object] | None,
        always_clean: bool,
        max_body: int,
        metrics: Metrics | None,
        reading: Mapping[str, Any],
        sending: Mapping[str, Any],
    ) -> None:
        self._base, self._on_end, self._always_clean = base, on_end, always_clean
        self._max_body, self._metrics = max_body, metrics
        self._reading, self._sending = reading, sending
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"<Gateway to {self.upstream}>"

    @property
    def upstream(self) -> str:
        """Where it forwards to, without credentials."""
        return str(self._base.copy_with(username=None, password=None))

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection's scope, as ASGI 3 says."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.aclose)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def aclose(self) -> None:
        """Close the client to the upstream. The server's shutdown does so."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _serve(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/metrics" and method == "GET":
            return await self._counters(send)
        form: Form = "raw"
        raw = scope.get("raw_path") or path.encode()
        if path.startswith(f"{_CLEAN_PATH}/"):
            path, raw, form = path[len(_CLEAN_PATH) :], raw[len(_CLEAN_PATH) :], "clean"
        if not path.startswith("/v1/") or not raw.startswith(b"/v1/") or has_dot_segments(path):
            return await refuse(send, 404, "this gateway serves paths below /v1/ and /clean/v1/", path=path)
        if has_both_framings(scope["headers"]):
            return await refuse(send, 400, "a request has Content-Length or Transfer-Encoding, not both", path=path)
        body = await read_body(receive, self._max_body)
        if body is None:
            return  # the client left, and nobody reads an answer
        if len(body) > self._max_body:
            return await refuse(send, 413, f"a request has at most {self._max_body} bytes", path=path)
        watched = method == "POST" and path.endswith("/chat/completions")
        form = "clean" if self._always_clean else form
        request = self._request(method, raw, scope, body)
        await self._forward(request, form if watched else None, body, receive, send)

    async def _forward(
        self, request: httpx2.Request, form: Form | None, body: bytes, receive: Receive, send: Send
    ) -> None:
        exchange = Exchange(self._open(), request, form, **self._reading)
        if form is None:
            return await exchange.run(receive, send)
        if self._metrics is not None:
            self._metrics.began()
        try:
            await exchange.run(receive, send)
        finally:
            ended = exchange.ended({} if self._on_end is None else _decoded(body))
            if self._metrics is not None:
                self._metrics.over(ended, form)
            report(ended)
            try:
                if self._on_end is not None:
                    self._on_end(ended)
            except Exception:
                log.exception("on_end failed")

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(trust_env=False, **self._sending)
        return self._client

    def _request(self, method: str, raw: bytes, scope: Mapping[str, Any], body: bytes) -> httpx2.Request:
        target = self._base.raw_path.rstrip(b"/") + raw
        query = scope.get("query_string", b"")
        url = self._base.copy_with(raw_path=target + b"?" + query if query else target)
        headers = [
            *kept_headers(scope["headers"], b"accept-encoding", b"content-length"),
            (b"accept-encoding", b"identity"),  # what is packed could not be watched
        ]
        return self._open().build_request(method, url, content=body or None, headers=headers)

    async def _counters(self, send: Send) -> None:
        if self._metrics is None:
            return await respond(send, 404, "no metrics: pip install prometheus-client\n")
        text, kind = self._metrics.text()
        await respond(send, 200, text.decode(), kind)


def base_url(upstream: str, max_body: int) -> httpx2.URL:
    """Return the URL of the upstream; raise `MisuseError` for what is none, or for a `max_body` that is not a size."""
    try:
        base = httpx2.URL(upstream)
    except Exception as error:
        raise MisuseError(f"upstream is an http: or https: URL, not {upstream!r}: {error}") from None
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise MisuseError(f"upstream is an http: or https: URL without query and fragment, not {upstream!r}")
    if not isinstance(max_body, int) or isinstance(max_body, bool) or max_body < 0:
        raise MisuseError(f"max_body= takes a number of bytes, not {max_body!r}")
    return base


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
