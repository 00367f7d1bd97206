"""A plan over HTTP: each block as one chunk when it is due, and broken ends as TCP has them.

In: a `Plan` and the `send` of an ASGI app. Out: the response, sent; when its client knows what; how late its blocks were. Costs a
clock and a sleep a block.

Rule 1  Head, blocks and end are due at their own times after the request, so lateness does not add up.
Rule 2  Status, names, spelling, order and repetition of headers are the recorded ones. `Date` and what belongs to the connection
        are this server's own (`forwarding`, Rule 1), and a field that HTTP does not allow is left out.
Rule 3  Framing is the recorded one: a length; or the end of the connection, where a response had `Connection: close` and no
        framing; else one chunk of HTTP a block. The length of a body that a fault changed is its true one, that of a body
        that breaks off more than what arrives.
Rule 4  A broken end waits until what was sent has arrived. Where the connection is not in our hands, the response is left
        unfinished, and the server closes it.
Rule 5  A sender that fell silent, or that the recording's reader did not wait for, is silent until the reader leaves.
Rule 6  What the client is about to learn is reported before the bytes are sent that it learns it from: after them, a fast client
        may be back already with its next request. The end of a body of a known length is its last block, of a response
        without a body its head.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio

from ..forwarding import Message, Send, kept_headers
from .plan import Plan
from .uvicorn_edge import break_off, ends_with_close, is_complete

__all__ = ("Watch", "play", "wire_headers")

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_NO_BODY = (204, 304)
_BURST = 16  # blocks that are due at once before others get their turn


def wire_headers(plan: Plan) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Return the fields of the response, and whether its body ends with the connection (rules 2 and 3)."""
    recorded = [
        (name.encode("latin-1", "replace"), value.encode("utf-8", "surrogateescape").strip())
        for name, value in plan.headers
    ] or [(b"content-type", b"text/event-stream")]
    sent = [pair for pair in recorded if _NAME.fullmatch(pair[0]) and _VALUE.fullmatch(pair[1])]
    framings = {name.lower(): value for name, value in sent}
    said = framings.get(b"content-length", b"")
    fields = kept_headers(sent, b"date")
    if said.isdigit() and b"transfer-encoding" not in framings:
        length = b"%d" % _length(plan, int(said[:18]))
        place = next(n for n, (name, _) in enumerate(fields) if name.lower() == b"content-length")
        fields[place] = (fields[place][0], length)
        others = [pair for pair in fields[place + 1 :] if pair[0].lower() != b"content-length"]
        return fields[: place + 1] + others, False
    fields = [pair for pair in fields if pair[0].lower() != b"content-length"]
    closes = b"transfer-encoding" not in framings and framings.get(b"connection", b"").lower() == b"close"
    return fields, closes


def _length(plan: Plan, said: int) -> int:
    size = len(plan.body)
    return size if plan.end == "eof" else max(said, size + 1)


class Watch(Protocol):
    """What is reported of a response that is sent (rule 6)."""

    def head(self) -> None:
        """Note that its head is sent now."""

    def late(self, lag: float) -> None:
        """Note by how many seconds a block is late."""

    def over(self, ended: str) -> None:
        """Note that what ends it is sent now: "eof", "incomplete" or "reset"; "open": it could not be sent."""


async def play(plan: Plan, send: Send, method: str, watch: Watch) -> None:
    """Send the response. Never returns from a silence: cancel it when the reader has left."""
    start = time.monotonic()

    async def until(t: float) -> float:
        if (wait := start + t - time.monotonic()) > 0:
            await anyio.sleep(wait)
        return max(time.monotonic() - start - t, 0.0)

    if plan.head is None:
        return await _end(plan, send, until, watch)
    await until(plan.head)
    headers, closes = wire_headers(plan)
    status = 200 if plan.status is None else plan.status
    if closes:
        ends_with_close(send)
    without_body = method == "HEAD" or status in _NO_BODY
    blocks = () if without_body else plan.blocks
    half = plan.missing and blocks
    counted = any(name.lower() == b"content-length" for name, _ in headers)
    left = -1  # bytes until a client knows that it has all; -1 where only the end says so
    if plan.end == "eof" and (counted or without_body):
        left = sum(len(block.data) for block in blocks)
    watch.head()
    await _sent(send, {"type": "http.response.start", "status": status, "headers": headers}, watch, left == 0)
    for number, block in enumerate(blocks[:-1] if half else blocks, 1):
        watch.late(await until(block.t))
        if not number % _BURST:
            await anyio.lowlevel.checkpoint()
        if block.data:  # an empty chunk would be the last one
            left -= len(block.data)
            await _sent(send, {"type": "http.response.body", "body": block.data, "more_body": True}, watch, left == 0)
    if half:
        await until(blocks[-1].t)
        missing = 0 if counted or closes else plan.missing
        watch.over("incomplete")
        if not await break_off(send, reset=False, data=blocks[-1].data, missing=missing):
            await send({"type": "http.response.body", "body": blocks[-1].data, "more_body": True})
        return
    await _end(plan, send, until, watch)


async def _end(plan: Plan, send: Send, until: Callable[[float], Awaitable[float]], watch: Watch) -> None:
    if plan.end in ("silence", "timeout"):  # Rule 5
        await anyio.sleep_forever()
    await until(plan.end_t)
    if plan.end == "eof":
        await _sent(send, {"type": "http.response.body", "body": b""}, watch, True)
    elif not await break_off(send, reset=plan.end == "reset", before=lambda: watch.over(plan.end)):
        watch.over(plan.end)


async def _sent(send: Send, message: Message, watch: Watch, last: bool) -> None:
    """Send a message; `last`: its client knows by it that it has the whole response."""
    if not last:
        return await send(message)
    watch.over("eof")
    try:
        await send(message)
    except BaseException:  # the client left, or the server stops, while it was slow to read what is before it
        if not is_complete(send):  # after which ASGI reports a client that has left, though it is there
            watch.over("open")
        raise
