"""Templates that are ready together, whose events differ only in one run of bytes before the text: an index.

In: the lines of many events, each the data of one. Out: the templates of the first of them, as many as are exactly as
their templates say, and the values in their slots. All events together take one comparison and one JSON array, whatever
choice or call each is of.

    prefix of each template = start + key + middle      `start` and `middle` are the same in all

Rule 1: `start`, and all that follows the text, are compared for all events at once; `middle` ends the key, which must
        be that of a template. So the bytes before a text are exactly the prefix of its template.
Rule 2: the texts are decoded as one array, see `slot_values.read_columns`.
Rule 3: where the templates followed each other by turns, as most senders write choices, the next events are expected to
        continue like that: then their prefixes need not be cut into key and `middle`, only compared.

Cost: 0.15 us an event of one template, 0.2 of several by turns, 0.3 in any other order; 5 us to make one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import getitem
from typing import Any

from .._fold.field_rules import MANY_PIECES
from .slot_values import Columns, add_values, read_columns
from .template import Template

__all__ = ("Row", "row_of")


class Row:
    """Templates whose events are read together."""

    __slots__ = (
        "_apart",
        "_begin",
        "_between",
        "_cut",
        "_end",
        "_keys",
        "_middle",
        "_more",
        "_sep",
        "_simple",
        "_start",
        "_suffix",
        "_turn",
        "counted",
        "line_end",
        "templates",
    )

    def __init__(self, templates: list[Template], frame: tuple[bytes, bytes]) -> None:
        self.templates = templates
        first = templates[0]
        self._suffix, self._simple, self.counted = first.suffix, first.simple, first.counted
        self._start, self._middle = first.prefix, b""
        self._keys: dict[bytes, Template] = {}
        self._apart = True  # whether no two of them add to one state
        if len(templates) > 1:
            self.counted = True in [one.counted for one in templates]
            states = [one.states[0] if self._simple else one.state for one in templates]
            self._apart = len({*map(id, states)}) == len(templates)
            prefixes = [one.prefix for one in templates]
            begin = _common(prefixes)
            end = _common([prefix[: begin - 1 if begin else None : -1] for prefix in prefixes])
            self._start, self._middle = first.prefix[:begin], first.prefix[len(first.prefix) - end :]
            self._keys = {one.prefix[begin : len(one.prefix) - end]: one for one in templates}
        # With what frames an event: what its line begins and ends with.
        lead, trail = frame
        self.line_end = trail[: len(trail) // 2]
        self._start, self._suffix = lead + self._start, self._suffix + self.line_end
        self._begin, self._end = len(self._start), -len(self._suffix)
        self._more = len(lead) + len(self.line_end)  # bytes of a line that are not the data of its event
        self._cut = slice(self._begin, self._end)
        self._sep = first.suffix + trail + self._start
        self._turn: list[Template] | None = None  # those of the next events, if they are expected by turns
        # What is between a text and the next, of this template, and where that is in the data of its event.
        self._between: dict[Template, tuple[bytes, slice]] = {}

    @property
    def useful(self) -> bool:
        """Whether the key of each event says which of these templates it is of."""
        keys, middle = self._keys, self._middle
        if len(self.templates) == 1:
            return True
        if not middle or len(keys) < len(self.templates) or not (self._apart or self._simple):
            return False
        return not [key for key in keys if (key + middle).find(middle) != len(key)]

    def read(self, parts: list[bytes], raw: bytes) -> tuple[int, list[Template], Columns | None]:
        """Return how many of these events fit before one that does not; the template of each of those, or only the first
        if there is just one; and the values in their slots, or None if those of one do not fit. `parts`: the line of
        each event; `raw`: the same with the blank lines between them."""
        if self._turn is not None and (expected := self._by_turns(self._turn, parts, raw)) is not None:
            return len(parts), *expected
        begin, end, cut, fitting = self._begin, self._end, self._cut, len(parts)
        if not (raw.startswith(self._start) and parts[0].endswith(self._suffix)):
            return 0, [], None
        rests: Sequence[bytes] = [part[cut] for part in parts]
        between = self._sep.join(rests)
        # For a part shorter than what surrounds its slots, the compared bytes would be longer than the part. No copy of
        # them is made with `start` and `suffix`.
        same = len(raw) == begin + len(between) - end and raw.startswith(between, begin)
        if not (same and raw.endswith(self._suffix)):
            fitting = self._fitting(parts, rests, raw)
            if not fitting:
                return 0, [], None
            parts, rests = parts[:fitting], rests[:fitting]
        order = self.templates[:1]
        if self._keys:
            keys, found, rests = zip(*[rest.partition(self._middle) for rest in rests], strict=True)
            try:
                order = [*map(self._keys.__getitem__, keys)]
                odd = b"" in found
            except KeyError:
                odd = True
            if odd:  # a choice or call whose template is not ready, or other bytes after its index
                fitting = next(at for at, key in enumerate(keys) if not (found[at] and key in self._keys))
                if not fitting:
                    return 0, [], None
                parts, rests, order = parts[:fitting], rests[:fitting], [self._keys[key] for key in keys[:fitting]]
        return fitting, order, read_columns(self.templates[0], rests, parts, self._more)

    def _by_turns(
        self, turn: list[Template], parts: list[bytes], raw: bytes
    ) -> tuple[list[Template], Columns | None] | None:
        """Return the template of each of these events and their values, as `read` does, if all are as expected."""
        self._turn = None
        count = len(parts)
        times = count // len(turn) + 1
        order = (turn * times)[:count]
        # The last one is looked at first: where a choice ends, it is no longer as expected.
        if not (raw.startswith(order[0].head) and parts[-1].startswith(order[-1].head)):
            return None
        if not self._between:
            sep, end = self._sep[: len(self._sep) - self._begin], self._end
            self._between = {one: (sep + one.head, slice(len(one.head), end)) for one in turn}
        between, cuts = zip(*map(self._between.__getitem__, turn), strict=True)
        rests: list[Any] = [*map(getitem, parts, cuts * times)]
        pieces = [b""] * (2 * count)
        pieces[::2], pieces[1::2] = (between * times)[:count], rests
        pieces[0] = order[0].head
        some = b"".join(pieces)
        # As in `read`.
        if len(raw) != len(some) - self._end or not (raw.startswith(some) and raw.endswith(self._suffix)):
            return None
        self._turn = turn
        return order, read_columns(order[0], rests, parts, self._more)

    def _fitting(self, parts: list[bytes], rests: Sequence[bytes], raw: bytes) -> int:
        """Return how many of these events, not all, begin and end like the templates before one that does not; `rests`:
        what is then between."""
        low, high, at, step = 0, len(parts), 0, 8  # those before `low` do, of those before `high` one does not
        frame = len(self._sep) - self._begin + self._end
        while high - low > 1:
            middle = low + min(step, (high - low) // 2)
            some = self._start + self._sep.join(rests[low:middle]) + self._suffix
            size = sum(map(len, parts[low:middle])) + (middle - low - 1) * frame
            if len(some) == size and raw.startswith(some, at):
                low, at, step = middle, at + size + frame, 2 * step
            else:
                high = middle
        return low

    def add(self, order: list[Template], values: Columns) -> list[Template] | None:
        """Add these values to their states, in this order of templates; return those of one turn if they arrived by turns."""
        said, tokens, numbers, _ = values
        if len(order) == 1:
            add_values(order[0], said, tokens, [column[-1] for column in numbers])
            return order
        turn = order[: len(self.templates)]
        each = len(turn)
        by_turns = self._apart and len({*turn}) == each and order == (turn * (len(order) // each + 1))[: len(order)]
        if by_turns and each == len(self.templates):
            shift = len(order) % each
            self._turn = turn[shift:] + turn[:shift]
        if not self._simple:
            places = _places(order)
            for one, at_all in places.items():
                some = None if tokens is None else [tokens[at] for at in at_all]
                add_values(one, [said[at] for at in at_all], some, [column[at_all[-1]] for column in numbers])
            return turn if by_turns else None
        for one in self.templates:
            if len(one.states[0].pieces) >= MANY_PIECES:
                one.states[0].compact()
        if by_turns:
            for at, one in enumerate(turn):
                if text := "".join(said[at::each]):
                    one.states[0].pieces.append(text)
        else:
            into = {one: one.states[0].pieces.append for one in self.templates}
            for one, text in zip(order, said, strict=True):
                if text:
                    into[one](text)
        return turn if by_turns else None


def _places(order: list[Template]) -> Mapping[Template, Sequence[int]]:
    """Return where each template is in `order`."""
    places: dict[Template, list[int]] = {}
    for at, one in enumerate(order):
        places.setdefault(one, []).append(at)
    return places


def row_of(templates: list[Template], frame: tuple[bytes, bytes]) -> Row | None:
    """Return the row of these templates, or None if their events cannot be read together."""
    first = templates[0]
    if len(templates) > 1 and not all(
        one.suffix == first.suffix and one.steps == first.steps and one.form == first.form for one in templates
    ):
        return None
    row = Row(templates, frame)
    return row if row.useful else None


def _common(some: list[bytes]) -> int:
    """Return how many bytes all of these begin with."""
    one, other = min(some), max(some)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
