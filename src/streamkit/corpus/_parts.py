"""A run over files: a plan, its parts, and each part written whole or not at all.

In: a path, a folder to write to, which columns, into how many parts. Out: `part-00000.parquet` and so on, each with its tally in
its footer. A part is read, reassembled and written by one process; any engine may run the parts, in any order, and again.

Rule 1  A part appears under its name when it is whole: it is written beside it and renamed. So a run that was killed continues with
        the parts that are not there.
Rule 2  The plan depends on input, columns and number of parts alone. `_plan.json` remembers it, and a run with another plan is
        refused: its parts would not fit those that are there.
Rule 3  What goes wrong with a part is returned, as one line; the other parts continue.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import MisuseError
from ._inputs import Unit, find_units, read_units, schema_of, spread
from ._kernel import BATCH_BYTES, Columns
from ._tally import Tally

__all__ = ("Job", "Plan", "make_plan", "run_part")

PART_BYTES = 128 * 1024 * 1024  # of input, where nobody says how many parts: some seconds of one core
MOST_PARTS = 10_000
_KEY = b"streamkit.corpus"
_PLAN = "_plan.json"


@attrs.frozen
class Job:
    """One part, as a worker needs it."""

    number: int
    target: str
    units: tuple[Unit, ...]
    columns: dict[str, str | None]
    keep: dict[str, str]
    sender: str | None
    schema: pa.Schema


@attrs.frozen
class Plan:
    """All parts of a run: those to do, and what those that are there add up to."""

    jobs: tuple[Job, ...]
    parts: int
    done: Tally


def make_plan(
    source: str,
    target: str,
    *,
    columns: dict[str, str | None],
    keep: dict[str, str],
    sender: str | None,
    parts: int | None,
) -> Plan:
    """Look at the input, and at what is there of the output. Raises `MisuseError` where the two do not fit."""
    if os.path.isdir(source) and _is_inside(target, source):
        raise MisuseError(
            f"{target}: is inside the input, and its parts would be read as input: name a folder elsewhere"
        )
    units, stamps = find_units(source)
    if units and units[0].kind == "stream":
        columns = {"body": None, "blocks": "blocks", "arrival_ns": "arrival_ns", "encoding": "encoding"}
        keep = keep or {name: name for name in ("file", "sender", "case")}
    parts = parts or _how_many(units)
    names = Columns(**columns, keep=keep, options={})
    known = schema_of(units[0], keep) if units else pa.schema([(name, pa.large_string()) for name in keep])
    schema = names.output(known)
    if units and units[0].kind == "parquet":
        names.check(known)
    if sender is None:
        sender = "sender" if "sender" in known.names else None
    elif sender not in known.names and units and units[0].kind != "lines":
        raise MisuseError(f"{source}: no column has the name {sender!r}: there are {', '.join(known.names)}")
    plan = {"columns": columns, "keep": keep, "sender": sender, "parts": parts}
    plan["input"] = hashlib.sha256(json.dumps(stamps).encode("utf-8", "surrogateescape")).hexdigest()
    _agree(target, plan)
    jobs, done = [], Tally()
    for number, run in enumerate(spread(units, parts) if units else [[]]):
        file = os.path.join(target, f"part-{number:05}.parquet")
        if os.path.exists(file):
            done.merge(_tally_in(file))
        else:
            jobs.append(Job(number, file, tuple(run), columns, keep, sender, schema))
    return Plan(tuple(jobs), parts, done)


def _is_inside(target: str, source: str) -> bool:
    inner, outer = os.path.realpath(target), os.path.realpath(source)
    return os.path.commonpath([inner, outer]) == outer


def _how_many(units: Iterable[Unit]) -> int:
    return min(max(sum(unit.weight for unit in units) // PART_BYTES, 1), MOST_PARTS)


def _agree(target: str, plan: dict[str, Any]) -> None:
    """Remember the plan, or compare it with the one that is remembered (rule 2)."""
    file = os.path.join(target, _PLAN)
    os.makedirs(target, exist_ok=True)
    if not os.path.exists(file):
        if any(name.endswith(".parquet") for name in os.listdir(target)):
            raise MisuseError(f"{target}: Parquet of another origin is in this folder: name a new one")
        _write_whole(file, json.dumps(plan, indent=2).encode())
        return
    with open(file, "rb") as opened:
        before = json.loads(opened.read())
    for name in os.listdir(target):
        if name.startswith(".part-"):  # what a run that was killed left
            with suppress(OSError):
                os.unlink(os.path.join(target, name))
    if differ := [name for name in plan if plan[name] != before.get(name)]:
        raise MisuseError(
            f"{target}: the parts that are there were made with another {', '.join(differ)}: name a new folder, or remove this one"
        )


def _write_whole(file: str, data: bytes) -> None:
    beside = f"{file}.{uuid.uuid4().hex}"
    with open(beside, "wb") as opened:
        opened.write(data)
    os.replace(beside, file)


def _tally_in(file: str) -> Tally:
    try:
        return Tally(**json.loads((pq.read_metadata(file).metadata or {})[_KEY]))
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise MisuseError(f"{file}: not a part that was written here ({error}): remove it, and run again") from None


def run_part(job: Job, beat: Callable[[Tally], object] | None = None) -> tuple[int, dict[str, Any] | None, str | None]:
    """Read, reassemble and write one part; return its number, its tally as JSON, and what went wrong. `beat`: called with the
    tally so far after each batch."""
    folder, name = os.path.split(job.target)
    beside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    tally = Tally()
    try:
        with pq.ParquetWriter(beside, job.schema, compression="zstd") as writer:
            names = Columns(**job.columns, keep=job.keep, options={})
            wanted = [*job.keep, *([] if job.sender is None else [job.sender])]
            for batch in read_units(job.units, job.columns, wanted, tally.note_unread):
                at = 0
                for out in names.read(batch, BATCH_BYTES):
                    senders = None
                    if job.sender is not None and job.sender in batch.schema.names:
                        senders = [_word(one) for one in batch.column(job.sender).slice(at, len(out)).to_pylist()]
                    at += len(out)
                    writer.write_batch(out.cast(job.schema))
                    tally.add(out, senders)
                    if beat is not None:
                        beat(tally)
            writer.add_key_value_metadata({_KEY: json.dumps(tally.as_json())})
        os.replace(beside, job.target)
    except (MisuseError, OSError, pa.ArrowException) as error:
        return job.number, None, f"{os.path.basename(job.target)}: {error}"
    finally:
        with suppress(OSError):
            os.unlink(beside)
    return job.number, tally.as_json(), None


def _word(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
