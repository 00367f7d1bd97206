"""A checkpoint as bytes: one JSON document in UTF-8, and the checks of a document as a whole.

    {"format": "streamkit checkpoint", "version": 1, "options": {...}, "state": {...}}

`options` has what the accumulator was created with and is data: limits, rules (those that differ from `RULES`), the
dialect. Code travels in no checkpoint: a converter and the function of a tap are passed again. That of a `ChatStream` has
a member `stream`, too: the events that its reader has not had, and the tool calls that are done.

Rule 1: a document of an unknown version is refused; so is a member that this version does not know, since a newer one
        may have kept state in it.
Rule 2: a checkpoint raises no limit: larger limits than the default ones are taken only from the caller who restores.
Rule 3: what its values take in memory is bounded before they are decoded, like those of an event.

Cost: O(the state), about 10 ns a byte each way where it is text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .._arguments import check_bool, check_kind, readable
from .._decode.scanning import HEAVIEST, weight
from .._fast.block_reader import BlockReader
from .._fold.assembler import Assembler
from .._stack import has_room
from ..dialect import Dialect
from ..errors import MisuseError, Problem, ValidationError, counted
from ..limits import DEFAULT_LIMITS, Limits
from ..rules import RULES, Rule, check_rules
from .endings import put_partials
from .shapes import FLAG, TEXT, WHOLE, Refused, Way, at, members
from .states import ASSEMBLER, READER
from .waiting import read_events, write_events

if TYPE_CHECKING:
    import cattrs

    from ..accumulator import Accumulator

__all__ = ("FORMAT", "VERSION", "read", "read_point", "write")

FORMAT = "streamkit checkpoint"
VERSION = 1

_LIMITS = tuple(field.name for field in attrs.fields(Limits))
_MEMBERS = frozenset({"format", "version", "options", "state", "stream"})
_OPTIONS = ("converter", "dialect", "limits", "path_events", "rules")
_WAITING = ("calls", "events")
_RULES = frozenset(map(str, Rule))
_HABITS = tuple(field.name for field in attrs.fields(Dialect))


@attrs.frozen
class _Options:
    """What an accumulator is created with, as far as it is data; `converter`: whether it had one."""

    limits: Limits
    rules: Mapping[str, Rule]
    dialect: Dialect
    converter: bool
    path_events: bool


# --- writing


def write(accumulator: Accumulator, stream: Mapping[str, Any] | None = None) -> bytes:
    """Return the state of an accumulator as bytes. `stream`: the events that wait in a `ChatStream`, by what they wait
    for."""
    if accumulator._busy:
        raise MisuseError(
            "a checkpoint is taken between two blocks, and this accumulator is reading one: not in a function given to"
            " tap(), and with a lock around it where another thread feeds"
        )
    reader = accumulator._reader
    assembler = reader.known  # with what the fast lane took
    context = assembler.context
    way, limits = Way(context), context.limits
    document = {
        "format": FORMAT,
        "version": VERSION,
        "options": {
            "limits": {
                name: value for name in _LIMITS if (value := getattr(limits, name)) != getattr(DEFAULT_LIMITS, name)
            },
            "rules": None if context.rules is RULES else _changed(context.rules),
            "dialect": [name for name in _HABITS if getattr(context.dialect, name)],
            "converter": accumulator._converted,
            "path_events": accumulator._follow is not None,
        },
        "state": {
            "closed": accumulator._closed,
            "overran": accumulator._overran,
            "reader": READER.write(reader, way),
            "assembler": ASSEMBLER.write(assembler, way),
        },
    }
    if stream:
        document["stream"] = {name: write_events(events, assembler) for name, events in stream.items()}
    try:
        text = _encode(document)
    except (TypeError, ValueError) as error:  # all else was read from JSON, or checked
        raise MisuseError(
            f"an error that was passed to fail() or break_off() cannot be written as JSON: {error}"
        ) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair waits for the other one
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def _changed(rules: Mapping[str, Rule]) -> dict[str, str | None]:
    """Return the rules that differ from `RULES`; null for one that is missing."""
    changed: dict[str, str | None] = {path: str(rule) for path, rule in rules.items() if RULES.get(path) is not rule}
    return changed | {path: None for path in RULES if path not in rules}


# --- reading


def read(
    kind: type[Accumulator],
    data: Any,
    *,
    limits: Limits | None = None,
    fast: bool = True,
    converter: cattrs.Converter | None = None,
    whole_events: bool = False,
) -> tuple[Accumulator, dict[str, list[Any]]]:
    """Return a new accumulator of this `kind` in the state that `data` has, and the events that waited in a stream.

    The options are those of `Accumulator.restore`. Raises `ValidationError` for what is not a checkpoint, `MisuseError` for
    what the caller has to pass.
    """
    if limits is not None:
        check_kind("limits=", limits, Limits)
    check_bool("fast=", fast)
    check_bool("whole_events=", whole_events)
    with _Checked():
        document = _read_document(data, limits or DEFAULT_LIMITS)
        options = _read_options(document, limits)
        if options.converter and converter is None:
            raise MisuseError("this checkpoint is of an accumulator with a converter: pass the same one, converter=")
        accumulator = kind(
            limits=options.limits,
            rules=options.rules,
            dialect=options.dialect,
            fast=fast,
            converter=converter,
            path_events=options.path_events,
        )
        accumulator._closed, accumulator._overran = _fill(document, accumulator._reader, accumulator._assembler)
        put_partials(accumulator._assembler)
        waiting = {}
        with at("stream"):
            for name, events in members(document.get("stream", {})).items():
                with at(name):
                    if name not in _WAITING:
                        raise Refused(f"no member but {', '.join(_WAITING)}", name)
                    waiting[name] = read_events(events, accumulator._assembler)
    if accumulator._growing is not None:
        accumulator._growing.missed = True  # the text in the checkpoint
        if events := waiting.get("events"):
            accumulator._growing.follow(events)
    if whole_events:
        if not accumulator._reader.last_event_id and accumulator._assembler.events:
            raise MisuseError(
                "this stream has no event ids, so that its sender cannot be asked for the events after one: let the"
                " source begin at the offset, or at its start"
            )
        accumulator._reader.reconnect()
    return accumulator, waiting


def read_point(data: Any) -> tuple[int, int, str, bool]:
    """Return of a checkpoint the bytes and the events that were read, the last event id, and whether the stream has
    ended."""
    with _Checked():
        document = _read_document(data, DEFAULT_LIMITS)
        with at("state"):
            state = members(document["state"])
            with at("reader"):
                reader = members(state.get("reader"))
                with at("decoder"):
                    decoder = members(reader.get("decoder"))
                    with at("last_event_id"):
                        id: str = TEXT.read(decoder.get("last_event_id", ""), None)  # type: ignore[arg-type]
                with at("size"):
                    size: int = WHOLE.read(reader.get("size", 0), None)  # type: ignore[arg-type]
            with at("assembler"):
                assembler = members(state.get("assembler"))
                with at("events"):
                    events: int = WHOLE.read(assembler.get("events", 0), None)  # type: ignore[arg-type]
    return size, events, id, assembler.get("outcome") is not None


class _Checked:
    """Turns what is refused inside into the error for the caller."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, Refused):
            raise _invalid(error.path, error.expected, error.found) from None
        if isinstance(error, RecursionError) and has_room():
            raise _invalid("$", "a document that is nested less deeply", "one that is nested too deeply") from None


