"""The trace file: a recorded stream with its block boundaries and arrival times, byte for byte.

In: a path or a file opened in binary mode. Out: a frozen `Trace`, or the file. Cost: one pass, the file held in memory.
The file is JSON Lines in UTF-8 (`<case>.trace.jsonl`), every line one JSON object:

Rule 1: line 1 is the header: `format` "streamkit-trace", `version` 1, then the fields of `Trace` under their names, of
        which `sender` and `case` must be there. A field unknown here is kept in `Trace.extra` and written back.
Rule 2: each further line is one block, in order: `t`, the seconds since the request was sent, and its bytes, as `text`
        where they are UTF-8 by themselves, else (a cut inside a character, any other bytes) as `base64`. Never both.
Rule 3: times are finite, not negative, and never run backwards: a clock that does is no record of an arrival.
Rule 4: lines end with LF. Line ends of the stream stand escaped inside a JSON string: CRLF in the file (a checkout on
        Windows) does no harm, and U+2028 and its friends are no line ends here.
Rule 5: what does not follow these rules is refused with its line number; nothing is guessed or repaired.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from types import NoneType
from typing import IO, Any

import attrs

from ._field_docs import show_fields
from .errors import FormatError, MisuseError, excerpt

__all__ = ("Block", "Trace", "read_trace", "write_trace")

FORMAT, VERSION = "streamkit-trace", 1
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # how gzip and zstd begin


def _expect(good: bool, name: str, expected: str, got: object) -> None:
    if not good:
        raise MisuseError(f"expected {expected}", path=f"$.{name}", excerpt=excerpt(got))


@attrs.frozen
class Block:
    """Some bytes, as one read of the network gave them, and when."""

    t: float
    """Seconds from sending the request to the end of this read."""
    data: bytes
    """What this read returned."""

    def __attrs_post_init__(self) -> None:
        # By type, not isinstance: True is no time. The upper bound keeps out infinity and integers that no float holds.
        good = type(self.t) in (float, int) and 0 <= self.t <= sys.float_info.max
        _expect(good, "t", "seconds, finite and not negative", self.t)
        _expect(type(self.data) is bytes, "data", "bytes", self.data)


@attrs.frozen(kw_only=True)
class Trace:
    """A recorded stream: which sender wrote what when, in answer to which request. Raises `MisuseError` on a wrong value."""

    sender: str
    """The server that wrote the stream, in one word (`vllm`)."""
    sender_version: str = ""
    """Its version, empty where it is not known."""
    case: str
    """What the stream shows, in one word; the file's name."""
    recorded: str = ""
    """The day of the recording, as 2026-11-21."""
    provenance: str = ""
    """"recorded": as it came. Anything else says what was done to it ("recorded-sanitized", "synthetic", …)."""
    notes: str = ""
    """How the sender was run, and what else a reader must know; free text."""
    request: dict[str, Any] | None = None
    """The JSON body that was sent, None where it is not known."""
    status: int | None = None
    """The HTTP status of the response, None where it is not known."""
    headers: tuple[tuple[str, str], ...] = ()
    """Response headers in order, as received; left out: dates, and what names a machine."""
    end: str = "unknown"
    """"eof": as HTTP says. "incomplete": closed before that. "reset", "timeout", "cancelled" (by the reader), "unknown"."""
    timed: bool = True
    """False where reads were not observed: every `t` is then 0 and the blocks are the recorder's own cuts."""
    extra: dict[str, Any] = attrs.field(factory=dict)
    """Header fields that this version does not know."""
    blocks: tuple[Block, ...]
    """The blocks of the body, in order."""

    def __attrs_post_init__(self) -> None:
        for words, kinds, names in _KINDS:
            for name in names:
                _expect(type(value := getattr(self, name)) in kinds, name, words, value)
        for n, pair in enumerate(self.headers):
            good = type(pair) is tuple and [type(part) for part in pair] == [str, str]
            _expect(good, f"headers[{n}]", "a pair of strings, name and value", pair)
        for n, block in enumerate(self.blocks):
            _expect(type(block) is Block, f"blocks[{n}]", "a Block", block)
            _expect(block.t >= self.blocks[max(n - 1, 0)].t, f"blocks[{n}].t", "no less than the one before", block.t)

    @property
    def body(self) -> bytes:
        """The whole body, as if it had come in one block; joined at each call."""
        return b"".join(block.data for block in self.blocks)


_HEADER = tuple(name for name in attrs.fields_dict(Trace) if name not in ("extra", "blocks"))
_KINDS: tuple[tuple[str, tuple[type, ...], tuple[str, ...]], ...] = (
    ("a string", (str,), ("sender", "sender_version", "case", "recorded", "provenance", "notes", "end")),
    ("an object or null", (dict, NoneType), ("request",)),
    ("an integer or null", (int, NoneType), ("status",)),
    ("true or false", (bool,), ("timed",)),
    ("an object", (dict,), ("extra",)),
    ("a tuple (in a file, a list)", (tuple,), ("headers", "blocks")),
)


