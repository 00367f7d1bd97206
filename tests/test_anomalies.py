"""Anomalies: a code for each thing that senders do, described once for each place, counted after that."""

from __future__ import annotations

import json
import re

import attrs
import pytest

from helpers.wire import DONE, calls, choice, chunk, delta, read, sse
from streamkit import CODES, Accumulator, FormatError, Limits, RemoteError
from streamkit.anomalies import Anomalies
from streamkit.events import AnomalySeen

FINISH = delta("{}", "stop")
F = '"function":{"name":"f","arguments":"{}"}'

# code -> the plainest stream in which it is seen
SEEN_IN: dict[str, bytes] = {
    "invalid_utf8": sse(delta('{"content":"X"}', "stop").encode().replace(b"X", b"\xff")) + DONE,
    "unterminated_event": sse(delta('{"content":"a"}')) + b"data: " + FINISH.encode(),
    "unterminated_done": sse(FINISH) + b"data: [DONE]",
    "torn_event": sse(delta('{"content":"a"}')) + b'data: {"id":"c1","cho',
    "not_json": sse(FINISH, "keepalive") + DONE,
    "too_deep": sse(FINISH, '{"choices":[],"odd":' + "[" * 300 + "]" * 300 + "}") + DONE,
    "not_a_chunk": sse('{"type":"ping"}', FINISH) + DONE,
    "null_event": sse("null", FINISH) + DONE,
    "blank_event": sse("  ", FINISH) + DONE,
    "unframed_json": b"data:\n" + FINISH.encode() + b"\n\n" + DONE,
    "ignored_line": b"nonsense\n" + sse(FINISH) + DONE,
    "several_documents": sse(delta('{"content":"a"}') + FINISH) + DONE,
    "event_in_event": sse('{"id":"c1","choices":[{"delta":{"role":"adata: ' + FINISH) + DONE,
    "json_in_string": sse(FINISH, '"[DONE]"'),
    "unread_end": sse(FINISH) + b"upstream connect error",
    "perhaps_error": sse('{"message":"warming up"}', FINISH) + DONE,
    "split_document": sse(FINISH[:40], FINISH[40:]) + DONE,
    "chunk_list": sse(f"[{FINISH}]") + DONE,
    "after_done": sse(FINISH) + DONE + sse(delta('{"content":"late"}')),
    "done_suffix": sse(FINISH, '[DONE]{"usage":null}'),
    "missing_done": sse(FINISH),
    "missing_finish": sse(delta('{"content":"a"}')) + DONE,
    "full_body": b'{"object":"chat.completion","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}',
    "non_finite_number": sse(chunk(more='"cost":Infinity'), FINISH) + DONE,
    "lone_surrogate": sse(delta('{"content":"\\ud83d"}', "stop")) + DONE,
    "choices_missing": sse('{"id":"c1","choices":null,"created":1}', FINISH) + DONE,
    "choices_object": sse('{"id":"c1","created":1,"choices":' + choice("{}", "stop") + "}") + DONE,
    "bad_choice": sse(chunk('"a"'), FINISH) + DONE,
    "null_item": sse(chunk("null," + choice("{}", "stop"))) + DONE,
    "created_missing": sse('{"id":"c1","choices":[' + choice("{}", "stop") + "]}") + DONE,
    "id_word": sse(*calls(f'{{"index":0,"id":"null",{F}}}')) + DONE,
    "number_unreadable": sse(delta("{}", "stop", more='"usage":{"total_tokens":1e400}')) + DONE,
    "number_changed": sse(delta('{"odd":1}'), delta('{"odd":2}'), FINISH) + DONE,
    "object_repeated": sse(
        delta('{"citation":{"type":"page","title":"A"}}'), delta('{"citation":{"type":"page","title":"B"}}'), FINISH
    )
    + DONE,
    "list_repeated": sse(delta('{"urls":["a","b"]}'), delta('{"urls":["a","b","c"]}'), FINISH) + DONE,
    "id_changed": sse(delta('{"content":"a"}'), FINISH.replace('"c1"', '"c2"')) + DONE,
    "created_changed": sse(delta('{"content":"a"}'), FINISH.replace('"created":7', '"created":8')) + DONE,
    "model_changed": sse(delta('{"content":"a"}'), FINISH.replace('"model":"m"', '"model":"n"')) + DONE,
    "choice_restarted": sse(
        delta('{"role":"assistant","content":"a"}'),
        delta('{"content":"b"}'),
        delta('{"role":"assistant","content":"c"}'),
        FINISH,
    )
    + DONE,
    "usage_per_choice": sse(
        chunk(choice("{}", "stop") + "," + choice("{}", "stop", 1)),
        *(chunk(more=f'"usage":{{"prompt_tokens":1,"completion_tokens":{count}}}') for count in (2, 3)),
    )
    + DONE,
    "index_missing": sse(chunk('{"delta":{"content":"a"},"finish_reason":"stop"}')) + DONE,
    "index_type": sse(delta("{}", "stop", '"0"')) + DONE,
    "delta_missing": sse(delta("null", "stop")) + DONE,
    "message_for_delta": sse(chunk('{"index":0,"message":{"content":"a"},"finish_reason":"stop"}')) + DONE,
    "message_repeated": sse(
        delta('{"content":"a"}'), chunk('{"index":0,"delta":{},"message":{"content":"a"},"finish_reason":"stop"}')
    )
    + DONE,
    "message_differs": sse(
        delta('{"content":"a"}'), chunk('{"index":0,"delta":{},"message":{"content":"b"},"finish_reason":"stop"}')
    )
    + DONE,
    "field_type": sse(delta('{"content":5}', "stop")) + DONE,
    "bad_field": sse(delta('{"tool_calls":"none"}', "stop")) + DONE,
    "created_form": sse('{"id":"c1","choices":[' + choice("{}", "stop") + '],"created":1.5}') + DONE,
    "finish_empty": sse(delta('{"content":"a"}', ""), FINISH) + DONE,
    "finish_unknown": sse(delta("{}", "end_turn")) + DONE,
    "finish_changed": sse(delta("{}", "tool_calls"), FINISH) + DONE,
    "role_unknown": sse(delta('{"role":"poet"}', "stop")) + DONE,
    "after_finish": sse(FINISH, delta('{"content":"a"}')) + DONE,
    "usage_moved": sse(FINISH, chunk(more='"x_groq":{"usage":{"prompt_tokens":1}}')) + DONE,
    "usage_repeated": sse(
        delta("{}", "stop", more='"usage":{"prompt_tokens":1}'), chunk(more='"usage":{"prompt_tokens":1}')
    )
    + DONE,
    "content_parts": sse(delta('{"content":[{"type":"text","text":"a"}]}', "stop")) + DONE,
    "type_changed": sse(delta('{"odd":"a"}'), delta('{"odd":{"b":1}}', "stop")) + DONE,
    "audio_base64": sse(delta('{"audio":{"data":"no base64!"}}', "stop")) + DONE,
    "tool_calls_object": sse(delta(f'{{"tool_calls":{{"index":0,"id":"x",{F}}}}}', "tool_calls")) + DONE,
    "bad_tool_call": sse(delta('{"tool_calls":["f"]}', "stop")) + DONE,
    "tool_index_missing": sse(*calls(f'{{"id":"x",{F}}}')) + DONE,
    "tool_index_reused": sse(*calls(f'{{"index":0,"id":"x",{F}}}', f'{{"index":0,"id":"y",{F}}}')) + DONE,
    "tool_id_missing": sse(*calls(f'{{"index":0,{F}}}')) + DONE,
    "tool_id_reused": sse(*calls(f'{{"index":0,"id":"x",{F}}}', f'{{"index":1,"id":"x",{F}}}')) + DONE,
    "tool_id_changed": sse(
        *calls(
            '{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}',
            '{"index":0,"id":"y","function":{"arguments":"}"}}',
        )
    )
    + DONE,
    "tool_index_changed": sse(
        *calls(f'{{"index":0,"id":"x",{F}}}', '{"index":1,"id":"x","function":{"arguments":"{}"}}')
    )
    + DONE,
    "tool_id_nested": sse(*calls('{"index":0,"function":{"id":"x","name":"f","arguments":"{}"}}')) + DONE,
    "tool_name_missing": sse(*calls('{"index":0,"id":"x","function":{"arguments":"{}"}}')) + DONE,
    "tool_name_repeated": sse(*calls(f'{{"index":0,"id":"x",{F}}}', f'{{"index":0,"id":"x",{F}}}')) + DONE,
    "arguments_object": sse(*calls('{"index":0,"id":"x","function":{"name":"f","arguments":{"a":1}}}')) + DONE,
    "arguments_doubled": sse(*calls('{"index":0,"id":"x","function":{"name":"f","arguments":"{}{}"}}')) + DONE,
    "error_event": sse(delta('{"content":"a"}'), '{"error":"boom"}') + DONE,
    "more_anomalies": sse(delta('{"role":"poet"}', "", '"0"'), FINISH) + DONE,
}
OPTIONS: dict[str, dict[str, int]] = {"more_anomalies": {"max_anomalies": 1}}


