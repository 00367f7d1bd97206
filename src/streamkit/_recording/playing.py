"""How a server plays a trace: the options of a replay as one value, and what a single request may say of them.

In: options of `replay`, by keyword; of a request its headers and its query. Out: a `Playing`, and the plan of a trace under it.

    curl -H 'x-streamkit-fault: stall=2@event:5' …        curl '…/v1/chat/completions?x-streamkit-speed=0'

Rule 1  `BY_REQUEST` is the table: each name with how its text is read. It is the same as a header and in the query, where it is not
        taken for a part of the request. A name that is not in it is a misuse.
Rule 2  A trace without times is played without waiting, unless a pace is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs

from .._arguments import whole
from ..errors import MisuseError, shown
from ..trace import Block, Trace
from .faults import Fault, fault_list
from .plan import Plan
from .recut import Recut
from .replay import planned
from .schedule import Pace

__all__ = ("BY_REQUEST", "Playing", "asked", "without_ours")

_PREFIX = "x-streamkit-"


@attrs.frozen(kw_only=True)
class Playing:
    """The options of a replay."""

    speed: float = 1
    ttft: float | None = None
    max_gap: float | None = None
    pace: Pace | None = None
    recut: Recut | None = None
    faults: tuple[Fault, ...] = attrs.field(default=(), converter=fault_list)
    seed: int = 0

    def plan(self, trace: Trace) -> Plan:
        """Return how `trace` is played. Raises `MisuseError` for an option that means nothing, or not for this trace."""
        speed = 0 if not trace.timed and self.pace is None else self.speed
        return planned(trace, **{**attrs.asdict(self, recurse=False), "speed": speed})

    def check(self) -> None:
        """Raise `MisuseError` for an option that means nothing in any trace."""
        attrs.evolve(self, faults=()).plan(_SOME)


_SOME = Trace(blocks=(Block(0.0, b"data: [DONE]\n\n"),))


def _number(text: str) -> float:
    return float(text)


def _recut(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else text


BY_REQUEST: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "x-streamkit-trace": ("", str),
    "x-streamkit-fault": ("faults", str),
    "x-streamkit-speed": ("speed", _number),
    "x-streamkit-ttft": ("ttft", _number),
    "x-streamkit-max-gap": ("max_gap", _number),
    "x-streamkit-recut": ("recut", _recut),
    "x-streamkit-seed": ("seed", int),
}
"""What a request may say, as a header or in its query: the option that it sets, and how its text is read."""


def asked(headers: Iterable[tuple[str, str]], target: str, playing: Playing) -> tuple[str, Playing]:
    """Return the name of the trace that a request asks for, "" for none, and how it is to be played."""
    query = target.partition("?")[2]
    given = [*headers, *parse_qsl(query, keep_blank_values=True)]
    name, options = "", {}
    for key, value in given:
        if not (key := key.lower()).startswith(_PREFIX):
            continue
        if key not in BY_REQUEST:
            raise MisuseError(f"no option is called {shown(key)}: there are {', '.join(BY_REQUEST)}")
        option, read = BY_REQUEST[key]
        try:
            found = read(value)
        except ValueError:
            raise MisuseError(f"{key} takes a number, not {shown(value)}") from None
        if option:
            options[option] = found
        else:
            name = found
    if not options:
        return name, playing
    if "seed" in options and not whole(options["seed"], 0):
        raise MisuseError(f"x-streamkit-seed takes a whole number from 0 on, not {options['seed']}")
    changed = attrs.evolve(playing, **options)
    changed.check()
    return name, changed


def without_ours(target: str) -> str:
    """Return path and query without our options."""
    path, mark, query = target.partition("?")
    if not mark or _PREFIX not in query.lower():
        return target
    kept = [part for part in query.split("&") if not part.lower().startswith(_PREFIX)]
    return f"{path}?{'&'.join(kept)}" if kept else path
