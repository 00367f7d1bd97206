"""Traces as a table: one row each, what was asked, what arrived when, and the response.

In: paths of traces and of folders. Out: a table of pyarrow; all of it in memory, so that DuckDB or pandas can look at it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from .. import dumps
from ..errors import MisuseError
from ..trace import SUFFIXES, Trace, read_trace
from ._kernel import BATCH_BYTES, reassemble_batch

__all__ = ("TRACE_SCHEMA", "batch_of", "row_of_trace", "traces_to_arrow")

_TEXT = pa.large_string()
_NAMES = tuple(f".trace{suffix}" for suffix in SUFFIXES)  # in a folder, where other lines of JSON are beside them
_BLOCKS = ("blocks", "arrival_ns", "encoding")
_HEADERS = pa.list_(pa.struct([("name", _TEXT), ("value", _TEXT)]))

TRACE_SCHEMA = pa.schema(
    [
        *((name, _TEXT) for name in ("file", "sender", "sender_version", "case", "recorded", "provenance", "notes")),
        *((name, _TEXT) for name in ("observed", "method", "path")),
        ("request_json", _TEXT),
        ("status", pa.int64()),
        ("headers", _HEADERS),
        ("head_time", pa.float64()),
        ("blocks", pa.list_(pa.large_binary())),
        ("arrival_ns", pa.list_(pa.int64())),
        ("encoding", _TEXT),
        ("end", _TEXT),
        ("end_time", pa.float64()),
        ("end_error", _TEXT),
        ("torn", pa.bool_()),
    ]
)
"""What a trace says by itself: the fields of `Trace` under their own names, its blocks, and when each arrived."""


def traces_to_arrow(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, blocks: bool = False
) -> pa.Table:
    """Return a table with a row for each trace: the fields of `Trace`, then the columns of `SCHEMA`, with `timing`.

    `paths`: traces, and folders, which stand for the traces in them at any depth, in order of their names. `file` is the path;
    `end_error` is `Trace.error`; `request_json` is the request where it is a JSON object. `blocks`: keep the bytes and arrival times
    (`blocks`, `arrival_ns`), too. Raises `MisuseError` for a path that is neither, `FormatError` for a file that is not a trace,
    `OSError` as `open` does.
    """
    if blocks is not True and blocks is not False:
        raise MisuseError(f"blocks= takes True or False, not {blocks!r:.80}")
    keep = [name for name in TRACE_SCHEMA.names if blocks or name not in _BLOCKS]
    found: list[Any] = []
    rows: list[dict[str, Any]] = []
    size = 0

    def flush() -> None:
        batch = batch_of(rows)
        columns = {"body": None, "blocks": "blocks", "arrival_ns": "arrival_ns", "encoding": "encoding"}
        found.append(reassemble_batch(batch, keep=keep, **columns))  # type: ignore[arg-type]
        rows.clear()

    for file in _traces_in(paths):
        trace = read_trace(file)
        rows.append(row_of_trace(file, trace))
        size += sum(len(block.data) for block in trace.blocks)
        if size >= BATCH_BYTES:
            flush()
            size = 0
    if rows or not found:
        flush()
    return pa.Table.from_batches(found)


def row_of_trace(file: str, trace: Trace) -> dict[str, Any]:
    """Return the row of a trace, for `batch_of`."""
    names = ("sender", "sender_version", "case", "recorded", "provenance", "notes", "observed", "method", "path")
    facts = {name: getattr(trace, name) for name in (*names, "status", "head_time", "end", "end_time", "torn")}
    return {
        "file": file,
        **facts,
        "request_json": None if trace.request is None else dumps(trace.request).decode(),
        "headers": [{"name": name, "value": value} for name, value in trace.headers],
        "blocks": [block.data for block in trace.blocks],
        "arrival_ns": [round(block.t * 1e9) for block in trace.blocks] if trace.timed else None,
        "encoding": trace.encoding or "identity",
        "end_error": trace.error,
    }


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows of traces as a batch of `TRACE_SCHEMA`."""
    return pa.RecordBatch.from_pylist(rows, TRACE_SCHEMA)


def _traces_in(paths: Any) -> Iterator[str]:
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if isinstance(paths, (bytes, bytearray)) or not isinstance(paths, Iterable):
        raise MisuseError(f"traces_to_arrow() takes paths, not {type(paths).__name__}")
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise MisuseError(f"traces_to_arrow() takes paths, not {type(path).__name__}")
        name = os.fsdecode(path)
        if not os.path.isdir(name):
            yield name
            continue
        for folder, inner, files in os.walk(name):
            inner.sort()
            yield from (os.path.join(folder, one) for one in sorted(files) if one.endswith(_NAMES))
