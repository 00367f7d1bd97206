"""Where a document begins and ends, and how much it would take to decode it: plain scans, nothing decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from helpers.strategies import examples, json_values
from streamkit._decode.scanning import begin_of, check_weight, end_of, weight
from streamkit.errors import LimitError
from streamkit.limits import DEFAULT_LIMITS

MOST = DEFAULT_LIMITS.max_event_values


@pytest.mark.parametrize(
    "before",
    [b"", b" ", b"\t\0 ", b"data:", b"data: ", b"Data :"[:4] + b": ", b"data", b" data ", b"data: data: ", b"\xef\xbb\xbf", b"\xef\xbb\xbfdata: ", b"data:\xef\xbb\xbf"],
)  # fmt: skip
def test_what_may_stand_before_a_document_is_passed_over(before: bytes) -> None:
    assert len(before) == begin_of(before + b"{}")
    assert 3 + len(before) == begin_of(b"{x " + before + b"{}", 3)


@pytest.mark.parametrize("data", [b"x{}", b"datax{}", b"{ data: {}", b"error: {}", b""])
def test_other_words_are_not(data: bytes) -> None:
    assert 0 == begin_of(data)


@examples(200)
@given(json_values)
def test_the_end_of_a_document_is_found_whatever_is_in_it(value: Any) -> None:
    document = json.dumps([value]).encode()
    assert len(document) == end_of(document + b"]}x", 0, len(document) + 3)
    assert -1 == end_of(document[:-1], 0, len(document) - 1)
    assert -1 == end_of(document + b" ", 0, len(document) - 1)


@pytest.mark.parametrize("data", [b'["]', b'["\\"]', b'["\\', b"[", b'["a"', b'[{"a":"]}"]'[:-1]])
def test_a_document_without_its_end_has_none(data: bytes) -> None:
    assert -1 == end_of(data, 0, len(data))


def weighed(value: Any) -> int:
    """What the values in `value` weigh by the rule in `weight`."""
    if isinstance(value, dict):
        return 11 + sum(3 + weighed(item) for item in value.values())
    if isinstance(value, list):
        return 11 + sum(map(weighed, value))
    return 2 if isinstance(value, str) else 1


@examples(300)
@given(json_values)
def test_no_value_weighs_more_than_is_counted(value: Any) -> None:
    written = json.dumps(value)
    value = json.loads(written)
    assert weighed(value) <= weight(written.encode(), weighed(value) - 1)


@pytest.mark.parametrize("text", ["a, b, {c}: [d] " * 20_000, '", {' * 60_000, "\\" * 100_001, '\\"' * 90_000])
def test_bytes_inside_strings_weigh_nothing(text: str) -> None:
    data = json.dumps({"a": text, "b": [1, 2]}).encode()
    assert 32 == weight(data, 32)


def test_a_document_is_weighed_the_same_wherever_its_windows_end() -> None:
    for lead in range(65_530, 65_540):
        data = json.dumps({"a": "x" * lead + '\\"{[,', "b": [1, 2]}).encode()
        assert 32 == weight(data, 32), lead


def test_an_event_that_would_be_too_many_values_is_refused() -> None:
    at_most = (MOST - 11) // 12 - 1
    check_weight(b"[" + b"{}," * at_most + b"1]", MOST)
    with pytest.raises(LimitError, match="1048576 JSON values") as raised:
        check_weight(b"[" + b"{}," * (at_most + 2) + b"1]", MOST, 7)
    assert ("max_event_values", MOST, 7) == (raised.value.limit, raised.value.maximum, raised.value.event)


TOP = '{"token":" a","logprob":-12.5,"bytes":[32,97]}'
ENTRY = '{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[…]}'.replace("…", ",".join([TOP] * 20))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param('{"choices":[{"delta":{},"logprobs":{"content":[…]}}]}'.replace("…", ",".join([ENTRY] * 6_000)), id="log probabilities"),
        pytest.param('{"choices":[{"logprobs":{"content":[…]}}]}'.replace("…", ",".join(['{"token":"a","logprob":-0.5,"bytes":[97]}'] * 60_000)), id="short ones"),
        pytest.param('{"prompt_logprobs":[…]}'.replace("…", ",".join(['{"9707":{"logprob":-8.25,"rank":51,"decoded_token":"H"}}'] * 60_000)), id="those of a prompt"),
        pytest.param('{"prompt_token_ids":[…]}'.replace("…", ",".join(["123456"] * 1_000_000)), id="a million token ids"),
        pytest.param('{"citations":[…]}'.replace("…", ",".join(['{"url":"u","title":"t","start":1,"end":2,"x":{"y":[1]}}'] * 10_000)), id="citations"),
        pytest.param(json.dumps({"a": "one, two: {three} [four] " * 400_000}), id="text"),
    ],
)  # fmt: skip
def test_what_honest_senders_write_is_not_too_much(data: str) -> None:
    check_weight(data.encode(), MOST)
