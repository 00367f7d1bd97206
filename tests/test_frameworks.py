"""The pages of agent frameworks, and what runs them: each page is run, and what is wrong is found wrong."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from frameworks import matrix, tools
from frameworks.judge import TookTooLong, wrong
from frameworks.listed import FRAMEWORKS
from frameworks.matrix import Row, into, read, rows, table
from frameworks.tools import Seen, get_time, get_weather
from helpers.scenario_server import Asked
from helpers.scenarios import BY_NAME, SCENARIOS

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "frameworks"


@pytest.fixture(autouse=True)
def _nothing_ran() -> Any:
    tools.RAN.clear()
    yield
    tools.RAN.clear()


def test_every_page_is_run_and_every_framework_has_a_page() -> None:
    assert {*FRAMEWORKS} == {page.stem for page in PAGES.glob("*.md")} - {"README"}
    agents = {path.stem for path in (ROOT / "tests/frameworks/agents").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in FRAMEWORKS} == agents


@pytest.mark.parametrize(
    ("framework", "mode"), [(name, mode) for name, one in FRAMEWORKS.items() for mode in one.modes if mode != "alone"]
)
def test_the_code_of_a_page_is_python_and_uses_streamkit(framework: str, mode: str) -> None:
    play = pytest.importorskip("frameworks.play", exc_type=ImportError)
    assert "streamkit" in {
        name.split(".")[0]
        for node in ast.walk(ast.parse(play.code_of(framework, mode)))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [])
    }


def asked(*ids: str) -> list[Asked]:
    calls = [{"id": one} for one in ids]
    results = [{"role": "tool", "tool_call_id": one} for one in ids]
    return [Asked("/", {}, {"messages": [{"role": "assistant", "tool_calls": calls}, *results]})]


def test_both_tools_their_ids_and_the_second_answer_are_right_in_any_order() -> None:
    get_time("Asia/Tōkyō")
    get_weather("Zürich")
    assert wrong(BY_NAME["tools"], Seen("Done."), None, asked("a", "b")) is None
    assert "ids ['a', 'a'], of the results ['a', 'a']" == wrong(BY_NAME["tools"], Seen("Done."), None, asked("a", "a"))
    assert "no text, silently" == wrong(BY_NAME["tools"], Seen(""), None, asked("a", "b"))


def test_calls_that_were_not_run_are_named() -> None:
    assert "no call, silently" == wrong(BY_NAME["tools"], Seen("Done."), None, [])
    get_weather("Zürich")
    assert """ran [('get_weather', '{"city": "Zürich"}')]""" == wrong(BY_NAME["tools"], Seen("Done."), None, [])


@pytest.mark.parametrize("name", ["truncated", "truncated_tools", "reset", "length_in_args", "error", "error_first"])
def test_what_must_not_pass_for_whole_is_right_where_anything_raises(name: str) -> None:
    assert wrong(BY_NAME[name], None, ValueError("broke off"), []) is None
    assert "silent: ran 0 calls, then 'Done.'" == wrong(BY_NAME[name], Seen("Done."), None, [])
    assert "does not end: 0 requests" == wrong(BY_NAME[name], None, TookTooLong(), [])


def test_a_refusal_is_right_as_text_or_in_the_words_of_an_error() -> None:
    refusal = BY_NAME["refusal"]
    assert wrong(refusal, Seen("Das lehne ich ab."), None, []) is None
    assert wrong(refusal, None, ValueError("refused: Das lehne ich ab."), []) is None
    assert "raises ValueError: no" == wrong(refusal, None, ValueError("no"), [])


def row(mode: str = "transport", **found: str) -> Row:
    return Row("openai", mode, {one.name: found.get(one.name) for one in SCENARIOS}, {"openai": "3.57.0"})


def test_a_row_misses_its_goal_by_what_is_silent_or_by_a_call_or_by_number() -> None:
    assert [] == row(custom="raises X", n2="text", bom="text").missed
    assert ["reset: silent", "tools_no_index: no call"] == row(reset="silent", tools_no_index="no call").missed
    assert ["30 of 34 right, not 31"] == row(custom="x", n2="x", bom="x", refusal="x").missed


@pytest.mark.parametrize("written", ["", '{"scenario":"text","wrong":null}\n', "Traceback"])
def test_a_framework_that_does_not_run_to_the_end_misses_its_goal_and_is_not_kept(written: str, tmp_path: Path) -> None:
    result = tmp_path / "openai.alone.jsonl"
    result.write_text(written, "utf-8")
    assert ["does not run"] == read("openai", "alone", result).missed
    assert not result.exists()


def test_a_result_that_is_kept_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "HOME", tmp_path)
    (tmp_path / "rows").mkdir()
    for mode in ("alone", "transport"):
        lines = ['{"scenario":"text","wrong":null}', '{"versions":{"openai":"3.57.0"}}']
        (tmp_path / "rows" / f"openai.{mode}.jsonl").write_text("\n".join(lines), "utf-8")
    assert [("alone", 1), ("transport", 1)] == [(row.mode, row.right) for row in rows(["openai"], kept=True)]


def test_the_matrix_stands_after_its_mark(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"# Head\n\n{matrix.MARK}old", "utf-8")
    into(page, table([row("alone", bom="text 'a|b'"), row(custom="raises X")]))
    text = page.read_text("utf-8")
    assert text.startswith(f"# Head\n\n{matrix.MARK}\n| framework")
    assert "| [openai](openai.md) | openai 3.57.0 | 33 of 34 | 33 of 34 | `custom`: raises X |" in text
    assert "| bom | s + |" in text
    assert "old" not in text


def test_a_page_without_the_mark_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Head\n", "utf-8")
    with pytest.raises(SystemExit, match="has no line <!--"):
        into(page, "")
