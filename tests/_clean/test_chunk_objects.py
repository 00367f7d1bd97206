"""Clean chunks, dumped, are what the clean events say, null for null."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import attrs
import pytest

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.streams import TOOLS
from helpers.wire import DONE, calls, delta, sse
from streamkit import StreamError, dumps, loads, reassemble, to_chunks, to_events, unstructure
from streamkit.sse import EventDecoder
from streamkit.types import CreateChatCompletionStreamResponse


def of_events(source: Any) -> list[Any]:
    events = EventDecoder().feed(b"".join(to_events(source)))
    return [one for one in (json.loads(event.data) for event in events if event.data != b"[DONE]") if "choices" in one]


def of_chunks(source: Any) -> list[Any]:
    found = []
    try:
        for chunk in to_chunks(source):
            found.append(json.loads(dumps(chunk)))
    except StreamError:
        pass
    return found


def same(stream: bytes) -> None:
    assert of_events(stream) == of_chunks(stream)


@each(TRACES)
def test_the_chunks_of_a_recorded_stream_are_its_events(recorded: Recorded) -> None:
    same(recorded.body)
    try:
        response = reassemble(recorded.body)
    except StreamError:
        return
    assert of_events(response) == of_chunks(response)


@shared
@pytest.mark.quick(2)
@pytest.mark.parametrize("part", range(8))
def test_the_chunks_of_a_shared_stream_are_its_events(part: int) -> None:
    for recorded in SHARED[part::8]:
        same(recorded.body)


def test_a_fragment_has_no_null_that_a_reader_would_add_up() -> None:
    *_, last = [one for one in to_chunks(TOOLS + DONE) if one.choices[0].delta.tool_calls]
    (call,) = unstructure(last)["choices"][0]["delta"]["tool_calls"]
    assert {"index", "function"} == call.keys()
    assert {"arguments"} == call["function"].keys()


def test_openai_python_adds_up_the_chunks_of_two_parallel_calls() -> None:
    helper = pytest.importorskip("openai.lib.streaming.chat")
    chat = pytest.importorskip("openai.types.chat")
    one = '{"index":%d,"id":"%s","function":{"name":"f","arguments":"{}"}}'
    state = helper.ChatCompletionStreamState()
    for chunk in to_chunks(sse(*calls(one % (0, "a"), one % (1, "b"))) + DONE):
        state.handle_chunk(chat.ChatCompletionChunk.model_validate(unstructure(chunk)))
    found = state.get_final_completion().choices[0].message.tool_calls
    assert [("a", "{}"), ("b", "{}")] == [(call.id, call.function.arguments) for call in found]


def test_a_clean_chunk_is_equal_to_one_that_was_read_and_can_be_changed_and_copied() -> None:
    first, second, *_ = to_chunks(sse(delta('{"content":"a"}', "stop")) + DONE)
    for chunk in (first, second):
        assert chunk == loads(dumps(chunk), CreateChatCompletionStreamResponse)
        for made in (copy.deepcopy(chunk), pickle.loads(pickle.dumps(chunk))):
            assert (chunk, dumps(chunk)) == (made, dumps(made))
    assert {"role": "assistant", "content": ""} == unstructure(first)["choices"][0]["delta"]
    assert "flex" == unstructure(attrs.evolve(second, service_tier="flex"))["service_tier"]
    assert "service_tier" not in unstructure(second)
