"""What one choice says at any moment: what was never there is absent, what was there and empty is empty."""

from __future__ import annotations

import pytest

from helpers.wire import choice, chunk, delta, read, read_blocks, sse
from streamkit import unstructure

FINISH = delta("{}", "stop")


@pytest.mark.parametrize(
    "documents, message",
    [
        ([delta()], {"role": "assistant"}),
        ([delta('{"content":""}')], {"role": "assistant", "content": ""}),
        ([delta('{"content":null}')], {"role": "assistant"}),
        ([delta('{"content":null}'), delta('{"content":"a"}')], {"role": "assistant", "content": "a"}),
        ([delta('{"content":"a"}'), delta('{"content":null}')], {"role": "assistant", "content": "a"}),
        ([delta('{"refusal":"no"}'), delta('{"refusal":" way"}')], {"role": "assistant", "refusal": "no way"}),
        ([delta('{"role":"tool","content":"a"}')], {"role": "tool", "content": "a"}),
    ],
    ids=["nothing", "empty", "null", "null-then-text", "text-then-null", "refusal", "another-role"],
)
def test_a_message_has_what_its_deltas_had(documents: list[str], message: dict[str, object]) -> None:
    assert message == read(*documents).message


@pytest.mark.parametrize(
    "roles, role",
    [
        (['"assistant"', '"assistant"', '"assistant"'], "assistant"),
        (['""', '"assistant"'], "assistant"),
        (["null", '"assistant"', "null"], "assistant"),
        (['"assistant"', '"user"'], "assistant"),
        (['""', "null"], "assistant"),
        (['"poet"', '"assistant"'], "poet"),
    ],
)
def test_the_first_role_that_is_not_empty_is_kept(roles: list[str], role: str) -> None:
    assert role == read(*(delta(f'{{"role":{one},"content":"a"}}') for one in roles)).message["role"]


def test_a_function_call_of_the_first_kind_is_put_together() -> None:
    reading = read(
        delta('{"function_call":{"name":"f","arguments":""}}'),
        delta('{"function_call":{"name":null,"arguments":"{\\"a\\":\\"\\ud83d"}}'),
        delta('{"function_call":{"arguments":"\\ude00\\"}","origin":"o"}}'),
        delta("{}", "function_call"),
    )
    assert {"name": "f", "arguments": '{"a":"\U0001f600"}', "origin": "o"} == reading.message["function_call"]
    assert "function_call" == reading.response["choices"][0]["finish_reason"]


def test_a_function_call_that_mirrors_a_tool_call_is_kept_next_to_it() -> None:
    reading = read(
        *(
            delta(
                f'{{"content":null,"function_call":{{"name":"f","arguments":"{piece}"}},'
                f'"tool_calls":[{{"index":0,"id":"x","type":"function","function":{{"name":"f","arguments":"{piece}"}}}}]}}'
            )
            for piece in ("{", "}", "")
        ),
        delta("{}", "tool_calls"),
    )
    assert {"name": "f", "arguments": "{}"} == reading.message["function_call"]
    assert [("x", "f", "{}")] == reading.calls


def test_arguments_of_a_function_call_that_are_an_object_are_written_as_a_string() -> None:
    reading = read(delta('{"function_call":{"name":"f","arguments":{"a":[1]}}}', "function_call"))
    assert {"name": "f", "arguments": '{"a":[1]}'} == reading.message["function_call"]


def test_audio_is_put_together_from_pieces_that_are_padded_each() -> None:
    reading = read(
        delta('{"role":"assistant","audio":{"id":"audio_1","transcript":"He"}}'),
        delta('{"audio":{"data":"QQ=="}}'),
        delta('{"audio":{"data":"Qg==","transcript":"llo \\ud83d"}}'),
        delta('{"audio":{"data":"QwAA","transcript":"\\ude00"}}'),
        delta('{"audio":{"expires_at":99,"format":"pcm16"}}'),
    )
    expected = {
        "id": "audio_1",
        "expires_at": 99,
        "data": "QUJDAAA=",
        "transcript": "Hello \U0001f600",
        "format": "pcm16",
    }
    assert expected == reading.message["audio"]


def test_audio_may_be_cut_anywhere() -> None:
    reading = read(*(delta(f'{{"audio":{{"data":"{piece}"}}}}') for piece in ("QUJ", "DREV", "GR", "w==")))
    assert "QUJDREVGRw==" == reading.message["audio"]["data"]


def test_audio_of_another_type_is_written_as_text() -> None:
    audio = read(delta('{"audio":{"id":7,"data":{"a":1},"transcript":null}}')).message["audio"]
    assert {"id": "7", "expires_at": 0, "data": '{"a": 1}', "transcript": ""} == audio


