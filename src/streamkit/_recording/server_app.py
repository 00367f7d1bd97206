"""The ASGI app of the trace server: recorded exchanges as answers, over real HTTP.

In: requests. Out: what was recorded, at its pace, with the faults that were asked for; or an error in the API's shape.

Rule 1  Which trace: `shelf`. How it is played: the server's options, and what the request says of them (`playing`). What goes over
        the wire: `on_the_wire`.
Rule 2  `GET /v1/models` lists the traces by name, then the models that were recorded, unless that request was recorded itself;
        `GET /` is a page with the list, each with a link to its picture (`pictures`). Where a key is asked for, everything but
        that page is refused without it.
Rule 3  A client that leaves is noticed at once, and nothing is played to it any more.
Rule 4  Time starts when the request has been read.
Rule 5  What became of a request is noted before its client can know: a client that has its whole answer finds it in `Served`.
"""

from __future__ import annotations

import hmac
import html
import json
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import anyio
import attrs

from ..errors import MisuseError, StreamError, shown
from ..forwarding import Receive, Send, refuse, respond, serve_lifespan, until_left
from ..trace import Trace
from .edge import JSON, Request, Requests, hang_up, request_of
from .exchanges import body_fields
from .matching import canonical
from .on_the_wire import play
from .pictures import Pictures, link_to, picture_asked
from .plan import Plan
from .playing import Playing, asked, without_ours
from .shelf import Entry, Refusal, Shelf
from .uvicorn_edge import left_at
from .verdict import Served, ServedRequest
from .ways_to_end import words_of

__all__ = ("ServerApp",)

_LAGS = 100_000
HTML = "text/html; charset=utf-8"
_log = logging.getLogger("streamkit.serve")


class ServerApp:
    """A pure ASGI app; `TraceServer` runs it. `playing` may be changed between requests."""

    def __init__(
        self, shelf: Shelf, playing: Playing, *, times: int | None, api_key: str | None, max_body: int
    ) -> None:
        self.shelf, self.playing, self.times = shelf, playing, times
        self.served = Served()
        self.lags: deque[float] = deque(maxlen=_LAGS)
        self._api_key, self._max_body = api_key, max_body
        self._requests = Requests()
        self._pictures = Pictures()
        self._start = time.monotonic()

    def stop(self) -> None:
        """End every answer that is under way."""
        self._requests.stop()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection's scope, as ASGI 3 says."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "http":
            request = await request_of(scope, receive, send, self._max_body)
            if request is not None:
                await self._answer(request, receive, send)

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        target = without_ours(request.target)
        header = Trace(method=request.method, path=target, request_headers=request.pairs, **body_fields(request.body))
        key = canonical(attrs.evolve(header, request_headers=())).key
        facts = {"method": request.method, "path": target, "headers": request.pairs, "body": request.body, "key": key}
        if target == "/" and request.method in ("GET", "HEAD"):
            return await self._show(picture_asked(request.target), request, send)
        served = self.served.add(t=self._now(), **facts)
        try:
            if not self._may(request):
                raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")
            name, playing = asked(request.pairs, request.target, self._striking())
            entry = self._found(header, name, bool(playing.faults))
            if entry is None:
                return await self._models(target, served, send)
            plan = await self._plan(entry, playing, request, header)
        except Refusal as refusal:
            return await self._refuse(served, send, refusal.status, str(refusal), refusal.code, target)
        except MisuseError as error:
            return await self._refuse(served, send, 400, str(error), "invalid_option", target)
        except (OSError, StreamError) as error:
            return await self._refuse(
                served, send, 500, f"the trace cannot be read: {words_of(error)}", "trace_unreadable", target
            )
        faults = ";".join(map(str, playing.faults))
        served = self.served.note(
            served, trace=entry.name, status=_status(plan), fault=faults, retry_after=_retry_after(plan)
        )
        await self._play(plan, request, served, receive, send)

    async def _play(self, plan: Plan, request: Request, served: ServedRequest, receive: Receive, send: Send) -> None:
        noted = _Noted(self, served)
        scope = anyio.CancelScope()
        self._requests.add(scope)
        try:
            with scope:
                async with anyio.create_task_group() as tasks:
                    answering = anyio.CancelScope()
                    tasks.start_soon(until_left, receive, answering)
                    with answering:
                        await play(plan, send, request.method, noted)
                    tasks.cancel_scope.cancel()
            if scope.cancelled_caught:
                noted.cut_off("incomplete", None)
                await hang_up(send)
        except OSError:  # ASGI 2.4: what a server raises where the client has left
            pass
        finally:
            self._requests.remove(scope)
            noted.cut_off("left", left_at(send))
            _log.info("%s %s: %s, %s", request.method, served.path.partition("?")[0], served.trace, noted.ended)

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _may(self, request: Request) -> bool:
        if self._api_key is None:
            return True
        scheme, _, word = request.header("authorization").partition(" ")
        given = [word if scheme.lower() == "bearer" else "", request.header("x-api-key"), request.header("api-key")]
        return any(hmac.compare_digest(one.encode(), self._api_key.encode()) for one in given)

    def _striking(self) -> Playing:
        """Return how the next answer is played: without the server's faults where they have struck often enough."""
        playing, times = self.playing, self.times
        if times is None or not playing.faults:
            return playing
        if times <= 0:
            return attrs.evolve(playing, faults=())
        self.times = times - 1
        return playing

    def _found(self, header: Trace, name: str, faulty: bool) -> Entry | None:
        """Return the trace that answers; None for a list of models that was not recorded."""
        if not name and header.method in ("GET", "HEAD") and _is_models(header.path):
            return self.shelf.find(header)
        return self.shelf.choose(header, name, faulty=faulty)

    async def _plan(self, entry: Entry, playing: Playing, request: Request, header: Trace) -> Plan:
        streams = header.request is None or header.request.get("stream") is True
        # In a thread: a large trace takes long to read.
        return await anyio.to_thread.run_sync(lambda: self.shelf.plan(entry, playing, whole=not streams))

    async def _refuse(self, served: ServedRequest, send: Send, status: int, message: str, code: str, path: str) -> None:
        _log.info("%s %s: %d %s", served.method, path.partition("?")[0], status, message)
        self._note_whole(served, status)
        await refuse(send, status, message, code=code, path=path)

    def _note_whole(self, served: ServedRequest, status: int) -> None:
        now = self._now()
        self.served.note(served, status=status, head_t=now, ended="eof", end_t=now)

    # --- what was not recorded

    async def _models(self, path: str, served: ServedRequest, send: Send) -> None:
        recorded = dict.fromkeys(one.model for one in self.shelf.entries if one.model)
        names = dict.fromkeys([*(one.name for one in self.shelf.entries), *recorded])
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "streamkit"} for name in names]
        self._note_whole(served, 200)
        await respond(send, 200, json.dumps({"object": "list", "data": models}, ensure_ascii=False), JSON)

    async def _show(self, name: str, request: Request, send: Send) -> None:
        """Send the list of traces, or the picture of one."""
        try:
            if not name:
                return await respond(send, 200, self._page(), HTML)
            if not self._may(request):
                raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")
            if (entry := self.shelf.named(name)) is None:
                raise Refusal(404, f"no trace is called {shown(name)}", "trace_not_found")
            await respond(send, 200, await self._pictures.page(entry), HTML)
        except Refusal as refusal:
            await refuse(send, refusal.status, str(refusal), code=refusal.code, path="/")
        except (OSError, StreamError) as error:
            words = f"the trace cannot be read: {words_of(error)}"
            await refuse(send, 500, words, code="trace_unreadable", path="/")

    def _linked(self, name: str) -> str:
        # A browser sends no key, so where one is asked for a link would lead to a refusal.
        if self._api_key is not None:
            return html.escape(name)
        return f'<a href="{html.escape(link_to(name))}">{html.escape(name)}</a>'

    def _page(self) -> str:
        rows = "\n".join(
            f"<tr><td>{self._linked(one.name)}<td>{html.escape(f'{one.header.method} {one.header.path}'.strip())}"
            f"<td>{html.escape(one.model)}<td>{'' if one.status is None else one.status}"
            for one in self.shelf.entries
        )
        return f"{_PAGE}<table><tr><th>trace<th>request<th>model<th>status\n{rows}\n</table>\n"


