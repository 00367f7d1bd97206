"""A trace as a source: each block when it is due, then the end that was recorded, or a fault.

    with ChatStream(replay("x.trace.jsonl", speed=4, faults="reset@0.5")) as stream: ...
    async with AsyncChatStream(replay(trace)) as stream: ...

In: a trace (or the file of one), its pace, faults and cuts. Out: a `Replay`, for `for` and for `async for`. Cost: the plan, a
few passes over the body, once; then a clock and a sleep a block.

Rule 1  Time starts with the first read (of a transport: with the request). Each block is due at its own time from there on,
        so lateness does not add up: a reader that was slow finds what arrived meanwhile at once.
Rule 2  Waiting goes through `sleep` where one was passed, through anyio where it is async, and else through a wait that `close`
        ends, from any thread. The clock is `clock`, anyio's, or `time.monotonic`. A clock that can `advance` (`FakeClock`) is
        moved instead of waiting.
Rule 3  What the reader meets at a broken end is what its client would raise: without a client, that of the standard library
        (`ConnectionResetError`, `http.client.IncompleteRead`, `TimeoutError`).
"""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import IO, Any, NamedTuple, TypeAlias

import attrs

from .._arguments import number
from ..errors import MisuseError, shown
from ..trace import Block, Trace, read_trace
from .faults import Faults, fault_list, with_faults
from .plan import Plan, plan_of, unpacked_trace
from .recut import Recut, recut_blocks
from .schedule import Pace, scheduled

__all__ = ("Raises", "Replay", "planned", "replay", "stdlib_raises", "trace_of")

Raises: TypeAlias = Callable[[str, bool], Exception]
"""From an end ("incomplete", "reset", "timeout") and whether the head had arrived to what the client raises."""


def replay(
    trace: Trace | str | os.PathLike[str] | IO[bytes],
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
) -> Replay:
    """Make a source of a recorded stream, sync and async, that `ChatStream`, `AsyncChatStream`, `tee` … take.

    It is read once: call `replay()` again for another reading. A body that was recorded in a content encoding (gzip …) is
    yielded unpacked.

    `trace`: a `Trace`, or the path or binary file of one.
    `speed`: 1 as recorded, 2 twice as fast, 0 without waiting. `ttft`: seconds until the first output. `max_gap`: seconds
    that nothing waits longer than. `pace`: what `streamkit.pace()` returns, in place of the recorded times.
    `recut`: other blocks of the same bytes: "bytes", a number of bytes, "events", "characters" (inside of them), "crlf"
    (between them), "random", "one".
    `faults`: what goes wrong: "stall=2@event:5", a `Fault`, or a list; `FAULTS` has all. `seed`: for what is random.
    `clock`, `sleep`: in place of the real ones; a `FakeClock` alone is enough.

    Raises `MisuseError` for a value that means nothing, and where a trace without times is to be played at a speed;
    `FormatError` where the file is not a trace. Reading raises what a client would: `ConnectionResetError`,
    `http.client.IncompleteRead`, `TimeoutError`.
    """
    plan = planned(
        unpacked_trace(trace_of(trace)),
        speed=speed,
        ttft=ttft,
        max_gap=max_gap,
        pace=pace,
        recut=recut,
        faults=faults,
        seed=seed,
    )
    return Replay(plan, clock=clock, sleep=sleep)


def trace_of(trace: Trace | str | os.PathLike[str] | IO[bytes]) -> Trace:
    """Return the trace that was passed, or the one in the file. Raises what `read_trace` raises."""
    if isinstance(trace, Trace):
        return trace
    if isinstance(trace, (str, os.PathLike)) and os.path.isdir(trace):
        raise MisuseError(f"{os.fsdecode(trace)!r} is a folder: name one of the traces in it")
    try:
        return read_trace(trace)
    except (
        ValueError,
        TypeError,
        AttributeError,
    ) as error:  # a path that no system takes, a file that returns no bytes
        raise MisuseError(
            f"a replay takes a Trace, or the path or binary file of one, not {shown(trace)}: {error}"
        ) from None


