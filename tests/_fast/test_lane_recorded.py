"""Every recorded stream means the same in either lane, by `feed` or by `absorb`, whatever its cuts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from helpers.corpus import SHARED, TRACES, Recorded, shared
from helpers.tier import some
from streamkit import Accumulator, dumps
from streamkit.events import End, ErrorSeen

CUTS = ("whole", "an event a block", 1, 17, 100, 1400, 4096)


def blocks_of(stream: bytes, cut: str | int) -> list[bytes]:
    if isinstance(cut, int):
        return [stream[at : at + cut] for at in range(0, len(stream), cut)]
    return [stream] if cut == "whole" else re.split(rb"(?<=\n\n)", stream)


def all_of(stream: bytes, cut: str | int, way: str, **options: Any) -> dict[str, Any]:
    """All that can be seen of a stream, the number of its blocks apart."""
    accumulator = Accumulator(**options)
    events: list[Any] | None = [] if way == "feed" else None
    for block in blocks_of(stream, cut):
        if events is None:
            accumulator.absorb(block)
        else:
            events += accumulator.feed(block)
    outcome = accumulator.close()
    if events is not None:
        events += outcome.events
        # Errors are equal only to themselves.
        events = [(type(one).__name__, one.sequence) if isinstance(one, (ErrorSeen, End)) else one for one in events]
    response, statistics, error = accumulator.snapshot(), accumulator.statistics(), outcome.error
    return {
        "dumps": accumulator.dumps(),
        "response": response,
        "outcome": (outcome.name, outcome.reason),
        "error": error and (type(error), str(error), error.event, error.path, error.excerpt, error.partial),
        "anomalies": accumulator.anomalies,
        "statistics": (statistics.bytes, statistics.events, statistics.comments, statistics.chunks,
                       statistics.unknown_fields, statistics.models),
        "usage sources": accumulator.usage_source,
        "explanations": [
            [accumulator.explain(one.index, at) for at in range(len(one.message.tool_calls or []))]
            for one in (response.choices if response else [])
        ],
        "events": events,
    }  # fmt: skip


def assert_same_in_every_way(recorded: Recorded) -> None:
    stream = recorded.body
    for way in ("feed", "absorb"):
        expected = all_of(stream, "whole", way, fast=False)
        response = expected["response"]
        assert (None if response is None else dumps(response)) == expected["dumps"]
        for cut in some(CUTS):
            assert expected == all_of(stream, cut, way), (way, cut)


@pytest.mark.parametrize("recorded", some(TRACES), ids=lambda one: one.name)
def test_a_trace_is_the_same_in_every_way(recorded: Recorded) -> None:
    assert_same_in_every_way(recorded)


@shared
def test_streams_of_many_senders_are_the_same_in_every_way() -> None:
    for recorded in some(SHARED):
        assert_same_in_every_way(recorded)
