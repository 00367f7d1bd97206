"""What an accumulator gave is written and, with `tolerant=True`, read back equal: every sender's words, numbers and gaps."""

from __future__ import annotations

import json
import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.strategies import examples, mutated, streams, tampered
from helpers.wire import DONE, calls, choice, chunk, delta, sse
from streamkit import Accumulator, MisuseError, ValidationError, dumps, loads, structure, to_events, unstructure
from streamkit.types import (
    ChatCompletionMessageToolCallChunk,
    CompletionUsage,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FinishReason,
)

SMALL = [one for one in TRACES if len(one.body) < 30_000]
FINISH = delta("{}", "stop")


def response_of(raw: bytes) -> CreateChatCompletionResponse | None:
    accumulator = Accumulator()
    accumulator.absorb(raw)
    accumulator.close()
    return accumulator.snapshot()


def finite(value: Any) -> bool:
    """Whether JSON can say every number in a plain value."""
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(finite, inner))


def assert_read_back(response: CreateChatCompletionResponse | None) -> None:
    if response is None:
        return
    data = dumps(response)
    back = loads(data, CreateChatCompletionResponse, tolerant=True)
    assert data == dumps(back)
    if finite(unstructure(response)):
        assert response == back
        assert back == structure(unstructure(response), CreateChatCompletionResponse, tolerant=True)


def in_one_chunk(**facts: Any) -> CreateChatCompletionResponse:
    whole = {"id": "c1", "created": 7, "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}}], **facts}
    found = response_of(sse(json.dumps(whole), FINISH) + DONE)
    assert found is not None
    return found


@each(TRACES)
def test_the_response_of_a_recorded_stream_is_read_back(recorded: Recorded) -> None:
    assert_read_back(response_of(recorded.body))


@shared
def test_the_response_of_every_shared_stream_is_read_back() -> None:
    for recorded in SHARED:
        assert_read_back(response_of(recorded.body))


@examples(60)
@given(st.sampled_from(SMALL).flatmap(lambda one: mutated(one.body)))
def test_the_response_of_a_damaged_stream_is_read_back(raw: bytes) -> None:
    assert_read_back(response_of(raw))


@examples(120)
@given(st.sampled_from(SMALL).flatmap(lambda one: tampered(one.body)))
def test_the_response_of_a_stream_with_other_values_is_read_back(raw: bytes) -> None:
    assert_read_back(response_of(raw))


@examples(60)
@given(streams())
def test_the_response_of_any_sender_is_read_back(stream: Any) -> None:
    assert_read_back(response_of(stream.wire))


# One by one.


@pytest.mark.parametrize("word", ["eos", "end_turn", "STOP", "sensitive", "network_error"])
def test_a_finish_reason_stays_the_senders_word(word: str) -> None:
    response = response_of(sse(delta('{"content":"a"}', word)) + DONE)
    assert response is not None
    assert word == loads(dumps(response), CreateChatCompletionResponse, tolerant=True).choices[0].finish_reason


def test_a_finish_reason_of_the_format_is_its_member() -> None:
    back = loads(dumps(in_one_chunk()), CreateChatCompletionResponse, tolerant=True)
    assert back.choices[0].finish_reason is FinishReason.STOP


@pytest.mark.parametrize("word", ["", "null", "NULL"])
def test_an_empty_finish_reason_is_none(word: str) -> None:
    body = unstructure(in_one_chunk())
    body["choices"][0]["finish_reason"] = word
    assert structure(body, CreateChatCompletionResponse, tolerant=True).choices[0].finish_reason is None


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"service_tier": "on_demand"}, id="a service tier"),
        pytest.param({"service_tier": ""}, id="an empty service tier"),
        pytest.param({"created": "2025-11-21T00:00:00Z"}, id="an ISO date"),
        pytest.param({"created": 1763720000123}, id="milliseconds"),
        pytest.param({"usage": {"completion_tokens": 3}}, id="counts that never arrived"),
        pytest.param({"usage": {"prompt_tokens": -1, "total_tokens": 2**40}}, id="counts out of range"),
        pytest.param({"usage": {"prompt_tokens": 1, "prompt_tokens_details": 5}}, id="details that are no object"),
        pytest.param({"usage": 7}, id="usage that is no object"),
        pytest.param({"usage": [1, 2, 3, None, None]}, id="usage that is a list"),
        pytest.param({"choices": [{"index": 0, "delta": {"role": "poet", "content": "a"}}]}, id="a role"),
        pytest.param({"choices": [{"index": 0, "delta": {"tool_calls": "none"}}]}, id="calls that are text"),
        pytest.param({"choices": [{"index": 0, "delta": {"audio": 5}}]}, id="audio that is a number"),
        pytest.param({"choices": [{"index": 0, "delta": {"audio": {"expires_at": "soon"}}}]}, id="audio that expires soon"),
        pytest.param({"choices": [{"index": 0, "delta": {}, "logprobs": [None, None]}]}, id="a list of log probabilities"),
        pytest.param({"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [
            {"token": "t", "logprob": -1, "bytes": [300, "x"], "top_logprobs": "none"}]}}]}, id="odd bytes of a token"),
    ],
)  # fmt: skip
def test_what_the_format_does_not_know_is_read_back(facts: dict[str, Any]) -> None:
    assert_read_back(in_one_chunk(**facts))