def _invalid(path: str, expected: str, found: str) -> ValidationError:
    return ValidationError((Problem(path, expected, found),), type_name="checkpoint")


def _read_document(data: Any, limits: Limits) -> dict[str, Any]:
    """Return the document in `data`, with its format and version checked."""
    if not isinstance(data, (bytes, bytearray, memoryview, str)):
        raise MisuseError(f"a checkpoint is the bytes that checkpoint() returned, not {type(data).__name__}")
    data = data.encode("utf-8", "replace") if isinstance(data, str) else readable(data)
    most = 4 * (limits.max_extra_values + limits.max_event_values)
    enough = max(most, len(data) if b'logprobs"' in data else 0)
    if len(data) * HEAVIEST > most and weight(data, enough) > enough:
        raise Refused(f"a document of at most {counted(most, 'value', ',')}, by the limits", f"{len(data):,} bytes")
    try:
        document = json.loads(data)
    except (ValueError, UnicodeDecodeError) as error:
        raise Refused(f"the JSON that checkpoint() returns ({error})", data) from None
    if type(document) is not dict or document.get("format") != FORMAT:
        raise Refused(f'the JSON that checkpoint() returns, with "format": "{FORMAT}"', document)
    with at("version"):
        if document.get("version") != VERSION or type(document["version"]) is not int:
            raise Refused(
                f"version {VERSION}, the only one that this release reads: restore it with the release that wrote it, or"
                " read the stream again from its beginning",
                document.get("version"),
            )
    if not {"format", "options", "state", "version"} <= document.keys() <= _MEMBERS:
        raise Refused(f"{', '.join(sorted(_MEMBERS))}, and no other member", sorted(document))
    return document


