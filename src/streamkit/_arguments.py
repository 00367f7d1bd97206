"""What a caller passed, checked where it was passed: `MisuseError` says what it was and what is accepted.

In: a value and the name under which it was given, as its caller wrote it (`strict=`). Out: nothing, or the error. A check
costs 0.1 us; none stands where blocks or events pass.

A truth value is True or False and nothing else: `strict="no"` would be true, `strict=0` a typing error that works.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from .errors import MisuseError, shown

__all__ = ("bool_field", "check_bool", "check_kind", "number", "readable", "seconds", "whole")


def check_bool(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if value is not True and value is not False:
        raise MisuseError(f"{name} takes True or False, not {shown(value)}")


def bool_field(instance: object, attribute: attrs.Attribute[bool], value: object) -> None:
    """Refuse what is neither True nor False; a validator for attrs."""
    check_bool(f"{type(instance).__name__}({attribute.name}=...)", value)


def check_kind(name: str, value: object, kind: type[Any]) -> None:
    """Refuse what is not an instance of `kind`."""
    if not isinstance(value, kind):
        raise MisuseError(f"{name} takes a {kind.__name__}, not {type(value).__name__}")


def readable(block: bytes | bytearray | memoryview) -> bytes:
    """Return the bytes of `block`; refuse a memoryview that was released."""
    try:
        return bytes(block)
    except ValueError as error:
        raise MisuseError(f"pass bytes that can be read: {error}") from None


def whole(value: object, least: int) -> bool:
    """Whether `value` is a whole number from `least` on. True is not a number."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def number(value: object) -> bool:
    """Whether `value` is a finite number that a float can hold. True is not a number, 10**400 is too great."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def seconds(value: Any) -> bool:
    """Whether `value` is a finite time of 0 or more seconds."""
    return number(value) and value >= 0
