"""Read JSON while it arrives: pieces of text in, path events and the value so far out. No I/O; usable alone.

    growing = PartialJSON()
    for piece in pieces:                                   # cut anywhere
        for event in growing.feed(piece): ...              # $.items[3].city began, grew by "Ber", is whole
        show(growing.value)                                # what can be said so far
    growing.close()
    growing.complete, growing.error

What is shown, and what is not:

Rule 1  An unfinished string is shown as far as it has arrived. An unfinished number is not, since the 1 of 12 is wrong, not
        unfinished; `unfinished_numbers=True` shows the longest number that it begins with. true, false and null are shown
        once they are whole, and a key once its value is.
Rule 2  Of two equal keys in an object the last wins, like with `json`, from the moment at which its value is shown.
Rule 3  An escape that is cut waits for its rest, and so does the first half of a surrogate pair. A half alone is U+FFFD.
Rule 4  The text is JSON by RFC 8259: no comments, no commas before an end, no control characters in strings, nothing but
        blanks around the document. NaN, Infinity and -Infinity are read with `allow_nan=True`.
Rule 5  Where the text stops being JSON, `error` says where and why, what arrived before stays in `value`, and the rest is
        ignored; `strict=True` raises a `FormatError`. The same for nesting deeper than `max_depth`, for more than `max_values`
        values and for integers of more than 4,300 digits, which cost more than their text.
Rule 6  `skip_around=True`: the document is the first object or array, whatever is around it (a fence, prose). A `{` or `[`
        after which the text is not JSON, before a string in it has begun or any other value is whole, is prose, too, and
        nothing is shown of it. Known weakness: the `[1]` of a citation is an array, and so the document.

Cost: that of the text that is fed, about 0.7 us for a piece of a string and 0.5 us for each key and value, at any depth and
whatever arrived before.
`value` is the parser's own object and costs the text of an unfinished string since the last time; where the caller still has
that string, CPython copies it once. `snapshot()` is a value that does not change: it shares what is whole, and costs the
length of the arrays and objects that are not, and of an unfinished string.
"""

from __future__ import annotations

from typing import Any

from ._arguments import check_bool, whole
from ._field_docs import show_fields
from ._partial.document import DEPTH, NAN_WORDS, VALUES, WORDS, Document
from ._partial.events import NotJSON, PathEvent, StringDelta, ValueDone, ValueStarted
from ._partial.paths import Path, Pattern
from .errors import MisuseError, shown

__all__ = ("NotJSON", "PartialJSON", "Path", "PathEvent", "Pattern", "StringDelta", "ValueDone", "ValueStarted")


class PartialJSON:
    """Reads one JSON document that arrives in pieces, cut anywhere. The rules are at the head of `streamkit.partial_json`.

    `feed(text)` returns what the piece added, as path events; `absorb(text)` does the same without creating them. `value` is
    what can be said so far, `snapshot()` the same as a value that stays as it is. After the last piece, `close`.

    `skip_around`: take the first object or array, and ignore text before and after it. `unfinished_numbers`: show them.
    `allow_nan`: read NaN and the infinities. `strict`: raise a `FormatError` where the text stops being JSON, instead of only
    setting `error`. `max_depth`, `max_values`: how deep the document may be, and how many values it may have.
    """

    def __init__(
        self,
        *,
        skip_around: bool = False,
        unfinished_numbers: bool = False,
        allow_nan: bool = False,
        strict: bool = False,
        max_depth: int = DEPTH,
        max_values: int = VALUES,
    ) -> None:
        check_bool("skip_around=", skip_around)
        check_bool("unfinished_numbers=", unfinished_numbers)
        check_bool("allow_nan=", allow_nan)
        check_bool("strict=", strict)
        for name, most in (("max_depth=", max_depth), ("max_values=", max_values)):
            if not whole(most, 1):
                raise MisuseError(f"{name} takes a whole number from 1, not {shown(most)}")
        words = NAN_WORDS if allow_nan else WORDS
        self._document = Document(
            skip=skip_around, numbers=unfinished_numbers, words=words, strict=strict, depth=max_depth, most=max_values
        )
        self._closed = False

    def __repr__(self) -> str:
        document = getattr(self, "_document", None)
        if document is None:
            return "<PartialJSON not ready>"
        state = "failed" if document.error else "complete" if document.whole else "running" if self.started else "empty"
        return f"<PartialJSON {state} characters={document.offset} values={document.count}>"

    # --- in

    def feed(self, text: str) -> list[PathEvent]:
        """Read the next piece; return what it added. `feed("")` does nothing; it does not end the document.

        Where `strict=True` raises, what the piece added before is only in `value`."""
        out: list[PathEvent] = []
        if type(text) is not str or self._closed:
            text = self._checked(text)
        self._document.read(text, out)
        return out

    def absorb(self, text: str) -> None:
        """Read the next piece without creating events: faster, for a caller that reads `value` alone."""
        if type(text) is not str or self._closed:
            text = self._checked(text)
        self._document.read(text, None)

    def close(self) -> list[PathEvent]:
        """End the text; return what the end added: a document that is a number ends there. Closing again adds nothing.

        A document that is not whole has an `error` then; `strict=True` raises it.
        """
        out: list[PathEvent] = []
        if not self._closed:
            self._closed = True
            self._document.end(out)
        return out

    def _checked(self, text: object) -> str:
        if not isinstance(text, str):
            kind = type(text).__name__
            raise MisuseError(f"feed() takes a piece of text as str, not {kind}: decode bytes across pieces first")
        if self._closed and text:
            raise MisuseError("feed() after close(): a PartialJSON reads one document; create a new one for the next")
        return str(text)

    # --- what is known

    @property
    def value(self) -> Any:
        """What can be said so far; None before the document has begun, see `started`.

        It is the parser's own object, which grows with the next piece: do not change it, and take `snapshot()` to keep it.
        """
        return self._document.show()

    def snapshot(self) -> Any:
        """Return what can be said so far, as a value that does not change. What is whole is shared: read it only."""
        document = self._document
        return document.copy(document.show())

    @property
    def started(self) -> bool:
        """True once anything of the document is shown."""
        return self._document.doubtful is None and bool(self._document.root)

    @property
    def complete(self) -> bool:
        """True once the document is whole, as long as nothing follows that must not."""
        return self._document.whole

    @property
    def error(self) -> NotJSON | None:
        """Where and why the text stopped being JSON; None while it is."""
        return self._document.error


show_fields(__name__)
