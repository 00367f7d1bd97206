"""What real senders write, entry by entry: chunks and choices, their metadata and reasons, 35 to 65. See test_wire.py.

`HI` and `STOP` are a chunk with text and one that finishes; both have the id c1, the time 7 and the model m.
"""

from __future__ import annotations

import json

import pytest

from helpers.wire import calls, choice, chunk, delta, read, read_blocks, sse
from streamkit import Accumulator, Dialect, unstructure
from streamkit.dialect import suggest
from streamkit.events import ChoiceDone, ChoiceStarted, ContentDelta, Finish, ToolCallDone
from streamkit.types import FinishReason

HI = delta('{"content":"Hi"}')
STOP = delta("{}", "stop")
CALL = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}'
USAGE = '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'


def head(**fields: str) -> str:
    """A chunk with text and a finish whose fields have this JSON; a field of None JSON is absent."""
    facts = {"id": '"c1"', "object": '"chat.completion.chunk"', "created": "7", "model": '"m"', **fields}
    facts["choices"] = choice('{"content":"Hi"}', "stop").join("[]")
    return "{" + ",".join(f'"{name}":{value}' for name, value in facts.items() if value) + "}"


# --- which chunks have choices


def test_035_a_first_chunk_that_is_empty_but_for_the_filter_has_no_facts_of_the_response() -> None:
    filters = '[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]'
    first = f'{{"id":"","model":"","object":"","created":0,"choices":[],"prompt_filter_results":{filters}}}'
    reading = read(first, HI, STOP)
    assert ("c1", 7, "m") == tuple(reading.response[name] for name in ("id", "created", "model"))
    assert (json.loads(filters), []) == (reading.response["prompt_filter_results"], reading.codes)


def test_036_usage_in_a_last_chunk_without_choices() -> None:
    reading = read(HI, STOP, chunk(more=USAGE))
    assert (3, ["UsageSeen", "End"], []) == (
        reading.response["usage"]["total_tokens"],
        reading.kinds[-2:],
        reading.codes,
    )


def test_037_choices_that_are_null_are_none() -> None:
    reading = read(f'{{"id":"c1","created":7,"model":"m","choices":null,{USAGE}}}', HI, STOP)
    assert ("Hi", 3) == (reading.message["content"], reading.response["usage"]["total_tokens"])
    assert [("choices_missing", "note", "$.choices")] == [
        (one.code, one.severity, one.path) for one in reading.anomalies
    ]


def test_038_choices_that_are_absent_are_none() -> None:
    reading = read(HI, STOP, f'{{"id":"c1","created":7,"model":"m",{USAGE}}}')
    assert ("Hi", 3, ["choices_missing"]) == (
        reading.message["content"], reading.response["usage"]["total_tokens"], reading.codes,
    )  # fmt: skip


def test_039_a_delta_that_is_null_is_empty() -> None:
    reading = read(HI, delta("null", "stop"))
    assert ("Hi", ("complete", "done"), ["delta_missing"]) == (
        reading.message["content"],
        reading.ending,
        reading.codes,
    )


def test_040_reports_of_a_filter_stay_on_their_choice_each_with_its_span() -> None:
    def report(kind: str, start: int, end: int) -> str:
        results = f'{{"{kind}":{{"filtered":false,"severity":"safe"}}}}'
        offsets = f'{{"check_offset":{start},"start_offset":{start},"end_offset":{end}}}'
        found = f'"content_filter_results":{results},"content_filter_offsets":{offsets}'
        return f'{{"id":"","object":"","created":0,"model":"","choices":[{{"index":0,"finish_reason":null,{found}}}]}}'

    reading = read(HI, report("hate", 0, 2), STOP, report("violence", 2, 5))
    (found,) = reading.response["choices"]
    assert ("c1", "Hi", ("complete", "done")) == (reading.response["id"], reading.message["content"], reading.ending)
    assert {"hate", "violence"} == set(found["content_filter_results"])
    assert [(["hate"], 0, 2), (["violence"], 2, 5)] == [
        (list(one["content_filter_results"]), *list(one["content_filter_offsets"].values())[1:])
        for one in found["content_filter_spans"]
    ]
    assert ["delta_missing"] == reading.codes
    assert 1 == len(reading.of(ChoiceStarted))


