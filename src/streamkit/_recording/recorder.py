"""One exchange on its way into a file: what every recorder reports, written line by line, with the secrets replaced.

In: the request (a header), then head, blocks and ending, each when it happens. Out: the lines of a trace. Costs a search for
secrets and a write a block; holds the blocks that end inside of a word (`scrub`).

Rule 1  It never breaks the stream that it records: whatever goes wrong here is one warning (`RecordingWarning`; where
        warnings are errors, a line of the log), and nothing more is recorded of this exchange.
Rule 2  Times are those of the clock less the time at which the request was sent, in microseconds.
Rule 3  A body that is still encoded cannot be searched for secrets. Its blocks are not written, unless the caller allows it.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs

from .._arguments import check_bool, number, seconds, whole
from ..errors import MisuseError, shown
from ..sources import GRACE
from ..trace import MAX_BYTES, Block, Ending, Head, Trace, TraceWriter
from .scrub import BlockScrubber, Find, Secrets
from .ways_to_end import words_of

__all__ = ("Options", "Recorder", "RecordingWarning")


class RecordingWarning(UserWarning):
    """An exchange could not be recorded, or not to its end; the stream itself is not affected."""

    __module__ = "streamkit"  # where users import it from, and where pytest looks for it by `-W`

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


@attrs.frozen(kw_only=True)
class Options:
    """How to record, as every recorder takes it."""

    scrub: Find | bool = True
    keep_headers: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES
    allow_encoded: bool = False
    grace: float = GRACE
    clock: Callable[[], float] = time.monotonic

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.scrub, bool) and not callable(self.scrub):
            raise MisuseError(
                f"scrub= takes True or False, not {shown(self.scrub)}; or a function that returns what else is private in a"
                " text. False records credentials"
            )
        check_bool("allow_encoded=", self.allow_encoded)
        if not callable(self.clock):
            raise MisuseError(f"clock= takes a function that returns seconds, not {shown(self.clock)}")
        if not whole(self.max_bytes, 0):
            raise MisuseError(f"max_bytes= takes a number of bytes, 0 or more, not {shown(self.max_bytes)}")
        if not seconds(self.grace):
            raise MisuseError(f"grace= takes seconds, 0 or more, not {shown(self.grace)}")
        if not isinstance(self.keep_headers, (tuple, list)) or not all(isinstance(n, str) for n in self.keep_headers):
            raise MisuseError(f"keep_headers= takes the names of headers in a tuple, not {shown(self.keep_headers)}")


class Recorder:
    """Records one exchange. `target`: called with the header as it is written, returns the path, or a binary file.

    `sent`: when the request was sent, on the clock of the options.
    """

    def __init__(
        self, target: Callable[[Trace], Any], request: Trace, options: Options, *, sent: float | None = None
    ) -> None:
        self._options = options
        self._clock = options.clock
        self._sent = self._read_clock() if sent is None else sent
        self._last = 0.0
        self._written = ""  # as provenance, in the header
        self._writer: TraceWriter | None = None
        self._blocks: BlockScrubber | None = None
        self._secrets: Secrets | None = None
        self._begun = False
        self._provenance = request.provenance or "recorded"
        self._lock = threading.RLock()  # another thread may close the stream that one reads
        with _Never(self):
            header = self._header(request)
            self._written = header.provenance
            self._writer = TraceWriter(target(header), header, max_bytes=options.max_bytes)
            self._begun = True

    def _header(self, request: Trace) -> Trace:
        scrub = self._options.scrub
        recorded = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if scrub is False:
            self._provenance = request.provenance or "recorded-unscrubbed"
            return attrs.evolve(request, recorded=recorded, provenance=self._provenance)
        secrets = Secrets(None if scrub is True else scrub, keep=tuple(self._options.keep_headers))
        for name, value in request.request_headers:
            secrets.add_header(name, value)
        secrets.add_query(request.path)
        header = attrs.evolve(
            request,
            recorded=recorded,
            path=secrets.path(request.path),
            request_headers=secrets.request_headers(request.request_headers),
            request=None if request.request is None else secrets.json(request.request),
            request_body=None if request.request_body is None else secrets.mask(request.request_body),
            provenance=self._provenance,
        )
        self._secrets, self._blocks = secrets, BlockScrubber(secrets)
        return attrs.evolve(header, provenance=f"{self._provenance}-sanitized") if secrets.found else header

    def start(self) -> None:
        """Count the time from now: the request is sent."""
        self._sent = self._read_clock()

    def _read_clock(self) -> float:
        try:
            now = self._clock()
        except Exception as error:
            raise MisuseError(f"clock= takes a function that returns seconds, and this one raised {error!r}") from error
        if not number(now):
            raise MisuseError(f"clock= takes a function that returns seconds, and this one returned {shown(now)}")
        return now

    def rebuilt(self) -> None:
        """Note that the source yields chunks, not bytes: what is recorded is written from them."""
        self._provenance = "rebuilt from chunks"

    @property
    def recording(self) -> bool:
        """Whether anything is still written."""
        return self._writer is not None

    def head(self, status: int | None, headers: Iterable[tuple[str, str]], *, timed: bool = True) -> None:
        """Note that status and headers have arrived; `timed` False: some time ago."""
        t = self._now() if timed else None
        with _Never(self):
            if (writer := self._writer) is None:
                return
            kept = tuple(headers)
            if self._secrets is not None:
                kept = self._secrets.response_headers(kept)
            writer.write(Head(t, status, kept))
            encoding = Trace(headers=kept).encoding
            if encoding and self._options.scrub is not False and not self._options.allow_encoded:
                self._stop(f"the body is still encoded ({encoding}) and cannot be searched for secrets", t)
                _warn(
                    f"the body is not recorded: the sender encoded it ({encoding}), although it was asked not to, and it"
                    " cannot be searched for secrets; allow_encoded=True records it all the same"
                )

    def block(self, data: bytes) -> None:
        """Note that a read returned these bytes."""
        if self._writer is None:
            return
        t = self._now()
        with _Never(self):
            block = Block(t, data)
            for one in (block,) if self._blocks is None else self._blocks.feed(block):
                self._write(one)

    def end(self, end: str, error: str = "") -> None:
        """Note how the body ended; only the first time counts."""
        if self._writer is None:
            return
        t = self._now()
        with _Never(self):
            for one in () if self._blocks is None else self._blocks.close():
                self._write(one)
            if self._secrets is not None:
                error = self._secrets.text(error)
            self._stop(error, t, end)

    def _write(self, block: Block) -> None:
        if self._writer is not None and not self._writer.write(block):  # more than max_bytes: the ending says so
            self._close()
            limit = self._options.max_bytes
            _warn(f"recording stopped: the body is larger than max_bytes={limit}; what had arrived before is recorded")

    def _stop(self, error: str, t: float | None, end: str = "unknown") -> None:
        writer = self._writer
        if writer is None:
            return
        known = self._provenance
        if self._secrets is not None and self._secrets.found:
            known += "-sanitized"
        writer.write(Ending(t, end, error, "" if known == self._written else known))
        self._close()

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _now(self) -> float:
        # Never less than before: a clock of the caller's may do anything.
        with suppress(Exception):
            self._last = max(round(self._clock() - self._sent, 6), self._last)
        return self._last

    def failed(self, error: Exception) -> None:
        """Give up after an error of the recording."""
        begun = " to its end" if self._begun else ""
        try:
            self._close()
        except Exception:
            pass
        self._writer = None
        _warn(f"this exchange is not recorded{begun}: {words_of(error)}")


class _Never:
    """Lets no exception out (Rule 1)."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        self._recorder._lock.acquire()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        try:
            if not isinstance(error, Exception):
                return False
            self._recorder.failed(error)
            return True
        finally:
            self._recorder._lock.release()


def _warn(text: str) -> None:
    try:
        warnings.warn(text, RecordingWarning, stacklevel=4)
    except RecordingWarning:
        logging.getLogger("streamkit").warning("%s", text)
