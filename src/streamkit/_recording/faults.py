"""The one vocabulary of faults: what may go wrong with a response, where, and as one text for every place that takes text.

In: `Fault("stall", 2, at="event:5")`, or the text "stall=2@event:5" (a command line, a header, a query). Out: a plan with that
fault in it (`fault_effects.py` says how). Cost: a few passes over the body a fault.

Rule 1  `FAULTS` is the table: each fault with its options, the places where it may strike and what it does. Nothing else
        knows a fault by its name.
Rule 2  The text is NAME, then =VALUE for its options in the order of the table, or =OPTION=VALUE, separated by commas, then @PLACE:
        "truncate", "stall=2", "status=429,retry_after=3", "corrupt=4,seed=7@block:3". Several are separated by ";" or white
        space. No character of it needs quoting in a shell (but the ";"), a header or a query; what an option's text has of
        others, or of ",;@=", is percent-encoded.
Rule 3  What is random follows from the seed, the fault and its position in the list: the same arguments, the same bytes.
Rule 4  Seconds are those of the reader, whatever the speed of the replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from random import Random
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

import attrs

from .._arguments import number, seconds, whole
from .._field_docs import show_fields
from ..errors import MisuseError, shown
from . import fault_effects as does
from .places import Place, place_of
from .plan import Plan

__all__ = ("FAULTS", "Fault", "FaultKind", "Faults", "Option", "fault_list", "with_faults")


@attrs.frozen
class Option:
    """A number or a word that a fault takes."""

    name: str
    """Its name in Python and in the text."""
    accepts: Callable[[Any], bool]
    """Whether the option takes a value."""
    words: str
    """What is accepted, for messages."""
    is_text: bool = False
    """Whether a number that stands for it in a text is text, too."""


@attrs.frozen
class FaultKind:
    """One fault of the table."""

    does: str
    """What a reader meets."""
    effect: Callable[..., Plan]
    """From a plan, a place, a `random.Random` and the options to the plan with the fault in it."""
    options: tuple[Option, ...] = ()
    at: str | float = 0.5
    """Where it strikes if nothing is said."""
    fixed: bool = False
    """Whether it can strike nowhere else."""
    head: bool = False
    """Whether it can strike at the head."""


_SEED = Option("seed", lambda value: whole(value, 0), "a whole number from 0 on")


_SECONDS = Option("seconds", seconds, "seconds, finite and not negative")
_CODE, _MESSAGE = (Option(name, lambda value: isinstance(value, str), "text", True) for name in ("code", "message"))


FAULTS: Mapping[str, FaultKind] = {
    "delay": FaultKind(
        "everything from there on arrives `seconds` (1) later", does.later, (_SECONDS,), at="head", head=True
    ),
    "stall": FaultKind(
        "nothing arrives for `seconds`, then it continues; without them it never does",
        does.stall,
        (_SECONDS,),
        head=True,
    ),
    "truncate": FaultKind("a clean end, without `[DONE]`", does.truncate),
    "disconnect": FaultKind("the connection closes without HTTP's end of the body", does.disconnect, head=True),
    "reset": FaultKind("the connection is reset (RST)", does.reset, head=True),
    "half_chunk": FaultKind("the connection closes inside one of HTTP's chunks", does.half_chunk),
    "drop": FaultKind("the block, event or byte is missing", does.drop),
    "duplicate": FaultKind("the block, event or byte arrives twice", does.duplicate),
    "corrupt": FaultKind(
        "`count` (1) bytes of the block or event are changed",
        does.corrupt,
        (Option("count", lambda value: whole(value, 1), "a whole number from 1 on"),),
    ),
    "malformed": FaultKind("the data of the event ends after half of its JSON", does.malformed),
    "error_event": FaultKind(
        "an event with an error object, `code` and `message` in it, is the last one",
        does.error_event,
        (_CODE, _MESSAGE),
    ),
    "status": FaultKind(
        "another HTTP status (`code`, 429) with an error object as its body, and `retry_after` seconds as a header",
        does.status,
        (
            Option("code", lambda value: whole(value, 200) and value <= 599, "an HTTP status from 200 to 599"),
            Option("retry_after", seconds, "seconds, finite and not negative"),
        ),
        at="head",
        fixed=True,
        head=True,
    ),
    "bandwidth": FaultKind(
        "no more than `bytes_per_second` (1000) arrive from there on",
        does.bandwidth,
        (Option("bytes_per_second", lambda value: number(value) and value > 0, "bytes, more than 0"),),
        at=0.0,
    ),
    "slow_close": FaultKind(
        "the end of the body arrives `seconds` (1) after its last byte",
        does.slow_close,
        (_SECONDS,),
        at=1.0,
        fixed=True,
    ),
    "empty": FaultKind("a body without a byte", does.empty, at=0.0, fixed=True),
}
"""Every fault by its name."""


@attrs.frozen(init=False, repr=False)
class Fault:
    """One thing that goes wrong: its name in `FAULTS`, its options in their order or by name, and `at`, where.

    `at`: "head", "block:3", "event:3" (from 1 on, or from -1 backwards), "byte:100", a share of the body such as 0.5, or
    "random". `seed`: for what is random in it, in place of the replay's. Raises `MisuseError` for what no fault of that name
    takes. `Fault.parse` reads the text that `str` writes: "stall=2@event:5".
    """

    name: str
    """One of `FAULTS`."""
    options: tuple[tuple[str, Any], ...]
    """The options that were passed, each with its name."""
    at: Place
    """Where it strikes."""
    seed: int | None
    """For what is random in it; None is the seed of the replay."""

    def __init__(self, name: str, *values: Any, at: object = None, seed: int | None = None, **options: Any) -> None:
        self._set(name, values, options, at, seed)

    def _set(self, name: str, values: Sequence[Any], options: Mapping[str, Any], at: object, seed: Any) -> None:
        kind = FAULTS.get(name) if isinstance(name, str) else None
        if kind is None:
            near = get_close_matches(name, FAULTS, 1) if isinstance(name, str) else []
            hint = f"did you mean {near[0]!r}? There " if near else "there "
            raise MisuseError(f"no fault is called {shown(name)}: {hint}are {', '.join(FAULTS)}")
        if seed is not None and not _SEED.accepts(seed):
            raise MisuseError(f"{name}: seed takes {_SEED.words}, not {shown(seed)}")
        place = place_of(kind.at if at is None else at)
        if at is not None and kind.fixed and place != place_of(kind.at):
            raise MisuseError(f"{name} has its own place: leave out at, which is {shown(at)}")
        if place.unit == "head" and not kind.head:
            able = ", ".join(one for one, other in FAULTS.items() if other.head)
            raise MisuseError(f"{name} cannot strike at the head, before any of the body: {able} can")
        self.__attrs_init__(name, _checked(name, kind, values, options), place, seed)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read one fault from its text, "NAME[=VALUE[,OPTION=VALUE…]][@PLACE]"."""
        rest, _, at = text.strip().partition("@")
        name, _, written = rest.partition("=")
        values: list[Any] = []
        options: dict[str, Any] = {}
        for part in written.split(",") if written else ():
            option, named, value = part.partition("=")
            if named:
                options[option] = _Written(value)
            elif options:
                raise MisuseError(f"fault {shown(text)}: write values without a name before those with one")
            else:
                values.append(_Written(option))
        fault = cls.__new__(cls)  # not by keywords: an option may be called as the parameters of __init__ are
        seed = options.pop("seed", None)
        fault._set(name, values, options, at or None, None if seed is None else _read(seed, _SEED))
        return fault

    def __str__(self) -> str:
        kind, given = FAULTS[self.name], dict(self.options)
        written: list[str] = []
        for position, option in enumerate(kind.options):
            if option.name in given:
                value = given[option.name]
                text = quote(value, safe="") if isinstance(value, str) else str(value)
                # By its place alone where no option before it is left out.
                written.append(text if len(written) == position else f"{option.name}={text}")
        written += [] if self.seed is None else [f"seed={self.seed}"]
        at = "" if self.at == place_of(kind.at) else f"@{self.at}"
        return self.name + ("=" if written else "") + ",".join(written) + at

    def __repr__(self) -> str:
        return f"Fault.parse({str(self)!r})"


