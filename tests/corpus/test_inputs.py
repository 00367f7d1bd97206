"""What a path holds, cut into parts: every row once and in order, whatever the number of parts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from helpers.rows import HELLO, logs, table  # noqa: E402
from streamkit import MisuseError  # noqa: E402
from streamkit.corpus import reassemble_batch  # noqa: E402
from streamkit.corpus._inputs import Unit, find_units, read_units, spread  # noqa: E402

COLUMNS = {"body": "body", "blocks": None, "arrival_ns": None, "encoding": None}


def rows_of(path: Path, parts: int, columns: dict[str, Any] = COLUMNS, keep: tuple[str, ...] = ("row_id",)) -> Any:
    """The rows that the parts of `path` have together, and what was said about unread ones."""
    said: list[str] = []
    units, _ = find_units(str(path))
    batches = [batch for part in spread(units, parts) for batch in read_units(part, columns, keep, said.append)]
    return [row for batch in batches for row in batch.to_pylist()], said


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


NUMBERS = st.integers(1, 50)


@given(st.lists(st.tuples(st.sampled_from(["parquet", "lines", "stream"]), NUMBERS, NUMBERS), min_size=1), NUMBERS)
def test_parts_hold_everything_once_and_in_order(shapes: list[tuple[str, int, int]], parts: int) -> None:
    units = [Unit(kind, f"{n}", 0, stop, weight) for n, (kind, stop, weight) in enumerate(shapes)]
    found = [unit for part in spread(units, parts) for unit in part]
    assert parts == len(spread(units, parts))
    assert [(unit.file, at) for unit in units for at in range(unit.stop)] == [
        (unit.file, at) for unit in found for at in range(unit.start, unit.stop)
    ]
    assert all(unit.stop == int(units[int(unit.file)].stop) for unit in found if unit.kind == "stream")


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 12, 30])
def test_parquet_is_cut_between_rows(tmp_path: Path, parts: int) -> None:
    rows, said = rows_of(logs(tmp_path), parts)
    assert (list(range(12)), []) == ([row["row_id"] for row in rows], said)
    assert table(12).column("body").to_pylist() == [row["body"] for row in rows]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("parts", [1, 2, 5, 40])
def test_json_lines_are_cut_between_lines(tmp_path: Path, parts: int, ending: str) -> None:
    bodies = [HELLO.decode() * (number % 3) for number in range(9)]
    data = as_lines([{"row_id": number, "body": body} for number, body in enumerate(bodies)])
    packed = {"": data, ".gz": gzip.compress(data), ".zst": pa.compress(data, "zstd", asbytes=True)}[ending]
    (tmp_path / f"a.jsonl{ending}").write_bytes(packed)
    rows, said = rows_of(tmp_path, parts)
    assert ([str(n) for n in range(9)], []) == ([row["row_id"] for row in rows], said)
    assert [body.encode() for body in bodies] == [row["body"] for row in rows]


def test_odd_lines_are_rows_without_a_body_and_said(tmp_path: Path) -> None:
    lines = [b'{"body":"\\ud800","row_id":{"a":[1]}}', b"", b"{", b"[1]", b'{"row_id":null}', b'{"body":{"id":"x"}}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    rows, said = rows_of(tmp_path, 1)
    assert [b"\xed\xa0\x80", None, None, None, b'{"id":"x"}'] == [row["body"] for row in rows]
    assert ['{"a":[1]}', None, None, None, None] == [row["row_id"] for row in rows]
    assert ["a line is not JSON", "a line is not a JSON object"] == [line.split(": ")[1].strip() for line in said]


def test_lines_may_hold_blocks_and_arrivals(tmp_path: Path) -> None:
    text = HELLO.decode()
    (tmp_path / "a.jsonl").write_bytes(as_lines([{"b": [text[:9], text[9:]], "t": [5, 10**9]}, {"b": 5, "t": "x"}]))
    names = {"body": None, "blocks": "b", "arrival_ns": "t", "encoding": None}
    said: list[str] = []
    units, _ = find_units(str(tmp_path))
    (batch,) = read_units(units, names, (), said.append)
    rows = reassemble_batch(batch, **names).to_pylist()  # type: ignore[arg-type]
    assert (["done", None], 1.0) == ([row["reason"] for row in rows], rows[0]["timing"]["done"])


def test_bodies_and_traces_of_a_folder_are_rows_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.sse").write_bytes(HELLO)
    (tmp_path / "a.trace.jsonl").write_bytes(b"not a trace\n")
    (tmp_path / ".hidden.sse").write_bytes(HELLO)
    rows, said = rows_of(tmp_path, 2, {"body": None, "blocks": "blocks", "arrival_ns": None, "encoding": None})
    assert [None, [HELLO]] == [row["blocks"] for row in rows]
    assert [str(tmp_path / "a.trace.jsonl"), str(tmp_path / "b" / "x.sse")] == [row["file"] for row in rows]
    assert 1 == len(said)


def test_nothing_to_read_and_several_kinds_are_misuse(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="nothing to read is here"):
        find_units(str(tmp_path))
    logs(tmp_path)
    (tmp_path / "a.sse").write_bytes(HELLO)
    with pytest.raises(MisuseError, match="several: parquet, stream"):
        find_units(str(tmp_path))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(MisuseError, match="not Parquet"):
        find_units(str(tmp_path / "bad.parquet"))