@pytest.mark.parametrize("kind", ["builtin_function", "custom", "retrieval"])
def test_a_tool_call_keeps_its_type(kind: str) -> None:
    call = f'{{"index":0,"id":"x","type":"{kind}","function":{{"name":"f","arguments":"{{}}"}}}}'
    response = response_of(sse(*calls(call)) + DONE)
    assert response is not None
    assert_read_back(response)
    (found,) = unstructure(response)["choices"][0]["message"]["tool_calls"]
    assert kind == found["type"]


def test_what_could_not_be_read_is_written_in_its_place_and_stays_next_to_what_was_read_later() -> None:
    odd, usage = chunk(more='"usage":7'), '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
    alone, both = response_of(sse(FINISH, odd) + DONE), response_of(sse(FINISH, odd, chunk(more=usage)) + DONE)
    assert alone is not None
    assert both is not None
    assert 7 == unstructure(alone)["usage"]
    assert {"usage": 7} == both.extra
    assert 3 == unstructure(both)["usage"]["total_tokens"]
    assert_read_back(alone)
    assert_read_back(both)


@pytest.mark.parametrize("logprobs", ["[%s]", '{"content":[%s]}'], ids=["of the choice", "of its content"])
def test_what_broke_a_limit_is_read_back_as_nothing(logprobs: str) -> None:
    deep = "[" * 140 + "]" * 140
    broken = response_of(sse(chunk('{"index":0,"delta":{"content":"a"},"logprobs":' + logprobs % deep + "}")))
    assert broken is not None
    assert_read_back(broken)


def test_a_count_may_be_absent_where_its_attribute_can_be_none() -> None:
    fragment = structure({"id": "x"}, ChatCompletionMessageToolCallChunk, tolerant=True)
    assert (None, "x") == (fragment.index, fragment.id)
    with pytest.raises(ValidationError):
        structure({"id": "x"}, ChatCompletionMessageToolCallChunk)


def test_a_chunk_is_read_back_too() -> None:
    seen: list[CreateChatCompletionStreamResponse] = []
    accumulator = Accumulator()
    accumulator.tap(seen.append)
    accumulator.absorb(
        sse(chunk(choice('{"role":"poet","tool_calls":[{"id":"x"}]}', "eos"), '"service_tier":"on_demand"'))
    )
    assert seen == loads(dumps(seen), list[CreateChatCompletionStreamResponse], tolerant=True)


# What stays as it was.


@pytest.mark.parametrize("facts", [{"service_tier": "on_demand"}, {"created": -1}, {"usage": {}}, {"choices": [7]}])
def test_without_it_reading_is_as_strict_as_ever(facts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        structure({**unstructure(in_one_chunk()), **facts}, CreateChatCompletionResponse)


@pytest.mark.parametrize("missing", ["id", "choices", "created", "model"])
def test_what_a_response_must_have_it_must_have_tolerantly_too(missing: str) -> None:
    body = unstructure(in_one_chunk())
    del body[missing]
    with pytest.raises(ValidationError, match=rf"\$\.{missing}"):
        structure(body, CreateChatCompletionResponse, tolerant=True)


def test_a_class_of_the_callers_may_hold_what_is_read_tolerantly() -> None:
    @attrs.frozen
    class Holder:
        usage: CompletionUsage

    assert Holder(CompletionUsage(5, None, None)) == structure({"usage": {"prompt_tokens": 5}}, Holder, tolerant=True)
    with pytest.raises(ValidationError):
        structure({"usage": {"prompt_tokens": 5}}, Holder)
    with pytest.raises(MisuseError, match="take a type as their target, not 5"):
        structure({}, 5, tolerant=True)


def test_two_responses_that_are_written_alike_are_equal_and_others_are_not() -> None:
    one = in_one_chunk(created="2025-11-21T00:00:00Z")
    assert one == attrs.evolve(one, extra={})
    assert one != attrs.evolve(one, extra={"odd": 1})
    assert one != attrs.evolve(one, model="n")
    assert one != unstructure(one)


@pytest.mark.parametrize("facts", [{"service_tier": "on_demand"}, {"usage": {"completion_tokens": 3}}])
def test_a_stream_is_written_of_a_response_that_was_written_down(facts: dict[str, Any]) -> None:
    response = in_one_chunk(**facts)
    assert response == response_of(b"".join(to_events(json.loads(dumps(response)))))
