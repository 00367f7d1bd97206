"""Streams and bodies of other APIs are named as what they are, so that the wrong address is seen at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import DONE, chunk, delta, read, sse
from streamkit import Accumulator, Dialect, RemoteError, check_stream
from streamkit._decode.chunk_reader import is_chunk
from streamkit._decode.other_formats import OTHER_FORMATS, other_format


def named(*events: dict[str, Any]) -> bytes:
    """Each with its type as the event's, as OpenAI's Responses API and Anthropic write them."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in events)


def lines(*values: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


RESPONSES = named(
    {"type": "response.created", "response": {"id": "r", "object": "response", "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "item_id": "m", "delta": "Hi"},
    {"type": "response.completed", "response": {"id": "r", "object": "response", "status": "completed"}},
)
ANTHROPIC = named(
    {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": []}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
OLLAMA = lines(
    {
        "model": "l",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": "Hi"},
        "done": False,
    },
    {
        "model": "l",
        "message": {"role": "assistant", "content": ""},
        "done_reason": "stop",
        "done": True,
        "eval_count": 2,
    },
)
OLLAMA_GENERATE = lines({"model": "l", "response": "Hi", "done": False}, {"model": "l", "response": "", "done": True})
STREAMS = {
    "responses": (RESPONSES, "Responses API"),
    "anthropic": (ANTHROPIC, "Anthropic"),
    "ollama": (OLLAMA, "Ollama"),
    "ollama generate": (OLLAMA_GENERATE, "Ollama"),
    "ollama as events": (b"".join(b"data: " + line + b"\n\n" for line in OLLAMA.splitlines()), "Ollama"),
    "gemini": (sse('{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{}}'), "Gemini"),
    "converse": (
        sse('{"messageStart":{"role":"assistant"}}', '{"contentBlockDelta":{"delta":{"text":"Hi"}}}'),
        "Bedrock",
    ),
    "cohere": (sse('{"type":"message-start","id":"c"}', '{"type":"content-delta","delta":{}}'), "Cohere"),
    "ai sdk": (sse('{"type":"start-step"}', '{"type":"text-delta","id":"0","delta":"Hi"}') + DONE, "Vercel AI SDK"),
    "assistants": (sse('{"id":"m","object":"thread.message.delta","delta":{}}') + DONE, "Assistants"),
    "tgi": (sse('{"index":1,"token":{"id":1,"text":"Hi","logprob":0},"generated_text":null}'), "TGI"),
    "llama.cpp": (sse('{"content":"Hi","stop":false}', '{"content":"","stop":true,"timings":{}}'), "llama.cpp"),
    "workers ai": (sse('{"response":"Hi"}', '{"response":"","usage":{"prompt_tokens":1}}') + DONE, "Workers AI"),
}
BODIES = {
    "responses": (b'{"id":"r","object":"response","status":"completed","error":null,"output":[]}', "Responses API"),
    "anthropic": (
        b'{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}]}', "Anthropic",
    ),
    "ollama": (b'{"model":"l","message":{"role":"assistant","content":"Hi"},"done":true}\n', "Ollama"),
    "gemini as one list": (b'[{"candidates":[{}]},\n{"candidates":[{}]}]', "Gemini"),
    "converse": (b'{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn"}', "Bedrock"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_of_another_api_fails_and_its_error_names_the_api(name: str) -> None:
    stream, api = STREAMS[name]
    reading = read(stream, done=False)
    assert ("failed", "empty") == reading.ending
    assert reading.outcome.error is not None
    assert api in reading.outcome.error.message


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_body_of_another_api_is_named_too(name: str) -> None:
    body, api = BODIES[name]
    reading = read(body, done=False)
    assert ("failed", "not_a_stream") == reading.ending
    assert reading.outcome.error is not None
    assert api in reading.outcome.error.message


@pytest.mark.parametrize(
    "found", [*STREAMS.values(), *BODIES.values()], ids=[*STREAMS, *(f"{name} body" for name in BODIES)]
)
def test_check_says_whose_format_it_is(found: tuple[bytes, str]) -> None:
    error = check_stream(found[0]).as_json()["outcome"]["error"]
    assert found[1] in error["message"]


def test_an_error_in_another_format_is_the_senders_error_all_the_same() -> None:
    stream = ANTHROPIC[: ANTHROPIC.index(b"event: ping")]
    stream += named({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    reading = read(stream, done=False)
    assert ("failed", "remote_error") == reading.ending
    body = b'{"id":"r","object":"response","status":"failed","error":{"message":"busy"},"output":[]}'
    assert ("failed", "error_body") == read(body, done=False).ending


def test_a_chat_stream_with_an_event_of_another_format_in_it_is_a_chat_stream() -> None:
    reading = read('{"response":"a log line"}', delta('{"content":"Hi"}'), delta(finish="stop"))
    assert (("complete", "done"), "Hi") == (reading.ending, reading.message["content"])


@pytest.mark.parametrize(
    "value",
    [
        {"type": "ping"},
        {"message": "keep-alive"},
        {"response": 5},
        {"content": "a", "stop": "b"},
        {"object": "thread"},
        {"type": ["response.created"]},
        [],
        None,
        "response",
        json.loads(chunk()),
        {**json.loads(chunk()), "candidates": []},
    ],
)  # fmt: skip
def test_what_no_api_alone_writes_is_not_named(value: Any) -> None:
    assert None is other_format(value)


def test_every_api_of_the_table_is_shown_here() -> None:
    shown = [api for _, api in STREAMS.values()]
    assert [] == [name for name in OTHER_FORMATS if not any(api in name for api in shown)]


def test_usage_in_a_chunk_without_choices_is_still_a_chunk() -> None:
    assert is_chunk({"usage": {"prompt_tokens": 1}})
    assert is_chunk({"id": "c1", "message": "x"})


def test_the_name_does_not_depend_on_the_fast_lane() -> None:
    accumulator = Accumulator(fast=False)
    accumulator.absorb(RESPONSES)
    error = accumulator.close().error
    assert error is not None
    assert "Responses API" in error.message


LEGACY = {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m"}
LEGACY["choices"] = [{"text": "Hi", "index": 0, "logprobs": None, "finish_reason": "stop"}]


def test_a_whole_body_of_the_api_before_chat_is_named_with_both_ways_out() -> None:
    reading = read(json.dumps(LEGACY).encode(), done=False)
    error = reading.outcome.error
    assert ("failed", "not_a_stream") == (reading.outcome.name, reading.outcome.reason)
    assert isinstance(error, RemoteError)
    for said in ("Completions API (/v1/completions)", "/v1/chat/completions", "Dialect(choice_text=True)"):
        assert said in str(error)
    assert LEGACY == error.body


def test_it_is_read_by_the_dialect_of_that_api() -> None:
    reading = read(json.dumps(LEGACY).encode(), done=False, dialect=Dialect(choice_text=True))
    assert ("complete", "Hi") == (reading.outcome.name, reading.message["content"])


@pytest.mark.parametrize(
    "facts",
    [
        {"object": "chat.completion"},
        {"choices": []},
        {"choices": [{"text": "Hi", "message": {"content": "Hi"}}]},
        {"choices": [{"message": {"content": "Hi"}}]},
    ],
)
def test_a_body_with_a_message_is_a_chat_completion_whatever_it_calls_itself(facts: dict[str, Any]) -> None:
    assert other_format({**LEGACY, **facts}) is None
    assert "full_body" in read(json.dumps({**LEGACY, **facts}).encode(), done=False).codes


def test_an_error_in_a_body_of_the_api_before_chat_is_the_error() -> None:
    reading = read(json.dumps({**LEGACY, "error": {"message": "boom"}}).encode(), done=False)
    assert "boom" in str(reading.outcome.error)
