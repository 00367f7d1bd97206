"""Split blocks of bytes into server-sent events, as section 9.2 of the HTML standard interprets an event stream.

In: the bytes of a response body in blocks, cut anywhere. Out: each event as soon as the blank line that ends it has
arrived; comments (keep-alives) on request; and from close() the event at the end that lacks its blank line.
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

Rule 1: the cut does not matter. The same bytes give the same events, comments, fields and failure, in any blocks.
Rule 2: linear. A byte is examined when its block arrives and again when its line is complete, never once for each block.
Rule 3: bounded. No event grows beyond `max_event_bytes`: the bytes of its lines so far, without line ends and finished
    comments, the unfinished line included. Every byte is measured in effect, so rule 1 covers the failure too.

Plan: work on bytes, since each byte with a meaning here is ASCII and so never part of a longer UTF-8 character; decode
only event names, ids and comments. Split the block at `\\n\\ndata: ` (the fast lane: 0.24 us an event of 270 bytes, 0.7
us alone in its block), and read line by line whatever does not look like one data line (0.3 us a line). Nothing refers
to a block after feed() returns: the state is one bytearray and the lines of one event.
"""

from __future__ import annotations

import re
from array import array
from typing import Any, cast

import attrs

from ._arguments import whole
from ._field_docs import show_fields
from .errors import LimitError, MisuseError, counted, shown

__all__ = ("Comment", "Discarded", "EventDecoder", "ServerSentEvent")

BOM = b"\xef\xbb\xbf"
EVENTS, ALL, RAW = 0, 1, 2  # the kind of output of a call: see feed, feed_all, feed_raw
LF, CR = 10, 13  # as numbers: `LF in block` takes 14 ns where `b"\n" in block` takes 92

# aiohttp cuts a line off at 128 KiB (later 512), httpx2 an event at 1 MiB, and both cut off real images and reasoning
# traces that are longer; clients without a limit ran out of memory.
MAX_EVENT_BYTES = 16 * 1024 * 1024

# An ignored line is kept as an object: besides its text 33 bytes, its position among the data lines, and a note about
# it. 16 MiB of `xx` lines would take over 900 MB. So each counts for this much more than its text; HPACK does the same
# (RFC 7541, Section 4.1).
IGNORED_LINE_COST = 96

# Joining n bytes objects takes 80 bytes for each, temporarily (a Py_buffer): 200 MB for 16 MiB of empty data lines.
_JOINED_AT_ONCE = 8192

# A keep-alive a second for almost three days. A comment costs its sender two bytes, or with gzip 6 KB for 4 MB
# of them.
MAX_COMMENTS = 250_000

# Bytes split into lines in one go: a line of one byte takes an object of 34 bytes and a slot in a list.
PIECE = 1024 * 1024

# The standard sets no bound, but int() refuses more than 4300 digits and is quadratic before: what does not fit 64 bits
# is not a usable time, and is ignored like any other malformed `retry`.
RETRY_DIGITS = 18


_BLANK_LINES = re.compile(rb"\n{3,}+")
_LONE_CR = re.compile(rb"\r(?!\n)")


@attrs.frozen(weakref_slot=False)
class ServerSentEvent:
    """Fired when a blank line ends an event that had a data line."""

    data: bytes
    """The values of its data lines, joined with LF. Empty if the sender wrote an empty data line."""
    event: str = "message"
    """The event type: the last `event` field, or "message"."""
    id: str = ""
    """The last event ID of the stream so far, sticky: from this event or an earlier one."""
    ignored: tuple[bytes, ...] = ()
    """Lines of this event that the standard says to ignore: unknown field, no colon, malformed `id` or `retry`."""
    ignored_at: tuple[int, ...] = attrs.field(default=(), eq=False, repr=False)
    """For each of these, the number of data lines before it, so that JSON with and without `data:` is read in order."""


@attrs.frozen(weakref_slot=False)
class Comment:
    """Fired for a line that starts with a colon: most often a keep-alive."""

    text: str
    """The text after the colon, without one leading space."""


@attrs.frozen(weakref_slot=False)
class Discarded:
    """Fired, by `feed_raw` only, when a blank line ends a group of lines that the standard ignores, none a data
    line."""

    lines: tuple[bytes, ...]
    """The lines, without their ends: `error: {…}` is how some servers report a failure."""
    event: str = "message"
    """The event type of the group: the last `event` field, or "message"."""


class _Draft:
    """A ServerSentEvent under construction: same slots, but not frozen.

    Filling one and then assigning `__class__` takes 91 ns; calling the frozen class takes 274, because each field goes
    through object.__setattr__.
    """

    __slots__ = ("data", "event", "id", "ignored", "ignored_at")


