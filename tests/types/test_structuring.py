"""What is read and what is refused: facts about each type, and properties over generated values of every type."""

from __future__ import annotations

import copy
import json
import math
import types as python_types
import typing
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.tier import examples
from streamkit import types
from streamkit.codec import dumps, loads, structure, unstructure
from streamkit.errors import ValidationError
from streamkit.types._base import Between, Told, Wire
from streamkit.types._mismatch import Mismatch
from streamkit.types._structuring import shape_of

SEED_PARITY = Path(__file__).resolve().parents[3] / "shared" / "seed_parity" / "cases.jsonl"

REFUSED = object()
SAME = object()

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
NULL_DELTA = {"content": None, "function_call": None, "tool_calls": None, "role": None, "refusal": None}

# (type, JSON value, what it is written as again). Each is true of the seed's own types, compiled and run, except that
# they drop unknown fields.
FACTS: list[tuple[str, Any, Any]] = [
    # Words, their aliases, and serde's other way to write a word.
    ("FinishReason", "stop", SAME),
    ("FinishReason", "eos", "stop"),
    ("FinishReason", "", "stop"),
    ("FinishReason", {"eos": None}, "stop"),
    ("FinishReason", {"stop": 1}, REFUSED),
    ("FinishReason", {"stop": None, "x": 1}, REFUSED),
    ("FinishReason", "STOP", REFUSED),
    ("FinishReason", "end_turn", REFUSED),
    ("FinishReason", None, REFUSED),
    ("CompletionFinishReason", "eos", REFUSED),
    ("CompletionFinishReason", "", REFUSED),
    ("Role", "developer", REFUSED),
    ("ServiceTierResponse", "auto", REFUSED),
    ("ServiceTier", "auto", SAME),
    ("ReasoningEffort", 1, REFUSED),
    # Required fields, fields that may be absent, null written and null left out.
    ("FunctionCall", {"name": "f"}, REFUSED),
    ("FunctionCallStream", {}, {"name": None, "arguments": None}),
    ("CompletionUsage", {**USAGE, "prompt_tokens_details": None}, USAGE),
    ("CompletionUsage", {**USAGE, "prompt_tokens_details": {}}, SAME),
    ("CompletionUsage", {"prompt_tokens": 1, "completion_tokens": 2}, REFUSED),
    ("ChatChoiceLogprobs", {}, {"content": None, "refusal": None}),
    ("TopLogprobs", {"token": "a", "logprob": -0.5}, {"token": "a", "logprob": -0.5, "bytes": None}),
    ("ChatCompletionTokenLogprob", {"token": "a", "logprob": -0.5}, REFUSED),
    ("ImageUrl", {"url": "u"}, {"url": "u", "detail": None}),
    ("WebSearchOptions", {}, {"search_context_size": None, "user_location": None}),
    ("ChatCompletionRequestFunctionMessage", {"name": "f"}, {"content": None, "name": "f"}),
    ("ChatCompletionFunctions", {"name": "f"}, REFUSED),
    ("ChatCompletionFunctions", {"name": "f", "parameters": None}, SAME),
    ("FunctionObject", {"name": "f", "parameters": None, "strict": None}, {"name": "f"}),
    ("InputAudio", {"data": "AA=="}, REFUSED),
    ("ChatCompletionTool", {"function": {"name": "f"}}, REFUSED),
    ("ChatCompletionResponseMessage", {"content": "hi"}, REFUSED),
    ("ChatCompletionResponseMessage", {"role": "assistant", "content": None}, {"role": "assistant"}),
    ("ChatCompletionResponseMessage", {"role": "assistant", "tool_calls": []}, {"tool_calls": [], "role": "assistant"}),
    ("ChatChoiceStream", {"index": 0, "delta": {}}, {"index": 0, "delta": NULL_DELTA}),
    ("ChatChoiceStream", {"index": 0}, REFUSED),
    ("ChatCompletionMessageToolCallChunk", {"id": "a"}, REFUSED),
    (
        "CreateChatCompletionResponse",
        {"id": "", "choices": [], "created": 0, "model": ""},
        {"id": "", "choices": [], "created": 0, "model": "", "object": None, "usage": None},
    ),
    (
        "CreateChatCompletionRequest",
        {"messages": [], "model": "m", "n": None, "stop": None},
        {"messages": [], "model": "m"},
    ),
    # Numbers: ranges, truth values, fractions.
    ("Choice", {"text": "", "index": 4294967295}, SAME),
    ("Choice", {"text": "", "index": 4294967296}, REFUSED),
    ("Choice", {"text": "", "index": -1}, REFUSED),
    ("Choice", {"text": "", "index": 1.0}, REFUSED),
    ("Choice", {"text": "", "index": True}, REFUSED),
    ("Choice", {"text": "", "index": "0"}, REFUSED),
    ("TopLogprobs", {"token": "a", "logprob": 1, "bytes": [0, 255]}, {"token": "a", "logprob": 1.0, "bytes": [0, 255]}),
    ("TopLogprobs", {"token": "a", "logprob": 0.5, "bytes": [256]}, REFUSED),
    ("TopLogprobs", {"token": "a", "logprob": False}, REFUSED),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "seed": 2**63 - 1}, SAME),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "seed": 2**63}, REFUSED),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "seed": -(2**63)}, SAME),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "top_logprobs": 255, "n": 0}, SAME),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "n": 256}, REFUSED),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "temperature": -9999.0}, SAME),
    ("ChatCompletionStreamOptions", {"include_usage": 1}, REFUSED),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "logit_bias": {"1": [None]}}, SAME),
    ("CreateChatCompletionRequest", {"messages": [], "model": "m", "logit_bias": []}, REFUSED),
    # Objects as lists of all their fields.
    ("FunctionName", ["f"], {"name": "f"}),
    ("FunctionName", [], REFUSED),
    ("FunctionName", ["f", 1], REFUSED),
    ("FunctionCallStream", [None, "{}"], {"name": None, "arguments": "{}"}),
    ("FunctionCallStream", [None], REFUSED),
    ("ImageUrl", ["u", {"low": None}], {"url": "u", "detail": "low"}),
    ("ChatCompletionRequestDeveloperMessage", ["hi", None], {"content": "hi"}),
    # Unions without a tag: what fits first.
    ("Prompt", "p", SAME),
    ("Prompt", [], SAME),
    ("Prompt", [[]], SAME),
    ("Prompt", [[1], []], SAME),
    ("Prompt", [1, "a"], REFUSED),
    ("Prompt", [4294967296], REFUSED),
    ("Stop", ["a"], SAME),
    ("Stop", None, REFUSED),
    ("ChatCompletionToolChoiceOption", "required", SAME),
    ("ChatCompletionToolChoiceOption", {"auto": None}, "auto"),
    ("ChatCompletionToolChoiceOption", "any", REFUSED),
    ("ChatCompletionToolChoiceOption", {"type": "function", "function": {"name": "f"}}, SAME),
    ("ChatCompletionToolChoiceOption", ["function", ["f"]], {"type": "function", "function": {"name": "f"}}),
    ("ChatCompletionFunctionCall", "required", REFUSED),
    ("ChatCompletionFunctionCall", {"name": "f"}, SAME),
    ("ChatCompletionFunctionCall", {"auto": {}, "name": "f"}, {"name": "f", "auto": {}}),
    ("ChatCompletionFunctionCall", ["f"], REFUSED),
    ("PredictionContentContent", [{"text": "a"}], SAME),
    # Unions distinguished by a tag.
    (
        "ChatCompletionRequestMessage",
        {"role": "user", "content": "hi", "name": None},
        {"role": "user", "content": "hi"},
    ),
    ("ChatCompletionRequestMessage", {"content": "hi"}, REFUSED),
    ("ChatCompletionRequestMessage", {"role": "model", "content": "hi"}, REFUSED),
    ("ChatCompletionRequestMessage", {"role": {"user": None}, "content": "hi"}, REFUSED),
    ("ChatCompletionRequestMessage", {"role": 2, "content": "hi"}, REFUSED),
    ("ChatCompletionRequestMessage", ["user", "hi", None], {"role": "user", "content": "hi"}),
    ("ChatCompletionRequestMessage", {"role": "assistant"}, SAME),
    ("ChatCompletionRequestUserMessage", {"content": "hi"}, SAME),
    ("ChatCompletionRequestUserMessageContentPart", {"text": "a"}, REFUSED),
    ("ChatCompletionRequestUserMessageContentPart", ["text", "a"], {"type": "text", "text": "a"}),
    ("ChatCompletionRequestUserMessageContentPart", {"type": 0, "text": "a"}, REFUSED),
    ("ChatCompletionRequestUserMessageContent", [{"type": 0, "text": "a"}], [{"type": "text", "text": "a"}]),
    ("ChatCompletionRequestUserMessageContent", [{"type": 3, "text": "a"}], REFUSED),
    ("ChatCompletionRequestSystemMessageContentPart", {"text": "a"}, REFUSED),
    ("ChatCompletionRequestSystemMessageContentPart", {"type": "text", "text": "a"}, SAME),
    ("ChatCompletionRequestToolMessageContent", [{"type": "image_url", "image_url": {"url": "u"}}], REFUSED),
    ("ChatCompletionRequestDeveloperMessageContent", [{"text": "a"}], SAME),
    ("ChatCompletionRequestMessageContentPartText", {"text": "a"}, SAME),
    ("ResponseFormat", {"type": "text"}, SAME),
    ("ResponseFormat", ["json_object"], {"type": "json_object"}),
    ("ResponseFormat", ["text", 1], REFUSED),
    ("ResponseFormat", {"type": "json_schema"}, REFUSED),
    ("ResponseFormat", {"type": "json_schema", "json_schema": {"name": "n"}}, SAME),
    ("PredictionContent", {"content": "a", "type": "content"}, {"type": "content", "content": "a"}),
    ("PredictionContent", {"content": "a"}, REFUSED),
    ("PredictionContent", ["content", "a"], {"type": "content", "content": "a"}),
]


