"""Types of streamkit and of the SDK: each way and back, nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("openai")

from openai.types.chat import ChatCompletion, ChatCompletionChunk, ParsedChatCompletion

from helpers.corpus import ROOT
from helpers.scenarios import SCENARIOS, Scenario
from streamkit import Accumulator, MisuseError, reassemble, to_chunks, unstructure
from streamkit.integrations.openai import ChatCompletionStreamState, from_openai, to_openai
from streamkit.trace import read_trace


def responses() -> list[Any]:
    found = []
    for scenario in SCENARIOS:
        accumulator = Accumulator()
        accumulator.absorb(scenario.body)
        accumulator.close()
        found.append(pytest.param(accumulator.snapshot(), id=scenario.name))
    return [one for one in found if one.values[0] is not None]


@pytest.mark.parametrize("response", responses())
def test_a_response_goes_there_and_back(response: Any) -> None:
    completion = to_openai(response)
    assert isinstance(completion, ChatCompletion)
    assert response.choices[0].message.content == completion.choices[0].message.content
    assert unstructure(response) == completion.to_dict(mode="json", exclude_unset=True)
    assert response == from_openai(completion)


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.expected.error is None], ids=lambda one: one.name)
def test_chunks_go_there_and_back(scenario: Scenario) -> None:
    for chunk in to_chunks(iter([scenario.body])):
        theirs = to_openai(chunk)
        assert isinstance(theirs, ChatCompletionChunk)
        assert chunk == from_openai(theirs)


@pytest.mark.parametrize("trace", sorted((ROOT / "traces").glob("*/*.trace.jsonl"))[::7], ids=lambda path: path.name)
def test_a_recorded_response_goes_there_and_back(trace: Any) -> None:
    accumulator = Accumulator()
    for block in read_trace(trace).blocks:
        accumulator.absorb(block.data)
    accumulator.close()
    response = accumulator.snapshot()
    if response is not None:
        assert response == from_openai(to_openai(response))


def test_unknown_fields_and_unknown_words_stay() -> None:
    body = (
        b'{"id":"a","object":"chat.completion","created":1,"model":"m","x_new":{"a":[1]},"choices":[{"index":0,'
        b'"finish_reason":"eos","message":{"role":"assistant","content":"hi","citations":["u"]}}]}'
    )
    response = reassemble(body)
    completion: Any = to_openai(response)
    assert ({"a": [1]}, "eos", ["u"]) == (
        completion.x_new,
        completion.choices[0].finish_reason,
        completion.choices[0].message.citations,
    )
    assert response == from_openai(completion)


def test_what_the_sdk_parsed_is_left_out() -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": {}}}]
    state = ChatCompletionStreamState(input_tools=tools)
    accumulator = Accumulator()
    scenario = next(one for one in SCENARIOS if one.name == "tools")
    for chunk in to_chunks(iter([scenario.body])):
        state.handle_chunk(to_openai(chunk))
        accumulator.add(chunk)
    accumulator.close()
    final = state.get_final_completion()
    assert isinstance(final, ParsedChatCompletion)
    assert {"city": "Zürich"} == final.choices[0].message.tool_calls[0].function.parsed_arguments  # type: ignore[index]
    assert accumulator.snapshot() == from_openai(final)


@pytest.mark.parametrize("convert", [to_openai, from_openai])
def test_what_is_neither_is_refused(convert: Any) -> None:
    with pytest.raises(MisuseError, match="not dict"):
        convert({})
