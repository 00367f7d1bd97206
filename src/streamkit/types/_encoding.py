"""Encode a JSON value as compact JSON in UTF-8, as fast as CPython can.

In: strings, numbers, booleans, None, lists and dicts. Out: bytes that are valid JSON, whatever they contain.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from .._stack import has_room
from ..errors import Problem, ValidationError

__all__ = ("encoded",)


def encoded(value: Any) -> bytes:
    """Return a JSON value as `dumps` writes it."""
    try:
        try:
            text = _encode(value)
        except ValueError:
            text = _encode(_finite(value))
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, RecursionError) and not has_room():
            raise
        raise ValidationError((Problem("$", "a JSON value", str(error)),)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # two adjacent halves are one character, any other half is not one
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _finite(value: Any) -> Any:
    """Return the same plain value with null for every number that JSON cannot express."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return value


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _kept_encoder() -> Callable[[Any], str]:
    """Return the encoder, created once: `JSONEncoder.encode` creates the C encoder at each call, which takes longer
    than a short response. Without a C encoder, or with a signature other than CPython's, return `encode` itself."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        pieces = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        if "".join(pieces([{"a": "é"}], 0)) == '[{"a":"é"}]':
            return lambda value: "".join(pieces(value, 0))
    except TypeError:
        pass
    return _encoder.encode


_encode = _kept_encoder()
