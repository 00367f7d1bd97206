"""What an accumulator reports of a stream, in a form that can be compared; and cuts that follow from a number.

In: blocks, and the options of an `Accumulator`. Out: a `Reading`. Every reading is judged here by itself, too: only
errors of the sender are raised, one `End` arrives and it is the last event, sequence numbers run from 0, the outcome
fits its reason, the response so far can be written as JSON. What has to be equal between two readings is for the
targets to say. Cost: one reading; with `looking`, a snapshot after each block.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any

import attrs

import streamkit
from streamkit import Accumulator, Dialect, FormatError, Limits, RemoteError, SenderError
from streamkit.events import End, ErrorSeen
from streamkit.outcome import REASONS

TIGHT = Limits(
    max_event_bytes=300, max_response_bytes=1500, max_choices=2, max_tool_calls=2, max_nesting=3, max_anomalies=3
)
"""Limits that an input of a few hundred bytes meets."""


@attrs.frozen(eq=False)
class Reading:
    """Everything that an accumulator reports of a stream. Errors, which are equal to nothing, stand as their facts."""

    events: Any
    response: Any
    outcome: Any
    anomalies: Any
    counts: Any
    raised: Any

    def __eq__(self, other: object) -> bool:
        # A NaN is not equal to itself, but it is written like itself.
        return isinstance(other, Reading) and (_facts(self) == _facts(other) or repr(self) == repr(other))

    __hash__ = None  # type: ignore[assignment]

    def without_events(self) -> Reading:
        """Return what `absorb` must report."""
        return attrs.evolve(self, events=())


def _facts(reading: Reading) -> Any:
    return attrs.astuple(reading, recurse=False)


def same(expected: object, got: object, what: str) -> None:
    """Raise an AssertionError that names `what` and the first place where two values differ."""
    if expected == got:
        return
    one, other = repr(expected), repr(got)
    if one == other:
        return  # a NaN is not equal to itself, but it is written like itself
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, at - 80)
    raise AssertionError(f"{what}\n  expected …{one[start : at + 80]!r}\n  got      …{other[start : at + 80]!r}")


def split(raw: bytes, seed: int) -> list[bytes]:
    """Return `raw` in blocks, cut as `seed` says: 0 whole, 1 byte by byte, 2 after each LF, others by chance."""
    if seed == 0 or len(raw) < 2:
        return [raw]
    if seed == 1:
        return [raw[at : at + 1] for at in range(len(raw))]
    if seed == 2:
        return raw.splitlines(keepends=True)
    by_chance = random.Random(seed)
    count = min(len(raw) - 1, by_chance.choice([1, 2, 5, 20, 60]))
    places = sorted(by_chance.sample(range(1, len(raw)), count))
    return [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]


def options_of(control: int) -> dict[str, Any]:
    """Return the options of an `Accumulator` that a control byte stands for; 0: none."""
    found: dict[str, Any] = {}
    if control & 1:
        found["strict"] = True
    if control & 2:
        found["limits"] = TIGHT
    if control & 4:
        names = [field.name for field in attrs.fields(Dialect)]
        found["dialect"] = Dialect(**{name: bool((control >> 3) >> at & 1) for at, name in enumerate(names)})
    return found


def read(
    blocks: Iterable[bytes], *, absorb: bool = False, looking: bool = False, restart: bool = False, **options: Any
) -> Reading:
    """Read a stream with a new accumulator; `looking`: ask it for everything after each block, which changes nothing;
    `restart`: replace it after some blocks by what its checkpoint restores."""
    accumulator = Accumulator(**options)
    seen: list[Any] = []
    raised: list[Any] = []
    blocks = list(blocks)
    for number, block in enumerate(blocks):
        try:
            if absorb:
                accumulator.absorb(block)
            else:
                seen += accumulator.feed(block)
        except (FormatError, RemoteError) as error:
            assert options.get("strict"), f"feed raised {error!r} without strict=True"
            raised.append(facts_of(error))
        if looking:
            look(accumulator)
        if restart and number % (len(blocks) // 8 + 1) == 0:  # which costs as much as a hundred events
            accumulator = Accumulator.restore(accumulator.checkpoint())
    try:
        outcome = accumulator.close()
    except (FormatError, RemoteError) as error:
        assert options.get("strict"), f"close raised {error!r} without strict=True"
        raised.append(facts_of(error))
        outcome = accumulator.close()
    seen += [] if absorb else outcome.events
    assert accumulator.close() is outcome, "closing again returns the same outcome"
    assert len(raised) <= 1, f"strict raises once, not {raised!r}"
    assert REASONS[outcome.reason][0] == outcome.name, f"{outcome.reason!r} is no reason for {outcome.name!r}"
    assert (outcome.error is None) == outcome.ok, f"{outcome.name!r} with the error {outcome.error!r}"
    if outcome.error is not None:
        assert isinstance(outcome.error, SenderError), f"{outcome.error!r} is not an error of the sender"
        str(outcome.error).encode()
    response = look(accumulator)
    if not absorb and not raised:
        _judge(seen)
    numbers = accumulator.statistics()
    return Reading(
        tuple(_comparable(event) for event in seen),
        response,
        (outcome.name, outcome.reason, facts_of(outcome.error)),
        accumulator.anomalies,
        (numbers.bytes, numbers.events, numbers.comments, numbers.chunks, numbers.unknown_fields, accumulator.emitted),
        tuple(raised),
    )


def facts_of(error: BaseException | None) -> Any:
    """Return what an error says, in a form that can be compared."""
    return None if error is None else (type(error).__name__, str(error), repr(vars(error)))


def look(accumulator: Accumulator) -> Any:
    """Ask for everything there is to ask; return the response so far."""
    response = accumulator.snapshot()
    if response is not None:
        json.loads(streamkit.dumps(response))
        repr(response).encode()
        for choice in response.choices:
            streamkit.dumps(choice.message.to_request())
            str(choice.effective_finish_reason)
            for call in range(len(choice.message.tool_calls or ())):
                accumulator.explain(choice.index, call)
    for anomaly in accumulator.anomalies:
        assert anomaly.count > 0
        str(anomaly).encode()
    accumulator.statistics()
    return response


def _judge(seen: list[Any]) -> None:
    ends = [at for at, event in enumerate(seen) if isinstance(event, End)]
    assert ends == [len(seen) - 1], f"one End, and last: {ends} of {len(seen)}"
    assert [event.sequence for event in seen] == list(range(len(seen))), "sequence numbers run from 0"


def _comparable(event: Any) -> Any:
    if isinstance(event, ErrorSeen):
        # Without what is set again at the end: the outcome's error is compared with it.
        facts = {name: fact for name, fact in vars(event.error).items() if name not in ("partial", "emitted")}
        return "ErrorSeen", event.sequence, type(event.error).__name__, repr(facts)
    if isinstance(event, End):
        return "End", event.sequence, event.outcome, facts_of(event.outcome.error)
    return event