def limits(code: str) -> dict[str, object]:
    return {"limits": Limits(**OPTIONS[code])} if code in OPTIONS else {}


def test_there_is_a_stream_for_every_code() -> None:
    assert set(CODES) == set(SEEN_IN)


@pytest.mark.parametrize("code", SEEN_IN)
def test_every_code_is_seen_where_a_sender_does_that(code: str) -> None:
    assert code in read(SEEN_IN[code], done=False, **limits(code)).codes


@pytest.mark.parametrize("code", SEEN_IN)
def test_an_anomaly_says_what_was_done_and_what_was_made_of_it(code: str) -> None:
    (found,) = [one for one in read(SEEN_IN[code], done=False, **limits(code)).anomalies if one.code == code]
    assert CODES[code] == (found.severity, found.message, found.action)
    assert found.path.startswith("$")
    assert found.count >= 1


@pytest.mark.parametrize("code", SEEN_IN)
def test_under_strict_an_anomaly_worse_than_a_note_is_an_error_and_a_note_is_none(code: str) -> None:
    severities = [CODES[one][0] for one in read(SEEN_IN[code], done=False, **limits(code)).codes]
    accumulator = Accumulator(strict=True, **limits(code))
    if set(severities) == {"note"}:
        accumulator.feed(SEEN_IN[code])
        assert "anomaly" != accumulator.close().reason
    else:
        with pytest.raises(RemoteError if code == "error_event" else FormatError) as caught:
            _ = accumulator.feed(SEEN_IN[code]), accumulator.close()
        if code != "error_event":
            assert CODES[caught.value.code][0] in ("repaired", "lost")


