"""Instants of a stream, and from them TTFT, ITL, TPOT …: a word for each, and whose definition it follows.

In: the time at which each block arrived, and its events (`Stopwatch`), or a recorded trace (`timing_of`).
Out: a frozen `Timing`. Pure: no clock is read here. Cost: O(1) an event; 8 bytes a chunk are kept.

Rule 1  One stamp a block, on arrival: what is in one block arrived at one time, and no time is spread over its events.
Rule 2  A chunk is not a token. Tokens are what the sender's usage counts; where it counts none, every figure a token is
        None. Usage counts all choices together, and reasoning.
Rule 3  The same word means different things in different tools, so each figure names the one that it follows: AIPerf
        (docs/metrics_reference.md), vLLM (vllm/benchmarks: serve.py, lib/endpoint_request_func.py), GuideLLM
        (docs/guides/metrics.md, schemas: GenerativeRequestStats), OpenTelemetry (semantic-conventions-genai,
        gen-ai-metrics.md). Theirs may be milliseconds or nanoseconds; here all are seconds.
Rule 4  What is not known is None, never 0: without `sent` there is no time to first anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

import attrs

from .. import events as ev
from .._arguments import check_kind
from .._field_docs import show_fields
from ..accumulator import Accumulator
from ..trace import Trace
from ..types import CompletionUsage

__all__ = ("Stopwatch", "Timing", "timing_of")


def _since(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _gaps(times: Sequence[float]) -> tuple[float, ...]:
    return tuple(after - before for before, after in pairwise(times))


def _a_piece(time: float | None, pieces: int | None) -> float | None:
    """Time for each piece; None where there is none, or no time to speak of."""
    return None if time is None or pieces is None or pieces < 1 else time / pieces


@attrs.frozen(kw_only=True)
class Timing:
    """When what arrived, in seconds of one clock, and the figures that follow. None: it did not arrive, or is not known."""

    sent: float | None = None
    """The request was sent, as the caller says."""
    opened: float | None = None
    """The stream was made, and reading could begin."""
    head: float | None = None
    """The response's status and headers had arrived: at the latest when the stream was opened on a response."""
    first_byte: float | None = None
    """The first block arrived."""
    first_event: float | None = None
    """The first whole server-sent event arrived, comments not counted."""
    first_chunk: float | None = None
    """The first chunk arrived, even one with a role alone."""
    first_output: float | None = None
    """The first output arrived: text, reasoning, a refusal, a tool call, audio."""
    first_answer: float | None = None
    """The first output arrived that is not reasoning."""
    first_content: float | None = None
    """The first piece of content arrived."""
    first_reasoning: float | None = None
    """The first piece of reasoning arrived."""
    first_tool: float | None = None
    """The first tool call (or legacy function call) began."""
    last_output: float | None = None
    """The last output arrived."""
    last_chunk: float | None = None
    """The last chunk arrived, even one with usage alone."""
    finish: float | None = None
    """The last finish reason arrived."""
    usage: float | None = None
    """The last usage arrived."""
    done: float | None = None
    """`[DONE]` arrived."""
    closed: float | None = None
    """The stream ended, however it did."""

    input_tokens: int | None = None
    """Tokens of the prompt, as the sender counts them."""
    output_tokens: int | None = None
    """Tokens of the response, reasoning among them, as the sender counts them; None also for a count of 0."""
    reasoning_tokens: int | None = None
    """How many of them were reasoning, where the sender says."""
    chunk_times: tuple[float, ...] = attrs.field(default=(), repr=False)
    """When each chunk arrived."""
    output_times: tuple[float, ...] = attrs.field(default=(), repr=False)
    """When each piece of output arrived. A chunk that carries two (reasoning and content, say) is two, at one time."""

    # --- to the first of something

    @property
    def time_to_first_byte(self) -> float | None:
        """`first_byte - sent`, seconds: HTTP's own TTFB, but of the body."""
        return _since(self.sent, self.first_byte)

    @property
    def time_to_first_chunk(self) -> float | None:
        """`first_chunk - sent`, seconds. OpenTelemetry: gen_ai.client.operation.time_to_first_chunk.

        So does vLLM bench measure its TTFT: it takes the first chunk that has choices, even an empty delta.
        """
        return _since(self.sent, self.first_chunk)

    @property
    def ttft(self) -> float | None:
        """`first_output - sent`, seconds. AIPerf: time to first token, of the first response that is not empty; GuideLLM
        likewise. Reasoning counts."""
        return _since(self.sent, self.first_output)

    @property
    def ttfo(self) -> float | None:
        """`first_answer - sent`, seconds. AIPerf: time to first output token; GuideLLM: TTFOT. Reasoning does not count."""
        return _since(self.sent, self.first_answer)

    @property
    def ttst(self) -> float | None:
        """`output_times[1] - output_times[0]`, seconds. AIPerf: time to second token, though it is chunks that it counts."""
        return _since(*self.output_times[:2]) if len(self.output_times) > 1 else None

    # --- the whole

    @property
    def latency(self) -> float | None:
        """`last_output - sent`, seconds. AIPerf: request latency, to the last response that is not empty."""
        return _since(self.sent, self.last_output)

    @property
    def duration(self) -> float | None:
        """`closed - sent`, seconds. OpenTelemetry: gen_ai.client.operation.duration; GuideLLM: request latency."""
        return _since(self.sent, self.closed)

    # --- between chunks

    @property
    def icl(self) -> tuple[float, ...]:
        """`output_times[i] - output_times[i - 1]` for i from 1, seconds. AIPerf: inter chunk latency.

        vLLM bench calls such gaps ITL; they are not the time between tokens where a chunk carries several.
        """
        return _gaps(self.output_times)

    @property
    def time_per_output_chunk(self) -> tuple[float, ...]:
        """`chunk_times[i] - chunk_times[i - 1]` for i from 1, seconds. OpenTelemetry:
        gen_ai.client.operation.time_per_output_chunk, each chunk after the first."""
        return _gaps(self.chunk_times)

    # --- between tokens

    @property
    def itl(self) -> float | None:
        """`(last_output - first_output) / (output_tokens - 1)`, seconds a token. AIPerf: inter token latency,
        (request latency - TTFT) / (output sequence length - 1). GuideLLM's ITL is the same."""
        return _a_piece(_since(self.first_output, self.last_output), self._further_tokens)

    @property
    def tpot(self) -> float | None:
        """`(last_chunk - first_chunk) / (output_tokens - 1)`, seconds a token. vLLM bench: time per output token,
        (latency - TTFT) / (output length - 1), from the first chunk to the last, usage's own included. A first chunk
        without choices (Azure's filter results) counts here and not there.

        OpenTelemetry's gen_ai.server.time_per_output_token means the same, measured in the server.
        """
        return _a_piece(_since(self.first_chunk, self.last_chunk), self._further_tokens)

    @property
    def tpot_guidellm(self) -> float | None:
        """`(last_output - sent) / output_tokens`, seconds a token. GuideLLM: time per output token, the wait for the first
        one included."""
        return _a_piece(self.latency, self.output_tokens)

    @property
    def tokens_per_second(self) -> float | None:
        """`1 / itl`, tokens a second. AIPerf: output token throughput per user, the wait for the first one left out. None
        where all output arrived in one block, since no rate can be seen then."""
        return 1 / self.itl if self.itl else None

    @property
    def tokens_per_second_overall(self) -> float | None:
        """`output_tokens / duration`, tokens a second. GuideLLM: output tokens per second of a request, wait included."""
        return self.output_tokens / self.duration if self.output_tokens and self.duration else None

    @property
    def input_tokens_per_second(self) -> float | None:
        """`input_tokens / ttft`, tokens a second. AIPerf: prefill throughput per user. Cached tokens count, as there."""
        return self.input_tokens / self.ttft if self.input_tokens and self.ttft else None

    @property
    def _further_tokens(self) -> int | None:
        return None if self.output_tokens is None else self.output_tokens - 1


