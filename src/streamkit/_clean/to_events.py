"""Back to bytes: a response, or a dirty stream, written as the clean stream that OpenAI would have sent.

In: a response, an accumulator, or the source of a dirty stream. Out: the chunks, or the bytes of each event: those of a
stream as it runs (`_clean/cleaner.py`). Cost: linear; a response is written twice, once to see that it can be said, and that
before anything of it goes out.

Rule 1  What is read from the events is what was written: `reassemble(b"".join(to_events(r))) == r` for every response
        that `reassemble` returns. What that comparison leaves out is not kept either: which ids were made up.
Rule 2  Never an invented ending. `[DONE]` follows a response, and follows a stream only if that was complete; a
        failed one ends with its error, one that broke off or still runs with nothing.
Rule 3  What cannot be said in a stream is a `MisuseError` before the first chunk: two choices of one index, an id of ""
        for a call, a field that changed its type on the way (its values are then listed, one level deeper than they
        were) and was nested as deep as a reader allows already. These are read back as something else, and lost then:
        an empty list of calls is none, choices are sorted by index, a number that is not finite is null (like in `dumps`).
Rule 4  What a source raises is raised here, unchanged, after the events of all that had arrived; where `raises`
        says so, in the words of a client, with our error as its cause.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from .._decode.sdk_objects import as_mapping
from .._live.deadlines import Deadlines
from .._live.intake import NO_DEADLINES
from ..accumulator import Accumulator
from ..codec import structure
from ..dialect import DEFAULT_DIALECT, Dialect
from ..errors import MisuseError, StreamError, ValidationError
from ..limits import DEFAULT_LIMITS, Limits
from ..outcome import Outcome
from ..sources import blocks
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from .chunk_dict import DONE_EVENT, ChunkDict, event_of
from .chunk_objects import as_chunks
from .clean import DEFAULT_CLEAN, Clean
from .cleaner import Cleaner
from .response_writer import chunk_dicts
from .round_trip import LARGEST, said
from .shaping import shaper_of, verdict_on
from .splitting import Spread, TextCut, cut_of
from .stream_writer import StreamWriter, failure
from .write_options import Raises, check_raises, to_raise
from .written import Given, Writing, Written

__all__ = ("TextCut", "to_chunks", "to_events")

Made = TypeVar("Made")


def to_events(
    source: Any,
    *,
    text: TextCut = None,
    logprobs: Spread = "spread",
    done: bool = True,
    clean: Clean = DEFAULT_CLEAN,
    raises: Raises = None,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = DEFAULT_DIALECT,
    deadlines: Deadlines = NO_DEADLINES,
    clock: Callable[[], float] = time.monotonic,
    sent: float | None = None,
) -> Written[bytes]:
    """Write a response, or a stream while it runs, as the bytes of a clean stream; return an iterator over its events, each
    `data: {…}` and a blank line.

    `source`: a response, also as a mapping or an SDK's object; an accumulator, for what it has so far; or the source of
    a stream, whatever `blocks` takes (a `str` is a path), whose events are yielded as its blocks arrive. Close what this returns, or
    use it in a `with` block, to leave it early; its `outcome`, `response` and `anomalies` say what is known of the stream.
    `text`: how content, reasoning, refusal, transcript and arguments are cut: a size in characters, a function, or None:
    a stream as it arrives, a response in one piece (one a token, where log probabilities say how). `logprobs`: each
    `"spread"` to the piece that has its token, or the `"whole"` list with the last piece. `done`: whether `[DONE]` follows
    a complete stream. `clean`: what a strict reader needs beyond what OpenAI writes, see `Clean`.
    `raises`: what is raised in place of the error that the stream ended with, which becomes its cause: a function to the
    exception of a client, say. `limits`, `dialect`: how a stream is read, see `Cleaner`.
    `deadlines`, `clock`, `sent`: how long a stream may keep its reader waiting, as for a `ChatStream`; the error is raised after
    the events of what had arrived.

    Choices begin by index, those of a stream while it runs as their sender began them (see `Cleaner`).
    A stream that failed ends with its error as an event, one that broke off ends with neither error nor `[DONE]`.
    Raises `MisuseError` at once for a wrong argument; at the first event for a response that no stream can say; and where
    `text` loses some of a text. What the source of a stream raises is raised here, after the events of what had arrived.
    """
    cleaner = Cleaner(
        text=text, logprobs=logprobs, done=done, clean=clean, raises=raises, limits=limits, dialect=dialect
    )
    settled = settle(source)
    if settled is not None:
        return Written(given_as(source, settled, _events(*settled, text, logprobs, clean, raises, done)))
    found = blocks(source)
    return Written(None, found, Writing(cleaner, status=found.status, deadlines=deadlines, clock=clock, sent=sent))


def to_chunks(
    source: Any,
    *,
    text: TextCut = None,
    logprobs: Spread = "spread",
    clean: Clean = DEFAULT_CLEAN,
    raises: Raises = None,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = DEFAULT_DIALECT,
    deadlines: Deadlines = NO_DEADLINES,
    clock: Callable[[], float] = time.monotonic,
    sent: float | None = None,
) -> Written[CreateChatCompletionStreamResponse]:
    """Write a response, or a stream while it runs, as clean chunks; return an iterator over them. Takes and raises what
    `to_events` does.

    After the chunks of a stream that failed or broke off its error is raised, as any stream of chunks does.
    """
    writer = ChunkWriter(text=text, logprobs=logprobs, clean=clean, raises=raises, limits=limits, dialect=dialect)
    settled = settle(source)
    if settled is not None:
        return Written(given_as(source, settled, _chunks(*settled, text, logprobs, clean, raises)))
    found = blocks(source)
    return Written(None, found, Writing(writer, status=found.status, deadlines=deadlines, clock=clock, sent=sent))


def settle(source: Any) -> tuple[CreateChatCompletionResponse | None, Outcome | None, bool] | None:
    """Return the response that is there already, how its stream ended, and whether it is complete; None for a stream."""
    if isinstance(source, CreateChatCompletionResponse):
        return source, None, True
    if isinstance(source, Accumulator):
        outcome = source.outcome
        return source.snapshot(), outcome, outcome is not None and outcome.ok
    if isinstance(source, Mapping) or _is_object_of_an_sdk(source):
        return _read(source), None, True
    return None


Settled: TypeAlias = tuple[CreateChatCompletionResponse | None, Outcome | None, bool]


def given_as(source: Any, settled: Settled, items: Iterator[Made]) -> Given[Made]:
    """Return `items`, written from what is there already."""
    return Given(items, settled[0], settled[1], source.anomalies if isinstance(source, Accumulator) else ())


_TAKEN = "to_events and to_chunks take a response, an Accumulator, or the source of a stream"


def _is_object_of_an_sdk(source: Any) -> bool:
    return callable(getattr(source, "model_dump", None)) and not hasattr(source, "__next__")


def _read(source: Any) -> CreateChatCompletionResponse:
    mapping = source if isinstance(source, Mapping) else as_mapping(source)
    if mapping.get("object") == "chat.completion.chunk":
        raise MisuseError(f"{_TAKEN}; for one chunk pass a list, [chunk]")
    try:
        return structure(mapping, CreateChatCompletionResponse, tolerant=True)
    except ValidationError as error:
        raise MisuseError(f"{_TAKEN}, and this {type(source).__name__} is {error}") from error


# --- a stream


class ChunkWriter:
    """A `Cleaner` that returns chunks."""

    def __init__(
        self,
        *,
        text: TextCut = None,
        logprobs: Spread = "spread",
        clean: Clean = DEFAULT_CLEAN,
        raises: Raises = None,
        limits: Limits = DEFAULT_LIMITS,
        dialect: Dialect = DEFAULT_DIALECT,
    ) -> None:
        check_raises(raises)
        self.raises = raises
        cut = cut_of(text, logprobs)
        self._writer = StreamWriter(limits=limits, dialect=dialect, cut=cut, logprobs=logprobs, clean=clean)
        self.accumulator = self._writer.accumulator

    def feed(self, block: bytes) -> list[CreateChatCompletionStreamResponse]:
        """Return what a block says."""
        return as_chunks(self._writer.feed(block))

    def add(self, chunk: Any) -> list[CreateChatCompletionStreamResponse]:
        """Return what a chunk says."""
        return as_chunks(self._writer.add(chunk))

    def end(self) -> list[CreateChatCompletionStreamResponse]:
        """Return what is said at the end."""
        return as_chunks(self._writer.close())

    @property
    def fault(self) -> StreamError | None:
        """What a stream that did not end well, or not well enough for `clean`, ends with."""
        outcome = self.accumulator.outcome
        return self._writer.verdict.error or (None if outcome is None else outcome.error)


# --- a response


def _events(
    response: CreateChatCompletionResponse | None,
    outcome: Outcome | None,
    complete: bool,
    text: TextCut,
    logprobs: Spread,
    clean: Clean,
    raises: Raises,
    done: bool,
) -> Generator[bytes, None, None]:
    for chunk in _chunk_dicts(response, complete and outcome is None, text, logprobs, clean):
        yield event_of(chunk)
    verdict = verdict_on(clean, response, outcome)
    if outcome is not None and outcome.name == "failed":
        yield event_of(failure(outcome.error, outcome.reason))
    elif verdict.error is not None:
        if verdict.raises:
            raise to_raise(verdict.error, None, raises)
        yield event_of(failure(verdict.error, verdict.code))
    elif done and complete:
        yield DONE_EVENT


def _chunks(
    response: CreateChatCompletionResponse | None,
    outcome: Outcome | None,
    complete: bool,
    text: TextCut,
    logprobs: Spread,
    clean: Clean,
    raises: Raises,
) -> Generator[CreateChatCompletionStreamResponse, None, None]:
    for chunk in _chunk_dicts(response, complete and outcome is None, text, logprobs, clean):
        yield from as_chunks([chunk])
    error = verdict_on(clean, response, outcome).error or (None if outcome is None else outcome.error)
    if error is not None:
        raise to_raise(error, None, raises)


def _chunk_dicts(
    response: CreateChatCompletionResponse | None, given: bool, text: TextCut, logprobs: Spread, clean: Clean
) -> Iterator[ChunkDict]:
    """Return the chunks of a response. `given`: a caller passed it, and may have built it freely; what a stream made can be
    written."""
    cut = cut_of(text, logprobs)
    if response is None:
        return iter(())
    size = text if isinstance(text, int) and text >= 4 else LARGEST
    response = said(response) if given else response
    found, shaper = chunk_dicts(response, cut, logprobs, size), shaper_of(clean)
    if shaper is None:
        return found
    shaper.know(response)
    return shaper.shape(found)
