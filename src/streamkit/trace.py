"""The trace file: one HTTP exchange with its block boundaries and arrival times, byte for byte.

In: a path or a file opened in binary mode. Out: a frozen `Trace`, its parts one by one, or the file. Cost: one pass;
`iter_trace` and `TraceWriter` hold one line.

A file is JSON Lines in UTF-8 (`<case>.trace.jsonl`), every line one JSON object; traces/README.md describes it for those
who write a reader themselves:

Rule 1: line 1 is the header: `format` "streamkit-trace", `version` 2, then what is known before anything is sent: the
        fields of `Trace` up to `request_body`, which is written as `request_text` or `request_base64`. A field unknown here is
        kept in `Trace.extra` and written back.
Rule 2: then one line each: the head (`t`, `status`, `headers`), the blocks in order (`t`, and the bytes as `text` where
        they are UTF-8 by themselves, else as `base64`, never both), the ending (`t`, `end`, `error`). `t` is seconds since
        the request was sent; head and ending lack it where nobody looked.
Rule 3: times are finite, not negative, and never run backwards: a clock that does is not a record of an arrival.
Rule 4: lines end with LF. Line ends of the stream are escaped inside a JSON string: CRLF in the file (a checkout on
        Windows) does no harm, and U+2028 and its friends are not line ends here.
Rule 5: lines of an unknown kind, unknown fields of a line, and lines that begin with `#` are passed over.
Rule 6: a file without an ending was cut, or its writer was stopped: it is read up to there, `end` "unknown" and `torn`.
Rule 7: what does not follow these rules is refused with its line number; nothing is guessed or repaired.
Rule 8: version 1 (status, headers, end and `timed` in the header, no head or ending) is read, version 2 is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

import attrs

from ._field_docs import show_fields
from ._trace_files import SUFFIXES as SUFFIXES  # for other packages, not public
from ._trace_files import check_file, compress, each_line, file_name, opened, plain_name
from ._trace_files import is_trace_name as is_trace_name
from ._trace_lines import header_line, item_line, read_lines
from ._trace_values import Block, Ending, Head, Trace
from .errors import MisuseError

__all__ = (
    "ENDS",
    "MAX_BYTES",
    "OBSERVED",
    "Block",
    "Ending",
    "Head",
    "Trace",
    "TraceWriter",
    "iter_trace",
    "read_trace",
    "write_trace",
)

ENDS = ("eof", "incomplete", "reset", "timeout", "cancelled", "unknown")
"""The words of `Trace.end`."""
OBSERVED = ("transport", "proxy", "reader", "none")
"""The words of `Trace.observed`."""
MAX_BYTES = 64 * 1024 * 1024
"""How many bytes of a body a `TraceWriter` records by default: a long answer has 1 MB, vcrpy and aimock met runaway ones."""


def read_trace(source: str | os.PathLike[str] | IO[bytes]) -> Trace:
    """Read a trace from a path (`.gz` and `.zst` by their suffix) or a binary file.

    A file that was cut anywhere is read up to the cut, with `torn` True. Raises `FormatError` where the file is not a
    trace, with its name and line and what was expected there; `MisuseError` where `source` is neither path nor binary
    file; `OSError` where `open` does.
    """
    header, head, ending = Trace(), Head(None), Ending()
    blocks: list[Block] = []
    for item in iter_trace(source):
        if isinstance(item, Block):
            blocks.append(item)
        elif isinstance(item, Trace):
            header = item
        elif isinstance(item, Head):
            head = item
        else:
            ending = item
    return attrs.evolve(
        header,
        status=head.status,
        headers=head.headers,
        head_time=head.t,
        blocks=tuple(blocks),
        end=ending.end,
        end_time=ending.t,
        error=ending.error,
        torn=ending.torn,
        provenance=ending.provenance or header.provenance,
    )


def iter_trace(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[Trace | Head | Block | Ending]:
    """Return an iterator over the parts of a trace in the order of the file, holding one line at a time.

    First the header, as a `Trace` without blocks; then the `Head` where there is one, each `Block`, and always one
    `Ending`, last. Raises what `read_trace` raises, when it gets there.
    """
    check_file(source, "rb")
    return _parts(source)


def _parts(source: Any) -> Iterator[Trace | Head | Block | Ending]:
    name = file_name(source)
    with opened(source, "rb") as file:
        yield from read_lines(each_line(file, name), name)


def write_trace(trace: Trace, target: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a trace to a path (`.gz` and `.zst` by their suffix), replacing what was there, or into a binary file.

    `read_trace` returns an equal `Trace`, its blocks byte for byte; one that is `torn` is written without an ending.
    Nothing is written where anything is wrong: `MisuseError` where the request or an extra field is not JSON, or `target`
    is neither path nor binary file.
    """
    if trace.torn and (trace.end != "unknown" or trace.error or trace.end_time is not None):
        raise MisuseError(f'a torn trace has no ending to write, this one has "{trace.end}": set torn=False to keep it')
    lines = [header_line(trace)]
    if trace.status is not None or trace.headers or trace.head_time is not None:
        lines.append(item_line(Head(trace.head_time, trace.status, trace.headers)))
    lines += map(item_line, trace.blocks)
    if not trace.torn:
        lines.append(item_line(Ending(trace.end_time, trace.end, trace.error)))
    with opened(target, "wb") as file:
        file.write(b"".join(lines))


