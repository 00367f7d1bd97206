"""What each fault of `faults.FAULTS` does to a plan. Pure: a plan in, another out.

Every effect takes the plan, the place, a `random.Random` for what is left open, and the options of its fault by name. What
is cut off or inserted keeps the times of what is around it. The rules of places are at the head of `places.py`.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import attrs

from ..trace import Block
from .events_in_body import events_in, paragraphs, value_of_data
from .places import Place, Spot, spot_of
from .plan import Plan, split

__all__ = (
    "bandwidth",
    "corrupt",
    "disconnect",
    "drop",
    "duplicate",
    "empty",
    "error_event",
    "half_chunk",
    "later",
    "malformed",
    "reset",
    "slow_close",
    "stall",
    "status",
    "truncate",
)

_MESSAGES = {429: "Rate limit reached.", 503: "The service is overloaded."}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


# --- when it arrives


def later(plan: Plan, at: Place, chance: Random, *, seconds: float = 1.0) -> Plan:
    """Let everything from the place on arrive `seconds` later."""
    if at.unit == "head":
        late = tuple(Block(block.t + seconds, block.data) for block in plan.blocks)
        head = None if plan.head is None else plan.head + seconds
        return attrs.evolve(plan, head=head, blocks=late, end_t=plan.end_t + seconds)
    before, after = split(plan.blocks, spot_of(at, plan.blocks, chance).offset)
    late = tuple(Block(block.t + seconds, block.data) for block in after)
    return attrs.evolve(plan, blocks=(*before, *late), end_t=plan.end_t + seconds)


def stall(plan: Plan, at: Place, chance: Random, *, seconds: float | None = None) -> Plan:
    """Let nothing arrive for `seconds`; for ever where they are not given."""
    return _ended(plan, at, chance, "silence") if seconds is None else later(plan, at, chance, seconds=seconds)


def bandwidth(plan: Plan, at: Place, chance: Random, *, bytes_per_second: float = 1000) -> Plan:
    """Let each block arrive when its bytes have gone through: sent when it is there and those before it are through."""
    before, after = split(plan.blocks, spot_of(at, plan.blocks, chance).offset)
    now, slow = before[-1].t if before else (plan.head or 0.0), []
    for block in after:
        now = max(now, block.t) + len(block.data) / bytes_per_second
        slow.append(Block(now, block.data))
    return attrs.evolve(plan, blocks=(*before, *slow), end_t=max(plan.end_t, now))


def slow_close(plan: Plan, at: Place, chance: Random, *, seconds: float = 1.0) -> Plan:
    """Let the end of the body arrive late."""
    return attrs.evolve(plan, end_t=plan.end_t + seconds)


# --- how it ends


def truncate(plan: Plan, at: Place, chance: Random) -> Plan:
    """End cleanly; never after `[DONE]`, or nothing would be missing."""
    offset = spot_of(at, plan.blocks, chance).offset
    for start, end in events_in(plan.body):
        value = value_of_data(plan.body[start:end])
        if value is not None and plan.body[start + value[0] : start + value[1]].strip() == b"[DONE]":
            offset = min(offset, start)
    return _ended_at(plan, offset, "eof")


def disconnect(plan: Plan, at: Place, chance: Random) -> Plan:
    """Close the connection without HTTP's end of the body."""
    return _ended(plan, at, chance, "incomplete")


def reset(plan: Plan, at: Place, chance: Random) -> Plan:
    """Reset the connection."""
    return _ended(plan, at, chance, "reset")


