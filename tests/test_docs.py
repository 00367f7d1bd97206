"""What the pages of this repository name is there, and the command that counts the house counts right."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.rows import logs

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "AGENTS.md", "CHANGELOG.md", "docs/performance.md", "docs/guarantees.md", "traces/README.md"]
HOW_TO = [
    "docs/install.md",
    "docs/senders.md",
    "docs/record-and-replay.md",
    "docs/frameworks/openai.md",
    "docs/corpora.md",
]
PAGES += HOW_TO
PAGES += [f"docs/frameworks/{path.name}" for path in sorted((ROOT / "docs/frameworks").glob("*.md"))]
PAGES = list(dict.fromkeys(PAGES))
SCRIPTS = [
    path.relative_to(ROOT).as_posix()
    for folder in ("benches", "docs", "examples", "traces")
    for path in sorted((ROOT / folder).glob("*.py"))
]


@pytest.mark.parametrize("page", PAGES + SCRIPTS)
def test_every_file_that_a_page_or_a_script_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w./])(?:src|tests|typing_tests|benches|docs|traces|examples)/[\w./*-]*\w", text)
    assert [] == sorted({name for name in named if not any(ROOT.glob(name))})


@pytest.mark.parametrize("page", PAGES + SCRIPTS)
def test_every_name_of_streamkit_that_a_page_or_a_script_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w./-])streamkit((?:\.\w+)+)(?!\w*/)", text)
    assert [] == sorted({name for name in named if not is_there(name.removeprefix("."))})


def examples() -> list[Any]:
    found = [
        (page, example)
        for page in HOW_TO
        for example in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    ]
    # What an engine of that page warns of is its own affair.
    theirs = {"docs/corpora.md": [pytest.mark.filterwarnings("default")]}
    return [
        pytest.param(page, example, id=f"{page}-{number}", marks=theirs.get(page, ()))
        for number, (page, example) in enumerate(found, 1)
    ]


@pytest.mark.parametrize(("page", "example"), examples())
def test_every_example_of_a_how_to_runs(
    page: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for client in ("httpx", "openai", "pyarrow", "duckdb", "polars", "daft", "ray", "pyspark"):
        if re.search(rf"^(import|from) {client}\b", example, re.MULTILINE):
            pytest.importorskip(client, exc_type=ImportError)
    if ".completions.stream(" in example:  # `client.beta` had it in older versions
        completions = pytest.importorskip("openai.resources.chat.completions", exc_type=ImportError).Completions
        if not hasattr(completions, "stream"):
            pytest.skip("this version of openai has no chat.completions.stream")
    if re.search(r"TraceServer|RecordingProxy", example):  # the extra `serve`
        pytest.importorskip("uvicorn")
        pytest.importorskip("httpx2")
    monkeypatch.chdir(ROOT)
    if page == "docs/corpora.md":  # which speaks of a file of logs
        pytest.importorskip("pyarrow")
        (tmp_path / "traces").symlink_to(ROOT / "traces")
        monkeypatch.chdir(logs(tmp_path).parent)
        monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    exec(compile(example, page, "exec"), {"__name__": "example"})
    assert capsys.readouterr().out


def is_there(name: str) -> bool:
    """Whether `types.Usage` can be had from streamkit, by importing what is a module and looking up what is not."""
    value: object = importlib.import_module("streamkit")
    path = "streamkit"
    for part in name.split("."):
        path += f".{part}"
        try:
            value = importlib.import_module(path)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("streamkit"):  # of an extra that is not installed
                return True
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        except ImportError:  # a module of ours whose extra is not installed: no more can be said
            return True
    return True


def test_the_house_is_counted(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from .low import x\nfrom ._high import y\n",
        "low.py": "import json\n",
        "_high/__init__.py": "",
        "_high/top.py": "from __future__ import annotations\nfrom .. import low\n\ndef f():\n    from .middle import g\n",
        "_high/middle.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .top import f\nfrom ..low import x\n",
    }
    for name, text in files.items():
        path = tmp_path / "streamkit" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    counted = count_house(tmp_path)
    assert {
        "modules": 5,
        "packages": 2,
        "modules straight in streamkit/": 2,
        "public paths": 2,
        "boxes": 2,
        "arrows between modules": 3,
        "arrows between boxes": 1,
        "pairs of boxes that import each other": 0,
        "levels of boxes": 2,
        "lines": 12,
        "lines of the median module": 2,
        "lines of the longest module": 5,
    } == counted


def test_what_holds_no_house_is_refused_with_what_to_name(tmp_path: Path) -> None:
    refused = run(tmp_path)
    assert (2, "") == (refused.returncode, refused.stdout)
    assert "holds no package streamkit: name the src folder of a checkout" in refused.stderr


def count_house(src: Path) -> dict[str, int]:
    rows = [line.strip("| ").split(" | ") for line in run(src).stdout.splitlines()[2:]]
    return {name: int(number.replace(",", "")) for name, number in rows}


def run(*args: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docs/count_house.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def check_words() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        yield importlib.import_module("check_words")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (["behind"], "what follows behind the end"),
        ([], "what follows `behind` the end"),
        (["was given"], "whatever was\n   given to it"),
        (["tell"], "to tell how it ended"),
        ([], "to tell one from the other apart"),
        (["is no"], "this is no stream"),
        ([], "there is no stream, and it is no longer one"),
        ([], "after the end, like a standard says"),
    ],
)
def test_a_word_to_avoid_is_found_in_prose_and_not_in_code(check_words: Any, found: list[str], text: str) -> None:
    assert found == [word for _, word, _ in check_words.Words().finds(text)]


def test_a_word_to_avoid_is_reported_with_its_line(check_words: Any) -> None:
    assert [5] == [line for line, _, _ in check_words.Words().finds("one\n two  three\n\nfour is\n no stream", 1)]


def test_comments_docstrings_and_messages_are_prose_and_other_text_is_not(check_words: Any) -> None:
    source = '# one comment\n# in two lines\n\ndef f():\n    """The value of it."""\n    raise ValueError("no such thing", "a b")\n'
    expected = [(1, "one comment\nin two lines", False), (5, "The value of it.", True), (6, "no such thing", False)]
    assert expected == list(check_words.prose_of_python(source, ["The"]))


def test_a_page_without_its_code_has_as_many_lines(check_words: Any) -> None:
    page = "Text [here](https://x.y)\n\n```\nstood behind\n```\n\n    told\n\n[a]: https://behind\nEnd\n"
    prose = check_words.prose_of_markdown(page)
    assert "Text [here] ] End".split() == prose.split()
    assert page.count("\n") == prose.count("\n")
