"""Looking for templates is paid from a budget: what no template fits for long is hardly looked at.

Counted work, no times: how many events of an unlucky stream the lane looks at, and how many it learns from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helpers.wire import delta, sse
from streamkit import Accumulator
from streamkit._fast import learning
from streamkit._fast.lane import Lane
from streamkit._fast.learning import Templates
from streamkit._fold.assembler import Assembler
from streamkit.sse import EventDecoder
from unlucky import UNLUCKY, arguments, chunk, opening

N = 2000
Makes = Callable[[int], bytes]


def looked_at(monkeypatch: pytest.MonkeyPatch, blocks: list[bytes]) -> tuple[int, int]:
    """How many events the lane looked at in vain or learned from, and how many templates it made."""
    looks = made = 0
    learn, find = Templates.learn, learning.find_slots

    def counting(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return learn(*arguments)

    def making(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        return find(*arguments)

    monkeypatch.setattr(Templates, "learn", counting)
    monkeypatch.setattr(learning, "find_slots", making)
    accumulator = Accumulator()
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()
    return looks, made


@pytest.mark.parametrize("whole", [False, True], ids=["an event a block", "one block"])
@pytest.mark.parametrize("make", UNLUCKY.values(), ids=UNLUCKY)
def test_an_unlucky_stream_is_hardly_looked_at(monkeypatch: pytest.MonkeyPatch, make: Makes, whole: bool) -> None:
    events = [make(i) for i in range(N)]
    looks, made = looked_at(monkeypatch, [b"".join(events)] if whole else events)
    assert looks <= N // 3
    assert made <= N // 40


@pytest.mark.parametrize("make", UNLUCKY.values(), ids=UNLUCKY)
def test_a_short_unlucky_stream_in_one_block_is_hardly_looked_at(monkeypatch: pytest.MonkeyPatch, make: Makes) -> None:
    # "usage in every third chunk" begins and ends as another choice would, but for the index.
    looks, _ = looked_at(monkeypatch, [b"".join(make(i) for i in range(60))])
    assert looks <= 14


def in_vain(monkeypatch: pytest.MonkeyPatch, blocks: list[bytes]) -> int:
    """What looking for templates costs, about in microseconds divided by five: for each what it is called with."""
    cost = 0

    def counted(owner: Any, name: str, each: int, when: Callable[[Any, Any], bool] = lambda given, found: True) -> None:
        call = getattr(owner, name)

        def counting(*given: Any) -> Any:
            nonlocal cost
            found = call(*given)
            cost += each if when(given, found) else 0
            return found

        monkeypatch.setattr(owner, name, counting)

    counted(learning, "find_slots", 8)  # a new template
    counted(learning, "find_stamp", 2)
    counted(Templates, "learn", 2)
    counted(Lane, "run", 2, lambda given, found: found[0] < len(given[1]))  # cut events that did not fit
    counted(Lane, "take", 1, lambda given, found: not found and given[0]._hot is not None)
    if len(blocks) == 1:
        counted(EventDecoder, "feed_raw", 1)  # read a piece of the block apart
    accumulator = Accumulator()
    for block in blocks:
        accumulator.absorb(block)
    monkeypatch.undo()
    return cost


@pytest.mark.parametrize("whole", [False, True], ids=["an event a block", "one block"])
def test_at_a_hundred_events_looking_in_vain_costs_a_few_templates(
    monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    costs = {}
    for name, make in UNLUCKY.items():
        events = [make(i) for i in range(101)]
        costs[name] = in_vain(monkeypatch, [b"".join(events)] if whole else events)
    assert {} == {name: cost for name, cost in costs.items() if cost > 40}
    assert sum(costs.values()) / len(costs) <= 12


def test_events_that_are_all_different_are_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a response id in each chunk", "a word that is another in each chunk", "LF and CRLF by turns"):
        events = [UNLUCKY[name](i) for i in range(N)]
        assert (0, 0) == looked_at(monkeypatch, events)
        assert (0, 0) == looked_at(monkeypatch, [b"".join(events)])


def test_a_lane_that_rests_is_asked_again_and_takes_an_honest_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    unlucky = [chunk(more=f',"x":"{i:x}"') for i in range(300)]
    honest = [chunk() for _ in range(N)]
    looks, _ = looked_at(monkeypatch, unlucky + honest)
    assert looks < 40, "300 events of which few were looked at, and one template for all that follow"


def test_a_ping_between_events_does_not_make_the_lane_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = [one for i in range(200) for one in (chunk(), chunk(), chunk(), sse('{"type":"ping"}'))]
    looks, made = looked_at(monkeypatch, stream)
    assert looks <= 4
    assert made == 1


def test_each_of_eight_choices_is_learned_at_its_second_event(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, made = looked_at(monkeypatch, [sse(delta('{"content":"a"}', index=i % 8)) for i in range(800)])
    assert looks <= 8 + 8
    assert 1 == made, "the template of the first choice, of which those of the others are made"


CALLS = [opening(i) for i in range(3)]


@pytest.mark.parametrize(
    ("first", "each"),
    [
        # LiteLLM: a role, and two pieces in a row, in the first choice only.
        ([chunk('"role":"assistant","content":""'), chunk()], chunk),
        ([chunk('"role":"assistant","content":""', i) for i in range(3)], chunk),
        (
            [chunk('"role":"assistant","content":""', i) for i in range(3)],
            lambda index: chunk(index=index, more=',"x":null'),
        ),
        (CALLS, lambda index: arguments(index)),
    ],
    ids=["the first has a role", "each has a role", "an unknown field", "calls"],
)
@pytest.mark.parametrize(("whole", "most"), [(True, 20), (False, 36)], ids=["one block", "an event a block"])
def test_three_choices_by_turns_take_the_lane_after_a_few_events(
    monkeypatch: pytest.MonkeyPatch, first: list[bytes], each: Any, whole: bool, most: int
) -> None:
    begun = []
    begin = Assembler.begin
    monkeypatch.setattr(Assembler, "begin", lambda self, data: (begun.append(data), begin(self, data))[1])
    events = first + [each(index=i % 3) for i in range(300)]
    accumulator = Accumulator()
    for block in [b"".join(events)] if whole else events:
        accumulator.absorb(block)
    assert len(begun) <= most
    assert len(events) == accumulator.statistics().events