_TOOL = (ev.ToolCallDelta, ev.FunctionCallDelta)
_TOOL_BEGINS = (ev.ToolCallStarted, ev.FunctionCallStarted)
_OUTPUT = frozenset((*ev.TEXT_DELTAS, ev.AudioDelta, *_TOOL_BEGINS))
_DONE = ("done", "done_without_finish")


class Stopwatch:
    """Marks the instants of one stream. `opened`, `sent` and `head` are what the caller knows before the first block;
    `before`: how many chunks were read before this began, in another process."""

    def __init__(
        self, *, sent: float | None = None, opened: float | None = None, head: float | None = None, before: int = 0
    ) -> None:
        self._before = before
        self._marks: dict[str, float | None] = {"sent": sent, "opened": opened, "head": head}
        self._chunks = array("d")
        self._outputs = array("d")
        self._usage: CompletionUsage | None = None
        self._last: float | None = None  # block

    def block(self, time: float, events: Iterable[ev.Event], progress: tuple[int, int]) -> None:
        """Mark a block that arrived at `time`, with its `events`. `progress`: server-sent events and chunks, all so far, from
        `Accumulator.progress`."""
        self._last = time
        self._first("first_byte", time)
        if progress[0]:
            self._first("first_event", time)
        chunks = progress[1] - self._before - len(self._chunks)
        if chunks > 0:
            self._first("first_chunk", time)
            self._marks["last_chunk"] = time
            self._chunks.extend([time] * chunks)
        begun = False  # whether the last output began a tool call: its first piece came with it
        for event in events:
            kind = type(event)
            if kind in _OUTPUT:
                self._output(kind, time, begun and kind in _TOOL)
                begun = kind in _TOOL_BEGINS
            elif kind is ev.Finish:
                self._marks["finish"] = time
            elif isinstance(event, ev.UsageSeen):
                self._marks["usage"] = time
                self._usage = event.usage
            elif isinstance(event, ev.End) and event.outcome.reason not in ("limit", "anomaly"):
                self._marks["done"] = time  # in the midst of the blocks, nothing else ends a stream

    def end(self, time: float | None, events: Iterable[ev.Event], progress: tuple[int, int]) -> None:
        """Mark the end at `time` (None: nobody knows when). `events`: those of closing, about what had arrived with the last
        block."""
        self._marks["closed"] = time
        if self._last is not None:
            late = (event for event in events if not isinstance(event, ev.End) or event.outcome.reason in _DONE)
            self.block(self._last, late, progress)

    def _first(self, name: str, time: float) -> None:
        if self._marks.get(name) is None:
            self._marks[name] = time

    def _output(self, kind: type[ev.Event], time: float, same: bool) -> None:
        self._first("first_output", time)
        self._marks["last_output"] = time
        if not same:
            self._outputs.append(time)
        if kind is ev.ReasoningDelta:
            self._first("first_reasoning", time)
            return
        self._first("first_answer", time)
        if kind is ev.ContentDelta:
            self._first("first_content", time)
        elif kind in _TOOL or kind in _TOOL_BEGINS:
            self._first("first_tool", time)

    def timing(self) -> Timing:
        """Return what is known by now."""
        usage = self._usage
        details = None if usage is None else usage.completion_tokens_details
        return Timing(
            **self._marks,
            input_tokens=None if usage is None else usage.prompt_tokens or None,
            output_tokens=None if usage is None else usage.completion_tokens or None,
            reasoning_tokens=None if details is None else details.reasoning_tokens,
            chunk_times=tuple(self._chunks),
            output_times=tuple(self._outputs),
        )


def timing_of(trace: Trace) -> Timing:
    """Return the timing of a recorded stream: `sent` is 0, `closed` is not known. Everything but the token counts is None for
    a trace whose reads were not observed (`timed` is False)."""
    check_kind("timing_of()", trace, Trace)
    accumulator, watch = Accumulator(), Stopwatch(sent=0.0)
    for block in trace.blocks:
        watch.block(block.t, accumulator.feed(block.data), accumulator.progress)
    watch.end(None, accumulator.close().events, accumulator.progress)
    timing = watch.timing()
    if trace.timed:
        return timing
    known = ("input_tokens", "output_tokens", "reasoning_tokens")
    return Timing(**{name: getattr(timing, name) for name in known})


show_fields(__name__)