def _read_options(document: dict[str, Any], limits: Limits | None) -> _Options:
    """Return the options in a document; `limits`: those of the caller, which count instead of those in it."""
    with at("options"):
        found = members(document["options"])
        if sorted(found) != sorted(_OPTIONS):
            raise Refused(f"{', '.join(_OPTIONS)}, and no other member", sorted(found))
        with at("limits"):
            recorded = _read_limits(found["limits"])
        if limits is None:
            larger = [name for name in _LIMITS if getattr(recorded, name) > getattr(DEFAULT_LIMITS, name)]
            if larger:
                named = ", ".join(f"{name}={getattr(recorded, name)}" for name in larger)
                raise MisuseError(
                    f"this checkpoint was written with larger limits than the default ones ({named}), which only the"
                    " caller may allow: pass the limits= of the accumulator that wrote it"
                )
        with at("rules"):
            rules = _read_rules(found["rules"])
        with at("dialect"):
            habits = found["dialect"]
            if type(habits) is not list or not all(type(one) is str and one in _HABITS for one in habits):
                raise Refused(f"a list of habits: {', '.join(_HABITS)}", habits)
        with at("converter"):
            converter = FLAG.read(found["converter"], None)  # type: ignore[arg-type]
        with at("path_events"):
            path_events = FLAG.read(found["path_events"], None)  # type: ignore[arg-type]
    dialect = Dialect(**dict.fromkeys(habits, True))
    return _Options(recorded if limits is None else limits, rules, dialect, converter, path_events)


def _read_limits(found: Any) -> Limits:
    for name, value in members(found).items():
        with at(name):
            if name not in _LIMITS:
                raise Refused(f"one of {', '.join(_LIMITS)}", name)
            if type(value) is not int or not 1 <= value < 2**63:
                raise Refused("a whole number from 1", value)
    return Limits(**found)


def _read_rules(found: Any) -> Mapping[str, Rule]:
    if found is None:
        return RULES
    rules = dict(RULES)
    for path, name in members(found).items():
        with at(path):
            if name is None:
                rules.pop(path, None)
            elif type(name) is str and name in _RULES:
                rules[path] = Rule(name)
            else:
                raise Refused(f"one of {', '.join(Rule)}, or null", name)
    try:
        check_rules(rules)
    except MisuseError as error:
        raise Refused(f"rules that an accumulator takes ({error.message})", found) from None
    return rules


def _fill(document: dict[str, Any], reader: BlockReader, assembler: Assembler) -> tuple[bool, bool]:
    """Give a new accumulator's parts the state in a document; return whether it is closed, and whether it overran."""
    way = Way(assembler.context)
    with at("state"):
        found = members(document["state"])
        if sorted(found) != ["assembler", "closed", "overran", "reader"]:
            raise Refused("assembler, closed, overran and reader, and no other member", sorted(found))
        with at("assembler"):
            ASSEMBLER.fill(assembler, found["assembler"], way)
        with at("reader"):
            READER.fill(reader, found["reader"], way)
        with at("closed"):
            closed: bool = FLAG.read(found["closed"], way)
            if closed and assembler.outcome is None:
                raise Refused("false, as there is no outcome", closed)
        with at("overran"):
            overran: bool = FLAG.read(found["overran"], way)
    return closed, overran
