"""Where exchanges are written: one file, or a directory with one file an exchange.

In: what the user passed as `into`, and the header of each exchange. Out: a path where nothing is yet, or the file.

Rule 1  A name that ends like a trace (`.jsonl`, `.jsonl.gz`, `.jsonl.zst`) is a file; it is replaced. What is exchanged after
        it (a retry) is written beside it: `x.trace.jsonl`, `x-2.trace.jsonl`.
Rule 2  Any other path is a directory, made where it is absent, unless its name ends like another kind of file (`x.sse`):
        that is refused, since it would be a surprise. Its files are `001-<digest>.trace.jsonl`, in the order in
        which the requests were sent; the digest is that of the canonical request (`matching`), so that a name says which one it was, in every run.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import IO

from ..errors import MisuseError, shown
from ..trace import SUFFIXES, Trace, is_trace_name
from .matching import canonical, digest

__all__ = ("Targets", "digest_of")

_NUMBER = re.compile(r"(\d{3,})-")
_OTHER_FILES = (".sse", ".json", ".txt", ".ndjson", ".yaml", ".yml", ".har", ".log", ".gz", ".zst")


def digest_of(header: Trace) -> str:
    """Return eight hexadecimal digits for a request, equal for those that a session takes for the same."""
    return digest(canonical(header))


class Targets:
    """Chooses the place of each exchange."""

    def __init__(self, into: str | os.PathLike[str] | IO[bytes], digest: Callable[[Trace], str] = digest_of) -> None:
        self._digest = digest
        self._lock = threading.Lock()
        self._count = 0
        self._last, self._changed = 0, -1  # the highest number in the directory, and when that was so
        self._file = None
        self._name = ""
        if isinstance(into, (str, os.PathLike)):
            self._name = os.fsdecode(into)
            if not self._name:
                raise MisuseError("into= takes a path, a directory or a binary file, not an empty path")
            named_like_a_file = self._name.lower().endswith(_OTHER_FILES) and not is_trace_name(self._name)
            if named_like_a_file and not os.path.isdir(self._name):
                raise MisuseError(
                    f"into= takes a path that ends in .jsonl or a directory, not {self._name!r}: name a trace"
                    " answer.trace.jsonl, or make the directory first"
                )
        elif hasattr(into, "write") and not hasattr(into, "encoding"):
            self._file = into
        else:
            raise MisuseError(
                f"into= takes a path that ends in .jsonl, a directory or a file opened in binary mode, not {shown(into)}"
            )

    def __call__(self, header: Trace) -> str | IO[bytes]:
        """Return the place of the next exchange."""
        with self._lock:
            self._count += 1
            if self._file is not None:
                if self._count > 1:
                    raise MisuseError("into= is one file, and this is the second exchange: pass a directory")
                return self._file
            return self._numbered(header) if not is_trace_name(self._name) else self._beside()

    def _beside(self) -> str:
        folder = os.path.dirname(self._name)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self._count == 1:
            return self._name
        suffix = next(one for one in (*(f".trace{one}" for one in SUFFIXES), *SUFFIXES) if self._name.endswith(one))
        return f"{self._name.removesuffix(suffix)}-{self._count}{suffix}"

    def _numbered(self, header: Trace) -> str:
        os.makedirs(self._name, exist_ok=True)
        if (
            os.stat(self._name).st_mtime_ns != self._changed
        ):  # listed again only where somebody else has written into it
            numbers = (int(found[1]) for one in os.listdir(self._name) if (found := _NUMBER.match(one)))
            self._last = max(numbers, default=0)
        number = self._last + 1
        while True:
            path = os.path.join(self._name, f"{number:03}-{self._digest(header)}.trace.jsonl")
            try:  # another process may record into the same directory
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except FileExistsError:
                number += 1
            else:
                self._last, self._changed = number, os.stat(self._name).st_mtime_ns
                return path
