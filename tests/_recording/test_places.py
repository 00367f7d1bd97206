"""Where a fault strikes: what a place is called, and which bytes that is in a body."""

from __future__ import annotations

from random import Random

import pytest

from streamkit import MisuseError
from streamkit._recording.places import Place, Spot, place_of, spot_of
from streamkit.trace import Block

BLOCKS = [Block(0.1, b"data: 1\n"), Block(0.2, b"\n: ping\n\n"), Block(0.3, b"data: 22\n\n")]
EVENT_1, PING, EVENT_2 = (0, 9), (9, 17), (17, 27)


def spot(at: object, seed: int = 0) -> Spot:
    return spot_of(place_of(at), BLOCKS, Random(seed))


@pytest.mark.parametrize(
    ("at", "offset", "span"),
    [
        ("block:1", 0, (0, 8)),
        ("block:3", 17, (17, 27)),
        ("block:-1", 17, (17, 27)),
        ("event:1", 0, EVENT_1),
        ("event:2", 17, EVENT_2),
        ("event:-2", 0, EVENT_1),
        ("byte:0", 0, (0, 1)),
        ("byte:5", 5, (5, 6)),
        ("byte:27", 27, (27, 27)),
        (0, 0, EVENT_1),
        (0.0, 0, EVENT_1),
        (0.5, 14, PING),
        ("0.5", 14, PING),
        (1.0, 27, EVENT_2),
        ("1", 27, EVENT_2),
    ],
)
def test_a_place_has_an_offset_and_a_span(at: object, offset: int, span: tuple[int, int]) -> None:
    assert Spot(offset, *span) == spot(at)


def test_a_random_place_follows_from_the_seed() -> None:
    assert [spot("random", seed) for seed in range(9)] == [spot("random", seed) for seed in range(9)]
    assert 1 < len({spot("random", seed).offset for seed in range(9)})


def test_an_empty_body_has_one_place_for_shares_and_none_for_blocks_and_events() -> None:
    assert Spot(0, 0, 0) == spot_of(Place("share", 0.5), [], Random(0))
    assert Spot(0, 0, 0) == spot_of(Place("random"), [], Random(0))
    with pytest.raises(MisuseError, match=r'^at "event:1": this stream has 0 events$'):
        spot_of(Place("event", 1), [], Random(0))


@pytest.mark.parametrize(
    "at", ["event:0", "block:0", "byte:-1", "event", "foo", "", 2, 1.5, -0.1, True, float("nan"), None, b"head"]
)
def test_what_names_no_place_is_refused_with_what_does(at: object) -> None:
    with pytest.raises(MisuseError, match=r'^at takes "head", "block:3", "event:3"'):
        place_of(at)


def test_a_place_that_the_body_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(
        MisuseError, match=r'^at "event:3": this stream has 2 events: name one from "event:1" to "event:2"$'
    ):
        spot("event:3")
    with pytest.raises(MisuseError, match=r'^at "byte:28": this body has 27 bytes$'):
        spot("byte:28")


@pytest.mark.parametrize("at", ["head", "random", "block:3", "event:-1", "byte:100", "0.25"])
def test_a_place_is_written_as_it_is_read(at: str) -> None:
    assert at == str(place_of(at))
