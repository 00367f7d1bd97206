"""Records what a source yields while it passes: `record`, and for async sources `async_record`.

In: any source (`streamkit.sources`), and where to write. Out: the same blocks, to iterate or to pass on to a `ChatStream`, a
`tee` or whatever else takes a source. Costs a write a block.

Rule 1  A block is handed on unchanged and at once: the first one before the second has arrived.
Rule 2  Closed after `[DONE]`, it reads on for `grace` seconds to see the end of the body; that does not count as leaving early.
Rule 3  Closed before, the source is closed, and the trace ends as "cancelled".
Rule 4  Blocks are what the source yields: unpacked where the response was encoded. Of chunks, the bytes are gone: each is
        written as an event again, and `provenance` says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import IO, Any

import attrs

from .._arguments import check_kind, number
from .._decode.sdk_objects import as_mapping
from ..codec import dumps
from ..errors import MisuseError, shown
from ..sources import GRACE, AsyncBlocks, Blocks, EndWatch, async_blocks, blocks
from ..trace import MAX_BYTES, Trace
from ..types import CreateChatCompletionStreamResponse
from .exchanges import head_of_source, request_of_source
from .recorder import Options, Recorder
from .scrub import Find
from .targets import Targets
from .ways_to_end import end_of, words_of

__all__ = ("AFTER_DONE", "AsyncRecording", "Recording", "async_record", "record")

Into = str | os.PathLike[str] | IO[bytes]


AFTER_DONE = "the reader closed after [DONE], and the end of the body did not arrive in time"
"""What a trace says of a body whose end was waited for in vain."""


class _Watched:
    """What both siblings know: the source, the recorder, and whether `[DONE]` passed."""

    def __init__(self, found: Any, recorder: Recorder, grace: float, encoding: str | None = None) -> None:
        self._found = found
        self._recorder = recorder
        self._grace = grace
        self._watch = EndWatch(encoding)
        self._chunks = False
        self.status: int | None = found.status
        self.content_type: str | None = found.content_type

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._found!r}>"

    @property
    def said_end(self) -> bool:
        """Whether the stream has said that it is over (`[DONE]`)."""
        return self._watch.seen

    @property
    def _was_read(self) -> bool:
        return bool(self._found._was_read)

    def _take(self, item: Any) -> None:
        if not isinstance(item, bytes):
            if not self._recorder.recording:
                return
            if not self._chunks:
                self._chunks = True
                self._recorder.rebuilt()
            try:
                item = _event_of(item)
            except Exception as error:  # Rule 1 of the recorder
                self._recorder.failed(error)
                return
        self._watch.feed(item)
        self._recorder.block(item)

    def _raised(self, error: BaseException) -> None:
        self._recorder.end(end_of(error), words_of(error))

    def _settle(self) -> None:
        """Note how the source ended; nothing where that was noted before."""
        if self._found.ended == "end":
            self._recorder.end("eof")
        elif self._found.ended == "error" and self._found.error is not None:
            self._raised(self._found.error)
        elif self._watch.seen:
            self._recorder.end("unknown", AFTER_DONE)
        else:
            self._recorder.end("cancelled", "the reader closed the stream")


def _event_of(chunk: Any) -> bytes:
    value = chunk if isinstance(chunk, CreateChatCompletionStreamResponse) else as_mapping(chunk)
    return b"data: " + dumps(value) + b"\n\n"


class Recording(_Watched):
    """A source that is recorded while it is read: iterate it, or pass it on as a source. `record` makes one.

    It yields what the source yields, unchanged, and raises what that raises. `status` and `content_type` are those of the
    response, None where there is none. Close it, or leave its `with` block, so that the trace gets its ending."""

    _found: Blocks

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            item = next(self._found)
        except StopIteration:
            self._settle()
            raise
        except Exception as error:
            self._raised(error)
            raise
        self._take(item)
        return item

    def close(self) -> None:
        """Close the source, after a moment for the end of its body where `[DONE]` has arrived. May be called again."""
        try:
            if self._watch.seen and self._found.ended is None:
                self._found.finish(self._grace, take=self._take)
            else:
                self._found.close()
        finally:
            self._settle()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRecording(_Watched):
    """The async sibling of `Recording`: `async for`, `async with`, `aclose`."""

    _found: AsyncBlocks

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            item = await self._found.__anext__()
        except StopAsyncIteration:
            self._settle()
            raise
        except Exception as error:
            self._raised(error)
            raise
        self._take(item)
        return item

    async def aclose(self) -> None:
        """Close the source, after a moment for the end of its body where `[DONE]` has arrived. May be called again."""
        try:
            if self._watch.seen and self._found.ended is None:
                await self._found.finish(self._grace, take=self._take)
            else:
                await self._found.aclose()
        finally:
            self._settle()

    async def __aenter__(self) -> AsyncRecording:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def record(
    source: Any,
    into: Into,
    *,
    sent: float | None = None,
    header: Trace | None = None,
    scrub: Find | bool = True,
    keep_headers: tuple[str, ...] = (),
    max_bytes: int = MAX_BYTES,
    grace: float = GRACE,
    clock: Callable[[], float] = time.monotonic,
) -> Recording:
    """Return the blocks of a source, and write them into a trace while they are read.

        with streamkit.ChatStream(streamkit.record(response, "x.trace.jsonl")) as stream: ...

    `source`: whatever a `ChatStream` takes; for an async one there is `async_record`. `into`: a path that ends in `.jsonl`
    (`.jsonl.gz`, `.jsonl.zst`), a directory, or a binary file. `sent`: when the request was sent, on the `clock`, which is
    `time.monotonic` by default; without it times count from here. `header`: a `Trace` of which sender, case, notes and what else the source does not
    know are written. `scrub`: a function that returns what else is private in some text; False records credentials.
    `keep_headers`: request headers to record beside `content-type` and the like. `max_bytes` of body are recorded. `grace`:
    seconds to wait for the end of the body after `[DONE]`.

    A recording that fails never breaks the stream: it warns (`RecordingWarning`). Raises `MisuseError` for what is not a
    source.
    """
    options = Options(scrub=scrub, keep_headers=keep_headers, max_bytes=max_bytes, grace=grace, clock=clock)
    return Recording(*_begun(blocks, source, into, header, options, sent))


def async_record(
    source: Any,
    into: Into,
    *,
    sent: float | None = None,
    header: Trace | None = None,
    scrub: Find | bool = True,
    keep_headers: tuple[str, ...] = (),
    max_bytes: int = MAX_BYTES,
    grace: float = GRACE,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncRecording:
    """Return the blocks of an async source, and write them into a trace while they are read; like `record`."""
    options = Options(scrub=scrub, keep_headers=keep_headers, max_bytes=max_bytes, grace=grace, clock=clock)
    return AsyncRecording(*_begun(async_blocks, source, into, header, options, sent))


_NOT_AS_SENT = ("content-encoding", "content-length")
_FROM_HERE = "t counts from the beginning of the recording"


def _begun(
    take: Callable[[Any], Any], source: Any, into: Into, header: Trace | None, options: Options, sent: float | None
) -> tuple[Any, Recorder, float]:
    """Return the blocks that `take` makes of a source, the recorder for them, and the grace."""
    targets = Targets(into)
    request, headers = request_of_source(source), head_of_source(source)  # before the source is taken over
    found = take(source)
    header = Trace() if header is None else header
    check_kind("header=", header, Trace)
    if sent is not None and not number(sent):
        raise MisuseError(f"sent= takes the time on the clock when the request was sent, not {shown(sent)}")
    notes = [header.notes] if header.notes else []
    notes += [_FROM_HERE] if sent is None else []
    if encoding := Trace(headers=headers).encoding:  # Rule 4
        notes.append(f"the body was sent as {encoding} and is recorded unpacked")
        headers = tuple(pair for pair in headers if pair[0].lower() not in _NOT_AS_SENT)
    if not request.keys().isdisjoint(("request", "request_body")):  # that of the response counts, and there is one
        request = {"request": None, "request_body": None, **request}
    known = attrs.evolve(header, **request, observed="reader", notes="; ".join(notes))
    recorder = Recorder(targets, known, options, sent=sent)
    if found.status is not None or headers:
        recorder.head(found.status, headers, timed=False)
    return found, recorder, options.grace
