"""`streamkit corpus`: files in, parts and a summary out; started again, it goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from helpers.command import TRACES
from helpers.rows import HELLO, digest, logs, table
from streamkit._cli import main as cli
from streamkit.corpus import SCHEMA, reassemble_batch

Run: TypeAlias = Callable[..., "Done"]


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Done]:
    """The command in this process: a process each would take a second."""

    def command(*arguments: str | Path) -> Done:
        code = cli.main([str(one) for one in arguments])
        return Done(code, *capfdbinary.readouterr())

    return command


def test_parquet_goes_in_and_comes_out_with_a_summary(run: Run, tmp_path: Path) -> None:
    logs(tmp_path)
    done = run("corpus", tmp_path / "logs.parquet", tmp_path / "out", "--keep", "row_id", "--partitions", "3")
    assert 0 == done.returncode
    assert b"12 streams: " in done.stdout
    assert b"12 rows, " in done.stdout
    assert done.stderr.startswith(b"streamkit: 3/3 parts, 12 rows, ")
    assert digest(reassemble_batch(table(12), keep=["row_id"])) == digest(pq.read_table(tmp_path / "out"))
    again = run("corpus", tmp_path / "logs.parquet", tmp_path / "out", "--keep", "row_id", "--partitions", "3")
    assert (0, done.stdout) == (again.returncode, again.stdout)
    assert b"streamkit: there already: 3 of 3 parts, 12 rows\n" == again.stderr
    os.unlink(tmp_path / "out" / "part-00001.parquet")
    again = run("corpus", tmp_path / "logs.parquet", tmp_path / "out", "--keep", "row_id", "--partitions", "3")
    assert (0, done.stdout) == (again.returncode, again.stdout)
    assert b"there already: 2 of 3 parts" in again.stderr


def test_traces_have_the_table_that_check_gives_for_them(run: Run, tmp_path: Path) -> None:
    done = run("corpus", TRACES, tmp_path / "out")
    checked = run("check", "--format", "summary", TRACES)
    lines, others = done.stdout.decode().splitlines(), checked.stdout.decode().splitlines()
    ours = [line.split() for line in lines if " lost " in line or " failed " in line or " truncated " in line]
    assert ours == [line.split() for line in others if " lost " in line or " failed " in line or " truncated " in line]
    assert ours
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert ["file", "sender", "case", *SCHEMA.names] == list(rows[0])
    assert sorted(map(str, TRACES.glob("*/*.trace.jsonl"))) == sorted(row["file"] for row in rows)


def test_what_cannot_be_read_is_said_and_the_others_are_there(run: Run, tmp_path: Path) -> None:
    lines = [json.dumps({"body": HELLO.decode(), "who": "a"}), "{"]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    done = run("corpus", tmp_path / "in.jsonl", tmp_path / "out", "--sender", "who", "--keep", "who=name")
    assert 2 == done.returncode
    assert b"a line is not JSON" in done.stderr
    assert b"2 streams: 1 clean, 0 with notes, 0 faulty, 1 not read" in done.stdout
    assert [("a", "Hello"), (None, None)] == [
        (row["name"], row["content"]) for row in pq.read_table(tmp_path / "out").to_pylist()
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("absent.parquet", "out"), b"absent.parquet: No such file or directory"),
        (("logs.parquet", "out", "--body", "text"), b"body='text': no one column has this name"),
        (("logs.parquet", "out", "--keep", "body=model"), b"a column 'model' is there already"),
        (("logs.parquet", "out", "--sender", "who"), b"no column has the name 'who'"),
        (("logs.parquet", "out", "--partitions", "0"), b"--partitions takes a whole number from 1, not 0"),
        (("logs.parquet", "out", "--workers", "-1"), b"--workers takes a whole number from 1, not -1"),
        ((".", "out"), b"is inside the input"),
        (("logs.parquet", "logs.parquet"), b"logs.parquet: File exists"),
    ],
)
def test_misuse_is_one_line_and_leaves_no_folder(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], words: bytes
) -> None:
    logs(tmp_path)
    done = run("corpus", *(str(tmp_path / one) if "." in one or one == "out" else one for one in arguments))
    assert (2, b"", 1) == (done.returncode, done.stdout, done.stderr.count(b"\n"))
    assert words in done.stderr
    assert ["logs.parquet"] == os.listdir(tmp_path)
