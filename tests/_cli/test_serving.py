"""Commands that serve stop at a signal, wherever it meets them."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from helpers.command import PATIENCE, environment, posix
from streamkit._cli.serving import run_command

# Sends the signal before the bytecode of each number that runs while the command begins to wait, until there is none.
EVERYWHERE = """
import itertools, signal, sys
from streamkit._cli.serving import until_stopped

def stopped_at(place):
    count = 0

    def opcode(frame, event, _):
        nonlocal count
        if frame.f_code is waits.__code__:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event == "opcode":
            count += 1
            if count == place + 1:
                sys.settrace(None)
                signal.raise_signal(signal.SIGTERM)
        return opcode

    def ready():
        caller = sys._getframe(1)
        caller.f_trace, caller.f_trace_lines, caller.f_trace_opcodes = opcode, False, True
        sys._getframe().f_trace_opcodes = True
        sys.settrace(opcode)
        signal.setitimer(signal.ITIMER_REAL, 1)  # by then it waits, and there is no other place

    def waits(*_):
        sys.settrace(None)
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGALRM, waits)
    assert 0 == until_stopped(ready)
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return count > place

print(next(place for place in itertools.count() if not stopped_at(place)))
"""


@posix
def test_a_signal_stops_a_command_wherever_it_meets_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERYWHERE], capture_output=True, env=environment(), timeout=PATIENCE, text=True
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert int(done.stdout) > 10


@posix
def test_a_signal_that_arrives_before_the_command_runs_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            signal.raise_signal(signal.SIGTERM)
            super().__init__(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", Late)
    assert 128 + signal.SIGTERM == run_command([sys.executable, "-c", f"import time; time.sleep({PATIENCE})"], {})
