"""A call that KeyboardInterrupt meets at a place of one's choice: before the k-th bytecode that our code runs in it.

    while interrupted_at(k, stream.close): k += 1

`handler`: what the signal calls instead. A signal is handled between two bytecodes, whichever they are, so this goes through all the places where it may arrive.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import streamkit

OURS = str(Path(streamkit.__file__).parent)
NOT_OURS = str(Path(streamkit.__file__).parent / "testing")  # what plays the caller's source


def _raise() -> None:
    raise KeyboardInterrupt


def interrupted_at(place: int, call: Callable[[], object], handler: Callable[[], object] = _raise) -> bool:
    """Call it, interrupted before the bytecode of that number; return whether there was one."""
    count = 0

    def opcode(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
            if count == place + 1:
                frame.f_trace_opcodes = False
                handler()
        return opcode

    def called(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if count > place or not name.startswith(OURS) or name.startswith(NOT_OURS):
            return None
        frame.f_trace = opcode  # before the next: Python 3.13 looks for it then
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return opcode

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 asks for bytecodes only if a frame wanted them before settrace
    sys.settrace(called)
    try:
        call()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return count > place
