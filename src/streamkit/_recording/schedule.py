"""When each block of a replay is due: as recorded, faster, slower, at once, or at a made-up pace.

In: a plan with recorded times. Out: the plan with the times of the replay, in the reader's seconds. Cost: linear; `ttft` and
`Pace` read the stream once through an accumulator to find its first output.

Rule 1  In this order: `pace` replaces the recorded times; `speed` divides all times (0: all are 0); `max_gap` shortens every
        longer wait, and all that follows arrives earlier by as much; `ttft` moves the first output, and all that follows
        with it. `max_gap` and `ttft` are seconds of the reader, whatever the speed, and `ttft` may exceed `max_gap`.
Rule 2  The first output is that of `Timing.ttft`: text, reasoning, a refusal, a tool call, audio. Blocks before it keep their
        share of the wait. Of a body without any it is the first block.
Rule 3  A time that was not observed is not invented: a trace without times needs `pace` or speed 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import attrs

from .._arguments import number, seconds, whole
from .._field_docs import show_fields
from .._live.timing import Stopwatch
from ..accumulator import Accumulator
from ..errors import MisuseError, shown
from ..trace import Block
from .plan import Plan

__all__ = ("Pace", "pace", "scheduled", "times_of")


def _time(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not seconds(value):
        raise MisuseError(f"pace({attribute.name}=...) takes seconds, finite and not negative, not {shown(value)}")


def _share(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not (number(value) and 0 <= value <= 1):  # type: ignore[operator]
        raise MisuseError(f"pace(jitter=...) takes a share of itl from 0 to 1, not {shown(value)}")


def _seed(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not whole(value, 0):
        raise MisuseError(f"pace(seed=...) takes a whole number from 0 on, not {shown(value)}")


@attrs.frozen
class Pace:
    """A made-up pace, for a trace without times or in place of them: `pace()` makes one."""

    ttft: float = attrs.field(default=0.5, validator=_time)
    """Seconds until the first output; everything before it arrives with it."""
    itl: float = attrs.field(default=0.02, validator=_time)
    """Seconds from each block to the next, on average."""
    jitter: float = attrs.field(default=0.0, validator=_share)
    """How far a single wait may be off `itl`, as a share of it: 0.5 is from half of it to half as much again, evenly."""
    seed: int = attrs.field(default=0, validator=_seed)
    """The same waits for the same seed."""


def pace(ttft: float = 0.5, itl: float = 0.02, jitter: float = 0.0, seed: int = 0) -> Pace:
    """Make a pace for `replay(trace, pace=...)`: the first output after `ttft` seconds, then a block each `itl` seconds.

    `jitter`: how far a single wait may be off, as a share of `itl` from 0 to 1. The same waits for the same `seed`.
    Raises `MisuseError` for any other value.
    """
    return Pace(ttft, itl, jitter, seed)


def times_of(pace: Pace, blocks: Sequence[Block]) -> list[float]:
    """Return when each of `blocks` is due at a made-up pace, in seconds since the request was sent."""
    chance, first, now = Random(f"pace {pace.seed}"), _first_output(blocks), pace.ttft
    times = [now] * min(first + 1, len(blocks))
    for _ in range(first + 1, len(blocks)):
        now += pace.itl * (1 + pace.jitter * chance.uniform(-1, 1))
        times.append(now)
    return times


def scheduled(
    plan: Plan, *, timed: bool, speed: float, ttft: float | None, max_gap: float | None, pace: Pace | None
) -> Plan:
    """Return `plan` with the times of the replay. `timed`: whether its own were observed (rule 3)."""
    if not seconds(speed):
        raise MisuseError(f"speed takes 0 (no waiting), 1 (as recorded) or another factor, not {shown(speed)}")
    for name, value in (("ttft", ttft), ("max_gap", max_gap)):
        if value is not None and not seconds(value):
            raise MisuseError(f"{name} takes seconds, finite and not negative, or None, not {shown(value)}")
    if pace is not None:
        if not isinstance(pace, Pace):
            raise MisuseError(f"pace takes what streamkit.pace(ttft=..., itl=...) returns, not {shown(pace)}")
        times = iter(times_of(pace, plan.blocks))
        plan = attrs.evolve(plan, blocks=tuple(Block(next(times), block.data) for block in plan.blocks))
        first = plan.blocks[0].t if plan.blocks else pace.ttft
        plan = attrs.evolve(plan, head=first, end_t=plan.blocks[-1].t if plan.blocks else first)
    elif speed and not timed:
        raise MisuseError(
            f"this trace has no times (its reads were not observed), so it cannot be played at speed {speed:g}: pass"
            " speed=0 for no waiting, or pace=streamkit.pace(ttft=0.5, itl=0.02)"
        )
    plan = _mapped(plan, (lambda t: t / speed) if speed else (lambda t: 0.0))
    if max_gap is not None:
        plan = _without_gaps(plan, max_gap)
    return plan if ttft is None else _with_first_output_at(plan, ttft)


def _mapped(plan: Plan, new: Callable[[float], float]) -> Plan:
    return attrs.evolve(
        plan,
        head=None if plan.head is None else new(plan.head),
        blocks=tuple(Block(new(block.t), block.data) for block in plan.blocks),
        end_t=new(plan.end_t),
    )


def _without_gaps(plan: Plan, most: float) -> Plan:
    old = new = 0.0

    def shortened(t: float) -> float:
        nonlocal old, new
        old, new = t, new + min(t - old, most)
        return new

    return _mapped(plan, shortened)  # head, blocks, end: in the order of their times


def _with_first_output_at(plan: Plan, ttft: float) -> Plan:
    if not plan.blocks:
        return attrs.evolve(plan, head=ttft, end_t=max(ttft, plan.end_t))
    old = plan.blocks[min(_first_output(plan.blocks), len(plan.blocks) - 1)].t
    return _mapped(plan, lambda t: ttft + t - old if t >= old else ttft * t / old)


def _first_output(blocks: Sequence[Block]) -> int:
    """Return the index of the block that carries the first output (rule 2)."""
    accumulator, watch = Accumulator(), Stopwatch()
    for index, block in enumerate(blocks):
        watch.block(float(index), accumulator.feed(block.data), accumulator.progress)
        if (found := watch.timing().first_output) is not None:
            return int(found)
        if accumulator.done:
            break
    return 0


show_fields(__name__)