@pytest.mark.parametrize(
    "logprobs, expected",
    [
        (["null"], None),
        (['{"content":[]}'], {"content": [], "refusal": None}),
        (['{"content":null,"refusal":null}'], {"content": None, "refusal": None}),
        (
            ['{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}', "null"],
            {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}], "refusal": None},
        ),
    ],
    ids=["null", "empty", "both-null", "null-after"],
)
def test_log_probabilities_are_there_where_they_were(logprobs: list[str], expected: object) -> None:
    documents = [chunk(choice('{"content":"a"}', more=f'"logprobs":{one}')) for one in logprobs]
    assert expected == read(*documents).response["choices"][0].get("logprobs")


def test_log_probabilities_of_content_and_refusal_grow_token_by_token() -> None:
    def tokens(*names: str) -> str:
        return ",".join(f'{{"token":"{name}","logprob":-1,"bytes":null,"top_logprobs":[],"id":7}}' for name in names)

    def entries(*names: str) -> list[dict[str, object]]:
        return [{"token": name, "logprob": -1.0, "bytes": None, "top_logprobs": [], "id": 7} for name in names]

    reading = read(
        chunk(choice('{"content":"a"}', more=f'"logprobs":{{"content":[{tokens("a")}],"origin":"o"}}')),
        chunk(choice("{}", more=f'"logprobs":{{"content":[{tokens("b", "c")}],"refusal":[{tokens("d")}]}}')),
        chunk(choice("{}", "stop", more='"logprobs":{"content":[],"refusal":null}')),
    )
    assert {"content": entries("a", "b", "c"), "refusal": entries("d"), "origin": "o"} == reading.response["choices"][
        0
    ]["logprobs"]


def test_the_chunk_that_opens_a_choice_gives_its_log_probabilities_once() -> None:
    token = '{"token":"a","logprob":-1.0,"bytes":null,"top_logprobs":[]}'
    one = f'"logprobs":{{"content":[{token}]}}'
    reading = read(chunk(choice('{"role":"assistant","content":"a"}', index=1, more=one)))
    assert 1 == len(reading.response["choices"][0]["logprobs"]["content"])


def test_unknown_fields_of_a_choice_stay_on_the_choice() -> None:
    reading = read(
        chunk(choice('{"content":"a"}', more='"content_filter_results":{"hate":{"filtered":false}}')),
        chunk(choice("{}", "stop", more='"content_filter_results":{"violence":{"filtered":true}},"stop_reason":42')),
    )
    found = reading.response["choices"][0]
    assert {"hate": {"filtered": False}, "violence": {"filtered": True}} == found["content_filter_results"]
    assert 42 == found["stop_reason"]


def test_text_beside_the_delta_adds_as_the_content_does() -> None:
    reading = read(*(chunk(choice(f'{{"content":"{one}"}}', more=f'"text":"{one}"')) for one in ("a", "a", "b")))
    assert ("aab", "aab") == (reading.message["content"], reading.response["choices"][0]["text"])


def test_the_role_of_a_choice_that_never_sent_one_is_assistant() -> None:
    assert "assistant" == read(delta('{"content":"a"}')).message["role"]


def test_a_choice_without_a_finish_reason_has_none() -> None:
    assert None is read(delta('{"content":"a"}')).response["choices"][0].get("finish_reason")


def test_what_was_returned_before_does_not_change_later() -> None:
    blocks = [
        sse(delta('{"content":"a","odd":["x"],"audio":{"data":"QQ=="}}')),
        sse(delta('{"content":"b","odd":["y"]}')),
    ]
    reading = read_blocks(blocks[:1])
    before = reading.accumulator.snapshot()
    written = unstructure(before)
    later = read_blocks(blocks)
    assert written == unstructure(before)
    assert "ab" == later.message["content"]


def test_a_message_goes_back_into_the_next_turn_with_what_its_sender_wants_to_see_again() -> None:
    response = read(
        delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"text":"hm","signature":null}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"text":"m","signature":"s"}]}'),
        delta('{"content":"a","extra_content":{"google":{"thought_signature":"t"}}}'),
        delta(
            '{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"},'
            '"extra_content":{"google":{"thought_signature":"u"}}}]}',
            "tool_calls",
        ),
    ).accumulator.snapshot()
    assert response is not None
    again = unstructure(response.choices[0].message.to_request())
    assert [{"type": "reasoning.text", "index": 0, "text": "hmm", "signature": "s"}] == again["reasoning_details"]
    assert {"google": {"thought_signature": "t"}} == again["extra_content"]
    assert {"google": {"thought_signature": "u"}} == again["tool_calls"][0]["extra_content"]
    assert ("assistant", "a") == (again["role"], again["content"])
