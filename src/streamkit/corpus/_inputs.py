"""The rows of files: what a path holds, cut into parts of about the same bytes, and each part as batches.

In: a file or a folder of Parquet, of JSON Lines, or of bodies and traces. Out: `Unit`s, which any process can read alone.
Cost: the footers of Parquet files and the sizes of the others; one pass to read. A batch is bounded by bytes.

Rule 1  Order is that of the names, then of the rows in a file, whatever the number of parts.
Rule 2  A unit of Parquet is a range of rows, one of JSON Lines a range of bytes: the lines that begin in it. A compressed file of
        lines, a body and a trace are units whole.
Rule 3  Of JSON Lines the body is a string (or a list of blocks); a column to keep is text: a string as it is, anything else as JSON.
Rule 4  What cannot be read (a line that is not JSON, a file that is not the trace it promises) is a row without a body, and a
        message.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
import jiter
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import MisuseError, StreamError
from ..trace import SUFFIXES, is_trace_name, read_trace
from ._traces import TRACE_SCHEMA, batch_of, row_of_trace

__all__ = ("Unit", "find_units", "read_units", "schema_of", "spread")

ROWS, BYTES = 1024, 16 * 1024 * 1024  # of a batch that is read
_TRACES = tuple(f".trace{suffix}" for suffix in SUFFIXES)
_LINES = (*SUFFIXES, ".ndjson", ".ndjson.gz", ".ndjson.zst")
_TEXT = pa.large_string()


@attrs.frozen
class Unit:
    """A range of a file: rows of Parquet, bytes of JSON Lines; of the others the whole file."""

    kind: str
    """`parquet`, `lines` or `stream`."""
    file: str
    start: int
    stop: int
    weight: int
    """Bytes, about."""

    @property
    def divisible(self) -> bool:
        """Whether it can be cut between `start` and `stop`."""
        return self.kind == "parquet" or (self.kind == "lines" and not self.file.endswith((".gz", ".zst")))


def find_units(path: str) -> tuple[list[Unit], list[tuple[str, int, int]]]:
    """Return the units of a file or folder, and each file with its size and the time of its last change."""
    files = list(_files(path))
    kinds = {kind for kind, _ in files}
    if not files:
        raise MisuseError(f"{path}: nothing to read is here: .parquet, .jsonl, .ndjson, .sse and traces are looked for")
    if len(kinds) > 1:
        raise MisuseError(f"{path}: one kind of input at a time, and here are several: {', '.join(sorted(kinds))}")
    found: list[Unit] = []
    stamps = []
    for kind, file in files:
        known = os.stat(file)
        stamps.append((file, known.st_size, known.st_mtime_ns))
        found += _row_groups(file) if kind == "parquet" else [Unit(kind, file, 0, known.st_size, known.st_size + 1)]
    return found, stamps


def _files(path: str) -> Iterator[tuple[str, str]]:
    if not os.path.isdir(path):
        os.stat(path)
        yield _kind(path) or "stream", path
        return
    for folder, inner, files in os.walk(path):
        inner[:] = sorted(one for one in inner if not one.startswith((".", "_")))
        for one in sorted(files):
            if not one.startswith((".", "_")) and (kind := _kind(one)):
                yield kind, os.path.join(folder, one)


def _kind(name: str) -> str:
    if name.endswith((*_TRACES, ".sse")):
        return "stream"
    if name.endswith(_LINES):
        return "lines"
    return "parquet" if name.endswith((".parquet", ".pq")) else ""


def _row_groups(file: str) -> Iterator[Unit]:
    about, start = _parquet(file).metadata, 0
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        yield Unit("parquet", file, start, start + group.num_rows, group.total_byte_size + 1)
        start += group.num_rows


def _parquet(file: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise MisuseError(f"{file}: not Parquet: {error}") from None


def spread(units: Sequence[Unit], parts: int) -> list[list[Unit]]:
    """Cut `units` into `parts` runs of about the same weight, in order; some may be empty."""
    found: list[list[Unit]] = [[] for _ in range(parts)]
    each, at = sum(unit.weight for unit in units) / parts, 0.0
    for whole in units:
        unit = whole
        while True:
            part = min(int(at / each), parts - 1)
            room, size = (part + 1) * each - at, unit.stop - unit.start
            taken = max(round(size * room / unit.weight), 1)
            if part == parts - 1 or not unit.divisible or taken >= size:
                break
            weight = unit.weight * taken // size
            found[part].append(attrs.evolve(unit, stop=unit.start + taken, weight=weight))
            unit = attrs.evolve(unit, start=unit.start + taken, weight=max(unit.weight - weight, 1))
            at = max(at + weight, (part + 1) * each)
        found[part].append(unit)
        at += unit.weight
    return found


def schema_of(unit: Unit, keep: Iterable[str]) -> pa.Schema:
    """Return the schema of the rows of a unit. Of JSON Lines, the columns to keep."""
    if unit.kind == "parquet":
        return _parquet(unit.file).schema_arrow
    return TRACE_SCHEMA if unit.kind == "stream" else pa.schema([(name, _TEXT) for name in keep])


def read_units(
    units: Iterable[Unit], columns: dict[str, str | None], keep: Sequence[str], unread: Callable[[str], None]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `units`. `columns`: the names under body, blocks, arrival_ns and encoding. `unread`: called with a line
    about each row that could not be read."""
    streams: list[Unit] = []
    for unit in units:
        if unit.kind == "stream":
            streams.append(unit)
        elif unit.kind == "lines":
            yield from _lines(unit, columns, keep, unread)
        else:
            yield from _rows(unit, [*dict.fromkeys([*filter(None, columns.values()), *keep])])
    if streams:
        yield from _streams(streams, unread)


