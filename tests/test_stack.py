"""Called from near the recursion limit: a right result, or `MisuseError` and nothing changed; RecursionError never."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from helpers.tier import some
from helpers.wire import DONE, calls, chunk, delta, each_byte, sse
from streamkit import (
    Accumulator,
    LimitError,
    MisuseError,
    ValidationError,
    dumps,
    loads,
    structure,
    unstructure,
)
from streamkit._stack import NoRoom, Room, has_room
from streamkit.events import ContentDelta, End
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

TOKENS = '"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}'
NESTED = "[" * 120 + "1" + "]" * 120
OBJECTS = '{"a":' * 120 + "1" + "}" * 120
DEEPEST = '{"a":' * 190 + "1" + "}" * 190

STREAMS: dict[str, list[bytes]] = {
    "text": [sse(delta(f'{{"content":"w{n} "}}')) for n in range(70)] + [sse(delta("{}", "stop")), DONE],
    "log probabilities": [
        sse(delta('{"content":"a"}').replace('"finish_reason"', f'{TOKENS},"finish_reason"')) for _ in range(70)
    ]
    + [sse(delta("{}", "stop")), DONE],
    "choices by turns": [sse(delta('{"content":"a"}', index=n % 2)) for n in range(70)] + [DONE],
    "tool calls": [
        sse(one)
        for one in calls(
            '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}',
            *['{"index":0,"function":{"arguments":"1"}}'] * 60,
        )
    ]
    + [DONE],
    "nested": [
        sse(delta(f'{{"content":"a","x":{NESTED},"y":{OBJECTS},"annotations":[{OBJECTS}]}}')),
        sse(delta(f'{{"content":"b","x":{NESTED},"y":{OBJECTS}}}', "stop")),
        sse(chunk(more=f'"usage":{{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"z":{DEEPEST}}}')),
        DONE,
    ],
    "read a second time": [
        sse(delta(f'{{"content":"\\ud83d","x":{NESTED}}}')),
        sse(delta('{"content":"a"}').replace("7", "NaN")),
        b"data: {\n\n",
        DONE,
    ],
    "an error": [sse(delta('{"content":"a"}')), sse('{"error":{"message":"boom","x":' + NESTED + "}}"), DONE],
    "a body": [b'{"error":', b'{"message":"boom"}}'],
    "a response": [b'{"choices":[{"index":0,"message":{"content":"a","x":' + NESTED.encode() + b"}}]}"],
    "a page": [b"<html>\n<title>502</title>"],
    "comments": [b": a\n", b"\n", b"event: error\n", b"data: x\n\n", b"nonsense\n\n"],
}


def dive(levels: int, function: Callable[[Any], Any], argument: Any) -> Any:
    """Call `function` with so many frames more below it."""
    return function(argument) if levels == 0 else dive(levels - 1, function, argument)


def nothing(_: Any) -> None:
    """A function that does as little as one can."""


def deepest() -> int:
    """The most levels from which a function can still be called."""
    low, high = 0, sys.getrecursionlimit()
    while high - low > 1:
        middle = (low + high) // 2
        try:
            dive(middle, nothing, None)
            low = middle
        except RecursionError:
            high = middle
    return low


def rooms() -> list[int]:
    """How many frames to leave: each number of few, and some of all the others."""
    most = deepest() - 5
    return some([*range(40), *range(40, 420, 90), *range(435, 465, 6), *range(470, most, 200)])


def summary(accumulator: Accumulator, events: list[Any]) -> Any:
    outcome = accumulator.close()
    statistics = accumulator.statistics()
    return (
        [(type(one).__name__, one.sequence) for one in (*events, *outcome.events)],
        "".join(one.text for one in events if isinstance(one, ContentDelta)),
        repr(accumulator.snapshot()),  # NaN is not equal to itself
        (outcome.name, outcome.reason),
        [(one.code, one.path, one.count) for one in accumulator.anomalies],
        (statistics.bytes, statistics.events, statistics.chunks, statistics.unknown_fields),
    )


def dived(levels: int, function: Callable[[Any], Any], argument: Any) -> tuple[bool, Any]:
    """Whether `function`, called from so deep, did what it does, and what it returned; never a RecursionError of ours."""
    try:
        return True, dive(levels, function, argument)
    except NoRoom:
        return False, None
    except RecursionError as error:
        where = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        assert not [name for name in where if "streamkit" in name and "tests" not in name]
        return False, None  # there was no frame to call it in


def read(blocks: list[bytes], levels: int | None) -> Any:
    """Feed each block from so deep; where that is refused, again from here."""
    accumulator = Accumulator()
    events: list[Any] = []
    for block in blocks:
        done, found = (False, None) if levels is None else dived(levels, accumulator.feed, block)
        events += found if done else accumulator.feed(block)
    return summary(accumulator, events)


@pytest.mark.parametrize("name", STREAMS)
def test_a_block_fed_from_deep_down_is_folded_or_refused_whole(name: str) -> None:
    expected, most = read(STREAMS[name], None), deepest()
    for room in rooms():
        assert expected == read(STREAMS[name], most - room), f"{room} frames are left"


@pytest.mark.parametrize("name", ["an error", "a body", "a page", "comments", "read a second time"])
def test_bytes_fed_from_deep_down_are_read_or_refused_or_end_the_stream_as_a_limit(name: str) -> None:
    blocks = each_byte(b"".join(STREAMS[name]))
    expected, most = read(blocks, None), deepest()
    for room in some(range(0, 48, 4)):
        found = read(blocks, most - room)
        assert expected == found or ("failed", "limit") == found[3], f"{room} frames are left"


@pytest.mark.parametrize("typed", [False, True], ids=["mapping", "ours"])
def test_a_chunk_added_from_deep_down_is_folded_or_refused_whole(typed: bool) -> None:
    mapping = json.loads(delta(f'{{"content":"a","x":{NESTED},"y":{OBJECTS}}}'))
    given = structure(mapping, CreateChatCompletionStreamResponse) if typed else mapping
    most = deepest()

    def added(levels: int | None) -> Any:
        accumulator = Accumulator()
        for _ in range(3):
            done, _ = (False, None) if levels is None else dived(levels, accumulator.add, given)
            if not done:
                accumulator.add(given)
        return summary(accumulator, [])

    for room in rooms():
        assert added(None) == added(most - room), f"{room} frames are left"


@pytest.mark.parametrize("name", STREAMS)
def test_what_ends_or_reads_a_stream_from_deep_down_does_it_or_is_refused(name: str) -> None:
    blocks, most = STREAMS[name], deepest()
    for room in rooms():
        accumulator = Accumulator()
        for block in blocks[: len(blocks) // 2 + 1]:
            accumulator.absorb(block)
        before = repr(accumulator.snapshot())
        done, found = dived(most - room, lambda one: one.snapshot(), accumulator)
        assert not done or before == repr(found)
        done, found = dived(most - room, lambda one: one.close(), accumulator)
        assert done is (accumulator.outcome is not None and accumulator.close() is found)
        assert before == repr(accumulator.snapshot()) or accumulator.close().ok


@pytest.mark.parametrize("function", [dumps, unstructure], ids=["dumps", "unstructure"])
def test_writing_from_deep_down_gives_the_value_or_is_refused(function: Callable[[Any], Any]) -> None:
    value = structure({"id": "a", "choices": [], "created": 1, "model": "m"}, CreateChatCompletionResponse)
    most = deepest()
    seen = {str(found) for room in range(60) for done, found in [dived(most - room, function, value)] if done}
    assert {str(function(value))} == seen


def test_reading_from_deep_down_gives_the_value_or_is_refused() -> None:
    data = b'{"id":"a","choices":[],"created":1,"model":"m"}'
    most = deepest()
    for read_it, given in ((loads, data), (structure, json.loads(data)), (structure, json.loads(data) | {"id": "b"})):
        for target in (CreateChatCompletionResponse, dict[str, Any]):
            for room in range(60):
                done, found = dived(most - room, lambda one, f=read_it, t=target: f(one, t), given)
                assert not done or read_it(given, target) == found


def test_a_value_without_an_end_is_the_values_fault_and_a_deep_stack_the_callers() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValidationError):
        dumps(endless)
    with pytest.raises(MisuseError, match="the caller's stack is too deep"):
        dive(deepest() - 30, dumps, endless)


def test_data_too_deep_for_a_low_limit_fails_the_stream_and_plain_text_is_read() -> None:
    limit = sys.getrecursionlimit()
    accumulator = Accumulator()
    events: list[Any] = []
    sys.setrecursionlimit(limit - deepest() + 190)
    try:
        events += accumulator.feed(STREAMS["text"][0])
        with pytest.raises(MisuseError):
            accumulator.feed(STREAMS["nested"][0])
        events += accumulator.feed(DONE)
    finally:
        sys.setrecursionlimit(limit)
    outcome = accumulator.close()
    assert ("failed", "limit") == (outcome.name, outcome.reason)
    assert isinstance(outcome.error, LimitError)
    response = accumulator.snapshot()
    assert response is not None
    assert (response.choices[0].message.content or "").startswith("w0 ")
    assert isinstance((*events, *outcome.events)[-1], End)


def test_a_chunk_too_deep_for_a_low_limit_fails_the_stream_too() -> None:
    limit, used = sys.getrecursionlimit(), deepest()
    nested = structure(json.loads(delta(f'{{"content":"a","x":{NESTED}}}')), CreateChatCompletionStreamResponse)
    ends = set()
    for room in range(190, 90, -5):
        accumulator = Accumulator()
        sys.setrecursionlimit(limit - used + room)
        try:
            with pytest.raises(MisuseError, match=r"the caller's stack is too deep|cannot: maximum recursion depth"):
                accumulator.add(nested)
        except pytest.fail.Exception:
            continue
        finally:
            sys.setrecursionlimit(limit)
        outcome = accumulator.close()
        ends.add((outcome.name, outcome.reason))
    # From 3.12 on a level takes one frame, and what is too deep is refused before anything has changed.
    assert ends <= {("failed", "limit"), ("failed", "empty")}
    assert ("failed", "limit") in ends or (ends and sys.version_info >= (3, 12))


def test_there_is_room_where_the_stack_is_not_deep() -> None:
    assert has_room()
    assert not dive(deepest() - 70, lambda _: has_room(), None)


def test_room_is_found_again_wherever_the_next_call_is_made_from() -> None:
    room, most = Room(), deepest()
    for depth in (0, 0, most - 70, most - 70, 40, 40, most - 600, most - 70, 0):
        assert (depth != most - 70) == dive(depth, lambda _: room.left(), None)


def test_the_limit_is_looked_at_again_where_the_depth_is_the_same() -> None:
    room, limit = Room(), sys.getrecursionlimit()
    assert [True, True] == [room.left() for _ in range(2)]
    sys.setrecursionlimit(limit - deepest() + 40)
    try:
        found = room.left()
    finally:
        sys.setrecursionlimit(limit)
    assert not found
