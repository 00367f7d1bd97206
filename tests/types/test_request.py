"""Building a request, and what `check()` says of it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from streamkit import types as t
from streamkit.codec import dumps, loads, structure, unstructure
from streamkit.errors import ValidationError

WEATHER = t.FunctionObject("weather", parameters={"type": "object"})


def request(*messages: Any, **fields: Any) -> t.CreateChatCompletionRequest:
    return t.CreateChatCompletionRequest(messages or ["Hello"], "gpt-4o", **fields)


def test_a_request_is_built_from_plain_values() -> None:
    built = request(
        t.ChatCompletionRequestSystemMessage("Be brief."),
        "Hello",
        {"role": "user", "content": [{"type": "text", "text": "there"}]},
        tools=[WEATHER, {"type": "function", "function": {"name": "time"}}],
        tool_choice=t.ChatCompletionNamedToolChoice("time"),
        response_format="json_object",
        prediction="Hello there",
        audio={"voice": "ash", "format": "wav"},
        modalities=["text", "audio"],
        stop=("END", "STOP"),
        logit_bias={50256: -100},
        stream=True,
        stream_options={"include_usage": True},
        web_search_options={"search_context_size": "low"},
        service_tier="flex",
        extra={"top_k": 40},
    )
    assert {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "user", "content": [{"type": "text", "text": "there"}]},
        ],
        "model": "gpt-4o",
        "logit_bias": {"50256": -100},
        "modalities": ["text", "audio"],
        "prediction": {"type": "content", "content": "Hello there"},
        "audio": {"voice": "ash", "format": "wav"},
        "response_format": {"type": "json_object"},
        "service_tier": "flex",
        "stop": ["END", "STOP"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "time"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "time"}},
        "web_search_options": {"search_context_size": "low", "user_location": None},
        "top_k": 40,
    } == unstructure(built)
    assert built == loads(dumps(built), t.CreateChatCompletionRequest)
    assert built is built.check()


def test_one_string_is_one_message_of_the_user() -> None:
    assert [t.ChatCompletionRequestUserMessage("Hello")] == t.CreateChatCompletionRequest("Hello", "m").messages


def test_only_what_was_set_is_written() -> None:
    assert {"messages": [{"role": "user", "content": "Hello"}], "model": "gpt-4o"} == unstructure(request())


def test_a_json_schema_is_taken_as_the_format_it_makes() -> None:
    schema = t.ResponseFormatJsonSchema("answer", {"type": "object"}, strict=True)
    assert t.ResponseFormatSchema(schema) == request(response_format=schema).response_format
    assert {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True}} == (
        unstructure(request(response_format=schema))["response_format"]
    )


def test_words_of_choice_become_their_members_and_others_stay() -> None:
    assert t.ChatCompletionToolChoiceMode.REQUIRED is request(tool_choice="required").tool_choice
    assert "any" == request(tool_choice="any").tool_choice
    assert t.ChatCompletionFunctionCallMode.AUTO is request(function_call="auto").function_call
    assert t.ChatCompletionFunctionCallOption("f") == request(function_call={"name": "f"}).function_call


def test_a_response_message_is_the_assistants_message() -> None:
    answer = t.ChatCompletionResponseMessage("Hi", extra={"reasoning_details": [{"signature": "s"}]})
    assert [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "reasoning_details": [{"signature": "s"}]},
    ] == unstructure(request("Hello", answer))["messages"]


def test_a_mapping_that_does_not_fit_is_refused_with_its_path() -> None:
    with pytest.raises(ValidationError, match=r"\$\.messages\[1\]\.role"):
        request("Hello", {"role": "nobody"})
    with pytest.raises(ValidationError, match=r"\$\.tools\[0\]\.function\.name"):
        request(tools=[{"type": "function", "function": {}}])


def test_numbers_stay_as_they_were_given() -> None:
    assert b'"temperature":0.1,"top_p":1}' in dumps(request(temperature=0.1, top_p=1))


def called(**fields: Any) -> t.ChatCompletionRequestAssistantMessage:
    return t.ChatCompletionRequestAssistantMessage(**fields)


REFUSAL = t.ChatCompletionRequestMessageContentPartRefusal("No.")


@pytest.mark.parametrize(
    "made, paths",
    [
        (attrs.evolve(request(), messages=[]), ["$.messages"]),
        (attrs.evolve(request(), model=""), ["$.model"]),
        (request(n=0), ["$.n"]),
        (request(n=129), ["$.n"]),
        (request(n=300), ["$.n"]),
        (request(n=2.0), ["$.n"]),
        (request(temperature=2.1), ["$.temperature"]),
        (request(temperature="hot"), ["$.temperature"]),
        (request(temperature=float("nan")), ["$.temperature"]),
        (request(top_p=-0.1), ["$.top_p"]),
        (request(frequency_penalty=-2.5, presence_penalty=2.5), ["$.frequency_penalty", "$.presence_penalty"]),
        (request(top_logprobs=21, logprobs=True), ["$.top_logprobs"]),
        (request(top_logprobs=20), ["$.logprobs"]),
        (request(logit_bias={"1": 101, "2": True, "3": 100}), ['$.logit_bias["1"]', '$.logit_bias["2"]']),
        (request(seed=2**63), ["$.seed"]),
        (request(reasoning_effort="xhigh"), ["$.reasoning_effort"]),
        (request(modalities=["text", "smell"]), ["$.modalities[1]"]),
        (request(modalities=["audio"]), ["$.audio"]),
        (request(stop=[]), ["$.stop"]),
        (request(stop=list("abcde")), ["$.stop"]),
        (request(stream_options={"include_usage": True}), ["$.stream"]),
        (request(metadata=["a"]), ["$.metadata"]),
        (request(metadata={"a": 1, "b": "b" * 513, "c": "c"}), ['$.metadata["a"]', '$.metadata["b"]']),
        (request(metadata={str(at): "" for at in range(17)}), ["$.metadata"]),
        (request(tools=[t.FunctionObject("no spaces")]), ["$.tools[0].function.name"]),
        (request(tools=[t.FunctionObject("n" * 65)]), ["$.tools[0].function.name"]),
        (request(tools=[WEATHER] * 129), ["$.tools"]),
        (request(functions=[{"name": "", "parameters": {}}]), ["$.functions[0].name"]),
        (request(tools=[WEATHER], tool_choice=t.ChatCompletionNamedToolChoice("x")), ["$.tool_choice.function.name"]),
        (request(function_call={"name": "x"}), ["$.function_call.name"]),
        (request(tool_choice="any"), ["$.tool_choice"]),
        (request(response_format=t.ResponseFormatJsonSchema("?")), ["$.response_format.json_schema.name"]),
        (request(t.ChatCompletionRequestUserMessage([])), ["$.messages[0].content"]),
        (request("a", called()), ["$.messages[1].content"]),
        (request("a", called(tool_calls=[])), ["$.messages[1].tool_calls"]),
        (request("a", called(content=["b", REFUSAL])), ["$.messages[1].content[1]"]),
        (request(t.ChatCompletionRequestFunctionMessage("4", "no spaces")), ["$.messages[0].name"]),
        (request(extra={"x": {1}}), ["$"]),
        (request(n=0, temperature=3, stop=[]), ["$.n", "$.temperature", "$.stop"]),
    ],
)
def test_check_names_every_breach_with_its_path(made: t.CreateChatCompletionRequest, paths: list[str]) -> None:
    with pytest.raises(ValidationError) as refusal:
        made.check()
    assert sorted(paths) == sorted(problem.path for problem in refusal.value.problems)
    assert "not a CreateChatCompletionRequest" in str(refusal.value)


@pytest.mark.parametrize(
    "made",
    [
        request(),
        request(n=128, temperature=0, top_p=1, presence_penalty=-2.0, top_logprobs=0, logprobs=True),
        request(stop="END", metadata={"a": "b"}, logit_bias={"1": 0.5}),
        request("a", called(content=[REFUSAL])),
        request("a", called(refusal="No.")),
        request("a", called(audio="audio_1")),
        request(tools=[WEATHER], tool_choice=t.ChatCompletionNamedToolChoice("weather")),
        request(modalities=["text", "audio"], audio={"voice": "ash", "format": "mp3"}),
        request(stream=True, stream_options={"include_usage": False}),
    ],
)
def test_check_finds_nothing_in_what_is_documented(made: t.CreateChatCompletionRequest) -> None:
    assert made is made.check()


def test_decoding_is_as_lenient_as_the_seed() -> None:
    body = {"messages": [], "model": "", "n": 0, "temperature": 99.0, "stop": []}
    assert body == {key: unstructure(structure(body, t.CreateChatCompletionRequest))[key] for key in body}
