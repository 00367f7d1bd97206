"""Bytes to a JSON value, also where strict readers refuse what a sender wrote; what was odd is said by name."""

from __future__ import annotations

import math

import pytest

from streamkit._decode.tolerant_json import decode, depth, pair, scrub


@pytest.mark.parametrize(
    "data, value",
    [
        (b'{"a":[1,2.5,true,null,"x"]}', {"a": [1, 2.5, True, None, "x"]}),
        (b' {"a": 1} ', {"a": 1}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        ('"\U0001f600 \u2028 \u0085"'.encode(), "\U0001f600 \u2028 \u0085"),
        (b"12345678901234567890123", 12345678901234567890123),
        (b"null", None),
    ],
    ids=["document", "space", "pair", "separators", "big-number", "null"],
)
def test_json_is_read_as_it_is(data: bytes, value: object) -> None:
    assert (value, ()) == decode(data)


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b'{"a":1', b"[DONE]", b"keepalive", b"{}{}", b'{"a":1}x', b"\xff", b"{'a':1}", b"nul"],
)
def test_what_is_not_one_json_document_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


@pytest.mark.parametrize(
    "data", [b"[" * 300 + b"]" * 300, b"[" * 100_000, b'{"a":' * 5000], ids=["300", "open", "objects"]
)
def test_a_document_nested_too_deeply_is_a_value_error_and_no_crash(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


def test_a_document_that_strict_readers_refuse_may_not_be_deeper_for_that() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(b'["\\ud83d",' + b"[" * 300 + b"]" * 300 + b"]")


@pytest.mark.parametrize("digits", [4301, 5000, 100_000])
def test_a_whole_number_of_more_digits_than_python_reads_is_infinite_as_a_float_is(digits: int) -> None:
    value, codes = decode(b'{"a":' + b"9" * digits + b',"b":-' + b"9" * digits + b',"c":1e400}')
    assert ({"a": math.inf, "b": -math.inf, "c": math.inf}, ("non_finite_number",)) == (value, codes)


def test_a_whole_number_that_python_can_write_stays_whole() -> None:
    assert ({"a": 10**4299}, ()) == decode(b'{"a":1' + b"0" * 4299 + b"}")


def test_a_whole_number_of_the_caller_that_cannot_be_written_is_infinite() -> None:
    assert [math.inf, -math.inf, 10**4299] == scrub([10**5000, -(10**5000), 10**4299])


def test_bytes_that_are_not_utf8_are_replaced_and_named() -> None:
    assert ({"a": "x\ufffdy"}, ("invalid_utf8",)) == decode(b'{"a":"x\xffy"}')


def test_numbers_that_json_cannot_express_are_read_and_named() -> None:
    value, codes = decode(b'{"a":NaN,"b":Infinity,"c":-Infinity}')
    assert (True, math.inf, -math.inf) == (math.isnan(value["a"]), value["b"], value["c"])
    assert ("non_finite_number",) == codes


def test_control_characters_in_a_string_are_taken_as_they_are() -> None:
    assert {"a": "x\ty\nz"} == decode(b'{"a":"x\ty\nz"}')[0]


@pytest.mark.parametrize(
    "data, value",
    [
        (b'{"id":"\\ud83d"}', {"id": "\ufffd"}),
        (b'{"id":"a\\ude00b"}', {"id": "a\ufffdb"}),
        (b'{"\\ud83d":1}', {"\ufffd": 1}),
        (b'["\\ud83d\\ud83d\\ude00"]', ["\ufffd\U0001f600"]),
        (b'{"content":"a\\ud83db"}', {"content": "a\ufffdb"}),
        (b'{"content":"\\ude00\\ud83d\\ude00\\ud83d"}', {"content": "\ude00\U0001f600\ud83d"}),
        (b'{"delta":{"thought":"x\\ud83d"}}', {"delta": {"thought": "x\ud83d"}}),
        (b'{"function":{"arguments":"\\ude00x"}}', {"function": {"arguments": "\ude00x"}}),
    ],
    ids=["end", "middle", "key", "list", "inside-text", "edges-of-text", "delta", "arguments"],
)
def test_half_a_pair_is_kept_only_at_an_edge_where_its_other_half_can_be(data: bytes, value: object) -> None:
    assert value == decode(data)[0]


@pytest.mark.parametrize(
    "value, edges, expected",
    [
        ("a\ud83d", False, "a\ufffd"),
        ("a\ud83d", True, "a\ud83d"),
        ("\ude00", True, "\ude00"),
        ("\ud83d\ude00", False, "\U0001f600"),
        (["\ud83d"], True, ["\ufffd"]),
        ({"id": "\ud83d", "n": 1}, False, {"id": "\ufffd", "n": 1}),
    ],
)
def test_scrub_replaces_halves_but_for_those_at_the_edges_of_text(value: object, edges: bool, expected: object) -> None:
    assert expected == scrub(value, edges=edges)


def test_scrub_leaves_its_argument_alone() -> None:
    value = {"a": ["\ud83d"]}
    scrub(value)
    assert {"a": ["\ud83d"]} == value


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83d\ude00\ud83d", "a\U0001f600\ud83d"),
        ("\ude00\ud83d", "\ude00\ud83d"),
        ("plain é", "plain é"),
        ("", ""),
    ],
)
def test_pair_joins_halves_that_stand_side_by_side(text: str, expected: str) -> None:
    assert expected == pair(text)


@pytest.mark.parametrize(
    "value, levels",
    [(1, 0), ("[[", 0), (None, 0), ([], 1), ({}, 1), ([[]], 2), ({"a": [1, {"b": {}}]}, 4), ([1, [], [[]]], 3)],
)
def test_depth_counts_arrays_and_objects_inside_one_another(value: object, levels: int) -> None:
    assert levels == depth(value)


def test_depth_of_anything_is_found_without_recursion() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert 100_001 == depth(value)
    while value:  # let go of it level by level
        value = value.pop()  # type: ignore[assignment]