Faults: TypeAlias = "Fault | str | Sequence[Fault | str]"
"""What `faults=` takes: one fault, a text of one or more, or a list of either."""


def fault_list(faults: Faults | None) -> tuple[Fault, ...]:
    """Return the value of `faults=` as a tuple. Raises `MisuseError` for what is not a fault."""
    found: list[Fault] = []
    for one in faults if isinstance(faults, (list, tuple)) else () if faults is None else (faults,):
        if isinstance(one, Fault):
            found.append(one)
        elif isinstance(one, str):
            found += [Fault.parse(text) for text in one.replace(";", " ").split()]
        else:
            raise MisuseError(
                f'faults takes a text such as "stall=2@event:5", a Fault, or a list of them, not {shown(one)}'
            )
    return tuple(found)


def with_faults(plan: Plan, faults: Iterable[Fault], seed: int) -> Plan:
    """Return `plan` with `faults` in it, one after the other."""
    for position, fault in enumerate(faults):
        kind = FAULTS[fault.name]
        chance = Random(f"fault {seed if fault.seed is None else fault.seed} {position} {fault.name}")
        try:
            plan = kind.effect(plan, fault.at, chance, **dict(fault.options))
        except MisuseError as error:
            raise MisuseError(f"fault {shown(str(fault))}: {error.message}") from None
    return plan


def _checked(
    name: str, kind: FaultKind, values: Sequence[Any], options: Mapping[str, Any]
) -> tuple[tuple[str, Any], ...]:
    takes = ", ".join(option.name for option in kind.options) or "no options"
    if len(values) > len(kind.options):
        raise MisuseError(f"{name} takes {takes}, not {shown(values[len(kind.options)])} too")
    given = {option.name: value for option, value in zip(kind.options, values, strict=False)}
    known = {option.name: option for option in kind.options}
    for option, value in options.items():
        if option not in known:
            raise MisuseError(f"{name} takes {takes}; it has no option {shown(option)}")
        if option in given:
            raise MisuseError(f"{name} was given {option} twice")
        given[option] = value
    given = {option: _read(value, known[option]) for option, value in given.items()}
    for option, value in given.items():
        if not known[option].accepts(value):
            raise MisuseError(f"{name}: {option} takes {known[option].words}, not {shown(value)}")
    return tuple((option, given[option]) for option in known if option in given)


class _Written(str):
    """Return the value of an option as it is written in a text."""


def _read(value: Any, option: Option) -> Any:
    if not isinstance(value, _Written):
        return value
    for kind in () if option.is_text else (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return unquote(value)


show_fields(__name__)
