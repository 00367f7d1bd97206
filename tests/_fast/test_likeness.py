"""Which events are worth learning from: those that look like another one, as far as that is seen without decoding."""

from __future__ import annotations

import pytest

from streamkit._fast.cutting import end_of_event
from streamkit._fast.likeness import Likeness
from unlucky import arguments, chunk, finish, opening

A, B = chunk('"content":"a"'), chunk('"content":" longer"')


def first(*events: bytes, most: int = 100) -> int | None:
    """The number of the first of these that is worth learning from."""
    block = b"".join(events)
    at, stop, passed = Likeness([]).first(block, 0, most, b"\r" in block)
    assert at == len(b"".join(events[:passed]))
    assert stop in (at, at + len(events[passed]) if passed < len(events) else at)
    return passed if at < stop else None


def crlf(event: bytes) -> bytes:
    return event.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("number", "events"),
    [
        pytest.param(0, [A, B, A], id="text"),
        pytest.param(0, [crlf(A), crlf(B)], id="text, CRLF"),
        pytest.param(1, [chunk('"role":"assistant","content":""'), A, B, A], id="a role before it"),
        pytest.param(
            0, [A, chunk('"content":"a","x":null'), B, chunk('"content":"b","x":null')], id="two forms by turns"
        ),
        pytest.param(3, [chunk(index=i % 3) for i in range(9)], id="three choices by turns"),
        pytest.param(3, [*map(opening, (0, 1)), arguments(0), arguments(0), arguments(0)], id="arguments"),
        pytest.param(None, [chunk(id=str(i)) for i in range(9)], id="an id in each"),
        pytest.param(None, [crlf(A) if i % 2 else A for i in range(9)], id="LF and CRLF by turns"),
        pytest.param(None, [b"id: %d\n" % i + A for i in range(9)], id="an event ID in each"),
        pytest.param(None, [finish()] * 9, id="finish reasons"),
        pytest.param(None, [chunk("")] * 9, id="empty deltas"),
        pytest.param(None, [A, A, b": a comment\n\n"] * 9, id="a comment after each two"),
        pytest.param(None, [A], id="one event"),
    ],
)
def test_the_first_event_worth_learning_from_is_like_another_one(number: int | None, events: list[bytes]) -> None:
    if number == 3 and b"tool_calls" in events[0]:
        number = 2
    assert number == first(*events)


def test_padding_is_not_compared() -> None:
    assert 0 == first(*(chunk().replace(b"]}\n", b'],"obfuscation":"%s"}\n' % (b"x" * i)) for i in range(5)))


def test_an_event_that_its_block_does_not_end_is_like_none() -> None:
    block = A + B[:-1]
    assert (len(block), len(block), 2) == Likeness([]).first(block, 0, 100, False)


def test_events_of_earlier_blocks_count() -> None:
    assert Likeness([A, A]).knows(B)
    assert not Likeness([chunk(id="other")]).knows(B)


def test_who_finds_nothing_for_long_is_tired_until_it_wakes() -> None:
    likeness = Likeness([])
    for i in range(20):
        assert not likeness.knows(chunk(id=str(i)))
    assert likeness.tired
    likeness.wake()
    assert not likeness.tired


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"\n\r\n"])
def test_an_event_ends_with_a_blank_line(blank: bytes) -> None:
    assert 7 + len(blank) == end_of_event(b"data: 1" + blank + b"data: 2", 0, True)
    assert -1 == end_of_event(b"data: 1\n", 0, True)
