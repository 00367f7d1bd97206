"""What pytest loads at its start for streamkit: options, a marker, two fixtures; all else is loaded by the first test that uses it.

It stands beside the package, not in it, for the reason for which Hypothesis does that: importing `streamkit.anything` imports
`streamkit`, which takes 50 ms, and which coverage tools, that start later, would then report as never run.

In: pytest's hooks. Out: calls of `streamkit.pytest_plugin`, for tests with the marker `trace` or one of the fixtures. Costs
1 ms at the start, and a look at the markers of each test.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

_MODES = ("none", "once", "new_episodes", "rewrite", "verify", "off")
_MARKER = (
    "trace(directory, *, mode, match, ignore, repeat, speed, faults, unplayed, max_age, let_through, scrub, keep_headers):"
    " record what httpx and httpx2 send into a directory, or play it from there (streamkit)"
)
_INI = (
    ("streamkit_mode", "string", "how tests with the marker `trace` run: " + ", ".join(_MODES)),
    ("streamkit_traces", "string", "the directory of all traces; by default `traces` beside each test file"),
    ("streamkit_ignore", "linelist", "JSON paths of request bodies that are not compared ($.seed)"),
    (
        "streamkit_let_through",
        "linelist",
        "hosts (127.0.0.1:8000, *.example.com) that are neither recorded nor blocked",
    ),
    ("streamkit_unplayed", "string", "where a test leaves recordings unplayed: fail, warn or ignore"),
    ("streamkit_max_age", "string", "the age of recordings above which tests warn (30d) or fail (30d fail)"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("streamkit", "recorded streams (streamkit)")
    group.addoption(
        "--streamkit",
        metavar="MODE",
        choices=_MODES,
        help="how tests with the marker `trace` run: none (the default: play, never connect), once (record where nothing is"
        " recorded yet), new_episodes (record what cannot be played), rewrite, verify (send, and compare shapes), off",
    )
    group.addoption(
        "--streamkit-orphans",
        action="store_true",
        help="list the traces that no collected test uses (--collect-only too)",
    )
    for name, kind, words in _INI:
        parser.addini(name, words, type=kind)  # type: ignore[arg-type]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


def _plugin() -> Any:
    import streamkit.pytest_plugin

    return streamkit.pytest_plugin


def _uses(item: pytest.Item) -> bool:
    if item.get_closest_marker("trace") is not None:
        return True
    names = getattr(item, "fixturenames", ())
    return "traces" in names or "trace_server" in names


@pytest.hookimpl(tryfirst=True)  # before the fixtures are set up
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _uses(item):
        _plugin().begin(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    try:
        result = yield
    except BaseException as error:  # what it raises is the test's own, and there is nothing to add to that
        if _uses(item) and not item.config.getoption("fulltrace"):
            _plugin().shorten(error)
        raise
    if _uses(item):
        _plugin().check(item)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    try:
        return (yield)
    finally:
        if _uses(item):
            _plugin().end(item)


@pytest.fixture
def traces(request: pytest.FixtureRequest) -> Any:
    """The run of this test: requests, responses, replays, recorded, unplayed, misses; `faults` may be set."""
    return _plugin().run_of(request.node)


@pytest.fixture
def trace_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server with the traces of this test; OPENAI_BASE_URL and its like name it for programs of any language."""
    yield from _plugin().serve(request.node, monkeypatch)


# --- orphans


@pytest.hookimpl(tryfirst=True)  # before others deselect
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--streamkit-orphans"):
        found = _plugin().orphans(config, [item for item in items if _uses(item)])
        if hasattr(config, "workeroutput"):  # a worker of xdist
            config.workeroutput["streamkit_orphans"] = found
        config.stash[_ORPHANS] = found


_ORPHANS = pytest.StashKey[list[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    found = getattr(node, "workeroutput", {}).get("streamkit_orphans")
    if found is not None:
        node.config.stash[_ORPHANS] = found


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--streamkit-orphans"):
        found = config.stash.get(_ORPHANS, [])
        terminalreporter.section("traces that no test uses")
        for path in found:
            terminalreporter.write_line(path)
        terminalreporter.write_line(f"{len(found)} of them" if found else "none")
