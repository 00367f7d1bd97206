"""Replaces what is private in an exchange by as many letters x, so that lengths and block boundaries stay.

In: the credentials that were seen (`Secrets.add`, `add_header`, `add_query`), then headers, paths, JSON values and bytes, or
the blocks of a body one by one (`BlockScrubber`). Out: the same with x in their place. Cost: a search of the bytes for each
credential and for the beginning of each shape, 3 us a block; memory: the blocks that hold the end of an unfinished word.

Rule 1  A value is searched in bodies only if it has 16 characters or a key's shape: `test`, `EMPTY` and `1` are words of any
        text. In headers and queries a shorter one is replaced too, where it is the whole value.
Rule 2  It is searched as it is, as JSON writes it (with and without `\\/`, with `\\u003d` for `=`), and as a URL does.
Rule 3  JSON syntax never changes. An escape into which a match reaches is left whole; quotes and escapes inside of one stay;
        a value that could be outside of a string (digits, `true`, punctuation) has its digits replaced, by 1.
Rule 4  A word that a block boundary cuts is found: a block that ends inside of a word is kept until the word ends, and no
        longer than `HELD` bytes. Whatever the cut, the same bytes are replaced.
Rule 5  What a function of the user's finds is replaced like that, whatever its length. It sees whole lines.
"""

from __future__ import annotations

import base64
import json
import os
import re
from binascii import Error
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from ..trace import Block
from .secret_table import FRAMING, SHAPES, SHORTEST, is_credential, is_kept, is_private, looks_like_a_key

__all__ = ("HELD", "BlockScrubber", "Find", "Secrets")

Find = Callable[[str], Iterable[str]]
"""Given some text, returns the parts of it that are private: `re.compile(r"[\\w.]+@[\\w.]+").findall`."""

LONG = 16  # characters: shorter ones are words (Rule 1)
HELD = 65536  # bytes of one word; longer than any key, and than most images in base64

