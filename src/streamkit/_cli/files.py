"""The files that a command line names, those in folders among them.

In: names. Out: names of files, in order; what cannot be listed is reported to the caller's function, and the rest continues.

Rule 1  A folder stands for the streams in it, at any depth, in order of their names: files whose names end as those of bodies
        and traces do (`STREAMS`); hidden ones are left out. What is named itself is read whatever its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from ..errors import MisuseError
from ..trace import SUFFIXES

__all__ = ("STREAMS", "check_free", "files_of")

STREAMS = (".sse", *SUFFIXES, ".ndjson", ".txt")
"""How the names of files end that are looked at in a folder."""


def files_of(
    names: Sequence[str], unread: Callable[[str], None], *, endings: tuple[str, ...] = STREAMS
) -> Iterator[str]:
    """Yield the names of files. `unread`: called with a line about what could not be listed."""
    for name in names:
        if not os.path.isdir(name):
            yield name
            continue
        found = False
        for folder, inner, files in os.walk(name, onerror=lambda error: unread(f"{error.filename}: {error.strerror}")):
            inner[:] = sorted(one for one in inner if not one.startswith("."))
            for one in sorted(files):
                if one.endswith(endings) and not one.startswith("."):
                    found = True
                    yield os.path.join(folder, one)
        if not found:
            unread(f"{name}: no stream is in this folder: names that end with {', '.join(endings)} are looked for")


def check_free(name: str, *, force: bool) -> None:
    """Raise `MisuseError` where a recording would replace a file: what it holds may never happen again."""
    if not force and os.path.isfile(name) and os.path.getsize(name):
        raise MisuseError(f"{name} is there already: name another file or a folder, or replace it with --force")
