"""In this process: pyarrow's tables, readers and datasets.

reader = reassemble(pyarrow.dataset.dataset("logs/"), keep=("request_id",))      # nothing is read yet
pyarrow.dataset.write_dataset(reader, "responses/", format="parquet")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from ..errors import MisuseError
from ._kernel import output_schema, reassemble_batches

__all__ = ("reassemble", "run")


def reassemble(source: Any, *, keep: Any = (), **options: Any) -> pa.RecordBatchReader:
    """Return a reader of the responses. `source`: a dataset, a table or a reader of pyarrow. The rest: like `reassemble_batch`."""
    if not hasattr(source, "to_batches") and not isinstance(source, pa.RecordBatchReader):
        raise MisuseError(f"reassemble() takes a dataset, a table or a reader of pyarrow, not {type(source).__name__}")
    schema = output_schema(source.schema, keep=keep)
    if isinstance(source, ds.Dataset):  # few rows at once: bodies are large
        batches = source.to_batches(batch_size=1024, batch_readahead=1, fragment_readahead=1)
    else:
        batches = source if isinstance(source, pa.RecordBatchReader) else source.to_batches()
    return pa.RecordBatchReader.from_batches(schema, reassemble_batches(batches, keep=keep, **options))


def run(function: Callable[[Any], Any], jobs: Iterable[Any], *, workers: int = 1) -> Iterator[Any]:
    """Yield `function(job)` for each job, one after the other."""
    yield from map(function, jobs)
