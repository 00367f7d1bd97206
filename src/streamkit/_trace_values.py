"""The values of a trace: the whole one (`Trace`), and the three kinds of line after its header.

In: what a recorder saw, or the contents of a file. Out: frozen values, checked on creation. Costs a few comparisons a
value, for a `Trace` one pass over its blocks.

Rule 1  Times are seconds since the request was sent: finite, not negative, and they never run backwards from head to
        blocks to ending. A clock that does is not a record of arrivals. None: not observed.
Rule 2  A word (`end`, `observed`) written by a newer tool is kept: only its type is checked.
"""

from __future__ import annotations

import sys
from types import NoneType
from typing import Any

import attrs

from .errors import MisuseError, excerpt

__all__ = ("Block", "Ending", "Head", "Trace", "expect")


def expect(good: bool, name: str, expected: str, got: object) -> None:
    """Raise a `MisuseError` that names the field, unless it is good."""
    if not good:
        raise MisuseError(f"expected {expected}", path=f"$.{name}", excerpt=excerpt(got))


def _expect_time(name: str, t: object) -> None:
    # By type, not isinstance: True is not a time. The upper bound excludes infinity and integers that do not fit a
    # float.
    good = type(t) in (float, int) and 0 <= t <= sys.float_info.max  # type: ignore[operator]
    expect(good, name, "seconds, finite and not negative", t)


def _expect_pairs(name: str, pairs: tuple[Any, ...]) -> None:
    for n, pair in enumerate(pairs):
        good = type(pair) is tuple and [type(part) for part in pair] == [str, str]
        expect(good, f"{name}[{n}]", "a pair of strings, name and value", pair)


def _expect_kinds(value: Any, table: tuple[tuple[str, tuple[type, ...], tuple[str, ...]], ...]) -> None:
    for words, kinds, names in table:
        for name in names:
            expect(type(got := getattr(value, name)) in kinds, name, words, got)


_A_STRING = ("a string", (str,))
_A_TUPLE = ("a tuple (in a file, a list)", (tuple,))
_A_NUMBER = ("an integer or null", (int, NoneType))


@attrs.frozen
class Block:
    """The bytes of one read of the network, and its time."""

    t: float
    """Seconds from sending the request to the end of this read."""
    data: bytes
    """The bytes that this read returned."""

    def __attrs_post_init__(self) -> None:
        _expect_time("t", self.t)
        expect(type(self.data) is bytes, "data", "bytes", self.data)


@attrs.frozen
class Head:
    """The head of the response: status and headers, and when they arrived."""

    t: float | None
    """Seconds from sending the request until the headers had arrived; None if not observed."""
    status: int | None = None
    """The HTTP status, None if unknown."""
    headers: tuple[tuple[str, str], ...] = ()
    """The headers in order and spelling received; repeated ones too."""

    def __attrs_post_init__(self) -> None:
        if self.t is not None:
            _expect_time("t", self.t)
        _expect_kinds(self, ((*_A_NUMBER, ("status",)), (*_A_TUPLE, ("headers",))))
        _expect_pairs("headers", self.headers)


@attrs.frozen
class Ending:
    """How the body ended, and when."""

    t: float | None = None
    """Seconds from sending the request until the end was seen; None if not observed."""
    end: str = "unknown"
    """One of `ENDS`; see `Trace.end`."""
    error: str = ""
    """The client's error message, empty if there was none."""
    provenance: str = ""
    """Replaces the header's `provenance` with facts known only while recording; empty: nothing to replace."""
    torn: bool = False
    """True if the file has no such line: its writer was stopped before it could write one."""

    def __attrs_post_init__(self) -> None:
        if self.t is not None:
            _expect_time("t", self.t)
        _expect_kinds(self, ((*_A_STRING, ("end", "error", "provenance")), ("true or false", (bool,), ("torn",))))


