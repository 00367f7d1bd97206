"""The same bytes in other blocks, each piece at the time of its last byte."""

from __future__ import annotations

import pytest

from helpers.corpus import TRACES, Recorded, each, read
from helpers.tier import some
from streamkit import MisuseError
from streamkit._recording.recut import RECUTS, recut_blocks
from streamkit.trace import Block

BLOCKS = (Block(0.1, b"data: \xc3"), Block(0.2, b"\xa9\r\n\r"), Block(0.3, b"\ndata: \xf0\x9f\x98\x80\r\n\r\n"))


def pieces(how: object, seed: int = 0) -> list[tuple[float, bytes]]:
    return [(block.t, block.data) for block in recut_blocks(BLOCKS, how, seed)]  # type: ignore[arg-type]


def test_one_block_arrives_with_its_last_byte() -> None:
    assert [(0.3, b"data: \xc3\xa9\r\n\r\ndata: \xf0\x9f\x98\x80\r\n\r\n")] == pieces("one")


def test_a_number_is_a_size() -> None:
    assert [(0.2, b"data: \xc3\xa9\r\n"), (0.3, b"\r\ndata: \xf0\x9f"), (0.3, b"\x98\x80\r\n\r\n")] == pieces(10)


def test_bytes_are_blocks_of_one() -> None:
    assert [(0.1, b"d"), (0.1, b"a"), (0.1, b"t")] == pieces("bytes")[:3]
    assert {1} == {len(data) for _, data in pieces("bytes")}


def test_events_are_cut_after_their_empty_line() -> None:
    assert [(0.3, b"data: \xc3\xa9\r\n\r\n"), (0.3, b"data: \xf0\x9f\x98\x80\r\n\r\n")] == pieces("events")


def test_characters_are_cut_inside_and_the_recorded_cuts_stay() -> None:
    assert [
        (0.1, b"data: \xc3"),
        (0.2, b"\xa9\r\n\r"),
        (0.3, b"\ndata: \xf0"),
        (0.3, b"\x9f"),
        (0.3, b"\x98"),
        (0.3, b"\x80\r\n\r\n"),
    ] == pieces("characters")


def test_crlf_is_cut_between() -> None:
    assert [
        (0.1, b"data: \xc3"),
        (0.2, b"\xa9\r"),
        (0.2, b"\n\r"),
        (0.3, b"\ndata: \xf0\x9f\x98\x80\r"),
        (0.3, b"\n\r"),
        (0.3, b"\n"),
    ] == pieces("crlf")


def test_random_cuts_follow_from_the_seed() -> None:
    blocks = [Block(0.0, b"x" * 1000)]
    cuts = [recut_blocks(blocks, "random", seed) for seed in range(5)]
    assert cuts == [recut_blocks(blocks, "random", seed) for seed in range(5)]
    assert 5 == len(set(cuts))


@pytest.mark.parametrize("how", [*RECUTS, 1, 7, 10_000])
def test_an_empty_body_stays_without_blocks(how: object) -> None:
    assert () == recut_blocks((), how, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["byte", "", 0, -1, True, 1.5, b"one"])
def test_any_other_way_is_refused_with_those_that_there_are(how: object) -> None:
    with pytest.raises(MisuseError, match=r"^recut takes 'bytes', 'events', .* or a number of bytes from 1 on, not"):
        recut_blocks(BLOCKS, how, 0)  # type: ignore[arg-type]


@each(some(TRACES))
def test_whatever_the_cut_the_bytes_are_the_same_and_times_never_run_backwards(recorded: Recorded) -> None:
    blocks = [Block(float(n), data) for n, data in enumerate(recorded.blocks)]
    expected = read([recorded.body])
    for how in (*RECUTS, 100):
        found = recut_blocks(blocks, how, 3)  # type: ignore[arg-type]
        times = [block.t for block in found]
        assert sorted(times) == times
        assert b"" not in {block.data for block in found}
        assert expected == read(block.data for block in found)
