"""A trace in place of the network, for httpx and httpx2 and for SDKs over them.

    client = openai.OpenAI(api_key="any", http_client=httpx.Client(transport=ReplayTransport("x.trace.jsonl")))

In: one trace for all requests, or several for one request each. Out: responses whose bodies arrive as the trace says, and
broken ends as the client's own exceptions. Which of the two libraries it is shows in the request; none is imported before.

Rule 1  Time starts with the request: the head arrives at its time, then each block at its own.
Rule 2  The client's read timeout counts, as over a network: where a wait is longer, `ReadTimeout` is raised after it.
Rule 3  Whatever the request asks, it gets the trace: nothing is compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..errors import MisuseError, counted
from ..trace import Trace
from .faults import Faults
from .recut import Recut
from .replay import Raises, Replay, replay
from .schedule import Pace

if TYPE_CHECKING:
    _Transport: TypeAlias = Any  # fits where a BaseTransport of either library is asked for
else:
    _Transport = object

__all__ = ("AsyncReplayTransport", "Played", "ReplayTransport")

Played: TypeAlias = "Trace | str | os.PathLike[str] | Replay"
"""What a transport plays: a trace, the path of one, or what `replay()` gave, with pace and faults of its own."""

_SSE = [(b"content-type", b"text/event-stream")]  # where a trace does not know its headers


class _Both:
    """What the transport plays for which request; the sync and the async one differ in how they wait."""

    requests: list[Any]
    """Every request so far, as the client's library made it."""

    def __init__(
        self,
        trace: Played | Iterable[Played],
        *,
        speed: float = 1,
        ttft: float | None = None,
        max_gap: float | None = None,
        pace: Pace | None = None,
        recut: Recut | None = None,
        faults: Faults | None = None,
        seed: int = 0,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        options: dict[str, Any] = {"speed": speed, "ttft": ttft, "max_gap": max_gap, "pace": pace, "recut": recut}
        options |= {"faults": faults, "seed": seed, "clock": clock, "sleep": sleep}
        self._in_turn = not isinstance(trace, (Trace, str, os.PathLike, Replay))
        given: Any = trace if self._in_turn else (trace,)
        if not isinstance(given, Iterable):
            raise MisuseError(f"a transport plays a trace, its path, or several of them, not {type(trace).__name__}")
        self._plays = [one if isinstance(one, Replay) else replay(one, **options) for one in given]
        self._replays: list[Replay] = []
        self.requests = []

    @property
    def replays(self) -> tuple[Replay, ...]:
        """The replay of each request so far; its `lag` says how late blocks were."""
        return tuple(self._replays)

    def _begin(self, request: Any) -> Replay:
        number = len(self.requests)
        self.requests.append(request)
        if self._in_turn and number >= len(self._plays):
            there = counted(len(self._plays), "trace")
            raise MisuseError(
                f"request {number + 1} ({request.method} {request.url}), and this transport has {there}, one for each"
                " request in turn: give it one more, or a single trace for all requests"
            )
        timeout = request.extensions.get("timeout", {}).get("read")
        raises = _raises(_library_of(request))
        started = self._plays[number if self._in_turn else 0].again(raises=raises, read_timeout=timeout)
        self._replays.append(started)
        return started


class ReplayTransport(_Both, _Transport):  # type: ignore[misc]
    """A transport for `httpx.Client` and `httpx2.Client` that answers with a trace, and never connects.

    `trace`: one for all requests, or a list with one for each request in turn; traces, their paths, or what `replay()` gave,
    with pace and faults of its own. All else is as in `replay`. `requests`: those that were made. `replays`: their replays.

    Raises what httpx raises where the connection breaks (`ReadError`, `RemoteProtocolError`) or its read timeout passes.
    `MisuseError` for a request after the last trace of a list.
    """

    def handle_request(self, request: Any) -> Any:
        """Answer a request."""
        request.read()
        started = self._begin(request)
        started.wait_for_head()
        library = _library_of(request)
        return _response(library, started, _stream_class(library, "SyncByteStream")(started))

    def close(self) -> None:
        """End every response that is open."""
        for one in self._replays:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncReplayTransport(_Both, _Transport):  # type: ignore[misc]
    """As `ReplayTransport`, for `httpx.AsyncClient` and `httpx2.AsyncClient`, on asyncio and trio.

    All waiting goes through anyio, so that virtual time (trio's `MockClock`, looptime) passes at once.
    """

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request."""
        await request.aread()
        started = self._begin(request)
        await started.wait_for_head_async()
        library = _library_of(request)
        return _response(library, started, _stream_class(library, "AsyncByteStream")(started))

    async def aclose(self) -> None:
        """End every response that is open."""
        for one in self._replays:
            await one.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _library_of(request: Any) -> str:
    name = type(request).__module__.partition(".")[0]
    if name not in ("httpx", "httpx2"):
        raise MisuseError(f"a replay transport is for clients of httpx and httpx2, not of {name}")
    return name


def _response(library: str, started: Replay, stream: Any) -> Any:
    plan = started.plan
    headers = [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in plan.headers] or _SSE
    extensions = {"http_version": b"HTTP/1.1"}
    status = 200 if plan.status is None else plan.status
    return import_module(library).Response(status, headers=headers, stream=stream, extensions=extensions)


@cache
def _stream_class(library: str, kind: str) -> type[Any]:
    """Return the body of a response as `library` wants it: its client takes no stream that is none of its own."""
    base: Any = getattr(import_module(library), kind)

    class Body(base):  # type: ignore[misc]
        def __init__(self, started: Replay) -> None:
            self._started = started

        def __iter__(self) -> Any:
            return iter(self._started)

        def __aiter__(self) -> Any:
            return aiter(self._started)

        def close(self) -> None:
            self._started.close()

        async def aclose(self) -> None:
            await self._started.aclose()

    return Body


_INCOMPLETE = "peer closed connection without sending complete message body (incomplete chunked read)"
_NO_HEAD = "Server disconnected without sending a response."
_RESET = "[Errno 104] Connection reset by peer"


@cache
def _raises(library: str) -> Raises:
    """Return what `library` raises at a broken end: its exceptions, with the words of its own over a network."""

    def raises(end: str, headed: bool) -> Exception:
        names = {"reset": ("ReadError", _RESET), "timeout": ("ReadTimeout", "timed out")}
        name, words = names.get(end, ("RemoteProtocolError", _INCOMPLETE if headed else _NO_HEAD))
        error: Exception = getattr(import_module(library), name)(words)
        return error

    return raises
