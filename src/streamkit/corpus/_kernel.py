"""The kernel that every engine runs: batches of bodies in, batches of responses out.

In: batches (or a table) with a column of bodies. Out: as many rows in the same order: the columns to keep, then those of `SCHEMA`.
Cost: what reading the bodies costs, and some 20 us a row for Arrow in and out.

Rule 1  Arguments are checked before the first row; after that no row raises.
Rule 2  What is held at once is bounded by bytes: a batch that is returned stands for at most 64 MiB of bodies, or one body.
Rule 3  Strings of any Arrow type are taken: 32-bit, 64-bit, views, dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, Unpack

import pyarrow as pa
import pyarrow.types as kinds

from ..accumulator import Accumulator, Options
from ..errors import MisuseError
from ._bodies import blocks_of_row, pieces, seconds_of
from ._rows import row_of
from ._schema import SCHEMA

__all__ = ("BATCH_BYTES", "BATCH_ROWS", "Keep", "output_schema", "reassemble_batch", "reassemble_batches")

BATCH_BYTES = 64 * 1024 * 1024
BATCH_ROWS = 16_384

Keep = Sequence[str] | Mapping[str, str]
"""Columns to hand on: their names, or their names with new ones."""
Batches = TypeVar("Batches", pa.RecordBatch, pa.Table)

_N_BYTES = SCHEMA.names.index("n_bytes")


def reassemble_batch(
    batch: Batches,
    *,
    body: str | None = "body",
    blocks: str | None = None,
    arrival_ns: str | None = None,
    encoding: str | None = None,
    keep: Keep = (),
    **options: Unpack[Options],
) -> Batches:
    """Return the rows of a batch (or of a table) as responses: the columns to `keep`, then those of `SCHEMA`.

    `body`: the column of whole bodies, as bytes or text. `blocks`: a column of lists: of the blocks themselves, which stand for
    the body, or of their lengths in bytes. `arrival_ns`: a column of lists, for each block the nanoseconds since the request was
    sent; then `timing` is what `timing_of` says. `encoding`: a column with the `Content-Encoding` of each body; where it is null or
    not named, gzip and zstd are recognised by their first bytes. `keep`: names of columns, or a mapping to new names, for those
    that `SCHEMA` has as well. `options`: those of `Accumulator`.

    No row raises; a row without a body is null throughout. Raises `MisuseError` for columns that are not there or of another type.
    """
    names = Columns(body, blocks, arrival_ns, encoding, keep, options)
    if isinstance(batch, pa.RecordBatch):
        (out,) = names.read(batch, None)
        return out
    if not isinstance(batch, pa.Table):
        raise MisuseError(f"reassemble_batch() takes a RecordBatch or a Table of pyarrow, not {type(batch).__name__}")
    found = (out for one in batch.to_batches() for out in names.read(one, BATCH_BYTES))
    return pa.Table.from_batches(found, names.output(batch.schema))


def reassemble_batches(
    batches: Iterable[Any],
    *,
    body: str | None = "body",
    blocks: str | None = None,
    arrival_ns: str | None = None,
    encoding: str | None = None,
    keep: Keep = (),
    **options: Unpack[Options],
) -> Iterator[Any]:
    """Yield the rows of `batches` as `reassemble_batch` returns them, in batches that stand for at most 64 MiB of bodies."""
    names = Columns(body, blocks, arrival_ns, encoding, keep, options)
    return (out for batch in batches for out in names.read(batch, BATCH_BYTES))


def output_schema(schema: pa.Schema, *, keep: Keep = ()) -> pa.Schema:
    """Return the schema of what `reassemble_batch` makes of batches of `schema`."""
    return Columns(None, None, None, None, keep, {}).output(schema)


class Columns:
    """Which columns are read and kept, and with which options; read(batch) as often as wanted."""

    def __init__(
        self,
        body: str | None,
        blocks: str | None,
        arrival_ns: str | None,
        encoding: str | None,
        keep: Keep,
        options: Any,
    ) -> None:
        Accumulator(**options)  # raises where an option is wrong
        self.body, self.blocks, self.arrival_ns, self.encoding = body, blocks, arrival_ns, encoding
        for name, value in (("body", body), ("blocks", blocks), ("arrival_ns", arrival_ns), ("encoding", encoding)):
            if value is not None and not isinstance(value, str):
                raise MisuseError(f"{name}= takes the name of a column, not {type(value).__name__}")
        if isinstance(keep, str) or not isinstance(keep, (Sequence, Mapping)):
            raise MisuseError(f"keep= takes a list of names of columns, or a mapping to new names, not {keep!r:.80}")
        self.keep = dict(keep) if isinstance(keep, Mapping) else {name: name for name in keep}
        if any(not isinstance(one, str) for pair in self.keep.items() for one in pair):
            raise MisuseError(f"keep= takes names of columns, which are text, not {list(self.keep.items())!r:.80}")
        for name, new in self.keep.items():
            if new in SCHEMA.names or list(self.keep.values()).count(new) > 1:
                raise MisuseError(
                    f"keep={name!r}: a column {new!r} is there already; keep it as {{{name!r}: 'another name'}}"
                )
        self.options = options

    def output(self, schema: pa.Schema) -> pa.Schema:
        """Return the schema of the result."""
        kept = [self._field(schema, name, "keep").with_name(new) for name, new in self.keep.items()]
        return pa.schema([*kept, *SCHEMA])

    def check(self, schema: pa.Schema) -> None:
        """Raise where batches of `schema` lack a column, or have one of another type."""
        empty = [pa.array([], field.type) for field in schema]
        for _ in self.read(pa.RecordBatch.from_arrays(empty, schema=schema), None):
            pass

    def read(self, batch: Any, most: int | None) -> Iterator[Any]:
        """Yield the rows of a batch, cut where they stand for more than `most` bytes of bodies; None: in one."""
        schema = self.output(batch.schema)
        rows: list[list[Any]] = []
        size = start = 0
        for row in self._rows(batch):
            rows.append(row)
            size += row[_N_BYTES] or 0
            if most is not None and (size >= most or len(rows) >= BATCH_ROWS):
                yield self._made(batch.slice(start, len(rows)), rows, schema)
                start, size, rows = start + len(rows), 0, []
        if rows or not start:
            yield self._made(batch.slice(start), rows, schema)

    def _rows(self, batch: Any) -> Iterator[list[Any]]:
        nothing: list[Any] = [None] * len(SCHEMA)
        bodies = _views(self._column(batch, self.body, "body")) if self._needs_body(batch) else [None] * len(batch)
        lists = self._column(batch, self.blocks, "blocks")
        times = self._column(batch, self.arrival_ns, "arrival_ns")
        packed = self._column(batch, self.encoding, "encoding")
        for number, body in enumerate(bodies):
            blocks = None if lists is None else _list(lists[number])
            if body is None and (blocks is None or not _holds_bytes(lists.type)):
                yield nothing
                continue
            given = blocks_of_row(body, blocks)
            arrivals = None if times is None else times[number].as_py()
            word = None if packed is None else packed[number].as_py()
            yield row_of(pieces(given, word), seconds_of(arrivals, len(given)), self.options)

    def _needs_body(self, batch: Any) -> bool:
        if self.body is None and self.blocks is None:
            raise MisuseError("name a column of bodies (body=) or of blocks (blocks=)")
        if self.body in batch.schema.names:
            return True
        lists = self._column(batch, self.blocks, "blocks")
        if lists is not None and _holds_bytes(lists.type):
            return False
        self._field(batch.schema, self.body or "body", "body")
        return True

    def _column(self, batch: Any, name: str | None, what: str) -> Any:
        """Return the column, decoded where it is a dictionary and checked; None where none is named."""
        if name is None:
            return None
        field = self._field(batch.schema, name, what)
        column = batch.column(batch.schema.get_field_index(field.name))
        if kinds.is_dictionary(column.type):
            column = column.dictionary_decode()
        if not _TAKEN[what][0](column.type):
            raise MisuseError(f"{what}={name!r}: the column is {column.type}, {_TAKEN[what][1]} is accepted")
        return column

    @staticmethod
    def _field(schema: pa.Schema, name: str, what: str) -> pa.Field:
        if schema.get_field_index(name) < 0:
            there = schema.names.count(name)
            said = f"{there} columns have this name" if there else f"there are {', '.join(schema.names) or 'none'}"
            raise MisuseError(f"{what}={name!r}: no one column has this name: {said}")
        return schema.field(name)

    def _made(self, batch: Any, rows: list[list[Any]], schema: pa.Schema) -> Any:
        kept = [batch.column(batch.schema.get_field_index(name)) for name in self.keep]
        columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
        made = [_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays([*kept, *made], schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # half a surrogate pair, in a sender's error: an Arrow text cannot hold it
        return pa.array([_text(value) for value in values], kind)


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _text(one) for name, one in value.items()}
    return [_text(one) for one in value] if isinstance(value, (list, tuple)) else value


# --- cells


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (kinds.is_binary, kinds.is_string, kinds.is_large_binary, kinds.is_large_string)
    views = (kinds.is_binary_view, kinds.is_string_view, kinds.is_fixed_size_binary, kinds.is_null)
    return any(test(kind) for test in (*tests, *views))


def _is_list(kind: pa.DataType) -> bool:
    tests = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list, kinds.is_list_view, kinds.is_large_list_view)
    return any(test(kind) for test in tests)


def _holds_bytes(kind: pa.DataType) -> bool:
    return _is_list(kind) and _is_bytes(kind.value_type)


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    return kinds.is_null(kind) or (
        _is_list(kind) and (kinds.is_integer(kind.value_type) or kinds.is_null(kind.value_type))
    )


_TAKEN: dict[str, tuple[Any, str]] = {
    "body": (_is_bytes, "bytes or text"),
    "blocks": (lambda kind: _holds_bytes(kind) or _is_list_of_numbers(kind), "a list of bytes, of text or of lengths"),
    "arrival_ns": (_is_list_of_numbers, "a list of whole numbers"),
    "encoding": (lambda kind: _is_bytes(kind) and not kinds.is_binary(kind), "text"),
}
"""Which types of column are taken for what, in words too."""


def _views(column: Any) -> list[memoryview | None]:
    """Each cell as a view of the column's own bytes, None for null."""
    if kinds.is_null(column.type):
        return [None] * len(column)
    if kinds.is_string(column.type) or kinds.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if not kinds.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    _, ends, data = column.buffers()
    at = memoryview(ends).cast("q")[column.offset : column.offset + len(column) + 1] if len(column) else [0]
    view = memoryview(data if data is not None else b"")
    found: list[memoryview | None] = [view[at[n] : at[n + 1]] for n in range(len(column))]
    if column.null_count:
        found = [cell if good else None for cell, good in zip(found, column.is_valid().to_pylist(), strict=True)]
    return found


def _list(cell: Any) -> list[Any] | None:
    if not cell.is_valid or cell.values is None:
        return None
    values = cell.values
    return _views(values) if _is_bytes(values.type) else values.to_pylist()
