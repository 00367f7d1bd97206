"""One run of a session: which request is played, which is sent, and what of it is recorded, as the mode says.

In: each request of httpx or httpx2, and what would send it. Out: its response; what was asked, answered, missed and recorded,
for a look afterwards. Costs what a recording or a replay costs.

    none           play; what no recording answers is a miss. Nothing is ever sent
    once           record where the directory has no recordings yet, else as none
    new_episodes   play what is recorded; send and record what is not
    rewrite        send and record everything; the recordings before are replaced when the run ends well
    verify         send everything, and hold the shape of each answer against the recorded one (`shapes`)
    off            send everything; nothing is recorded

Rule 1  The file of an exchange is named when its request is sent, not when it is answered: parallel calls have the same names
        in every run.
Rule 2  `rewrite` records beside the session (`.rewrite/`), and replaces it at the end. A run that fails, or is killed, has
        replaced nothing; what it recorded stays there until the next one.
Rule 3  Hosts that the caller names go through as if nothing were here.
"""

from __future__ import annotations

import io
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import IO, Any, Literal, get_args

import attrs

from ..accumulator import Accumulator
from ..errors import FormatError, MisuseError, StreamError, shown
from ..trace import Trace, read_trace
from ..types import CreateChatCompletionResponse
from .exchanges import request_of_httpx
from .faults import Faults, fault_list
from .misses import TraceChangedError, TraceMissError
from .plan import unpacked_trace
from .recorder import RecordingWarning
from .replay import Replay
from .replay_transport import answer, answer_async, begin, played
from .session import Exchange, Session, session_files
from .shapes import changes
from .targets import Targets
from .transports import AsyncRecordingTransport, RecordingTransport

__all__ = ("MODES", "Mode", "SessionRun")

Mode = Literal["none", "once", "new_episodes", "rewrite", "verify", "off"]
MODES: tuple[str, ...] = get_args(Mode)
"""What `mode=` takes."""

_REWRITTEN = ".rewrite"  # Rule 2


@attrs.define
class _Sent:
    """One request of the run, and where its answer is recorded."""

    header: Trace
    exchange: Exchange | None = None  # that was played, or that verify compares with
    live: bool = False  # it is sent
    target: Any = None  # the path or the file to which its answer is recorded