class TraceWriter:
    """Writes a trace while it happens: each line is written and flushed at once, so that a crash leaves what was there.

    with TraceWriter("x.trace.jsonl", Trace(method="POST", path="/v1/chat/completions")) as writer:
        writer.write(Head(0.2, 200, (("content-type", "text/event-stream"),)))
        writer.write(Block(0.3, b"data: …"))
        writer.write(Ending(0.4, "eof"))

    `target`: a path, which is replaced, or a binary file, which is left open. A path that ends in `.gz` or `.zst` is
    written without that suffix, and compressed into its place by `close`. `header`: a `Trace`, of which the fields of a
    header are taken. Above `max_bytes` of body the recording ends with an ending that says so, and `write` returns False
    from then on. Closed without an `Ending`, the file is one that was torn. Raises `OSError` as files do, `MisuseError`
    for a line out of order.
    """

    def __init__(
        self, target: str | os.PathLike[str] | IO[bytes], header: Trace, *, max_bytes: int = MAX_BYTES
    ) -> None:
        check_file(target, "wb")
        if type(max_bytes) is not int or max_bytes < 0:
            raise MisuseError(f"max_bytes= takes a number of bytes, 0 or more, not {max_bytes!r}")
        line = header_line(header)
        self._name = os.fsdecode(target) if isinstance(target, (str, os.PathLike)) else None
        opened_file: Any = target if self._name is None else open(plain_name(self._name), "wb", 0)  # noqa: SIM115
        self._file = opened_file
        self._room = max_bytes
        self._max = max_bytes
        self._state = 0  # 1: the head was written; 2: a block was; 3: the ending; 4: closed
        try:
            self._put(line)
        except BaseException:
            if self._name is not None:
                self._file.close()
            raise

    @property
    def ended(self) -> bool:
        """Whether an ending was written, or the writer closed: nothing is recorded any more."""
        return self._state > 2

    def write(self, item: Head | Block | Ending) -> bool:
        """Write what arrived next. Returns False where the recording had ended before: nothing is written then."""
        if self._state > 2:
            return False
        if isinstance(item, Head):
            if self._state:
                raise MisuseError("a trace has one head, before its first block")
            self._state = 1
        elif isinstance(item, Block):
            self._state = 2
            self._room -= len(item.data)
            if self._room < 0:
                reason = f"recording stopped: the body is larger than max_bytes={self._max}"
                self.write(Ending(item.t, "unknown", reason))
                return False
        else:
            self._state = 3
            if item.torn:
                return True
        self._put(item_line(item))
        return True

    def close(self) -> None:
        """Close the file, and compress it where its name says so. May be called again."""
        if self._state == 4:
            return
        self._state = 4
        if self._name is not None:
            self._file.close()
            if plain_name(self._name) != self._name:
                compress(self._name)

    def _put(self, line: bytes) -> None:
        file, rest = self._file, memoryview(line)
        while rest:  # an unbuffered file may take less than all of it
            taken = file.write(rest)
            rest = rest[taken if taken is not None else len(rest) :]
        if (flush := getattr(file, "flush", None)) is not None:
            flush()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


show_fields(__name__)
