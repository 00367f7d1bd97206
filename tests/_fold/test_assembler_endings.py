"""The very end of a stream, without `data:` or without a blank line, and data after `[DONE]`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.tier import some
from helpers.wire import DONE, Reading, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, FormatError, Limits, RemoteError

TEXT = sse(delta('{"role":"assistant","content":"Hel"}'), delta('{"content":"lo"}'), delta('{"content":"!"}'))
KEEP_ALIVES = b": PROCESSING\n\n: PROCESSING\n\n"
LAST = delta('{"content":"?"}', "stop")
OVER_LINES = json.dumps(json.loads(LAST), indent=2)
PAGE = b"<html>\n<title>502 Bad Gateway</title>\n</html>"


def read_each_way(stream: bytes, **options: Any) -> Reading:
    """Read `stream` whole, by the byte, cut anywhere in its end (in the quick tier at every third byte), and without
    the fast lane."""
    whole = read(stream, done=False, **options)
    for at in some(range(max(1, len(stream) - 200), len(stream))):
        assert whole == read_blocks([stream[:at], stream[at:]], **options)
    by_event = [part + b"\n\n" for part in stream.split(b"\n\n")]
    by_event[-1] = by_event[-1][:-2]
    assert whole == read_blocks(by_event, **options)
    assert whole == read_blocks([stream], fast=False, **options)
    return whole


CHUNKS = {
    "bare": LAST,
    "over lines": OVER_LINES,
    "over lines, and a blank line": OVER_LINES + "\n\n",
    "a space before data": f" data: {LAST}",
    "another case": f"Data: {LAST}\n",
    "no blank line": f"data: {LAST}",
    "data twice": f"data: data: {LAST}\n\n",
    "data twice, no blank line": f"data: data: {LAST}",
    "a quote after it": f'data: {LAST}"\n\n',
    "a quote after it, no blank line": f'data: {LAST}"',
    "as a JSON string": f"data: {json.dumps(LAST)}\n\n",
    "as a JSON string, no blank line": f"data: {json.dumps(LAST)}",
    "in a list, no blank line": f"data: [{LAST}]",
    "half another one after it": f'data: {LAST}data: {{"id":"c1"',
}


@pytest.mark.parametrize("last", CHUNKS.values(), ids=list(CHUNKS))
@pytest.mark.parametrize("before, text", [(TEXT, "Hello!?"), (KEEP_ALIVES, "?")], ids=["text", "keep-alives"])
def test_a_last_chunk_is_read_in_any_form(last: str, before: bytes, text: str) -> None:
    reading = read_each_way(before + last.encode())
    assert (text, ("complete", "finish_without_done")) == (reading.message["content"], reading.ending)


@pytest.mark.parametrize(
    "done",
    ["[DONE]", " data: [DONE]", "data: [DONE]", "data: data: [DONE]\n\n", 'data: "[DONE]"\n\n', 'data: "[DONE]"'],
)
def test_so_is_the_end(done: str) -> None:
    assert ("complete", "done_without_finish") == read_each_way(TEXT + done.encode()).ending
    assert ("complete", "done") == read_each_way(TEXT + sse(LAST) + done.encode()).ending
    assert ("complete", "done") == read_each_way(TEXT + LAST.encode() + b"\n" + done.encode()).ending


def test_data_that_is_sent_twice_or_quoted_is_a_repair() -> None:
    assert ["unframed_json"] == read(b"data: data: " + LAST.encode() + b"\n\n").codes
    assert ["json_in_string"] == read(LAST, '"[DONE]"', done=False).codes


def test_a_string_that_is_not_a_document_is_not_read_as_one() -> None:
    for data in ('"hello"', '"{not json}"', '"[DONE"', '"[1]"'):
        assert ["not_json"] == read(LAST, data).codes


@pytest.mark.parametrize(
    "last", [PAGE, PAGE + b"\n\n", b"upstream connect error", b"Error: gone\n\n", b"data : words", b'{"error":{"mess']
)
def test_what_cannot_be_read_at_the_end_is_lost_and_reported(last: bytes) -> None:
    reading = read_each_way(TEXT + last)
    assert ("Hello!", ("truncated", "no_finish")) == (reading.message["content"], reading.ending)
    found = [one for one in reading.anomalies if one.code == "unread_end"]
    assert [("lost", 4, last.strip().decode())] == [(one.severity, one.event, one.excerpt) for one in found]
    assert ("complete", "finish_without_done") == read_each_way(TEXT + sse(LAST) + last).ending


@pytest.mark.parametrize("last", [PAGE, b"upstream connect error", b" data: {", b"data: {", b"dat"])
def test_under_strict_it_is_raised(last: bytes) -> None:
    stream = TEXT + sse(LAST) + last
    for blocks in ([stream], each_byte(stream)):
        accumulator = Accumulator(strict=True)
        for block in blocks:
            accumulator.feed(block)
        with pytest.raises(FormatError):
            accumulator.close()


@pytest.mark.parametrize(
    "last, message",
    [
        (PAGE, "502 Bad Gateway"),
        (PAGE + b"\n\n", "502 Bad Gateway"),
        (PAGE + b"\n\n" + DONE, "502 Bad Gateway"),
        (b"upstream connect error", "upstream connect error"),
        (b"upstream connect error\n\n", "upstream connect error"),
    ],
)
def test_after_keep_alives_alone_it_is_the_senders_word(last: bytes, message: str) -> None:
    reading = read_each_way(KEEP_ALIVES + last)
    error = reading.outcome.error
    assert (("failed", "not_a_stream"), message) == (reading.ending, error.message)
    assert isinstance(error, RemoteError)


@pytest.mark.parametrize("last", [b"d", b"dat", b"data", b"data:", b"eve"])
def test_half_a_field_is_a_torn_event(last: bytes) -> None:
    reading = read_each_way(TEXT + last)
    assert (("truncated", "no_finish"), ["torn_event"]) == (reading.ending, reading.codes)


@pytest.mark.parametrize("last", [b'data: {"id', b' data: {"id', b'Data: {"id'])
@pytest.mark.parametrize("before", [TEXT, KEEP_ALIVES])
def test_half_a_document_is_a_torn_event_in_any_form(last: bytes, before: bytes) -> None:
    reading = read_each_way(before + last)
    assert (("truncated", "mid_event"), ["torn_event"]) == (reading.ending, reading.codes)


def test_a_field_that_is_unknown_is_ignored() -> None:
    assert ["ignored_line", "missing_done"] == read_each_way(sse(LAST) + b"x-trace: 5").codes
    assert ["ignored_line", "missing_done"] == read_each_way(sse(LAST) + b"x-trace: 5\n\n").codes
    assert ("failed", "empty") == read_each_way(KEEP_ALIVES + b"x-trace: 5\n\n").ending


def test_text_before_further_events_is_not_the_end() -> None:
    reading = read_each_way(TEXT + b"hello\n\n" + sse(LAST))
    assert ["ignored_line", "missing_done"] == reading.codes


def test_a_document_in_two_events_of_which_the_last_has_no_end_is_joined() -> None:
    reading = read_each_way(TEXT + sse(LAST[:40]) + b"data: " + LAST[40:].encode())
    assert ("Hello!?", ("complete", "finish_without_done")) == (reading.message["content"], reading.ending)


# --- after [DONE]


@pytest.mark.parametrize(
    "late",
    [b'data: {"choices":[],"cost":"0"}\n\n', b'data: {"choices":[],"cost":"0"}', b'{"choices":[],"cost":"0"}\n\n',
     b'data: {"id":"c1","choices":null,"cost":"0","usage":{"total_tokens":9}}\n\n'],
)  # fmt: skip
def test_fields_after_done_are_in_the_response_and_in_no_event(late: bytes) -> None:
    before, reading = read(TEXT + sse(LAST) + DONE, done=False), read_each_way(TEXT + sse(LAST) + DONE + late)
    assert {**before.response, "cost": "0"} == reading.response
    assert (before.ending, before.told) == (reading.ending, reading.told)
    assert [("after_done", "note", 1)] == [(one.code, one.severity, one.count) for one in reading.anomalies]


@pytest.mark.parametrize(
    "late",
    [delta('{"content":"b"}', more='"cost":1'), '{"choices":[],"error":"boom"}', '{"type":"ping","cost":1}', '[{"choices":[],"cost":1}]',
     '{"choices":[],"usage":{"total_tokens":9}}', "[DONE]", "cost", '{"choices":[],"cost":'],
)  # fmt: skip
def test_nothing_else_after_done_changes_anything(late: str) -> None:
    before, reading = read(TEXT + sse(LAST) + DONE, done=False), read_each_way(TEXT + sse(LAST) + DONE + sse(late))
    assert (before.response, before.ending, before.told) == (reading.response, reading.ending, reading.told)
    assert ["after_done"] == reading.codes


@pytest.mark.parametrize("late", [PAGE, PAGE + b"\n\n", b"dat", b'data: {"id'])
def test_text_after_done_is_noted(late: bytes) -> None:
    reading = read_each_way(TEXT + sse(LAST) + DONE + late)
    assert (("complete", "done"), ["after_done"]) == (reading.ending, reading.codes)


def test_limits_hold_after_done_too() -> None:
    late = sse(*(f'{{"choices":[],"n{number}":1}}' for number in range(500)))
    reading = read_each_way(sse(LAST) + DONE + late, limits=Limits(max_extra_values=300))
    assert ("complete", "done") == reading.ending
    assert 10 < len(reading.response) < 300
    stream = sse(LAST) + DONE + sse('{"choices":[],"a":"' + "x" * 500 + '"}')
    assert "a" not in read(stream, done=False, limits=Limits(max_response_bytes=400)).response


def test_strict_raises_nothing_after_done() -> None:
    accumulator = Accumulator(strict=True)
    accumulator.feed(sse(LAST) + DONE + sse("x", '{"error":"boom"}') + PAGE)
    assert accumulator.close().ok
