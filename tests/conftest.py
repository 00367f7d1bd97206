"""How many examples and cases a run looks at (helpers/tier.py), the end of a test that hangs, and tests on trio where that is not
installed."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from helpers import tier
from helpers.loopback import PATIENCE

tier.load()

pytest_plugins = ["pytester"]  # runs of pytest in a test of our plugin for it


HANGS = 900  # seconds for one test; none takes a tenth of that, also on a loaded machine
_stderr: list[int] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick(most): how many of its parameters the quick tier of this test looks at")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        _stderr.append(os.dup(2))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """End a process in which a test hangs, with the stacks of its threads: xdist names the test and goes on without it."""
    faulthandler.dump_traceback_later(HANGS * max(1, int(tier.FACTOR)), exit=True, file=_stderr[0])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the end of a body after `[DONE]` for a minute, not for `GRACE`: for tests whose bodies end, and which ask whether
    that was seen. A tenth of a second is nothing to a loaded machine."""
    from streamkit import recording
    from streamkit._clean import written
    from streamkit.sources import AsyncBlocks, Blocks

    for module in (written, import_module("streamkit._live.reassemble")):
        monkeypatch.setattr(module, "GRACE", PATIENCE)
    functions: list[Any] = [Blocks.drain, Blocks.finish, AsyncBlocks.drain, AsyncBlocks.finish]
    for function in functions:
        monkeypatch.setattr(function, "__defaults__", (PATIENCE, None))
    if (openai := sys.modules.get("openai._streaming_cleanup")) is not None:
        monkeypatch.setattr(openai, "_DRAIN_TIMEOUT", PATIENCE, raising=False)  # its own tenth of a second
    monkeypatch.setattr(recording, "__kwdefaults__", {**(recording.__kwdefaults__ or {}), "grace": PATIENCE})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` means: half as many again as cores, since tests wait for sockets and processes."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


@pytest.hookimpl(trylast=True)  # after -k and -m, so that a case that was asked for by name is not among those left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _skip_trio(items)
    left_out = tier.left_out(items)
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def _skip_trio(items: list[pytest.Item]) -> None:
    """Skip each test with "trio" among its parameters if trio is not installed, whatever the parameter's name."""
    if find_spec("trio") is not None:
        return
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is not None and any(isinstance(one, str) and one == "trio" for one in parameters.params.values()):
            item.add_marker(pytest.mark.skip(reason="trio is not installed"))
