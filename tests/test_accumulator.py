"""Blocks in, events out, and the response so far at any moment: the life of one stream."""

from __future__ import annotations

import json
import types
from contextlib import nullcontext
from typing import Any

import attrs
import pytest

from helpers.wire import DONE, calls, chunk, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, FormatError, Limits, MisuseError, RemoteError, dumps, structure, unstructure
from streamkit.errors import DeadlineError, LimitError, StreamError
from streamkit.events import End, ErrorSeen
from streamkit.types import CreateChatCompletionStreamResponse

TEXT = delta('{"content":"a"}')
FINISH = delta("{}", "stop")
STREAM = [
    delta('{"role":"assistant","content":""}'),
    delta('{"content":"Grüße, "}'),
    delta('{"content":"\U0001f600\\ud83d"}'),
    delta('{"content":"\\ude00","reasoning":"hm"}', more='"service_tier":"default"'),
    *calls(
        '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}',
        '{"index":0,"function":{"arguments":"{\\"a\\":"}}',
        '{"index":0,"function":{"arguments":"1}"}}',
    ),
    chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'),
]
RESPONSE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 7,
    "model": "m",
    "service_tier": "default",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Grüße, \U0001f600\U0001f600",
                "reasoning": "hm",
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def test_a_stream_becomes_the_response_that_it_stands_for() -> None:
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


@pytest.mark.parametrize("size", [1, 5, 200])
def test_a_failure_is_the_same_however_it_is_cut(size: int) -> None:
    wire = sse(TEXT, delta(index=1), "null", TEXT, "keepalive") + b": ping\n\n" + DONE
    blocks = [wire[at : at + size] for at in range(0, len(wire), size)]
    whole = read_blocks([wire], limits=Limits(max_choices=1))
    assert ("failed", "limit") == whole.ending
    assert whole == read_blocks(blocks, limits=Limits(max_choices=1))


def test_a_mark_cut_in_pieces_is_still_a_mark() -> None:
    assert RESPONSE == read_blocks(each_byte(b"\xef\xbb\xbf" + sse(*STREAM) + DONE)).response


def test_separators_of_unicode_are_no_line_ends() -> None:
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


@pytest.mark.parametrize("block", ["data: {}\n\n", 7, None, ["data"], [1, 2]])
@pytest.mark.parametrize("verb", ["feed", "absorb"])
def test_what_is_no_bytes_is_misuse(verb: str, block: Any) -> None:
    accumulator = Accumulator()
    with pytest.raises(MisuseError, match="takes a block as bytes"):
        getattr(accumulator, verb)(block)
    accumulator.feed(sse(FINISH) + DONE)
    assert accumulator.close().ok


def test_a_view_that_was_released_is_misuse() -> None:
    view = memoryview(b"data")
    view.release()
    with pytest.raises(MisuseError):
        Accumulator().feed(view)


@pytest.mark.parametrize("verb, block", [("feed", b"x"), ("feed", b""), ("absorb", b"x"), ("add", {"choices": []})])
@pytest.mark.parametrize("end", ["close", "cancel"])
def test_after_the_end_nothing_can_be_fed(end: str, verb: str, block: Any) -> None:
    accumulator = Accumulator()
    getattr(accumulator, end)()
    with pytest.raises(MisuseError, match="after close"):
        getattr(accumulator, verb)(block)


def test_what_comes_behind_done_is_left_out_and_noted() -> None:
    reading = read(sse(*STREAM) + DONE + sse(TEXT, chunk(more='"usage":{"total_tokens":99}')) + DONE, done=False)
    assert RESPONSE == reading.response
    assert [("after_done", 3)] == [(one.code, one.count) for one in reading.anomalies]


def test_feeding_goes_on_behind_done_so_that_a_connection_can_be_drained() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(*STREAM) + DONE)
    assert [] == accumulator.feed(b"\n" + sse(TEXT))
    assert accumulator.close().ok


def test_a_last_event_without_its_blank_line_is_used_if_it_is_whole() -> None:
    reading = read(sse(TEXT) + b"data: " + delta('{"content":"b"}', "stop").encode(), done=False)
    assert "ab" == reading.message["content"]
    assert ["unterminated_event", "missing_done"] == reading.codes


