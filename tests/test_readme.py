"""The examples of the README run, and the files that it names are there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamkit.trace import read_trace

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BLOCKS = [block.data for block in read_trace(ROOT / "traces/llama.cpp/plain.trace.jsonl").blocks]


class Client:
    """What the examples call `client`: it answers every request with a recorded stream."""

    @contextlib.contextmanager
    def stream(self, method: str, url: str, json: Any) -> Iterator[Iterator[bytes]]:
        yield iter(BLOCKS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0][:40])
def test_an_example_runs(example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    ran: list[Any] = []
    names = {"blocks": BLOCKS, "client": Client(), "url": "http://sender", "request": {}, "run": ran.append}
    exec(compile("import time, streamkit\n" + example, "README.md", "exec"), names)
    response = names.get("response") or names["stream"].response
    assert response.choices[0].finish_reason is not None
    assert capsys.readouterr().out


def test_every_file_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"\]\(([^)#:]+)\)", README)) | set(re.findall(r"(?:tests|traces)/[\w./-]+", README))
    assert [] == sorted(name for name in named if not (ROOT / name).exists())
