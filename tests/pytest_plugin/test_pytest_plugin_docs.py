"""The how-to, step by step: its agent, its test, recorded from a sender on loopback, then played with that gone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from helpers.sender import Answer, Sender, said
from helpers.wire import DONE, delta, sse

PAGE = (Path(__file__).parents[2] / "docs" / "test-your-agent.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def model(body: dict[str, Any], number: int) -> Answer:
    """Ask for the weather first, then say what it is."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return said(f"Yes, it has {last['content']}.")
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    pieces = [{**call}, *({"index": 0, "function": {"arguments": one}} for one in ('{"city": ', '"Paris"}'))]
    blocks = [sse(delta(json.dumps({"tool_calls": [piece]}))) for piece in pieces]
    return Answer((*blocks, sse(delta("{}", "tool_calls")), DONE))


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    pytest.importorskip("openai")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("STREAMKIT_MODE", "STREAMKIT_TRACES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.syspath_prepend(pytester.path)
    agent, test = EXAMPLES[:2]
    pytester.makepyfile(agent=agent, test_agent=test)
    return pytester


def run(folder: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return folder.runpytest_inprocess("-p", "_streamkit_pytest", "-p", "no:cacheprovider", *arguments)


def test_the_how_to_ends_with_a_test_that_passes(folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sender(model) as sender:
        monkeypatch.setenv("OPENAI_BASE_URL", sender.url)
        run(folder, "--streamkit=once").assert_outcomes(passed=1)
        assert 2 == len(sender.requests)
    recorded = sorted(
        path.name[:4] for path in (folder.path / "traces/test_agent/test_it_asks_for_the_weather").iterdir()
    )
    assert ["001-", "002-"] == recorded

    monkeypatch.delenv("OPENAI_BASE_URL")  # from here on there is nobody to ask
    run(folder).assert_outcomes(passed=1)

    agent_test = folder.path / "test_agent.py"
    before = agent_test.read_text()
    agent_test.write_text(before.replace("Is it warm", "Is it hot"))
    result = run(folder)
    result.assert_outcomes(failed=1)
    said_by_page = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert said_by_page is not None
    for line in said_by_page[1].splitlines():
        pattern = re.sub(r"001-\w{8}", "001-*", line.replace("in traces/", "in */traces/")).replace("[", "[[]").strip()
        result.stdout.fnmatch_lines([f"*{pattern}*"])

    agent_test.write_text(f"{before}\n{EXAMPLES[3]}")
    run(folder).assert_outcomes(passed=4)


def test_the_markers_of_the_how_to_are_taken(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_agent=EXAMPLES[2])
    run(folder).assert_outcomes(passed=3)


def test_the_block_of_the_how_to_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("httpx")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="nothing was recorded"):
        exec(compile(EXAMPLES[4], "test-your-agent.md", "exec"), {"__name__": "example"})
    assert "once 0\n" == capsys.readouterr().out
    assert 5 == len(EXAMPLES)
