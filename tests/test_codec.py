"""JSON to types and back: documents, errors and their paths, plain values, and what cattrs makes of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import attrs
import cattrs
import pytest

from streamkit import types as t
from streamkit.codec import converter, dumps, loads, structure, unstructure
from streamkit.errors import MisuseError, StreamError, ValidationError

CHUNK = b'{"id":"c","choices":[{"index":0,"delta":{"content":"Hi","reasoning":"hm"},"p":1}],"created":1,"model":"m","x":[2]}'
WRITTEN = (
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"Hi","function_call":null,"tool_calls":null,"role":null,'
    b'"refusal":null,"reasoning":"hm"},"p":1}],"created":1,"model":"m","service_tier":null,"system_fingerprint":null,'
    b'"object":null,"usage":null,"x":[2]}'
)

ROLES = 'one of "system", "user", "assistant", "tool", "function"'


def problems_of(value: Any, target: Any) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        structure(value, target)
    return [str(problem) for problem in refusal.value.problems]


def problems_in(document: bytes | str, target: Any) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        loads(document, target)
    return [str(problem) for problem in refusal.value.problems]


# Documents.


@pytest.mark.parametrize("data", [CHUNK, CHUNK.decode(), bytearray(CHUNK), memoryview(CHUNK)])
def test_a_document_is_given_as_bytes_or_text(data: Any) -> None:
    chunk = loads(data, t.CreateChatCompletionStreamResponse)
    assert ("Hi", {"reasoning": "hm"}) == (chunk.choices[0].delta.content, chunk.choices[0].delta.extra)
    assert ({"p": 1}, {"x": [2]}) == (chunk.choices[0].extra, chunk.extra)


def test_a_mapping_is_a_document_already_decoded() -> None:
    assert t.FunctionName("f") == loads({"name": "f"}, t.FunctionName)


def test_unknown_fields_are_written_back_in_their_place() -> None:
    assert WRITTEN == dumps(loads(CHUNK, t.CreateChatCompletionStreamResponse))


@pytest.mark.parametrize("data", [None, 5, ["x"], object()])
def test_what_is_not_a_document_at_all_is_misuse(data: Any) -> None:
    with pytest.raises(MisuseError):
        loads(data, t.FunctionName)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"name":"f"} {}',
        b'{"name":"f",}',
        b"{'name':'f'}",
        b'\xef\xbb\xbf{"name":"f"}',
        b'{"name":"\xff"}',
        b'{"name":"\\ud83d"}',
        b'{"name":"a\tb"}',
        b'{"name":"f","x":NaN}',
        b'{"name":"f","x":-Infinity}',
        b'{"name":"f","x":01}',
        b'{"name":"f","x":' + b"9" * 5000 + b"}",
        b'{"name":"f","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name":"f","x":' + b'{"y":' * 100_000,
        '{"name":"\ud83d"}',
    ],
    ids=range(16),
)
def test_what_is_not_json_is_refused_and_shown_in_part(data: Any) -> None:
    [problem] = problems_in(data, t.FunctionName)
    assert problem.startswith("invalid value, expected a JSON document in UTF-8 @ $, got ")
    assert len(problem) < 400


def test_a_known_field_must_not_stand_twice() -> None:
    assert ["invalid value, expected one value @ $.name, got several"] == problems_in(
        b'{"name":"f","name":"g"}', t.FunctionName
    )
    assert ["invalid value, expected one value @ $.messages[0].role, got several"] == problems_in(
        b'{"messages":[{"role":"user","role":"user","content":""}],"model":"m"}', t.CreateChatCompletionRequest
    )
    assert ["invalid value, expected one value @ $[0].text, got several"] == problems_in(
        b'[{"type":"text","text":"a","text":"b"}]', t.ChatCompletionRequestUserMessageContent
    )
    assert problems_in(b'{"stop":null,"stop":null}', t.FinishReason)


def test_of_an_unknown_field_the_last_one_is_kept() -> None:
    named = loads(b'{"name":"f","x":1,"x":{"y":1,"y":2}}', t.FunctionName)
    assert {"x": {"y": 2}} == named.extra
    assert dict is type(named.extra["x"])
    assert {"a": 2} == loads(b'{"name":"f","parameters":{"a":1,"a":2}}', t.FunctionObject).parameters


def test_numbers_too_great_are_refused_in_fields_and_infinite_in_free_json() -> None:
    assert problems_in(b'{"token":"a","logprob":1e400}', t.TopLogprobs)
    assert problems_in(b'{"token":"a","logprob":' + b"9" * 400 + b"}", t.TopLogprobs)
    assert math.inf == loads(b'{"name":"f","x":1e400}', t.FunctionName).extra["x"]
    assert 10**30 == loads(b'{"name":"f","x":1000000000000000000000000000000}', t.FunctionName).extra["x"]
    assert 1e300 == loads(b'{"token":"a","logprob":1e300}', t.TopLogprobs).logprob


# Errors.


def test_an_error_says_what_was_expected_and_where() -> None:
    body = {"id": 5, "choices": [{"index": "zz", "message": {"role": "model"}}, 7], "created": -1, "model": "m"}
    assert [
        "invalid value, expected str @ $.id, got 5",
        'invalid value, expected int @ $.choices[0].index, got "zz"',
        f'invalid value, expected {ROLES} @ $.choices[0].message.role, got "model"',
        "invalid value, expected ChatChoice @ $.choices[1], got 7",
        "invalid value, expected int from 0 to 4294967295 @ $.created, got -1",
    ] == problems_of(body, t.CreateChatCompletionResponse)
    with pytest.raises(StreamError, match=r"not a CreateChatCompletionResponse: invalid value, expected str @ \$\.id"):
        structure(body, t.CreateChatCompletionResponse)


@pytest.mark.parametrize(
    "value, target, problem",
    [
        ({}, t.FunctionName, "expected str @ $.name, got nothing"),
        ([], t.WebSearchOptions, "expected WebSearchOptions @ $, got a list of 0"),
        (None, t.Stop, "expected str | list[str] @ $, got null"),
        ([1, ""], t.Prompt, "expected str | list[str] | list[int] | list[list[int]] @ $, got a list of 2"),
        ([""], list[t.Role], f'expected {ROLES} @ $[0], got ""'),
        ([{"type": "text"}], t.ChatCompletionRequestUserMessageContent, "expected str @ $[0].text, got nothing"),
        ({"type": "x"}, t.ResponseFormat, 'expected one of "text", "json_object", "json_schema" @ $.type, got "x"'),
        ("any", t.ChatCompletionToolChoiceOption, 'expected one of "none", "auto", "required" @ $, got "any"'),
        (
            {"a": 1},
            dict[str, t.Role],
            f'expected {ROLES} @ $["a"], got 1',
        ),
        ({"name": "f", 5: 6}, t.FunctionName, "expected keys that are str @ $, got 5"),
        ({"include_usage": 1}, t.ChatCompletionStreamOptions, "expected bool @ $.include_usage, got 1"),
        ({"name": "é" * 100}, t.FunctionCall, "expected str @ $.arguments, got nothing"),
        (
            "\n" * 100,
            t.Role,
            f"expected {ROLES} @ $, got " + '"' + r"\n" * 49 + r'\u2026"',
        ),
        (
            10**5000,
            t.Role,
            f"expected {ROLES} @ $, got an int of very many digits",
        ),
        (object(), t.FunctionName, "expected FunctionName @ $, got object"),
    ],
    ids=range(15),
)
def test_problems_are_described_in_words(value: Any, target: Any, problem: str) -> None:
    assert [f"invalid value, {problem}"] == problems_of(value, target)


def test_at_most_a_hundred_problems_are_reported() -> None:
    assert 100 == len(problems_of([{}] * 10_000, list[t.FunctionCall]))


def test_nesting_without_end_is_refused_never_a_crash() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    endless: list[Any] = []
    endless.append(endless)
    tool = t.FunctionObject("f", parameters=deep)
    for value in (deep, endless, tool):
        for write in (unstructure, dumps):
            with pytest.raises(ValidationError):
                write(value)
    assert problems_of(deep, t.Prompt)


# Objects that are there already.


def test_an_object_of_the_type_is_kept() -> None:
    message = t.ChatCompletionRequestUserMessage("hi")
    assert message is structure(message, t.ChatCompletionRequestUserMessage)
    assert message is structure(message, t.ChatCompletionRequestMessage)
    request = structure(
        {"messages": [message, {"role": "user", "content": "ho"}], "model": "m"}, t.CreateChatCompletionRequest
    )
    assert [message, t.ChatCompletionRequestUserMessage("ho")] == request.messages
    assert t.Role.USER is structure(t.Role.USER, t.Role)


def test_an_object_of_another_type_is_refused() -> None:
    assert problems_of(t.FunctionName("f"), t.FunctionCall)
    assert problems_of(t.FunctionName("f"), t.ChatCompletionRequestMessage)


# Writing.


def test_plain_values_pass_through_copied() -> None:
    plain = {"a": [1, 2.5, None, True, {"b": "c"}]}
    again = unstructure(plain)
    assert plain == again
    again["a"][4]["b"] = "changed"
    assert {"b": "c"} == plain["a"][4]


def test_what_is_written_shares_nothing_with_the_object() -> None:
    tool = t.FunctionObject("f", parameters={"type": "object"}, extra={"x": [1]})
    written = unstructure(tool)
    written["parameters"]["type"] = ""
    written["x"].append(2)
    assert ({"type": "object"}, {"x": [1]}) == (tool.parameters, tool.extra)


def test_a_known_field_wins_over_an_extra_of_its_name() -> None:
    assert {"name": "f", "x": 1} == unstructure(t.FunctionName("f", extra={"name": "g", "x": 1}))
    assert None is unstructure(t.ImageUrl("u", extra={"detail": "low"}))["detail"]


def test_objects_may_stand_anywhere_in_plain_values() -> None:
    assert b'{"a":[{"name":"f"},"user",[1,2]]}' == dumps({"a": [t.FunctionName("f"), t.Role.USER, (1, 2)]})


def test_words_are_written_as_plain_strings() -> None:
    written = unstructure({"role": t.Role.USER, t.Role.TOOL: 1})
    assert {"role": "user", "tool": 1} == written
    assert [str, str] == [type(key) for key in written]
    assert str is type(written["role"])


def test_what_json_cannot_express_is_written_so_that_it_stays_valid() -> None:
    assert b'{"token":"a","logprob":null,"bytes":null}' == dumps(t.TopLogprobs("a", -math.inf))
    assert b'["\xf0\x9f\x98\x80","\xef\xbf\xbd"]' == dumps(["\ud83d\ude00", "\ud83d"])


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, object(), 10**5000, {"a": b"b"}], ids=range(5))
def test_what_is_not_json_at_all_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        dumps(value)


# Everything else goes to cattrs, through the same door.


@dataclass
class Row:
    id: int
    choice: t.ChatChoiceStream
    said: list[t.ChatCompletionRequestMessage]


@attrs.define
class Kept:
    response: t.CreateChatCompletionResponse | None = None


def test_classes_of_the_callers_may_hold_ours() -> None:
    row = structure({"id": 1, "choice": {"index": 0, "delta": {}}, "said": [{"role": "user", "content": "hi"}]}, Row)
    assert (
        Row(1, t.ChatChoiceStream(0, t.ChatCompletionStreamResponseDelta()), [t.ChatCompletionRequestUserMessage("hi")])
        == row
    )
    assert row == loads(dumps(row), Row)
    assert Kept() == structure({}, Kept)
    assert [row] == structure([unstructure(row)], list[Row])


def test_errors_inside_them_have_paths_too() -> None:
    wrong = {"id": "1", "choice": {"index": 0}, "said": [{"role": "user", "content": "hi"}, {"role": "x"}]}
    with pytest.raises(ValidationError) as refusal:
        structure([wrong, {}], list[Row])
    assert ["$[0].id", "$[0].choice.delta", "$[0].said[1].role", "$[1].id", "$[1].choice", "$[1].said"] == [
        problem.path for problem in refusal.value.problems
    ]
    with pytest.raises(ValidationError):
        structure(5, Row)


@pytest.mark.parametrize("target", ["Role", 5, object, None])
def test_what_cannot_be_structured_is_misuse(target: Any) -> None:
    for _ in range(2):
        with pytest.raises(MisuseError):
            structure({}, target)
        with pytest.raises(MisuseError):
            loads(b"{}", target)


@attrs.define
class Holds:
    value: Any


@pytest.mark.parametrize(
    "value", [{1, 2}, frozenset(), b"x", object(), 1j, {"a": [{1}]}, Holds({1}), {"a": Holds(b"x")}]
)
def test_what_is_not_a_json_value_is_refused_by_unstructure_and_by_dumps(value: Any) -> None:
    for write in (unstructure, dumps):
        with pytest.raises(ValidationError, match="expected a JSON value"):
            write(value)


def test_what_cattrs_knows_is_written_as_plain_values() -> None:
    value = Holds([Holds((1, t.Role.USER)), t.FunctionName("f"), {"a": Holds(None)}])
    assert {"value": [{"value": [1, "user"]}, {"name": "f"}, {"a": {"value": None}}]} == unstructure(value)
    assert b'{"value":[{"value":[1,"user"]},{"name":"f"},{"a":{"value":null}}]}' == dumps(value)


def test_the_converter_is_the_one_door() -> None:
    assert t.FunctionName("f") == converter.structure({"name": "f"}, t.FunctionName)
    assert t.Role.USER is converter.structure("user", t.Role)
    assert {"name": "f"} == converter.unstructure(t.FunctionName("f"))
    assert isinstance(converter, cattrs.Converter)
    with pytest.raises(ValidationError):
        converter.structure({"name": 5}, t.FunctionName)


def test_a_union_whose_members_cannot_be_distinguished_is_misuse() -> None:
    with pytest.raises(MisuseError, match="take a type as their target, not "):
        loads(b"{}", t.CreateChatCompletionResponse | t.CreateChatCompletionStreamResponse)