def test_a_last_event_that_is_cut_off_is_left_out() -> None:
    reading = read(sse(TEXT) + sse(delta('{"content":"b"}', "stop"))[:-30], done=False)
    assert "a" == reading.message["content"]
    assert ["torn_event"] == reading.codes
    assert ("truncated", "mid_event") == reading.ending


@pytest.mark.parametrize("cut", range(1, len(sse(FINISH))))
def test_wherever_a_stream_breaks_off_what_came_before_stays(cut: int) -> None:
    reading = read_blocks([sse(TEXT) + sse(FINISH)[:cut]])
    assert "a" == reading.message["content"]
    assert reading.outcome.name in ("truncated", "complete")
    whole = cut >= len(sse(FINISH)) - 2
    assert whole == reading.outcome.ok


# --- bodies that are no stream


def test_a_full_response_in_place_of_a_stream_is_the_response() -> None:
    body = (
        '{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
        '"content":"hi","odd":1,"tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},'
        '"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"odd":2}'
    )
    reading = read(body.encode(), done=False)
    assert ("hi", 1, [("x", "f", "{}")]) == (reading.message["content"], reading.message["odd"], reading.calls)
    assert (3, 2) == (reading.response["usage"]["total_tokens"], reading.response["odd"])
    assert ["full_body"] == [code for code in reading.codes if not code.startswith("tool_")]


def test_an_error_body_says_what_the_sender_said() -> None:
    reading = read(b'{"error":{"message":"no such key","type":"auth","code":"invalid_key"}}', done=False)
    error = reading.outcome.error
    assert ("no such key", "auth", "invalid_key") == (error.message, error.type, error.code)
    assert None is reading.response
    assert [error] == [event.error for event in reading.of(ErrorSeen)]


@pytest.mark.parametrize("body", [b"<html>502</html>", b" \n<html>502</html>", b"{nonsense", b"[1]"])
def test_a_body_that_is_no_stream_fails_with_how_it_begins(body: bytes) -> None:
    reading = read(body, done=False)
    error = reading.outcome.error
    assert ("failed", "not_a_stream") == reading.ending
    assert error.excerpt is not None
    assert error.excerpt.strip() in body.decode()


def test_nothing_is_told_of_a_body_before_it_has_ended() -> None:
    accumulator = Accumulator()
    assert [] == accumulator.feed(b'{"error":{"message":"boom"}}')
    assert not accumulator.done
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in accumulator.close().events]


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
def test_what_can_be_had_of_a_broken_event_is_had_and_said(wire: bytes, content: str, codes: list[str]) -> None:
    reading = read(wire, done=False)
    assert content == reading.message["content"]
    assert codes == [code for code in reading.codes if not code.startswith("missing_")]


def test_a_chunk_before_done_in_the_same_event_counts_and_one_behind_it_does_not() -> None:
    reading = read(sse(TEXT + "\ndata: [DONE]\ndata: " + delta('{"content":"b"}')), done=False)
    assert "a" == reading.message["content"]
    assert isinstance(reading.events[-1], End)
    assert "after_done" in reading.codes


# --- errors inside the stream


def test_an_error_in_a_chunk_with_content_keeps_the_content() -> None:
    reading = read(
        TEXT,
        '{"id":"c1","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"error"}],"error":{"code":502,"message":"bad"}}',
    )
    assert ("failed", "remote_error") == reading.ending
    assert ("ab", 502) == (reading.message["content"], reading.outcome.error.code)


def test_the_response_so_far_is_on_the_error_as_soon_as_it_is_seen() -> None:
    accumulator = Accumulator()
    told = accumulator.feed(sse(TEXT, '{"error":"boom"}'))
    (seen,) = [event for event in told if isinstance(event, ErrorSeen)]
    assert "a" == seen.error.partial.choices[0].message.content
    assert seen.error.emitted


# --- strict


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_strict_raises_at_the_first_anomaly_that_is_worse_than_a_note(cut: bool) -> None:
    wire = sse(TEXT, "null", "keepalive", FINISH) + DONE
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError) as caught:
        list(map(accumulator.feed, each_byte(wire) if cut else [wire]))
    assert ("not_json", 3) == (caught.value.code, caught.value.event)
    assert "a" == caught.value.partial.choices[0].message.content
    assert caught.value.emitted
    assert ("failed", "anomaly") == (accumulator.outcome.name, accumulator.outcome.reason)
    assert ["null_event", "not_json"] == [one.code for one in accumulator.anomalies][:2]


