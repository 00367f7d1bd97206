"""What the pages of this repository name is there, and the command that counts the house counts right."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helpers.rows import logs

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "AGENTS.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md", "traces/README.md"]
SITE = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
PAGES += SITE
# Pages whose examples are not programs for this process: files of a test suite, and frameworks in environments of theirs.
RUN_ELSEWHERE = {
    "docs/test-your-agent.md": "tests/pytest_plugin/test_pytest_plugin_docs.py",
    **{page: "tests/test_frameworks.py" for page in SITE if page.startswith("docs/frameworks/")},
}
del RUN_ELSEWHERE["docs/frameworks/openai.md"]
# What examples import that is not everywhere.
CLIENTS = "httpx httpx2 openai pyarrow duckdb polars daft ray pyspark pydantic starlette".split()
SCRIPTS = [
    path.relative_to(ROOT).as_posix()
    for folder in ("benches", "docs", "examples", "traces")
    for path in sorted((ROOT / folder).glob("*.py"))
]


# What these name under tests/ and traces/ is in the reader's own project.
OF_READERS = {"docs/command-line.md", "docs/test-your-agent.md"}


@pytest.mark.parametrize("page", [page for page in PAGES + SCRIPTS if page not in OF_READERS])
def test_every_file_that_a_page_or_a_script_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w./])(?:src|tests|typing_tests|benches|docs|traces|examples)/[\w./*-]*\w", text)
    assert [] == sorted({name for name in named if not any(ROOT.glob(name))})


@pytest.mark.parametrize("page", PAGES + SCRIPTS)
def test_every_name_of_streamkit_that_a_page_or_a_script_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w./-])streamkit((?:\.\w+)+)(?!\w*/)", text)
    assert [] == sorted({name for name in named if not is_there(name.removeprefix("."))})


class Step(NamedTuple):
    """One example of a page, and what the page says that it prints, if it says so."""

    code: str
    printed: str | None


def programs_of(page: str) -> list[list[Step]]:
    """The programs of a page: an example that imports something begins one, any other continues the one before it."""
    found: list[list[Step]] = []
    pattern = r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?"
    for code, printed in re.findall(pattern, page, re.DOTALL | re.MULTILINE):
        if not found or re.search(r"^(import|from) ", code, re.MULTILINE):
            found.append([])
        found[-1].append(Step(code, printed or None))
    return found


def examples() -> list[Any]:
    # What an engine of that page warns of is its own affair.
    theirs = {"docs/corpora.md": [pytest.mark.filterwarnings("default")]}
    return [
        pytest.param(page, program, id=f"{page}-{number}", marks=theirs.get(page, ()))
        for page in SITE
        if page not in RUN_ELSEWHERE
        for number, program in enumerate(programs_of((ROOT / page).read_text("utf-8")), 1)
    ]


# An example whose own mistake is made an outcome prints that and runs: only a page that shows such an ending may have it.
BAD_ENDING = re.compile(r"\b(failed|truncated|source_error)\b")


@pytest.mark.parametrize(("page", "program"), examples())
def test_every_example_of_a_page_runs_and_prints_what_the_page_says(
    page: str, program: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "".join(step.code for step in program)
    for client in CLIENTS:
        if re.search(rf"^(import|from) {client}\b", code, re.MULTILINE):
            pytest.importorskip(client, exc_type=ImportError)
    if "streamkit.gateway" in code:
        pytest.importorskip("streamkit.gateway", exc_type=ImportError)
    if "RedisStore" in code:
        pytest.importorskip("redis", exc_type=ImportError)
    if ".completions.stream(" in code:  # `client.beta` had it in older versions
        completions = pytest.importorskip("openai.resources.chat.completions", exc_type=ImportError).Completions
        if not hasattr(completions, "stream"):
            pytest.skip("this version of openai has no chat.completions.stream")
    if "except openai.APIConnectionError" in code and int(pytest.importorskip("openai").__version__.split(".")[0]) < 3:
        pytest.skip("this version of openai lets the error of its HTTP client through")
    if re.search(r"TraceServer|RecordingProxy|create_app", code):  # the extras `serve` and `gateway`
        pytest.importorskip("uvicorn")
        pytest.importorskip("httpx2")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traces").symlink_to(ROOT / "traces")
    if page == "docs/corpora.md":  # which speaks of a file of logs
        pytest.importorskip("pyarrow")
        monkeypatch.chdir(logs(tmp_path).parent)
        monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    names: dict[str, Any] = {"__name__": "example"}
    everything = ""
    for step in program:
        exec(compile(step.code, page, "exec"), names)
        out = capsys.readouterr().out
        assert step.printed is None or step.printed == out
        if page != "docs/corpora.md":  # which counts the outcomes of many streams
            assert step.printed is not None or not BAD_ENDING.search(out), "say on the page what is printed here"
        everything += out
    assert everything


def test_examples_that_run_elsewhere_are_run_there() -> None:
    assert [] == [
        page for page, test in RUN_ELSEWHERE.items() if not (ROOT / page).exists() or not (ROOT / test).exists()
    ]


def test_an_example_without_imports_continues_the_one_before_it() -> None:
    page = "```python\nimport a\n```\n\n```python\nb\n```\n\n```text\nprinted\n```\n\n```python\nfrom c import d\n```\n"
    assert [[("import a\n", None), ("b\n", "printed\n")], [("from c import d\n", None)]] == programs_of(page)


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