@pytest.mark.parametrize("kind", ["", '""', "null", '"chat.completion"'])
def test_041_a_chunk_is_known_by_its_shape_whatever_its_object(kind: str) -> None:
    reading = read(head(object=kind))
    assert ("Hi", "chat.completion", []) == (reading.message["content"], reading.response["object"], reading.codes)


# --- messages in place of deltas

FULL = '{"index":0,"message":{"role":"assistant","content":"Hi you"},"finish_reason":"stop"}'


def test_042_a_full_message_at_the_end_gives_what_the_deltas_lacked_and_nothing_twice() -> None:
    whole = f'{{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{FULL}],{USAGE}}}'
    reading = read(HI, delta('{"content":" you"}'), whole)
    assert ("Hi you", "stop", 3) == (
        reading.message["content"], reading.response["choices"][0]["finish_reason"], reading.response["usage"]["total_tokens"],
    )  # fmt: skip
    assert ["Hi", " you"] == [event.text for event in reading.of(ContentDelta)]
    assert ["message_for_delta", "message_repeated"] == reading.codes


def test_042_a_full_message_that_differs_is_kept_beside_the_deltas() -> None:
    reading = read(delta('{"content":"Ho"}'), chunk(FULL))
    assert ("Ho", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert ("message_differs", "lost") in [(one.code, one.severity) for one in reading.anomalies]
    (found,) = reading.accumulator.snapshot().choices
    assert {"message": {"content": "Hi you"}} == found.extra


def test_042_calls_of_a_full_message_are_not_taken_twice() -> None:
    whole = f'{{"index":0,"message":{{"role":"assistant","content":null,"tool_calls":[{CALL}]}},"finish_reason":"tool_calls"}}'
    reading = read(delta(f'{{"tool_calls":[{CALL}]}}'), chunk(whole))
    assert [("x", "f", "{}")] == reading.calls
    assert ["message_for_delta", "message_repeated"] == reading.codes


@pytest.mark.parametrize("pieces", [("Hi", " you", ""), ("H", "i", " you"), ("Hi ", "y", "ou")])
def test_043_messages_in_every_chunk_are_deltas_by_another_name(pieces: tuple[str, ...]) -> None:
    """The last one arrives with the finish reason, and is a further piece nevertheless."""
    messages = [f'{{"index":0,"message":{{"role":"assistant","content":"{piece}"}}}}' for piece in pieces]
    messages[-1] = messages[-1][:-1] + ',"finish_reason":"stop"}'
    reading = read(*(chunk(one) for one in messages))
    assert ("Hi you", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert [("message_for_delta", 3)] == [(one.code, one.count) for one in reading.anomalies]


BRIDGED = [chunk(f'{{"index":0,"text":"{text}","finish_reason":null}}') for text in ("H", "i", " y", "ou")]


def test_044_text_on_the_choice_is_an_unknown_field_unless_it_is_asked_for() -> None:
    """A guess: Together writes `text` too, beside a delta that says the same."""
    reading = read(*BRIDGED, STOP)
    assert (None, "Hi you") == (reading.message.get("content"), reading.response["choices"][0]["text"])
    asked = read(*BRIDGED, STOP, dialect=Dialect(choice_text=True))
    assert ("Hi you", None) == (asked.message["content"], asked.response["choices"][0].get("text"))
    assert ["H", "i", " y", "ou"] == [event.text for event in asked.of(ContentDelta)]


def test_044_text_beside_content_is_not_taken_twice() -> None:
    both = [chunk(f'{{"index":0,"text":"{text}","delta":{{"content":"{text}"}}}}') for text in ("Hi", " you")]
    assert "Hi you" == read(*both, STOP, dialect=Dialect(choice_text=True)).message["content"]


def test_044_it_is_suggested_where_no_delta_has_text() -> None:
    assert Dialect(choice_text=True) == suggest(chunks_of(*BRIDGED, STOP))
    assert Dialect() == suggest(chunks_of(HI, *BRIDGED, STOP))


def chunks_of(*documents: str) -> list:
    """The chunks of a stream, as a caller of `suggest` has them."""
    from streamkit._decode.chunk_reader import read_chunk

    return [read_chunk(json.loads(one), lambda *_: None) for one in documents]


# --- which choice


def test_045_a_choice_without_an_index_has_that_of_its_position() -> None:
    reading = read(
        chunk('{"delta":{"content":"a"}},{"delta":{"content":"b"}}'), chunk('{"delta":{},"finish_reason":"stop"}')
    )
    assert [(0, "a"), (1, "b")] == [(one["index"], one["message"]["content"]) for one in reading.response["choices"]]
    assert [("index_missing", "repaired", 3)] == [
        (one.code, one.severity, one.count) for one in reading.anomalies if one.code.startswith("index")
    ]


def test_046_an_index_that_counts_tokens_is_read_so_where_it_is_asked_for() -> None:
    """A request with n=5 looks the same, hence an opt-in, which `suggest` can find in a recorded stream."""
    tokens = [delta(json.dumps({"role": "assistant", "content": text}), index=at) for at, text in enumerate("Hello")]
    last = delta("{}", "eos_token", index=5)
    assert 6 == len(read(*tokens, last).response["choices"])
    asked = read(*tokens, last, dialect=Dialect(token_index=True))
    assert [(0, "Hello")] == [(one["index"], one["message"]["content"]) for one in asked.response["choices"]]
    assert suggest(chunks_of(*tokens, last)).token_index


def test_047_choices_that_were_merged_into_one_are_warned_of_where_a_role_is_repeated() -> None:
    """Which piece was of which choice is no longer known."""
    one = [delta('{"role":"assistant","content":""}'), delta('{"content":"a"}')]
    reading = read(*one, *one, STOP, STOP)
    assert [("choice_restarted", "note", "$.choices[0].delta.role", 3)] == [
        (one.code, one.severity, one.path, one.event) for one in reading.anomalies
    ]
    assert "aa" == reading.message["content"]


@pytest.mark.parametrize(
    "documents",
    [
        [delta('{"role":"assistant","content":"a"}')] * 3,
        [delta('{"role":"assistant","content":""}'), HI, delta('{"role":"assistant","content":""}', "stop")],
        [delta('{"role":"assistant","content":"a"}', index=i) for i in (0, 1, 0, 1)],
    ],
    ids=["in every chunk", "with the finish", "of two choices"],
)
def test_047_a_role_that_is_repeated_for_other_reasons_is_not_such_a_warning(documents: list[str]) -> None:
    assert "choice_restarted" not in read(*documents, STOP).codes


def test_047_the_warning_is_the_same_in_the_fast_lane() -> None:
    text, role = delta('{"content":"a"}'), delta('{"role":"assistant","content":"a"}')
    wire = sse(*[role] * 5, *[text] * 5, *[role] * 5, *[text] * 5, *[role] * 2)
    assert [("choice_restarted", 7)] == [(one.code, one.count) for one in read_blocks([wire]).anomalies]
    assert read_blocks([wire]) == read_blocks([wire], fast=False)


def test_048_choices_are_sorted_by_index_whatever_order_they_arrived_in() -> None:
    pieces = [(2, "c"), (0, "a"), (2, "C"), (1, "b"), (0, "A"), (1, "B")]
    finishes = [(1, "length"), (2, "stop"), (0, "content_filter")]
    reading = read(
        *(delta(f'{{"content":"{text}"}}', index=index) for index, text in pieces),
        *(delta("{}", reason, index) for index, reason in finishes),
    )
    assert [(0, "aA", "content_filter"), (1, "bB", "length"), (2, "cC", "stop")] == [
        (one["index"], one["message"]["content"], one["finish_reason"]) for one in reading.response["choices"]
    ]
    assert [1, 2, 0] == [event.choice for event in reading.of(ChoiceDone)]
    assert (("complete", "done"), []) == (reading.ending, reading.codes)


# --- what is said of the whole response


@pytest.mark.parametrize(
    "created, seconds",
    [
        ("null", 0),
        ("", 0),
        ("1700000000.25", 1700000000),
        ("1700000000123", 1700000000),
        ("1700000000123456", 1700000000),
        ('"2023-11-14T22:13:20Z"', 1700000000),
        ('"2023-11-14T23:13:20+01:00"', 1700000000),
        ('"1700000000"', 1700000000),
        ('"yesterday"', 0),
        ("-1", 0),
        ("1e400", 0),
        ("1" + "0" * 400, 0),
    ],
)
def test_049_a_time_of_any_form_is_converted_to_seconds_and_what_was_written_is_kept(
    created: str, seconds: int
) -> None:
    reading = read(head(created=created))
    assert (seconds, "Hi") == (reading.response["created"], reading.message["content"])
    noted = [(one.code, one.severity, one.path) for one in reading.anomalies if one.path == "$.created"]
    absent = created in ("null", "")
    assert [("created_missing", "note", "$.created") if absent else ("created_form", "repaired", "$.created")] == noted
    kept = reading.accumulator.snapshot().extra
    assert kept == {} if created in ("null", "") else kept == {"created": json.loads(created)}


@pytest.mark.parametrize("created", ["0", "7", "1700000000", "4294967295"])
def test_049_a_time_as_it_should_be_is_not_an_anomaly(created: str) -> None:
    assert [] == read(head(created=created)).codes


def test_050_the_first_id_is_kept_and_others_are_reported() -> None:
    reading = read(*(HI.replace('"c1"', one) for one in ('""', "null", '"a"', '"a"', '"b"', '"c"')), STOP)
    assert "a" == reading.response["id"]
    assert [("id_changed", "note", "$.id", 5, 3, "b")] == [
        (one.code, one.severity, one.path, one.event, one.count, one.excerpt) for one in reading.anomalies
    ]
    assert 1 == len(reading.of(ChoiceStarted)), "a new id is no new response"


def test_051_the_first_model_is_kept_and_all_are_listed() -> None:
    reading = read(HI.replace('"m"', '""'), HI.replace('"m"', '"auto"'), HI, HI, STOP)
    assert "auto" == reading.response["model"]
    assert [("model_changed", "note", "m")] == [(one.code, one.severity, one.excerpt) for one in reading.anomalies]
    assert ("auto", "m") == reading.accumulator.statistics().models


def test_052_a_null_does_not_erase_and_the_last_value_is_kept() -> None:
    marks = [("null", '"auto"'), ('"f1"', "null"), ('"f2"', '"flex"'), ("null", "null")]
    reading = read(*(delta("{}", more=f'"system_fingerprint":{a},"service_tier":{b}') for a, b in marks), STOP)
    assert ("f2", "flex", []) == (
        reading.response["system_fingerprint"], reading.response["service_tier"], reading.codes,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["obfuscation", "p"])
def test_053_padding_is_not_part_of_the_response(name: str) -> None:
    reading = read(*(delta('{"content":"a"}', more=f'"{name}":"{"x" * n}"') for n in range(1, 6)), STOP)
    assert ("aaaaa", []) == (reading.message["content"], reading.codes)
    assert name not in reading.response


# --- roles


@pytest.mark.parametrize("roles", [['""'], ['""', '"assistant"', '""']], ids=["always", "at first"])
def test_054_an_empty_role_is_none(roles: list[str]) -> None:
    reading = read(*(delta(f'{{"role":{role},"content":"a"}}') for role in roles), STOP)
    assert ("assistant", "a" * len(roles), []) == (reading.message["role"], reading.message["content"], reading.codes)


def test_055_a_role_in_every_chunk_is_one_role() -> None:
    reading = read(*[delta('{"role":"assistant","content":"a"}')] * 20, STOP)
    assert ("assistant", "a" * 20, []) == (reading.message["role"], reading.message["content"], reading.codes)


@pytest.mark.parametrize("roles", [["null"], ["null", '"assistant"', "null"]], ids=["always", "at first"])
def test_056_a_role_that_is_null_or_absent_is_the_assistant(roles: list[str]) -> None:
    reading = read(HI, *(delta(f'{{"role":{role},"content":"a"}}') for role in roles), STOP)
    assert ("assistant", "Hi" + "a" * len(roles)) == (reading.message["role"], reading.message["content"])
    assert [] == reading.codes


# --- finish reasons


def test_057_an_empty_finish_reason_is_none() -> None:
    reading = read(delta('{"content":"Hi"}', ""), delta('{"content":"!"}', ""), STOP)
    assert ("Hi!", "stop") == (reading.message["content"], reading.response["choices"][0]["finish_reason"])
    assert [("finish_empty", "note", 2)] == [(one.code, one.severity, one.count) for one in reading.anomalies]
    assert 1 == len(reading.of(Finish))
    assert ("truncated", "no_finish") == read(delta('{"content":"Hi"}', ""), done=False).ending


def test_058_a_finish_reason_that_is_absent_is_none() -> None:
    bare = '{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}'
    assert (("complete", "done"), []) == (read(bare, STOP).ending, read(bare, STOP).codes)
    assert ("truncated", "no_finish") == read(bare, done=False).ending


@pytest.mark.parametrize(
    "word, effective",
    [
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("tool_use", "stop"),  # there is no call
        ("sensitive", "content_filter"),
        ("SAFETY", "content_filter"),
        ("error", "error"),
        ("aborted", "aborted"),
    ],
)
def test_059_an_unknown_finish_reason_is_kept_and_normalised_beside(word: str, effective: str) -> None:
    reading = read(HI, delta("{}", word))
    (found,) = reading.accumulator.snapshot().choices
    assert (word, effective) == (found.finish_reason, found.effective_finish_reason)
    assert [("finish_unknown", "note", word)] == [(one.code, one.severity, one.excerpt) for one in reading.anomalies]
    failed = word in ("error", "aborted")  # which say that the sender failed
    assert (("failed", "finish_error") if failed else ("complete", "done")) == reading.ending
    assert [word] == [event.finish_reason for event in reading.of(Finish)]


def test_059_a_call_that_another_word_for_length_cuts_off_is_not_complete() -> None:
    for word, complete in (("max_tokens", False), ("MAX_TOKENS", False), ("error", False), ("tool_use", True)):
        reading = read(delta(f'{{"tool_calls":[{CALL}]}}'), delta("{}", word))
        (call,) = reading.accumulator.snapshot().choices[0].message.tool_calls
        assert complete == call.complete


def test_060_a_finish_reason_that_is_repeated_is_one() -> None:
    reading = read(HI, STOP, STOP, STOP)
    assert ("stop", []) == (reading.response["choices"][0]["finish_reason"], reading.codes)
    assert (1, 1) == (len(reading.of(Finish)), len(reading.of(ChoiceDone)))


def test_060_of_two_finish_reasons_the_last_is_kept() -> None:
    """The survey would keep the first or the more specific one. The table of rules says the last, for every sender; the
    effective reason is the specific one all the same, and the change is noted."""
    reading = read(delta(f'{{"tool_calls":[{CALL}]}}'), delta("{}", "tool_calls"), STOP)
    (found,) = reading.accumulator.snapshot().choices
    assert ("stop", "tool_calls") == (found.finish_reason, found.effective_finish_reason)
    assert ["tool_calls", "stop"] == [event.finish_reason for event in reading.of(Finish)]
    assert ["finish_changed"] == reading.codes


def test_061_what_follows_a_finish_reason_reopens_the_choice_for_all_to_see() -> None:
    first, second = (
        '{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}',
        '{"index":0,"function":{"arguments":"}"}}',
    )
    reading = read(delta(f'{{"tool_calls":[{first}]}}', "tool_calls"), delta(f'{{"tool_calls":[{second}]}}'))
    assert [
        "ChoiceStarted", "ToolCallStarted", "ToolCallDelta", "Finish", "ToolCallDone", "ChoiceDone",
        "ChoiceStarted", "ToolCallStarted", "ToolCallDelta", "ToolCallDone", "ChoiceDone", "End",
    ] == reading.kinds  # fmt: skip
    assert [("{", False), ("{}", True)] == [
        (event.tool_call.function.arguments, event.tool_call.complete) for event in reading.of(ToolCallDone)
    ]
    assert ([("x", "f", "{}")], ["after_finish"]) == (reading.calls, reading.codes)


@pytest.mark.parametrize("word", ["stop", "eos", "end_turn"])
def test_062_after_tool_calls_stop_is_effectively_tool_calls(word: str) -> None:
    reading = read(delta(f'{{"tool_calls":[{CALL}]}}'), delta("{}", word))
    (found,) = reading.accumulator.snapshot().choices
    assert (word, FinishReason.TOOL_CALLS) == (found.finish_reason, found.effective_finish_reason)
    assert word == reading.response["choices"][0]["finish_reason"]
    assert "effective_finish_reason" not in json.dumps(reading.response)


def test_062_other_reasons_are_not_bent() -> None:
    for word in ("length", "content_filter", "tool_calls"):
        reading = read(delta(f'{{"tool_calls":[{CALL}]}}'), delta("{}", word))
        assert word == reading.accumulator.snapshot().choices[0].effective_finish_reason


def test_063_without_any_call_tool_calls_is_effectively_stop() -> None:
    (found,) = read(HI, delta("{}", "tool_calls")).accumulator.snapshot().choices
    assert ("tool_calls", FinishReason.STOP) == (found.finish_reason, found.effective_finish_reason)


def test_063_a_call_of_the_first_kind_is_a_call() -> None:
    old = delta('{"function_call":{"name":"f","arguments":"{}"}}')
    for word in ("stop", "function_call", "tool_calls"):
        (found,) = read(old, delta("{}", word)).accumulator.snapshot().choices
        assert FinishReason.FUNCTION_CALL == found.effective_finish_reason


def test_064_a_finish_reason_beside_the_last_piece_ends_it_after_that_piece() -> None:
    reading = read(delta(f'{{"tool_calls":[{CALL}]}}', "tool_calls"))
    assert [
        "ChoiceStarted", "ToolCallStarted", "ToolCallDelta", "Finish", "ToolCallDone", "ChoiceDone", "End",
    ] == reading.kinds  # fmt: skip
    (done,) = reading.of(ToolCallDone)
    assert ("{}", True, []) == (done.tool_call.function.arguments, done.tool_call.complete, reading.codes)
    text = read(delta('{"content":"Hi"}', "stop"))
    assert ["ContentStarted", "ContentDelta", "Finish", "ContentDone"] == text.kinds[1:5]


def test_065_fields_that_are_null_are_ignored() -> None:
    alive = delta(
        '{"role":null,"content":null,"reasoning_content":null,"tool_calls":null,"refusal":null,"function_call":null}'
    )
    reading = read(alive, HI, alive, *calls('{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}'))
    assert ("Hi", None, [("x", "f", "{}")]) == (
        reading.message["content"], reading.message["reasoning_content"], reading.calls,
    )  # fmt: skip
    assert [] == reading.codes
    accumulator = Accumulator()
    assert ["ChoiceStarted"] == [type(event).__name__ for event in accumulator.feed(sse(alive))]
    assert not accumulator.emitted
    assert None is unstructure(accumulator.snapshot())["choices"][0]["message"].get("content")
