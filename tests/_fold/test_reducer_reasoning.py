"""Reasoning that is not text: objects (Bedrock through Envoy's gateway writes them), lists of objects and of
strings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import delta, read
from streamkit import Accumulator, events, structure
from streamkit.types import CreateChatCompletionStreamResponse


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text"])
@pytest.mark.parametrize(
    "pieces, kept",
    [
        (['{"text":"Hm"}', '{"text":" ok"}'], {"text": "Hm ok"}),
        (['{"text":"Hm"}', '{"text":" ok"}', '{"signature":"s"}'], {"text": "Hm ok", "signature": "s"}),
        (['{"content":"Hm"}', '{"content":" ok"}'], {"content": "Hm ok"}),
        (['["Hm"]', '[" ok"]'], ["Hm", " ok"]),
        (['[{"text":"Hm"}]', '[{"text":" ok"}]'], [{"text": "Hm"}, {"text": " ok"}]),
        (['[{"type":"thinking","thinking":"Hm"}]', '[{"type":"thinking","thinking":" ok"}]'], None),
        (['"Hm"', '{"text":" ok"}'], ["Hm", {"text": " ok"}]),
        (['{"text":"Hm"}', '" ok"'], [{"text": "Hm"}, " ok"]),
        (['"H"', '{"text":"m"}', '" "', '{"text":"ok"}'], None),
    ],
)
def test_reasoning_that_is_not_text_is_reasoning_and_is_kept_unchanged(name: str, pieces: list[str], kept: Any) -> None:
    reading = read(*(delta(f'{{"{name}":{piece}}}') for piece in pieces), delta('{"content":"a"}', "stop"))
    told = [event.text for event in reading.events if isinstance(event, events.ReasoningDelta)]
    done = [event.text for event in reading.events if isinstance(event, events.ReasoningDone)]
    assert ("Hm ok", ["Hm ok"]) == ("".join(told), done)
    response = reading.accumulator.snapshot()
    assert response is not None
    assert "Hm ok" == response.choices[0].message.reasoning
    if kept is not None:
        assert kept == reading.message[name]


def test_an_object_without_text_in_the_place_of_reasoning_is_none() -> None:
    reading = read(delta('{"reasoning":{"effort":"high"}}', "stop"))
    assert not [event for event in reading.events if isinstance(event, events.ReasoningStarted)]
    assert {"effort": "high"} == reading.message["reasoning"]


def test_reasoning_in_an_object_of_a_full_message_is_reasoning_too() -> None:
    body = b'{"choices":[{"index":0,"message":{"content":"a","reasoning":{"text":"Hm"}},"finish_reason":"stop"}]}'
    reading = read(body, done=False)
    assert ["Hm"] == [event.text for event in reading.events if isinstance(event, events.ReasoningDelta)]


def test_reasoning_in_an_object_of_a_chunk_that_was_read_strictly_is_reasoning_too() -> None:
    decoded = structure(json.loads(delta('{"reasoning":{"text":"Hm"}}', "stop")), CreateChatCompletionStreamResponse)
    accumulator = Accumulator()
    told = [event.text for event in accumulator.add(decoded) if isinstance(event, events.ReasoningDelta)]
    assert ["Hm"] == told


def test_objects_under_two_names_are_reported_once() -> None:
    reading = read(delta('{"reasoning":{"text":"Hm"},"reasoning_content":{"text":"Hm"}}', "stop"))
    assert ["Hm"] == [event.text for event in reading.events if isinstance(event, events.ReasoningDelta)]
