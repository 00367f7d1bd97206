"""A caller's hooks for the classes inside an object, applied to that object once it has been read.

In: a type, and the hook that a caller has registered for each class (`hook_of`). Out: a function that passes every part
of those classes to its hook, the innermost first, and returns the object with the results of the hooks; None if no hook
of the caller can apply inside. So reading itself, strict or tolerant, does not know about hooks and costs the same
without them.

A hook gets the object that was read (`hook(object, class)`, as cattrs calls it) and must return one of the same class.
Cost: a plan once a type; then one visit to each object on the path to a hooked one, and a copy of those that changed.
"""

from __future__ import annotations

import operator
import typing
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

from ..errors import MisuseError, shown
from ._base import Wire, wire_names

__all__ = ("Hook", "Refine", "beside", "refiner")

Hook: TypeAlias = Callable[[Any, Any], Any]
Refine: TypeAlias = Callable[[Any], Any]


class _Plan(typing.NamedTuple):
    """How the objects of one class are processed."""

    fields: tuple[str, ...]
    """The fields that may contain an object with a hook."""
    hook: Hook | None
    """The caller's hook for the class, or None."""


def refiner(target: Any, hook_of: Callable[[type[Wire]], Hook | None], *, inside: bool) -> Refine | None:
    """Return a function that applies the hooks to a value of the type `target`; None if there are none to apply.

    `inside`: apply them only inside the value, if `target` is a class, because its own hook is the caller of this.
    """
    parts: dict[type[Wire], dict[str, frozenset[type[Wire]]]] = {}
    waiting = list(_classes_in(target))
    while waiting:
        cls = waiting.pop()
        if cls not in parts:
            parts[cls] = _fields_of(cls)
            waiting += (one for classes in parts[cls].values() for one in classes)
    hooks = {cls: None if inside and cls is target else hook_of(cls) for cls in parts}
    met = {cls for cls, hook in hooks.items() if hook is not None}
    while more := {cls for cls in parts.keys() - met if any(not met.isdisjoint(one) for one in parts[cls].values())}:
        met |= more
    plans = {
        cls: _Plan(tuple(name for name, classes in parts[cls].items() if not met.isdisjoint(classes)), hooks[cls])
        for cls in met
    }
    return _applying(plans) if plans else None


def _applying(plans: dict[type[Wire], _Plan]) -> Refine:
    def refine(value: Any) -> Any:
        kind = type(value)
        if kind is list:
            items = [refine(one) for one in value]
            return value if all(map(operator.is_, items, value)) else items
        if kind is dict:
            return {key: refine(one) for key, one in value.items()}
        plan = plans.get(kind)
        if plan is None:
            return value
        changed = {name: refine(before) for name in plan.fields if (before := getattr(value, name)) is not None}
        if any(after is not getattr(value, name) for name, after in changed.items()):
            value = attrs.evolve(value, **changed)
        if plan.hook is None:
            return value
        made = plan.hook(value, kind)
        if not isinstance(made, kind):
            raise MisuseError(
                f"the hook for {kind.__name__} returned {shown(made)}, not a {kind.__name__}: return its argument, or a"
                " copy changed by attrs.evolve"
            )
        return made

    return refine


def beside(made: Any, again: Any) -> Any:
    """Return `again`, the result of reading `made` as written, with the values that no writing shows: those beside a field.

    A sender's `"created": {"at": 1}` is kept in `extra` under the name of a field of the format, which wins on the wire.
    """
    if type(made) is not type(again):
        return again
    if isinstance(made, list):
        return list(map(beside, made, again)) if len(made) == len(again) else again
    if not isinstance(made, Wire):
        return again
    names = wire_names(type(made))
    changed = {name: beside(getattr(made, name), getattr(again, name)) for name in names}
    hidden = {name: made.extra[name] for name in names & made.extra.keys()}
    return attrs.evolve(again, **changed, **({"extra": {**hidden, **again.extra}} if hidden else {}))


def _classes_in(annotation: Any) -> frozenset[type[Wire]]:
    """Return our classes in a type, however deep in lists and unions."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return frozenset({annotation}) if issubclass(annotation, Wire) else frozenset()
    return frozenset().union(*map(_classes_in, typing.get_args(annotation)))


def _fields_of(cls: type[Wire]) -> dict[str, frozenset[type[Wire]]]:
    hints = typing.get_type_hints(cls)
    found = {field.name: _classes_in(hints[field.name]) for field in attrs.fields(cls) if field.name != "extra"}
    return {name: classes for name, classes in found.items() if classes}
