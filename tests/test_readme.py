"""The examples of the README run, its links lead somewhere, and its numbers are those that the repository shows."""

from __future__ import annotations

import contextlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import streamkit
from helpers.loopback import Loopback
from streamkit.testing import FakeSource
from streamkit.trace import read_trace

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"\s+", " ", README)
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BLOCKS = [block.data for block in read_trace(ROOT / "traces/llama.cpp/plain.trace.jsonl").blocks]
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
FILES = URLS["Homepage"] + "/blob/main/"
SECTION = r"### {}\n.*?(?=\n### )"  # of docs/performance.md


class Client:
    """What the examples call `client`: it answers every request with a recorded stream."""

    def __init__(self, *sources: Any) -> None:
        self._sources = iter(sources)

    @contextlib.contextmanager
    def stream(self, method: str, url: str, json: Any) -> Iterator[Any]:
        yield next(self._sources)


def run_example(example: str, blocks: list[bytes], folder: Path, client: Client | None = None) -> dict[str, Any]:
    """Run an example over `blocks`; return its names."""
    if "import httpx" in example:
        pytest.importorskip("httpx")
    ran: list[Any] = []
    names: dict[str, Any] = {"blocks": blocks, "client": client or Client(iter(blocks)), "request": {}}
    names |= {"run": ran.append, "folder": folder}
    with Loopback(body=b"".join(blocks)) as server:
        names["url"] = server.url
        exec(compile("import time, streamkit\n" + example, "README.md", "exec"), names)
    return names


example_of_each = pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@example_of_each
def test_an_example_runs(example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_example(example, BLOCKS, tmp_path)
    assert capsys.readouterr().out
    stream = names.get("stream")
    if stream is not None and "break" in example:
        assert "cancelled" == stream.outcome.name
    elif stream is not None and "faults=" in example:
        assert "truncated" == stream.outcome.name
    else:
        response = names.get("response") or names["stream"].response
        assert response.choices[0].finish_reason is not None


@example_of_each
def test_an_example_survives_a_stream_that_breaks_off(
    example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed: streamkit.StreamError | None = None
    try:
        run_example(example, BLOCKS[: len(BLOCKS) // 2], tmp_path)
    except streamkit.StreamError as error:
        failed = error
    if failed is not None:  # an example that shows no handling raises what has a handler's facts
        assert "except" not in example
        assert failed.partial is not None
        assert failed.partial.choices
    assert capsys.readouterr().out


def test_the_example_of_a_retry_asks_again_where_nothing_was_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = (one for one in EXAMPLES if "def ask(" in one)
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    lost = FakeSource([], fail=ConnectionResetError("reset"))
    busy = FakeSource([b'{"error":{"message":"slow down"}}'], status=429)
    response = run_example(example, BLOCKS, tmp_path, Client(lost, busy, BLOCKS))["response"]
    assert (streamkit.reassemble(BLOCKS), [2, 4]) == (response, waits)
    refused = FakeSource([b'{"error":{"message":"no such model"}}'], status=400)
    assert run_example(example, BLOCKS, tmp_path, Client(refused))["response"] is None
    assert "[bad_request, attempt 1]" in capsys.readouterr().out


def test_the_picture_of_the_events_has_every_event() -> None:
    (picture,) = re.findall(r"```\n(ChoiceStarted.*?)```", README, re.DOTALL)
    named = set(re.findall(r"\b[A-Z]\w+\b", picture))
    for part in re.findall(r"\b([A-Z]\w+)…,? ", picture):
        named = named - {part} | {part + step for step in ("Started", "Delta", "Done")}
    assert {name for name in streamkit.events.__all__ if name[0].isupper()} - {
        "Event",
        "TEXT_DELTAS",
        "TEXT_PARTS",
    } == named


def test_the_first_example_is_a_live_request_of_five_lines() -> None:
    first = [line for line in EXAMPLES[0].splitlines() if line]
    assert (5, "import httpx, streamkit") == (len(first), first[0])


def test_every_file_that_the_readme_names_is_there() -> None:
    linked = {link.removeprefix(FILES) for link in links() if link.startswith(FILES)}
    named = set(re.findall(r"(?:tests|traces|docs|examples)/[\w./*-]+", README))
    assert {"LICENSE", "docs/anomalies.md"} <= linked
    assert [] == sorted(name for name in linked | named if not any(ROOT.glob(name.rstrip("."))))


def test_every_link_is_absolute_since_the_readme_is_shown_on_pypi_too() -> None:
    assert [] == [link for link in links() if not link.startswith("https://")]
    assert [] == [link for link in links() if link.startswith(URLS["Homepage"]) and not link.startswith(FILES)]
    assert set(re.findall(r"\]\[([\w-]+)\]", README)) == set(re.findall(r"^\[([\w-]+)\]: ", README, re.MULTILINE))


def links() -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"^\[[\w-]+\]: (\S+)$", README, re.MULTILINE)


def test_the_urls_of_the_project_name_files_that_are_there() -> None:
    assert {"Homepage", "Documentation", "Changelog", "Issues"} == set(URLS)
    assert all(url.startswith(URLS["Homepage"]) for url in URLS.values())
    paths = {url.partition("/main/")[2] for url in URLS.values()}
    assert {"", "CHANGELOG.md", "docs"} == paths
    assert [] == [path for path in paths if not (ROOT / path).exists()]


# --- numbers


def number(pattern: str) -> int:
    """The number in the README where `pattern` has its group."""
    (found,) = set(re.findall(pattern, PROSE))
    return int(found.replace(",", ""))


def test_as_many_shapes_of_senders_have_a_test_as_the_readme_says() -> None:
    files = sorted((ROOT / "tests").glob("test_wire*.py"))
    shapes = {
        int(n) for file in files for n in re.findall(r"^def test_(\d{3})_", file.read_text("utf-8"), re.MULTILINE)
    }
    assert set(range(1, number(r"Each of ([\d,]+) shapes") + 1)) == shapes


def test_the_recorded_streams_are_of_as_many_senders_as_the_readme_says() -> None:
    senders = {read_trace(path).sender for path in (ROOT / "traces").glob("*/*.trace.jsonl")}
    assert 5 == len(senders)
    assert "recorded streams of five senders" in PROSE


def test_it_is_at_least_as_many_times_as_fast_as_the_readme_says() -> None:
    page = (ROOT / "docs/performance.md").read_text("utf-8")
    chunks = re.search(r"by turns, ([\d,]+) chunks a stream", page)
    assert chunks is not None
    assert number(r"on streams of ([\d,]+) chunks") == int(chunks[1].replace(",", ""))
    assert number(r"At least (\d+) times as fast as openai-python") <= min(ratios(page, "shapes", ".*?"))
    assert number(r"and (\d+) times in the median on") <= min(ratios(page, "recorded", "traces: median ratio .*?"))


def ratios(page: str, section: str, figure: str) -> list[float]:
    """The measured ratios of those figures of a section of docs/performance.md."""
    part = re.search(SECTION.format(section), page, re.DOTALL)
    assert part is not None
    return [float(n.replace(",", "")) for n in re.findall(rf"^\| {figure} \| ([\d.,]+) × \|", part[0], re.MULTILINE)]


def test_a_body_is_drained_for_as_long_as_the_readme_says() -> None:
    assert f"`grace={inspect.signature(streamkit.ChatStream).parameters['grace'].default}` seconds" in PROSE
