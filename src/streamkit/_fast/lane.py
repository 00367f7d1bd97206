"""The fast lane: events that differ from an earlier one only in the values of its slots (see `template`).

Rule 1: the reference path defines the meaning. What a template is, and which events it takes, is proved when it is
        learned.
Rule 2: a template is valid as long as nothing else happens. Each event on the reference path starts a new epoch, in
        which a template is checked again before its first use: the facts of the chunk (id, model ...) must be the last
        ones folded, and its part must be open.
Rule 3: any doubt goes to the reference path: different bytes around a slot, a slot that is not one JSON value of its
        kind, half of a surrogate pair. An event is folded whole or not at all.
Rule 4: if an event on the reference path said the same about the response as the templates, those of them
        that say nothing else (`lasting`) are checked again at once: they need not wait until that path folds a text.

It reads blocks, not events, in two ways. `take` is for a block that is one event. `run` is for many: it cuts a stretch
of the block at its blank lines, compares the constant bytes of all its events in one comparison, and decodes all their
texts as one JSON array. While a row is ready (see `row`) it cuts lines instead, in a third of the time. The separator
in that array is `",\\n"`: JSON allows no line end inside a string, so no text, whatever it contains, can run into the
next one or look like two. If a stretch does not match as a whole, the lane tries the part that seems to match, and then
the first half of that.

Cost: 0.3 us for a matching event in a large block, 0.5 for one that is a whole block.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from itertools import groupby, repeat
from typing import Any

import jiter

from .._decode.scanning import HEAVIEST
from .._fold.field_rules import MANY_PIECES
from .._fold.reducer import Reducer
from .._fold.tool_calls import KNOWN_INDEX
from ..anomalies import Anomalies
from ..events import Event
from ..types import CreateChatCompletionStreamResponse
from .learning import ALONE, ASKED, CUT, FEW, FEW_READ, LONGEST, PASSED, REFUSED, RESUMED, RUN, Templates
from .likeness import Likeness
from .row import Row, row_of
from .slot_values import Columns, Found, Tokens, add_values, read_framed, read_values, reports_that_last
from .template import Template
from .template_events import text_event, tokens_event

__all__ = ("LEAST_VALUES", "Lane")

# Bytes looked at together: at first, and at least. At most LONGEST, so that the search for the separator, which begins
# again for each event, stays a simple one (below 30,000).
_FIRST, _LEAST = 1024, 64
_LONGEST_ROW = 40960  # bytes looked at together where lines are cut, which is as fast in any length
_LEAST_ROW = 4  # events for which a row is made
_ALONE = 16  # events of an epoch that are read one by one: runs between other events are hardly ever longer

LEAST_VALUES = HEAVIEST * LONGEST
"""With a lower limit on the values of an event the reference path has to weigh each event: no lane."""

_from_json = jiter.from_json


class Lane:
    """The templates of one stream. `early`: see `Likeness`."""

    def __init__(self, reducer: Reducer, unknown: dict[str, int], anomalies: Anomalies, early: list[bytes]) -> None:
        self._reducer = reducer
        self._unknown = unknown
        self._anomalies = anomalies
        self._templates = Templates(reducer)
        self.budget, self.fits = self._templates.budget, self._templates.fits
        self.likeness = Likeness(early)
        self._ready: dict[bytes, Template] = {}  # those that hold in this epoch, by their first bytes
        self.current: Template | None = None  # the one that fitted last; None: nothing can fit now
        self._hot: Template | None = None  # the current one, while `take` may be called
        self._granted = self._room = 0  # bytes that `take` may take in all, and that are left
        self._taken = self._before = 0  # events that it took, and those before them: of the whole stream
        self._counted = 0  # those of the former that are counted
        self._alike: dict[bytes, Template] = {}  # further ones with the same first bytes: one choice in two forms
        self._row: Row | None = None  # those that are ready, if their events can be read together
        self._lined, self._width = False, 0  # whether that is known; bytes by which ready templates are told apart
        self._alone = 0  # events to read one by one before the next stretch
        self._few = _ALONE  # the same for the next epoch: none after a long run
        self._adopted_at: int | None = None  # events before that; None if a template was learned since
        self._epoch, self._stretch = 0, _FIRST
        self._facts: Any = None
        self._last: Template | None = None  # the current one of the epoch before
        self._vain = 0  # how often `resume` tried the templates since an event last fitted
        self._resumed = False  # whether no template was learned in this epoch
        self.following = b""  # what follows the event that is learned from, as far as its block shows
        self.refused = False  # whether no template begins like the block that `take` refused last

    @property
    def overhead(self) -> int:
        """Bytes of an event that are not its data."""
        return self._templates.overhead

    @property
    def choices(self) -> int:
        """How many choices or calls are known while a template is ready that serves for all of them; 0 if none is, or if
        there are more than can be learned at once."""
        count = self.parallel
        return count if self.current is not None and count <= (FEW if self.current.portable else FEW_READ) else 0

    @property
    def parallel(self) -> int:
        """How many choices are known, or calls of one choice: those that may arrive by turns."""
        choices = self._reducer.choices
        return max(len(choices), choices[0].call_count if len(choices) == 1 and 0 in choices else 0)

    @property
    def untried(self) -> bool:
        """Whether a template has just been learned: what it cost is lost if nothing is compared with it."""
        return self.current is not None and not self.likeness.fits

    # --- one event a block

    def arm(self, room: int, events: int) -> None:
        """Allow `take`, for `room` bytes from here on: the decoder is between two events, of which there were `events`."""
        self._before = events
        self.refused = False
        self._hot, self._granted, self._room = self.current, room, room

    def disarm(self) -> None:
        """Stop allowing `take`. What it took must have been settled."""
        self._hot = None

    @property
    def unsettled(self) -> int:
        """How many events `take` took since they were settled last; each is one chunk."""
        return self._taken

    def settle(self) -> tuple[int, int]:
        """Count the events that `take` took since the last call; return how many events and bytes they were."""
        taken, size = self._taken, self._granted - self._room
        if taken:
            assert self._hot is not None
            self._count(self._hot, taken - self._counted)
            self._reducer.chunks += taken
            self._templates.budget.earn(taken)
            self.current = self._hot
            self._before += taken
            self._taken = self._counted = self._vain = 0
            self._granted = self._room
        return taken, size

    def take(self, block: Any, out: list[Event] | None) -> bool:
        """Fold `block` if it is one event that fits, and nothing else; return whether it was."""
        last = self._hot
        if last is None or type(block) is not bytes:
            return False
        template = last.next or last
        head, tail, between, width, start, stop, pieces = template.single
        if template.epoch != self._epoch or not (block.startswith(head) and block.endswith(tail)):
            other = self._find(block[len(self._templates.frame[0]) : -len(self._templates.frame[1])], self._taken)
            if other is None or not block.startswith(other.head) or not block.endswith(other.single[1]):
                self.refused = True
                return False
            last.next = template = other
            _, tail, between, width, start, stop, pieces = template.single
        room = self._room - len(block)
        if room < 0:
            return False
        if pieces is None:
            size = len(block) - self._templates.overhead
            found = read_framed(template, block[len(template.head) : -len(tail)], size)
            if found is None:
                return False
            if template is not last:
                self._turn(last, template)
            if out is not None:
                self._tell_one(template, found[0][0], found[1][0] if found[1] else None, out)
            add_values(template, *found[:3])
            if found[3]:
                self._reducer.fold_usage(found[3][0], self._before + self._taken + 1, out)
        else:
            if between:  # padding, which has no quotes in it, after the text
                begin = block.rfind(b'"', 0, stop) + 1
                padding = block[begin:stop]
                if padding and not padding.isalnum():  # no line end, no escape, no byte that is not ASCII
                    return False
                if not block.endswith(between, 0, begin):
                    return False
                stop = begin - width
            try:
                text = _from_json(block[start:stop])  # with its quotes
            except ValueError:
                return False
            # Any call may raise RecursionError: make none between two changes that must go together.
            if template is not last:
                self._turn(last, template)
            if text:
                if len(pieces) >= MANY_PIECES:
                    template.states[0].compact()
                if out is not None:
                    self._tell_one(template, text, None, out)
                pieces.append(text)
        self._room = room
        self._taken += 1
        return True

    def _turn(self, last: Template, template: Template) -> None:
        """Count the events that `last` took: those of `template` follow."""
        self._count(last, self._taken - self._counted)
        self._counted = self._taken
        self._hot = template

    # --- many events a block

    def run(
        self, block: bytes, start: int, out: list[Event] | None, before: int, fitted_before: int = 0
    ) -> tuple[int, int]:
        """Fold the events of `block` from the offset `start` on, as long as each fits a template.

        Return the offset of the first byte that was not read and the number of events that were. An event must begin at
        `start`; there were `before` events before it, of which the last `fitted_before` belong to the same run.
        """
        if self._alone:
            start, events = self._run_alone(block, start, out, before)
            if self._alone or start == len(block):
                return start, events
            at, more = self.run(block, start, out, before + events, events)
            return at, events + more
        self._before = before
        (lead, trail), overhead = self._templates.frame, self._templates.overhead
        at, events, end, line_end = start, 0, len(block), len(trail) // 2
        before_odd = 0  # bytes that fitted in a stretch that did not as a whole
        while at < end and block.startswith(lead, at):
            stop = block.rfind(trail, at, at + self._stretch)
            if stop < 0 and (stop := block.find(trail, at)) < 0:
                break
            if self._row is not None:
                fitted, size = self._fold_raw(self._row, block[at : stop + line_end], out)
                events, at, before_odd = events + fitted, at + size, before_odd + size
                if at > stop:
                    self._stretch, before_odd = min(3 * self._stretch, _LONGEST_ROW), 0
                    continue
                if fitted:  # what follows most likely fits nothing: it is not cut as far as that
                    continue
            parts = block[at + len(lead) : stop].split(trail + lead)
            fitted = self._fold(parts, out, tried=self._row is not None)
            events += fitted
            if fitted < len(parts):
                # Cutting the events after that was wasted: so look at about as much as fitted.
                folded = sum(map(len, parts[:fitted])) + fitted * overhead
                at += folded
                self._stretch = min(max(2 * (before_odd + folded), _LEAST), LONGEST)
                self.budget.spend((CUT if len(parts) > 1 else ASKED) + RUN[min(fitted_before + events, len(RUN) - 1)])
                break
            at = stop + len(trail)
            self._stretch, before_odd = min(3 * self._stretch, LONGEST), 0
        if events:
            self._vain = 0
            self._reducer.chunks += events
            self.budget.earn(events)
        self._few = 0 if fitted_before + events > 2 * _ALONE else _ALONE
        return at, events

    def _run_alone(self, block: bytes, start: int, out: list[Event] | None, before: int) -> tuple[int, int]:
        """Do what `run` does, one event at a time: in a fifth of the time if only the first few fit. Once `_alone` events
        have fitted, the rest of the epoch is read in stretches."""
        trail = self._templates.frame[1]
        self.arm(len(block), before)
        at, left = start, self._alone
        while left:
            stop = block.find(trail, at)
            if stop < 0 or not self.take(block[at : stop + len(trail)], out):
                break
            at, left = stop + len(trail), left - 1
        events, _ = self.settle()
        self.disarm()
        self.refused = False
        if not left or stop < 0:
            self._alone, self._stretch = 0, max(self._stretch, 3 * _FIRST)
        else:
            self.budget.spend(ALONE if events else ASKED)
        return at, events

    def _fold_raw(self, row: Row, raw: bytes, out: list[Event] | None) -> tuple[int, int]:
        """Fold the first of these events, as many as fit the row; return how many, and of how many bytes. `raw`: their
        lines, with the blank ones between them."""
        # A row reads lines: cutting those takes a third of the time of a search for what is between events.
        lines = BytesIO(raw).readlines()
        parts = lines[::2]
        line_end = row.line_end
        if lines[1::2].count(line_end) != len(parts) - 1:
            return 0, 0
        fitted, _ = self._fold_row(row, parts, raw, out)
        if fitted == len(parts):
            return fitted, len(raw) + len(line_end)
        return fitted, sum(map(len, parts[:fitted])) + fitted * len(line_end)

    def _fold(self, parts: list[bytes], out: list[Event] | None, *, tried: bool) -> int:
        """Fold the events with these data; return how many fitted before one that does not. `tried`: whether the row has
        not taken the first."""
        folded = self._fold_some(parts, out, tried)
        while 0 < folded < len(parts) and (more := self._fold_some(parts[folded:], out)):
            folded += more
        return folded

    def _fold_some(self, parts: list[bytes], out: list[Event] | None, tried: bool = False) -> int:
        """Fold the first of these, as many as fit and can be read together; return how many, 0 if the first does not
        fit."""
        if len(self._ready) < 2 and not self._fits_first(parts[0]):
            return 0
        fitting = 0
        if not tried and (self._lined or (len(self._ready) == 1 and not self._alike)):
            folded, fitting = self._fold_lined(parts, out)
            if folded:
                return folded
        if not fitting:
            if parts[0][: self._width] not in self._ready and not self._fits_first(parts[0]):
                return 0
            order = self._templates_of(parts)  # which may make further templates ready
            fitting = len(order)
            if fitting == len(parts) and not (self._lined and self._row):
                folded, _ = self._fold_lined(parts, out)
                if folded:
                    return folded
                if not self._row and self._fold_mixed(parts, order, out):
                    return len(parts)
                if self._alike and (folded := self._fold_in_turn(parts, order, out)):
                    return folded
        if fitting == len(parts):  # one does not fit because of its slots
            fitting //= 2
        return self._fold_some(parts[:fitting], out) if fitting else 0

    def _fold_lined(self, parts: list[bytes], out: list[Event] | None) -> tuple[int, int]:
        """Fold the first of these if they can be read together; return how many, and how many begin and end like the
        templates that are ready: if more, the slots of one do not fit."""
        if not self._lined:
            if len(parts) < _LEAST_ROW and len(self._ready) > 1:
                return 0, 0
            self._row = None if self._alike else row_of([*self._ready.values()], self._templates.frame)
            self._lined = True
        if self._row is None:
            return 0, 0
        lead, line_end = self._templates.frame[0], self._row.line_end
        lines = [b"".join((lead, part, line_end)) for part in parts]
        return self._fold_row(self._row, lines, line_end.join(lines), out)

    def _fold_row(self, row: Row, parts: list[bytes], raw: bytes, out: list[Event] | None) -> tuple[int, int]:
        """Do what `_fold_lined` does, with the row, for events with these lines."""
        fitting, order, values = row.read(parts, raw)
        if values is None:
            return 0, fitting
        turn = row.add(order, values)
        if len(order) == 1:
            self._count(order[0], fitting)
        elif row.counted:
            self._count_all(order, turn)
        self.current = order[-1]
        self._tell(order if len(order) > 1 else repeat(order[0]), values, out)
        return fitting, fitting

    def _fits_first(self, data: bytes) -> bool:
        """Return whether `data` begins and ends like the only ready template, or another, ready from then on."""
        ready = next(iter(self._ready.values()), None)
        if ready is not None and (ready.frames(data) or self._alike):
            return True
        return self._find(data) is not None

    def _count_all(self, order: list[Template], turn: list[Template] | None = None) -> None:
        """Count events of several templates; `turn`: those that followed each other again and again, if they did."""
        if turn is not None:
            each = len(turn)
            whole, more = divmod(len(order), each)
            # The last call of a choice is counted last.
            for one in order[-each:] if whole else order:
                self._count(one, whole + (one in turn[:more]))
            return
        times: dict[Template, int] = {}  # no `Counter`, which takes more frames than what was called before
        for one in order:
            times[one] = times.get(one, 0) + 1
        for one in reversed(dict.fromkeys(reversed(order))):
            self._count(one, times[one])

    def _fold_mixed(self, parts: list[bytes], order: list[Template], out: list[Event] | None) -> bool:
        """Fold all of these if each fits its template in `order` (choices or calls by turns); return whether so."""
        sorted_parts: dict[Template, list[bytes]] = {}
        for part, template in zip(parts, order, strict=True):
            sorted_parts.setdefault(template, []).append(part)
        # Two forms of one choice's events may add to one field by turns: then fold one after the other, and only text.
        apart = len({template.state for template in sorted_parts}) == len(sorted_parts)
        if not apart and not all(template.simple for template in sorted_parts):
            return False
        read = {}
        for template, group in sorted_parts.items():
            found = read_values(template, group)
            if found is None:
                return False
            read[template] = found
        if apart:
            for template, found in read.items():
                add_values(template, *found[:3])
        else:
            said = {template: iter(found[0]) for template, found in read.items()}
            for template in order:
                add_values(template, (next(said[template]),), None, ())
        self._count_all(order)
        self.current = order[-1]
        if out is None and not any(template.form for template in read):
            self._before += len(parts)
            return True
        each = {
            template: zip(texts, tokens or repeat(None), usages or repeat(None), strict=False)
            for template, (texts, tokens, _, usages) in read.items()
        }
        texts, tokens, usages = zip(*[next(each[template]) for template in order], strict=True)
        self._tell(order, (texts, tokens, (), usages if any(usages) else None), out)
        return True

    def _fold_in_turn(self, parts: list[bytes], order: list[Template], out: list[Event] | None) -> int:
        """Fold the first of these, those of one template after those of another; return how many fitted."""
        at = 0
        for template, group in groupby(order):
            end = at + len([*group])
            found = read_values(template, parts[at:end])
            if found is None:
                break
            add_values(template, *found[:3])
            self._count(template, end - at)
            self._tell(repeat(template), found, out)
            self.current, at = template, end
        return at

    def _templates_of(self, parts: list[bytes]) -> list[Template]:
        """Return the template that each of these begins like, up to one that begins like none."""
        width = self._width
        ready = self._ready
        order = [ready.get(part[:width]) for part in parts]
        if self._alike:
            for at, one in enumerate(order):
                if one is not None and not parts[at].endswith(one.suffix):
                    one = self._alike.get(parts[at][:width])
                    order[at] = one if one is not None and parts[at].endswith(one.suffix) else None
        while None in order:
            at = order.index(None)
            found = self._find(parts[at], at)
            if found is None:
                return order[:at]  # type: ignore[return-value]
            order[at] = found
        return order  # type: ignore[return-value]

    def _find(self, data: bytes, after: int = 0) -> Template | None:
        """Return the template that begins and ends like `data` and holds in this epoch, or None; `after`: how many events
        before it have fitted since those that are counted."""
        some = False
        for template in self._templates.framing(data):
            if template.epoch == self._epoch or self._holds(template):
                self._make_ready(template)
                return template
            some = True
        if some or self._facts is None:
            return None
        number = self._before + after
        row = 0 if self._adopted_at is None else number - self._adopted_at
        adopted = self._templates.adopt(data, self._facts, row)
        if adopted is not None:
            adopted.epoch, self._adopted_at = self._epoch, number
            self._make_ready(adopted)
            return adopted
        return None

    def _make_ready(self, template: Template) -> None:
        self._row, self._lined = None, False
        width = len(template.prefix)
        if not self._ready or width < self._width:
            ready = [*(one for one in self._ready.values() if one is not template), template]
            self._ready, self._alike = {one.prefix[:width]: one for one in ready}, {}
            self._width = width
        else:
            key = template.prefix[: self._width]
            if (before := self._ready.get(key, template)) is not template:
                self._alike[key] = before
            self._ready[key] = template

    def _holds(self, template: Template) -> bool:
        """Return whether an event of this template would change nothing but what its slots say: rule 2."""
        state = template.state
        if template.facts is not self._facts or state.done or state.settled or template.part not in state.open:
            return False
        if (self._resumed and not template.lasting) or (template.part == "reasoning" and state.thought is not None):
            return False
        if template.role and state.bare:
            return False
        if template.call is not None and state.calls.at(template.index) is not template.call:
            return False
        if not template.bound():
            return False
        template.epoch = self._epoch
        return True

    def _count(self, template: Template, events: int) -> None:
        """Count what is counted for each event, for `events` in a row at once."""
        if not template.counted or not events:
            return
        if template.call is not None:
            template.call.explain(KNOWN_INDEX, events)
            template.state.calls.last = template.call
        self._anomalies.repeat(template.notes, events)
        for path in template.unknown:
            self._unknown[path] = self._unknown.get(path, 0) + events

    def _tell(self, order: Iterable[Template], values: Found | Columns, out: list[Event] | None) -> None:
        """Append to `out` what these events mean, and fold the usage in them; `order`: the template of each."""
        texts, tokens, _, usages = values
        before = self._before
        self._before += len(texts)
        if usages is not None and out is None:
            for at, usage in reports_that_last(usages):
                self._reducer.fold_usage(usage, before + at + 1, None)
        elif usages is not None and out is not None:
            some = zip(order, texts, tokens or repeat(None), usages, strict=False)
            for number, (template, text, entries, usage) in enumerate(some, before + 1):
                self._tell_one(template, text, entries, out)
                if usage is not None:
                    self._reducer.fold_usage(usage, number, out)
        elif out is None:
            return
        elif tokens is None and self._reducer.whole:
            out.extend([(template, text) for template, text in zip(order, texts, strict=False) if text])  # type: ignore[misc]
        elif tokens is None:
            sequence = self._reducer.sequence
            for template, text in zip(order, texts, strict=False):
                if text:
                    out.append(text_event(template, text, sequence))
                    sequence += 1
            self._reducer.sequence = sequence
        else:
            for template, text, entries in zip(order, texts, tokens, strict=False):
                self._tell_one(template, text, entries, out)

    def _tell_one(self, template: Template, text: str, tokens: Tokens | None, out: list[Event]) -> None:
        """Append to `out` what one event means."""
        if self._reducer.whole:  # see `TextChunk.plain`: there is no more to a template then
            if tokens is not None:
                out.append((template, text, tokens))  # type: ignore[arg-type]
            elif text:
                out.append((template, text))  # type: ignore[arg-type]
            return
        sequence = self._reducer.sequence
        if text:
            out.append(text_event(template, text, sequence))
            sequence += 1
        if tokens:
            out.append(tokens_event(template, tokens, sequence))
            sequence += 1
        self._reducer.sequence = sequence

    # --- learning

    def pause(self) -> None:
        """Begin a new epoch: something is about to happen that no template knows of."""
        self._epoch += 1
        self._last = self.current or self._last
        self.current = self._hot = self._facts = None
        self._ready = {}
        self._alike = {}
        self._row, self._lined = None, False
        self._alone = self._few

    def resume(self) -> None:
        """Use the templates again after the reference path folded a chunk from which none was learned: rule 4."""
        last, self._vain = self._last, self._vain + 1
        if self._vain & (self._vain - 1):  # nothing has fitted in that many attempts: try ever less often
            return
        if self._reducer.settled:  # none of the choices takes a template: usage and the end follow
            return
        if last is not None and last.lasting and last.facts == self._reducer.metadata and not self._reducer.mixed:
            self._facts, self.current, self._resumed = last.facts, last, True
            self.budget.spend(RESUMED)

    def release(self) -> None:
        """Let go of what refers to each other: the stream is over."""
        for template in self._templates.kept:
            template.next = None

    def ask(self) -> None:
        """Note that `take` refused an event, so that it was looked at in vain."""
        self.budget.spend(REFUSED)

    def miss(self) -> None:
        """Note that the reference path read an event from which nothing can be learned."""
        self._templates.budget.spend(PASSED)

    def learn(
        self, raw: bytes, data: bytes, chunk: CreateChatCompletionStreamResponse, notes: tuple[tuple[str, str], ...]
    ) -> None:
        """Learn from `chunk`, which the reference path decoded from `data` and folded, noting `notes`.

        See `Templates.learn`.
        """
        template = self._templates.learn(raw, data, chunk, notes, self.likeness, self.following)
        if template is not None:
            self._facts, self._resumed = template.facts, False
            template.epoch = self._epoch
            self._make_ready(template)
            self.current, self._adopted_at = template, None
            self.likeness.learned()
        else:
            self.likeness.not_learned(self._templates.in_vain)
