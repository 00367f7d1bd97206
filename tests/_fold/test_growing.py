"""The arguments of a call while they arrive: peeked at, and as path events of each piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.measure import best
from helpers.tier import some
from helpers.wire import DONE, calls, delta, each_byte, sse
from streamkit import Accumulator, Dialect, MisuseError
from streamkit.events import FunctionCallDelta, ToolCallDelta
from streamkit.partial_json import PartialJSON, PathEvent, StringDelta, ValueDone, ValueStarted


def fragment(arguments: str, index: int = 0, more: str = "") -> str:
    return f'{{"index":{index}{more},"function":{{"arguments":{json.dumps(arguments)}}}}}'


OPENING = '{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}'
SECOND = '{"index":1,"id":"d","type":"function","function":{"name":"g","arguments":""}}'
PIECES = ['{"city": "Ber', 'lin", "si', 'ze": 36', "00}"]
WIRE = sse(*calls(OPENING, *map(fragment, PIECES))) + DONE
SHOWN = [None, {"city": "Ber"}, {"city": "Berlin"}, {"city": "Berlin"}, {"city": "Berlin", "size": 3600}]


def blocks(wire: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in wire.split(b"\n\n") if event]


# --- peeking


@pytest.mark.parametrize("way", ["feed", "absorb", "add"])
@pytest.mark.parametrize("options", [{}, {"fast": False}, {"path_events": True}])
def test_the_arguments_can_be_peeked_at_while_they_arrive(way: str, options: dict[str, bool]) -> None:
    accumulator = Accumulator(**options)  # type: ignore[arg-type]
    seen = [accumulator.peek()]
    for block in blocks(WIRE)[:-2]:
        if way == "add":
            accumulator.add(json.loads(block.removeprefix(b"data: ")))
        else:
            getattr(accumulator, way)(block)
        seen.append(accumulator.peek())
    assert [None, *SHOWN] == seen
    assert seen[2] == {"city": "Ber"}  # a value: it has not grown


def test_looking_once_at_the_end_shows_the_same_as_looking_at_each_piece() -> None:
    whole, bytewise = Accumulator(), Accumulator()
    whole.feed(WIRE)
    for block in each_byte(WIRE):
        bytewise.feed(block)
        bytewise.peek()
    assert SHOWN[-1] == whole.peek() == bytewise.peek()


def test_each_call_and_each_choice_has_its_own_arguments() -> None:
    accumulator = Accumulator()
    accumulator.feed(
        sse(*calls(OPENING, SECOND, fragment('{"a": 1'), fragment('{"b": [', 1), fragment("2}"), fragment("3", 1)))
    )
    accumulator.feed(sse(delta(f'{{"tool_calls":[{OPENING},{fragment("[0]")}]}}', index=1)))
    assert ({"a": 12}, {"b": []}, [0]) == (accumulator.peek(), accumulator.peek(call=1), accumulator.peek(1))
    assert (None, None) == (accumulator.peek(call=2), accumulator.peek(2))


def test_arguments_that_are_not_json_are_shown_as_far_as_they_are() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(*calls(OPENING, fragment('{"a": [1, x'), fragment(', "b": 2}'))))
    assert {"a": [1]} == accumulator.peek()


def test_the_input_of_a_custom_tool_is_shown_as_its_text() -> None:
    custom = '{"index":0,"id":"c","type":"custom","custom":{"name":"f","input":"{\\"a\\""}}'
    accumulator = Accumulator(path_events=True)
    events = accumulator.feed(sse(*calls(custom)))
    assert '{"a"' == accumulator.peek()
    assert [()] == [event.path_events for event in events if isinstance(event, ToolCallDelta)]


def test_arguments_that_a_dialect_holds_back_can_be_peeked_at() -> None:
    accumulator = Accumulator(dialect=Dialect(doubled_arguments=True), path_events=True)
    accumulator.feed(sse(delta(f'{{"tool_calls":[{OPENING},{fragment("{}")},{fragment(PIECES[0])}]}}')))
    assert {} == accumulator.peek()
    held = accumulator.feed(sse(delta(f'{{"tool_calls":[{fragment(PIECES[1])}]}}', "tool_calls")))
    (told,) = [event for event in held if isinstance(event, ToolCallDelta)]
    assert told.path_events


@pytest.mark.parametrize("place", [{"choice": -1}, {"call": "0"}, {"choice": True}, {"call": None}])
def test_a_place_that_cannot_be_is_refused(place: Any) -> None:
    with pytest.raises(MisuseError, match=r"peek\(\) takes the index of a choice and of a call in it, not"):
        Accumulator().peek(**place)


# --- path events


def path_events(wire: list[bytes], way: str = "feed", **options: Any) -> list[tuple[PathEvent, ...]]:
    accumulator = Accumulator(path_events=True, **options)
    events = [event for block in wire for event in accumulator.feed(block)]
    events += accumulator.close().events
    return [event.path_events for event in events if isinstance(event, (ToolCallDelta, FunctionCallDelta))]


@pytest.mark.parametrize("fast", [True, False])
def test_each_piece_of_arguments_says_what_it_means_whatever_the_cut(fast: bool) -> None:
    growing = PartialJSON()
    expected = [tuple(growing.feed(piece)) for piece in PIECES]
    assert ["$.city", "$.city"] == [str(event.path) for event in expected[1]]
    assert [type(event) for event in expected[0]] == [ValueStarted, ValueStarted, StringDelta]
    for wire in ([WIRE], blocks(WIRE), each_byte(WIRE)):
        assert expected == path_events(wire, fast=fast)


def test_a_legacy_function_call_says_it_too() -> None:
    wire = sse(
        delta('{"function_call":{"name":"f","arguments":"{\\"a\\": \\"b"}}'),
        delta('{"function_call":{"arguments":"c\\"}"}}', "function_call"),
    )
    first, second = path_events([wire])
    assert [ValueStarted, ValueStarted, StringDelta] == [type(event) for event in first]
    assert [StringDelta, ValueDone, ValueDone] == [type(event) for event in second]


def test_a_piece_that_is_held_to_the_end_is_followed_too() -> None:
    wire = sse(*calls(OPENING, fragment('["\ud83d')))  # half of a surrogate pair
    assert [StringDelta(path_events([wire])[0][1].path, "\ufffd")] == list(path_events([wire])[-1])


def test_what_was_absorbed_is_read_before_the_next_event() -> None:
    accumulator = Accumulator(path_events=True)
    first, opening, one, two, *rest = *blocks(sse(delta('{"role":"assistant"}'))), *blocks(WIRE)
    accumulator.feed(first)
    accumulator.feed(opening)
    accumulator.absorb(one)
    (event,) = accumulator.feed(two)
    assert isinstance(event, ToolCallDelta)
    growing = PartialJSON()
    growing.feed(PIECES[0])
    assert tuple(growing.feed(PIECES[1])) == event.path_events
    for block in rest:
        accumulator.absorb(block)
    assert SHOWN[-1] == accumulator.peek()


def test_peeking_between_blocks_that_were_absorbed_reads_nothing_twice() -> None:
    accumulator = Accumulator(path_events=True)
    accumulator.feed(sse(*calls(OPENING, SECOND)[:-1]))
    accumulator.absorb(sse(*calls(fragment("["))[:-1]))
    assert [] == accumulator.peek()
    accumulator.absorb(sse(*calls(fragment("7,"))[:-1]))
    accumulator.feed(
        sse(*calls(fragment("[", 1))[:-1])
    )  # of the other call, after which the first one is read up to here
    assert [7] == accumulator.peek()
    accumulator.absorb(sse(*calls(fragment("8]"))))
    assert [7, 8] == accumulator.peek()


def test_an_accumulator_that_was_restored_continues_where_the_other_one_was() -> None:
    wire, pieces = each_byte(WIRE), path_events([WIRE])
    for at in some(range(0, len(wire), 3)):
        first = Accumulator(path_events=True)
        events = [event for block in wire[:at] for event in first.feed(block)]
        second = Accumulator.restore(first.checkpoint())
        assert first.peek() == second.peek()
        events += [event for block in wire[at:] for event in second.feed(block)]
        assert pieces == [event.path_events for event in events if isinstance(event, ToolCallDelta)]
        assert SHOWN[-1] == second.peek()


def test_without_the_option_there_are_none() -> None:
    accumulator = Accumulator()
    events = [event for event in accumulator.feed(WIRE) if isinstance(event, ToolCallDelta)]
    assert [()] * 4 == [event.path_events for event in events]


def test_four_times_the_arguments_cost_four_times_as_much() -> None:
    def wire(count: int) -> list[bytes]:
        items = json.dumps([{"city": "Berlin", "size": n} for n in range(count)])
        return blocks(sse(*calls(OPENING, *(fragment(items[at : at + 16]) for at in range(0, len(items), 16)))))

    def consume(wire: list[bytes]) -> None:
        accumulator = Accumulator(path_events=True)
        for block in wire:
            accumulator.feed(block)

    once, four_times = best(consume, wire(60), wire(240), enough=6)
    assert four_times < 8 * once
