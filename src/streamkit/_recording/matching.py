"""Which recorded request an exchange is the answer to: requests in one canonical form, and where two first differ. Pure.

In: the header of a trace, as it was recorded or as a recorder would write it. Out: a `Request`, whose `key` is equal for
requests that are the same; the digest for a file's name; the first difference. Cost: a pass over the body, and its JSON.

Rule 1  Compared are method, path with query, and body. Headers are not, so `x-stainless-*` and user agents do not count;
        the order of keys, and of the parameters of the query, does not either, and 1.0 is 1.
Rule 2  Left out by default: `DEFAULT_IGNORED`, which name a user or a run. `ignore=` adds JSON paths.
Rule 3  Ids of tool calls count by the order in which they appear: a framework that makes its own makes others in each run.
        Known by name (`tool_call_id`, `call_id`, `tool_use_id`), and as `id` of what is called or is in `tool_calls`.
Rule 4  Both sides were scrubbed before. What was replaced (8 letters x or more, the value of a credential in a query)
        counts as equal whatever its length: the key of a replay is not the key of the recording.
Rule 5  The boundary of a multipart body is random, and is left out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import attrs

from ..errors import MisuseError, excerpt, shown
from ..trace import Trace
from .compare import MISSING, Difference, first_difference
from .json_paths import JSONPath, parse, without
from .secret_table import is_credential

__all__ = ("DEFAULT_IGNORED", "Request", "canonical", "difference", "digest", "distance", "ignored", "in_words")

DEFAULT_IGNORED = ("$.user", "$.metadata", "$.stream_options")
"""What of a body is not compared, unless something else is said."""

_REPLACED = re.compile(r"x{8,}")  # Rule 4; shorter ones are words: "xxx"
_IDS = frozenset(("tool_call_id", "tool_use_id", "call_id"))
_CALLS = frozenset(("tool_use", "server_tool_use", "function_call", "custom_tool_call", "function", "custom"))
_BOUNDARY = re.compile(r'boundary="?([^";]+)', re.IGNORECASE)


@attrs.frozen
class Request:
    """What of a request is compared."""

    method: str
    path: str
    """With its query, the parameters sorted."""
    body: Any
    """As JSON; of another body its text, or the base64 of its bytes; None for none."""
    key: str
    """Equal for equal requests."""


def ignored(paths: Sequence[str]) -> tuple[JSONPath, ...]:
    """Return the paths to leave out, those of a user's added to the default. Raises `MisuseError` for what is not a path."""
    if not isinstance(paths, (tuple, list)):
        raise MisuseError(f'ignore= takes JSON paths in a tuple, ("$.seed",), not {shown(paths)}')
    return tuple(map(parse, (*DEFAULT_IGNORED, *paths)))


_DEFAULT = ignored(())


def canonical(header: Trace, leave_out: tuple[JSONPath, ...] = _DEFAULT) -> Request:
    """Return the canonical form of a request that was scrubbed."""
    body: Any = None
    try:
        if header.request is not None:
            body = _plain(without(header.request, leave_out), {})
        elif header.request_body:
            body = _other(header, leave_out)
    except RecursionError:  # nested as deep as JSON itself goes: compared as it is, as text
        body = json.dumps(header.request, sort_keys=True)
    method, path = header.method.upper(), _path(header.path)
    return Request(method, path, body, json.dumps([method, path, body], sort_keys=True))


def digest(request: Request) -> str:
    """Return eight hexadecimal digits for a request, for the name of its file."""
    return hashlib.sha256(request.key.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _path(path: str) -> str:
    path, _, query = path.partition("?")
    if not query:
        return path
    pairs = parse_qsl(query, keep_blank_values=True)
    known = sorted((name, "x" if is_credential(name) else _REPLACED.sub("xxxxxxxx", value)) for name, value in pairs)
    return f"{path}?{urlencode(known, quote_via=quote)}"


def _other(header: Trace, leave_out: tuple[JSONPath, ...]) -> Any:
    """Return a body that is no JSON object: any other JSON value as it is, text as text."""
    body = header.request_body or b""
    for name, value in header.request_headers:
        if name.lower() == "content-type" and (found := _BOUNDARY.search(value)):
            body = body.replace(found[1].strip().encode("latin-1", "replace"), b"boundary")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(body).decode("ascii")
    try:
        return _plain(without(json.loads(text), leave_out), {})
    except (ValueError, RecursionError):
        return _REPLACED.sub("xxxxxxxx", text)


def _plain(value: Any, ids: dict[str, str], calls: bool = False) -> Any:
    """Return a JSON value with its keys sorted, ids of calls numbered (`ids`: those before), and numbers in one form."""
    if isinstance(value, dict):
        kind = value.get("type")
        called = calls or (isinstance(kind, str) and kind in _CALLS)
        found = {}
        for name in sorted(value):
            inner = value[name]
            if isinstance(inner, str) and (name in _IDS or (name == "id" and called)):
                found[name] = ids.setdefault(inner, f"call-{len(ids) + 1}")
            else:
                found[name] = _plain(inner, ids, name == "tool_calls")
        return found
    if isinstance(value, list):
        return [_plain(inner, ids, calls) for inner in value]
    if isinstance(value, str):
        return _REPLACED.sub("xxxxxxxx", value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- two requests side by side


def difference(recorded: Request, sent: Request) -> Difference | None:
    """Return where two requests first differ, `a` being the recorded one's: "method", "path", or a JSON path of the body."""
    for where in ("method", "path"):
        a, b = getattr(recorded, where), getattr(sent, where)
        if a != b:
            return Difference(where, a, b)
    return first_difference(recorded.body, sent.body)


def distance(recorded: Request, sent: Request) -> tuple[int, int]:
    """Return how far apart two requests are: method and path first, then how many values of the body differ."""
    apart = 2 * (recorded.path != sent.path) + (recorded.method != sent.method)
    ours, others = _leaves(recorded.body, "$"), _leaves(sent.body, "$")
    return apart, len(set(ours) ^ set(others))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, json.dumps(value)


_AROUND = 30  # characters before the place where two long texts part


def in_words(found: Difference) -> tuple[str, str]:
    """Return both values of a difference for a message: of two long texts the place where they part."""
    a, b = found.a, found.b
    if isinstance(a, str) and isinstance(b, str):
        at = next((n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
        skip = at - _AROUND if at > 2 * _AROUND else 0
        a, b = (("…" if skip else "") + text[skip:] for text in (a, b))
    return _value(a), _value(b)


def _value(value: Any) -> str:
    return "nothing" if value is MISSING else excerpt(json.dumps(value, ensure_ascii=False))