class SessionRun:
    """What `streamkit.recording` returns: the session, and what was asked and answered in this run.

    `mode`: how it runs. `session`: the recordings that were there before. `faults`: what goes wrong with the replays from
    here on, like those of `replay(faults=…)`; may be set. `replays`: one for each request that was played, in order.
    """

    def __init__(
        self,
        session: Session,
        mode: Mode,
        *,
        speed: float = 0,
        faults: Faults | None = None,
        seed: int = 0,
        let_through: Sequence[str] = (),
        **recorder: Any,
    ) -> None:
        if mode not in MODES:
            raise MisuseError(f"mode= takes one of {', '.join(MODES)}, not {shown(mode)}")
        if not isinstance(let_through, (tuple, list)) or not all(isinstance(one, str) for one in let_through):
            raise MisuseError(f'let_through= takes hosts in a tuple, ("127.0.0.1:8000",), not {shown(let_through)}')
        self.mode: Mode = mode
        self.session = session
        self.faults = faults
        self.replays: list[Replay] = []
        self._speed, self._seed = speed, seed
        played(Trace(), speed=speed, seed=seed)
        self._through = list(let_through)
        self._recording = mode in ("rewrite", "new_episodes") or (mode == "once" and not session.exchanges)
        self._sent: list[_Sent] = []
        self._lock = threading.Lock()
        self._sync = RecordingTransport(into=session, **recorder)
        self._async = AsyncRecordingTransport(into=session, **recorder)
        self._targets = session.target
        self._closed = False
        if mode == "rewrite":
            shutil.rmtree(self._beside, ignore_errors=True)
            self._targets = Targets(self._beside, session._digest)

    @property
    def faults(self) -> Faults | None:
        """What goes wrong with the replays from here on; may be set. Raises `MisuseError` for what is not a fault, here and not
        inside the client whose request it would strike."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        fault_list(faults)
        self._faults = faults

    def __repr__(self) -> str:
        return f"<SessionRun {self.session.path!r} mode={self.mode} requests={len(self._sent)}>"

    # --- what happened

    @property
    def requests(self) -> tuple[Trace, ...]:
        """The requests in the order in which they were sent: traces without a response, their secrets replaced."""
        return tuple(one.header for one in self._all())

    @property
    def traces(self) -> tuple[Trace, ...]:
        """Each exchange so far that was played or recorded, in the order of sending, as far as it has arrived."""
        return tuple(trace for one in self._all() if (trace := _read(one)) is not None)

    @property
    def responses(self) -> tuple[CreateChatCompletionResponse | None, ...]:
        """What was answered to each of them, reassembled; None where that is not a chat completion."""
        return tuple(map(_reassembled, self.traces))

    @property
    def recorded(self) -> tuple[str, ...]:
        """The paths of the files that were recorded in this run."""
        return tuple(one.target for one in self._all() if isinstance(one.target, str))

    @property
    def unplayed(self) -> tuple[str, ...]:
        """The names of the recordings that no request has asked for; none where this run does not play."""
        return tuple(one.name for one in self.session.unplayed) if self.mode != "off" and not self._only_records else ()

    @property
    def misses(self) -> tuple[TraceMissError, ...]:
        """The misses of this run."""
        return self.session.misses

    @property
    def closed(self) -> bool:
        """Whether the run is over."""
        return self._closed

    @property
    def _only_records(self) -> bool:
        return self.mode == "rewrite" or (self.mode == "once" and self._recording)

    @property
    def _beside(self) -> str:
        return os.path.join(self.session.path, _REWRITTEN)

    def _all(self) -> list[_Sent]:
        with self._lock:
            return [*self._sent]

    # --- while it runs

    def let_through(self, host: str) -> None:
        """Let requests to one more host through from here on: `127.0.0.1:8000`, `*.example.com`."""
        if not isinstance(host, str):
            raise MisuseError(f"let_through takes a host, not {shown(host)}")
        self._through.append(host)

    def check(self) -> None:
        """Raise `TraceChangedError` where an answer has another shape than was recorded, in mode verify; the end of a block
        does that too."""
        if self.mode == "verify":
            self._verify()

    # --- one request

    def _handle(self, request: Any, send: Callable[[Any], Any]) -> Any:
        """Answer a request, or send it by `send`."""
        if self._passes(request):
            return send(request)
        sent = self._decide(request, request.read())
        if sent.live:
            return self._sync._exchange(request, send, self._place(sent))
        return answer(request, self._begin(request, sent))

    async def _handle_async(self, request: Any, send: Callable[[Any], Any]) -> Any:
        """Do the same for an async client."""
        if self._passes(request):
            return await send(request)
        sent = self._decide(request, await request.aread())
        if sent.live:
            return await self._async._exchange(request, send, self._place(sent))
        return await answer_async(request, self._begin(request, sent))

    def _passes(self, request: Any) -> bool:
        if self.mode == "off":
            return True
        host, netloc = request.url.host, request.url.netloc.decode("ascii", "replace")
        return any(fnmatchcase(name, pattern) for pattern in self._through for name in (host, netloc))

    def _decide(self, request: Any, body: bytes) -> _Sent:
        """Return what to do with a request; noted first, since its place is that of its sending."""
        header = Trace(**request_of_httpx(request, body))
        sent = _Sent(self.session._scrubbed(header))
        if self.mode == "new_episodes":
            sent.exchange = self.session.find(header)
        elif not self._recording:
            sent.exchange = self.session.take(header)
        sent.live = self.mode == "verify" or sent.exchange is None
        with self._lock:
            self._sent.append(sent)
        return sent

    def _place(self, sent: _Sent) -> Callable[[Trace], Any]:
        def place(header: Trace) -> Any:
            sent.target = io.BytesIO() if self.mode == "verify" else self._targets(header)
            return sent.target

        return place

    def _begin(self, request: Any, sent: _Sent) -> Replay:
        assert sent.exchange is not None
        faults = self.faults if self.faults is not None and self.session._spare(sent.exchange) else None
        started = begin(request, played(sent.exchange.read(), speed=self._speed, faults=faults, seed=self._seed))
        self.replays.append(started)
        return started

    # --- the end

    def _close(self, *, failed: bool = False) -> None:
        """End the run. `failed`: a rewritten session is not put in the place of the old one.

        Raises `TraceChangedError` where an answer has changed its shape since it was recorded (mode verify).
        """
        if self._closed:
            return
        self._closed = True
        if self.mode == "rewrite":
            self._rewrite(failed)
        if self.mode in ("once", "rewrite", "new_episodes") and not failed and not self._sent:
            if not self.session.exchanges:
                _warn(
                    f"nothing was recorded into {self.session.path}: no request went through httpx or httpx2; aiohttp,"
                    " requests, curl and other languages are recorded by `streamkit record --upstream URL DIR -- COMMAND`"
                )
        if self.mode == "verify" and not failed:
            self._verify()

    def _rewrite(self, failed: bool) -> None:
        if not os.path.isdir(self._beside):
            return
        if failed:
            _warn(f"{self.session.path} is as it was, since the run failed; what it recorded is in {self._beside}")
            return
        for path in session_files(self.session.path):
            os.remove(path)
        for path in session_files(self._beside):
            os.replace(path, os.path.join(self.session.path, os.path.basename(path)))
        for one in self._all():
            if isinstance(one.target, str):
                one.target = os.path.join(self.session.path, os.path.basename(one.target))
        shutil.rmtree(self._beside, ignore_errors=True)

    def _verify(self) -> None:
        found: list[str] = []
        for one in self._all():
            live = _read(one)
            assert one.exchange is not None
            if live is None:
                found.append(f"{one.exchange.name}: the answer could not be recorded (see the warning)")
                continue
            if live.end == "cancelled" or live.torn:
                continue  # it was not read to its end: the rest of its shape is not known
            found += [f"{one.exchange.name}: {change}" for change in changes(one.exchange.read(), live)]
        if found:
            lines = "\n  ".join(found)
            raise TraceChangedError(
                f"the answers to {self.session.path} have changed since they were recorded:\n  {lines}\n  to record them"
                f" again: {self.session.command.replace('new_episodes', 'rewrite')}",
                changes=tuple(found),
            )


def _read(sent: _Sent) -> Trace | None:
    """Return what is recorded of an exchange, or was played; None where nothing is."""
    target: IO[bytes] | str | None = sent.target
    try:
        if isinstance(target, str):
            return read_trace(target)
        if isinstance(target, io.BytesIO):
            return read_trace(io.BytesIO(target.getvalue()))
    except (OSError, FormatError):
        return None
    return None if sent.exchange is None or sent.live else sent.exchange.read()


def _reassembled(trace: Trace) -> CreateChatCompletionResponse | None:
    accumulator = Accumulator()
    try:
        for block in unpacked_trace(trace).blocks:
            accumulator.absorb(block.data)
        accumulator.close()
    except StreamError:
        pass
    response = accumulator.snapshot()
    return response if response is not None and response.choices else None


def _warn(text: str) -> None:
    warnings.warn(text, RecordingWarning, stacklevel=4)