class _Noted:
    """Notes what is sent of one answer; what `play` reports to."""

    def __init__(self, app: ServerApp, served: ServedRequest) -> None:
        self._app, self._served = app, served
        self._latest = 0.0
        self.ended = "open"

    def head(self) -> None:
        self._note(head_t=self._app._now())

    def late(self, lag: float) -> None:
        self._latest = max(self._latest, lag)
        self._app.lags.append(lag)

    def over(self, ended: str, t: float | None = None) -> None:
        self.ended = ended
        end_t = None if ended == "open" else self._app._now() if t is None else t - self._app._start
        self._note(ended=ended, end_t=end_t, lag=self._latest)

    def cut_off(self, ended: str, t: float | None) -> None:
        """Note that it ended so, at `t` on the monotonic clock, unless its client had been sent the end before."""
        if self.ended == "open":
            self.over(ended, t)

    def _note(self, **known: Any) -> None:
        self._app.served.note(self._served, **known)


# The empty icon: else a browser asks for /favicon.ico, which would count as a request that nobody recorded.
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>streamkit serve</title>
<style>:root{color-scheme:light dark}body{font:16px system-ui,sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em .2em 0}</style>
<h1>Recorded exchanges</h1>
<p>Each is played to a request whose model is its name, whose header x-streamkit-trace is, or that is the one recorded.
A name leads to its picture.</p>
"""


def _is_models(path: str) -> bool:
    return path.partition("?")[0].rstrip("/").endswith("/models")


def _status(plan: Plan) -> int | None:
    return None if plan.head is None else plan.status or 200


def _retry_after(plan: Plan) -> float | None:
    for name, value in plan.headers:
        if name.lower() == "retry-after" and plan.head is not None:
            try:
                return float(value)
            except ValueError:  # a date
                return None
    return None
