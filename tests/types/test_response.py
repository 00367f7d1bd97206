"""What a response's message offers: its reasoning, its annotations, and itself as the next turn's message."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit import types as t
from streamkit.codec import structure, unstructure


def message(**fields: Any) -> t.ChatCompletionResponseMessage:
    return structure({"role": "assistant", **fields}, t.ChatCompletionResponseMessage)


@pytest.mark.parametrize(
    "extra, reasoning",
    [
        ({}, None),
        ({"reasoning_content": "hm"}, "hm"),
        ({"reasoning": "ha"}, "ha"),
        ({"reasoning": "ha", "reasoning_content": "hm"}, "hm"),
        ({"reasoning": "ha", "reasoning_content": None}, "ha"),
        ({"reasoning": {"text": "ha"}}, "ha"),
        ({"reasoning": {"effort": "high"}}, None),
    ],
)
def test_reasoning_is_found_where_senders_write_it(extra: dict[str, Any], reasoning: str | None) -> None:
    assert reasoning == message(**extra).reasoning


@pytest.mark.parametrize("extra, found", [({}, []), ({"annotations": [1]}, [1]), ({"annotations": None}, [])])
def test_annotations_are_a_list(extra: dict[str, Any], found: list[Any]) -> None:
    assert found == message(**extra).annotations


FUNCTION = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
CUSTOM = {"id": "b", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
SIGNED = {**FUNCTION, "extra_content": {"google": {"thought_signature": "c2ln"}}}
DETAILS = [{"type": "reasoning.encrypted", "data": "x", "index": 0}]
AUDIO = {"id": "audio_1", "expires_at": 1, "data": "AA==", "transcript": "hi"}


@pytest.mark.parametrize(
    "fields, sent",
    [
        ({"content": "hi"}, {"content": "hi"}),
        ({"content": ""}, {"content": ""}),
        ({"content": None, "refusal": "No."}, {"refusal": "No."}),
        ({"tool_calls": [FUNCTION, CUSTOM]}, {"tool_calls": [FUNCTION, CUSTOM]}),
        ({"tool_calls": [SIGNED]}, {"tool_calls": [SIGNED]}),
        ({"tool_calls": [{**FUNCTION, "index": 0}, {**CUSTOM, "index": 1}]}, {"tool_calls": [FUNCTION, CUSTOM]}),
        ({"content": "hi", "tool_calls": []}, {"content": "hi"}),
        ({"function_call": FUNCTION["function"]}, {"function_call": FUNCTION["function"]}),
        ({"audio": AUDIO}, {"audio": {"id": "audio_1"}}),
        ({"content": "hi", "reasoning_details": DETAILS}, {"content": "hi", "reasoning_details": DETAILS}),
        ({"content": "hi", "reasoning": "hm"}, {"content": "hi", "reasoning": "hm"}),
    ],
)
def test_the_next_turn_gets_what_its_sender_wants_to_see_again(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    request = message(**fields).to_request()
    assert {"role": "assistant", **sent} == unstructure(request)
    assert request == structure(unstructure(request), t.ChatCompletionRequestMessage)


def test_the_next_turns_message_shares_nothing_that_can_change() -> None:
    said = message(content="hi", tool_calls=[SIGNED], reasoning_details=DETAILS)
    request = said.to_request()
    request.extra["reasoning_details"].append(1)
    assert request.tool_calls is not None
    request.tool_calls[0].extra["extra_content"]["google"]["thought_signature"] = ""
    assert {"role": "assistant", "content": "hi", "tool_calls": [SIGNED], "reasoning_details": DETAILS} == (
        {"role": "assistant"} | unstructure(said)
    )


def test_a_call_made_up_or_cut_off_stays_marked_so() -> None:
    call = t.ChatCompletionMessageToolCall("a", t.FunctionCall("f", "{"), complete=False, synthetic_id=True)
    calls = t.ChatCompletionResponseMessage(tool_calls=[call]).to_request(incomplete_calls="as_sent").tool_calls
    assert calls is not None
    assert [(False, True)] == [(call.complete, call.synthetic_id) for call in calls]


def test_a_word_that_is_not_known_stays_in_the_object_and_is_written() -> None:
    choice = t.ChatChoice(0, t.ChatCompletionResponseMessage("hi", role="model"), "end_turn")
    assert {"index": 0, "message": {"content": "hi", "role": "model"}, "finish_reason": "end_turn"} == unstructure(
        choice
    )