def planned(
    trace: Trace,
    *,
    speed: float,
    ttft: float | None,
    max_gap: float | None,
    pace: Pace | None,
    recut: Recut | None,
    faults: Faults | None,
    seed: int,
) -> Plan:
    """Return what a replay yields: the trace at its pace, with its faults, then in its cuts: so a fault is the same bytes
    whatever the cuts."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise MisuseError(f"seed takes a whole number, not {shown(seed)}")
    plan = scheduled(plan_of(trace), timed=trace.timed, speed=speed, ttft=ttft, max_gap=max_gap, pace=pace)
    plan = with_faults(plan, fault_list(faults), seed)
    return attrs.evolve(plan, blocks=recut_blocks(plan.blocks, recut, seed))


class Replay:
    """A recorded stream on its way: iterate it, or pass it where a source is taken. `replay()` makes one.

    It is read once. `status` and `headers` are those of the response; `blocks` is what it will yield, and when.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Any] | None = None,
        raises: Raises | None = None,
        read_timeout: float | None = None,
    ) -> None:
        if sleep is not None and not callable(sleep):
            raise MisuseError(f"sleep takes a function of the seconds to wait, or None, not {shown(sleep)}")
        self.plan = plan
        """What is played: the blocks with their times, the end, and what is raised there."""
        self._clock = None if clock is None else _checked(clock)
        self._sleep = sleep if sleep is not None else getattr(clock, "advance", None)
        self._raises = raises or stdlib_raises
        self._read_timeout = read_timeout
        self._start: float | None = None
        self._next = 0
        self._over = False
        self._lags = array("d")
        self._left = threading.Event()
        self._scope: Any = None

    def __repr__(self) -> str:
        state = "over" if self._over else "open"
        return f"<Replay {state} blocks={self._next}/{len(self.plan.blocks)} status={self.status}>"

    # --- what is known

    @property
    def status(self) -> int | None:
        """The HTTP status, None where it is not known."""
        return self.plan.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response, their names in lower case."""
        return {name.lower(): value for name, value in self.plan.headers}

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Every block that it will yield, with the seconds from the start at which it is due."""
        return self.plan.blocks

    @property
    def lags(self) -> tuple[float, ...]:
        """By how many seconds each block so far was yielded after it was due. A reader that asked late counts as well."""
        return tuple(self._lags)

    @property
    def lag(self) -> float:
        """The largest of `lags`; 0 before the first block."""
        return max(self._lags, default=0.0)

    def _again(self, raises: Raises, read_timeout: float | None) -> Replay:
        """Return the same from the start, for a client: what it raises at a broken end, and its read timeout in seconds."""
        return Replay(self.plan, clock=self._clock, sleep=self._sleep, raises=raises, read_timeout=read_timeout)

    # --- sync

    def __iter__(self) -> Iterator[bytes]:
        self._check_begin()
        return self

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        self._wait(wait := self._due(self._now(), self._next_t()))
        data = self._take(wait, self._now)
        if data is None:
            raise StopIteration
        return data

    def wait_for_head(self) -> None:
        """Wait for the status and the headers, as a client does, from now on; raise what it would raise without them."""
        self._wait(wait := self._due(self._now(), self._head_t()))
        self._check_head(wait)

    def close(self) -> None:
        """Leave: a read that waits, in another thread, ends. May be called again."""
        self._over = True
        self._left.set()

    def _now(self) -> float:
        return (self._clock or time.monotonic)()

    def _wait(self, wait: _Wait) -> None:
        if self._sleep is not None and wait.seconds:
            self._sleep(wait.seconds)
        elif wait.seconds:
            self._left.wait(None if wait.seconds > threading.TIMEOUT_MAX else wait.seconds)

    # --- async

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._check_begin()
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        await self._wait_async(wait := self._due(self._now_async(), self._next_t()))
        data = self._take(wait, self._now_async)
        if data is None:
            raise StopAsyncIteration
        return data

    async def wait_for_head_async(self) -> None:
        """Like `wait_for_head`, for an async client."""
        await self._wait_async(wait := self._due(self._now_async(), self._head_t()))
        self._check_head(wait)

    async def aclose(self) -> None:
        """Close the replay, like `close`, from any task."""
        self.close()
        if self._scope is not None:
            self._scope.cancel()

    def _now_async(self) -> float:
        if self._clock is not None:
            return self._clock()
        import anyio

        return anyio.current_time()

    async def _wait_async(self, wait: _Wait) -> None:
        import anyio

        if self._sleep is not None or not wait.seconds:
            await anyio.lowlevel.checkpoint()  # here a reader that is cancelled stops, and others get their turn
        if self._sleep is not None and wait.seconds:
            if isinstance(done := self._sleep(wait.seconds), Awaitable):
                await done
        elif wait.seconds:
            with anyio.CancelScope() as self._scope:
                await (anyio.sleep_forever() if wait.seconds == math.inf else anyio.sleep(wait.seconds))
            self._scope = None

    # --- both

    def _check_begin(self) -> None:
        """Raise `MisuseError` where all was read before: read again, it would look like a sender that sent nothing."""
        if self._over and self._next:
            raise MisuseError("this replay was read already: call replay() again for another reading")

    def _next_t(self) -> float:
        """Return when the next block, or the end, is due."""
        plan = self.plan
        if self._next < len(plan.blocks):
            return plan.blocks[self._next].t
        return math.inf if plan.end == "silence" else plan.end_t

    def _head_t(self) -> float:
        if self.plan.head is not None:
            return self.plan.head
        return math.inf if self.plan.end == "silence" else self.plan.end_t

    def _due(self, now: float, t: float) -> _Wait:
        """Return how long to wait at `now` for what is due at `t`: no longer than the client would."""
        if self._start is None:
            self._start = now
        due = self._start + t
        if self._read_timeout is not None and due - now > self._read_timeout:
            return _Wait(self._read_timeout, now + self._read_timeout, True)
        return _Wait(max(due - now, 0.0), due, due == math.inf)

    def _take(self, wait: _Wait, clock: Callable[[], float]) -> bytes | None:
        """Return the block that was waited for; None, or what is raised, at the end."""
        plan = self.plan
        if self._over:  # closed meanwhile
            return None
        if wait.in_vain:
            self.close()
            raise self._raises("timeout", plan.head is not None)
        if self._next < len(plan.blocks):
            self._lags.append(
                max(round(clock() - wait.due, 9), 0.0)
            )  # below a nanosecond it is the floats that are late
            self._next += 1
            return plan.blocks[self._next - 1].data
        self.close()
        if plan.end == "eof":
            return None
        raise self._raises(plan.end, plan.head is not None)

    def _check_head(self, wait: _Wait) -> None:
        if wait.in_vain or self.plan.head is None:
            self.close()
            raise self._raises("timeout" if wait.in_vain else self.plan.end, False)


def _checked(clock: Callable[[], float]) -> Callable[[], float]:
    """Return `clock` where it returns a time. Checked once: each block asks for the time."""
    try:
        now: object = clock()
    except Exception as error:
        words = f"clock takes a function that returns the time in seconds; {shown(clock)} raised {type(error).__name__}"
        raise MisuseError(words) from error
    if not number(now):
        raise MisuseError(
            f"clock takes a function that returns the time in seconds, and this one returned {shown(now)}"
        )
    return clock


class _Wait(NamedTuple):
    """One wait before a step."""

    seconds: float
    due: float
    in_vain: bool
    """Whether nothing will have arrived after it."""


def stdlib_raises(end: str, headed: bool) -> Exception:
    """Return what `urllib.request` raises where a response ends so."""
    if end == "reset":
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    if end == "timeout":
        return TimeoutError("timed out")
    from http.client import IncompleteRead, RemoteDisconnected  # loads the email package, for a rare end

    return IncompleteRead(b"") if headed else RemoteDisconnected("Remote end closed connection without response")