def event_of(data: bytes) -> ServerSentEvent:
    """Return an event that consists of its data alone, for bytes returned by `feed_raw`."""
    draft: Any = _Draft()
    draft.data = data
    draft.event = "message"
    draft.id = ""
    draft.ignored = draft.ignored_at = ()
    draft.__class__ = ServerSentEvent
    return cast(ServerSentEvent, draft)


class EventDecoder:
    """Turn blocks into server-sent events: call feed(block) for each block, then close().

    `max_event_bytes`: the most bytes that one event may grow to (rule 3 at the head of this file). A larger event is a
    LimitError. If events were complete before it, they are returned first and the next call raises.
    `max_comments`: the most comments that a stream may have; one more is a LimitError, too.

    `retry`: the reconnection time in milliseconds that the sender asked for, or None.
    `unread`, `unread_event`: after close(), the ignored lines of an event that was still open and had no data line, and
    the type of that event.
    `last_event_id`: the last event ID as of the last blank line, for reconnecting.
    `events`, `comments`: the number of each so far.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES, max_comments: int = MAX_COMMENTS) -> None:
        if not (type(max_event_bytes) is type(max_comments) is int and max_event_bytes > 0 < max_comments):
            for name, value in (("max_event_bytes", max_event_bytes), ("max_comments", max_comments)):
                if not whole(value, 1):
                    raise MisuseError(f"{name} takes a whole number, at least 1, not {shown(value)}")
        self.retry: int | None = None
        self.last_event_id = ""
        self.unread: tuple[bytes, ...] = ()
        self.unread_event = "message"
        self.events = self.comments = 0
        self._maximum = max_event_bytes
        self._most = min(max_event_bytes, PIECE)
        self._most_comments = max_comments
        self._flooded = False  # there was one comment more than that
        self._plain = False  # no `_bom` to look for, no `_after_cr`, not failed, not closed: blocks are read unchanged
        self._between = True  # nothing is buffered: the next byte begins a line and an event
        self._closed = self._failed = False
        self._owed = False  # failed, but no call has raised the error yet
        self._bom: bytes | None = b""  # the start of a possible byte order mark; None once that is decided
        self._after_cr = False  # the last byte was CR: an LF next belongs to it
        self._tail = bytearray()  # the unfinished line
        self._size = 0  # rule 3, without the unfinished line
        # The buffers of the standard. The data buffer is kept as its lines: no lines = the empty string.
        self._id, self._type = "", ""
        self._data: list[bytes] = []
        self._ignored: list[bytes] = []
        self._ignored_at = array("I")

    @property
    def held(self) -> int:
        """Number of bytes buffered: the event being built and its unfinished line, as rule 3 counts them."""
        return self._size + len(self._tail) + len(self._bom or b"")

    @property
    def between_events(self) -> bool:
        """True if nothing is buffered and the next byte begins a line and an event."""
        return self._plain and self._between

    def feed(self, block: bytes | bytearray | memoryview) -> list[ServerSentEvent]:
        """Feed a block; return the events that it completes. `feed(b"")` does nothing; it does not end the stream.

        Raises MisuseError for anything but bytes, and after close(); LimitError over a limit, and in every call after
        that.
        """
        return cast("list[ServerSentEvent]", self._take(block, EVENTS))

    def feed_all(self, block: bytes | bytearray | memoryview) -> list[ServerSentEvent | Comment]:
        """Feed a block, like feed(), and return comments as well, each before the event that it is part of."""
        return self._take(block, ALL)

    def feed_raw(self, block: bytes | bytearray | memoryview) -> list[bytes | ServerSentEvent | Comment | Discarded]:
        """Feed a block, like feed_all(), at the lowest cost: an event of a single data line is returned as its data,
        plain bytes (without the last event ID); ignored lines without data are returned as Discarded."""
        if self._plain and self._between and type(block) is bytes and len(block) <= self._maximum:
            end = block.find(b"\n")  # one data line and nothing else: a third of the time
            if end >= 6 and block[end:] == b"\n\n" and block.startswith(b"data: ") and CR not in block:
                self.events += 1
                return [block[6:end]]
        elif self._bom == b"" and type(block) is bytes and block.startswith(b"data:"):  # begins with no part of a BOM
            self._bom, self._plain = None, True
        return self._take(block, RAW)

    def reconnect(self) -> None:
        """Continue with another connection of the same stream: the sender repeats the event that was open, and its bytes are
        thrown away, as the standard says. `last_event_id`, `retry`, `events` and `comments` stay.

        Does nothing after close(), or after a failure.
        """
        if not (self._closed or self._failed):
            self._clear()
            self._id = self.last_event_id
            self._bom, self._plain, self._between, self._after_cr = b"", False, True, False

    def close(self) -> ServerSentEvent | None:
        """End the stream; return the event that was still open, its last line perhaps cut off, or None.

        Departs from the standard, which says "any pending data must be discarded": senders forget the last blank line,
        and the caller can distinguish whole JSON from half. None if the event had no data line. `retry`,
        `last_event_id`, `events` and `comments` stay valid. Closing again does nothing. Raises LimitError if feed() had
        not raised it yet.
        """
        if self._closed:
            return None
        self._closed, self._plain, self._bom, start = True, False, None, self._bom or b""
        if self._owed:
            raise self._too_large()
        retry, comments = self.retry, self.comments
        try:
            if self._tail or start:  # perhaps cut off: `retry: 30` may have been 3000
                self._read(start + b"\n", [], EVENTS)
            if self._data:
                return self._event()
            self.unread, self.unread_event = tuple(self._ignored), self._type or "message"
            return None
        finally:
            self.retry, self.comments = retry, comments
            self._clear()

    def _take(self, block: bytes | bytearray | memoryview, want: int) -> list[Any]:
        if not self._plain or type(block) is not bytes:
            block = self._admit(block)
        out: list[Any] = []
        try:
            if CR in block:
                # A CR is the end of a line whatever follows. At the end of the block it cannot be known whether an LF
                # follows, and waiting for it would hold the event back until the next one.
                self._after_cr = block[-1] == CR
                self._plain = not self._after_cr
                if _LONE_CR.search(block) is None:  # CRLF alone: to delete one byte takes a fifth of the time
                    block = block.replace(b"\r", b"")
                else:
                    block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if len(block) <= self._most:
                self._piece(block, out, want)
            else:  # no line of a piece is over the limit: the fast lane need not check
                for start in range(0, len(block), self._most):
                    self._piece(block[start : start + self._most], out, want)
        except LimitError:
            self._clear()
            self._plain, self._failed, self._owed = False, True, bool(out)
            if not out:
                raise
        return out

    def _admit(self, block: bytes | bytearray | memoryview) -> bytes:
        """Return the bytes of this block to read. Handles the rare cases: misuse, an earlier failure, BOM, LF of a
        split CRLF."""
        if self._closed:
            raise MisuseError("feed() after close(): an EventDecoder reads one stream; create a new one for the next")
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise MisuseError(f"feed() takes a block as bytes, bytearray or memoryview, not {type(block).__name__}")
        try:
            block = bytes(block)
        except ValueError as error:  # a memoryview that was released
            raise MisuseError(f"feed() takes a block that can be read: {error}") from None
        if self._failed:
            self._owed = False
            raise self._too_large()
        if not block:
            return b""
        if self._bom is not None:  # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark, if any"
            block = self._bom + block
            if len(block) < len(BOM) and BOM.startswith(block):
                self._bom = block
                return b""
            self._bom = None
            block = block.removeprefix(BOM)
        if self._after_cr:
            self._after_cr = False
            block = block.removeprefix(b"\n")
        self._plain = True
        return block

    def _piece(self, block: bytes, out: list[Any], want: int) -> None:
        """Read a block whose line ends are LF and that is not over the limit."""
        end = block.rfind(b"\n\n")
        if not self._between and end >= 0:  # first the open event
            start = block.find(b"\n\n") + 2
            self._read(block[:start], out, want)
            block, end = block[start:], end - start
        # The fast lane. Splitting at `\n\ndata: ` does three things in one search, and a longer needle is found faster:
        # 97 ns an event of 270 bytes, where splitting at `\n\n` takes 189. What is between two of them is the value of
        # one data line, unless there is an LF in it: then it is any number of lines and events, of any kind.
        if end < 0:
            return self._read(block, out, want)
        if block.startswith(b"data: "):
            lead, parts = b"data: ", block[6:end].split(b"\n\ndata: ")
        elif b"\n\ndata: " in block[:end]:
            lead, (first, *parts) = b"data: ", block[:end].split(b"\n\ndata: ")
            self._read(first + b"\n\n", out, want)
        elif block.startswith(b"data:"):  # a sender that writes no space
            lead, parts = b"data:", block[5:end].split(b"\n\ndata:")
        else:
            return self._read(block, out, want)
        if want == RAW and block.count(b"\n", 0, end) == 2 * (len(parts) - 1):
            self.events += len(parts)
            out += parts
            return self._read(block[end + 2 :], out, want) if end + 2 < len(block) else None
        last_id = self._id
        for part in parts:
            if LF in part:
                self._read(lead + part + b"\n\n", out, want)
                last_id = self._id
                continue
            if want == RAW:  # the same as if the whole block were plain: the cut does not matter
                self.events += 1
                out.append(part)
                continue
            draft: Any = _Draft()
            draft.data = part
            draft.event = "message"
            draft.id = last_id
            draft.ignored = draft.ignored_at = ()
            draft.__class__ = ServerSentEvent
            self.events += 1
            out.append(draft)
        return self._read(block[end + 2 :], out, want) if end + 2 < len(block) else None

    def _read(self, text: bytes, out: list[Any], want: int) -> None:
        """Process text line by line, "in the order they are received" (9.2.6), and keep the unfinished last one."""
        if b"\n\n\n" in text:  # 1 MB of blank lines would be a million lines: those after the first have no effect
            text = _BLANK_LINES.sub(b"\n\n", text)
        lines = text.split(b"\n")
        last = lines.pop()
        if lines and self._tail:
            lines[0] = bytes(self._tail) + lines[0]
            self._tail.clear()
        size = self._size
        for line in lines:
            size += len(line)
            if size > self._maximum:
                raise self._too_large()
            # "If the line is empty (a blank line): dispatch the event"
            if not line:
                self.last_event_id = self._id  # step 1, data or not
                if (
                    self._data
                ):  # step 2: an empty data buffer is not an event. One `data:` leaves "\n", which is an event
                    plain = want == RAW and len(self._data) == 1 and not (self._type or self._ignored)
                    out.append(self._data[0] if plain else self._event())  # steps 3 to 6
                    self.events += 1
                elif want == RAW and self._ignored:
                    out.append(Discarded(tuple(self._ignored), self._type or "message"))
                self._clear()  # steps 2 and 7
                size = 0
                continue
            # "If the line contains a colon: collect the characters before the first one … and after"; "otherwise … the
            # whole line as the field name, and the empty string as the field value"
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._type = value.decode("utf-8", "replace")
            elif field == b"id" and b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
            # bytes.isdigit() is ASCII only, and False for empty bytes
            elif field == b"retry" and value.isdigit() and len(value.lstrip(b"0")) <= RETRY_DIGITS:
                self.retry = int(value.lstrip(b"0") or b"0")
            elif field:  # "The field is ignored"
                self._ignored.append(line)
                self._ignored_at.append(len(self._data))
                size += IGNORED_LINE_COST
            else:  # "If the line starts with a colon: ignore the line"
                size -= len(line)
                if self.comments >= self._most_comments:
                    self._flooded = True
                    raise self._too_large()
                self.comments += 1
                if want:
                    out.append(Comment(value.decode("utf-8", "replace")))
        self._size = size
        if last:
            self._tail += last
        size += len(self._tail)
        if size > self._maximum:
            raise self._too_large()
        self._between = not size

    def _event(self) -> ServerSentEvent:
        """Return the event. Joining the lines with LF is step 3: an LF follows each, and the last is removed."""
        draft: Any = _Draft()
        lines = self._data
        if len(lines) > _JOINED_AT_ONCE:
            starts = range(0, len(lines), _JOINED_AT_ONCE)
            lines = [b"\n".join(lines[start : start + _JOINED_AT_ONCE]) for start in starts]
        draft.data = b"\n".join(lines)
        draft.event = self._type or "message"
        draft.id = self._id
        draft.ignored = tuple(self._ignored)
        draft.ignored_at = tuple(self._ignored_at)
        draft.__class__ = ServerSentEvent
        return cast(ServerSentEvent, draft)

    def _clear(self) -> None:
        self._size, self._type, self._data, self._ignored = 0, "", [], []
        if self._ignored_at:
            self._ignored_at = array("I")
        self._tail.clear()

    def _too_large(self) -> LimitError:
        """Return a new error for each raise: a stored one would keep the frames of its traceback, and their blocks."""
        if self._flooded:
            limit, maximum, text = (
                "max_comments",
                self._most_comments,
                f"more than {counted(self._most_comments, 'comment')}",
            )
        else:
            limit, maximum, text = (
                "max_event_bytes",
                self._maximum,
                f"an event of more than {counted(self._maximum, 'byte')}",
            )
        return LimitError(text, limit=limit, maximum=maximum, event=self.events + 1)


show_fields(__name__)
