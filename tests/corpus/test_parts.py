"""Parts are written whole or not at all, and a run that was killed goes on with those that are not there."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

import pyarrow.parquet as pq  # noqa: E402

from helpers.command import PATIENCE, posix  # noqa: E402
from helpers.rows import HELLO, digest, logs, table  # noqa: E402
from streamkit import MisuseError  # noqa: E402
from streamkit.corpus import reassemble_batch  # noqa: E402
from streamkit.corpus._parts import Plan, make_plan, run_part  # noqa: E402
from streamkit.corpus._tally import Tally  # noqa: E402

COLUMNS = {"body": "body", "blocks": None, "arrival_ns": None, "encoding": None}


def planned(source: Path, target: Path, parts: int = 3, **other: Any) -> Plan:
    options = {"columns": COLUMNS, "keep": {"row_id": "row_id"}, "sender": None, "parts": parts, **other}
    return make_plan(str(source), str(target), **options)


def test_the_parts_are_the_rows(tmp_path: Path) -> None:
    plan = planned(logs(tmp_path), tmp_path / "out")
    whole = Tally()
    for job in pickle.loads(pickle.dumps(plan.jobs)):
        number, counts, error = run_part(job)
        assert (job.number, None) == (number, error)
        assert counts is not None
        whole.merge(Tally(**counts))
    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(pq.read_table(tmp_path / "out"))
    assert ["_plan.json", *(f"part-0000{n}.parquet" for n in range(3))] == sorted(os.listdir(tmp_path / "out"))
    again = planned(tmp_path / "logs.parquet", tmp_path / "out")
    assert ((), 12, whole) == (again.jobs, again.done.rows, again.done)


def test_a_part_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    plan = planned(logs(tmp_path), tmp_path / "out")
    run_part(plan.jobs[1])
    assert [0, 2] == [job.number for job in planned(tmp_path / "logs.parquet", tmp_path / "out").jobs]


def test_a_part_that_fails_leaves_nothing_and_is_said(tmp_path: Path) -> None:
    plan = planned(logs(tmp_path), tmp_path / "out")
    (tmp_path / "logs.parquet").write_bytes(b"PAR1")
    number, counts, error = run_part(plan.jobs[0])
    assert (0, None) == (number, counts)
    assert "part-00000.parquet" in str(error)
    assert ["_plan.json"] == os.listdir(tmp_path / "out")


@pytest.mark.parametrize(
    ("other", "words"),
    [({"parts": 2}, "parts"), ({"keep": {}}, "keep"), ({"sender": "body"}, "sender")],
)
def test_another_plan_over_the_same_folder_is_misuse(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    planned(logs(tmp_path), tmp_path / "out")
    with pytest.raises(MisuseError, match=f"another {words}: name a new folder"):
        planned(tmp_path / "logs.parquet", tmp_path / "out", **other)


def test_another_input_over_the_same_folder_is_misuse(tmp_path: Path) -> None:
    planned(logs(tmp_path), tmp_path / "out")
    logs(tmp_path, 13)
    with pytest.raises(MisuseError, match="another input"):
        planned(tmp_path / "logs.parquet", tmp_path / "out")


def test_a_folder_with_parquet_of_another_origin_is_left_alone(tmp_path: Path) -> None:
    logs(tmp_path)
    with pytest.raises(MisuseError, match="another origin"):
        planned(tmp_path / "logs.parquet", tmp_path)
    assert ["logs.parquet"] == os.listdir(tmp_path)


def as_written(part: Path) -> tuple[int, int, bytes]:
    """Return what changes when the part is written again; not the time of access, which changes with each reader."""
    status = part.stat()
    return status.st_ino, status.st_mtime_ns, part.read_bytes()


@posix
def test_a_process_that_is_killed_in_a_part_leaves_none_and_the_next_run_has_the_same_rows(tmp_path: Path) -> None:
    plan = planned(logs(tmp_path), tmp_path / "out")
    (tmp_path / "jobs").write_bytes(pickle.dumps(plan.jobs))
    program = (
        "import os, pickle, signal, sys\n"
        "from streamkit.corpus._parts import run_part\n"
        "jobs = pickle.load(open(sys.argv[1], 'rb'))\n"
        "run_part(jobs[0])\n"
        "run_part(jobs[1], lambda tally: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "jobs"], timeout=PATIENCE)
    assert -signal.SIGKILL == killed.returncode
    left = sorted(os.listdir(tmp_path / "out"))
    assert [".part-00001.parquet", "_plan.json", "part-00000.parquet"] == [left[0][:19], *left[1:]]
    part = tmp_path / "out" / "part-00000.parquet"
    before = as_written(part)
    plan = planned(tmp_path / "logs.parquet", tmp_path / "out")
    assert [1, 2] == [job.number for job in plan.jobs]
    for job in plan.jobs:
        run_part(job)
    assert before == as_written(part)
    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(pq.read_table(tmp_path / "out"))
    assert 4 == len(os.listdir(tmp_path / "out"))


def test_a_tally_counts_streams_once_for_each_code_and_sender() -> None:
    odd = HELLO.replace(b'"index":0', b'"index":"0"')
    out = reassemble_batch(pa.record_batch({"body": [HELLO, odd, HELLO[:90], None, odd]}))
    tally = Tally()
    tally.add(out, ["a", "b", None, "b", "b"])
    assert (5, 1, 1, 2 * len(HELLO) - len(HELLO) + 2 * len(odd) + 90) == (
        tally.rows,
        tally.empty,
        tally.failed,
        tally.bytes,
    )
    assert {"b": 2} == tally.codes["repaired index_type"]
    assert {"clean": 1, "notes": 0, "faulty": 3} == tally.verdicts
    assert 1 == sum(sum(senders.values()) for senders in tally.endings.values())
    twice = Tally(**tally.as_json())
    twice.merge(tally)
    assert ({"b": 4}, 10) == (twice.codes["repaired index_type"], twice.rows)
