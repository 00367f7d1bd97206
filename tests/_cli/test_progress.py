"""Progress is one line on a terminal, after a second, gone at the end."""

from __future__ import annotations

import io

import pytest

from streamkit._cli.progress import with_progress
from streamkit.testing import FakeClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(monkeypatch: pytest.MonkeyPatch, err: io.StringIO, each: float) -> str:
    clock = FakeClock()
    monkeypatch.setattr("sys.stderr", err)
    items = []
    for item in with_progress(range(5), 5, "traces read", clock=clock):
        items.append(item)
        clock.advance(each)
    assert [0, 1, 2, 3, 4] == items
    return err.getvalue()


def test_what_takes_long_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(monkeypatch, Terminal(), 0.6)
    assert "\r\x1b[K2/5 traces read\r\x1b[K3/5 traces read\r\x1b[K4/5 traces read\r\x1b[K" == shown


def test_what_is_quick_or_no_terminal_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "" == run(monkeypatch, Terminal(), 0.1)
    assert "" == run(monkeypatch, io.StringIO(), 10.0)