def read_trace(source: str | os.PathLike[str] | IO[bytes]) -> Trace:
    """Read a trace from a path or a binary file.

    Raises `FormatError` where the file is no trace, with its name and line and what was expected there;
    `MisuseError` where `source` is neither path nor binary file; `OSError` as `open` does.
    """
    with _open(source, "rb") as file:
        raw: bytes = file.read()
    if raw.startswith(_COMPRESSED):
        raise FormatError(f"{_name(source)}: this file is still compressed: decompress it first", code="trace")
    first, *rest = raw.removesuffix(b"\n").split(b"\n")  # not splitlines(): a lone CR ends no line here
    blocks: list[Block] = []
    number = 1
    try:
        trace = Trace(blocks=(), **_header(_object(first)))
        for number, line in enumerate(rest, 2):  # noqa: B007, the handler below tells it
            block = _block(_object(line))
            _expect(not blocks or block.t >= blocks[-1].t, "t", "no less than the one before", block.t)
            blocks.append(block)
        return attrs.evolve(trace, blocks=tuple(blocks))
    except MisuseError as error:
        message = f"{_name(source)}, line {number}: {error.message}"
        raise FormatError(message, code="trace", path=error.path, excerpt=error.excerpt) from None


def _name(source: str | os.PathLike[str] | IO[bytes]) -> object:
    return source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", "trace")


def _object(line: bytes) -> dict[str, Any]:
    try:
        if isinstance(value := json.loads(line.decode("utf-8")), dict):
            return value
    except (ValueError, RecursionError):
        pass
    raise MisuseError("expected one JSON object in UTF-8", excerpt=excerpt(line))


def _header(fields: dict[str, Any]) -> dict[str, Any]:
    form, version = fields.pop("format", None), fields.pop("version", None)
    _expect(form == FORMAT, "format", f'"{FORMAT}"', form)
    _expect(type(version) is int and version == VERSION, "version", f"{VERSION}", version)
    known = {name: fields.pop(name, None) for name in _HEADER if name in fields or name in ("sender", "case")}
    if type(headers := known.get("headers")) is list:
        known["headers"] = tuple(tuple(pair) if type(pair) is list else pair for pair in headers)
    return {**known, "extra": fields}


def _block(fields: dict[str, Any]) -> Block:
    try:
        match fields:
            case {"t": t, "text": str(text)} if "base64" not in fields:
                return Block(t, text.encode("utf-8"))  # half a surrogate pair is JSON, but no bytes are it
            case {"t": t, "base64": str(encoded)} if "text" not in fields:
                return Block(t, base64.b64decode(encoded, validate=True))
    except ValueError as error:
        raise MisuseError(f"expected bytes, {error}", excerpt=excerpt(fields)) from None
    raise MisuseError('expected "t" and one of "text" and "base64"', excerpt=excerpt(fields))


def write_trace(trace: Trace, target: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a trace to a path, replacing what stood there, or into a binary file.

    `read_trace` gives back an equal `Trace`, its blocks byte for byte. Nothing is written where anything is wrong:
    `MisuseError` where the request or an extra field is not JSON, or `target` is neither path nor binary file.
    """
    header = {"format": FORMAT, "version": VERSION, **{name: getattr(trace, name) for name in _HEADER}}
    _expect(header.keys().isdisjoint(trace.extra), "extra", "names that the header does not have yet", trace.extra)
    raw = b"".join(map(_line, [{**header, **trace.extra}, *map(_fields, trace.blocks)]))
    with _open(target, "wb") as file:
        file.write(raw)


def _open(file: object, mode: str) -> AbstractContextManager[IO[bytes]]:
    if isinstance(file, (str, os.PathLike)):
        return open(file, mode)
    if hasattr(file, "read" if mode == "rb" else "write") and not hasattr(file, "encoding"):  # text files have one
        return nullcontext(file)  # type: ignore[arg-type]
    raise MisuseError(f"expected a path or a file opened in binary mode, got {type(file).__name__}")


def _fields(block: Block) -> dict[str, Any]:
    try:
        return {"t": block.t, "text": block.data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"t": block.t, "base64": base64.b64encode(block.data).decode("ascii")}


def _line(fields: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise MisuseError(f"expected values that JSON can write: {error}") from None
    # Half a surrogate pair in a request, sent on purpose: its backslash escape happens to be JSON's.
    return text.encode("utf-8", "backslashreplace") + b"\n"


show_fields(__name__)