def _rows(unit: Unit, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with _parquet(unit.file) as file:
        about, at = file.metadata, 0
        there = [name for name in columns if name in file.schema_arrow.names]
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            end = at + group.num_rows
            if at < unit.stop and end > unit.start:
                rows = max(min(ROWS, BYTES * group.num_rows // max(group.total_byte_size, 1)), 1)
                for batch in file.iter_batches(rows, row_groups=[number], columns=there, use_threads=False):
                    first, last = max(unit.start - at, 0), min(unit.stop - at, len(batch))
                    if first < last:
                        yield batch.slice(first, last - first)
                    at += len(batch)
            at = end


def _lines(
    unit: Unit, columns: dict[str, str | None], keep: Sequence[str], unread: Callable[[str], None]
) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, Any]] = []
    size = 0
    for line in _each_line(unit):
        if not line.strip():
            continue
        rows.append(_loaded(line, unit.file, unread))
        size += len(line)
        if size >= BYTES or len(rows) >= ROWS:
            yield _batch(rows, columns, keep)
            rows, size = [], 0
    if rows:
        yield _batch(rows, columns, keep)


def _each_line(unit: Unit) -> Iterator[bytes]:
    if unit.file.endswith(".gz"):
        with gzip.open(unit.file) as packed:
            yield from packed
    elif unit.file.endswith(".zst"):
        with pa.CompressedInputStream(pa.OSFile(unit.file), "zstd") as stream:
            yield from io.BufferedReader(stream, 1 << 20)
    else:
        with open(unit.file, "rb") as file:
            at = unit.start
            if at:  # a line belongs to the range that it begins in: the one before reads it to its end
                file.seek(at - 1)
                at += len(file.readline()) - 1
            while at < unit.stop and (line := file.readline()):
                yield line
                at += len(line)


def _loaded(line: bytes, file: str, unread: Callable[[str], None]) -> dict[str, Any]:
    try:
        value = jiter.from_json(line, cache_mode="keys")
    except ValueError:
        try:
            value = json.loads(line)  # which takes half a surrogate pair
        except (ValueError, RecursionError) as error:
            unread(f"{file}: a line is not JSON: {error}")
            return {}
    if not isinstance(value, dict):
        unread(f"{file}: a line is not a JSON object")
        return {}
    return value


def _batch(rows: list[dict[str, Any]], columns: dict[str, str | None], keep: Sequence[str]) -> pa.RecordBatch:
    found: dict[str, pa.Array] = {}
    for what, name in columns.items():
        if name is None:
            continue
        cells = [row.get(name) for row in rows]
        if what == "body":
            found[name] = pa.array([None if cell is None else _bytes(cell) for cell in cells], pa.large_binary())
        elif what == "encoding":
            found[name] = pa.array([cell if isinstance(cell, str) else None for cell in cells], _TEXT)
        elif what == "arrival_ns":
            found[name] = pa.array(list(map(_times, cells)), pa.list_(pa.int64()))
        else:
            lists = [cell if isinstance(cell, list) else None for cell in cells]
            lengths = all(type(one) is int for cell in lists if cell is not None for one in cell)
            made = lists if lengths else [cell and [_bytes(one) for one in cell] for cell in lists]
            found[name] = pa.array(made, pa.list_(pa.int64() if lengths else pa.large_binary()))
    for name in keep:
        if name not in found:
            texts = [cell if cell is None else _bytes(cell) for cell in (row.get(name) for row in rows)]
            found[name] = pa.array([text and text.decode("utf-8", "replace") for text in texts], _TEXT)
    return pa.RecordBatch.from_pydict(found)


def _bytes(cell: Any) -> bytes:
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _times(cell: Any) -> list[int] | None:
    good = isinstance(cell, list) and all(type(one) is int and abs(one) < 2**63 for one in cell)
    return cell if good else None


def _streams(units: Iterable[Unit], unread: Callable[[str], None]) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, Any]] = []
    size = 0
    for unit in units:
        rows.append(_stream(unit.file, unread))
        size += unit.weight
        if size >= BYTES or len(rows) >= ROWS:
            yield batch_of(rows)
            rows, size = [], 0
    if rows:
        yield batch_of(rows)


def _stream(file: str, unread: Callable[[str], None]) -> dict[str, Any]:
    try:
        if is_trace_name(file):
            return row_of_trace(file, read_trace(file))
        with open(file, "rb") as body:
            return {"file": file, "blocks": [body.read()], "case": os.path.basename(file).partition(".")[0]}
    except (StreamError, OSError) as error:
        unread(str(error))
        return {"file": file}
