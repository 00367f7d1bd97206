"""A session: a directory of traces, an exchange a file, each played once to the request that is the same.

    session = Session("traces/weather")
    exchange = session.take(header)      # raises TraceMissError
    trace = exchange.read()

In: a directory, and the header of each request (`Trace(method=, path=, request_headers=, request=)`). Out: the recording that
answers it. Costs: the first lines of each file when it is opened; a pass over the body a request. Any number of threads and
tasks may ask at once.

Rule 1  Files count in the order of their names, which is the order of sending. A trace that was torn, or left, before anything
        answered is not an exchange; a miss names it.
Rule 2  A request is scrubbed as a recorder would, and so are the recordings, with what is secret now: then both are compared
        in their canonical form (`matching`). `match=` a function of two headers, `(sent, recorded) -> bool`, decides instead;
        "order" takes the next recording whatever was asked.
Rule 3  Each exchange is played once, equal ones in the order of Rule 1; `repeat=True` plays the last of them again.
Rule 4  Failures (429, a reset) are exchanges like all others.
Rule 5  One that is played with a fault may be played again without: the retry of an SDK meets the recording.
Rule 6  What is recorded into a session is named like what is in it, and is not played by the one that recorded it.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs

from .._arguments import check_bool, check_kind
from ..errors import MisuseError, shown
from ..trace import Ending, Head, Trace, is_trace_name, iter_trace, read_trace
from .matching import Request, canonical, difference, digest, distance, ignored, in_words
from .misses import TraceMissError
from .recorder import Options
from .scrub import Find, Secrets
from .scrub_trace import scrubbed_header
from .targets import Targets

__all__ = ("Exchange", "Match", "Session", "answers", "session_files")

_KEPT = 1_000  # requests that are remembered, with their bodies: a server may run for weeks
_LEFT = ("cancelled", "unknown")  # ends that say nothing of the sender

Match: TypeAlias = "Callable[[Trace, Trace], bool] | str | None"
"""How a request finds its recording: None by what was asked, "order", or a function of the headers sent and recorded."""


def session_files(path: str, *, deep: bool = False) -> list[str]:
    """Return the paths of the traces in a directory, in the order of their names; `deep`: of those below it too."""
    found: list[str] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if deep else []
        found += (os.path.join(folder, name) for name in names if is_trace_name(name) and not name.startswith("."))
    return sorted(found, key=_natural)


def answers(trace: Trace) -> bool:
    """Return whether a trace says what answered: a status, a block, or a failure in its place."""
    return bool(trace.status is not None or trace.headers or trace.blocks or trace.end not in _LEFT)


def _natural(path: str) -> list[tuple[int, str]]:
    """Return what paths are sorted by: 1000 is after 999."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", path) if part]


@attrs.frozen(eq=False)
class Exchange:
    """One recording of a session."""

    name: str
    """The path of its file below the directory."""
    path: str
    """The path of its file."""
    header: Trace
    """The first line of the file: what was asked."""
    status: int | None
    """The status of the response; None where none was recorded."""
    request: Request
    """What of the request is compared."""

    def read(self) -> Trace:
        """Return the whole trace."""
        return read_trace(self.path)