def test_after_strict_has_raised_the_stream_is_over_and_raises_no_more() -> None:
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError):
        accumulator.feed(sse(TEXT, "keepalive"))
    assert [] == accumulator.feed(sse(delta('{"content":5}'), "keepalive"))
    assert "anomaly" == accumulator.close().reason
    assert "a" == accumulator.snapshot().choices[0].message.content


def test_strict_raises_at_the_end_too() -> None:
    accumulator = Accumulator(strict=True)
    accumulator.feed(sse(delta('{"content":"a\\ud83d"}')))
    with pytest.raises(FormatError) as caught:
        accumulator.close()
    assert "lone_surrogate" == caught.value.code
    assert "anomaly" == accumulator.close().reason
    assert isinstance(accumulator.close().events[-1], End)


@pytest.mark.parametrize(
    "wire, reason",
    [
        (sse(delta('{"content":"a\\ud83d"}'), "keepalive"), "anomaly"),
        (sse(delta('{"content":"a\\ud83d"}'), delta(index=1)), "limit"),
        (sse(delta('{"content":"a\\ud83d"}'), '{"error":"boom"}') + DONE, "remote_error"),
    ],
    ids=["anomaly", "limit", "error"],
)
def test_half_a_pair_that_waits_while_a_strict_stream_fails_does_no_harm(wire: bytes, reason: str) -> None:
    accumulator = Accumulator(strict=True, limits=Limits(max_choices=1))
    with nullcontext() if reason == "limit" else pytest.raises((FormatError, RemoteError)):
        accumulator.feed(wire)
    assert ("failed", reason) == (accumulator.close().name, accumulator.close().reason)
    assert "a\ufffd" == accumulator.snapshot().choices[0].message.content


@pytest.mark.parametrize("way", ["feed", "absorb"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize(
    "body, reason, message",
    [
        (b'{"error":{"message":"boom","code":"c"}}', "error_body", "boom"),
        (b'[{"error":{"message":"boom"}}]', "error_body", "boom"),
        (b'{"detail":"boom"}', "error_body", "boom"),
        (b'{"error":{"message":"boom"}}\n', "error_body", "boom"),
        (b"<title>boom</title>", "not_a_stream", "boom"),
        (b"upstream timed out", "not_a_stream", "upstream timed out"),
    ],
)
def test_strict_raises_what_the_sender_says_instead_of_a_stream_as_it_does_for_an_event(
    body: bytes, reason: str, message: str, cut: bool, way: str
) -> None:
    accumulator = Accumulator(strict=True)
    for block in each_byte(body) if cut else [body]:
        getattr(accumulator, way)(block)
    with pytest.raises(RemoteError) as caught:
        accumulator.close()
    assert message == caught.value.message
    outcome = accumulator.close()
    assert ("failed", reason) == (outcome.name, outcome.reason)
    assert outcome.error is caught.value
    assert [ErrorSeen, End] == [type(event) for event in outcome.events][-2:]


@pytest.mark.parametrize("body", [b"", b"[1]", b"\x1f\x8b\x08", sse(TEXT)])
def test_under_strict_what_the_sender_does_not_say_is_the_outcomes_error_alone(body: bytes) -> None:
    accumulator = Accumulator(strict=True)
    accumulator.feed(body)
    assert not accumulator.close().ok


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_an_error_that_stands_before_the_end_without_data_is_the_senders(blank: str, cut: bool) -> None:
    wire = f'{{"error":{{"message":"boom"}}}}\n{blank}data: [DONE]\n\n'.encode()
    reading = read_blocks(each_byte(wire) if cut else [wire])
    assert ("failed", "remote_error") == reading.ending


def test_a_clean_stream_is_fine_under_strict() -> None:
    assert RESPONSE == read(*STREAM, strict=True).response


# --- chunks that somebody else decoded


def add_all(chunks: list[Any], **options: Any) -> Accumulator:
    accumulator = Accumulator(**options)
    for one in chunks:
        accumulator.add(one)
    accumulator.close()
    return accumulator


def mappings() -> list[dict[str, Any]]:
    return [json.loads(one) for one in STREAM]


def openai_chunk() -> Any:
    """The class of openai-python's chunks, where that is installed."""
    return pytest.importorskip("openai.types.chat").ChatCompletionChunk


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda one: one, id="mapping"),
        pytest.param(types.MappingProxyType, id="other-mapping"),
        pytest.param(lambda one: structure(one, CreateChatCompletionStreamResponse), id="ours"),
        pytest.param(lambda one: openai_chunk().model_validate(one), id="openai"),
    ],
)
def test_chunks_may_come_from_elsewhere(made: Any) -> None:
    accumulator = add_all([made(one) for one in mappings()])
    assert RESPONSE == unstructure(accumulator.snapshot())
    assert ("complete", "finish_without_done") == (accumulator.outcome.name, accumulator.outcome.reason)


