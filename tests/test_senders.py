"""docs/senders.md is what its command writes, and the command counts right."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from helpers.wire import delta, sse

ROOT = Path(__file__).parents[1]

CLEAN = sse(delta('{"role":"assistant","content":"a"}'), delta("{}", "stop"), "[DONE]")
NO_DONE = sse(delta('{"role":"assistant","content":"a"}'), delta("{}", "stop"))
CUT = sse(delta('{"role":"assistant","content":"a"}'))


@cache
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_senders", ROOT / "docs" / "make_senders.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two senders, and a stream that is not its sender's own bytes."""
    for name, body in {"a/x": CLEAN, "a/y": NO_DONE, "b/x": CUT, "b/y": NO_DONE, "b/made_up": CUT}.items():
        path = tmp_path / f"{name}.sse"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
    (tmp_path / "b" / "made_up.json").write_text(json.dumps({"provenance": "synthetic"}))
    (tmp_path / "b" / "y.json").write_text(json.dumps({"provenance": "recorded-sanitized"}))
    return tmp_path


def test_the_page_is_up_to_date() -> None:
    made = command()
    written = made.PAGE.read_text("utf-8")
    assert re.match(r"\d+ streams of \d+ senders, ", made.other_part(written)), "python docs/make_senders.py FOLDER ..."
    assert made.page(made.other_part(written)) == written, "write it anew: python docs/make_senders.py"


def test_a_stream_counts_once_for_each_code_and_by_its_senders_own_bytes_only(folder: Path) -> None:
    tally = command().count([folder])
    assert ["a", "b"] == sorted(tally.senders)
    assert {"synthetic": 1} == dict(tally.left_out)
    assert 4 == tally.streams
    a, b = tally.senders["a"], tally.senders["b"]
    assert ({"clean": 1, "notes": 1}, {"missing_done": 1}) == (dict(a.verdicts), dict(a.codes))
    assert ({"faulty": 1, "notes": 1}, {"missing_done": 1, "no_finish": 1}) == (dict(b.verdicts), dict(b.codes))
    assert ["no_finish", "missing_done"] == tally.codes()


def test_the_tables_name_senders_codes_and_clients(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command().main(["--print", str(folder)])
    printed = capsys.readouterr().out
    assert "| a | 2 | 1 | 1 |  | `missing_done` 1 |" in printed
    assert "| b | 2 |  | 1 | 1 | `no_finish` 1, `missing_done` 1 |" in printed
    assert "| [`no_finish`](anomalies.md#no_finish) | truncated | 1 | b 1 | openai-python, langchain-openai," in printed
    assert "| [`missing_done`](anomalies.md#missing_done) | note | 2 | a 1, b 1 |  |" in printed


def test_without_folders_what_others_recorded_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = command()
    monkeypatch.setattr(made, "PAGE", tmp_path / "senders.md")
    monkeypatch.setattr(made, "page", lambda other: f"head\n{made.MARK}{other}{made.END}")
    made.main([str(folder)])
    first = made.PAGE.read_text("utf-8")
    assert "4 streams of 2 senders" in first
    assert "Left out are 1 whose bytes are not the sender's own: 1 synthetic." in first
    made.main([])
    assert first == made.PAGE.read_text("utf-8")


def test_the_matrix_of_frameworks_is_read() -> None:
    page = "| scenario | x | y |\n|---|---|---|\n| text | + + | e + + |\n| bom | s + | · · |\n\nwords | more\n"
    assert {"x": {"text": "+", "bom": "s"}, "y": {"text": "e", "bom": "·"}} == command().matrix(page, 0)
    assert {"x": {"text": "+", "bom": "+"}, "y": {"text": "+", "bom": "·"}} == command().matrix(page, 1)
