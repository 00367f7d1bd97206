"""What every command needs of the world outside: blocks out of a file or a pipe, SIGINT between blocks, lines of text.

In: the name of a file, `-` being standard input. Out: its blocks as they arrive; a stop where the user asks for one.
Costs one read a block. Whatever goes wrong is a `MisuseError` of one line that says what and where.

Rule 1  Nothing is held back: a read takes what there is. Only a trace is read to its end before its first block.
Rule 2  A trace is known by its name (`.jsonl`, `.jsonl.gz`, `.jsonl.zst`, a promise) or by its first line; anything else
        is a body.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import chain
from typing import Any, BinaryIO

from .._trace_lines import is_header
from ..errors import FormatError, MisuseError
from ..limits import DEFAULT_LIMITS
from ..trace import Trace, is_trace_name, read_trace
from .terminal import SHOWN

__all__ = (
    "EXIT",
    "MISUSE",
    "Interrupts",
    "abandon_stdout",
    "blocks_of_file",
    "contents_of_file",
    "created",
    "opened",
    "say",
    "stdout",
    "write",
)

EXIT = {"complete": 0, "truncated": 3, "failed": 4, "cancelled": 130}
"""The exit code for each outcome."""
MISUSE = 2
"""The exit code for what the user got wrong."""

_READ = 65536  # bytes: the most that one read returns; a pipe returns what is there
_LINE = 500  # characters of one message: a sender's error can be pages


def opened(name: str) -> AbstractContextManager[Any]:
    """Return the file to read, unbuffered: a buffered one takes "nothing there yet" (O_NONBLOCK) for the end."""
    if name == "-":
        if sys.stdin is None:
            raise MisuseError("standard input is closed")
        return nullcontext(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
    try:
        return open(name, "rb", buffering=0)
    except OSError as error:
        if os.path.isdir(name):
            raise MisuseError(f"{name}: is a folder: name a file in it (check, stat and scrub take folders)") from None
        raise MisuseError(f"{name}: {error.strerror}") from None


def created(name: str | None, source: Any) -> AbstractContextManager[BinaryIO | None]:
    """Return the file to write, opened before anything is read, since a stream can be read only once. None is standard output."""
    if name is None or name == "-":
        return nullcontext(None)
    try:
        if os.path.isfile(name) and hasattr(source, "name"):  # `assemble x --output x` would empty what it is to read
            if os.path.samestat(os.stat(name), os.fstat(source.fileno())):
                raise MisuseError(f"{name}: cannot be read and written at once")
        return open(name, "wb", buffering=0)  # buffered, closing it after a failed write fails again
    except OSError as error:
        raise MisuseError(f"{name}: {error.strerror}") from None


def blocks_of_file(file: Any, name: str) -> Iterator[bytes]:
    """Yield the blocks of a body, or those that a trace recorded. `name` is for messages."""
    found = contents_of_file(file, name)
    yield from (block.data for block in found.blocks) if isinstance(found, Trace) else found


def contents_of_file(file: Any, name: str) -> Trace | Iterator[bytes]:
    """Return the trace in a file, or the blocks of the body that it is. `name` is for messages.

    No event stream begins with `{`, and JSON in its place is of use only when it is whole: to wait for its first line
    holds nothing back.
    """
    if is_trace_name(name) and not name.endswith(".jsonl"):
        return _trace(getattr(file, "name", name), name)
    blocks = _reads(file, name)
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if not held[0].startswith(b"{") or b"\n" in block or size > DEFAULT_LIMITS.max_event_bytes:
            break
    head = b"".join(held)
    if not name.endswith(".jsonl") and not is_header(head.partition(b"\n")[0]):
        return chain((head,), blocks)
    if not head:  # what a recorder leaves that was stopped at once, and what a wrong redirection leaves
        raise MisuseError(f"{name}: not a trace, line 1: expected one JSON object, the file is empty")
    return _trace(io.BytesIO(b"".join([head, *blocks])), name)


def _trace(file: Any, name: str) -> Trace:
    try:
        return read_trace(file)
    except FormatError as error:
        raise MisuseError(str(error) if isinstance(file, str) else f"{name}: not a {error}") from None


def _reads(file: Any, name: str) -> Iterator[bytes]:
    while True:
        try:
            block = file.read(_READ)
            if block is None:
                import select  # only for the rare input that does not block

                select.select([file], [], [])
                continue
        except OSError as error:
            raise MisuseError(f"{name}: {error.strerror}") from None
        if not block:
            return
        yield block


class Interrupts:
    """Makes the first SIGINT a stop between two blocks: stopped inside one, the response would be in pieces.

    The second is the usual KeyboardInterrupt, so that a write that waits for its reader can be left too.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._waiting = False
        self._installed = False

    def __enter__(self) -> Interrupts:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is somebody else's
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, *_: object) -> None:
        again, self.stopped = self.stopped, True
        if again or self._waiting:
            raise KeyboardInterrupt

    def watch(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """`blocks`, until they end or the user stops them."""
        try:
            while True:
                self._waiting = True  # before the look: a signal between the two would be noticed at the next block
                if self.stopped:
                    return
                block = next(blocks, None)
                self._waiting = False
                if block is None:
                    return
                yield block
        except KeyboardInterrupt:
            self.stopped = True
        finally:
            self._waiting = False


def stdout() -> BinaryIO:
    """Standard output for bytes: what is written is UTF-8 whatever the locale."""
    if sys.stdout is None:
        raise MisuseError("standard output is closed")
    return sys.stdout.buffer


def write(out: BinaryIO, data: bytes) -> None:
    """Write all of `data` at once. Under `python -u` standard output is unbuffered, and a signal cuts a write short."""
    rest = memoryview(data)
    while rest:
        taken = out.write(rest)
        if not taken:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        rest = rest[taken:]
    out.flush()


def abandon_stdout() -> None:
    """Point standard output at nothing, else the interpreter fails again when it flushes it at exit."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def say(text: str) -> None:
    """One line on standard error, whatever is in `text`."""
    line = f"streamkit: {' '.join(text.split())}".translate(SHOWN)
    if sys.stderr is not None:
        with suppress(OSError):  # nobody reads it
            print(line if len(line) <= _LINE else line[: _LINE - 1] + "…", file=sys.stderr, flush=True)