def test_an_sdk_object_that_validates_nothing_is_taken_as_it_is() -> None:
    wild = {"id": "c1", "choices": [{"delta": {"content": "a", "odd": [1]}, "finish_reason": "eos"}], "created": None}
    accumulator = add_all([openai_chunk().construct(**wild)])
    assert ("a", [1]) == (
        accumulator.snapshot().choices[0].message.content,
        accumulator.snapshot().choices[0].message.extra["odd"],
    )


@attrs.define
class Dumped:
    """An object of some SDK."""

    value: Any

    def to_dict(self) -> Any:
        return self.value


def test_an_object_that_can_dump_itself_is_taken() -> None:
    assert RESPONSE == unstructure(add_all([Dumped(one) for one in mappings()]).snapshot())


@pytest.mark.parametrize("chunk", ["data: {}", b"{}", None, 7, [], object(), dict, Dumped, Dumped(7)])
def test_what_is_no_chunk_is_misuse(chunk: Any) -> None:
    with pytest.raises(MisuseError, match="takes a chunk"):
        Accumulator().add(chunk)


def test_added_chunks_give_the_same_events_as_fed_ones() -> None:
    accumulator = Accumulator()
    added = [event for one in mappings() for event in accumulator.add(one)]
    assert list(read_blocks([sse(*STREAM)]).events)[: len(added)] == added


def test_what_was_added_may_change_without_changing_the_response() -> None:
    mapping = json.loads(
        delta('{"content":"a","annotations":[{"a":1}],"odd":{"b":[1]},"images":[[1]]}', more='"odd":[1]')
    )
    accumulator = Accumulator()
    accumulator.add(mapping)
    before = unstructure(accumulator.snapshot())
    mapping["choices"][0]["delta"]["annotations"][0]["a"] = 2
    mapping["choices"][0]["delta"]["odd"]["b"].append(2)
    mapping["choices"][0]["delta"]["images"][0].append(2)
    mapping["odd"].append(2)
    assert before == unstructure(accumulator.snapshot())


def test_adding_and_feeding_may_be_mixed() -> None:
    accumulator = Accumulator()
    accumulator.add(mappings()[0])
    accumulator.feed(sse(*STREAM[1:4]))
    for one in mappings()[4:]:
        accumulator.add(one)
    assert RESPONSE == unstructure(accumulator.snapshot())


def test_what_is_added_behind_done_is_left_out() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(TEXT, FINISH) + DONE)
    assert [] == accumulator.add({"choices": [{"index": 0, "delta": {"content": "b"}}]})
    assert "a" == accumulator.snapshot().choices[0].message.content
    assert ["after_done"] == [one.code for one in accumulator.anomalies]


@pytest.mark.parametrize(
    "chunk",
    [
        {"error": {"message": "boom"}},
        {"choices": [], "error": {"message": "boom"}},
        {"choices": [{"index": 0, "delta": {}, "error": {"message": "boom"}}]},
        CreateChatCompletionStreamResponse("c1", [], 7, "m", extra={"error": {"message": "boom"}}),
    ],
    ids=["bare", "chunk", "choice", "ours"],
)
def test_an_error_that_is_added_is_an_error(chunk: Any) -> None:
    accumulator = add_all([chunk])
    assert ("failed", "remote_error", "boom") == (
        accumulator.outcome.name, accumulator.outcome.reason, accumulator.outcome.error.message,
    )  # fmt: skip


def test_adding_raises_under_strict() -> None:
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError):
        accumulator.add({"choices": [{"index": "0", "delta": {"content": "a"}}], "created": 1})
    assert "anomaly" == accumulator.close().reason


