"""What a caller may choose for an accumulator, checked at once: a wrong choice is told where it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from .errors import MisuseError
from .habits import Dialect
from .limits import Limits
from .rules import RULES, Rule

__all__ = ("Options", "check_options")


class Options(TypedDict, total=False):
    """The keyword arguments of an `Accumulator`, for whoever passes them on."""

    strict: bool
    limits: Limits
    rules: Mapping[str, Rule]
    dialect: Dialect
    fast: bool


def check_options(limits: object, rules: object, dialect: object) -> None:
    """Raise `MisuseError` where one of an accumulator's options is not of its kind."""
    for name, value, kind in (("limits", limits, Limits), ("rules", rules, Mapping), ("dialect", dialect, Dialect)):
        if not isinstance(value, kind):
            raise MisuseError(f"{name}= takes a {kind.__name__}, not {type(value).__name__}")
    if rules is RULES:
        return
    assert isinstance(rules, Mapping)
    for path, rule in rules.items():
        if not isinstance(rule, Rule):
            raise MisuseError(f"rules= takes a mapping of paths to Rule values, and {path!r} has {rule!r}")
