"""Our spans beneath those of the instrumentations of the openai SDK: neither stops the other.

None of them is a dependency: this runs where they are installed, `pip install openai opentelemetry-sdk
opentelemetry-instrumentation-genai-openai opentelemetry-instrumentation-openai openinference-instrumentation-openai logfire`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("openai", minversion="3.0")
pytest.importorskip("httpx2")

import httpx2
import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from helpers.wire import delta, sse
from streamkit import Ended, Tee, tee
from streamkit.integrations.opentelemetry import Telemetry
from streamkit.testing import DONE

USAGE = '"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}'
CALL = '{"index":%d,"id":"%s","type":"function","function":{"name":"f","arguments":"{}"}}'
TEXT = (
    sse(delta('{"role":"assistant","content":"Hel"}'), delta('{"content":"lo"}'), delta("{}", "stop", more=USAGE))
    + DONE
)
TOOLS = sse(delta('{"tool_calls":[%s,%s]}' % (CALL % (0, "a"), CALL % (1, "b"))), delta("{}", "tool_calls")) + DONE
CUT = sse(delta('{"role":"assistant","content":"Hel"}'))


class Watched(httpx2.SyncByteStream):
    """A body that is watched on its way, as a transport of ours watches it."""

    def __init__(self, blocks: Tee, over: Callable[[Tee], None]) -> None:
        self.blocks, self.over = blocks, over

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.blocks)

    def close(self) -> None:
        self.blocks.close()
        over, self.over = self.over, lambda _: None
        over(self.blocks)


class Transport(httpx2.BaseTransport):
    """Answers every request with `body`, and records it with `telemetry` when it is over."""

    def __init__(self, body: bytes, telemetry: Telemetry) -> None:
        self.body, self.telemetry = body, telemetry

    def handle_request(self, request: Any) -> Any:
        asked = json.loads(request.read())

        def over(blocks: Tee) -> None:
            self.telemetry(Ended.of(blocks, request=asked, url=str(request.url)))

        pieces = [self.body[at : at + 50] for at in range(0, len(self.body), 50)]
        stream = Watched(tee(pieces), over)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)


def provider() -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter, made = InMemorySpanExporter(), TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made, exporter


@contextmanager
def of_opentelemetry(module: str) -> Iterator[InMemorySpanExporter]:
    instrumentor = pytest.importorskip(module, exc_type=ImportError).OpenAIInstrumentor()
    tracers, exporter = provider()
    instrumentor.instrument(tracer_provider=tracers)
    try:
        yield exporter
    finally:
        instrumentor.uninstrument()


@contextmanager
def of_logfire(_: str) -> Iterator[InMemorySpanExporter]:
    logfire = pytest.importorskip("logfire", exc_type=ImportError)
    exporter = InMemorySpanExporter()
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(exporter)])
    with logfire.instrument_openai():
        yield exporter


THEIRS = {
    "opentelemetry.instrumentation.genai.openai": of_opentelemetry,
    "opentelemetry.instrumentation.openai": of_opentelemetry,  # openllmetry
    "openinference.instrumentation.openai": of_opentelemetry,
    "logfire": of_logfire,
}


@pytest.mark.filterwarnings("default")  # theirs are not ours
@pytest.mark.parametrize("module", THEIRS)
def test_both_make_their_spans_and_the_caller_sees_the_stream(module: str) -> None:
    with THEIRS[module](module) as theirs:
        for body, leave, outcome, text in (
            (TEXT, False, "complete", "Hello"),
            (TOOLS, False, "complete", ""),
            (CUT, False, "truncated", "Hel"),
            (TEXT, True, "cancelled", "Hel"),
        ):
            tracers, ours = provider()
            theirs.clear()
            http = httpx2.Client(transport=Transport(body, Telemetry(tracers)))
            client = openai.OpenAI(api_key="k", base_url="http://sender/v1", http_client=http, max_retries=0)
            said = ""
            with client.chat.completions.create(
                model="asked", messages=[{"role": "user", "content": "?"}], stream=True
            ) as stream:
                for chunk in stream:
                    said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                    if leave:
                        break
            client.close()
            (span,) = ours.get_finished_spans()
            attributes = dict(span.attributes or {})
            assert (outcome, "asked", "sender") == (
                attributes["streamkit.outcome"],
                attributes["gen_ai.request.model"],
                attributes["server.address"],
            )
            assert text == said
            assert len(theirs.get_finished_spans()) >= 1
