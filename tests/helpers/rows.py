"""Corpora to test with: a table of recorded bodies, the bad rows among them, and a digest that says whether two runs agree."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.corpus import TRACES
from helpers.wire import DONE, delta, sse

__all__ = ("BAD", "HELLO", "digest", "dying_once", "logs", "parts_of", "table")

HELLO = sse(delta('{"role":"assistant","content":"Hel"}'), delta('{"content":"lo"}'), delta("{}", "stop")) + DONE

BAD: dict[str, tuple[bytes | None, str | None]] = {
    "null": (None, None),
    "empty": (b"", "empty"),
    "cut": (HELLO[:-60], "mid_event"),
    "random": (bytes(range(256)) * 4, "not_a_stream"),
    "html": (b"<html><body>502 Bad Gateway</body></html>", "not_a_stream"),
    "gzip": (gzip.compress(HELLO, mtime=0), "done"),
    "gzip cut": (gzip.compress(HELLO, mtime=0)[:-12], "finish_without_done"),
    "gzip of nothing known": (b"\x1f\x8b\xff\xff" + HELLO, "source_error"),
    "deep": (b"data: " + b"[" * 100_000 + b"\n\n", "not_a_stream"),
    "utf-16": (HELLO.decode().encode("utf-16"), "not_a_stream"),
    "zero bytes": (b"\0" * 1000, "not_a_stream"),
    "half a pair": (sse(delta(r'{"content":"a\ud800"}', "stop")) + DONE, "done"),
    "half a pair in an error": (b'data: {"error":{"message":"a\\ud800","code":429}}\n\n', "remote_error"),
    "large created": (HELLO.replace(b'"created":7', b'"created":' + b"9" * 400), "done"),
    "list as id": (HELLO.replace(b'"id":"c"', b'"id":["c"]'), "done"),
    "usage not counts": (
        HELLO.replace(
            b"data: [DONE]", b'data: {"usage":{"prompt_tokens":NaN,"completion_tokens":"x"}}\n\ndata: [DONE]'
        ),
        "done",
    ),
}
"""Bodies that are not what they should be, each with the reason of its outcome."""


def table(rows: int) -> Any:
    """A table of `rows` recorded bodies, numbered, with who sent each."""
    import pyarrow as pa

    found = [TRACES[number % len(TRACES)] for number in range(rows)]
    senders = [one.name.partition("/")[0] for one in found]
    return pa.table(
        {"row_id": range(rows), "sender": senders, "body": pa.array([one.body for one in found], pa.binary())}
    )


def logs(folder: Path, rows: int = 12) -> Path:
    """Write such a table as `logs.parquet`; return its path."""
    import pyarrow.parquet as pq

    pq.write_table(table(rows), folder / "logs.parquet", row_group_size=5)
    return folder / "logs.parquet"


def digest(rows: Any) -> str:
    """Return what is the same for equal rows, whatever their order and batches; `row_id` numbers them."""
    found = hashlib.sha256()
    for row in sorted(rows.to_pylist(), key=lambda row: row["row_id"]):
        found.update(repr(row).encode())
    return found.hexdigest()


def parts_of(source: Path, target: Path, parts: int = 3) -> Any:
    """The parts of a run over `source`."""
    from streamkit.corpus._parts import make_plan

    columns = {"body": "body", "blocks": None, "arrival_ns": None, "encoding": None}
    keep = {"row_id": "row_id"}
    return make_plan(str(source), str(target), columns=columns, keep=keep, sender=None, parts=parts).jobs


def dying_once(mark: Path) -> Callable[[Any], Any]:
    """What makes a part, and kills its process in the middle of the second, once: `mark` is there then."""

    def made(job: Any) -> Any:
        from streamkit.corpus._parts import run_part

        def beat(_: Any) -> None:
            if job.number == 1 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return run_part(job, beat)

    made.__module__ = "__main__"  # so that it travels to a worker as it is, not by a name that is not there
    return made