@pytest.mark.parametrize(
    "name, value, again", FACTS, ids=lambda it: json.dumps(it)[:60] if it not in (SAME, REFUSED) else ""
)
def test_a_value_is_read_and_written_as_the_seed_does_it(name: str, value: Any, again: Any) -> None:
    target = getattr(types, name)
    if again is REFUSED:
        with pytest.raises(ValidationError):
            structure(value, target)
        return
    wanted = value if again is SAME else again
    written = unstructure(structure(value, target))
    assert wanted == written
    assert json.dumps(wanted) == json.dumps(written), "the order of fields, and 1.0 is not 1"


def test_every_recorded_value_of_the_seed_agrees() -> None:
    if not SEED_PARITY.exists():
        pytest.skip("shared/seed_parity/cases.jsonl is not here")
    cases = [json.loads(line) for line in SEED_PARITY.read_text("utf-8").splitlines()]
    assert [] == [case for case in cases if not agrees(case)]


def agrees(case: dict[str, Any]) -> bool:
    try:
        written = unstructure(structure(case["input"], getattr(types, case["type"])))
    except ValidationError:
        return not case["ok"]
    return bool(case["ok"]) and is_same(written, case["output"])


def is_same(ours: Any, theirs: Any) -> bool:
    """Equal, numbers to 32 bits of precision; we may hold more fields, the unknown ones."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return set(theirs) >= set(ours) - {"x_provider_extra"} and all(
            is_same(ours[key], theirs[key]) for key in theirs
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(is_same, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9)
    return type(ours) is type(theirs) and ours == theirs


def test_an_alias_is_read_as_the_member() -> None:
    assert types.FinishReason.STOP is structure("eos", types.FinishReason)
    assert types.FinishReason.STOP is structure("", types.FinishReason)


# Beyond the seed.


def test_a_custom_tool_call_is_read_where_calls_are() -> None:
    calls = [
        {"id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
        {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]
    message = structure({"role": "assistant", "tool_calls": calls}, types.ChatCompletionResponseMessage)
    assert message.tool_calls == [
        types.ChatCompletionMessageCustomToolCall("a", types.CustomToolCall("shell", "ls")),
        types.ChatCompletionMessageToolCall("b", types.FunctionCall("f", "{}")),
    ]
    assert calls == unstructure(message)["tool_calls"]


@pytest.mark.parametrize(
    "call, path",
    [
        ({"id": "a", "type": "custom"}, "$.tool_calls[0].custom"),
        ({"id": "a", "type": "custom", "custom": {"name": "shell"}}, "$.tool_calls[0].custom.input"),
        ({"id": "a", "type": "other", "custom": {}}, "$.tool_calls[0].type"),
        ({"id": "a", "custom": {"name": "shell", "input": ""}}, "$.tool_calls[0].type"),
    ],
)
def test_a_call_that_is_neither_is_refused(call: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        structure({"role": "assistant", "tool_calls": [call]}, types.ChatCompletionResponseMessage)
    assert path in [problem.path for problem in refusal.value.problems]


def test_a_separate_tag_is_kept_by_an_object_read_by_itself() -> None:
    message = structure({"role": "user", "content": "hi"}, types.ChatCompletionRequestUserMessage)
    assert ("user", {}) == (message.role, message.extra)
    assert {"role": "user", "content": "hi"} == unstructure(message)


def test_another_tag_is_an_unknown_field_of_an_object_read_by_itself() -> None:
    message = structure({"role": 5, "content": "hi"}, types.ChatCompletionRequestUserMessage)
    assert (None, {"role": 5}) == (message.role, message.extra)
    assert {"content": "hi", "role": 5} == unstructure(message)


def test_a_message_without_its_role_gets_it_in_a_request() -> None:
    bare = structure({"content": "hi"}, types.ChatCompletionRequestUserMessage)
    assert bare.role is None
    assert bare == types.ChatCompletionRequestUserMessage("hi")
    request = types.CreateChatCompletionRequest([bare], "m")
    assert [{"role": "user", "content": "hi"}] == unstructure(request)["messages"]


# Properties over every type.

ALIASES = [
    name for name in types.__all__ if name not in ("ChatCompletionResponseStream", "AsyncChatCompletionResponseStream")
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
NOT_JSON_OF_ANY_TYPE: list[Any] = [{1: 2}, object(), {1, 2}, math.nan]


def fields_of(cls: type[Wire]) -> Iterator[tuple[str, Any, bool]]:
    """Name, strict type, and whether it is the tag, for each field on the wire."""
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in attrs.fields(cls):
        if field.name != "extra" and field.metadata.get("wire") is not False:
            yield field.name, field.metadata.get("strict", hints[field.name]), bool(field.metadata.get("tag"))


def members_of(target: Any) -> tuple[Any, ...]:
    if typing.get_origin(target) in (typing.Union, python_types.UnionType):
        return typing.get_args(target)
    return (target,)


@cache
def values(target: Any) -> st.SearchStrategy[Any]:
    """JSON values that the type takes."""
    origin, args = typing.get_origin(target), typing.get_args(target)
    if origin is typing.Annotated and isinstance(args[1], Between):
        return st.integers(args[1].low, args[1].high)
    if origin is typing.Annotated and isinstance(args[1], Told):
        return objects(args[0], tagged=True)
    if origin is list:
        return st.lists(values(args[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(st.text(max_size=3), values(args[1]), max_size=2)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if len(members_of(target)) > 1:
        return st.one_of(
            *(
                objects(member, tagged=True)
                if isinstance(member, type) and issubclass(member, Wire)
                else values(member)
                for member in members_of(target)
            )
        )
    if target is Any:
        return JSON
    if target is python_types.NoneType:
        return st.none()
    if issubclass(target, StrEnum):
        return st.sampled_from([member.value for member in target])
    if issubclass(target, Wire):
        return objects(target, tagged=False)
    return {
        str: st.text(max_size=5),
        bool: st.booleans(),
        int: st.integers(),
        float: st.floats(width=32, allow_nan=False, allow_infinity=False),
    }[target]


@cache
def objects(cls: type[Wire], *, tagged: bool) -> st.SearchStrategy[dict[str, Any]]:
    must: dict[str, st.SearchStrategy[Any]] = {}
    may: dict[str, st.SearchStrategy[Any]] = {"x_unknown": JSON}
    for name, strict, is_tag in fields_of(cls):
        if is_tag and not tagged:
            continue
        if is_tag:
            must[name] = st.just(attrs.fields_dict(cls)[name].default)
        elif python_types.NoneType in members_of(strict):
            may[name] = st.deferred(lambda strict=strict: values(strict))
        else:
            must[name] = st.deferred(lambda strict=strict: values(strict))
    return st.fixed_dictionaries(must, optional=may)


EVERY_TYPE = st.sampled_from(ALIASES).flatmap(
    lambda name: st.tuples(st.just(getattr(types, name)), values(getattr(types, name)))
)
OFTEN = settings(examples(300), suppress_health_check=list(HealthCheck))


@OFTEN
@given(EVERY_TYPE)
def test_what_is_read_is_written_and_read_again_the_same(pair: tuple[Any, Any]) -> None:
    target, value = pair
    before = copy.deepcopy(value)
    made = structure(value, target)
    written = unstructure(made)
    assert before == value, "reading changes nothing"
    assert made == structure(written, target)
    assert made == loads(dumps(made), target)
    assert written == unstructure(structure(written, target)), "once written, it is written the same for ever"


@OFTEN
@given(EVERY_TYPE)
def test_nothing_that_was_read_is_lost(pair: tuple[Any, Any]) -> None:
    target, value = pair
    assert holds(unstructure(structure(value, target)), value)


def holds(whole: Any, part: Any) -> bool:
    """Return True if everything in `part` is in `whole`, too; null may have been left out."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(one is None or holds(whole.get(key), one) for key, one in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


