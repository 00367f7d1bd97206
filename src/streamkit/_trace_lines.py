"""The lines of a trace file: from values to JSON, and back from either version.

In: a `Trace` without its blocks, `Head`, `Block`, `Ending`; or the lines of a file. Out: one line of JSON each; or
those values in order. Holds one line; costs one JSON document a line.

Rule 1  The fields of a line determine its kind: `text` or `base64` a block, `status` or `headers` the head, `end` the
        ending. In version 2 anything else, and a line that begins with `#`, is ignored, so that later tools can add
        lines.
Rule 2  The order is header, head, blocks, ending. A second head or ending, a head after a block, and a block after the
        ending are refused: it would be unclear which counts.
Rule 3  A last line without its LF that is not a whole JSON object was cut: the file is torn there, and the lines before
        it are read. So is a file without an ending, which only a writer that was stopped leaves. Of the header, some of
        its first bytes are enough to know a torn trace from another file.
Rule 4  Version 1 had status, headers, end and `timed` in its header and neither head nor ending. It is read for ever,
        as strictly as it always was: no comments, no unknown lines.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._trace_values import Block, Ending, Head, Trace, expect
from .errors import FormatError, MisuseError, excerpt

__all__ = ("FORMAT", "VERSION", "header_line", "is_header", "item_line", "read_lines")

FORMAT, VERSION = "streamkit-trace", 2

_TEXTS = ("sender", "sender_version", "case", "recorded", "provenance", "notes", "observed", "method", "path")
_BODY = ("request", "request_text", "request_base64")
_HEADER = ("format", "version", *_TEXTS, "request_headers", *_BODY)
_OPENING = b'{"format":"streamkit-trace"'  # Rule 3


def is_header(line: bytes) -> bool:
    """Return whether a line is the first one of a trace, of any version."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("format") == FORMAT


# --- values to lines


def header_line(trace: Trace) -> bytes:
    """Return line 1 for a trace. Empty fields are left out, `observed` never."""
    fields: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    fields |= {name: value for name in _TEXTS if (value := getattr(trace, name)) or name == "observed"}
    if trace.request_headers:
        fields["request_headers"] = trace.request_headers
    if trace.request is not None:
        fields["request"] = trace.request
    elif trace.request_body is not None:
        fields |= {f"request_{name}": value for name, value in _bytes_fields(trace.request_body).items()}
    expect(trace.extra.keys().isdisjoint(_HEADER), "extra", "names that the header does not have yet", trace.extra)
    return _line({**fields, **trace.extra})


def item_line(item: Head | Block | Ending) -> bytes:
    """Return the line for an item after the header."""
    fields: dict[str, Any] = {} if item.t is None else {"t": item.t}
    if isinstance(item, Block):
        fields |= _bytes_fields(item.data)
    elif isinstance(item, Head):
        fields |= {"status": item.status, "headers": item.headers}
    else:
        fields["end"] = item.end
        fields |= {name: value for name in ("error", "provenance") if (value := getattr(item, name))}
    return _line(fields)


