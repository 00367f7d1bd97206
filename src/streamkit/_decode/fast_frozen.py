"""Fill frozen objects quickly: `unfrozen_twin(cls)` returns a class of the same layout whose attributes can be set.

    d = new_delta(); d.content = text; ...; d.__class__ = ChatCompletionStreamResponseDelta

A frozen attrs class sets each field through object.__setattr__: 0.46 us for eight fields. A draft takes 0.16 us, and is
the frozen object once its `__class__` is assigned, which Python allows between classes of equal slots and base. Only
for objects created once a chunk. Every field must be set: a draft has no defaults.
"""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ("unfrozen_twin",)


def unfrozen_twin(cls: type[Any]) -> Any:
    """Return a class without constructor arguments whose instances turn into `cls` by assigning `__class__`."""
    (base,) = cls.__bases__
    inherited = {field.name for field in attrs.fields(base)} if attrs.has(base) else set()
    own = tuple(field.name for field in attrs.fields(cls) if field.name not in inherited)
    body = {"__slots__": own, "__init__": object.__init__}
    # Both, or Python uses a slower path for setting: one C slot serves setting and deleting.
    body |= {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    made = type(f"{cls.__name__}Draft", (base,), body)
    made().__class__ = cls  # raises TypeError here, at import, if the layouts ever differ
    return made
