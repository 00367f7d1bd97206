"""On Spark: the same rows, also where a worker dies in the middle. Skipped where Spark is not installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("pyspark")

import pyarrow.parquet as pq

from helpers.rows import digest, dying_once, logs, parts_of, table
from streamkit.corpus import reassemble_batch
from streamkit.corpus import spark as on_spark

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "5").getOrCreate()
    yield session
    session.stop()


def test_a_dataset_gives_the_same_rows(session: Any, tmp_path: Path) -> None:
    out = on_spark.reassemble(session.read.parquet(str(logs(tmp_path))), keep=["row_id"])
    out.write.parquet(str(tmp_path / "out"))
    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(pq.read_table(tmp_path / "out"))


def test_parts_are_made_again_where_a_worker_dies(session: Any, tmp_path: Path) -> None:
    jobs = parts_of(logs(tmp_path), tmp_path / "out")
    found = list(on_spark.run(dying_once(tmp_path / "died"), jobs, workers=2))
    assert [(0, None), (1, None), (2, None)] == sorted((number, error) for number, _, error in found)
    assert (tmp_path / "died").exists()
    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(pq.read_table(tmp_path / "out"))
