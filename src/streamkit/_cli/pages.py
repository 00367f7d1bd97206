"""Where a page is written: a file, or standard output.

In: what `--output` or `--html` says, and the names of the files that are read. Out: a refusal before anything is read, or the
page in its place. A file that is there is replaced, as by the other commands, but not one that is read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import MisuseError
from .files import STREAMS
from .io import stdout, write

__all__ = ("check_target", "write_page")


def check_target(output: str | None, names: Sequence[str]) -> None:
    """Raise `MisuseError` where a page cannot be written there, before anything is read."""
    if output is None or output == "-":
        if output is None and stdout().isatty():
            raise MisuseError("a page is HTML, and standard output is a terminal: name a file, -o report.html")
        return
    if os.path.isdir(output):
        raise MisuseError(f"{output}: is a folder: name a file in it, {os.path.join(output, 'report.html')}")
    if output.endswith(STREAMS):  # in a folder that is read, it would be a stream that was lost
        raise MisuseError(f"{output}: is named like a stream, and a page is HTML: name it report.html")
    for name in names:
        if os.path.exists(name) and os.path.exists(output) and os.path.samefile(name, output):
            raise MisuseError(f"{output}: cannot be read and written at once")


def write_page(page: bytes, output: str | None) -> None:
    """Write a page to a file or to standard output."""
    if output is None or output == "-":
        write(stdout(), page)
        return
    try:
        with open(output, "wb") as file:
            file.write(page)
    except OSError as error:
        raise MisuseError(f"{output}: {error.strerror}") from None
