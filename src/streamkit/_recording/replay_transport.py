"""A trace in place of the network, for httpx and httpx2 and for SDKs over them.

    client = openai.OpenAI(api_key="any", http_client=httpx.Client(transport=ReplayTransport("x.trace.jsonl")))

In: one trace for all requests, several for one request each, or a session that has one for each request. Out: responses whose bodies arrive as the trace says, and
broken ends as the client's own exceptions. Which of the two libraries it is shows in the request; none is imported before.

Rule 1  Time starts with the request: the head arrives at its time, then each block at its own.
Rule 2  The client's read timeout counts, as over a network: where a wait is longer, `ReadTimeout` is raised after it.
Rule 3  Whatever the request asks, it gets the trace: only a session compares (`matching`), and raises `TraceMissError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..errors import MisuseError, counted, shown
from ..sources import OneKind
from ..trace import Trace
from .exchanges import request_of_httpx
from .faults import Faults, fault_list
from .recut import Recut
from .replay import Raises, Replay, planned, trace_of
from .schedule import Pace
from .session import Session

if TYPE_CHECKING:
    _Transport: TypeAlias = Any  # fits where a BaseTransport of either library is asked for
else:
    _Transport = object

__all__ = ("AsyncReplayTransport", "Played", "ReplayTransport", "answer", "answer_async", "begin", "played")

Played: TypeAlias = "Trace | str | os.PathLike[str] | Replay"
"""What a transport plays: a trace, the path of one, or what `replay()` returned, with its pace and faults."""

_READ = 65536  # bytes, which a network may give at most; a block is never cut here
_SSE = [(b"content-type", b"text/event-stream")]  # where a trace does not know its headers


class _Both(OneKind):
    """What the transport plays for which request; the sync and the async one differ in how they wait."""

    requests: list[Any]
    """Every request so far, as the client's library made it."""

    def __init__(
        self,
        trace: Played | Sequence[Played] | Session,
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
        options |= {"faults": faults, "seed": seed}

        def play(one: Any, clean: bool = False) -> Replay:
            if isinstance(one, Replay):
                return one
            if not isinstance(one, (Trace, str, os.PathLike)):
                words = "a Trace, the path of one, what replay() returned, a list of these, or a Session"
                raise MisuseError(f"a replay transport takes {words}, not {shown(one)}")
            # An encoded body stays so: clients unpack it.
            known = {**options, "faults": None} if clean else options
            return Replay(planned(trace_of(one), **known), clock=clock, sleep=sleep)

        self._play, self._faulty = play, faults is not None
        self._session = trace if isinstance(trace, Session) else None
        self._in_turn = isinstance(trace, (list, tuple))
        given: Any = trace if self._in_turn else (trace,)
        if self._session is not None:
            fault_list(faults)
            given = ()
        self._plays = [play(one) for one in given]
        self._replays: list[Replay] = []
        self.requests = []

    @property
    def replays(self) -> tuple[Replay, ...]:
        """The replay of each request so far; its `lag` says how late blocks were."""
        return tuple(self._replays)

    def _begin(self, request: Any, body: bytes) -> Replay:
        number = len(self.requests)
        self.requests.append(request)
        if self._in_turn and number >= len(self._plays):
            there = counted(len(self._plays), "trace")
            raise MisuseError(
                f"request {number + 1} ({request.method} {request.url}), and this transport has {there}, one for each"
                " request in turn: give it one more, or a single trace for all requests"
            )
        if self._session is not None:
            exchange = self._session.take(Trace(**request_of_httpx(request, body)))
            given = self._play(exchange.read(), clean=not (self._faulty and self._session._spare(exchange)))
        else:
            given = self._plays[number if self._in_turn else 0]
        started = begin(request, given)
        self._replays.append(started)
        return started


def played(trace: Trace, *, speed: float = 1, faults: Faults | None = None, seed: int = 0) -> Replay:
    """Return what a request for `trace` is answered with; an encoded body stays so, since clients unpack it."""
    nothing: dict[str, Any] = {"ttft": None, "max_gap": None, "pace": None, "recut": None}
    return Replay(planned(trace, speed=speed, faults=faults, seed=seed, **nothing))


def begin(request: Any, given: Replay) -> Replay:
    """Return `given` from the start, as the client that made `request` will read it (rule 2)."""
    return given._again(_raises(_library_of(request)), request.extensions.get("timeout", {}).get("read"))


def answer(request: Any, started: Replay) -> Any:
    """Return the response to a request: a replay whose time starts now."""
    library = _library_of(request)
    started.wait_for_head()
    network = _Network(started, started._read_timeout)
    return _response(library, started, _body_class(library)(started, network), network)


async def answer_async(request: Any, started: Replay) -> Any:
    """Return the same for an async client."""
    library = _library_of(request)
    await started.wait_for_head_async()
    return _response(library, started, _async_body_class(library)(started), None)


class ReplayTransport(_Both, _Transport):  # type: ignore[misc]
    """A transport for `httpx.Client` and `httpx2.Client` that answers with a trace, and never connects.

    `trace`: one for all requests, or a list with one for each request in turn; traces, their paths, or what `replay()` returned,
    with its pace and faults; or a `Session`, which has the recording of each request. All else is as in `replay`. `requests`: those that were made. `replays`: their replays.

    Raises what httpx raises where the connection breaks (`ReadError`, `RemoteProtocolError`) or its read timeout passes.
    `MisuseError` for a request after the last trace of a list, `TraceMissError` for one that a session has no recording of.
    """

    sibling = "AsyncReplayTransport"

    def handle_request(self, request: Any) -> Any:
        """Answer a request."""
        _library_of(request)
        return answer(request, self._begin(request, request.read()))

    def close(self) -> None:
        """End every response that is open."""
        for one in self._replays:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncReplayTransport(_Both, _Transport):  # type: ignore[misc]
    """Like `ReplayTransport`, for `httpx.AsyncClient` and `httpx2.AsyncClient`, on asyncio and trio.

    All waiting goes through anyio, so that virtual time (trio's `MockClock`, looptime) passes at once.
    """

    sibling = "ReplayTransport"

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request."""
        _library_of(request)
        return await answer_async(request, self._begin(request, await request.aread()))

    async def aclose(self) -> None:
        """End every response that is open."""
        for one in self._replays:
            await one.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _library_of(request: Any) -> str:
    for cls in type(request).__mro__:
        if (name := cls.__module__.partition(".")[0]) in ("httpx", "httpx2"):
            return name
    raise MisuseError(f"a replay transport answers requests of httpx and httpx2, not {shown(request)}")


def _response(library: str, started: Replay, stream: Any, network: Any) -> Any:
    plan = started.plan
    headers = [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in plan.headers] or _SSE
    extensions = {"http_version": b"HTTP/1.1", "network_stream": network}
    status = 200 if plan.status is None else plan.status
    return import_module(library).Response(status, headers=headers, stream=stream, extensions=extensions)


class _Network:
    """What a response of httpx names as its `network_stream`: how long a read may take can be set on it, which is how the
    end of a body is looked for after `[DONE]` (`Blocks.finish`). The body reads through it, like that of a connection."""

    def __init__(self, started: Replay, timeout: float | None) -> None:
        self._started = started
        self.timeout = timeout

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes | None:
        """Return the next block, however large it is; None at the end."""
        self._started._read_timeout = timeout
        return next(self._started, None)

    def get_extra_info(self, info: str) -> None:
        """Return None: there is no socket."""


@cache
def _body_class(library: str) -> type[Any]:
    """Return the body of a response as `library` wants it: its client takes no other stream."""
    base: Any = import_module(library).SyncByteStream

    class Body(base):  # type: ignore[misc]
        def __init__(self, started: Replay, network: _Network) -> None:
            self._started, self._network = started, network

        def __iter__(self) -> Iterator[bytes]:
            while (block := self._network.read(_READ, self._network.timeout)) is not None:
                yield block

        def close(self) -> None:
            self._started.close()

    return Body


@cache
def _async_body_class(library: str) -> type[Any]:
    """Return the same for its async client."""
    base: Any = import_module(library).AsyncByteStream

    class Body(base):  # type: ignore[misc]
        def __init__(self, started: Replay) -> None:
            self._started = started

        def __aiter__(self) -> Any:
            return aiter(self._started)

        async def aclose(self) -> None:
            await self._started.aclose()

    return Body


_INCOMPLETE = "peer closed connection without sending complete message body (incomplete chunked read)"
_NO_HEAD = "Server disconnected without sending a response."
_RESET = "[Errno 104] Connection reset by peer"


@cache
def _raises(library: str) -> Raises:
    """Return what `library` raises at a broken end: its exceptions, in its words."""

    def raises(end: str, headed: bool) -> Exception:
        names = {"reset": ("ReadError", _RESET), "timeout": ("ReadTimeout", "timed out")}
        name, words = names.get(end, ("RemoteProtocolError", _INCOMPLETE if headed else _NO_HEAD))
        error: Exception = getattr(import_module(library), name)(words)
        return error

    return raises