def test_a_stream_as_openai_writes_it_has_no_anomaly() -> None:
    plain = [
        delta('{"role":"assistant","content":"","refusal":null}', more='"service_tier":"default","obfuscation":"x"'),
        delta('{"content":"Hi \\ud83d\\ude00"}', more='"service_tier":"default","obfuscation":"yy"'),
        *calls(
            '{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}',
            '{"index":0,"function":{"arguments":"{\\"a\\":"}}',
            '{"index":0,"function":{"arguments":"1}"}}',
            '{"index":1,"id":"call_2","type":"function","function":{"name":"f","arguments":""}}',
            '{"index":1,"function":{"arguments":"{}"}}',
        ),
        chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'),
    ]
    assert () == read(b": keep-alive\n\n", *plain).anomalies


@pytest.mark.parametrize("code, entry", CODES.items(), ids=list(CODES))
def test_the_table_says_two_sentences_for_each_code(code: str, entry: tuple[str, str, str]) -> None:
    severity, message, action = entry
    assert severity in ("note", "repaired", "lost")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
    assert all(re.fullmatch(r"[A-Z`].*\.", sentence) for sentence in (message, action))


def test_an_anomaly_is_described_where_it_was_first_seen_and_counted_after_that() -> None:
    reading = read(delta('{"content":"a"}'), *[delta(f'{{"content":{n}}}') for n in (5, 6, 7)], FINISH)
    (found,) = reading.anomalies
    assert ("field_type", "$.choices[0].delta.content", 2, 3, "5") == (
        found.code, found.path, found.event, found.count, found.excerpt,
    )  # fmt: skip


def test_the_same_in_another_choice_is_the_same_anomaly() -> None:
    reading = read(*[delta('{"content":5}', "stop", index) for index in range(3)])
    assert [("field_type", 3)] == [(one.code, one.count) for one in reading.anomalies]


def test_the_same_at_another_place_is_another_anomaly() -> None:
    reading = read(delta('{"content":5,"refusal":6}', "stop"))
    assert ["$.choices[0].delta.content", "$.choices[0].delta.refusal"] == [one.path for one in reading.anomalies]


def test_anomalies_stand_in_order_of_first_sight() -> None:
    reading = read("null", delta('{"content":5}'), "null", delta('{"role":"poet"}', "stop"))
    assert ["null_event", "field_type", "role_unknown"] == reading.codes


def test_each_anomaly_is_an_event_once() -> None:
    reading = read("null", "null", delta('{"content":5}', "stop"))
    assert [("null_event", 1), ("field_type", 3)] == [
        (event.anomaly.code, event.anomaly.event) for event in reading.of(AnomalySeen)
    ]


def test_an_excerpt_of_a_value_is_short() -> None:
    (found,) = read(delta('{"tool_calls":"' + "x" * 1000 + '"}', "stop")).anomalies
    assert "x" * 119 + "…" == found.excerpt


def test_a_list_of_anomalies_is_bounded_and_what_is_over_is_counted() -> None:
    anomalies = Anomalies(maximum=2)
    for at in range(5):
        anomalies.note("field_type", f"$.a{at}")
    anomalies.note("field_type", "$.a0")
    assert [("field_type", "$.a0", 2), ("field_type", "$.a1", 1), ("more_anomalies", "$", 3)] == [
        (one.code, one.path, one.count) for one in anomalies.all()
    ]


def test_an_anomaly_is_a_value() -> None:
    (found,) = read(delta('{"content":5}', "stop")).anomalies
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.count = 7  # type: ignore[misc]
    assert json.dumps(attrs.asdict(found))
