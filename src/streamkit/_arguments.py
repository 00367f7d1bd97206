"""Checks of the caller's arguments, done in the call that received them: `MisuseError` says what was passed and what is
accepted.

In: a value and the name of the argument, as the caller wrote it (`strict=`). Out: nothing, or the error. A check costs
0.1 us; none is done for each block or event.

A boolean is True or False and nothing else: `strict="no"` would count as true, and `strict=0` would be a mistake that
works.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from .errors import MisuseError, shown

__all__ = ("bool_field", "check_bool", "check_kind", "number", "readable", "seconds", "whole")


def check_bool(name: str, value: object) -> None:
    """Raise `MisuseError` if `value` is neither True nor False."""
    if value is not True and value is not False:
        raise MisuseError(f"{name} takes True or False, not {shown(value)}")


def bool_field(instance: object, attribute: attrs.Attribute[bool], value: object) -> None:
    """Raise `MisuseError` if `value` is neither True nor False; a validator for attrs."""
    check_bool(f"{type(instance).__name__}({attribute.name}=...)", value)


def check_kind(name: str, value: object, kind: type[Any]) -> None:
    """Raise `MisuseError` if `value` is not an instance of `kind`."""
    if not isinstance(value, kind):
        raise MisuseError(f"{name} takes a {kind.__name__}, not {type(value).__name__}")


def readable(block: bytes | bytearray | memoryview) -> bytes:
    """Return the bytes of `block`; raise `MisuseError` for a memoryview that was released."""
    try:
        return bytes(block)
    except ValueError as error:
        raise MisuseError(f"pass bytes that can be read: {error}") from None


def whole(value: object, least: int) -> bool:
    """Return True if `value` is an integer of at least `least`. True is not a number."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def number(value: object) -> bool:
    """Return True if `value` is a finite number that fits a float. True is not a number, 10**400 is too large."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def seconds(value: Any) -> bool:
    """Return True if `value` is a finite time of 0 or more seconds."""
    return number(value) and value >= 0
