"""The model's message as the next turn's: what goes back, what does not, and calls that were cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.corpus import SHARED, TRACES, Recorded, each
from helpers.wire import calls, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, MisuseError, structure, unstructure
from streamkit import types as t
from streamkit.types._to_request import ONLY_RECEIVED

WHOLE = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
CUT = {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":'}}


def message(**fields: Any) -> t.ChatCompletionResponseMessage:
    return structure({"role": "assistant", **fields}, t.ChatCompletionResponseMessage, tolerant=True)


def sent(said: t.ChatCompletionResponseMessage, **options: Any) -> dict[str, Any]:
    """The message of the next turn as JSON, without its role."""
    request = unstructure(said.to_request(**options))
    assert "assistant" == request.pop("role")
    return request


def cut_off(*fragments: str, finish: str = "length", whole: bool = True) -> t.ChatCompletionResponseMessage:
    """The message of a stream that ends inside its last call."""
    stream = sse(*(delta('{"tool_calls":[%s]}' % one) for one in fragments), delta(finish=finish))
    reading = read(stream) if whole else read_blocks(each_byte(stream))
    response = reading.accumulator.snapshot()
    assert response is not None
    return response.choices[0].message


FIRST = '{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\\"x\\":1}"}}'
SECOND = '{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{\\"x\\":"}}'


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
def test_a_call_that_was_cut_off_is_not_sent(whole: bool) -> None:
    assert {"tool_calls": [WHOLE]} == sent(cut_off(FIRST, SECOND, whole=whole))
    assert {"tool_calls": [WHOLE, CUT]} == sent(cut_off(FIRST, SECOND, whole=whole), incomplete_calls="as_sent")


def test_where_no_call_is_left_the_message_has_content_all_the_same() -> None:
    assert {"content": ""} == sent(cut_off(SECOND))
    assert {"content": "hm"} == sent(message(content="hm", tool_calls=[CUT]))
    assert {"refusal": "No."} == sent(message(refusal="No.", tool_calls=[CUT]))


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_message_that_was_left_while_the_model_thought_has_content_too(field: str) -> None:
    stream = sse(delta('{"role":"assistant","content":null}'), delta(f'{{"{field}":"hm"}}'))
    for blocks in ([stream], each_byte(stream)):
        accumulator = Accumulator()
        for block in blocks:
            accumulator.feed(block)
        accumulator.cancel()
        response = accumulator.snapshot()
        assert response is not None
        assert {"content": "", field: "hm"} == sent(response.choices[0].message)


def test_a_call_that_was_not_begun_is_not_sent_though_its_arguments_are_json() -> None:
    """vLLM writes `{}` if the token limit was reached before the arguments."""
    assert {"content": ""} == sent(
        cut_off('{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}')
    )


def test_a_call_that_was_cut_off_may_be_refused() -> None:
    with pytest.raises(MisuseError, match=r"the call 'b' was cut off.*incomplete_calls=\"drop\""):
        cut_off(FIRST, SECOND).to_request(incomplete_calls="raise")
    assert {"tool_calls": [WHOLE]} == sent(message(tool_calls=[WHOLE]), incomplete_calls="raise")


def test_what_is_not_a_choice_is_refused_by_name() -> None:
    with pytest.raises(MisuseError, match="incomplete_calls= takes 'drop', 'raise', 'as_sent', not 'keep'"):
        message(content="a").to_request(incomplete_calls="keep")  # type: ignore[arg-type]


def test_a_call_that_was_read_back_is_known_by_its_arguments() -> None:
    """That a call was cut off is not on the wire."""
    back = structure(unstructure(cut_off(FIRST, SECOND)), t.ChatCompletionResponseMessage)
    assert back.tool_calls is not None
    assert back.tool_calls[1].complete
    assert {"tool_calls": [WHOLE]} == sent(back)


def test_calls_without_arguments_and_custom_calls_are_sent() -> None:
    bare = {"id": "a", "type": "function", "function": {"name": "now", "arguments": ""}}
    custom = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select {"}}
    assert {"tool_calls": [bare, custom]} == sent(message(tool_calls=[bare, custom]))


def test_an_old_function_call_that_was_cut_off_is_not_sent() -> None:
    assert {"content": ""} == sent(message(function_call={"name": "f", "arguments": '{"x"'}))
    whole = {"name": "f", "arguments": "{}"}
    assert {"function_call": whole} == sent(message(function_call=whole))


@pytest.mark.parametrize("name", ONLY_RECEIVED)
def test_what_only_responses_have_is_not_sent(name: str) -> None:
    assert {"content": "a"} == sent(message(content="a", **{name: [{"type": "x"}]}))


@pytest.mark.parametrize("extra", [{"reasoning": None}, {"reasoning": ""}, {"reasoning_details": []}, {"more": {}}])
def test_what_is_empty_is_not_sent(extra: dict[str, Any]) -> None:
    assert {"content": "a"} == sent(message(content="a", **extra))


@pytest.mark.parametrize(
    "extra",
    [
        {"reasoning_content": ""},  # Kimi and DeepSeek refuse a call without it
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning_text": "hm", "reasoning_opaque": "c2Vh"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"extra_content": {"google": {"thought_signature": "t"}}},
        {"provider_specific_fields": {"thought_signatures": ["t"]}},
        {"a_field_of_next_year": 5},
    ],
)
def test_what_its_sender_must_see_again_is_sent_unchanged(extra: dict[str, Any]) -> None:
    signed = {**WHOLE, "extra_content": {"google": {"thought_signature": "t"}}}
    assert {"tool_calls": [signed], **extra} == sent(message(tool_calls=[signed], **extra))


THINKING = '{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"closed":true}'
THOUGHT = json.loads(THINKING)


@pytest.mark.parametrize(
    "deltas, content",
    [
        # Mistral: what is thought and the first of the text as a list, the rest as strings
        (
            ('{"content":[%s]}' % THINKING, '{"content":[{"type":"text","text":"1"}]}', '{"content":"44"}'),
            [THOUGHT, {"type": "text", "text": "144"}],
        ),
        (
            ('{"content":[%s,{"type":"text","text":"144"}]}' % THINKING,),
            [THOUGHT, {"type": "text", "text": "144"}],
        ),
    ],
)
def test_content_that_arrived_as_parts_is_sent_as_parts(deltas: tuple[str, ...], content: list[Any]) -> None:
    response = read(*map(delta, deltas), delta(finish="stop")).accumulator.snapshot()
    assert response is not None
    assert "144" == response.choices[0].message.content
    assert {"content": content} == sent(response.choices[0].message)


@each((*TRACES, *SHARED))
def test_the_next_turn_of_every_recorded_stream_can_be_sent(recorded: Recorded) -> None:
    accumulator = Accumulator()
    accumulator.absorb(recorded.body)
    accumulator.close()
    response = accumulator.snapshot()
    for choice in () if response is None else response.choices:
        request = sent(choice.message)
        assert [] == sorted(ONLY_RECEIVED.keys() & request.keys())
        assert "content_parts" not in request
        for call in request.get("tool_calls", ()):
            assert "index" not in call
            if "function" in call:
                json.loads(call["function"]["arguments"] or "{}")
        whole = [call.id for call in choice.message.tool_calls or () if call.complete]
        assert whole == [call["id"] for call in request.get("tool_calls", ())]
        said = {"content", "tool_calls", "function_call", "refusal", "audio"}
        assert request.keys() & said, "a message needs one of them"
        for name in ("reasoning", "reasoning_details", "thinking_blocks", "reasoning_signature", "reasoning_opaque"):
            if choice.message.extra.get(name):
                assert choice.message.extra[name] == request[name]


def test_calls_of_a_stream_that_was_left_are_not_sent() -> None:
    """A caller that cancels keeps the text for the next turn."""
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"content":"I look."}'), *calls(FIRST)[:1]))
    accumulator.cancel()
    response = accumulator.snapshot()
    assert response is not None
    assert {"content": "I look."} == sent(response.choices[0].message)
