"""In this process: datasets, tables and readers of pyarrow, read as they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

pa = pytest.importorskip("pyarrow")

import pyarrow.dataset as ds  # noqa: E402

from helpers.rows import digest, logs, table  # noqa: E402
from streamkit import MisuseError  # noqa: E402
from streamkit.corpus import local, reassemble_batch  # noqa: E402


def test_a_dataset_a_table_and_a_reader_give_the_same(tmp_path: Path) -> None:
    want = digest(reassemble_batch(table(12), keep=["row_id"]))
    for source in (ds.dataset(logs(tmp_path)), table(12), table(12).to_reader()):
        assert want == digest(local.reassemble(source, keep=["row_id"]).read_all())


def test_a_reader_reads_no_more_than_is_asked_for() -> None:
    taken = []

    def batches():  # type: ignore[no-untyped-def]
        for number, batch in enumerate(table(12).to_batches(max_chunksize=3)):
            taken.append(number)
            yield batch

    reader = local.reassemble(pa.RecordBatchReader.from_batches(table(0).schema, batches()), keep=["row_id"])
    assert [] == taken
    assert 3 == reader.read_next_batch().num_rows
    assert [0] == taken


def test_anything_else_is_misuse() -> None:
    with pytest.raises(MisuseError, match="takes a dataset, a table or a reader of pyarrow, not list"):
        local.reassemble([])
