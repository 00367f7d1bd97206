"""The body of an answer with an error status: it passes byte for byte, and is read on the side, for `on_end`.

In: the verbs of `Exchange`, with blocks as they were sent. Out: the same blocks. Costs a copy of the first 64 KiB.
"""

from __future__ import annotations

from streamkit.sources import end_stream

from ._asked import Asked

__all__ = ("Refused",)

_MOST = 65536  # bytes: more than any error is worth


class Refused(Asked):
    """What is known of a request that the sender refused."""

    said_end = False
    _kept: bytearray | None = None

    def left(self) -> None:
        """Return None: the client's own timeouts hold."""

    def passed(self) -> bytes:
        """No deadline holds here."""
        return b""

    def take(self, block: bytes) -> bytes:
        """Pass a block."""
        if self._kept is None:
            self._kept = bytearray()
        if len(self._kept) < _MOST:  # nothing is copied once it is full
            self._kept += block[: _MOST - len(self._kept)]
        return block

    def end(self) -> bytes:
        """Close: the body has ended, or is not wanted."""
        return self._refused(None)

    def broke(self, error: Exception) -> bytes:
        """Note that the source raised `error`, which the reader is to see as it is."""
        return self._refused(error)

    def leave(self) -> None:
        """Leave, like SDKs that ask again."""
        self._refused(None)
        self.report()

    def _refused(self, error: Exception | None) -> bytes:
        if not self.over:
            self.over, self._error = True, error
            try:
                self._cleaner.feed(
                    self.library.Response(200, headers=self._headers, content=bytes(self._kept or b"")).content
                )
            except (
                self.library.DecodingError
            ):  # what was kept of it ends too early, or it is packed otherwise than it says
                pass
            end_stream(self._accumulator, error, status=self._status)
        return b""
