"""The options of an accumulator, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from .._arguments import check_kind
from ..dialect import DEFAULT_DIALECT, Dialect
from ..limits import DEFAULT_LIMITS, Limits
from ..rules import RULES, Rule, check_rules

if TYPE_CHECKING:
    import cattrs

__all__ = ("Options", "check_options")


class Options(TypedDict, total=False):
    """The keyword arguments of `Accumulator`, for functions that pass them on."""

    strict: bool
    limits: Limits
    rules: Mapping[str, Rule]
    dialect: Dialect
    fast: bool
    converter: cattrs.Converter | None
    path_events: bool


def check_options(limits: object, rules: Any, dialect: object) -> None:
    """Raise `MisuseError` if one of an accumulator's options has the wrong type."""
    if limits is not DEFAULT_LIMITS:
        check_kind("limits=", limits, Limits)
    if dialect is not DEFAULT_DIALECT:
        check_kind("dialect=", dialect, Dialect)
    if rules is not RULES:
        check_kind("rules=", rules, Mapping)
        check_rules(rules)
