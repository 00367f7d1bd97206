"""Find the events that look like others: only from those can a template be learned that pays.

In: the bytes of events on the reference path. Out: whether one is like an event before it, or like one of the next two
of its block. Nothing is decoded, and nothing depends on the answer but the cost: what a template may take is proved
elsewhere.

Rule 1: what is before the choices (frame, id, model) and the line ends must be those of the event before: else an id or
        a number is another in each event, or frames change by turns, and a template would be useless.
Rule 2: equal are the bytes after the choices, the index that most senders begin a choice or a call with, and how many
        fields there are, in which objects. Padding is not compared (OpenAI's `obfuscation`).
Rule 3: the first template of a stream is learned only where a few events in a row are like others: it costs as much as
        ten short events, and is left at each event that says something else.
Rule 4: after too many events that are like none it is time to rest (`tired`). What breaks rule 1 tires three times as
        much as another choice by turns, and an event like those from which nothing could be learned nine times.

Cost: 0.5 us for an event that breaks rule 1, 1.5 us for others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..rules import RULES, Rule
from .cutting import end_of_event, first_whole, some_events

__all__ = ("EARLY", "Likeness")

_PATIENCE = 20  # of eight choices by turns the first sixteen events may be unlike: their roles, their first texts
_HOPELESS = 3
_ALONE = 2  # more for what is looked at alone, as with an event a block: that takes three times as long
EARLY = 4  # blocks from before a lane begins that are worth looking at
_WINDOW = 4  # events ahead
_STEADY = 4  # events in a row whose heads are equal, for each time that heads changed
_MANY = 8  # events that fit in a row, after which such changes are forgotten
_MOST_SEEN = 256  # looks that are remembered; more choices than that do not pay anyway
_MOST_VAIN = 2  # times: the first text of a stream may be empty
_MOST_PROMISED = 65536  # bytes that are looked ahead
_LEAST_PADDED = 16  # bytes after the choices that may have padding in them
_CALLS = b'"tool_calls"'
_CHOICE, _CALL = len(b'"choices":[{"index":12,"'), len(_CALLS + b':[{"index":12,"')

_NAMES = [path.encode() for path, rule in RULES.items() if rule is Rule.DROP and "." not in path]
_PADDING = re.compile(  # and usage, which has other numbers in each event
    rb'"usage" ?: ?\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}|"(?:%b)" ?: ?"[A-Za-z0-9]*+"' % b"|".join(_NAMES)
)
_ALL_BUT_FORM = bytes(set(range(256)) - set(b"{}:\r\n"))
_RETURN = b"\r"[0]


class Likeness:
    """What the events of a stream look like. `early`: blocks from before, of which one event each is looked at, and only
    if it is needed."""

    __slots__ = (
        "_at",
        "_changes",
        "_choices",
        "_early",
        "_found",
        "_head",
        "_last",
        "_learned",
        "_recent",
        "_return",
        "_seen",
        "_source",
        "_steady",
        "_vain",
        "again",
        "ahead",
        "fits",
        "tiredness",
    )

    def __init__(self, early: list[bytes]) -> None:
        self._early = early
        self._head: bytes | None = None  # what is before the choices, of the event before
        self._return: bool | None = None  # whether its lines end in CRLF
        self._changes = self._steady = 0  # how often heads changed, and how many in a row were equal since then
        self._seen: set[int] = set()
        self._recent: list[int] = []  # the looks of the last few events that were looked at alone
        self._choices: set[bytes] = set()
        self._last = 0  # the look of the event found last
        self._found = b""  # the event that was found last
        self._source = b""  # the one that a template was learned from last
        self.ahead: list[tuple[int, int]] = []  # where the events of a block end that were looked at ahead; their looks
        self._at = 0  # where they begin
        self._learned = 0  # the look of the event learned from last, until an event fits
        self.fits = 0  # events that took the lane since a template was learned last
        self.again = False  # whether what was learned from an event like the last one does not fit that
        self._vain: dict[int, int] = {}  # how often nothing was learned from an event with this look
        self.tiredness = 0

    @property
    def tired(self) -> bool:
        """Whether too many events in a row were not like others."""
        return self.tiredness >= _PATIENCE

    @property
    def steady(self) -> bool:
        """Whether the heads of all events so far were equal."""
        return not self._changes

    def not_learned(self, in_vain: bool) -> None:
        """Note that nothing was learned from the event that was found last; `in_vain`: nor can be from others like it."""
        if in_vain:
            self._vain[self._last] = self._vain.get(self._last, 0) + 1
        self._learned, self._found = 0, b""

    def learned(self) -> None:
        """Note that a template was learned from the event that was found last."""
        self._source, self._found, self.fits = self._found, b"", 0

    def fitted(self, events: int) -> None:
        """Note that a number of events in a row took the fast lane."""
        self.tiredness = self._learned = 0
        self.fits += events
        if events >= _MANY:
            self._changes = 0

    def wake(self) -> None:
        """Begin again after a rest: the sender may write other things now."""
        self.tiredness = 0
        self._vain.clear()

    def give_up(self) -> None:
        """Note that it is time to rest: the block at hand shows that learning would not pay."""
        self.tiredness, self._found = _PATIENCE, b""

    def pass_by(self) -> None:
        """Note an event that is never learned from: it has other lines than data."""
        self.tiredness += _HOPELESS

    def knows(self, event: bytes) -> bool:
        """Return whether `event` is worth learning from, where the events after it are not known."""
        if len(self._early) >= _WINDOW - 1 and _is_one_row(event, self._early):  # nearly all streams with one choice
            self._early, self._found = [], event
            return True
        early = self._recall() if self._early else ()
        look = self._look(event)
        if look not in self._seen:  # of choices by turns the last event is another one's
            head = self._head or b""
            for one in map(first_whole, early):
                if one and one.startswith(head):
                    self._seen.add(self._look(one))
        if self._pays(look, ()) and (self._source or self._even([*self._recent, look])):
            self._found = event
            return True
        self._recent = [*self._recent[1 - _WINDOW :], look]
        self.tiredness += _ALONE
        return False

    def first(self, block: bytes, at: int, most: int, returns: bool) -> tuple[int, int, int]:
        """Return where in `block` the first event begins, from the offset `at` on, that is worth learning from, where it
        ends, and how many are before it; if none of `most` is, or this is tired of looking, where they end, twice.

        `returns`: whether the block has carriage returns. An event that the block does not end is like none.
        """
        end, passed, ahead = len(block), 0, self.ahead
        if ahead and at != self._at:
            ahead.clear()
        if self._early:
            self._recall()
        while passed < most and (not passed or self.tiredness < _PATIENCE):
            stop, look = ahead.pop(0) if ahead else self._next(block, at, returns)
            if stop < 0:
                return end, end, passed + (at < end)
            if look and look not in self._seen and (most > 1 or self._learned):
                self._reach(ahead, 2, block, stop, returns)
            if self._pays(look, [one for _, one in ahead]):
                if most > 1 and not self._source:
                    self._reach(ahead, _WINDOW, block, stop, returns)
                if self._source or self._even([look, *(one for place, one in ahead if place >= 0)]):
                    self._found, self._at = block[at:stop], stop
                    return at, stop, passed
            at, passed = stop, passed + 1
        self._at = at
        if at == end:
            self.tiredness += _ALONE
        return at, at, passed

    def _reach(self, ahead: list[tuple[int, int]], count: int, block: bytes, at: int, returns: bool) -> None:
        """Look at as many events ahead, from the offset `at` on, as far as `block` ends them."""
        while len(ahead) < count and (not ahead or ahead[-1][0] >= 0):
            ahead.append(self._next(block, ahead[-1][0] if ahead else at, returns))

    def _even(self, looks: list[int]) -> bool:
        """Return whether a few events in a row are all like others: else the first template would soon be left again."""
        if all(look and (look in self._seen or looks.count(look) > 1) for look in looks):
            return True
        self._learned = 0
        self.tiredness += _HOPELESS
        return False

    def promises(self, block: bytes, at: int, returns: bool) -> bool:
        """Return whether `block` continues like it began: whether in its middle and at its end a few events in a row agree on
        what is around their choices, and one has the fields of an event that was learned from."""
        form = _form(self._source or self._found)
        for events in _samples(block, at, returns):
            around = {(one[: one.find(b'"choices"')], one[one.rfind(b"]") :]) for one in events}
            if len(around) > 1 and len({(head, _unpadded(after)) for head, after in around}) > 1:
                return False
            if len([one for one in events if _form(one) != form or _choice(one) not in self._choices]) > 1:
                return False
        return True

    def _next(self, block: bytes, at: int, returns: bool) -> tuple[int, int]:
        """Return where the event at `at` ends, and its look; -1 and 0 if the block does not end it."""
        stop = end_of_event(block, at, returns)
        return stop, self._look(block[at:stop]) if stop >= 0 else 0

    def _pays(self, look: int, ahead: Sequence[int]) -> bool:
        """Return whether to learn from an event with this look: one like it was there before, or is ahead."""
        if not look:
            self.tiredness += 1 if self._steady else _HOPELESS
            return False
        seen = self._seen
        like = look in seen or look in ahead
        if len(seen) >= _MOST_SEEN:
            seen.clear()
            self._choices.clear()
            self._vain.clear()
        seen.add(look)
        self.again = look == self._learned
        if self.again:
            self._vain[look] = self._vain.get(look, 0) + 1
        if not like:
            self.tiredness += 1
        elif self._vain.get(look, 0) >= _MOST_VAIN:
            self.tiredness += 3 * _HOPELESS
        else:
            self._last = self._learned = look
            return True
        return False

    def _recall(self) -> list[bytes]:
        """Look at the last event of the early blocks; return the blocks before it."""
        *early, last = self._early
        event = first_whole(last)
        self._recent, self._early = [self._look(event)] if event else [], []
        self._seen.update(self._recent)
        return early

    def _look(self, event: bytes) -> int:
        """Return a number that is equal for events that are alike; 0 for one that has no text, as far as a few searches
        show that, or that breaks rule 1."""
        begin = event.find(b'"choices"')
        if begin < 0:
            return 0
        before = self._head
        if before is None:
            self._head = event[:begin]
        elif begin != len(before) or not event.startswith(before):
            head = self._head = event[:begin]
            if not (b'"obfuscation"' in head or b'"usage"' in head) or _unpadded(head) != _unpadded(before):
                self._changes += 1
                self._steady = 0
                return 0
        returns = event[-2] == _RETURN
        if self._return is None:
            self._return = returns
        elif returns is not self._return:
            self._return = returns
            self._changes += 1
            self._steady = 0
            return 0
        self._steady += 1
        delta = event.find(b'"delta"', begin)
        if self._steady < _STEADY * self._changes or delta < 0 or event.startswith(b"{}", delta + 8):
            return 0
        if event.find(b'"finish_reason":"', begin) >= 0:
            return 0
        end = event.rfind(b"]")
        call = event.find(_CALLS, delta, end)
        if call < 0:
            choice = event[begin : begin + _CHOICE]
            form = event[begin + _CHOICE : end].translate(None, _ALL_BUT_FORM)
        else:
            choice, form = event[begin : begin + _CHOICE] + event[call : call + _CALL], b""
        self._choices.add(choice)
        after = event[end:]
        if len(after) > _LEAST_PADDED:
            after = _unpadded(after)
        return hash((choice, form, after)) or 1


def _samples(block: bytes, at: int, returns: bool) -> Iterator[list[bytes]]:
    """Yield a few events in a row from the middle of `block`, after the offset `at`, and a few from near its end."""
    size = min(len(block) - at, _MOST_PROMISED)
    for place in (at + size // 2, at + size - size // 4):
        start = block.find(b"\ndata", place) + 1
        yield [*some_events(block, start, _WINDOW, returns)] if start else []


def _is_one_row(event: bytes, before: list[bytes]) -> bool:
    """Return whether an event begins and ends like each of the few blocks before it: up to the first name in its delta, and
    from the last string in it that ends an object. Cost: 1 us."""
    delta = event.find(b'"delta":{')
    colon, end = event.find(b":", delta + 9), event.rfind(b'"}')
    if delta < 0 or colon < 0 or end < 0:
        return False
    head, tail = event[: colon + 1], event[end:]
    return all(one.startswith(head) and one.endswith(tail) for one in before[1 - _WINDOW :])


def _choice(event: bytes) -> bytes:
    """Return the bytes in which most senders write the index of a choice, and of a call."""
    begin = event.find(b'"choices"')
    call = event.find(_CALLS, begin)
    choice = event[begin : begin + _CHOICE]
    return choice if call < 0 else choice + event[call : call + _CALL]


def _form(event: bytes) -> bytes:
    """Return how many fields there are in the choices, in which objects; nothing for a call, whose arguments have
    braces and colons themselves."""
    begin = event.find(b'"choices"') + _CHOICE
    end = event.rfind(b"]")
    return b"" if event.find(_CALLS, begin, end) >= 0 else event[begin : max(end, begin)].translate(None, _ALL_BUT_FORM)


def _unpadded(text: bytes) -> bytes:
    """Return `text` without the padding in it, which has another length in each event."""
    return _PADDING.sub(b"", text)
