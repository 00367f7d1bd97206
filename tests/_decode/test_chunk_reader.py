"""A JSON value to a chunk, whatever the sender's dialect: what is certain is repaired, the rest is kept and said."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from streamkit import structure, unstructure
from streamkit._decode.chunk_reader import is_chunk, read_chunk, read_usage
from streamkit.types import CreateChatCompletionStreamResponse, FinishReason, Role

Noted = list[tuple[str, str]]


def chunk_of(value: dict[str, Any]) -> tuple[Any, Noted]:
    """The chunk, and the (code, path) of each deviation."""
    noted: Noted = []
    return read_chunk(value, lambda code, path="$", found=None: noted.append((code, path))), noted


def choice_of(choice: dict[str, Any]) -> tuple[Any, Noted]:
    chunk, noted = chunk_of({"id": "c1", "created": 1, "model": "m", "choices": [choice]})
    assert 1 == len(chunk.choices)
    return chunk.choices[0], noted


def delta_of(delta: dict[str, Any]) -> tuple[Any, Noted]:
    choice, noted = choice_of({"index": 0, "delta": delta})
    return choice.delta, noted


def call_of(call: Any) -> tuple[Any, Noted]:
    delta, noted = delta_of({"tool_calls": [call]})
    return (delta.tool_calls[0] if delta.tool_calls else None), noted


PLAIN = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "created": 1714000000,
    "model": "m",
    "service_tier": "default",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "content": "a",
                "refusal": None,
                "function_call": None,
                "tool_calls": [
                    {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{", "odd": 1}, "odd": 2}
                ],
                "odd": 3,
            },
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {
                        "token": "a",
                        "logprob": -0.5,
                        "bytes": [97],
                        "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None, "odd": 4}],
                        "odd": 5,
                    }
                ],
                "refusal": None,
                "odd": 6,
            },
            "odd": 7,
        }
    ],
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1, "odd": 8},
        "completion_tokens_details": {"reasoning_tokens": 1, "odd": 9},
        "odd": 10,
    },
    "odd": 11,
}  # fmt: skip


def test_a_chunk_in_the_format_is_read_like_the_strict_codec_reads_it() -> None:
    chunk, noted = chunk_of(PLAIN)
    assert [] == noted
    assert structure(PLAIN, CreateChatCompletionStreamResponse) == chunk


def test_every_unknown_field_is_written_back_in_its_place() -> None:
    chunk, _ = chunk_of(PLAIN)
    written = unstructure(chunk)
    assert PLAIN == {key: written[key] for key in PLAIN}


def test_reading_leaves_its_argument_alone() -> None:
    value = deepcopy(PLAIN)
    chunk_of(value)
    assert PLAIN == value


@pytest.mark.parametrize(
    "value, codes",
    [
        ({"choices": None}, [("choices_missing", "$.choices")]),
        ({}, [("choices_missing", "$.choices")]),
        ({"choices": "none"}, [("choices_missing", "$.choices")]),
        ({"choices": []}, []),
        ({"choices": ["a"]}, [("bad_choice", "$.choices[0]")]),
    ],
)
def test_choices_that_are_none_are_an_empty_list(value: dict[str, Any], codes: Noted) -> None:
    chunk, noted = chunk_of({"id": "c1", "created": 1, "model": "m", **value})
    assert ([], codes) == (chunk.choices, noted)


def test_a_single_choice_object_is_a_list_of_one() -> None:
    chunk, noted = chunk_of({"created": 1, "choices": {"index": 0, "delta": {"content": "a"}}})
    assert (["a"], [("choices_object", "$.choices")]) == ([one.delta.content for one in chunk.choices], noted)


def test_what_is_not_a_choice_does_not_harm_the_others() -> None:
    chunk, noted = chunk_of({"created": 1, "choices": [7, None, {"index": 1, "delta": {"content": "a"}}]})
    assert ([(1, "a")], [("bad_choice", "$.choices[0]"), ("null_item", "$.choices[1]")]) == (
        [(one.index, one.delta.content) for one in chunk.choices], noted,
    )  # fmt: skip


@pytest.mark.parametrize(
    "index, read, code",
    [
        (5, 5, None),
        ("5", 5, "index_type"),
        (5.0, 5, "index_type"),
        (True, 1, "index_type"),
        (None, 0, "index_missing"),
        ("-5", 0, "index_type"),
        (-5.0, 0, "index_type"),
        ("first", 0, "index_type"),
        ([], 0, "index_type"),
        (float("nan"), 0, "index_type"),
        (float("inf"), 0, "index_type"),
    ],
)
def test_the_index_of_a_choice_is_a_number_or_else_its_position(index: object, read: int, code: str | None) -> None:
    choice, noted = choice_of({"index": index, "delta": {}})
    assert (read, [] if code is None else [(code, "$.choices[0].index")]) == (choice.index, noted)


def test_choices_without_an_index_are_distinguished_by_position() -> None:
    chunk, _ = chunk_of({"created": 1, "choices": [{"delta": {}}, {"delta": {}}]})
    assert [0, 1] == [one.index for one in chunk.choices]


@pytest.mark.parametrize(
    "choice, code",
    [
        ({"index": 0}, ("delta_missing", "$.choices[0].delta")),
        ({"index": 0, "delta": None}, ("delta_missing", "$.choices[0].delta")),
        ({"index": 0, "delta": "a"}, ("bad_field", "$.choices[0].delta")),
        ({"index": 0, "message": {"content": "a"}}, ("message_for_delta", "$.choices[0].message")),
    ],
)
def test_a_delta_that_is_none_is_an_empty_one(choice: dict[str, Any], code: tuple[str, str]) -> None:
    read, noted = choice_of(choice)
    assert ({}, None, [code]) == (read.delta.extra, read.delta.content, noted)
    assert {key: value for key, value in choice.items() if key != "index" and value is not None} == read.extra


@pytest.mark.parametrize(
    "finish, read, code",
    [
        (None, None, None),
        ("stop", FinishReason.STOP, None),
        ("", None, "finish_empty"),
        ("null", None, "finish_empty"),
        ("NULL", None, "finish_empty"),
        ("eos", "eos", "finish_unknown"),
        ("STOP", "STOP", "finish_unknown"),
        ("error", "error", "finish_unknown"),
        (7, "7", "finish_unknown"),
    ],
)
def test_a_finish_reason_is_a_word_of_the_format_or_stays_as_it_is(
    finish: object, read: object, code: str | None
) -> None:
    choice, noted = choice_of({"index": 0, "delta": {}, "finish_reason": finish})
    assert (read, type(read)) == (choice.finish_reason, type(choice.finish_reason))
    assert ([] if code is None else [(code, "$.choices[0].finish_reason")]) == noted


@pytest.mark.parametrize(
    "role, read, codes",
    [
        ("assistant", Role.ASSISTANT, []),
        (None, None, []),
        ("", None, []),
        ("poet", "poet", [("role_unknown", "$.choices[0].delta.role")]),
        (7, "7", [("role_unknown", "$.choices[0].delta.role")]),
    ],
)
def test_a_role_is_a_word_of_the_format_or_stays_as_it_is(role: object, read: object, codes: Noted) -> None:
    delta, noted = delta_of({"role": role})
    assert (read, codes) == (delta.role, noted)


@pytest.mark.parametrize("value, text", [(5, "5"), (1.5, "1.5"), (True, "True"), ({"a": "é"}, '{"a": "é"}')])
@pytest.mark.parametrize("name", ["content", "refusal"])
def test_text_of_another_type_is_written_as_text(name: str, value: object, text: str) -> None:
    delta, noted = delta_of({name: value})
    assert (text, [("field_type", f"$.choices[0].delta.{name}")]) == (getattr(delta, name), noted)


@pytest.mark.parametrize(
    "parts, content, reasoning",
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab", None),
        (["a", "b"], "ab", None),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}],
            None,
            "hm",
        ),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}], "a", "hm"),
        ([{"type": "reference", "reference_ids": [1]}], None, None),
        ([], None, None),
    ],
)
def test_content_in_parts_is_text_and_reasoning_and_stays_whole_beside_them(
    parts: list[Any], content: str | None, reasoning: str | None
) -> None:
    delta, noted = delta_of({"content": parts})
    assert (content, reasoning, parts) == (
        delta.content, delta.extra.get("reasoning_content"), delta.extra["content_parts"],
    )  # fmt: skip
    assert [("content_parts", "$.choices[0].delta.content")] == noted


@pytest.mark.parametrize(
    "call, facts, codes",
    [
        (
            {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{"}},
            (0, "x", "f", "{"),
            [],
        ),
        ({"index": "1", "id": "x", "function": {"name": "f"}}, (1, "x", "f", None), ["index_type"]),
        ({"index": 1.0, "function": {"name": "f"}}, (1, None, "f", None), ["index_type"]),
        ({"index": "a", "function": {"name": "f"}}, (None, None, "f", None), ["index_type"]),
        ({"id": "x", "function": {"name": "f"}}, (None, "x", "f", None), []),
        ({"index": 0, "id": 17, "function": {"name": "f"}}, (0, "17", "f", None), ["field_type"]),
        ({"index": 0, "function": {"id": "x", "name": "f"}}, (0, "x", "f", None), ["tool_id_nested"]),
        ({"index": 0, "id": "", "function": {"id": "x", "name": "f"}}, (0, "x", "f", None), ["tool_id_nested"]),
        ({"index": 0, "id": "y", "function": {"id": "x", "name": "f"}}, (0, "y", "f", None), []),
        ({"index": 0, "function": {"name": 5}}, (0, None, "5", None), ["field_type"]),
        (
            {"index": 0, "function": {"arguments": {"é": [1, None]}}},
            (0, None, None, '{"é":[1,null]}'),
            ["arguments_object"],
        ),
        ({"index": 0, "function": {"arguments": []}}, (0, None, None, "[]"), ["arguments_object"]),
        ({"index": 0, "function": {"arguments": 2}}, (0, None, None, "2"), ["arguments_object"]),
        ({"index": 0, "function": {"arguments": None}}, (0, None, None, None), []),
    ],
)
def test_a_fragment_of_a_tool_call_is_clean(call: dict[str, Any], facts: tuple[Any, ...], codes: list[str]) -> None:
    read, noted = call_of(call)
    assert facts == (read.index, read.id, read.function.name, read.function.arguments)
    assert codes == [code for code, _ in noted]


@pytest.mark.parametrize("function", [None, "f", 7, []])
def test_a_function_that_is_none_is_none(function: object) -> None:
    read, noted = call_of({"index": 0, "id": "x", "function": function})
    assert None is read.function
    if function is not None:
        assert {"function": function} == read.extra
        assert [("bad_field", "$.choices[0].delta.tool_calls[0].function")] == noted


@pytest.mark.parametrize("call", ["f", 7, ["f"]])
def test_what_is_not_a_tool_call_is_left_out_and_reported(call: object) -> None:
    read, noted = call_of(call)
    assert (None, [("bad_tool_call", "$.choices[0].delta.tool_calls[0]")]) == (read, noted)


@pytest.mark.parametrize("calls, number", [([], 0), ([None], 0), ({"id": "x"}, 1)])
def test_tool_calls_are_a_list(calls: object, number: int) -> None:
    delta, _ = delta_of({"tool_calls": calls})
    assert number == len(delta.tool_calls)


@pytest.mark.parametrize(
    "name, value", [("tool_calls", "f"), ("tool_calls", 7), ("function_call", "f"), ("function_call", [])]
)
def test_a_field_that_nothing_can_be_made_of_is_kept_as_an_unknown_one(name: str, value: object) -> None:
    delta, noted = delta_of({name: value})
    assert (None, {name: value}) == (getattr(delta, name), delta.extra)
    assert [("bad_field", f"$.choices[0].delta.{name}")] == noted


@pytest.mark.parametrize(
    "created, read",
    [
        (5, 5),
        (0, 0),
        (None, 0),
        (5.9, 5),
        ("5", 5),
        ("1970-01-01T00:00:05Z", 5),
        ("1970-01-01T00:00:05", 5),
        ("1970-01-01T01:00:05+01:00", 5),
        ("soon", 0),
        ("", 0),
        ("\u00b2", 0),
        ([], 0),
        (float("nan"), 0),
        (float("inf"), 0),
    ],
)
def test_a_date_of_any_form_is_seconds(created: object, read: int) -> None:
    chunk, noted = chunk_of({"choices": [], "created": created})
    assert read == chunk.created
    code = "created_missing" if created is None else "created_form"
    assert ([] if isinstance(created, int) else [(code, "$.created")]) == noted


@pytest.mark.parametrize("name", ["id", "model", "object", "system_fingerprint", "service_tier"])
def test_a_fact_of_another_type_is_written_as_text(name: str) -> None:
    chunk, noted = chunk_of({"created": 1, "choices": [], name: 7})
    assert ("7", [("field_type", f"$.{name}")]) == (getattr(chunk, name), noted)


@pytest.mark.parametrize("name, absent", [("id", ""), ("model", ""), ("object", None), ("system_fingerprint", None)])
def test_a_fact_that_is_absent_or_null_is_not_an_anomaly(name: str, absent: object) -> None:
    for value in ({}, {name: None}):
        chunk, noted = chunk_of({"created": 1, "choices": [], **value})
        assert (absent, []) == (getattr(chunk, name), noted)


@pytest.mark.parametrize(
    "logprob, read, codes",
    [
        (-1.5, -1.5, []),
        (-1, -1.0, []),
        (None, -9999.0, ["field_type"]),
        ("a", -9999.0, ["field_type"]),
        (True, -9999.0, ["field_type"]),
        (-(10**400), -9999.0, ["field_type"]),
    ],
)
def test_a_log_probability_is_a_number_and_null_is_very_unlikely(
    logprob: object, read: float, codes: list[str]
) -> None:
    choice, noted = choice_of({"index": 0, "delta": {}, "logprobs": {"content": [{"token": "a", "logprob": logprob}]}})
    assert read == choice.logprobs.content[0].logprob
    assert codes == [code for code, _ in noted]


@pytest.mark.parametrize("logprobs", ["none", 7, []])
def test_log_probabilities_that_nothing_can_be_made_of_are_kept_as_an_unknown_field(logprobs: object) -> None:
    choice, noted = choice_of({"index": 0, "delta": {}, "logprobs": logprobs})
    assert (None, {"logprobs": logprobs}, [("bad_field", "$.choices[0].logprobs")]) == (
        choice.logprobs,
        choice.extra,
        noted,
    )


@pytest.mark.parametrize("items", ["none", {}, ["a"], [{"token": "a", "logprob": -1.0}, None]])
def test_tokens_that_nothing_can_be_made_of_are_kept_as_an_unknown_field(items: object) -> None:
    choice, noted = choice_of({"index": 0, "delta": {}, "logprobs": {"content": items, "refusal": []}})
    assert (None, [], {"content": items}) == (choice.logprobs.content, choice.logprobs.refusal, choice.logprobs.extra)
    assert [("bad_field", "$.choices[0].logprobs.content")] == noted


def test_usage_of_other_types_is_read_as_counts() -> None:
    noted: Noted = []
    usage = read_usage(
        {"prompt_tokens": "5", "completion_tokens": 2.0, "prompt_tokens_details": "none", "cost": 0.5},
        "$.usage",
        lambda code, path="$", found=None: noted.append((code, path)),
    )
    assert (5, 2, None, None) == (
        usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.prompt_tokens_details,
    )  # fmt: skip
    assert {"prompt_tokens_details": "none", "cost": 0.5} == usage.extra
    assert {
        ("bad_field", "$.usage.prompt_tokens_details"),
        ("field_type", "$.usage.prompt_tokens"),
        ("field_type", "$.usage.completion_tokens"),
    } == set(noted)


@pytest.mark.parametrize("usage, extra", [("none", {"usage": "none"}), ([1], {"usage": [1]}), ({}, {}), (None, {})])
def test_usage_that_is_empty_is_none(usage: object, extra: dict[str, Any]) -> None:
    chunk, _ = chunk_of({"created": 1, "choices": [], "usage": usage})
    assert (None, extra) == (chunk.usage, chunk.extra)


@pytest.mark.parametrize(
    "value, answer",
    [
        ({"choices": []}, True),
        ({"choices": None}, True),
        ({"usage": {}}, True),
        ({"id": "c1"}, True),
        ({"object": "chat.completion.chunk"}, True),
        ({"prompt_filter_results": []}, True),
        ({"type": "ping"}, False),
        ({}, False),
        ({"content_filter": True}, False),
    ],
)
def test_a_chunk_is_known_by_its_shape(value: dict[str, Any], answer: bool) -> None:
    assert answer == is_chunk(value)
