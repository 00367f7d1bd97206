"""An empty struct is nothing: no call, no custom call, no function call, no audio, in any fragment."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import Reading, calls, choice, chunk, delta, read
from streamkit import Accumulator, events
from streamkit.types import ChatChoiceStream, ChatCompletionMessageToolCallChunk, ChatCompletionStreamResponseDelta
from streamkit.types import CreateChatCompletionStreamResponse as Chunk

EMPTY = [
    '"tool_calls":[{"index":0}]',
    '"tool_calls":[{}]',
    '"tool_calls":[{"index":0,"type":"function"}]',
    '"tool_calls":[{"index":0,"type":"custom","custom":{}}]',
    '"tool_calls":[{"index":0,"id":"","type":"function","function":{"name":"","arguments":""}}]',
    '"tool_calls":[{"id":null,"function":{"name":null,"arguments":null},"custom":{"name":"","input":""}}]',
    '"tool_calls":[{"index":0,"id":"null","function":{"name":"","arguments":""}}]',
    '"tool_calls":""',
    '"tool_calls":[]',
    '"function_call":""',
    '"audio":""',
    '"audio":[]',
    '"function_call":{}',
    '"function_call":{"name":"","arguments":""}',
    '"function_call":{"name":null}',
    '"audio":{}',
    '"audio":{"id":"","data":"","transcript":"","expires_at":0}',
]


def plain(reading: Reading, content: str) -> None:
    """Assert that the reading is this text, and that no part but content was opened."""
    response = reading.accumulator.snapshot()
    assert response is not None
    for one in response.choices:
        assert (content, None, None, None) == (
            one.message.content, one.message.tool_calls, one.message.function_call, one.message.audio,
        )  # fmt: skip
        assert "stop" == one.effective_finish_reason
    assert {"ContentStarted", "ContentDelta", "ContentDone", "ChoiceStarted", "Finish", "ChoiceDone", "End"} == set(
        reading.kinds
    )


@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_struct_beside_every_piece_of_text_is_nothing(empty: str) -> None:
    plain(
        read(*(delta(f'{{"content":"{one}",{empty}}}') for one in ("Hel", "lo")), delta(f"{{{empty}}}", "stop")),
        "Hello",
    )


@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_struct_in_every_choice_is_nothing(empty: str) -> None:
    both = ",".join(choice(f'{{"content":"Hello",{empty}}}', "stop", index) for index in (0, 1))
    plain(read(chunk(both)), "Hello")


@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_struct_after_the_finish_does_not_reopen_the_choice(empty: str) -> None:
    reading = read(delta('{"content":"Hello"}', "stop"), delta(f"{{{empty}}}"), done=False)
    plain(reading, "Hello")
    assert ("complete", "finish_without_done") == reading.ending


@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_struct_in_a_full_body_is_nothing(empty: str) -> None:
    body = f'{{"object":"chat.completion","choices":[{{"index":0,"message":{{"content":"Hello",{empty}}},"finish_reason":"stop"}}]}}'
    plain(read(body.encode(), done=False), "Hello")


@pytest.mark.parametrize("beside", ['"custom":{}', '"custom":{"name":"","input":""}', '"custom":null'])
def test_an_empty_custom_beside_a_function_is_a_function(beside: str) -> None:
    reading = read(
        *calls(
            f'{{"index":0,"id":"c1","type":"function","function":{{"name":"f","arguments":""}},{beside}}}',
            f'{{"index":0,"function":{{"arguments":"{{\\"a\\":"}},{beside}}}',
            f'{{"index":0,"function":{{"arguments":"1}}"}},{beside}}}',
        )
    )
    assert [("c1", "f", '{"a":1}')] == reading.calls
    assert "function" == reading.message["tool_calls"][0]["type"]


@pytest.mark.parametrize(
    "first",
    [
        '{"index":0,"id":"c1","type":"custom","custom":{}}',
        '{"index":0,"id":"c1","custom":{"name":"t"}}',
        '{"index":0,"id":"c1","function":{},"custom":{"input":"x"}}',
    ],
)
def test_a_custom_call_is_one_by_its_type_or_by_its_fields(first: str) -> None:
    reading = read(*calls(first, '{"index":0,"custom":{"input":"y"}}'))
    assert reading.message["tool_calls"][0]["custom"]["input"].endswith("y")


def test_an_empty_fragment_before_its_call_leaves_no_trace() -> None:
    empty = '{"index":0,"id":"","type":"function","function":{"name":"","arguments":""}}'
    full = '{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}'
    assert read(*calls(full)).calls == read(*calls(empty, full, empty)).calls


def test_what_is_in_a_function_call_without_a_name_is_not_lost() -> None:
    reading = read(delta('{"content":"a","function_call":{"name":"","odd":1}}', "stop"))
    assert {"odd": 1} == reading.message["function_call"]
    response = reading.accumulator.snapshot()
    assert response is not None
    assert "stop" == response.choices[0].effective_finish_reason


def test_an_empty_fragment_that_was_decoded_elsewhere_is_nothing_too() -> None:
    fragment = ChatCompletionMessageToolCallChunk(0)
    accumulator = Accumulator()
    told = accumulator.add(
        Chunk("c1", [ChatChoiceStream(0, ChatCompletionStreamResponseDelta("a", tool_calls=[fragment]))], 7, "m")
    )
    assert [] == [one for one in told if isinstance(one, events.ToolCallStarted)]
    response = accumulator.snapshot()
    assert response is not None
    assert None is response.choices[0].message.tool_calls


@pytest.mark.parametrize("word", ["null", "None", "undefined"])
def test_calls_by_turns_whose_ids_are_a_word_for_none_are_two(word: str) -> None:
    fragments: list[Any] = [
        f'{{"index":0,"id":"{word}","function":{{"name":"f","arguments":"{{\\"a\\":"}}}}',
        f'{{"index":1,"id":"{word}","function":{{"name":"g","arguments":"{{\\"b\\":"}}}}',
        f'{{"index":0,"id":"{word}","function":{{"arguments":"1}}"}}}}',
        f'{{"index":1,"id":"{word}","function":{{"arguments":"2}}"}}}}',
    ]
    reading = read(*calls(*fragments))
    assert [("f", '{"a":1}'), ("g", '{"b":2}')] == [call[1:] for call in reading.calls]
    assert not {word} & {call[0] for call in reading.calls}
    assert "id_word" in reading.codes


def test_the_id_of_a_response_that_is_a_word_for_none_is_absent() -> None:
    named = delta('{"content":"b"}', "stop")
    assert "c1" == read(named.replace('"c1"', '"null"').replace("stop", "length"), named).response["id"]
