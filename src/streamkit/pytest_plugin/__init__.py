"""Tests with recorded streams: what `_streamkit_pytest`, which pytest loads, calls for a test with the marker `trace`.

In: a test. Out: a run of its session for the time of the test, from the setup of its fixtures to their teardown; a failure of
the test where recordings were left unplayed, have changed (mode verify) or are too old. Costs nothing in other tests.

Rule 1  What the command line says counts before the environment, then the marker nearest to the test, then the ini file.
Rule 2  Without `directory` a session is named after the test: `traces/<module>/<Class>/<test>` beside its file.
Rule 3  Where a test never sends (mode none, or once with recordings), no connection but to loopback can be made (`_guard`).
Rule 4  Only a test that passed is checked: one that failed has something better to say.
Rule 5  pytest finds the plugin by its entry point. `-p streamkit.pytest_plugin`, or that name in `pytest_plugins`, loads it
        where there is none (PYTEST_DISABLE_PLUGIN_AUTOLOAD, a checkout that is not installed), and does nothing elsewhere.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs
import pytest

from .. import RecordingWarning, SessionRun, StreamError, TraceChangedError, TraceMissError, recording
from ._guard import NetworkGuard
from ._settings import Settings, folder_of, too_old

__all__ = ("begin", "check", "end", "orphans", "run_of", "serve", "shorten")


@attrs.define
class _State:
    """What belongs to one test while it runs."""

    settings: Settings
    block: Any
    run: SessionRun
    guard: NetworkGuard | None
    passed: bool = False


_OURS = (str(Path(__file__).parents[1]) + os.sep, "_streamkit_pytest.py")
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))

_STATE = pytest.StashKey[_State]()


_ENTRY_POINT = "streamkit"  # in pyproject.toml: pytest passes over an entry point whose name is taken


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin: this module was named as one (rule 5)."""
    plugin = import_module("_streamkit_pytest")
    if not pluginmanager.is_registered(plugin):
        pluginmanager.register(plugin, _ENTRY_POINT)


def begin(item: pytest.Item) -> None:
    """Start the run of a test, before its fixtures are set up."""
    wrong = ""
    try:
        settings = Settings.of(item)
        block = recording(
            settings.directory, mode=settings.mode, command=settings.command, everywhere=True, **settings.options
        )
        run = block.__enter__()
    except StreamError as error:
        wrong = str(error)
    if wrong:  # here, where no other exception is shown beside it
        pytest.fail(f"the marker trace, or a setting of streamkit: {wrong}", pytrace=False)
    guard = None
    if settings.mode == "none" or (settings.mode == "once" and run.session.exchanges):
        guard = NetworkGuard(settings.let_through)
        guard.start()
    item.stash[_STATE] = _State(settings, block, run, guard)


def check(item: pytest.Item) -> None:
    """Fail a test that passed, but left recordings unplayed, met answers of another shape, or uses recordings too old."""
    state = item.stash.get(_STATE, None)
    if state is None:
        return
    run, settings = state.run, state.settings
    changed = ""
    try:
        run.check()
    except TraceChangedError as error:
        changed = str(error)
    if changed:
        pytest.fail(changed, pytrace=False)
    if run.unplayed:
        _complain(
            settings.unplayed,
            f"no request of this test asked for {', '.join(run.unplayed)} in {run.session.path}\n  to record the session anew:"
            f' {settings.command.replace("new_episodes", "rewrite")}\n  or say trace(unplayed="ignore")',
        )
    if settings.max_age is not None and settings.mode not in ("rewrite", "off"):
        old = too_old(run.session.exchanges, settings.max_age)
        if old:
            _complain(settings.max_age_means, f"recordings older than {settings.max_age.days} days: {', '.join(old)}")
    state.passed = True


def shorten(error: BaseException) -> None:
    """Leave the frames of installed packages out of the traceback of a miss, between the test's code and the message: an
    SDK has twenty of them, of 100 lines. `--full-trace` shows them."""
    if not isinstance(error, TraceMissError):
        return
    kept: list[TracebackType] = []
    frame = error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if not any(one in name for one in (*_OURS, *_INSTALLED)):
            kept.append(frame)
        frame = frame.tb_next
    shortened: TracebackType | None = None
    for one in reversed(kept):
        shortened = TracebackType(shortened, one.tb_frame, one.tb_lasti, one.tb_lineno)
    error.__traceback__ = shortened or error.__traceback__  # nothing is left of a test that is installed itself


def end(item: pytest.Item) -> None:
    """End the run of a test, after its fixtures were torn down."""
    state = item.stash.get(_STATE, None)
    if state is None:
        return
    del item.stash[_STATE]
    if state.guard is not None:
        state.guard.stop()
        if state.guard.blocked:
            item.add_report_section("teardown", "streamkit", "blocked connections: " + ", ".join(state.guard.blocked))
    state.block.close(failed=not state.passed or state.run.mode == "verify")


def _complain(how: str, text: str) -> None:
    if how == "fail":
        pytest.fail(text, pytrace=False)
    elif how == "warn":
        warnings.warn(text, RecordingWarning, stacklevel=2)


def run_of(item: pytest.Item) -> SessionRun:
    """Return the run of a test."""
    return item.stash[_STATE].run


def serve(item: pytest.Item, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a server with the traces of a test, and name it in the environment."""
    trace_server: Any = import_module("streamkit").TraceServer
    state = item.stash[_STATE]
    folder = state.run.session.path
    how = f"to record it: streamkit record --upstream URL {folder} -- COMMAND"
    if state.run.mode in ("rewrite", "verify", "new_episodes"):
        pytest.fail(
            f"trace_server plays what is recorded, and the mode is {state.run.mode}\n  {how}\n  --streamkit=none plays it",
            pytrace=False,
        )
    if not state.run.session.exchanges:
        pytest.fail(f"trace_server has nothing to play: there is no recording in {folder}\n  {how}", pytrace=False)
    with trace_server(state.run.session, speed=state.settings.options["speed"]) as server:
        state.run.let_through(server.url.partition("//")[2])
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
            if name not in os.environ:
                monkeypatch.setenv(name, "any")
        yield server


def orphans(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Return the paths of traces below the directories of `items` that belong to no session of theirs."""
    sessions, roots = set(), set()
    for item in items:
        directory, root = folder_of(item)
        sessions.add(directory)
        roots.add(root)
    found = {
        path
        for root in roots
        for path in root.rglob("*.trace.jsonl*")
        if path.parent not in sessions and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    return sorted(_shown(path, config.rootpath) for path in found)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
