"""Spans and metrics for each stream that is over, as the SDK's exporters in memory have them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import anyio
import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from helpers.wire import calls, delta, sse
from streamkit import AsyncChatStream, ChatStream, Ended
from streamkit.integrations.opentelemetry import Telemetry
from streamkit.testing import DONE, FakeClock

USAGE = '"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}'
TEXT = [sse(delta('{"content":"Hel"}')), sse(delta('{"content":"lo"}')), sse(delta("{}", "stop", more=USAGE)), DONE]
CALL = '{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\\"x\\":1}"}}'
ASKED = {
    "model": "asked",
    "stream": True,
    "temperature": 0.5,
    "max_completion_tokens": 99,
    "stop": "END",
    "n": 1,
    "response_format": {"type": "json_schema"},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "5"},
    ],
}
URL = "https://api.example.com/v1/chat/completions"


class Exported:
    """A `Telemetry`, and what the SDK exports of it."""

    def __init__(self, **options: Any) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(tracers, MeterProvider([self._reader]), **options)
        self.tracers = tracers

    @property
    def span(self) -> ReadableSpan:
        (span,) = self._spans.get_finished_spans()
        return span

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.span.attributes or {})

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def metrics(self) -> dict[str, list[Any]]:
        """The points of each metric, by its name."""
        data = self._reader.get_metrics_data()
        found = data.resource_metrics if data is not None else ()
        return {
            metric.name: list(metric.data.data_points)
            for resource in found
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def ended(blocks: Iterable[bytes], *, leave: bool = False, request: Any = ASKED) -> Ended:
    """What is known of a stream of which each block arrives a second after the one before."""
    clock = FakeClock(10.0)
    with ChatStream(clock.timed(blocks, 1.0), clock=clock, sent=9.5) as stream:
        if leave:
            next(stream)
        else:
            stream.until_done()
    return Ended.of(stream, request=request, url=URL)


def test_a_stream_is_a_span_with_what_was_asked_and_answered() -> None:
    exported = Exported()
    exported.telemetry(ended(TEXT))
    span = exported.span
    assert ("chat asked", SpanKind.CLIENT, StatusCode.UNSET) == (span.name, span.kind, span.status.status_code)
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "asked",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.output.type": "json",
        "gen_ai.response.id": "c1",
        "gen_ai.response.model": "m",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 1.5,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "server.address": "api.example.com",
        "server.port": 443,
        "streamkit.outcome": "complete",
        "streamkit.reason": "done",
        "streamkit.time_to_first_output": 1.5,
    } == exported.attributes


def test_the_span_lasts_from_the_request_to_the_end() -> None:
    exported = Exported()
    exported.telemetry(ended(TEXT))
    span = exported.span
    assert span.start_time is not None
    assert span.end_time is not None
    assert 4.5 == pytest.approx((span.end_time - span.start_time) / 1e9)


def test_it_is_a_child_of_the_span_that_is_current() -> None:
    exported = Exported()
    with exported.tracers.get_tracer("t").start_as_current_span("outer") as outer:
        exported.telemetry(ended(TEXT))
    inner = exported.spans[0]
    assert inner.parent is not None
    assert outer.get_span_context().span_id == inner.parent.span_id


def test_the_four_metrics_have_their_figures_names_and_buckets() -> None:
    exported = Exported()
    exported.telemetry(ended(TEXT))
    metrics = exported.metrics()
    shared = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "asked",
        "gen_ai.response.model": "m",
        "server.address": "api.example.com",
        "server.port": 443,
    }
    (duration,) = metrics["gen_ai.client.operation.duration"]
    assert (1, 4.5, shared) == (duration.count, duration.sum, dict(duration.attributes))
    assert (0.01, 81.92) == (duration.explicit_bounds[0], duration.explicit_bounds[-1])
    (first,) = metrics["gen_ai.client.operation.time_to_first_chunk"]
    assert (1, 1.5, shared) == (first.count, first.sum, dict(first.attributes))
    (each,) = metrics["gen_ai.client.operation.time_per_output_chunk"]
    assert (2, 2.0, shared) == (each.count, each.sum, dict(each.attributes))
    tokens = {point.attributes["gen_ai.token.type"]: point for point in metrics["gen_ai.client.token.usage"]}
    assert {"input": 7, "output": 2} == {kind: point.sum for kind, point in tokens.items()}
    assert (1, 67108864) == (tokens["input"].explicit_bounds[0], tokens["input"].explicit_bounds[-1])


@pytest.mark.parametrize(
    "blocks, word, outcome",
    [
        (TEXT[:2], "no_finish", "truncated"),
        ([TEXT[0], sse('{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}')], "rate_limit", "failed"),
        ([], "empty", "failed"),
    ],
)
def test_failed_and_truncated_streams_are_errors(blocks: list[bytes], word: str, outcome: str) -> None:
    exported = Exported()
    exported.telemetry(ended(blocks))
    assert StatusCode.ERROR == exported.span.status.status_code
    assert exported.span.status.description
    assert (word, outcome) == (exported.attributes["error.type"], exported.attributes["streamkit.outcome"])
    (duration,) = exported.metrics()["gen_ai.client.operation.duration"]
    assert word == duration.attributes["error.type"]


def test_a_stream_that_its_reader_left_is_no_error_and_says_so() -> None:
    exported = Exported()
    exported.telemetry(ended(TEXT, leave=True))
    assert StatusCode.UNSET == exported.span.status.status_code
    assert "error.type" not in exported.attributes
    assert "cancelled" == exported.attributes["streamkit.outcome"]
    (duration,) = exported.metrics()["gen_ai.client.operation.duration"]
    assert "error.type" not in duration.attributes


def test_what_is_not_known_is_not_recorded() -> None:
    exported = Exported()
    with ChatStream([*TEXT[:2], sse(delta("{}", "stop")), DONE]) as stream:
        stream.until_done()
    exported.telemetry(Ended.of(stream))
    assert {"gen_ai.client.operation.duration", "gen_ai.client.operation.time_per_output_chunk"} == set(
        exported.metrics()
    )
    unknown = {"gen_ai.request.model", "server.address", "gen_ai.usage.input_tokens", "streamkit.anomalies"}
    assert set() == unknown & set(exported.attributes)
    assert "chat" == exported.span.name


def test_what_the_sender_did_is_named() -> None:
    exported = Exported()
    exported.telemetry(ended([sse('{"choices":[{"delta":{"content":"a"}}]}'), *TEXT]))
    assert "index_missing" in exported.attributes["streamkit.anomalies"]


SAID = [sse(delta('{"reasoning_content":"hm"}'), delta('{"content":"I look."}'), *calls(CALL)), DONE]


def test_neither_content_nor_calls_are_exported_unless_asked_for() -> None:
    exported = Exported()
    exported.telemetry(ended(SAID))
    assert [] == [name for name in exported.attributes if "messages" in name]


def test_tool_calls_are_exported_where_asked_for() -> None:
    exported = Exported(tool_calls=True)
    exported.telemetry(ended(SAID))
    call = {"type": "tool_call", "id": "a", "name": "f", "arguments": {"x": 1}}
    assert [{"role": "assistant", "parts": [call], "finish_reason": "tool_calls"}] == json.loads(
        exported.attributes["gen_ai.output.messages"]
    )
    assert "gen_ai.input.messages" not in exported.attributes


def test_content_is_exported_where_asked_for() -> None:
    exported = Exported(content=True)
    exported.telemetry(ended(SAID))
    (said,) = json.loads(exported.attributes["gen_ai.output.messages"])
    assert ["reasoning", "text", "tool_call"] == [part["type"] for part in said["parts"]]
    assert ["hm", "I look."] == [part["content"] for part in said["parts"][:2]]
    assert [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Look:"}, {"type": "image_url"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "a", "name": "f", "arguments": {}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "a", "response": "5"}]},
    ] == json.loads(exported.attributes["gen_ai.input.messages"])


@pytest.mark.parametrize("messages", [None, 5, "hi", [5, None, {"role": 5, "content": 5, "tool_calls": [5, {}]}]])
def test_odd_requests_do_not_stop_a_span(messages: Any) -> None:
    exported = Exported(content=True)
    odd = {"model": 5, "stop": [5], "n": True, "response_format": 5, "temperature": "hot", "messages": messages}
    exported.telemetry(ended(TEXT, request=odd))
    assert "complete" == exported.attributes["streamkit.outcome"]


def test_a_stream_is_recorded_when_it_is_left() -> None:
    exported = Exported(spans=False)
    with exported.telemetry.watch(ChatStream(TEXT), request=ASKED) as stream:
        assert "Hello" == "".join(stream.text())

    async def main() -> None:
        async with exported.telemetry.watch(AsyncChatStream(TEXT), request=ASKED) as stream:
            assert "Hello" == "".join([text async for text in stream.text()])

    anyio.run(main)
    assert () == exported.spans
    (duration,) = exported.metrics()["gen_ai.client.operation.duration"]
    assert 2 == duration.count


def test_an_error_on_the_way_goes_on_and_the_stream_is_recorded_as_left() -> None:
    exported = Exported()

    def read() -> None:
        with exported.telemetry.watch(ChatStream(TEXT)) as stream:
            next(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()
    assert "cancelled" == exported.attributes["streamkit.outcome"]
