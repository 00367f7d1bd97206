"""Recorded streams to test with, and what reading one gives, in a form that can be compared.

`TRACES` are this repository's, each with its unstreamed answer where there is one. `SHARED` are those of
`../shared/traces`, each with the facts that stand beside it; that folder may be absent, and tests then skip by
`shared`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from readings import Reading, read
from streamkit.sse import EventDecoder
from streamkit.trace import read_trace

from .tier import some

__all__ = ("SHARED", "TRACES", "Reading", "Recorded", "chunks_of", "each", "pieces", "read", "shared")

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parents[3] / "shared" / "traces"


@attrs.frozen(repr=False)
class Recorded:
    """One recorded stream."""

    name: str
    """`<sender>/<case>`."""
    body: bytes
    blocks: tuple[bytes, ...]
    """As the recorder read them; one block where that is not known."""
    request: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    """What the same request gave without streaming."""
    facts: dict[str, Any] = attrs.field(factory=dict)
    """What is known of the stream from elsewhere."""

    def __repr__(self) -> str:
        return self.name


def _ours() -> Iterator[Recorded]:
    for path in sorted((ROOT / "traces").glob("*/*.trace.jsonl")):
        trace = read_trace(path)
        case = path.name.removesuffix(".trace.jsonl")
        answer = path.with_name(case + ".json")
        yield Recorded(
            f"{path.parent.name}/{case}",
            trace.body,
            tuple(block.data for block in trace.blocks),
            trace.request,
            json.loads(answer.read_bytes()) if answer.exists() else None,
        )


def _shared() -> Iterator[Recorded]:
    for path in sorted(FOLDER.glob("*/*.sse")):
        body = path.read_bytes()
        facts = json.loads(path.with_suffix(".json").read_bytes())
        yield Recorded(f"{path.parent.name}/{path.stem}", body, (body,), facts=facts)


TRACES = tuple(_ours())
SHARED = tuple(_shared())
shared = pytest.mark.skipif(not SHARED, reason="../shared/traces is not there")


_MANY = 40  # more are a whole collection: the quick tier looks at a fifth of it, each test at another fifth
_turns = itertools.count()


def each(recordings: Iterable[Recorded]) -> pytest.MarkDecorator:
    """Run the test once for each of `recordings`, as its argument `recorded`; in the quick tier for a fifth of many."""
    found = tuple(recordings)
    if len(found) > _MANY:
        found = tuple(some(found, next(_turns)))
    return pytest.mark.parametrize("recorded", [pytest.param(one, id=one.name) for one in found])


def pieces(raw: bytes, size: int) -> list[bytes]:
    """`raw` in blocks of `size` bytes."""
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def chunks_of(raw: bytes) -> list[dict[str, Any]]:
    """Return every JSON object that is the data of an event, or a line of it, read plainly."""
    decoder = EventDecoder()
    events = decoder.feed(raw)
    last = decoder.close()
    found = []
    for event in [*events, last] if last is not None else events:
        value = _loaded(event.data)
        lines = [value] if value is not None else map(_loaded, event.data.split(b"\n"))
        found += [one for one in lines if isinstance(one, dict)]
    return found


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
