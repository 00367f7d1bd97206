"""One owner of sniffer, decoder, lane and what they hold: its counts are right whenever they are asked for."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.wire import delta, sse
from streamkit import Accumulator

SRC = Path(__file__).resolve().parents[2] / "src" / "streamkit"
OF_THE_LANE = frozenset({"settle", "pause", "arm", "disarm", "unsettled", "wake", "miss", "learn"})
COUNTERS = frozenset({"events", "data_bytes", "chunks"})
TEXTS = [sse(delta(f'{{"content":"word {at} "}}')) for at in range(60)]


def lane_users(tree: ast.AST) -> list[str]:
    """What a module does with the lane, or with a counter of another object's."""
    used = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in OF_THE_LANE]
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute) and node.target.attr in COUNTERS:
            owner = node.target.value
            if not (isinstance(owner, ast.Name) and owner.id == "self"):
                used.append(f"{ast.unparse(node.target)} +=")
    return used


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: path.relative_to(SRC).as_posix())
def test_nothing_outside_of_the_fast_lane_settles_pauses_or_counts_for_it(path: Path) -> None:
    if path.parent.name != "_fast":
        assert [] == lane_users(ast.parse(path.read_text()))


def test_a_use_of_the_lane_is_seen() -> None:
    source = "reader.settle()\nself._lane.pause()\nself._assembler.events += 1\nself.events += 1\n"
    assert ["settle", "pause", "self._assembler.events +="] == lane_users(ast.parse(source))


ASKED: dict[str, Callable[[Accumulator], Any]] = {
    "progress": lambda acc: acc.progress,
    "statistics": lambda acc: acc.statistics(),
    "repr": repr,
    "anomalies": lambda acc: acc.anomalies,
    "snapshot": lambda acc: acc.snapshot(),
    "explain": lambda acc: acc.explain(0, 0),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_is_asked_after_each_block_is_what_the_reference_path_says(asked: Callable[[Accumulator], Any]) -> None:
    call = '{"index":0,"id":"x","function":{"name":"f","arguments":"%s"}}'
    first = [sse(delta('{"tool_calls":[%s]}' % (call % at))) for at in range(3)]
    fast, slow = Accumulator(), Accumulator(fast=False)
    for block in [*first, *TEXTS]:
        fast.absorb(block)
        slow.absorb(block)
        assert asked(slow) == asked(fast)
    assert fast._reader.lane is not None, "nothing took the fast lane: this tests nothing"


@pytest.mark.parametrize("at", [1, 30, len(TEXTS)])
def test_a_chunk_that_is_added_after_blocks_counts_as_one_more(at: int) -> None:
    fast, slow = Accumulator(), Accumulator(fast=False)
    for accumulator in (fast, slow):
        for block in TEXTS[:at]:
            accumulator.absorb(block)
        accumulator.add({"choices": [{"index": 0, "delta": {"content": "!"}, "finish_reason": "stop"}]})
        accumulator.close()
    assert (at + 1, at + 1) == fast.progress == slow.progress
    assert slow.statistics() == fast.statistics()
    assert slow.snapshot() == fast.snapshot()


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_an_end_right_after_the_fast_lane_counts_what_it_took(end: str) -> None:
    fast, slow = Accumulator(), Accumulator(fast=False)
    for accumulator in (fast, slow):
        for block in TEXTS:
            accumulator.absorb(block)
        outcome = getattr(accumulator, end)()
        assert len(TEXTS) == accumulator.statistics().events
        assert outcome.error is None or outcome.error.event == len(TEXTS)
    assert slow.statistics() == fast.statistics()