@OFTEN
@given(st.sampled_from([name for name in ALIASES if attrs.has(getattr(types, name))]), st.data())
def test_one_wrong_field_is_refused_with_its_path(name: str, data: st.DataObject) -> None:
    cls = getattr(types, name)
    fields = [(name, strict) for name, strict, is_tag in fields_of(cls) if not is_tag and Any not in members_of(strict)]
    if not fields:
        return
    field, strict = data.draw(st.sampled_from(fields))
    value = data.draw(values(cls))
    nullable = python_types.NoneType in members_of(strict)
    spoilt = data.draw(st.sampled_from([object(), *([] if nullable else [None])]))
    if not nullable and data.draw(st.booleans()):
        del value[field]
    else:
        value[field] = spoilt
    with pytest.raises(ValidationError) as refusal:
        structure(value, cls)
    assert [f"$.{field}"] == [problem.path for problem in refusal.value.problems]


@OFTEN
@given(st.sampled_from(ALIASES), JSON | st.sampled_from(NOT_JSON_OF_ANY_TYPE))
def test_any_value_at_all_is_read_or_refused(name: str, value: Any) -> None:
    try:
        structure(value, getattr(types, name))
    except ValidationError:
        pass


@OFTEN
@given(EVERY_TYPE, st.data())
def test_a_spoilt_value_is_read_or_refused_and_never_crashes(pair: tuple[Any, Any], data: st.DataObject) -> None:
    target, value = pair
    places = list(places_of(value))
    path = data.draw(st.sampled_from(places))
    spoilt = data.draw(st.sampled_from([None, True, -1, 1.5, 2**70, "", "zz", [], {}, ["x"], [[]], {"stop": None}]))
    if not path:
        value = spoilt
    else:
        whole = value
        for step in path[:-1]:
            whole = whole[step]
        whole[path[-1]] = spoilt
    try:
        made = structure(value, target)
    except ValidationError:
        return
    assert made == structure(unstructure(made), target)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in steps:
        yield from places_of(one, (*path, step))


def test_shapes_are_built_once() -> None:
    assert shape_of(types.Prompt) is shape_of(types.Prompt)


def test_what_is_not_one_of_our_types_has_no_shape() -> None:
    for target in (object, 5, "Role", set[str], tuple[int, ...]):
        with pytest.raises(TypeError):
            shape_of(target)


def test_a_mismatch_reports_at_most_a_hundred_problems() -> None:
    with pytest.raises(Mismatch) as mismatch:
        shape_of(list[types.FunctionCall]).read([{}] * 1000)
    assert 100 == len(mismatch.value.problems())
