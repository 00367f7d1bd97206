"""One JSON document while it arrives: a machine of steps, each of which reads as far as it can.

In: pieces of text, cut anywhere. Out: what has begun, grown or ended, and the value so far. `step` is a function of this class,
which takes the text and where to begin, and returns where it ended; at the end of a piece it is the step that continues.
What is whole within a piece is read by one regular expression; what is cut, by the slower steps. The levels that are open are
in `stack`; nothing is recursive.

Cost: that of the text. No regular expression backtracks, nothing is read twice but a cut escape, and a level costs the same at
any depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..errors import FormatError
from .events import NotJSON, PathEvent, StringDelta, ValueDone, ValueStarted, draft
from .numbers import DIGITS, FRACTION, INTEGER, STEPS, WHOLE, number
from .paths import ROOT, Path, child
from .strings import Strings

__all__ = ("AFTER", "DEPTH", "NAN_WORDS", "VALUES", "WORDS", "Document", "Out")

Out = list[PathEvent] | None

# Possessive where more than one character may repeat: none of them backtracks. Each matches anywhere, if only what is blank.
_BLANKS = r"[ \t\n\r]*+"
_PLAIN = r'[^"\\\x00-\x1f\ud800-\udfff]*+'
_VALUE = re.compile(
    rf'{_BLANKS}(?:"({_PLAIN})("?)|({INTEGER}({FRACTION}))(?=[ \t\n\r,\]}}])|(\[)|(\{{)|(true)|(false)|(null)|)'
)
_STRING, _NUMBER, _FRACTION, _ARRAY, _OBJECT = 2, 3, 4, 5, 6  # groups of it
_OF_WORD = {7: True, 8: False, 9: None}
# As far as they are there: the key, its closing quote, its colon; or the end of the object. Each is one group.
_KEY = re.compile(rf'{_BLANKS}(?:"({_PLAIN})(?:("){_BLANKS}(:)?+)?+|(\}}))?+')
_CUT_KEY, _NO_COLON, _COLON, _END = 1, 2, 3, 4
_NEXT = re.compile(rf'{_BLANKS}(?:(,){_BLANKS}(?:"({_PLAIN})(?:("){_BLANKS}(:)?+)?+)?+|(\}}))?+')
_COMMA = 1  # and then those of `_KEY`, plus 1
_BLANK = re.compile(_BLANKS)
_OPENING = re.compile(r"[{\[]")

AFTER = "expected nothing after the JSON"
"""The reason where a document is followed by more."""

WORDS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
"""The literals, by how they begin."""
NAN_WORDS = {**WORDS, "N": ("NaN", float("nan")), "I": ("Infinity", float("inf"))}
"""Those of `allow_nan`; -Infinity begins like a number."""

DEPTH, VALUES = 200, 1024 * 1024
"""How deep a document may be, as deep as jiter reads, and how many values it may have, like `Limits.max_event_values`."""

_LONG = 500  # digits: fewer than any limit of CPython on what int() reads
_TOO_LONG = f"expected a number of at most {DIGITS:,} digits"

_new_started, _new_delta, _new_done = draft(ValueStarted), draft(StringDelta), draft(ValueDone)


class Document:
    """The state of one document. The arguments are those of `PartialJSON`."""

    __slots__ = (
        "at",
        "count",
        "depth",
        "doubtful",
        "error",
        "into",
        "key",
        "most",
        "numbers",
        "offset",
        "open",
        "path",
        "pieces",
        "root",
        "seen",
        "settled",
        "shown",
        "skip",
        "stack",
        "state",
        "step",
        "strict",
        "strings",
        "text",
        "word",
        "words",
    )

    step: Callable[[Document, str, int, Out], int]

    def __init__(
        self,
        *,
        skip: bool = False,
        numbers: bool = False,
        words: dict[str, tuple[str, Any]] = WORDS,
        strict: bool = False,
        depth: int = DEPTH,
        most: int = VALUES,
    ) -> None:
        self.skip = skip
        self.words = words
        self.strict = strict
        self.depth = depth
        self.most = most  # values
        self.numbers = numbers  # whether those that are not whole are shown
        self.offset = 0  # characters of earlier pieces that were read
        self.error: NotJSON | None = None
        self.begin()

    def begin(self) -> None:
        """Wait for a document."""
        self.root: list[Any] = []  # the document, once it has begun: read like the only item of an array
        self.into: Any = self.root  # what the value is in that is read
        self.path: Path | None = None  # of that
        self.key: Any = None  # of the value, in that
        self.stack: list[tuple[Any, Path | None, Any]] = []  # the same three of each level outside of it
        self.count = 0  # values
        self.strings = Strings()
        self.open = False  # whether a string that is a value is open
        self.at = ROOT  # its path
        self.text = ""  # as far as it is joined
        self.pieces: list[str] = []  # the rest of it; or those of a key or number that is cut
        self.state = ""  # of a number, see `STEPS`
        self.shown = False  # whether a number that is not whole is in `into`
        self.settled = False  # whether that stays as it is
        self.word: tuple[str, Any] = ("", None)  # that has begun
        self.seen = 0  # characters of it, or of a number
        self.doubtful: list[PathEvent] | None = [] if self.skip else None  # while it may be prose
        self.step = Document.before if self.skip else Document.value

    # --- in

    def read(self, text: str, out: Out) -> None:
        """Read the next piece."""
        doubtful, strings = self.doubtful, self.strings
        told = out if doubtful is None else doubtful  # the events of what may be prose are kept back
        if strings.held:
            text = strings.held + text
            strings.held = ""
        at, end = 0, len(text)
        while at < end:
            at = self.step(self, text, at, told)
        self.offset += end - len(self.strings.held)
        if doubtful is not None and (self.doubtful is None or self.proved()):
            self.doubtful = None
            if out is not None:
                out += doubtful
        if self.count > self.most and self.error is None:
            self.fail(f"expected at most {self.most:,} values", "", self.offset)

    def proved(self) -> bool:
        """Return True if what was read is JSON, and not a `{` or `[` in prose: there is a string, number or literal in it,
        or an array or object that is whole."""
        return self.count > len(self.stack)

    def end(self, out: Out) -> None:
        """End the text."""
        if self.step is Document.number and not self.stack and self.state in WHOLE:
            self.end_number(out, "", 0)
        if self.error is None and not self.whole:
            begun = bool(self.root or self.pieces or self.seen)
            reason = "the text ended in the middle" if begun else "the text ended before the JSON began"
            self.fail(reason, "", self.offset + len(self.strings.held))

    # --- what is known

    @property
    def whole(self) -> bool:
        """True if the document is whole, and nothing follows that must not."""
        return self.step is Document.after_all

    def show(self) -> Any:
        """Return the value so far."""
        if self.doubtful is not None:
            return None
        if self.open and self.pieces:
            self.join()
        elif self.numbers and self.step is Document.number:
            self.show_number()
        return self.root[0] if self.root else None

    def show_number(self) -> None:
        """Show the longest number that the first digits of one that is not whole are."""
        if self.settled:
            return
        self.settled = self.seen >= DIGITS  # or each look at a very long number would cost its length
        so_far = number("".join(self.pieces)[:DIGITS])
        if so_far is not None:
            (self.set if self.shown else self.put)(so_far)
            self.shown = True

    def copy(self, value: Any) -> Any:
        """Return the value so far, in which all that is not whole is new; `value`: what `show` returned now."""
        stack = self.stack
        if not stack or self.doubtful is not None:  # a scalar, or nothing that is not whole
            return value
        inner = self.into.copy()
        for at in range(len(stack) - 1, 0, -1):
            outer, _, key = stack[at]
            copied = outer.copy()
            copied[-1 if type(copied) is list else key] = inner
            inner = copied
        return inner

    # --- values

    def value(self, text: str, at: int, out: Out) -> int:
        """Read a value, or as much of it as is there."""
        found = _VALUE.match(text, at)
        assert found is not None
        kind, end = found.lastindex, found.end()
        if kind is None:
            return self.cut_value(text, end, out)
        if kind == _STRING:
            value: Any = found[1]
            if not found[2]:
                return self.begin_string(text, end, value, out)
            if out is not None:
                path = child(self.path, self.key)
                _tell_started(out, path, "string")
                if value:
                    _tell_delta(out, path, value)
                _tell_done(out, path, value)
            return self.scalar(value, end, None)
        if kind == _OBJECT:
            return self.enter({}, "object", text, end, out)
        if kind == _ARRAY:
            return self.enter([], "array", text, end, out)
        if kind != _NUMBER:
            return self.scalar(_OF_WORD[kind], end, out)
        digits = found[_NUMBER]
        if found[_FRACTION]:
            return self.scalar(float(digits), end, out)
        if len(digits) > _LONG:
            return self.cut_value(text, end - len(digits), out)
        return self.scalar(int(digits), end, out)

    def cut_value(self, text: str, at: int, out: Out) -> int:
        """Begin a number or a word that may be cut."""
        if at == len(text):
            return at
        self.seen = 0
        if text[at] in STEPS["start"]:
            self.state, self.shown, self.settled = "start", False, False
            self.step = Document.number
            return self.number(text, at, out)
        if text[at] in self.words:
            self.word = self.words[text[at]]
            self.step = Document.in_word
            return self.in_word(text, at, out)
        return self.stop("expected a value", text, at)

    def scalar(self, value: Any, end: int, out: Out) -> int:
        """Take a string, number or literal that is whole."""
        into = self.into
        if type(into) is list:
            into.append(value)
        else:
            into[self.key] = value
        self.count += 1
        if out is not None:  # like `_tell_done(out, child(self.path, self.key), value)`: most events are made here
            path = Path()
            path._parent, path._key = self.path, self.key
            event = _new_done()
            event.path, event.value = path, value
            event.__class__ = ValueDone
            out.append(event)
        self.step = Document.after if self.stack else Document.after_all
        return end

    def enter(self, into: Any, kind: str, text: str, end: int, out: Out) -> int:
        """Begin an array or an object."""
        if len(self.stack) >= self.depth:
            return self.stop(f"expected at most {self.depth} levels", text, end - 1)
        self.put(into)
        self.count += 1
        self.stack.append((self.into, self.path, self.key))
        self.path = path = child(self.path, self.key)
        self.into = into
        self.key = 0
        if out is not None:
            _tell_started(out, path, kind)
        self.step = Document.first_item if kind == "array" else Document.first_member
        return end

    def leave(self, end: int, out: Out) -> int:
        """End an array or an object."""
        if out is not None:
            _tell_done(out, self.path, self.into)
        self.into, self.path, self.key = self.stack.pop()
        self.step = Document.after if self.stack else Document.after_all
        return end

    def put(self, value: Any) -> None:
        """Show a value that has begun."""
        if type(self.into) is list:
            self.into.append(value)
        else:
            self.into[self.key] = value

    def set(self, value: Any) -> None:
        """Show more of it."""
        self.into[-1 if type(self.into) is list else self.key] = value

    # --- around values

    def first_item(self, text: str, at: int, out: Out) -> int:
        """Read what follows `[`."""
        at = _after_blanks(text, at)
        if at < len(text):
            if text[at] == "]":
                return self.leave(at + 1, out)
            self.step = Document.value
        return at

    def first_member(self, text: str, at: int, out: Out) -> int:
        """Read what follows `{`."""
        return self.member(text, at, out, "expected a key in double quotes, or }")

    def next_member(self, text: str, at: int, out: Out) -> int:
        """Read what follows a comma in an object."""
        return self.member(text, at, out, "expected a key in double quotes")

    def member(self, text: str, at: int, out: Out, reason: str) -> int:
        """Read a key and its colon, or the end of an object without any."""
        found = _KEY.match(text, at)
        assert found is not None
        end, kind = found.end(), found.lastindex
        if kind is None:
            return end if end == len(text) else self.stop(reason, text, end)
        if kind == _END:
            if self.step is Document.next_member:
                return self.stop(reason, text, end - 1)
            return self.leave(end, out)
        return self.take_key(text, found.start(1), found[1], end, kind, out)

    def take_key(self, text: str, start: int, key: str, end: int, kind: int, out: Out) -> int:
        """Take as much of a key as is there, from `start` to `end`."""
        if kind == _COLON:
            self.key = key
            self.step = Document.value
            return end if end == len(text) else self.value(text, end, out)
        if kind == _NO_COLON:
            self.key = key
            self.step = Document.colon
        else:
            self.step = Document.in_key
            if end < len(text):  # an escape, or what ends the JSON
                return start
            self.pieces.append(key)
        return end

    def in_key(self, text: str, at: int, out: Out) -> int:
        """Read a key that is cut, or has escapes."""
        piece, end, closed = self.piece(text, at)
        if piece:
            self.pieces.append(piece)
        if closed:
            self.key = "".join(self.pieces)
            self.pieces.clear()
            self.step = Document.colon
            return end if end == len(text) else self.colon(text, end, out)
        return end if end == len(text) else self.stop(_no_string(text[end]), text, end)

    def colon(self, text: str, at: int, out: Out) -> int:
        """Read what follows such a key."""
        if text[at] != ":":  # nearly never
            at = _after_blanks(text, at)
            if at == len(text):
                return at
            if text[at] != ":":
                return self.stop("expected : after a key", text, at)
        self.step = Document.value
        at += 1
        return at if at == len(text) else self.value(text, at, out)

    def after(self, text: str, at: int, out: Out) -> int:
        """Read what follows a value in an array or object."""
        if type(self.into) is list:
            at = _after_blanks(text, at)
            if at == len(text):
                return at
            if text[at] == ",":
                self.key += 1
                self.step = Document.value
                at += 1
                return at if at == len(text) else self.value(text, at, out)
            if text[at] == "]":
                return self.leave(at + 1, out)
            return self.stop("expected , or ] after a value", text, at)
        found = _NEXT.match(text, at)
        assert found is not None
        end, kind = found.end(), found.lastindex
        if kind == _END + 1:
            return self.leave(end, out)
        if kind is None:
            return end if end == len(text) else self.stop("expected , or } after a value", text, end)
        if kind == _COMMA:
            self.step = Document.next_member
            return end
        return self.take_key(text, found.start(2), found[2], end, kind - 1, out)

    def after_all(self, text: str, at: int, out: Out) -> int:
        """Read what follows the document."""
        at = len(text) if self.skip else _after_blanks(text, at)
        return at if at == len(text) else self.stop(AFTER, text, at)

    def before(self, text: str, at: int, out: Out) -> int:
        """Skip the text before the document."""
        found = _OPENING.search(text, at)
        if found is None:
            return len(text)
        self.step = Document.value
        return found.start()

    # --- strings

    def begin_string(self, text: str, end: int, piece: str, out: Out) -> int:
        """Begin a string that is cut, or has escapes; `piece`: its plain characters before `end`."""
        self.put("")
        self.count += 1
        self.open = True
        self.text = ""
        self.at = at = child(self.path, self.key)
        self.step = Document.string
        if out is not None:
            _tell_started(out, at, "string")
        if end < len(text):
            return self.string(text, end - len(piece), out)
        if piece:
            self.pieces.append(piece)
            if out is not None:
                _tell_delta(out, at, piece)
        return end

    def string(self, text: str, at: int, out: Out) -> int:
        """Read a piece of it."""
        piece, end, closed = self.piece(text, at)
        if piece:
            self.pieces.append(piece)
            if out is not None:  # like `_tell_delta(out, self.at, piece)`
                event = _new_delta()
                event.path, event.text = self.at, piece
                event.__class__ = StringDelta
                out.append(event)
        if closed:
            if self.pieces:
                self.join()
            if out is not None:
                _tell_done(out, self.at, self.text)
            self.text = ""
            self.open = False
            self.step = Document.after if self.stack else Document.after_all
            return end
        return end if end == len(text) else self.stop(_no_string(text[end]), text, end)

    def piece(self, text: str, at: int) -> tuple[str, int, bool]:
        """Return a piece of a string or key, where it ends, and whether the string does: see `Strings.read`."""
        end = text.find('"', at)
        closed = end >= 0
        piece = text[at:end] if closed else text[at:]
        # Nearly all pieces are printable, and no character is that must be an escape.
        if piece.isprintable() and "\\" not in piece and not self.strings.half:
            return piece, end + 1 if closed else len(text), closed
        return self.strings.read(text, at)

    def join(self) -> None:
        """Show all of the open string."""
        pieces = self.pieces
        new = pieces[0] if len(pieces) == 1 else "".join(pieces)
        pieces.clear()
        if self.text:
            text, self.text = self.text, ""
            self.set("")  # now `text` alone refers to it, and CPython extends it in place
            text += new
            new = text
        self.text = new
        self.set(new)

    # --- numbers and literals that are cut

    def number(self, text: str, at: int, out: Out) -> int:
        """Read a piece of a number."""
        start, end, state = at, len(text), self.state
        while at < end and (after := STEPS[state].get(text[at])) is not None:
            state = after
            at += 1
        self.state = state
        self.pieces.append(text[start:at])
        self.seen += at - start
        if at == end:
            return at
        if state in WHOLE:
            return self.end_number(out, text, at)
        if state == "minus" and text[at] == "I" and "I" in self.words:
            self.pieces.clear()
            self.word, self.seen = ("-Infinity", float("-inf")), 1
            self.step = Document.in_word
            return at
        return self.stop("expected a digit", text, at)

    def end_number(self, out: Out, text: str, at: int) -> int:
        """Take a number that is whole; `at`: after it."""
        value = number("".join(self.pieces))
        if value is None:
            return self.stop(_TOO_LONG, "", at - self.seen, at)
        self.pieces.clear()
        if self.shown and type(self.into) is list:
            self.into.pop()
        self.shown = False
        return self.scalar(value, at, out)

    def in_word(self, text: str, at: int, out: Out) -> int:
        """Read a piece of a literal."""
        word, value = self.word
        while at < len(text):
            if text[at] != word[self.seen]:
                return self.stop(f"expected {word}", text, at)
            at += 1
            self.seen += 1
            if self.seen == len(word):
                return self.scalar(value, at, out)
        return at

    # --- what is not JSON

    def stop(self, reason: str, text: str, at: int, resume: int | None = None) -> int:
        """Stop at the character `at`, where the text is not JSON; or, if what was read may be prose, begin again there, or
        at `resume`."""
        resume = at if resume is None else resume
        doubtful = self.doubtful
        if doubtful is None or self.proved():
            self.fail(reason, text[at : at + 1], self.offset + at)
            return resume
        doubtful.clear()
        self.begin()
        self.doubtful = doubtful
        return resume

    def fail(self, reason: str, found: str, offset: int) -> None:
        """Read nothing more."""
        if self.numbers and self.step is Document.number:
            self.show_number()
        path = child(self.path, self.key) if self.step in _IN_VALUE else self.path or ROOT
        self.error = NotJSON(offset, path, reason, found)
        self.doubtful = None
        self.step = Document.stopped
        if self.strict:
            raise FormatError(f"not JSON: {reason} after {offset:,} characters", path=str(path), excerpt=found or None)

    def stopped(self, text: str, at: int, out: Out) -> int:
        """Ignore all that follows."""
        return len(text)


_IN_VALUE = (Document.value, Document.string, Document.number, Document.in_word)


def _no_string(found: str) -> str:
    """Return why a string cannot continue with `found`."""
    return (
        "expected an escape of JSON" if found == "\\" else "expected no control character in a string, but its escape"
    )


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _tell_started(out: list[PathEvent], path: Path, kind: str) -> None:
    event = _new_started()
    event.path = path
    event.kind = kind
    event.__class__ = ValueStarted
    out.append(event)


def _tell_delta(out: list[PathEvent], path: Path, text: str) -> None:
    event = _new_delta()
    event.path = path
    event.text = text
    event.__class__ = StringDelta
    out.append(event)


def _tell_done(out: list[PathEvent], path: Any, value: Any) -> None:
    event = _new_done()
    event.path = path
    event.value = value
    event.__class__ = ValueDone
    out.append(event)
