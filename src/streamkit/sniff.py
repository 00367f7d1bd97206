"""What kind of body this is, by its first byte: an event stream, or JSON, or a web page. Never by its header.

Gateways label streams `application/json` and answer a streaming request with an error body under HTTP 200 and
`text/event-stream`. No line of an event stream that says anything begins with `{`, `[` or `<`; a body that does is held
whole (up to a limit) for the end. Whitespace and a byte order mark before the first byte do not count.
"""

from __future__ import annotations

from typing import Any

from .errors import LimitError, RemoteError
from .jsontext import decode
from .remote import find_error

__all__ = ("Sniffer", "read_body")

_BOM = b"\xef\xbb\xbf"
_SPACE = frozenset(b" \t\r\n")
_BODY = frozenset(b"{[<")


class Sniffer:
    """feed(block) until `decided`; then `body` says whether the bytes are held here or were handed on."""

    __slots__ = ("_held", "_looked", "_maximum", "body", "decided")

    def __init__(self, maximum: int) -> None:
        self.decided = False
        self.body = False
        self._held = bytearray()
        self._looked = 0  # bytes at the start that are a mark or whitespace: not looked at again
        self._maximum = maximum

    @property
    def held(self) -> bytes:
        """The bytes held, without a byte order mark."""
        return bytes(self._held).removeprefix(_BOM)

    def feed(self, block: bytes) -> bytes:
        """Take the next bytes; once it is clear that they are an event stream, return all of them."""
        held = self._held
        held += block
        if len(held) > self._maximum and (self.body or self._undecided()):
            del held[self._maximum :]
            raise LimitError(
                f"more than {self._maximum} bytes before any event", limit="max_event_bytes", maximum=self._maximum
            )
        if not self.decided and not self._undecided():
            self.decided = True
            self.body = held[self._looked] in _BODY
            if not self.body:
                whole = bytes(held)
                held.clear()
                return whole
        return b""

    def _undecided(self) -> bool:
        held = self._held
        if not self._looked:
            if held.startswith(_BOM):
                self._looked = len(_BOM)
            elif _BOM.startswith(held):
                return True
        while self._looked < len(held) and held[self._looked] in _SPACE:
            self._looked += 1
        return self._looked == len(held)


def read_body(data: bytes) -> RemoteError | dict[str, Any] | None:
    """What a body that is no event stream says: an error, a full response (as the one chunk that says it all), or
    nothing that can be told."""
    try:
        value, _ = decode(data)
    except ValueError:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # Google wraps its error bodies in a list
    if not isinstance(value, dict):
        return None
    error = find_error(value, "body")
    if error is not None and not value.get("choices"):
        return error
    if not isinstance(value.get("choices"), list):
        return None
    choices = [
        {**{k: v for k, v in choice.items() if k != "message"}, "delta": choice["message"]}
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict)
        else choice
        for choice in value["choices"]
    ]
    return {**value, "choices": choices}