def _bytes_fields(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _line(fields: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise MisuseError(f"expected values that JSON can write: {error}") from None
    # Half of a surrogate pair in a request, sent on purpose: its backslash escape happens to be JSON's.
    return text.encode("utf-8", "backslashreplace") + b"\n"


# --- lines to values


def read_lines(lines: Iterable[tuple[bytes, bool]], name: object) -> Iterator[Trace | Head | Block | Ending]:
    """Yield the header (a `Trace` without blocks), the `Head` if there is one, each `Block`, and one `Ending`, last.

    `lines`: each without its LF, and whether it had one. `name`: the file's name in messages. Raises `FormatError` with
    the number of the line and what was expected there.
    """
    number = 0
    try:
        state = _Reader()
        for number, (line, whole) in enumerate(lines, 1):  # noqa: B007, the handler below names it
            if not whole and state.is_torn(line):
                break
            yield from state.feed(line)
        yield from state.close()
    except MisuseError as error:
        message = f"{name}, line {max(number, 1)}: {error.message}"
        raise FormatError(message, code="trace", path=error.path, excerpt=error.excerpt) from None


class _Reader:
    """Tracks which lines may still follow."""

    def __init__(self) -> None:
        self._version = 0  # until the header was read
        self._ending: Ending | None = None
        self._last: float = 0
        self._began = False  # a head or a block was read
        self._torn = False

    def is_torn(self, line: bytes) -> bool:
        """Return True if the last line, which has no LF, was cut. A whole one is read like any other."""
        if self._version == VERSION and line.startswith(b"#"):
            return False
        try:
            _object(line)
        except MisuseError:
            if self._version == 0:
                begun = b"".join(line[: 2 * len(_OPENING)].split())[: len(_OPENING)]
                if not _OPENING.startswith(begun):
                    raise
            self._torn = True
            return True
        return False

    def feed(self, line: bytes) -> Iterator[Trace | Head | Block | Ending]:
        """Yield the items of one line."""
        if not self._version:
            yield from self._header(_object(line))
        elif self._version == 1:
            yield self._block(_object(line))
        elif not line.startswith(b"#"):
            fields = _object(line)
            for names, read in _KINDS:
                if not names.isdisjoint(fields):
                    if (item := read(self, fields)) is not None:
                        yield item
                    break

    def close(self) -> Iterator[Trace | Head | Block | Ending]:
        """Yield the ending; for a file cut in its first line, or empty, an empty header before it."""
        if not self._version:
            yield Trace()
        ending = self._ending
        yield Ending(torn=True) if ending is None or (self._torn and self._version == 1) else ending

    def _header(self, fields: dict[str, Any]) -> Iterator[Trace | Head]:
        form, version = fields.pop("format", None), fields.pop("version", None)
        expect(form == FORMAT, "format", f'"{FORMAT}"', form)
        expect(type(version) is int and version in (1, VERSION), "version", f"1 or {VERSION}", version)
        if version == 1:
            header, head, self._ending = _first_version(fields)
            self._version = 1
            yield header
            if head.status is not None or head.headers:
                yield head
            return
        known = {name: fields.pop(name) for name in _TEXTS if name in fields}
        if "request_headers" in fields:
            known["request_headers"] = _pairs(fields.pop("request_headers"))
        bodies = {name: value for name in _BODY if (value := fields.pop(name, None)) is not None}
        expect(len(bodies) < 2, "request", f"one of {', '.join(_BODY)}", [*bodies])
        for name, value in bodies.items():
            if name == "request":
                known["request"] = value
            else:
                known["request_body"] = _bytes({name.removeprefix("request_"): value})
        header = Trace(**known, extra=fields)
        self._version = VERSION
        yield header

    def _block(self, fields: dict[str, Any]) -> Block:
        expect("t" in fields and ("text" in fields) != ("base64" in fields), "t", _BLOCK, fields)
        expect(self._version == 1 or self._ending is None, "t", "no block after the ending", fields)
        block = Block(fields["t"], _bytes(fields))
        self._at(block.t)
        return block

    def _head(self, fields: dict[str, Any]) -> Head:
        expect(not self._began and self._ending is None, "status", "one head, before the first block", fields)
        head = Head(fields.get("t"), fields.get("status"), _pairs(fields.get("headers", [])))
        self._at(head.t)
        return head

    def _end(self, fields: dict[str, Any]) -> None:
        expect(self._ending is None, "end", "one ending", fields)
        ending = Ending(fields.get("t"), fields["end"], fields.get("error", ""), fields.get("provenance", ""))
        self._at(ending.t)
        self._ending = ending

    def _at(self, t: float | None) -> None:
        self._began = True
        if t is not None:
            expect(t >= self._last, "t", "no less than the one before", t)
            self._last = t


_BLOCK = '"t" and one of "text" and "base64"'
_KINDS: tuple[tuple[frozenset[str], Callable[[_Reader, dict[str, Any]], Block | Head | None]], ...] = (
    (frozenset({"text", "base64"}), _Reader._block),
    (frozenset({"end"}), _Reader._end),
    (frozenset({"status", "headers"}), _Reader._head),
)  # Rule 1: the first that has a field in the line


def _object(line: bytes) -> dict[str, Any]:
    try:
        if isinstance(value := json.loads(line.decode("utf-8")), dict):
            return value
    except (ValueError, RecursionError):
        pass
    raise MisuseError("expected one JSON object in UTF-8", excerpt=excerpt(line))


def _pairs(headers: object) -> Any:
    """Return a list of lists, JSON's form of headers, as tuples; anything else unchanged, for its type to refuse."""
    if type(headers) is not list:
        return headers
    return tuple(tuple(pair) if type(pair) is list else pair for pair in headers)


def _bytes(fields: dict[str, Any]) -> bytes:
    try:
        match fields:
            case {"text": str(text)}:
                return text.encode("utf-8")  # half of a surrogate pair is JSON, but has no bytes
            case {"base64": str(encoded)}:
                return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise MisuseError(f"expected bytes, {error}", excerpt=excerpt(fields)) from None
    raise MisuseError('expected a string in one of "text" and "base64"', excerpt=excerpt(fields))


# --- version 1

_FIRST = ("sender", "sender_version", "case", "recorded", "provenance", "notes", "request")


def _first_version(fields: dict[str, Any]) -> tuple[Trace, Head, Ending]:
    """Return the contents of a header of version 1. Its `timed` is now `observed`: a reader observed the times."""
    known = {name: fields.pop(name, None) for name in _FIRST if name in fields or name in ("sender", "case")}
    timed = fields.pop("timed", True)
    expect(type(timed) is bool, "timed", "true or false", timed)
    head = Head(None, fields.pop("status", None), _pairs(fields.pop("headers", [])))
    ending = Ending(None, fields.pop("end", "unknown"))
    # A name with a meaning in version 2 cannot be among the unknown ones of a file that is written again.
    extra = {f"v1.{name}" if name in _HEADER else name: value for name, value in fields.items()}
    return Trace(**known, observed="reader" if timed else "none", extra=extra), head, ending
