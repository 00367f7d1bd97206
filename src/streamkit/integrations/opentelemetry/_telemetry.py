"""The hook: one span and the client metrics for each `Ended`.

Rule 1  The span is made when the stream is over, and dated back to when the request was sent; without `sent` to when the
        stream was opened. It is a child of the span that is current then.
Rule 2  A stream that failed or broke off has the status ERROR and `error.type`. One that its reader left has neither:
        `streamkit.outcome` is `cancelled`.
Rule 3  A metric without its figure is not recorded: no time to the first chunk without `sent`, no tokens without usage.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Generic, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from streamkit import __version__
from streamkit.ended import Ended

from ._attributes import error_type, metric_attributes, span_attributes
from ._messages import input_messages, output_messages

__all__ = ("Telemetry", "Watched")

_Stream = TypeVar("_Stream")
_SCOPE = "streamkit"
# What the conventions ask for: gen-ai-metrics.md, "ExplicitBucketBoundaries".
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(float(4**power) for power in range(14))  # 1 to 67,108,864


class Telemetry:
    """Records each stream that is over; call it with an `Ended`, or give it to what takes an `on_end`.

    `tracer_provider`, `meter_provider`: None for those that are set globally. `provider`: `gen_ai.provider.name`. `content`:
    whether messages, asked and answered, go into the span; `tool_calls`: whether the calls of the answer do, with their
    arguments. `spans`: False for metrics alone, where another instrumentation makes the spans.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        provider: str = "openai",
        content: bool = False,
        tool_calls: bool = False,
        spans: bool = True,
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._provider, self._content, self._tool_calls, self._spans = provider, content, tool_calls, spans

        def histogram(name: str, unit: str, buckets: tuple[float, ...], about: str) -> metrics.Histogram:
            return meter.create_histogram(name, unit, about, explicit_bucket_boundaries_advisory=buckets)

        operation = "gen_ai.client.operation"
        self._duration = histogram(f"{operation}.duration", "s", _SECONDS, "GenAI operation duration.")
        self._first = histogram(f"{operation}.time_to_first_chunk", "s", _SECONDS, "Time to receive the first chunk.")
        self._each = histogram(
            f"{operation}.time_per_output_chunk", "s", _SECONDS, "Time for each chunk after the first."
        )
        self._tokens = histogram("gen_ai.client.token.usage", "{token}", _TOKENS, "Tokens of input and output.")

    def __call__(self, ended: Ended) -> None:
        """Record one stream that is over."""
        began = ended.timing.opened if ended.timing.sent is None else ended.timing.sent
        closed = ended.timing.closed
        seconds = None if began is None or closed is None else closed - began
        if self._spans:
            self._span(ended, seconds or 0.0)
        shared = metric_attributes(ended, self._provider)
        wrong = error_type(ended.outcome)
        if seconds is not None:
            self._duration.record(seconds, shared if wrong is None else {**shared, "error.type": wrong})
        if (first := ended.timing.time_to_first_chunk) is not None:
            self._first.record(first, shared)
        for gap in ended.timing.time_per_output_chunk:
            self._each.record(gap, shared)
        usage = ended.usage
        for kind, count in (
            () if usage is None else (("input", usage.prompt_tokens), ("output", usage.completion_tokens))
        ):
            if count is not None:
                self._tokens.record(count, {**shared, "gen_ai.token.type": kind})

    def watch(
        self, stream: _Stream, *, request: Mapping[str, Any] | None = None, url: str | None = None
    ) -> Watched[_Stream]:
        """Return what is to be entered with `with`, or `async with`, in place of `stream`: on leaving, the stream is closed
        and recorded. `request`: the JSON that asked for it; `url`: where it went."""
        return Watched(self, stream, request, url)

    def _span(self, ended: Ended, seconds: float) -> None:
        attributes, response = span_attributes(ended, self._provider), ended.response
        if self._content and (asked := input_messages(ended.request)) is not None:
            attributes["gen_ai.input.messages"] = asked
        if response is not None and (self._content or self._tool_calls):
            if (said := output_messages(response, content=self._content)) is not None:
                attributes["gen_ai.output.messages"] = said
        end = time.time_ns()
        name = f"chat {model}" if (model := attributes.get("gen_ai.request.model")) else "chat"
        span = self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, start_time=end - int(seconds * 1e9)
        )
        error = ended.outcome.error
        if error_type(ended.outcome) is not None:
            span.set_status(Status(StatusCode.ERROR, None if error is None else error.message))
        span.end(end)


class Watched(Generic[_Stream]):
    """A stream that is recorded when it is left; `Telemetry.watch` makes it."""

    def __init__(self, hook: Telemetry, stream: _Stream, request: Mapping[str, Any] | None, url: str | None) -> None:
        self._hook, self._stream, self._request, self._url = hook, stream, request, url

    def __enter__(self) -> _Stream:
        return self._stream

    def __exit__(self, *left: Any) -> None:
        try:
            self._stream.__exit__(*left)  # type: ignore[attr-defined]
        finally:
            self._record()

    async def __aenter__(self) -> _Stream:
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._stream.__aexit__(kind, error, traceback)  # type: ignore[attr-defined]
        finally:
            self._record()

    def _record(self) -> None:
        self._hook(Ended.of(self._stream, request=self._request, url=self._url))
