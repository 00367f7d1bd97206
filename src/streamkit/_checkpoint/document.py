"""A checkpoint as bytes: one JSON document in UTF-8, and the checks of a document as a whole.

    {"format": "streamkit.checkpoint", "version": 1, "options": {...}, "state": {...}}

`options` has what the accumulator was created with and is data: limits, rules (those that differ from `RULES`), the
dialect. Code travels in no checkpoint: a converter and the function of a tap are passed again.

Rule 1: a document of an unknown version is refused; so is a member that this version does not know, since a newer one
        may have kept state in it.
Rule 2: a checkpoint raises no limit: larger limits than the default ones are taken only from the caller who restores.
Rule 3: what its values take in memory is bounded before they are decoded, like those of an event.

Cost: O(the state), about 10 ns a byte each way where it is text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from .._decode.scanning import HEAVIEST, weight
from .._fast.block_reader import BlockReader
from .._fold.assembler import Assembler
from .._stack import has_room
from ..dialect import Dialect
from ..errors import MisuseError, Problem, ValidationError, counted
from ..limits import DEFAULT_LIMITS, Limits
from ..rules import RULES, Rule, check_rules
from .shapes import FLAG, Refused, Way, at, members
from .states import ASSEMBLER, READER

__all__ = ("FORMAT", "VERSION", "Options", "fill", "read_document", "read_options", "refusing", "written_document")

FORMAT = "streamkit.checkpoint"
VERSION = 1

_LIMITS = tuple(field.name for field in attrs.fields(Limits))
_RULES = frozenset(map(str, Rule))
_HABITS = tuple(field.name for field in attrs.fields(Dialect))


@attrs.frozen
class Options:
    """What an accumulator is created with, as far as it is data; `converter`: whether it had one."""

    limits: Limits
    rules: Mapping[str, Rule]
    dialect: Dialect
    converter: bool


# --- writing


def written_document(
    reader: BlockReader, assembler: Assembler, *, converter: bool, closed: bool, overran: bool
) -> bytes:
    """Return the state as bytes."""
    context = assembler.context
    reader.settle()
    way = Way(context)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "options": {
            "limits": {
                name: value
                for name in _LIMITS
                if (value := getattr(context.limits, name)) != getattr(DEFAULT_LIMITS, name)
            },
            "rules": None if context.rules is RULES else _changed(context.rules),
            "dialect": [name for name in _HABITS if getattr(context.dialect, name)],
            "converter": converter,
        },
        "state": {
            "closed": closed,
            "overran": overran,
            "assembler": ASSEMBLER.write(assembler, way),
            "reader": READER.write(reader, way),
        },
    }
    text = _encode(document)
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


class refusing:
    """Turn what is refused inside into the error for the caller."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, Refused):
            raise _invalid(error.path, error.expected, error.found) from None
        if isinstance(error, RecursionError) and has_room():
            raise _invalid("$", "a document that is nested less deeply", "one that is nested too deeply") from None


def _invalid(path: str, expected: str, found: str) -> ValidationError:
    return ValidationError((Problem(path, expected, found),), type_name="checkpoint")


def read_document(data: bytes, limits: Limits) -> dict[str, Any]:
    """Return the document in `data`, with its format and version checked."""
    most = 4 * (limits.max_extra_values + limits.max_event_values)
    if len(data) * HEAVIEST > most and weight(data, most) > max(most, len(data) if b'logprobs"' in data else 0):
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
    if sorted(document) != ["format", "options", "state", "version"]:
        raise Refused("format, version, options and state, and no other member", sorted(document))
    return document


def read_options(document: dict[str, Any], limits: Limits | None) -> Options:
    """Return the options in a document; `limits`: those of the caller, which count instead of those in it."""
    with at("options"):
        found = members(document["options"])
        if sorted(found) != ["converter", "dialect", "limits", "rules"]:
            raise Refused("converter, dialect, limits and rules, and no other member", sorted(found))
        with at("limits"):
            recorded = _read_limits(found["limits"])
        if limits is None:
            larger = [name for name in _LIMITS if getattr(recorded, name) > getattr(DEFAULT_LIMITS, name)]
            if larger:
                named = ", ".join(f"{name}={getattr(recorded, name)}" for name in larger)
                raise MisuseError(
                    f"this checkpoint was written with larger limits than the default ones ({named}), which only the"
                    " caller may allow: pass restore() the limits= of the accumulator that wrote it"
                )
        with at("rules"):
            rules = _read_rules(found["rules"])
        with at("dialect"):
            habits = found["dialect"]
            if type(habits) is not list or not all(type(one) is str and one in _HABITS for one in habits):
                raise Refused(f"a list of habits: {', '.join(_HABITS)}", habits)
        with at("converter"):
            converter = FLAG.read(found["converter"], None)  # type: ignore[arg-type]
    return Options(recorded if limits is None else limits, rules, Dialect(**dict.fromkeys(habits, True)), converter)


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


def fill(document: dict[str, Any], reader: BlockReader, assembler: Assembler) -> tuple[bool, bool]:
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
