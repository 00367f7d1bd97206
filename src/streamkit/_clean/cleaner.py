"""A dirty stream in, a clean one out, event by event while it runs. No I/O.

    cleaner = Cleaner()
    for block in upstream:
        for event in cleaner.feed(block): client.send(event)
    for event in cleaner.close(): client.send(event)
    log(cleaner.outcome, cleaner.response.usage)

In: blocks as any sender writes them, cut anywhere, or chunks. Out: the bytes of whole events that OpenAI could have
written, and that make the same response. What a block says is returned with it, but for calls that wait for one another; the
rules are at the head of `_clean/stream_writer.py`. Cost: about twice that of `Accumulator.feed`; O(1) in what arrived before.
"""

from __future__ import annotations

from typing import Any

import attrs

from .._arguments import check_bool
from ..accumulator import Accumulator, describe
from ..dialect import DEFAULT_DIALECT, Dialect
from ..errors import StreamError
from ..limits import DEFAULT_LIMITS, Limits
from ..outcome import Outcome
from ..types import CreateChatCompletionResponse
from .chunk_dict import DONE_EVENT, KEEP_ALIVE, PING, event_of
from .clean import DEFAULT_CLEAN, Clean
from .splitting import Spread, TextCut, cut_of
from .stream_writer import StreamWriter
from .write_options import Raises, check_raises, to_raise

__all__ = ("Cleaner",)


class Cleaner:
    """Writes one stream clean: `feed(block)` returns events, then `close()` returns the last ones.

    `text`: how the pieces of a text are cut further: a size in characters, a function, or None for not at all.
    `logprobs`: where text is cut, each `"spread"` to the piece that has its token, or the `"whole"` list with the last
    piece. `done`: whether `[DONE]` ends a complete stream. `clean`: what a strict reader needs beyond what OpenAI writes, see
    `Clean`. `raises`: a function from the error that `close` raises to another exception, for which it becomes the cause.
    `limits`, `dialect`: like those of an `Accumulator`: what a sender is known to do is undone, `<think>` in the content becomes
    `reasoning_content`.

    Tool calls are written one after the other, each with a header as soon as it has an id, a name and arguments; an id that
    appears twice in a choice is replaced. A keep-alive is forwarded in its place, as the comment `: ping`. A finish reason and
    the usage are held to the end, since only then it is known that they are the last. A stream that failed ends with its error
    as an event, the sender's or a `"stream_error"`; one that broke off ends with neither error nor `[DONE]`, unless
    `Clean(truncated="error")` asks for it.

    Choices begin in the order in which the sender began them, as no text waits for a choice that may never begin: llama.cpp
    may begin with number 1 of 2, and openai-python's `client.chat.completions.stream` raises an IndexError there. For such
    a client pass `Clean(order="index")`.
    """

    def __init__(
        self,
        *,
        text: TextCut = None,
        logprobs: Spread = "spread",
        done: bool = True,
        clean: Clean = DEFAULT_CLEAN,
        raises: Raises = None,
        limits: Limits = DEFAULT_LIMITS,
        dialect: Dialect = DEFAULT_DIALECT,
    ) -> None:
        cut = cut_of(text, logprobs)
        self._writer = StreamWriter(limits=limits, dialect=dialect, cut=cut, logprobs=logprobs, clean=clean, ready=True)
        check_bool("done=", done)
        check_raises(raises)
        self.raises = raises
        self._done = done
        self._ended = self._raised = False
        self._unsent: list[bytes] = []

    def __repr__(self) -> str:
        writer = getattr(self, "_writer", None)
        return describe(self, None if writer is None else writer.accumulator)

    def feed(self, block: bytes | bytearray | memoryview) -> list[bytes]:
        """Take the next bytes; return the events that say what they say: the ending too, where they say that.

        Raises `MisuseError` for what is not a block, and after `close`; nothing else, whatever the bytes.
        """
        return self._events(self._writer.feed(block))

    def add(self, chunk: Any) -> list[bytes]:
        """Take a chunk that an SDK decoded, like `Accumulator.add`; return its events."""
        return self._events(self._writer.add(chunk))

    def close(self) -> list[bytes]:
        """End the stream; return the events that end it, none if `feed` returned them.

        Where `clean` says `"raise"`, raises a `TruncatedError`, or what `raises` makes of it, once; the events that it would
        have returned are in `unsent`.
        """
        events = self.end()
        if self.fault is not None and not self._raised:
            self._raised, self._unsent = True, events
            raise to_raise(self.fault, None, self.raises)
        return events

    def end(self) -> list[bytes]:
        """Do what `close` does, without raising what `clean` asks for: that is in `fault` then."""
        return self._events(self._writer.close())

    @property
    def fault(self) -> StreamError | None:
        """What `close` raises because `clean` says `"raise"`; None where there is nothing, or the stream runs."""
        verdict = self._writer.verdict
        return verdict.error if verdict.raises else None

    @property
    def unsent(self) -> list[bytes]:
        """The last events, where `close` raised instead of returning them: what half a character became, usage."""
        return list(self._unsent)

    @property
    def accumulator(self) -> Accumulator:
        """What reads the dirty stream: its anomalies, how far it is. Feed the cleaner, not this."""
        return self._writer.accumulator

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        outcome = self._writer.accumulator.outcome
        return outcome if outcome is None or not outcome.events else attrs.evolve(outcome, events=())

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response so far, as the dirty stream has it; None before the first chunk."""
        return self._writer.accumulator.snapshot()

    def _events(self, chunks: list[Any]) -> list[bytes]:
        events = [one if type(one) is bytes else PING if one is KEEP_ALIVE else event_of(one) for one in chunks]
        if self._writer.ended and not self._ended:
            self._ended = True
            outcome = self.outcome
            if self._done and outcome is not None and outcome.ok and self._writer.verdict.error is None:
                events.append(DONE_EVENT)
        return events