def test_a_limit_holds_for_added_chunks() -> None:
    accumulator = Accumulator(limits=Limits(max_choices=1))
    told = accumulator.add({"created": 1, "choices": [{"index": at, "delta": {}} for at in range(2)]})
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in told][-2:]
    assert isinstance(accumulator.close().error, LimitError)


@pytest.mark.parametrize("depth", [150, 5000])
def test_a_mapping_nested_beyond_reason_is_a_failure_or_left_out_but_no_crash(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    accumulator = Accumulator()
    accumulator.add({"created": 1, "choices": [{"index": 0, "delta": {"content": "a"}}]})
    accumulator.add({"created": 1, "choices": [{"index": 0, "delta": {"odd": value}}]})
    assert "a" == accumulator.snapshot().choices[0].message.content
    assert accumulator.anomalies or accumulator.outcome.reason == "limit"


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


def test_statistics_say_what_went_through() -> None:
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


@pytest.mark.parametrize("index, call", [(1, 0), (0, 1)])
def test_a_call_that_is_not_there_cannot_be_explained(index: int, call: int) -> None:
    accumulator = read(*STREAM).accumulator
    assert 2 == len(accumulator.explain(0, 0))
    with pytest.raises(MisuseError):
        accumulator.explain(index, call)


def test_something_outside_of_the_bytes_may_fail_the_stream() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"content":"a"}')))
    error = DeadlineError("too late", deadline="total", seconds=5)
    outcome = accumulator.fail(error, "deadline_total")
    assert ("failed", "deadline_total", error) == (outcome.name, outcome.reason, outcome.error)
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in outcome.events]
    assert accumulator.snapshot() == error.partial
    assert error.emitted
    assert outcome is accumulator.close()


def test_a_stream_that_has_ended_cannot_be_failed_any_more() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta(finish="stop")) + DONE)
    assert "complete" == accumulator.fail(StreamError("late"), "deadline_total").name


def test_the_first_error_of_a_stream_decides_it_and_not_the_one_from_outside() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse('{"error":{"message":"boom"}}'))
    outcome = accumulator.fail(StreamError("late"), "deadline_total")
    assert ("remote_error", "boom") == (outcome.reason, outcome.error.message)


@pytest.mark.parametrize("reason", ["done", "no_finish", "cancelled", "no such reason"])
def test_a_stream_fails_for_a_reason_that_stands_for_a_failure(reason: str) -> None:
    with pytest.raises(MisuseError, match="a reason out of REASONS"):
        Accumulator().fail(StreamError("late"), reason)


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


# --- what feed may raise


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        '{"choices":[]}',
        '{"choices":[{}]}',
        '{"choices":[[]]}',
        '{"choices":{"0":{}}}',
        '{"choices":"none"}',
        '{"choices":[{"index":-1,"delta":[]}]}',
        '{"choices":[{"index":1e300,"delta":"a"}]}',
        '{"choices":[{"index":[],"delta":{"content":{"a":1}}}]}',
        '{"choices":[{"delta":{"role":[],"content":true,"refusal":{},"tool_calls":[[],7,"a",{"function":[]}]}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"index":{},"id":[],"type":{},"function":{"name":[],"arguments":[]}}]}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"custom":[]},{"custom":{"name":7,"input":{"a":1}}},{"type":7}]}}]}',
        '{"choices":[{"delta":{"function_call":[],"audio":[],"annotations":{},"reasoning":[],"reasoning_details":{}}}]}',
        '{"choices":[{"delta":{"audio":{"id":[],"data":7,"transcript":{},"expires_at":"soon"}}}]}',
        '{"choices":[{"delta":{"reasoning_details":[{"type":[],"index":{},"text":7},[],7]}}]}',
        '{"choices":[{"delta":{"content":[7,[],{"type":"text"},{"type":"thinking","thinking":7}]}}]}',
        '{"choices":[{"logprobs":[]},{"logprobs":{"content":{},"refusal":[7]}}]}',
        '{"choices":[{"logprobs":{"content":[{"token":7,"logprob":"a","bytes":"b","top_logprobs":{}}]}}]}',
        '{"choices":[{"logprobs":{"content":[{"logprob":9e999,"top_logprobs":[{"token":null}]}]}}]}',
        '{"choices":[{"finish_reason":{}},{"finish_reason":[]},{"finish_reason":0},{"finish_reason":true}]}',
        '{"choices":[{"message":[]},{"message":{"content":[],"tool_calls":{}},"finish_reason":"stop"}]}',
        '{"choices":[],"usage":[]}',
        '{"choices":[],"usage":{"prompt_tokens":"many","total_tokens":9e999,"prompt_tokens_details":7}}',
        '{"choices":[],"x_groq":{"usage":7},"created":"0001-01-01T00:00:00+23:59","id":{},"model":[],"object":7}',
        '{"choices":[],"created":"9999-12-31T23:59:59-23:59"}',
        '{"choices":[],"created":-9e999}',
        '{"choices":[],"created":"\\u00b2"}',
        '{"choices":[],"service_tier":[],"system_fingerprint":{}}',
        '{"error":[]}',
        '{"error":{"message":{"message":[]},"code":{},"type":[],"param":{}}}',
        '{"error_type":{},"choices":null}',
        '{"base_resp":{"status_code":"x","status_msg":[]}}',
        '{"message":{},"code":[]}',
        "[[[{}]]]",
        '{"":{"":""}}',
    ],
)
def test_no_json_can_make_it_raise_and_the_response_can_always_be_written(document: str) -> None:
    reading = read(TEXT, document, delta('{"content":"b"}'), document, FINISH)
    (first,) = [one for one in reading.response["choices"] if one["index"] == 0]
    assert first["message"]["content"].startswith("a")
    assert dumps(reading.accumulator.snapshot())


