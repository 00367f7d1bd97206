"""Target: the reader of trace files.

Input: the bytes of a file. Oracle: it is refused with a FormatError, or it is a `Trace`, which is
written and read again as itself, byte for byte of its body; and the report on it can be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import seeds as of
from readings import same
from streamkit import FormatError, check_stream
from streamkit.trace import read_trace, write_trace

SIZE = 4000


def check(data: bytes) -> None:
    """Read one file, and what was written of it."""
    try:
        trace = read_trace(BytesIO(data))
    except FormatError as error:
        assert error.code == "trace"
        str(error).encode()
        return
    out = BytesIO()
    write_trace(trace, out)
    again = read_trace(BytesIO(out.getvalue()))
    same(trace, again, "written and read again: another trace")
    same(b"".join(block.data for block in trace.blocks), again.body, "another body")
    check_stream(trace).as_json()


def seeds() -> Iterator[bytes]:
    """Yield the head of each recorded trace, and small ones with base64, odd times and unknown fields."""
    for raw in of.trace_files():
        kept = b""
        for line in raw.splitlines(keepends=True):
            if len(kept) + len(line) > SIZE:
                break
            kept += line
        if kept:
            yield kept
    head = b'{"format":"streamkit-trace","version":1,"sender":"s","case":"c"%b}\n'
    yield head % b',"x":[1],"headers":[["a","b"]],"status":200,"timed":false,"request":{"a":null}'
    yield head % b"" + b'{"t":0,"base64":"/w=="}\n{"t":1e3,"text":"\\ud83d\\ude00"}\r\n'
    head = b'{"format":"streamkit-trace","version":2%b}\n'
    yield (
        head % b',"request_base64":"/w==","observed":"none"' + b'{"t":1,"status":200,"headers":[["a","b"]]}\n{"t":2,"te'
    )
    yield (
        head % b',"request_text":"a"'
        + b'# x\n{"mark":1}\n{"t":0,"text":""}\n{"t":1,"end":"eof","error":"e","provenance":"p"}\n'
    )
