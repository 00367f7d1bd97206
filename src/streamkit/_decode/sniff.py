"""Detect what kind of body this is by its first byte: an event stream, JSON, or a web page. Never by its header.

Gateways label streams `application/json` and answer a streaming request with an error body under HTTP 200 and
`text/event-stream`. No meaningful line of an event stream begins with `{`, `[` or `<`, or like gzip; a body that does
is held whole (up to a limit) until the end. Whitespace and a byte order mark before the first byte do not count. A body
that is still compressed is recognised by its first bytes, which are not UTF-8 (brotli has no magic bytes); only its
beginning is held, since only its encoding can be reported.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import FormatError, LimitError, RemoteError, SenderError, counted, excerpt
from ..limits import DEFAULT_LIMITS
from .other_formats import LEGACY, other_format
from .remote_errors import find_error
from .scanning import begin_of, check_weight, end_of, is_deep
from .tolerant_json import decode

__all__ = ("Sniffer", "begins_with_document", "packed_as", "read_body", "refusal")

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_BODY = frozenset(b"{[<")
_PACKED = {  # first bytes of a compressed body -> the encoding
    b"\x1f\x8b": "gzip",  # RFC 1952, section 2.3.1
    b"\x28\xb5\x2f\xfd": "zstd",  # RFC 8878, section 3.1.1
    b"\x78\x01": "deflate",  # zlib, RFC 1950, section 2.2: by the levels of compression
    b"\x78\x9c": "deflate",  # not b"\x78\x5e", which is the text "x^"
    b"\x78\xda": "deflate",
}
_UNSURE = frozenset(_BOM[:1] + _SPACE) | _BODY | {begin[0] for begin in _PACKED}
_HEAD = 4096  # bytes held of a compressed body, for the error
_TITLE = re.compile(r"<title", re.IGNORECASE)


class Sniffer:
    """feed(block) until `decided`; then `body` says whether the bytes are held here or were passed on."""

    __slots__ = ("_held", "_looked", "_maximum", "_packed", "body", "decided")

    def __init__(self, maximum: int) -> None:
        self.decided = False
        self.body = False
        self._held = bytearray()
        self._looked = 0  # bytes at the start that are a mark or whitespace: not scanned again
        self._maximum = maximum
        self._packed = False

    @property
    def held(self) -> bytes:
        """The held bytes, without a byte order mark."""
        return bytes(self._held).removeprefix(_BOM)

    def feed(self, block: bytes) -> bytes:
        """Feed the next bytes; return all held bytes once they are known to be an event stream."""
        held = self._held
        if block and not held and block[0] not in _UNSURE:  # the usual case: no copy of a large block
            self.decided = True
            return block
        held += block
        if not self.decided and not self._undecided():
            self.decided = True
            self._packed = packed_as(held) is not None
            self.body = self._packed or held[self._looked] in _BODY
        if self._packed:
            del held[_HEAD:]
        # Measure the body, or the whitespace before the first byte: the same however the blocks are cut.
        if (len(held) if self.body else self._looked) > self._maximum:
            self.decided = self.body = True
            del held[self._maximum :]
            raise LimitError(
                f"more than {counted(self._maximum, 'byte')} before any event",
                limit="max_event_bytes",
                maximum=self._maximum,
            )
        if self.decided and not self.body:
            whole = bytes(held)
            held.clear()
            return whole
        return b""

    def give_up(self) -> bytes:
        """End the bytes. Return what was held but is text after all: `x` alone, with which zlib begins."""
        nothing = self.decided or self._looked == len(self._held) or _BOM.startswith(self._held)
        return b"" if nothing else self.held

    def _undecided(self) -> bool:
        held = self._held
        if not self._looked:
            if held.startswith(_BOM):
                self._looked = len(_BOM)
            elif _BOM.startswith(held):
                return True
        self._looked = len(held) - len(held[self._looked :].lstrip(_SPACE))
        return self._looked == len(held) or any(len(held) < len(begin) and begin.startswith(held) for begin in _PACKED)


def packed_as(data: bytes | bytearray) -> str | None:
    """Return the encoding of a body that is still compressed, by its first bytes; None if it is not, or is brotli."""
    return next((name for begin, name in _PACKED.items() if data.startswith(begin)), None)


def read_body(data: bytes, maximum: int = DEFAULT_LIMITS.max_event_values) -> RemoteError | dict[str, Any] | None:
    """Return what a body that is not an event stream is: an error, a full response (as one chunk with all of it), or
    None if unknown. Raises `LimitError` if it has more than `maximum` values."""
    try:
        value = _one_value(data, maximum)
    except ValueError:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Google wraps its error bodies in a list
    if not isinstance(value, dict):
        return None
    if not value.get("error") and other_format(value) not in (None, LEGACY):
        return None  # `message` is the text of an error in many bodies, but the answer itself in Ollama's
    error = find_error(value, "body")
    if error is not None and not value.get("choices"):
        return error
    choices = value.get("choices")
    if not isinstance(choices, list) or any(isinstance(choice, dict) and "delta" in choice for choice in choices):
        return None
    return {**value, "choices": [_as_delta(choice) for choice in value["choices"]]}


def _as_delta(choice: Any) -> Any:
    """Return a choice of a full response as a choice of one chunk; its tool calls get indices, like fragments."""
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return choice
    delta = choice["message"]
    if isinstance(delta.get("tool_calls"), list):
        calls = enumerate(delta["tool_calls"])
        delta = {**delta, "tool_calls": [{"index": i, **one} if isinstance(one, dict) else one for i, one in calls]}
    return {**{name: item for name, item in choice.items() if name != "message"}, "delta": delta}


def begins_with_document(data: bytes, maximum: int = DEFAULT_LIMITS.max_event_values) -> bool:
    """Return True if these are events without `data:`: they begin with an object, and more follows, or it is a chunk.
    So are chunks one a line, or one after the other, and `{"error":…}` with `data: [DONE]` after it."""
    at = begin_of(data)
    end = end_of(data, at, len(data))
    try:
        value = _one_value(data[at:end] if end > 0 else b"", maximum)
    except ValueError:
        return False
    rest = data[end:].lstrip(b" \t\r")
    follows = rest.startswith((b"{", b"data")) or (rest.startswith(b"\n") and bool(rest.strip()))
    return isinstance(value, dict) and (follows or (not rest.strip() and isinstance(value.get("choices"), list)))


def _one_value(data: bytes, maximum: int) -> Any:
    """Return `data` as one JSON value; ValueError if it is not one, `LimitError` if it has too many values."""
    try:
        check_weight(data, maximum)
    except LimitError:
        # Chunks one a line are many values, not a document, and neither is one that was cut off: do not decode them.
        at = begin_of(data)
        end = end_of(data, at, len(data))
        if end < 0 or data[end:].strip() or is_deep(data):
            raise ValueError("not one document, or too deep") from None
        raise
    return decode(data)[0]


def refusal(data: bytes, maximum: int = DEFAULT_LIMITS.max_event_values) -> SenderError:
    """Return the error for a body of no known kind: a web page, other JSON, text, or unknown bytes."""
    if (encoding := packed_as(data)) is not None:
        return FormatError(
            f"this body is still compressed ({encoding}): decode it first, or pass the response itself and let its client"
            " decode",
            excerpt=excerpt(data),
        )
    text = data.decode("utf-8", "replace").strip()
    if text.startswith("<"):
        said = " ".join(_title(text).split())
        return RemoteError(said or "the sender answered with a web page", body=text, excerpt=excerpt(text))
    try:
        value = _one_value(data, maximum)
    except (ValueError, LimitError):
        value = None
    if (name := other_format(value)) is not None:
        text = f"this is {name}, not a chat completion: send the request to the sender's /v1/chat/completions"
        if name is LEGACY:
            text += ", or read it with Dialect(choice_text=True)"
        return RemoteError(text, body=value, excerpt=excerpt(data))
    if isinstance(value, dict):
        return RemoteError("the sender answered with JSON that is not a response", body=value, excerpt=excerpt(data))
    said = value if isinstance(value, str) else text
    if (
        said[:1] not in ("", "{", "[")
        and "\ufffd" not in said
        and all(one.isprintable() or one in "\r\n\t" for one in said)
    ):
        return RemoteError(
            excerpt(" ".join(said.split())), body=said
        )  # "upstream timed out", like the answers of proxies
    hint = "" if "\ufffd" not in text else ": if the response has a Content-Encoding (for example br), decode it first"
    return FormatError(f"the bytes are not an event stream{hint}", excerpt=excerpt(data) if data else None)


def _title(page: str) -> str:
    """Return the title of a web page. Each search continues where the last one ended, since `<title<title…` may be
    long."""
    opening = _TITLE.search(page)
    start = page.find(">", opening.end()) if opening else -1
    return page[start + 1 :].partition("<")[0] if start >= 0 else ""
