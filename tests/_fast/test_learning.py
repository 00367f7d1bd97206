"""Looking for templates is paid from a budget: what no template fits for long is hardly looked at.

Counted work, no times: how many events of an unlucky stream the lane looks at, and how many it learns from.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from helpers.wire import delta, sse
from streamkit import Accumulator
from streamkit._fast import learning
from streamkit._fast.learning import Templates
from streamkit._fold.assembler import Assembler

N = 2000
RANDOM = random.Random(1)


def chunk(text: str = '"content":"a"', index: int = 0, more: str = "", id: str = "c") -> bytes:
    body = f'{{"id":"{id}","created":1,"model":"m"{more},"choices":[{{"index":{index},"delta":{{{text}}}}}]}}'
    return b"data: " + body.encode() + b"\n\n"


def arguments(index: int) -> bytes:
    return chunk(f'"tool_calls":[{{"index":{index},"function":{{"arguments":"a"}}}}]')


def opening(index: int) -> bytes:
    function = '"function":{"name":"f","arguments":""}'
    return chunk(f'"tool_calls":[{{"index":{index},"id":"c{index}","type":"function",{function}}}]')


def usage(i: int) -> str:
    return f',"usage":{{"prompt_tokens":5,"completion_tokens":{i},"total_tokens":{i + 5}}}'


UNLUCKY: dict[str, Callable[[int], bytes]] = {
    "33 choices by turns": lambda i: chunk(index=i % 33),
    "128 choices by turns": lambda i: chunk(index=i % 128),
    "100 choices in no order": lambda i: chunk(index=RANDOM.randrange(100)),
    "40 calls by turns": lambda i: opening(i) if i < 40 else arguments(i % 40),
    "LF and CRLF by turns": lambda i: chunk().replace(b"\n", b"\n" if i % 2 else b"\r\n"),
    "data with and without a space by turns": lambda i: chunk().replace(b"data: ", b"data: " if i % 2 else b"data:"),
    "an id for each event": lambda i: b"id: %d\n" % i + chunk(),
    "a type for each event": lambda i: b"event: message\n" + chunk(),
    "a number that is another in each chunk": lambda i: chunk(more=f',"seq":{i}'),
    "a response id in each chunk": lambda i: chunk(id=str(i)),
    "a new response id in every third chunk": lambda i: chunk(id=str(i // 3)),
    "a word that is another in each chunk": lambda i: chunk(more=f',"x":"{i:x}"'),
    "a field that is another in each chunk": lambda i: chunk(f'"content":"a","k{i % 64}":1'),
    "usage in every chunk": lambda i: chunk(more=usage(i)),
    "usage in every other chunk": lambda i: chunk(more=usage(i) if i % 2 else ""),
    "usage in every third chunk": lambda i: chunk(more=usage(i) if i % 3 == 2 else ""),
    "four forms by turns": lambda i: chunk('"content":"a"' + ("", ',"x":null', ',"y":null', ',"z":null')[i % 4]),
    "blanks of many widths": lambda i: chunk(more=" " * (i * 7 % 20)),
    "a fraction in each chunk": lambda i: chunk(f'"content":"a","t":{i}.5'),
    "halves of characters": lambda i: chunk('"content":"\\ud83d"' if i % 2 else '"content":"\\ude00"'),
    "deltas that say nothing": lambda i: chunk(""),
    "a finish reason after each piece": lambda i: (
        chunk() if i % 2 else b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    ),
    "two choices in a chunk": lambda i: (
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"a"}}]}\n\n'
    ),
}


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
def test_an_unlucky_stream_is_hardly_looked_at(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[int], bytes], whole: bool
) -> None:
    events = [make(i) for i in range(N)]
    looks, made = looked_at(monkeypatch, [b"".join(events)] if whole else events)
    assert looks <= N // 3
    assert made <= N // 40


@pytest.mark.parametrize("make", UNLUCKY.values(), ids=UNLUCKY)
def test_a_short_unlucky_stream_in_one_block_is_hardly_looked_at(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[int], bytes]
) -> None:
    # "usage in every third chunk" begins and ends as another choice would, but for the index.
    looks, _ = looked_at(monkeypatch, [b"".join(make(i) for i in range(60))])
    assert looks <= 14


def test_a_lane_that_rests_is_asked_again_and_takes_an_honest_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    unlucky = [chunk(more=f',"x":"{i:x}"') for i in range(300)]
    honest = [chunk() for _ in range(N)]
    looks, _ = looked_at(monkeypatch, unlucky + honest)
    assert looks < 40, "300 events of which few were looked at, and one template for all that follow"


def test_a_ping_between_events_does_not_make_the_lane_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = [one for i in range(200) for one in (chunk(), chunk(), chunk(), sse('{"type":"ping"}'))]
    assert (1, 1) == looked_at(monkeypatch, stream)


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
    events = first + [each(index=i % 3) for i in range(90)]
    accumulator = Accumulator()
    for block in [b"".join(events)] if whole else events:
        accumulator.absorb(block)
    assert len(begun) <= most
    assert len(events) == accumulator.statistics().events
