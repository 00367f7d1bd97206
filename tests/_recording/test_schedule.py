"""When each block of a replay is due."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit import MisuseError, Pace, pace, replay
from streamkit._recording.schedule import times_of
from streamkit.testing import chunk, event
from streamkit.trace import Block, Trace

ROLE, HEL, LO, DONE = (
    event(chunk(delta={"role": "assistant"})),
    event(chunk("Hel")),
    event(chunk("lo")),
    event("[DONE]"),
)
TRACE = Trace(
    sender="x",
    case="y",
    end="eof",
    blocks=(Block(1.0, ROLE), Block(2.0, HEL), Block(6.0, LO), Block(6.5, DONE)),
)
UNTIMED = Trace(sender="x", case="y", observed="none", blocks=tuple(Block(0.0, b.data) for b in TRACE.blocks))


def times(trace: Trace = TRACE, **options: Any) -> list[float]:
    return [round(block.t, 9) for block in replay(trace, **options).blocks]


def test_blocks_are_due_as_recorded_faster_slower_or_at_once() -> None:
    assert [1.0, 2.0, 6.0, 6.5] == times()
    assert [0.5, 1.0, 3.0, 3.25] == times(speed=2)
    assert [2.0, 4.0, 12.0, 13.0] == times(speed=0.5)
    assert [0.0, 0.0, 0.0, 0.0] == times(speed=0)


def test_a_gap_limit_shortens_each_longer_wait_in_the_reader_s_seconds() -> None:
    assert [1.0, 2.0, 3.5, 4.0] == times(max_gap=1.5)
    assert [0.5, 1.0, 2.5, 2.75] == times(max_gap=1.5, speed=2)
    assert [0.0, 0.0, 0.0, 0.0] == times(max_gap=0)


def test_ttft_moves_the_first_output_and_all_that_follows() -> None:
    assert [5.0, 10.0, 14.0, 14.5] == times(ttft=10)  # the role alone is no output
    assert [0.0, 0.0, 4.0, 4.5] == times(ttft=0)
    assert [5.0, 10.0, 12.0, 12.25] == times(ttft=10, speed=2)


def test_ttft_without_waiting_is_the_only_wait() -> None:
    assert [10.0, 10.0, 10.0, 10.0] == times(ttft=10, speed=0)


def test_a_pace_gives_times_to_a_trace_that_has_none() -> None:
    assert [0.5, 0.5, 0.7, 0.9] == times(UNTIMED, pace=pace(ttft=0.5, itl=0.2))
    assert [0.25, 0.25, 0.35, 0.45] == times(UNTIMED, pace=pace(ttft=0.5, itl=0.2), speed=2)


def test_jitter_is_seeded_and_bounded() -> None:
    blocks = [Block(0.0, b"data: x\n\n")] * 200
    made = [times_of(Pace(1.0, 0.1, 0.5, seed), blocks) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    gaps = [b - a for a, b in zip(made[0], made[0][1:], strict=False)]
    assert 0.05 <= min(gaps) < 0.06
    assert 0.14 < max(gaps) <= 0.15 + 1e-9


def test_a_trace_without_times_is_played_at_once_but_at_no_speed() -> None:
    assert [0.0, 0.0, 0.0, 0.0] == times(UNTIMED, speed=0)
    with pytest.raises(
        MisuseError, match=r"^this trace has no times .* speed 1: pass speed=0 .* or pace=streamkit.pace\("
    ):
        replay(UNTIMED)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speed": -1}, "speed takes 0 (no waiting), 1 (as recorded) or another factor, not -1"),
        ({"speed": "2"}, "speed takes 0 (no waiting), 1 (as recorded) or another factor, not '2'"),
        ({"speed": float("inf")}, "speed takes 0"),
        ({"ttft": -1}, "ttft takes seconds, finite and not negative, or None, not -1"),
        ({"max_gap": True}, "max_gap takes seconds, finite and not negative, or None, not True"),
        ({"pace": 0.02}, "pace takes what streamkit.pace(ttft=..., itl=...) returns, not 0.02"),
        ({"seed": "x"}, "seed takes a whole number, not 'x'"),
    ],
)
def test_a_value_that_means_nothing_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MisuseError) as caught:
        replay(TRACE, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("options", [{"ttft": -1}, {"itl": None}, {"jitter": 1.5}, {"seed": -1}])
def test_a_pace_that_means_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match=rf"^pace\({next(iter(options))}=\.\.\.\) takes"):
        pace(**options)