class Session:
    """The recordings in a directory, and which of them were played.

    `path`: the directory; one that is absent has no recordings yet. `ignore`: JSON paths of the body that are not compared,
    beside `user`, `metadata` and `stream_options`. `match`: "order", or a function of two headers. `repeat`: whether the
    last of equal recordings is played again and again. `scrub`, `keep_headers`: as for a recorder. `deep`: whether
    directories below are part of it. `command`: what a miss names to record with.

    Raises `MisuseError` for arguments that mean nothing, `FormatError` for a file that is not a trace, `OSError`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ignore: Sequence[str] = (),
        match: Match = None,
        repeat: bool = False,
        scrub: Find | bool = True,
        keep_headers: tuple[str, ...] = (),
        deep: bool = False,
        command: str = "",
    ) -> None:
        self.path = _directory(path)
        if not (match is None or match == "order" or callable(match)):
            raise MisuseError(f'match= takes "order" or a function of two headers, not {shown(match)}')
        check_bool("repeat=", repeat)
        check_bool("deep=", deep)
        options = Options(scrub=scrub, keep_headers=keep_headers)
        if not isinstance(command, str):
            raise MisuseError(f"command= takes a line of text, not {shown(command)}")
        self._ignore = ignored(ignore)
        self._match = match
        self._repeat = repeat
        self._scrub = options.scrub
        self._keep = tuple(options.keep_headers)
        self.command = command or f'streamkit.recording({self.path!r}, mode="new_episodes")'
        self._lock = threading.Lock()
        self._played: dict[Exchange, int] = {}
        self._spared: dict[Exchange, bool] = {}
        self._requests: deque[Trace] = deque(maxlen=_KEPT)
        self._misses: deque[TraceMissError] = deque(maxlen=_KEPT)
        self._count = 0
        self.target = Targets(self.path, self._digest)
        """What a recorder takes as its target: opens a file for each new exchange."""
        self._torn: list[str] = []
        self._exchanges = tuple(self._load(deep))
        self._by_key: dict[str, list[Exchange]] = {}
        for one in self._exchanges:
            self._by_key.setdefault(one.request.key, []).append(one)

    def __repr__(self) -> str:
        return f"<Session {self.path!r} played={len(self._played)}/{len(self._exchanges)}>"

    # --- what is there

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The recordings, in the order in which their requests were sent."""
        return self._exchanges

    @property
    def unplayed(self) -> tuple[Exchange, ...]:
        """Those that no request has asked for."""
        return tuple(one for one in self._exchanges if one not in self._played)

    @property
    def requests(self) -> tuple[Trace, ...]:
        """The headers of the requests so far, their secrets replaced. The last 1,000."""
        with self._lock:
            return tuple(self._requests)

    @property
    def misses(self) -> tuple[TraceMissError, ...]:
        """The requests so far that no recording answers. The last 1,000."""
        with self._lock:
            return tuple(self._misses)

    # --- playing

    def take(self, header: Trace) -> Exchange:
        """Return the recording that answers a request, and count it as played. Raises `TraceMissError` where there is none."""
        found = self._take(header)
        if isinstance(found, TraceMissError):
            with self._lock:
                self._misses.append(found)
            raise found
        return found

    def find(self, header: Trace) -> Exchange | None:
        """Return the recording that answers a request, and count it as played; None where there is none."""
        found = self._take(header)
        return None if isinstance(found, TraceMissError) else found

    def _take(self, header: Trace) -> Exchange | TraceMissError:
        check_kind("header", header, Trace)
        sent, request = self._canonical(header)
        with self._lock:
            self._requests.append(sent)
            self._count += 1
            found = self._find(sent, request)
            if found is None:
                return self._miss(sent, request)
            self._played[found] = self._played.get(found, 0) + 1
            return found

    def _spare(self, exchange: Exchange) -> bool:
        """Return whether a recording is played with faults now: the first time, and then it may be played again, without."""
        with self._lock:
            first = exchange not in self._spared
            self._spared[exchange] = first
            return first

    def _find(self, sent: Trace, request: Request) -> Exchange | None:
        same = self._same(sent, request)
        for one in same:
            if one not in self._played:
                return one
        for one in same:
            if self._spared.get(one):  # Rule 5
                return one
        return same[-1] if self._repeat and same else None

    def _same(self, sent: Trace, request: Request) -> list[Exchange]:
        if self._match is None:
            return self._by_key.get(request.key, [])
        if callable(self._match):
            return [one for one in self._exchanges if self._match(sent, one.header)]
        return [*self._exchanges]

    def _miss(self, sent: Trace, request: Request) -> TraceMissError:
        asked = f"no recording in {self.path} answers {request.method} {request.path} (request {self._count})"
        how = f"to record it: {self.command}"
        if self._torn:  # else a file that is there, and is not played, is a riddle
            how = f"passed over, cut off before anything answered: {', '.join(self._torn)}\n  {how}"
        facts: dict[str, Any] = {"request": sent, "command": self.command}
        if same := self._same(sent, request):
            names = ", ".join(one.name for one in same)
            text = f"{asked}: every recording of it was played ({names}); repeat=True plays the last again"
            return TraceMissError(f"{text}\n  {how}", nearest=same[-1].name, **facts)
        if not self._exchanges:
            none = "there are none at all" + ("" if os.path.exists(self.path) else ", and no such directory")
            return TraceMissError(f"{asked}: {none}\n  {how}", **facts)
        near = min(self._exchanges, key=lambda one: (*distance(one.request, request), one in self._played))
        found = difference(near.request, request)
        if found is None:  # the function that was passed as match= knows better
            text = f"{asked}\n  nearest: {near.name}, which asks the same, and match= refuses it\n  {how}"
            return TraceMissError(text, nearest=near.name, **facts)
        recorded, now = in_words(found)
        lines = (
            f"{asked}",
            f"nearest: {near.name}, which differs at {found.where}",
            f"  recorded: {recorded}",
            f"  sent:     {now}",
            how,
        )
        facts |= {"nearest": near.name, "path": found.where, "recorded": recorded, "sent": now}
        return TraceMissError("\n  ".join(lines), **facts)

    # --- requests in the form in which they are compared

    def _scrubbed(self, header: Trace) -> Trace:
        """Return the header of a request as a recorder writes it, its secrets replaced."""
        if self._scrub is False:
            return header
        return scrubbed_header(header, Secrets(None if self._scrub is True else self._scrub, keep=self._keep))

    def _canonical(self, header: Trace) -> tuple[Trace, Request]:
        header = self._scrubbed(header)
        return header, canonical(header, self._ignore)

    def _digest(self, header: Trace) -> str:
        return digest(canonical(header, self._ignore))

    def _load(self, deep: bool) -> Iterator[Exchange]:
        for path in session_files(self.path, deep=deep):
            parts = iter_trace(path)
            header, head = next(parts), next(parts)
            name = os.path.relpath(path, self.path).replace(os.sep, "/")
            if not isinstance(header, Trace) or (isinstance(head, Ending) and (head.torn or head.end == "cancelled")):
                self._torn.append(name)  # Rule 1
                continue
            status = head.status if isinstance(head, Head) else None
            yield Exchange(name, path, header, status, self._canonical(header)[1])


def _directory(path: object) -> str:
    """Return the path of a directory, which may be absent. Raises `MisuseError` for anything else."""
    if isinstance(path, (str, os.PathLike)):
        try:
            name = os.fsdecode(path)
            os.fsencode(name)
            if name and "\0" not in name and not is_trace_name(name) and not os.path.isfile(name):
                return name
        except (TypeError, ValueError):  # an odd __fspath__, a NUL or half a surrogate pair in it
            pass
    raise MisuseError(f"a session is a directory of traces, {shown(path)} is not")
