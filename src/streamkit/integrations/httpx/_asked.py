"""One request for a stream, from its sending to its end: what is known of it, whatever answers. No I/O.

In: what was asked, the head of the response, how it ended. Out: one `Ended`.

Rule    `on_end` is called once, whatever happens: where the stream ended, where the reader left first, where there was no
        response. What it raises is logged, and changes nothing.

Known weakness: a response that is neither read to its end nor closed is never over, as its connection never is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Self

from streamkit import Ended
from streamkit.ended import Times
from streamkit.sources import end_stream, said_end

from ._options import Options

__all__ = ("Asked",)

log = logging.getLogger("streamkit.integrations.httpx")


class Asked:
    """What is known of one request. `asked`: its JSON. `library`: httpx or httpx2."""

    def __init__(self, library: Any, request: Any, asked: Mapping[str, Any], options: Options) -> None:
        self.library, self._request, self._asked, self._options = library, request, asked, options
        self._cleaner = options.cleaner()
        self._accumulator = self._cleaner.accumulator
        self._times = Times(options.clock)
        self._watch = options.deadlines.watch(options.clock())
        self._status: int | None = None
        self._headers: Any = None
        self._error: Exception | None = None  # what is raised after the last bytes
        self._reported = False
        self.over = False
        """Whether nothing more is forwarded."""

    @classmethod
    def of(cls, other: Asked) -> Self:
        """Return `other`, of which nothing was read yet, as one of this class."""
        new = object.__new__(cls)
        new.__dict__.update(other.__dict__)
        return new

    def head(self, response: Any) -> None:
        """Mark the head of the response, which has arrived."""
        self._status, self._headers = response.status_code, response.headers
        self._times.head()

    def lost(self, error: BaseException) -> None:
        """There is no response: sending raised `error`."""
        if isinstance(error, Exception):
            end_stream(self._accumulator, error)
            self.over = True
        self.leave()

    def leave(self) -> None:
        """Leave: nothing more is wanted. May be called again."""
        if not self.over:
            self.over = True
            if not self._accumulator.done:
                self._accumulator.cancel()
        self.report()

    @property
    def said_end(self) -> bool:
        """Whether the sender said that the stream has ended: then what follows is read, and thrown away."""
        return said_end(self._accumulator.outcome)

    def raised(self) -> Exception | None:
        """Return what ends the iteration after the last bytes, once; None where it ends by itself."""
        error, self._error = self._error, None
        return error

    def report(self) -> None:
        """Call `on_end`, the first time."""
        if self._reported:
            return
        self._reported = True
        if self._options.on_end is None:
            return
        try:
            self._options.on_end(self._ended())
        except Exception:
            log.exception("on_end failed")

    def _ended(self) -> Ended:
        outcome, response = self._cleaner.outcome, self._cleaner.response
        assert outcome is not None
        usage = None if response is None else response.usage
        url = str(self._request.url.copy_with(query=None, username=None, password=None))
        facts = (outcome, response, tuple(self._accumulator.anomalies), self._times.timing(usage), usage)
        return Ended(self._asked, *facts, url=url, status=self._status)
