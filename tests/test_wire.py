"""What real senders write, entry by entry: lines and events (1 to 26) and errors inside the stream (27 to 34).

The number in a test's name is that of the entry in the survey of wire shapes that this library was built on. The rest
of it is in test_wire_chunks.py (35 to 65), test_wire_tools.py (66 to 95) and test_wire_text.py (96 to 124). Where a
test holds something else than the survey proposes, its docstring says why.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.wire import DONE, chunk, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, FormatError, dumps
from streamkit.errors import RemoteError
from streamkit.events import ChoiceStarted, ContentDelta, End, ErrorSeen, KeepAlive

HI = delta('{"content":"Hi"}')
STOP = delta("{}", "stop")
PLAIN = ["ChoiceStarted", "ContentStarted", "ContentDelta", "Finish", "ContentDone", "ChoiceDone", "End"]


def test_each_entry_from_1_to_124_has_a_test() -> None:
    here = Path(__file__).parent
    names = [
        name
        for path in here.glob("test_wire*.py")
        for name in re.findall(r"^def test_(\d{3})_", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert list(range(1, 125)) == sorted({int(name) for name in names})


# --- A. lines and events


def test_001_no_space_follows_the_colon() -> None:
    wire = b"data:" + HI.encode() + b"\n\ndata:" + STOP.encode() + b"\n\ndata:[DONE]\n\n"
    reading = read(wire, done=False)
    assert ("Hi", ("complete", "done"), []) == (reading.message["content"], reading.ending, reading.codes)


def test_001_only_one_space_is_taken_off() -> None:
    assert ("complete", "done") == read(b"data:  " + STOP.encode() + b"\n\n").ending


@pytest.mark.parametrize(
    "ends", [[b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r", b"\r", b"\r\n", b"\n"]], ids=["crlf", "cr", "mixed"]
)
def test_002_lines_end_in_any_of_three_ways(ends: list[bytes]) -> None:
    lines = (sse(HI, STOP) + DONE).split(b"\n")
    wire = b"".join(line + ends[at % len(ends)] for at, line in enumerate(lines))
    reading = read(wire, done=False)
    assert ("Hi", ("complete", "done"), []) == (reading.message["content"], reading.ending, reading.codes)


def test_002_a_cr_and_its_lf_may_arrive_in_two_blocks() -> None:
    wire = (sse(HI, STOP) + DONE).replace(b"\n", b"\r\n")
    cut = wire.index(b"\r\n") + 1
    assert "Hi" == read_blocks([wire[:cut], wire[cut:]]).message["content"]


@pytest.mark.parametrize("cuts", [(0, 0), (1, 2), (1, 3), (2, 4)])
def test_003_a_byte_order_mark_does_not_hide_the_first_event(cuts: tuple[int, int]) -> None:
    wire = b"\xef\xbb\xbf" + sse(HI, STOP) + DONE
    reading = read_blocks([wire[: cuts[0]], wire[cuts[0] : cuts[1]], wire[cuts[1] :]])
    assert ("Hi", []) == (reading.message["content"], reading.codes)


def test_003_a_second_mark_is_not_a_mark_but_what_follows_it_is_not_lost() -> None:
    reading = read(b"\xef\xbb\xbf\xef\xbb\xbf" + sse(HI, STOP))  # by the standard, `\ufeffdata` is a field of its own
    assert ("Hi", True) == (reading.message["content"], "unframed_json" in reading.codes)


@pytest.mark.parametrize(
    "comment, text",
    [
        (b": OPENROUTER PROCESSING\n\n", "OPENROUTER PROCESSING"),
        (b": ping - 2026-07-26 12:00:00\n\n", "ping - 2026-07-26 12:00:00"),
        (b":\n\n", ""),
        (b":\n", ""),
    ],
)
def test_004_comments_are_signs_of_life_and_no_output(comment: bytes, text: str) -> None:
    reading = read(comment + sse(HI) + comment + sse(STOP))
    assert [text, text] == [event.text for event in reading.of(KeepAlive)]
    assert (PLAIN, []) == ([kind for kind in reading.kinds if kind != "KeepAlive"], reading.codes)
    assert not read(comment).accumulator.emitted


@pytest.mark.parametrize("event", [b"retry: 3000\n\n", b"id: 7\n\n", b"event: ping\n\n", b"\n\n\n"])
def test_005_an_event_without_data_is_none(event: bytes) -> None:
    reading = read(event + sse(HI) + event + sse(STOP))
    assert (PLAIN, [], 3) == (reading.kinds, reading.codes, reading.accumulator.statistics().events)


@pytest.mark.parametrize("event", [b"event: ping\ndata: \n\n", b"data:\n\n", b"data:   \n\n"])
def test_005_an_event_with_blank_data_is_left_out(event: bytes) -> None:
    reading = read(event + sse(HI) + event + sse(STOP))
    assert (PLAIN, ["blank_event"], 2) == (reading.kinds, reading.codes, reading.anomalies[0].count)


def test_006_an_id_does_not_make_events_out_of_blank_lines() -> None:
    reading = read(b"id: 1\n" + sse(HI) + b"\n\n\nid: 2\n\n\n" + sse(STOP))
    assert (PLAIN, [], 3) == (reading.kinds, reading.codes, reading.accumulator.statistics().events)


@pytest.mark.parametrize(
    "event, text",
    [
        (b'event: ping\ndata: {"type":"ping"}\n\n', "ping"),
        (b'data: {"type":"ping"}\n\n', "ping"),
        (b"event: keepalive\ndata: {}\n\n", "keepalive"),
    ],
)
def test_007_an_object_that_is_not_a_chunk_is_a_ping(event: bytes, text: str) -> None:
    reading = read(event + sse(HI) + event + sse(STOP))
    assert [text, text] == [event.text for event in reading.of(KeepAlive)]
    assert ("Hi", ["not_a_chunk"], "note") == (
        reading.message["content"], reading.codes, reading.anomalies[0].severity,
    )  # fmt: skip


def test_008_a_null_in_place_of_a_chunk_is_left_out() -> None:
    reading = read("null", HI, "null", STOP)
    assert (PLAIN, [("null_event", "note", 1, 2)]) == (
        reading.kinds, [(one.code, one.severity, one.event, one.count) for one in reading.anomalies],
    )  # fmt: skip


@pytest.mark.parametrize(
    "item, path",
    [
        ("[null," + HI + "]", "$"),
        (chunk("null," + '{"index":0,"delta":{"content":"Hi"}}'), "$.choices[0]"),
        (delta('{"content":"Hi","tool_calls":[null]}'), "$.choices[0].delta.tool_calls[0]"),
    ],
)
def test_008_a_null_in_a_list_is_left_out_and_nothing_is_lost(item: str, path: str) -> None:
    reading = read(item, STOP)
    assert "Hi" == reading.message["content"]
    assert path in [one.path for one in reading.anomalies if one.code in ("null_item", "null_event")]
    assert "lost" not in [one.severity for one in reading.anomalies]


@pytest.mark.parametrize("data", ["keepalive", "[DATA]", '"ok"', "17", "True"])
def test_009_data_that_is_not_json_is_left_out_and_reported(data: str) -> None:
    reading = read(HI, data, STOP)
    assert ("Hi", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert [("not_json", "lost", 2)] == [(one.code, one.severity, one.event) for one in reading.anomalies]


def test_009_strict_raises_with_the_raw_line() -> None:
    with pytest.raises(FormatError) as caught:
        Accumulator(strict=True).feed(sse(HI, "keepalive"))
    assert ("not_json", 2, "keepalive") == (caught.value.code, caught.value.event, caught.value.excerpt)


def test_010_json_on_many_data_lines_is_one_document() -> None:
    pretty = json.dumps(json.loads(HI), indent=2).encode()
    wire = b"".join(b"data: " + line + b"\n" for line in pretty.split(b"\n")) + b"\n"
    reading = read(wire + sse(STOP))
    assert ("Hi", []) == (reading.message["content"], reading.codes)


def test_011_json_on_a_line_without_data_before_it_is_read() -> None:
    reading = read(b"data:\n " + HI.encode() + b"\n\ndata:\n " + STOP.encode() + b"\n\n")
    assert ("Hi", ("complete", "done"), ["unframed_json"]) == (
        reading.message["content"],
        reading.ending,
        reading.codes,
    )


def test_011_a_stream_that_never_writes_data_is_read_at_its_end() -> None:
    """Its first byte is that of a body that is not a stream, so nothing can be reported before the end."""
    reading = read((HI + "\n" + STOP + "\n").encode(), done=False)
    assert ("Hi", ("complete", "finish_without_done")) == (reading.message["content"], reading.ending)
    assert ["unframed_json", "missing_done"] == reading.codes


@pytest.mark.parametrize(
    "wire",
    [
        b"data: " + HI.encode() + b"\ndata: " + STOP.encode() + b"\n\n",
        b"data: " + HI.encode() + STOP.encode() + b"\n\n",
        b"data: " + HI.encode() + b"\ndata: " + STOP.encode() + b"\ndata: [DONE]\n\n",
    ],
    ids=["a single line end between them", "nothing between them", "[DONE] too"],
)
def test_012_two_documents_in_one_event_are_read_each(wire: bytes) -> None:
    reading = read(wire)
    assert ("Hi", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert ["several_documents"] == [code for code in reading.codes if code != "after_done"]


@pytest.mark.parametrize("prefix", [b"", b"data: "], ids=["without data:", "with data:"])
def test_012_an_error_that_a_relay_puts_into_an_event_it_had_begun_is_read(prefix: bytes) -> None:
    begun = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"lost'
    wire = begun + b"\n" + prefix + b'{"type":"error","error":{"message":"gone","code":502}}\n\n'
    reading = read(sse(HI) + wire)
    assert ("Hi", ("failed", "remote_error"), "gone", 502) == (
        reading.message["content"], reading.ending, reading.outcome.error.message, reading.outcome.error.code,
    )  # fmt: skip
    assert ("event_in_event", "lost", 2) in [(one.code, one.severity, one.event) for one in reading.anomalies]


@pytest.mark.parametrize("between", [b"", b"\n\n"], ids=["joined", "a blank line inside"])
def test_012_a_document_over_two_events_is_put_together(between: bytes) -> None:
    text = delta('{"content":"a b"}')
    half = text.index("a b") - 12
    reading = read(sse(text[:half]) + sse(text[half:]), STOP)
    assert ("a b", ["split_document"]) == (reading.message["content"], reading.codes)


def test_013_of_a_torn_frame_the_broken_half_is_dropped_and_the_rest_read() -> None:
    torn = '{"id":"c1","choices":[{"index":0,"delta":{"role":"adata: ' + HI
    reading = read(torn, STOP)
    assert ("Hi", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert [("event_in_event", "lost", 1)] == [(one.code, one.severity, one.event) for one in reading.anomalies]


def test_013_text_that_quotes_a_frame_is_text() -> None:
    quoted = json.dumps({"content": 'data: {"id":1} data: [DONE]'})
    reading = read(delta(quoted, "stop"))
    assert ('data: {"id":1} data: [DONE]', []) == (reading.message["content"], reading.codes)


def test_014_separators_of_unicode_end_no_line() -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    reading = read(delta(json.dumps({"content": text}, ensure_ascii=False)), STOP)
    assert (text, []) == (reading.message["content"], reading.codes)


@pytest.mark.parametrize("text", ["日本語", "naïve", "\U0001f600 ok"])
def test_015_a_character_may_be_cut_between_two_reads(text: str) -> None:
    wire = sse(delta(json.dumps({"content": text}, ensure_ascii=False)), STOP) + DONE
    for reading in (read_blocks([wire[:at], wire[at:]]) for at in range(1, len(wire))):
        assert (text, []) == (reading.message["content"], reading.codes)


def test_016_surrogate_halves_in_two_deltas_become_their_character() -> None:
    reading = read(delta('{"content":"a\\ud83d"}'), delta('{"content":"\\ude00b"}'), STOP)
    assert ("a\U0001f600b", []) == (reading.message["content"], reading.codes)
    assert ["a", "\U0001f600b"] == [event.text for event in reading.of(ContentDelta)]


def test_016_a_half_that_stays_alone_is_converted_to_a_replacement_character() -> None:
    reading = read(delta('{"content":"a\\ud83d"}'), STOP)
    assert ("a\ufffd", [("lone_surrogate", "repaired")]) == (
        reading.message["content"], [(one.code, one.severity) for one in reading.anomalies],
    )  # fmt: skip
    assert b"a\xef\xbf\xbd" in dumps(reading.accumulator.snapshot())


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"index":0,"id":"x","function":{"name":"f","arguments":"\\"\\ud83d"}}', '{"index":0,"function":{"arguments":"\\ude00\\""}}'],
    ],
)  # fmt: skip
def test_016_so_do_halves_in_the_arguments_of_a_call(pieces: list[str]) -> None:
    reading = read(*(delta(f'{{"tool_calls":[{one}]}}') for one in pieces), delta("{}", "tool_calls"))
    assert ([("x", "f", '"\U0001f600"')], []) == (reading.calls, reading.codes)


def test_017_bytes_that_are_not_utf_8_are_replaced_and_reported() -> None:
    wire = sse(delta('{"content":"aXb"}').encode().replace(b"X", b"\xff\xfe"), STOP)
    reading = read(wire)
    assert ("a\ufffd\ufffdb", [("invalid_utf8", "repaired")]) == (
        reading.message["content"], [(one.code, one.severity) for one in reading.anomalies],
    )  # fmt: skip
    with pytest.raises(FormatError, match="not UTF-8"):
        Accumulator(strict=True).feed(wire)


def test_018_without_done_every_finish_reason_makes_it_complete() -> None:
    reading = read(HI, STOP, done=False)
    assert (("complete", "finish_without_done"), ["missing_done"]) == (reading.ending, reading.codes)


def test_018_done_without_a_finish_reason_is_complete_and_no_reason_is_made_up() -> None:
    """The survey would infer a reason. An ending is never invented: it stays None, also the effective one, and the
    outcome and an anomaly say which case it was."""
    reading = read(HI)
    assert (("complete", "done_without_finish"), ["missing_finish"]) == (reading.ending, reading.codes)
    (choice,) = reading.accumulator.snapshot().choices
    assert (None, None) == (choice.finish_reason, choice.effective_finish_reason)
    assert "ContentDone" in reading.kinds


def test_019_an_end_without_either_is_truncated() -> None:
    reading = read(HI, done=False)
    assert (("truncated", "no_finish"), []) == (reading.ending, reading.codes)
    assert "Hi" == reading.outcome.error.partial.choices[0].message.content
    assert reading.outcome.error.emitted
    assert "ContentDone" not in reading.kinds


def test_019_arguments_of_a_truncated_stream_never_look_ready_to_run() -> None:
    call = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}'
    reading = read(delta(f'{{"tool_calls":[{call}]}}'), done=False)
    (found,) = reading.accumulator.snapshot().choices[0].message.tool_calls
    assert (("truncated", "no_finish"), "{}", False) == (reading.ending, found.function.arguments, found.complete)
    assert "ToolCallDone" not in reading.kinds


def test_020_a_last_event_without_its_blank_line_counts_if_it_is_whole() -> None:
    last = delta("{}", "stop", more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}')
    for end in (b"", b"\n", b"\r"):
        reading = read(sse(HI) + b"data: " + last.encode() + end, done=False)
        assert (("complete", "finish_without_done"), 3) == (reading.ending, reading.response["usage"]["total_tokens"])
        assert ["unterminated_event", "missing_done"] == reading.codes


def test_020_one_that_is_cut_off_is_left_out() -> None:
    reading = read(sse(HI) + b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":" the', done=False)
    assert ("Hi", ("truncated", "mid_event"), ["torn_event"]) == (
        reading.message["content"], reading.ending, reading.codes,
    )  # fmt: skip


def test_021_what_follows_done_is_drained_and_no_part_of_the_response() -> None:
    late = chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}')
    reading = read(sse(HI, STOP) + DONE + sse(HI, late) + DONE, done=False)
    assert ("Hi", None) == (reading.message["content"], reading.response["usage"])
    assert [("after_done", "note", 3)] == [(one.code, one.severity, one.count) for one in reading.anomalies]
    assert isinstance(reading.events[-1], End)


def test_021_what_follows_done_in_its_event_does_not_either() -> None:
    reading = read(sse(HI, STOP, "[DONE]" + HI), done=False)
    assert ("Hi", ("complete", "done"), ["done_suffix"]) == (reading.message["content"], reading.ending, reading.codes)


@pytest.mark.parametrize(
    "body, facts",
    [
        (
            '{"error":{"message":"no such key","type":"auth","param":"key","code":"invalid"}}',
            ("no such key", "auth", "key", "invalid"),
        ),
        ('{"error":"boom"}', ("boom", None, None, None)),
        ('{"detail":"Not Found"}', ("Not Found", None, None, None)),
        ('{"message":"slow down","code":429}', ("slow down", None, None, 429)),
        ('{"success":false,"errors":[{"code":7003,"message":"no route"}]}', ("no route", None, None, 7003)),
        ('{"object":"error","message":"too long","type":"BadRequest","param":null,"code":400}', ("too long", "BadRequest", None, 400)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [b"", b" \r\n", b"\xef\xbb\xbf"], ids=["", "space", "mark"])
def test_022_an_error_body_under_status_200_is_the_error(body: str, facts: tuple[object, ...], before: bytes) -> None:
    reading = read(before + body.encode(), done=False)
    error = reading.outcome.error
    assert (("failed", "error_body"), None) == (reading.ending, reading.response)
    assert isinstance(error, RemoteError)
    assert (facts, json.loads(body)) == ((error.message, error.type, error.param, error.code), error.body)
    assert (["ErrorSeen", "End"], False) == (reading.kinds, reading.accumulator.emitted)


def test_022_so_is_one_with_done_after_it() -> None:
    reading = read(b'{"error":{"message":"boom","code":500}}\n\n')
    assert (("failed", "remote_error"), "boom") == (reading.ending, reading.outcome.error.message)


def test_022_a_web_page_is_an_error_with_its_text() -> None:
    page = "<html><head><title>502 Bad\n Gateway</title></head><body>…</body></html>"
    reading = read(page.encode(), done=False)
    error = reading.outcome.error
    assert (("failed", "not_a_stream"), "502 Bad Gateway", page) == (reading.ending, error.message, error.body)
    assert isinstance(error, RemoteError)


def test_022_other_json_and_plain_text_are_errors_with_their_body() -> None:
    other, text = read(b'{"status":"queued"}', done=False), read(b"upstream connect error", done=False)
    assert {("failed", "not_a_stream")} == {other.ending, text.ending}
    assert {"status": "queued"} == other.outcome.error.body
    assert ("upstream connect error",) * 2 == (text.outcome.error.message, text.outcome.error.body)


BODY = (
    '{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    '"content":"Hi","reasoning_content":"hm","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},'
    '"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"odd":1}'
)


def test_023_a_full_response_in_place_of_a_stream_is_the_response() -> None:
    reading = read(BODY.encode(), done=False)
    assert (("complete", "full_body"), ["full_body"]) == (reading.ending, reading.codes)
    assert json.loads(BODY) == reading.response
    (call,) = reading.accumulator.snapshot().choices[0].message.tool_calls
    assert call.complete


def test_023_so_is_one_inside_an_event() -> None:
    reading = read(BODY)
    assert json.loads(BODY) == {**reading.response, "odd": 1}
    assert ("complete", "done") == reading.ending


def test_024_what_a_body_is_its_first_byte_decides_and_not_a_header() -> None:
    """An accumulator is given no headers: a stream labelled `application/json` and JSON labelled `text/event-stream`
    are both what they are."""
    assert ("complete", "done") == read(sse(HI, STOP)).ending
    assert ("complete", "full_body") == read(BODY.encode(), done=False).ending


@pytest.mark.parametrize("wire", [b"", DONE, b"\n\n", b": hi\n\n", b": hi\n\n" + DONE, sse('{"type":"ping"}') + DONE])
def test_025_an_empty_stream_has_failed(wire: bytes) -> None:
    reading = read(wire, done=False)
    assert (("failed", "empty"), None, False) == (reading.ending, reading.response, reading.accumulator.emitted)
    assert isinstance(reading.outcome.error, FormatError)
    assert 1 == len(reading.of(ErrorSeen))


def test_026_keep_alives_are_distinguished_from_output() -> None:
    """A silent stall can only be seen by the code with the clock and the socket. What the core gives them is the
    difference between a sign of life and output: a keep-alive is an event, and nothing was emitted."""
    accumulator = Accumulator()
    assert ["KeepAlive"] == [type(event).__name__ for event in accumulator.feed(b": ping\n\n")]
    assert ["AnomalySeen", "KeepAlive"] == sorted(
        type(event).__name__ for event in accumulator.feed(b'event: ping\ndata: {"type":"ping"}\n\n')
    )
    assert not accumulator.emitted
    accumulator.feed(sse(HI))
    assert accumulator.emitted


def test_026_a_caller_that_gives_up_has_cancelled() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(HI))
    assert "cancelled" == accumulator.cancel().name
    assert "Hi" == accumulator.snapshot().choices[0].message.content


# --- B. errors inside the stream


def failed(*parts: str | bytes, done: bool = True) -> tuple[RemoteError, list[str]]:
    """Return the error of a stream cut off after "Hi", and the codes of its anomalies. What had arrived is kept."""
    reading = read(HI, *parts, done=done)
    error = reading.outcome.error
    assert ("failed", "remote_error") == reading.ending
    assert isinstance(error, RemoteError)
    assert ("Hi", True, 2) == (error.partial.choices[0].message.content, error.emitted, error.event)
    assert [error] == [event.error for event in reading.of(ErrorSeen)]
    assert [("error_event", "lost")] == [
        (one.code, one.severity) for one in reading.anomalies if one.code == "error_event"
    ]
    assert 1 == len(reading.of(ChoiceStarted))
    return error, reading.codes


@pytest.mark.parametrize("done", [True, False], ids=["done behind it", "the end"])
def test_027_an_error_object_inside_the_stream(done: bool) -> None:
    event = '{"error":{"message":"gone","type":"server_error","param":"n","code":"overloaded"}}'
    error, codes = failed(event, done=done)
    assert ("gone", "server_error", "n", "overloaded") == (error.message, error.type, error.param, error.code)
    assert (json.loads(event), "$.error", ["error_event"]) == (error.body, error.path, codes)


def test_027_an_error_before_any_chunk_leaves_no_response() -> None:
    reading = read('{"error":{"message":"gone"}}')
    assert (("failed", "remote_error"), None, False) == (reading.ending, reading.response, reading.accumulator.emitted)


def test_027_a_stream_that_continues_after_its_error_has_failed_all_the_same() -> None:
    reading = read(HI, '{"error":{"message":"gone"}}', delta('{"content":"!"}'), STOP)
    assert (("failed", "remote_error"), "Hi!") == (reading.ending, reading.message["content"])


def test_028_an_error_that_is_a_string() -> None:
    error, _ = failed('{"error":"text"}')
    assert ("text", None, None, {"error": "text"}) == (error.message, error.type, error.code, error.body)


@pytest.mark.parametrize("body", ['{"message":"busy","code":503}', '{"detail":"busy","message":"busy","code":503}'])
def test_029_the_name_of_the_event_makes_a_bare_object_an_error(body: str) -> None:
    error, codes = failed(b"event: error\ndata: " + body.encode() + b"\n\n")
    assert ("busy", 503, ["error_event"]) == (error.message, error.code, codes)


def test_029_an_error_that_names_its_status_in_a_comment() -> None:
    """DashScope: the comment is a comment, and `finish_reason` a field that no event stream knows."""
    reading = read(HI, b'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling","message":"quota"}\n\n')
    assert ("quota", "Throttling") == (reading.outcome.error.message, reading.outcome.error.code)


def test_030_an_error_beside_choices_is_one_and_the_choices_count() -> None:
    error, codes = failed(
        chunk(
            '{"index":0,"delta":{"content":""},"finish_reason":"error"}',
            '"error":{"code":502,"message":"gone","metadata":{"provider":"p"}}',
        )
    )
    assert ("gone", 502, {"provider": "p"}) == (error.message, error.code, error.body["error"]["metadata"])
    assert ("error", ["error_event", "finish_unknown"]) == (error.partial.choices[0].finish_reason, codes)


def test_031_an_error_inside_a_choice() -> None:
    error, _ = failed(
        chunk('{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502,"message":"gone"}}')
    )
    assert ("gone", 502, "$.choices[0].error") == (error.message, error.code, error.path)
    assert {"code": 502, "message": "gone"} == error.partial.choices[0].extra["error"]


def test_032_an_error_type_beside_null_choices() -> None:
    error, _ = failed('{"id":"c1","created":7,"choices":null,"error_type":"engine_error","error_message":"gone"}')
    assert ("gone", "engine_error") == (error.message, error.type)


def test_033_a_status_that_is_not_zero() -> None:
    error, _ = failed(
        '{"id":"c1","created":7,"choices":null,"base_resp":{"status_code":1004,"status_msg":"not allowed"}}'
    )
    assert ("not allowed", 1004, "$.base_resp") == (error.message, error.code, error.path)


def test_033_a_status_of_zero_is_none() -> None:
    reading = read(HI, delta("{}", "stop", more='"base_resp":{"status_code":0,"status_msg":""}'))
    assert (("complete", "done"), []) == (reading.ending, reading.codes)
    assert {"status_code": 0, "status_msg": ""} == reading.response["base_resp"]


@pytest.mark.parametrize(
    "frame, message",
    [
        (b"event: error\ndata: Internal Server Error\n\n", "Internal Server Error"),
        (b"error: Internal Server Error\n\n", "Internal Server Error"),
        (b'error: {"code":500,"message":"gone"}\n\n', "gone"),
    ],
)
def test_034_an_error_in_words(frame: bytes, message: str) -> None:
    error, _ = failed(frame)
    assert message == error.message


def test_034_words_without_a_name_are_not_an_error_for_certain() -> None:
    reading = read(HI, "Error: upstream timed out")
    assert (("complete", "done_without_finish"), ["not_json", "missing_finish"]) == (reading.ending, reading.codes)
    assert "Error: upstream timed out" == reading.anomalies[0].excerpt


# --- what holds for all of them


def test_an_error_is_the_same_however_the_stream_is_cut() -> None:
    wire = sse(HI) + b'event: error\ndata: {"message":"busy","code":503}\n\n' + DONE
    assert read_blocks([wire]) == read_blocks(each_byte(wire))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_cannot_express_is_not_the_end_of_the_stream(number: str) -> None:
    reading = read_blocks([sse(delta('{"content":"Hi"}', more=f'"score":{number}'), STOP) + DONE])
    assert ("Hi", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert json.loads(number) == reading.response["score"] or number == "NaN"
    assert b'"score":null' in dumps(reading.accumulator.snapshot())
    noted = [(one.code, one.severity) for one in reading.anomalies]
    assert [("non_finite_number", "repaired")] == noted
