"""`recording`: a block in which what httpx and httpx2 send is recorded, or played, without a change to the code that sends.

    with streamkit.recording("traces/weather") as run:
        agent.run("What is the weather in Paris?")

In: a directory and a mode. Out: a `SessionRun`. Costs a lookup of a context variable a request, while any block is open.

Strategy: the methods through which every client of the two libraries sends (`HTTPTransport.handle_request`, its async
sibling) are wrapped while a block is open. The wrapper asks which run the current context belongs to.

Rule 1  A run belongs to the context in which its block was entered, and to the tasks and threads that are started in it: the
        inner one of two blocks counts, and tasks beside each other know nothing of each other. `everywhere=True` is for all
        others too, one run at a time: a pool of threads, or an event loop, that was there before.
Rule 2  What is sent on behalf of a run is sent by the method that was wrapped, whatever it is by then (respx, vcrpy), and is
        not seen again.
Rule 3  The last block that is left puts back what was there. Where another tool has wrapped the method since, the wrapper
        stays below it, and lets everything through.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from functools import wraps
from importlib import import_module
from types import TracebackType
from typing import Any

from .._arguments import check_bool
from ..errors import MisuseError
from ..sources import GRACE
from ..trace import MAX_BYTES
from .faults import Faults
from .run import Mode, SessionRun
from .scrub import Find
from .session import Match, Session

__all__ = ("RecordingBlock", "recording")

_LIBRARIES = ("httpx", "httpx2")
_METHODS = (("HTTPTransport", "handle_request", False), ("AsyncHTTPTransport", "handle_async_request", True))

_NOT_HERE: Any = object()
"""In the context variable: what is sent here is sent on behalf of a run (Rule 2)."""
_current: ContextVar[Any] = ContextVar("streamkit.recording", default=None)
_lock = threading.Lock()
_open: list[SessionRun] = []
_everywhere: list[SessionRun] = []
_wrapped: list[tuple[Any, str, Any, Any]] = []
"""Class, name, what was there, and what is there now."""


def recording(
    directory: str | os.PathLike[str],
    *,
    mode: Mode = "once",
    match: Match = None,
    ignore: Sequence[str] = (),
    repeat: bool = False,
    speed: float = 0,
    faults: Faults | None = None,
    seed: int = 0,
    let_through: Sequence[str] = (),
    everywhere: bool = False,
    command: str = "",
    scrub: Find | bool = True,
    keep_headers: tuple[str, ...] = (),
    max_bytes: int = MAX_BYTES,
    allow_encoded: bool = False,
    grace: float = GRACE,
    clock: Callable[[], float] = time.monotonic,
) -> RecordingBlock:
    """Return a block in which every request through httpx or httpx2 is recorded into a directory, or answered from it.

        with streamkit.recording("traces/weather") as run:
            agent.run("What is the weather in Paris?")
        run.responses

    `mode`: "once" records where the directory has no recordings yet, and plays them where it has; "none" plays, and never
    sends; "new_episodes" records what it cannot play; "rewrite" records everything anew; "verify" sends, and raises
    `TraceChangedError` at the end where the shape of an answer is another one than recorded; "off" does nothing.
    `match`, `ignore`, `repeat`: as for a `Session`. `speed`: of what is played, 0 without waiting, 1 as recorded; `faults`,
    `seed`: what goes wrong with it. `let_through`: hosts (`127.0.0.1:8000`, `*.example.com`) whose requests are not looked
    at. `everywhere`: see not only the tasks and threads that are started in the block. `command`: what a miss names to
    record with. All others: as for a `RecordingTransport`.

    For sync and async code; aiohttp, requests and other languages are recorded by `streamkit record`. Raises
    `TraceMissError`, where a request is made, if no recording answers it; `MisuseError` for arguments that mean nothing,
    and where neither library is installed.
    """
    check_bool("everywhere=", everywhere)
    session = Session(
        directory, match=match, ignore=ignore, repeat=repeat, scrub=scrub, keep_headers=keep_headers, command=command
    )
    run = SessionRun(
        session,
        mode,
        speed=speed,
        faults=faults,
        seed=seed,
        let_through=let_through,
        scrub=scrub,
        keep_headers=keep_headers,
        max_bytes=max_bytes,
        allow_encoded=allow_encoded,
        grace=grace,
        clock=clock,
    )
    return RecordingBlock(run, everywhere)


class RecordingBlock:
    """What `recording` returns: `with` it, and the run is what its requests are played and recorded by."""

    def __init__(self, run: SessionRun, everywhere: bool) -> None:
        self.run = run
        self._everywhere = everywhere
        self._token: Token[Any] | None = None

    def __enter__(self) -> SessionRun:
        if self._token is not None or self.run.closed:
            raise MisuseError("this block was entered before: call streamkit.recording() again for another one")
        if self._everywhere and _everywhere:
            raise MisuseError("a recording with everywhere=True is open already, and there is one of it at a time")
        with _lock:
            _install()
            _open.append(self.run)
            if self._everywhere:
                _everywhere.append(self.run)
        self._token = _current.set(self.run)
        return self.run

    async def __aenter__(self) -> SessionRun:
        return self.__enter__()

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close(failed=error is not None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=error is not None)

    def close(self, *, failed: bool = False) -> None:
        """Leave the block. `failed`: as if by an exception: nothing is replaced by a rewrite, and nothing is raised."""
        if self._token is None:
            return
        try:
            _current.reset(self._token)
        except ValueError:  # left in another context: the two halves of an async fixture, of a generator
            if _current.get() is self.run:
                _current.set(None)
        with _lock:
            if self.run in _open:
                _open.remove(self.run)
            if self.run in _everywhere:
                _everywhere.remove(self.run)
            if not _open:
                _remove()
        self.run._close(failed=failed)


def _active() -> SessionRun | None:
    """Return the run that a request belongs to which is sent now, here."""
    run = _current.get()
    if run is _NOT_HERE:
        return None
    if run is None or run.closed:  # a thread of a pool, which an earlier block has started
        run = _everywhere[-1] if _everywhere else None
    return run  # type: ignore[no-any-return]


# --- what is wrapped


def _install() -> None:
    """Wrap the methods of each library, where the wrapper does not stand on top."""
    found = []
    for name in _LIBRARIES:
        try:
            found.append(import_module(name))
        except ImportError:  # absent, or half installed: then nobody sends through it
            continue
    if not found:
        raise MisuseError(
            "recording() sees what httpx and httpx2 send, and neither is installed: pip install httpx; what others send is"
            " recorded by `streamkit record`"
        )
    for library in found:
        for kind, name, is_async in _METHODS:
            _wrap(getattr(library, kind), name, _sends_async if is_async else _sends)
    _wrap(threading.Thread, "start", _starts)


def _wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    before = getattr(owner, name)
    if not any(one[0] is owner and one[3] is before for one in _wrapped):
        now = wraps(before)(wrapper(before))
        setattr(owner, name, now)
        _wrapped.append((owner, name, before, now))


def _remove() -> None:
    for owner, name, before, now in reversed([*_wrapped]):
        if getattr(owner, name) is now:
            setattr(owner, name, before)
            _wrapped.remove((owner, name, before, now))


def _sends(before: Callable[..., Any]) -> Callable[..., Any]:
    def handle_request(transport: Any, request: Any) -> Any:
        run = _active()
        if run is None:
            return before(transport, request)

        def send(request: Any) -> Any:
            token = _current.set(_NOT_HERE)
            try:
                return before(transport, request)
            finally:
                _current.reset(token)

        return run._handle(request, send)

    return handle_request


def _sends_async(before: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_async_request(transport: Any, request: Any) -> Any:
        run = _active()
        if run is None:
            return await before(transport, request)

        async def send(request: Any) -> Any:
            token = _current.set(_NOT_HERE)
            try:
                return await before(transport, request)
            finally:
                _current.reset(token)

        return await run._handle_async(request, send)

    return handle_async_request


def _starts(before: Callable[..., Any]) -> Callable[..., Any]:
    """Let a thread belong to the run of what starts it: no thread inherits context variables before Python 3.14."""

    def start(thread: threading.Thread) -> None:
        run = _current.get()
        if run is not None and run is not _NOT_HERE:
            inner = thread.run

            def run_of_thread() -> None:
                thread.__dict__.pop("run", None)
                _current.set(run)
                inner()

            thread.run = run_of_thread  # type: ignore[method-assign]
        before(thread)

    return start
