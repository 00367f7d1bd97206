"""On Ray: the same rows, also where a worker dies in the middle. Skipped where Ray is not installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray", exc_type=ImportError)

from helpers.rows import digest, dying_once, logs, parts_of, table  # noqa: E402
from streamkit.corpus import ray as on_ray  # noqa: E402
from streamkit.corpus import reassemble_batch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def test_a_dataset_gives_the_same_rows(cluster: None, tmp_path: Path) -> None:
    out = on_ray.reassemble(ray.data.read_parquet(str(logs(tmp_path))), keep=["row_id"])
    rows: Any = pa.concat_tables(ray.get(out.to_arrow_refs()))
    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(rows)


def test_parts_are_made_again_where_a_worker_dies(cluster: None, tmp_path: Path) -> None:
    jobs = parts_of(logs(tmp_path), tmp_path / "out")
    found = list(on_ray.run(dying_once(tmp_path / "died"), jobs, workers=2))
    assert [(0, None), (1, None), (2, None)] == sorted((number, error) for number, _, error in found)
    assert (tmp_path / "died").exists()
    import pyarrow.parquet as pq

    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(pq.read_table(tmp_path / "out"))
