"""What can be had of an event whose data is not one JSON document: certain repairs only."""

from __future__ import annotations

import pytest

from streamkit._decode.repair import DONE, repair, unframed

A, B = {"a": 1}, {"b": 2}


@pytest.mark.parametrize(
    "data, values, codes",
    [
        (b'{"a":1}\n{"b":2}', [A, B], ["several_documents"]),
        (b'{"a":1}\n\n{"b":2}\n', [A, B], ["several_documents"]),
        (b'{"a":1}{"b":2}', [A, B], ["several_documents"]),
        (b'{"a":1} {"b":2}', [A, B], ["several_documents"]),
        (b'{"a":1}\n[DONE]', [A, DONE], ["several_documents"]),
        (b'{"a":1}[DONE]', [A, DONE], ["several_documents"]),
        (b'{"a":1}data: {"b":2}', [A, B], ["several_documents"]),
        (b'{"a":1}data:{"b":2}data: [DONE]', [A, B, DONE], ["several_documents"]),
        (b'{"a":1}}', [A], ["event_in_event"]),
        (b'{"a":1} trailing', [A], ["event_in_event"]),
        (b'{"id":"x","choi\n{"b":2}', [B], ["event_in_event"]),
        (b'{"id":"x","rodata: {"b":2}', [B], ["event_in_event"]),
        (b'{"a":1}\n{"b":', [A], ["event_in_event"]),
        (b"[DONE]", [DONE], []),
        (b" [DONE] \n", [DONE], []),
        (b'[DONE]{"a":1}', [DONE], ["done_suffix"]),
        (b"[DONE]\n[DONE]", [DONE], ["done_suffix"]),
        (b'data: {"a":1}', [A], ["unframed_json"]),
        (b'\xef\xbb\xbf{"a":1}', [A], ["unframed_json"]),
        (b'{"a":\n1}\n{"b":2}', [A, B], ["several_documents"]),
        (b'{"a":\n1}{"b":\n2}', [A, B], ["several_documents"]),
        (b'{"a":1} junk data: {"b":2}', [A, B], ["event_in_event"]),
        (b'{"a":1}\njunk\n{"b":2}', [A, B], ["event_in_event"]),
        (b'{"a":1}"', [A], ["unframed_json"]),
        (b'{"a":1}\n{"b":2}\' ,', [A, B], ["several_documents"]),
        (b'{"a":1}"x', [A], ["event_in_event"]),
        (b'{"x":{"a":1}}data: {"b":2}', [{"x": A}, B], ["several_documents"]),
    ],
)
def test_documents_that_are_certain_are_had(data: bytes, values: list[object], codes: list[str]) -> None:
    assert (values, codes) == repair(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"  ", b"keepalive", b'{"a":', b'"a"', b"<html>", b"[1,2", b"DONE", b"[DON", b'x{"a":1}', b"[" * 10_000, b"{" * 10_000],
    ids=["nothing", "blank", "word", "torn", "text", "html", "list", "no-brackets", "half-done", "word-before", "brackets", "braces"],
)  # fmt: skip
def test_where_nothing_is_certain_nothing_is_had(data: bytes) -> None:
    assert ([], []) == repair(data)


def test_a_document_inside_of_a_text_is_not_a_document() -> None:
    assert ([{"a": 'data: {"b":2}'}, B], ["several_documents"]) == repair(b'{"a":"data: {\\"b\\":2}"}{"b":2}')


@pytest.mark.parametrize(
    "ignored, values, codes",
    [
        ((b'{"a":1}',), [A], ["unframed_json"]),
        ((b' {"a":1}', b'{"b":2}'), [A, B], ["unframed_json", "unframed_json"]),
        ((b"retry: soon", b'{"a":1'), [], ["ignored_line", "ignored_line"]),
        ((b'{"a":"\xff"}',), [{"a": "\ufffd"}], ["unframed_json", "invalid_utf8"]),
    ],
)
def test_json_on_a_separate_line_is_read(ignored: tuple[bytes, ...], values: list[object], codes: list[str]) -> None:
    assert (values, codes) == repair(b"", ignored)


def test_documents_of_the_data_precede_those_of_ignored_lines() -> None:
    assert [A, B] == repair(b'{"a":1}x', (b'{"b":2}',))[0]


def test_documents_in_a_row_are_read_as_carefully_as_one_alone() -> None:
    values, codes = repair(b'{"id":"\\ud83d"}{"n":NaN}' + b'{"x":' + b"[" * 300 + b"]" * 300 + b"}")
    assert {"id": "\ufffd"} == values[0]
    assert 2 == len(values)
    assert ["lone_surrogate", "non_finite_number", "event_in_event"] == codes


@pytest.mark.parametrize(
    "data, ignored, places, values, codes",
    [
        (b'{"a":1}\n{"a":1}', (b'{"b":2}',), (1,), [A, B, A], ["unframed_json"]),
        (b'{"a":1}x', (b'{"b":2}',), (0,), [B, A], ["unframed_json", "event_in_event"]),
        (b"{", (b'"a":1', b"}"), (1, 1), [A], ["unframed_json"]),
        (b'{\n"a":1', (b'"z":0,', b"}"), (1, 2), [{"z": 0, "a": 1}], ["unframed_json"]),
        (b"", (b"{", b'"a":1}', b"x"), (0, 0, 0), [A], ["unframed_json", "ignored_line"]),
        (b"", (b' {"a":1}',), (1,), [A], ["unframed_json"]),
        (b"", (b" data: {", b' data: "a":1}'), (0, 0), [A], ["unframed_json"]),
    ],
)
def test_lines_with_data_and_without_are_read_in_their_order(
    data: bytes, ignored: tuple[bytes, ...], places: tuple[int, ...], values: list[object], codes: list[str]
) -> None:
    assert (values, codes) == repair(data, ignored, places)


@pytest.mark.parametrize(
    "line, text",
    [
        (b'{"a":1}', b'{"a":1}'),
        (b' Data: {"a":"x data: {y}  [z]"} ', b'{"a":"x data: {y}  [z]"}'),
        (b"data {}", b"{}"),
        (b"x {}", b""),
        (b"data: x", b""),
    ],
)
def test_only_bytes_before_the_json_of_a_line_are_removed(line: bytes, text: bytes) -> None:
    assert text == unframed(line)


@pytest.mark.parametrize("before", [b"x", b"junk ", b"\xff", b"a3 ", b"event: x "])
def test_a_chunk_whose_data_has_other_bytes_before_it_is_read(before: bytes) -> None:
    line = before + b'data: {"choices":[{"index":0,"delta":{"content":"data: {"}}]}'
    assert b'{"choices":[{"index":0,"delta":{"content":"data: {"}}]}' == unframed(line)
    assert b"" == unframed(before + b"data: {half")
