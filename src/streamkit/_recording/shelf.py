"""Which trace answers a request to the server.

In: a directory, a `Session`, or traces; a request. Out: the trace and its name, or a refusal. Costs a look-up and the canonical form
of a request; what is played is read when it is asked for, small ones once (`CACHED` bytes of body, `PLANS` of them).

Rule 1  In this order: the trace that the request names (`x-streamkit-trace`); the one whose name is the `model` of its JSON
        ("llama.cpp/plain" is llama.cpp/plain.trace.jsonl); the one that was recorded for the same request (`Session`), or
        the next one. Traces that were passed one by one are taken in turn.
Rule 2  What is named, by either way, may be played any number of times, and does not count as played.
Rule 3  A request that did not ask for a stream is answered whole (`whole_answers`).
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..errors import MisuseError, counted, shown
from ..trace import SUFFIXES, Trace, is_trace_name
from .misses import TraceMissError
from .plan import Plan
from .playing import Playing
from .replay import trace_of
from .session import Match, Session, answers
from .whole_answers import whole_answer

__all__ = ("Entry", "Refusal", "Shelf", "Source")

CACHED = 1_000_000
PLANS = 256

Source = Session | str | os.PathLike[str] | Trace | Sequence[Trace | str | os.PathLike[str]]


@attrs.frozen(eq=False)
class Entry:
    """A trace on the shelf."""

    name: str
    """Its path without the endings of a trace."""
    header: Trace
    """What was asked."""
    status: int | None
    """The status of the answer, None where it is not known."""
    read: Callable[[], Trace]
    """Reads the whole trace."""

    @property
    def model(self) -> str:
        """The model that was asked for, empty where it is not known."""
        found = (self.header.request or {}).get("model")
        return found if isinstance(found, str) else ""


class Refusal(Exception):
    """No trace answers the request: status, message and code of the answer."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Shelf:
    """The traces of a server. `source`: a directory with the traces in it at any depth, a `Session`, one trace for all requests,
    or a list with one for each request in turn."""

    def __init__(self, source: Source, *, match: Match, ignore: Sequence[str], repeat: bool) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._turn = 0
        self._repeat = repeat
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._in_turn: list[Entry] = []
        if isinstance(source, Session):
            self._session = source
        elif isinstance(source, (str, os.PathLike)) and not is_trace_name(os.fsdecode(source)):
            if not os.path.isdir(source):
                raise MisuseError(f"a TraceServer takes a directory of traces, {shown(os.fsdecode(source))} is none")
            command = f"streamkit record --upstream URL {os.fsdecode(source)} -- COMMAND"
            self._session = Session(source, match=match, ignore=ignore, repeat=repeat, deep=True, command=command)
        else:
            given: Any = source if isinstance(source, (list, tuple)) else (source,)
            self._in_turn = [_entry(number, one) for number, one in enumerate(given, 1)]
            self._repeat = repeat or not isinstance(source, (list, tuple))
        self._by_exchange = {
            one: Entry(_name(one.name), one.header, one.status, one.read)
            for one in (self._session.exchanges if self._session is not None else ())
        }
        self.entries = (*self._by_exchange.values(), *self._in_turn)
        """All traces, in the order of their names."""
        self._by_name = {one.name: one for one in self.entries}
        if not self.entries:
            raise MisuseError(
                f"there is no trace in {shown(source)}: names that end with {', '.join(SUFFIXES)} are looked for"
            )

    @property
    def session(self) -> Session | None:
        """The session whose exchanges are played; None for traces that were passed one by one."""
        return self._session

    def named(self, name: str) -> Entry | None:
        """Return the trace of that name."""
        return self._by_name.get(name)

    def choose(self, header: Trace, name: str, *, faulty: bool = False) -> Entry:
        """Return the trace that answers a request. `name`: the one that it names, or "". `faulty`: whether faults strike the
        answer, so that it may be played again to the retry. Raises `Refusal` (rule 1)."""
        if name:
            if (found := self._by_name.get(name)) is None:
                raise Refusal(404, f"no trace is called {shown(name)}: {self._known()}", "trace_not_found")
            return found
        model = (header.request or {}).get("model")
        if isinstance(model, str) and (found := self._by_name.get(model)) is not None:
            return found
        if self._session is None:
            return self._next()
        try:
            found_by_match = self._session.take(header)
            self._session._spared[found_by_match] = faulty
            return self._by_exchange[found_by_match]
        except TraceMissError as miss:
            if isinstance(model, str) and model not in {one.model for one in self.entries}:
                words = f"The model {shown(model)} does not exist: {self._known()}, each a model by its name; {miss}"
                raise Refusal(404, words, "model_not_found") from None
            raise Refusal(404, str(miss), "trace_miss") from None

    def find(self, header: Trace) -> Entry | None:
        """Return the trace that was recorded for a request, if there is one."""
        if self._session is None:
            return None
        path = header.path.partition("?")[0]
        if not any(one.header.path.partition("?")[0] == path for one in self._session.exchanges):
            return None  # not asked of the session, which would count it as a miss
        try:
            return self._by_exchange[self._session.take(header)]
        except TraceMissError:
            return None

    def _next(self) -> Entry:
        with self._lock:
            number, self._turn = self._turn, self._turn + 1
        if number < len(self._in_turn):
            return self._in_turn[number]
        if self._repeat:
            return self._in_turn[-1]
        there = counted(len(self._in_turn), "trace")
        raise Refusal(
            404, f"request {number + 1}, and this server has {there}, one for each request in turn", "trace_miss"
        )

    def _known(self) -> str:
        names = [one.name for one in self.entries[:10]]
        more = len(self.entries) - len(names)
        return f"there are {', '.join(names)}" + (f" and {more} more" if more else "")

    def plan(self, entry: Entry, playing: Playing, *, whole: bool) -> Plan:
        """Return how a trace is played; `whole`: to a request that did not ask for a stream. Raises what reading it raises."""
        key = (entry, playing, whole)
        with self._lock:
            if (found := self._plans.get(key)) is not None:
                self._plans.move_to_end(key)
                return found
        trace = entry.read()
        plan = playing.plan(whole_answer(trace) if whole else trace)
        if sum(len(block.data) for block in plan.blocks) <= CACHED:
            with self._lock:
                self._plans[key] = plan
                if len(self._plans) > PLANS:
                    self._plans.popitem(last=False)
        return plan


def _entry(number: int, one: object) -> Entry:
    if not isinstance(one, (Trace, str, os.PathLike)):
        raise MisuseError(
            f"a TraceServer takes a directory, a Session, a Trace, the path of one, or a list, not {shown(one)}"
        )
    trace = trace_of(one)
    if not answers(trace):
        raise MisuseError(
            f"{'this trace' if one is trace else shown(one)} answers nothing: it was cut off before a status or a block arrived; record it again"
        )
    if isinstance(one, Trace):
        name = "/".join(part for part in (trace.sender, trace.case) if part) or str(number)
    else:
        name = _name(os.path.basename(os.fsdecode(one)))
    return Entry(name, attrs.evolve(trace, blocks=()), trace.status, lambda: trace)


def _name(path: str) -> str:
    for suffix in SUFFIXES:
        if path.endswith(suffix):
            return path.removesuffix(suffix).removesuffix(".trace")
    return path