@pytest.mark.parametrize(
    "block", [b"\x00", b"\xff\xfe\x00", b"data: \xff\n\n", b"data: {\n\n" * 3, b"data: [DONE\n\n", b"\r" * 9]
)
def test_no_bytes_can_make_it_raise(block: bytes) -> None:
    assert "failed" == read(block, done=False).outcome.name


def test_a_tap_that_raises_loses_nothing_and_is_told_as_misuse() -> None:
    def take(chunk: object) -> None:
        seen.append(chunk)
        raise ZeroDivisionError("mine")

    seen: list[object] = []
    accumulator = Accumulator()
    accumulator.tap(take)
    with pytest.raises(MisuseError, match="ZeroDivisionError: mine") as caught:
        accumulator.feed(sse(delta('{"content":"a"}'), delta('{"content":"b"}')))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 1 == len(seen)
    accumulator.feed(sse(delta('{"content":"c"}', finish="stop")))
    assert accumulator.close().ok
    response = accumulator.snapshot()
    assert response is not None
    assert "abc" == response.choices[0].message.content


def test_a_tap_is_a_function() -> None:
    with pytest.raises(MisuseError, match="5"):
        Accumulator().tap(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("choice", "call"), [(0, -1), (0, 1), (1, 0), ("0", 0), (0, "0")])
def test_only_a_call_that_is_there_is_explained(choice: Any, call: Any) -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}')))
    with pytest.raises(MisuseError, match=f"not {choice!r} and {call!r}"):
        accumulator.explain(choice, call)


# --- half an event


@pytest.mark.parametrize(
    "half", [b"d", b"data: {", b'{"id":', sse(TEXT) + b"data", sse(TEXT)[:-1], b"id: 1\n", b"\xef\xbb"]
)
def test_a_chunk_between_the_halves_of_an_event_is_misuse_and_changes_nothing(half: bytes) -> None:
    accumulator = Accumulator()
    accumulator.feed(half)
    before = accumulator.statistics()
    for _ in range(2):
        with pytest.raises(MisuseError, match="half an event was fed: feed the rest of it first"):
            accumulator.add({"choices": [{"index": 0, "delta": {"content": "b"}}]})
    assert before == accumulator.statistics()


@pytest.mark.parametrize(
    "whole", [b"", b"\n", b": a comment\n", sse(TEXT), sse(TEXT).replace(b"\n", b"\r\n"), sse(TEXT) * 9]
)
def test_a_chunk_after_whole_events_is_taken(whole: bytes) -> None:
    accumulator = Accumulator()
    accumulator.feed(whole)
    accumulator.add({"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]})
    assert accumulator.snapshot().choices[0].message.content.endswith("b")
    assert accumulator.close().ok
