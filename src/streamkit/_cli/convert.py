"""`streamkit import` and `streamkit export`: traces out of the files of other tools, and files for other tools out of traces.

In: names of files. Out: traces in a file or a folder, or on standard output where there is one; a body or a timeline. Exit
code 0; 2 for what cannot be read, or is not what it is taken for.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import attrs

from .._recording.exporting import exported
from .._recording.importing import imported
from ..errors import FormatError, MisuseError, counted
from ..trace import Trace, is_trace_name, write_trace
from .files import files_of
from .io import MISUSE, opened, say, stdout, write
from .traces import trace_in

__all__ = ("export_file", "import_files")

_IMPORTED = (".sse", ".chunks.txt", ".ndjson", ".jsonl", ".yaml", ".yml")


def import_files(
    files: Sequence[str], *, kind: str | None, output: str | None, scrub: bool, **header: str | None
) -> int:
    """Import files; return the exit code."""
    known: dict[str, Any] = {name: value for name, value in header.items() if value is not None}
    unread: list[str] = []

    def failed(line: str) -> None:
        say(line)
        unread.append(line)

    found: list[tuple[str, Trace]] = []
    for name in files_of(files, failed, endings=_IMPORTED):
        try:
            with opened(name) as file:
                data = _all_of(file)
            traces = imported(data, "standard input" if name == "-" else name, kind=kind, scrub=scrub)
        except (MisuseError, FormatError) as error:
            failed(str(error))
            continue
        stem = "imported" if name == "-" else PurePath(name).name.partition(".")[0]
        for number, trace in enumerate(traces, 1):
            case = stem if len(traces) == 1 else f"{stem}-{number:03}"
            found.append((case, attrs.evolve(trace, **{"case": case, **known})))
    if found:
        _write(found, output)
    elif not unread:
        failed("nothing to import: these files hold no exchange")
    return MISUSE if unread else 0


def _all_of(file: Any) -> bytes:
    pieces = []
    while piece := file.read(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _write(found: list[tuple[str, Trace]], output: str | None) -> None:
    if output is None or output == "-" or is_trace_name(output):
        if len(found) > 1:
            raise MisuseError(f"{counted(len(found), 'exchange')} are {len(found)} files: name a folder with --output")
        target: Any = io.BytesIO() if output in (None, "-") else output
        _write_one(found[0][1], target)
        if isinstance(target, io.BytesIO):
            write(stdout(), target.getvalue())
        return
    for case, trace in found:
        _write_one(trace, os.path.join(output, f"{case}.trace.jsonl"))
    say(f"{counted(len(found), 'trace')} in {output}")


def _write_one(trace: Trace, target: Any) -> None:
    try:
        if isinstance(target, str) and (folder := os.path.dirname(target)):
            os.makedirs(folder, exist_ok=True)
        write_trace(trace, target)
    except OSError as error:
        raise MisuseError(f"{target}: {error.strerror}") from None


def export_file(file: str, *, form: str | None, output: str | None) -> int:
    """Export one trace; return the exit code. Without a format the name of the output says it: `.json` is a timeline."""
    form = form or ("chrome" if output is not None and output.endswith(".json") else "sse")
    data = exported(trace_in(file), form)
    if output is None or output == "-":
        write(stdout(), data)
        return 0
    try:
        with open(output, "wb") as target:
            target.write(data)
    except OSError as error:
        raise MisuseError(f"{output}: {error.strerror}") from None
    return 0