def half_chunk(plan: Plan, at: Place, chance: Random) -> Plan:
    """Announce a whole block, send half of it, and close the connection."""
    spot = spot_of(at, plan.blocks, chance)
    before, after = split(plan.blocks, spot.offset)
    if not after:
        return attrs.evolve(plan, end="incomplete", missing=1)
    size = len(after[0].data) if at.unit != "event" else min(spot.end - spot.start, len(after[0].data))
    half = Block(after[0].t, after[0].data[: size // 2])
    blocks = (*before, half) if half.data else tuple(before)
    return attrs.evolve(plan, blocks=blocks, end="incomplete", end_t=half.t, missing=size - size // 2)


def empty(plan: Plan, at: Place, chance: Random) -> Plan:
    """Leave the body out."""
    return attrs.evolve(plan, blocks=(), end="eof", end_t=plan.head or 0.0)


def _ended(plan: Plan, at: Place, chance: Random, end: str) -> Plan:
    if at.unit != "head":
        return _ended_at(plan, spot_of(at, plan.blocks, chance).offset, end)
    return Plan(status=None, headers=(), head=None, blocks=(), end=end, end_t=plan.head or 0.0)


def _ended_at(plan: Plan, offset: int, end: str) -> Plan:
    before, after = split(plan.blocks, offset)
    now = after[0].t if after else plan.end_t
    # A block that is cut arrives when it would have, and the end with it.
    return attrs.evolve(plan, blocks=tuple(before), end=end, end_t=now, missing=0)


# --- what it says


def drop(plan: Plan, at: Place, chance: Random) -> Plan:
    """Leave the span out."""
    before, _, after = _around(plan, spot_of(at, plan.blocks, chance))
    return attrs.evolve(plan, blocks=(*before, *after))


def duplicate(plan: Plan, at: Place, chance: Random) -> Plan:
    """Send the span twice, the second time at once after the first."""
    before, span, after = _around(plan, spot_of(at, plan.blocks, chance))
    again = [Block(span[-1].t, b"".join(block.data for block in span))] if span else []
    return attrs.evolve(plan, blocks=(*before, *span, *again, *after))


def corrupt(plan: Plan, at: Place, chance: Random, *, count: int = 1) -> Plan:
    """Change `count` bytes of the span, or all of them where it has fewer."""
    spot = spot_of(at, plan.blocks, chance)
    body = bytearray(plan.body)
    for place in sorted(chance.sample(range(spot.start, spot.end), min(count, spot.end - spot.start))):
        body[place] ^= chance.randint(1, 255)
    return _with_body(plan, bytes(body))


def malformed(plan: Plan, at: Place, chance: Random) -> Plan:
    """Leave out the second half of an event's data, up to a whole character."""
    spot = spot_of(at, plan.blocks, chance)
    if at.unit in ("block", "byte"):  # the event in which it begins
        spot = next((Spot(s, s, e) for s, e in events_in(plan.body) if e > spot.start), spot)
    value = value_of_data(plan.body[spot.start : spot.end])
    if value is None:
        return plan
    start, end = spot.start + value[0], spot.start + value[1]
    middle = start + (end - start) // 2
    while middle > start and plan.body[middle] & 0xC0 == 0x80:
        middle -= 1
    before, _, after = _around(plan, Spot(middle, middle, end))
    return attrs.evolve(plan, blocks=(*before, *after))


def error_event(
    plan: Plan,
    at: Place,
    chance: Random,
    *,
    code: str = "server_error",
    message: str = "The server had an error while processing your request.",
) -> Plan:
    """Send an error in place of the event at the place, and end cleanly."""
    offset = spot_of(at, plan.blocks, chance).offset
    for start, end in paragraphs(plan.body):  # between two events, or it would be part of one
        if start < offset < end or (offset == end == len(plan.body) and not plan.body.endswith((b"\n", b"\r"))):
            offset = start
    ended = _ended_at(plan, offset, "eof")
    event = b"data: " + _error(message, "server_error", code) + b"\n\n"
    return attrs.evolve(ended, blocks=(*ended.blocks, Block(ended.end_t, event)))


def status(plan: Plan, at: Place, chance: Random, *, code: int = 429, retry_after: float | None = None) -> Plan:
    """Answer with another status and an error object, in place of the stream."""
    head = plan.head or 0.0
    body = _error(_MESSAGES.get(code, "The request failed."), _TYPES.get(code, "server_error"), None)
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    headers += [] if retry_after is None else [("retry-after", f"{retry_after:g}")]
    return Plan(status=code, headers=tuple(headers), head=head, blocks=(Block(head, body),), end="eof", end_t=head)


def _error(message: str, kind: str, code: Any) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def _around(plan: Plan, spot: Spot) -> tuple[list[Block], list[Block], list[Block]]:
    before, rest = split(plan.blocks, spot.start)
    span, after = split(rest, spot.end - spot.start)
    return before, span, after


def _with_body(plan: Plan, body: bytes) -> Plan:
    blocks, start = [], 0
    for block in plan.blocks:
        blocks.append(Block(block.t, body[start : start + len(block.data)]))
        start += len(block.data)
    return attrs.evolve(plan, blocks=tuple(blocks))