_ENVIRONMENT = ("KEY", "TOKEN", "SECRET")
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.%\\")
_WORDS = bytes(one if chr(one).isascii() and (chr(one).isalnum() or chr(one) in "_-.") else 32 for one in range(256))
_ALL_BUT_LF = bytes(set(range(256)) - {10})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Secrets:
    """What is private in one exchange, and what was found of it.

    `find`: what else is private (`Find`). `environ`: variables whose name ends in KEY, TOKEN or SECRET are credentials.
    `keep`: names of request headers to record beside those of the table.
    """

    def __init__(
        self, find: Find | None = None, *, keep: tuple[str, ...] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self.found = False
        """Whether anything was replaced."""
        self._find = find
        self._keep = keep
        self._values: set[str] = set()
        self._forms: tuple[bytes, ...] = ()
        self._open = bytes(_WORD) if find is None else _ALL_BUT_LF
        for name, value in (os.environ if environ is None else environ).items():
            if name.upper().endswith(_ENVIRONMENT):
                self.add(value)

    # --- what is private

    def add(self, value: str) -> None:
        """Add a credential."""
        value = value.strip()
        if not value or value in self._values or not value.strip("x"):  # x alone: replaced before
            return
        self._values.add(value)
        if len(value) >= LONG or looks_like_a_key(value):
            self._forms = tuple(sorted({*self._forms, *_forms(value)}, key=len, reverse=True))
            if self._find is None:
                self._open = bytes(_WORD.union(*self._forms))

    def add_header(self, name: str, value: str) -> None:
        """Add the credentials in a header of the request, where its name says that there are some."""
        if not is_credential(name):
            return
        if "cookie" in name.lower():
            for pair in value.split(";"):
                self.add(pair.partition("=")[2])
            return
        scheme, _, word = value.strip().partition(" ")
        if not word:
            return self.add(scheme)
        self.add(word)
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(word, validate=True).decode().partition(":")
            except (Error, ValueError):
                return
            self.add(password or user)

    def add_query(self, path: str) -> None:
        """Add the credentials in the query of a path, where the names of its parameters say that there are some."""
        for _, name, value in _parameters(path):
            if is_credential(unquote_plus(name)):
                self.add(unquote_plus(value))

    # --- what is replaced

    def request_headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return those headers of a request that are recorded."""
        return tuple((name, self._header(name, value)) for name, value in headers if is_kept(name, self._keep))

    def response_headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return those headers of a response that are recorded."""
        return tuple((name, self._header(name, value)) for name, value in headers if not is_private(name))

    def _header(self, name: str, value: str) -> str:
        last = value.rpartition(" ")[2]  # after the scheme
        if last in self._values and name.lower() not in FRAMING:
            self.found = True
            return value[: len(value) - len(last)] + "x" * len(last)
        return self.text(value)

    def path(self, path: str) -> str:
        """Return a path with its query, the values of credentials in it replaced whatever their length."""
        for at, name, value in [*_parameters(path)]:
            known = unquote_plus(value) in self._values
            if value.strip("x") and (known or is_credential(unquote_plus(name))):
                self.found = True
                path = path[:at] + "x" * len(value) + path[at + len(value) :]
        return self.text(path)

    def json(self, value: Any) -> Any:
        """Return a JSON value, with what is private in its strings replaced."""
        raw = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        masked = self.mask(raw)
        return value if masked is raw else json.loads(masked.decode("utf-8", "surrogatepass"))

    def text(self, text: str) -> str:
        """Return a text with what is private replaced."""
        raw = text.encode("utf-8", "surrogatepass")
        masked = self.mask(raw)
        return text if masked is raw else masked.decode("utf-8", "surrogatepass")

    def mask(self, data: bytes, before: bytes = b"") -> bytes:
        """Return bytes with what is private replaced; `data` itself where there is nothing. `before`: the bytes before them."""
        out: bytearray | None = None
        whole, skip = before + data if before else data, len(before)
        for begin, end in self._spans(whole):
            if begin >= skip:
                out = bytearray(data) if out is None else out
                out[begin - skip : end - skip] = _masked(whole[begin:end])
        if out is None or out == data:
            return data
        self.found = True
        return bytes(out)

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                begin = _after_escape(data, at)
                if begin == at or not _ESCAPE.search(form):
                    yield begin, at + len(form)
                at = data.find(form, at + len(form))
        if _may_hold_a_key(data):
            for shape in SHAPES:
                if shape.begins in data:
                    for match in shape.pattern.finditer(data):
                        if _after_escape(data, match.start()) == match.start():
                            yield match.span()
        if self._find is not None:
            for part in {part for part in self._find(data.decode("utf-8", "replace")) if part}:
                form = part.encode("utf-8", "surrogatepass")
                at = data.find(form)
                while at >= 0:
                    yield _after_escape(data, at), at + len(form)
                    at = data.find(form, at + len(form))

    @property
    def open(self) -> bytes:
        """The bytes with which something private may continue."""
        return self._open


class BlockScrubber:
    """Replaces what is private in blocks that pass: `feed(block)` returns those that are settled, `close()` the rest."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held: list[Block] = []
        self._size = 0  # of what is held
        self._before = b""  # the last bytes that were handed out, as they arrived

    def feed(self, block: Block) -> list[Block]:
        """Take the next block; return the blocks that nothing can change any more, in order."""
        self._held.append(block)
        self._size += len(block.data)
        rest = block.data.rstrip(self._secrets.open)
        if not rest and self._size <= HELD:
            return [] if self._size else self._give(len(self._held), b"")
        if not rest:
            return self.close()  # one word without end: Rule 4
        data = b"".join(one.data for one in self._held)
        settled = self._size - (len(block.data) - len(rest))
        data = self._secrets.mask(data[:settled], self._before) + data[settled:]
        return self._give(len(self._held) - (settled < self._size), data)

    def close(self) -> list[Block]:
        """Return the blocks that were held: nothing follows."""
        data = b"".join(one.data for one in self._held)
        return self._give(len(self._held), self._secrets.mask(data, self._before))

    def _give(self, count: int, data: bytes) -> list[Block]:
        """Cut `data` where the blocks were cut; give out the first `count`, and hold the rest as it now is."""
        cut: list[Block] = []
        at = 0
        for one in self._held:
            piece = data[at : at + len(one.data)]
            cut.append(one if piece == one.data else Block(one.t, piece))
            at += len(one.data)
        self._held = cut[count:]
        self._size = sum(len(one.data) for one in self._held)
        given = at - self._size
        self._before = (self._before + data[max(given - 8, 0) : given])[-8:]
        return cut[:count]


_BEGINS = frozenset(shape.begins[:2] for shape in SHAPES)


def _may_hold_a_key(data: bytes) -> bool:
    """Return whether a word as long as a key begins like one, by two letters. Most blocks have no such word, and a search for
    each shape would cost three times as much.

    A word begins where it begins; after one letter of an escape (`\\nsk-…`), two (`%3Dsk-…`) or five (`\\u003dsk-…`); after a dot.
    """
    for word in data.translate(_WORDS).split():
        if len(word) >= SHORTEST:
            if word[:2] in _BEGINS or word[1:3] in _BEGINS or word[2:4] in _BEGINS or word[5:7] in _BEGINS:
                return True
            if b"." in word and not _BEGINS.isdisjoint([part[:2] for part in word.split(b".")]):
                return True
    return False


# --- how values are written in bytes


def _forms(value: str) -> Iterator[bytes]:
    """Yield the ways in which a value may be written."""
    if not re.search(r'["\\\x00-\x1f\x7f]', value):
        yield value.encode("utf-8", "surrogatepass")
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield text.encode("utf-8", "surrogatepass")
        yield text.replace("/", "\\/").encode("utf-8", "surrogatepass")
        # Go writes <, > and & like this, Gson = and ' too.
        yield re.sub("[<>&]", _escaped, text).encode("utf-8", "surrogatepass")
        yield re.sub("[<>&=']", _escaped, text).encode("utf-8", "surrogatepass")
    for quoted in (
        quote(value, safe="", errors="replace"),
        quote_plus(value, errors="replace"),
        quote(value, errors="replace"),
    ):
        yield quoted.encode()
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted).encode()


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _parameters(path: str) -> Iterator[tuple[int, str, str]]:
    """Yield each parameter of the query: where its value begins, its name, its value, as they are written."""
    at = path.find("?") + 1
    if not at:
        return
    for pair in path[at:].split("&"):
        name, equals, value = pair.partition("=")
        if equals and value:
            yield at + len(name) + 1, name, value
        at += len(pair) + 1


_ESCAPE = re.compile(rb'\\|"')
_PIECES = re.compile(rb'(\\u[0-9A-Fa-f]{4}|\\u[0-9A-Fa-f]{0,3}\Z|\\.|\\\Z|")', re.DOTALL)
# What may be outside of a string in JSON: punctuation, numbers, three words; at either end a part of one.
_OUTSIDE = re.compile(
    rb"(?:rue|ue|e|alse|lse|se|ull|ll|l|[eE])?(?:[\s,:\[\]{}+.-]|[0-9][eE]?|true|false|null)*"
    rb"(?:tru|tr|t|fals|fal|fa|f|nul|nu|n)?"
)
_DIGIT = re.compile(rb"[0-9]")


def _masked(part: bytes) -> bytes:
    """Return as many x, but for quotes and escapes, and for what may be outside of a string (Rule 3)."""
    if _ESCAPE.search(part) is None:
        return _masked_piece(part)
    pieces = _PIECES.split(part)
    pieces[::2] = map(_masked_piece, pieces[::2])
    return b"".join(pieces)


def _masked_piece(piece: bytes) -> bytes:
    if _DIGIT.search(piece) is not None and _OUTSIDE.fullmatch(piece) is not None:
        return _DIGIT.sub(b"1", piece)
    return b"x" * len(piece)


def _after_escape(data: bytes, at: int) -> int:
    """Return where the escape of JSON ends that `at` is inside of; `at` itself where there is none.

    `\\nabc`: the value `nabc` is not there.
    """
    for back in range(1, 6):
        if at < back or (back > 1 and not data[at - back + 1 : at].isalnum()):
            break
        if data[at - back] == 0x5C:
            first = at - back
            while first and data[first - 1] == 0x5C:
                first -= 1
            if (at - back - first) % 2:  # the backslash is itself escaped
                break
            if back == 1:
                return at + (5 if data[at : at + 1] == b"u" else 1)
            return at - back + 6 if data[at - back + 1] == 0x75 else at
    return at