@attrs.frozen(kw_only=True)
class Trace:
    """One recorded HTTP exchange: the request, and the response with the time of each block. Raises `MisuseError` on a
    wrong value."""

    sender: str = ""
    """The server that wrote the stream, in one word (`vllm`); empty if unknown."""
    sender_version: str = ""
    """Its version, empty if unknown."""
    case: str = ""
    """The case that the stream shows, in one word; the file's name."""
    recorded: str = ""
    """When it was recorded: a day (2026-11-21) or an instant (2026-11-21T09:30:00Z), ISO 8601."""
    provenance: str = ""
    """"recorded": unchanged. Anything else says what was done to it ("recorded-sanitized", "synthetic", …)."""
    notes: str = ""
    """How the sender was run, and what else a reader must know; free text."""
    observed: str = "reader"
    """Where block boundaries and times were seen. "transport": inside the client, which is assumed to read at once.
    "proxy": between client and sender. "reader": by the reader of the source, at its pace. "none": nowhere; every `t`
    is then 0, and the blocks are cuts of some tool."""
    method: str = ""
    """The method of the request (`POST`), empty if unknown."""
    path: str = ""
    """The path of the request with its query, empty if unknown."""
    request_headers: tuple[tuple[str, str], ...] = ()
    """Headers of the request, without those that identify a person or machine."""
    request: dict[str, Any] | None = None
    """The body of the request if it is a JSON object; None if it is not, or unknown."""
    request_body: bytes | None = None
    """The body of the request if it is anything but a JSON object; else None."""
    status: int | None = None
    """The HTTP status of the response, None if unknown."""
    headers: tuple[tuple[str, str], ...] = ()
    """Response headers in order, as received; without those that identify a person or machine."""
    head_time: float | None = None
    """Seconds from sending the request until status and headers had arrived; None if not observed."""
    blocks: tuple[Block, ...] = ()
    """The blocks of the body, in order."""
    end: str = "unknown"
    """How the body ended. "eof": as HTTP says. "incomplete": closed before that. "reset", "timeout": an error instead.
    "cancelled": the reader left. "unknown": the recorder does not know."""
    end_time: float | None = None
    """Seconds from sending the request until the end was seen; None if not observed."""
    error: str = ""
    """The client's error message for an end other than "eof", or why the recording stopped; empty if there is none."""
    torn: bool = False
    """True if the file stops without saying how the body ended: its writer was killed, or the file was cut."""
    extra: dict[str, Any] = attrs.field(factory=dict)
    """Header fields that this version does not define."""

    def __attrs_post_init__(self) -> None:
        _expect_kinds(self, _KINDS)
        _expect_pairs("headers", self.headers)
        _expect_pairs("request_headers", self.request_headers)
        expect(self.request is None or self.request_body is None, "request", "null beside request_body", self.request)
        last: float = 0
        if self.head_time is not None:
            _expect_time("head_time", last := self.head_time)
        for n, block in enumerate(self.blocks):
            expect(type(block) is Block, f"blocks[{n}]", "a Block", block)
            expect(block.t >= last, f"blocks[{n}].t", "no less than the one before", block.t)
            last = block.t
        if self.end_time is not None:
            _expect_time("end_time", self.end_time)
            expect(self.end_time >= last, "end_time", "no less than the time of the last block", self.end_time)

    @property
    def body(self) -> bytes:
        """The whole body, as one block; joined at each access."""
        return b"".join(block.data for block in self.blocks)

    @property
    def timed(self) -> bool:
        """True if boundaries and times were observed: anything but `observed="none"`."""
        return self.observed != "none"

    @property
    def encoding(self) -> str:
        """The content encoding of the body (`gzip`); empty if the blocks are not encoded."""
        named = (value for name, value in self.headers if name.lower() == "content-encoding")
        words = ",".join(named).replace(" ", "").lower().split(",")
        return ",".join(word for word in words if word not in ("", "identity"))


_KINDS: tuple[tuple[str, tuple[type, ...], tuple[str, ...]], ...] = (
    (
        *_A_STRING,
        (
            *("sender", "sender_version", "case", "recorded", "provenance", "notes", "observed"),
            *("method", "path", "end", "error"),
        ),
    ),
    ("an object or null", (dict, NoneType), ("request",)),
    ("bytes or None", (bytes, NoneType), ("request_body",)),
    (*_A_NUMBER, ("status",)),
    ("true or false", (bool,), ("torn",)),
    ("an object", (dict,), ("extra",)),
    (*_A_TUPLE, ("headers", "request_headers", "blocks")),
)
