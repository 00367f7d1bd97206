"""Blocks in, events out, and the response so far at any moment: the life of one stream."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.one_stream import FINISH, RESPONSE, STREAM, TEXT
from helpers.wire import DONE, chunk, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, dumps, unstructure
from streamkit.events import End


def test_a_stream_is_assembled_to_its_response() -> None:
    reading = read(*STREAM)
    assert RESPONSE == reading.response
    assert ("complete", "done") == reading.ending
    assert () == reading.anomalies


@pytest.mark.parametrize(
    "wire",
    [
        b"".join(b"data:" + one.encode() + b"\n\n" for one in STREAM) + b"data:[DONE]\n\n",
        (sse(*STREAM) + DONE).replace(b"\n", b"\r\n"),
        (sse(*STREAM) + DONE).replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + sse(*STREAM) + DONE,
        b"\n\n  \n" + sse(*STREAM) + DONE,
        b": hello\n\n" + b": ping\n\n".join(sse(one) for one in STREAM) + DONE,
        b"".join(b"id: 7\nevent: message\nretry: 9\ndata: " + one.encode() + b"\n\n" for one in STREAM) + DONE,
        b"".join(sse(one) + b"id: 7\n\nevent: ping\n\n\n" for one in STREAM) + DONE,
        b"".join(b"data: " + one.encode().replace(b',"', b',\ndata: "') + b"\n\n" for one in STREAM) + DONE,
        sse(*STREAM) + b"data: [DONE]",
        sse(*STREAM),
        sse(*STREAM)[:-2],
    ],
    ids=[
        "no-space", "crlf", "cr", "bom", "blank-lines", "comments", "fields", "events-without-data", "many-data-lines",
        "done-unterminated", "no-done", "last-event-unterminated",
    ],
)  # fmt: skip
def test_however_it_is_framed_the_response_is_the_same(wire: bytes) -> None:
    reading = read(wire, done=False)
    assert RESPONSE == reading.response
    assert "complete" == reading.outcome.name


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_however_it_is_cut_events_response_outcome_and_anomalies_are_the_same(size: int) -> None:
    wire = b"\xef\xbb\xbf: hi\n\n" + sse(*STREAM, "null", delta('{"content":5}')) + DONE + sse(FINISH)
    blocks = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert read_blocks([wire]) == read_blocks(blocks)


def test_a_mark_cut_in_pieces_is_still_a_mark() -> None:
    assert RESPONSE == read_blocks(each_byte(b"\xef\xbb\xbf" + sse(*STREAM) + DONE)).response


def test_separators_of_unicode_are_not_line_ends() -> None:
    text = "a\u2028b\u2029c\u0085d"
    assert text == read(delta(f'{{"content":"{text}"}}', "stop")).message["content"]


def test_an_empty_block_does_nothing_and_is_not_the_end() -> None:
    accumulator = Accumulator()
    assert [] == accumulator.feed(b"")
    accumulator.feed(sse(TEXT))
    assert [] == accumulator.feed(b"")
    assert not accumulator.done
    assert 1 == accumulator.statistics().blocks


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_block_may_be_any_kind_of_bytes(kind: Any) -> None:
    accumulator = Accumulator()
    accumulator.feed(kind(sse(*STREAM) + DONE))
    assert RESPONSE == unstructure(accumulator.snapshot())


def test_a_block_may_be_reused_by_its_owner() -> None:
    accumulator = Accumulator()
    buffer = bytearray(sse(TEXT)[:-10])
    accumulator.feed(buffer)
    buffer[:] = b"x" * len(buffer)
    accumulator.feed(sse(TEXT)[-10:])
    assert "a" == accumulator.snapshot().choices[0].message.content


# --- events that are not one document


@pytest.mark.parametrize(
    "wire, content, codes",
    [
        (sse(TEXT, "null", FINISH), "a", ["null_event"]),
        (sse(TEXT, "keepalive", FINISH), "a", ["not_json"]),
        (sse(TEXT, " ", FINISH), "a", ["blank_event"]),
        (sse(TEXT, "17", '"text"', "true", FINISH), "a", ["not_json"]),
        (sse(f"[{TEXT},{FINISH}]"), "a", ["chunk_list"]),
        (sse(TEXT + FINISH), "a", ["several_documents"]),
        (sse(TEXT + "\ndata: " + FINISH), "a", ["several_documents"]),
        (sse(TEXT[:50], TEXT[50:], FINISH), "a", ["split_document"]),
        (sse(TEXT[:50], TEXT, FINISH), "a", ["not_json"]),
        (sse(TEXT[:50], "keepalive", TEXT, FINISH), "a", ["not_json"]),
        (sse(TEXT, TEXT[:50]), "a", ["not_json"]),
        (sse(TEXT[:50] + "data: " + TEXT, FINISH), "a", ["event_in_event"]),
        (b"data:\n " + TEXT.encode() + b"\n\n" + sse(FINISH), "a", ["unframed_json"]),
        (sse(TEXT, "[DONE]{}"), "a", ["done_suffix"]),
        (sse(TEXT).replace(b"c1", b"\xff"), "a", ["invalid_utf8"]),
    ],
)
def test_what_can_be_read_of_a_broken_event_is_read_and_reported(wire: bytes, content: str, codes: list[str]) -> None:
    reading = read(wire, done=False)
    assert content == reading.message["content"]
    assert codes == [code for code in reading.codes if not code.startswith("missing_")]


def test_a_chunk_before_done_in_the_same_event_counts_and_one_after_it_does_not() -> None:
    reading = read(sse(TEXT + "\ndata: [DONE]\ndata: " + delta('{"content":"b"}')), done=False)
    assert "a" == reading.message["content"]
    assert isinstance(reading.events[-1], End)
    assert "after_done" in reading.codes


# --- facts on the way


def test_a_snapshot_is_there_at_any_moment() -> None:
    accumulator = Accumulator()
    seen = []
    for block in each_byte(sse(*STREAM[:3])):
        accumulator.feed(block)
        response = accumulator.snapshot()
        seen.append(None if response is None else response.choices[0].message.content)
    assert [None, "", "Grüße, ", "Grüße, \U0001f600"] == list(dict.fromkeys(seen))


@pytest.mark.parametrize(
    "documents, emitted",
    [
        ([], False),
        ([delta('{"role":"assistant","content":""}')], False),
        ([chunk(more='"usage":{"total_tokens":1}')], False),
        ([delta('{"odd":"x"}')], False),
        ([FINISH], False),
        ([TEXT], True),
        ([delta('{"refusal":"no"}')], True),
        ([delta('{"reasoning":"hm"}')], True),
        ([delta('{"tool_calls":[{"index":0,"id":"x","function":{"name":"f"}}]}')], True),
        ([delta('{"audio":{"data":"QQ=="}}')], True),
    ],
)
@pytest.mark.parametrize("verb", ["feed", "absorb"])
def test_emitted_says_whether_there_was_any_output(verb: str, documents: list[str], emitted: bool) -> None:
    accumulator = Accumulator()
    getattr(accumulator, verb)(sse(*documents))
    assert emitted == accumulator.emitted


def test_statistics_say_what_was_read() -> None:
    wire = b": ping\n\n" + sse(TEXT, '{"type":"ping"}', delta('{"odd":1}')) + b":\n\n" + DONE
    statistics = read(wire, done=False).accumulator.statistics()
    assert (len(wire), 1, 4, 2, 2) == (
        statistics.bytes, statistics.blocks, statistics.events, statistics.comments, statistics.chunks,
    )  # fmt: skip
    assert {"choices[].delta.odd": 1} == statistics.unknown_fields


def test_statistics_do_not_change_when_they_are_read() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"odd":1}')))
    before = accumulator.statistics()
    accumulator.feed(sse(delta('{"odd":1}')))
    assert (1, {"choices[].delta.odd": 1}) == (before.chunks, before.unknown_fields)


def test_a_tap_sees_every_chunk_from_there_on_and_changes_nothing() -> None:
    stream = [sse(delta(f'{{"content":"{n}"}}')) for n in range(20)] + [sse(delta(finish="stop")), DONE]
    plain, tapped = Accumulator(), Accumulator()
    chunks: list[Any] = []
    for n, block in enumerate(stream):
        if n == 10:
            tapped.tap(chunks.append)
        assert plain.feed(block) == tapped.feed(block)
    assert [*map(str, range(10, 20)), None] == [one.choices[0].delta.content for one in chunks]
    assert (plain.snapshot(), plain.close()) == (tapped.snapshot(), tapped.close())


def test_progress_is_events_and_chunks() -> None:
    accumulator = Accumulator()
    assert (0, 0) == accumulator.progress
    accumulator.feed(b": hi\n\n" + sse(delta('{"content":"a"}'), delta('{"content":"b"}')) + DONE)
    assert (3, 2) == accumulator.progress


def test_two_streams_do_not_touch_each_other() -> None:
    first, second = Accumulator(), Accumulator()
    for one in STREAM:
        first.feed(sse(one))
        second.feed(sse(delta('{"content":"b"}')))
    assert RESPONSE == unstructure(first.snapshot())
    assert "b" * len(STREAM) == second.snapshot().choices[0].message.content


@pytest.mark.parametrize(
    "reports",
    [
        pytest.param(['{"cost":0.5,"total_tokens":3,"x":null,"prompt_tokens":1}'], id="unknown-counts-first"),
        pytest.param(['{"prompt_tokens":"many","cost":[],"total_tokens":3}'], id="a-count-that-cannot-be-read"),
        pytest.param(['{"prompt_tokens_details":7,"x":{"y":[{}]}}'], id="details-that-are-a-number"),
        pytest.param(['{"completion_tokens_details":{},"x":1}', '{"prompt_tokens":2,"x":0}'], id="two-reports"),
        pytest.param(
            ['{"prompt_tokens":2,"x":1}', '{"prompt_tokens":2,"completion_tokens_details":{},"x":1}'],
            id="an-empty-object-in-the-second",
        ),
        pytest.param(
            ['{"prompt_tokens_details":{"completion_tokens":1,"audio_tokens":0}}'], id="names-in-other-places"
        ),
    ],
)
def test_the_json_of_the_response_is_that_of_its_snapshot(reports: list[str]) -> None:
    accumulator = Accumulator()
    accumulator.absorb(sse(*STREAM, *(chunk(more=f'"usage":{report}') for report in reports)) + DONE)
    assert dumps(accumulator.snapshot()) == accumulator.dumps()
