"""Recorded streams in bulk: bodies as an Arrow column in, responses as Arrow columns out, on an engine of yours.

    out = reassemble_batch(batch, keep=("request_id",))      # a batch or a table of pyarrow
    for batch in reassemble_batches(batches): ...            # any number of them, cut by bytes

In: a column of whole response bodies, as text or bytes, compressed or not; where they were recorded, the blocks and their
arrival times. Out: the same rows in the same order, with the columns of `SCHEMA` (`COLUMNS` says what each is). No row raises:
its outcome says what was wrong. Null in, null out.

`streamkit.corpus.local`, `.ray` and `.spark` carry this to a pyarrow dataset, to Ray Data and to Spark; docs/corpora.md has
recipes for Daft, DuckDB and Polars. `streamkit corpus IN OUT` does it for files, and continues where it was stopped.
`traces_to_arrow` makes one table of a folder of traces. Install `streamkit-llm[corpus]`.
"""

from __future__ import annotations

try:
    import pyarrow  # noqa: F401
except ImportError as error:
    raise ImportError('streamkit.corpus needs pyarrow: pip install "streamkit-llm[corpus]"') from error

from ._kernel import output_schema, reassemble_batch, reassemble_batches
from ._schema import COLUMNS, SCHEMA
from ._traces import traces_to_arrow

__all__ = ("COLUMNS", "SCHEMA", "output_schema", "reassemble_batch", "reassemble_batches", "traces_to_arrow")
