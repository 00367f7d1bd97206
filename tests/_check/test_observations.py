"""Observations: what hinders no reading, and clients break on it or the format says otherwise."""

from __future__ import annotations

import json
import re

import attrs
import pytest

from helpers.wire import DONE, calls, choice, chunk, delta, each_byte, read, sse
from streamkit import CODES, Accumulator, Dialect, check_stream
from streamkit._check.markup import MARKUP
from streamkit._check.observations import OBSERVATIONS, Finding, Observations

HELLO = delta('{"role":"assistant","content":"Hi"}')
STOP = delta("{}", "stop")
OPEN = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{"}}'
CLOSE = '{"index":0,"function":{"arguments":"}"}}'
START = delta('{"role":"assistant"}')
USAGE = '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
THOUGHT = '{"role":"assistant","content":"<think>Hm.</think>Hi"}'
TEXT = "The sky is blue today."
TOKEN = '{"token":"a","logprob":-1.0}'
OLD = [  # of the old completions API, as vLLM and llama.cpp still write it under /v1/completions
    f'{{"id":"c1","object":"text_completion","created":7,"model":"m","choices":[{{"index":0,"text":"{text}",'
    f'"logprobs":null,"finish_reason":{finish}}}]}}'
    for text, finish in (("Hi", "null"), ("", '"stop"'))
]

# observation -> the plainest stream in which it is seen
SEEN_IN: dict[str, bytes] = {
    "sse_bom": b"\xef\xbb\xbf" + sse(HELLO, STOP) + DONE,
    "sse_no_space": sse(HELLO, STOP).replace(b"data: ", b"data:") + DONE,
    "sse_line_ends": (sse(HELLO, STOP) + DONE).replace(b"\n", b"\r\n"),
    "sse_comment": b": ping\n\n" + sse(HELLO, STOP) + DONE,
    "sse_no_data": b"retry: 3000\n\n" + sse(HELLO, STOP) + DONE,
    "sse_id": b"id: 1\n" + sse(HELLO, STOP) + DONE,
    "sse_several_lines": sse(HELLO.replace(',"choices"', ',\ndata: "choices"'), STOP) + DONE,
    "line_separator": sse(delta('{"role":"assistant","content":"a\u2028b"}'), STOP) + DONE,
    "surrogate_halves": sse(delta('{"role":"assistant","content":"\\ud83d"}'), delta('{"content":"\\ude00"}'), STOP)
    + DONE,
    "error_bare": sse(HELLO) + b'event: error\ndata: {"message":"overloaded","code":503}\n\n',
    "error_in_choice": sse(HELLO, chunk('{"index":0,"delta":{},"error":{"message":"overloaded"}}')),
    "error_fields": sse(HELLO, '{"choices":null,"error_type":"busy","error_message":"overloaded"}'),
    "error_base_resp": sse(HELLO, '{"choices":null,"base_resp":{"status_code":1002,"status_msg":"overloaded"}}'),
    "first_chunk_empty": sse(chunk(more='"prompt_filter_results":[]'), HELLO, STOP) + DONE,
    "object_missing": sse(HELLO.replace('"object":"chat.completion.chunk",', ""), STOP) + DONE,
    "object_other": sse(HELLO.replace("completion.chunk", "completion"), STOP) + DONE,
    "id_missing": sse(HELLO.replace('"id":"c1"', '"id":""'), STOP) + DONE,
    "model_missing": sse(HELLO.replace('"model":"m"', '"model":null'), STOP) + DONE,
    "field_dropped": sse(
        delta('{"role":"assistant","content":"Hi"}', more='"system_fingerprint":"fp"'),
        delta("{}", "stop", more='"system_fingerprint":null'),
    )
    + DONE,
    "choices_out_of_order": sse(
        delta('{"role":"assistant","content":"b"}', index=1),
        delta('{"role":"assistant","content":"a"}', index=0),
        delta("{}", "stop", index=0),
        delta("{}", "stop", index=1),
    )
    + DONE,
    "token_index": sse(
        delta('{"role":"assistant","content":"a"}', index=0),
        *(delta('{"content":"a"}', index=n) for n in range(1, 5)),
        delta("{}", "stop", index=5),
    )
    + DONE,
    "role_missing": sse(delta('{"content":"Hi"}'), STOP) + DONE,
    "role_empty": sse(HELLO, delta('{"role":"","content":"!"}'), STOP) + DONE,
    "role_repeated": sse(HELLO, delta('{"role":"assistant","content":"!"}'), STOP) + DONE,
    "finish_repeated": sse(HELLO, STOP, STOP) + DONE,
    "finish_stop_with_calls": sse(START, *calls(OPEN, CLOSE)[:-1], STOP) + DONE,
    "finish_calls_without_calls": sse(HELLO, delta("{}", "tool_calls")) + DONE,
    "finish_with_payload": sse(START, delta('{"content":"Hi"}', "stop")) + DONE,
    "logprobs_at_start": sse(
        chunk(
            choice('{"role":"assistant","content":"a"}', more='"logprobs":{"content":[{"token":"a","logprob":-1.0}]}')
        ),
        STOP,
    )
    + DONE,
    "usage_with_choices": sse(HELLO, delta("{}", "stop", more=USAGE)) + DONE,
    "usage_empty": sse(HELLO, STOP, chunk(more='"usage":{}')) + DONE,
    "usage_dropped": sse(HELLO, delta("{}", "stop", more=USAGE), chunk()) + DONE,
    "usage_shrinks": sse(HELLO, delta("{}", "stop", more=USAGE), chunk(more='"usage":{"prompt_tokens":1}')) + DONE,
    "reasoning_field": sse(START, delta('{"reasoning_content":"Hm."}'), HELLO, STOP) + DONE,
    "reasoning_twice": sse(START, delta('{"reasoning_content":"Hm.","reasoning":"Hm."}'), HELLO, STOP) + DONE,
    "reasoning_object": sse(START, delta('{"reasoning_content":{"text":"Hm."}}'), HELLO, STOP) + DONE,
    "reasoning_details": sse(
        START, delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"text":"Hm."}]}'), STOP
    )
    + DONE,
    "think_tags": sse(delta(THOUGHT), STOP) + DONE,
    "cumulative_text": sse(START, *(delta(json.dumps({"content": TEXT[:n]})) for n in (4, 8, 12, 22)), STOP) + DONE,
    "text_replayed": sse(START, *(delta(json.dumps({"content": one})) for one in (TEXT[:9], TEXT[9:], TEXT)), STOP)
    + DONE,
    "cumulative_logprobs": sse(
        START,
        *(chunk(choice("{}", more=f'"logprobs":{{"content":[{",".join([TOKEN] * n)}]}}')) for n in (1, 2, 3, 4)),
        STOP,
    )
    + DONE,
    "choice_text": sse(*OLD) + DONE,
    "markup_in_text": sse(START, delta('{"content":"[TOOL_"}'), delta('{"content":"CALLS][{}]"}'), STOP) + DONE,
    "doubled_arguments": sse(START, *calls(OPEN, CLOSE, OPEN, CLOSE)) + DONE,
    "list_without_index": sse(START, delta('{"annotations":[{"type":"url_citation"}]}'), STOP) + DONE,
    "scalar_in_delta": sse(START, delta('{"content":"a","token_id":4}'), delta('{"content":"b","token_id":8}'), STOP)
    + DONE,
    "scalar_repeated": sse(START, delta('{"content":"a","flag":true}'), delta('{"content":"b","flag":true}'), STOP)
    + DONE,
    "tool_index_gap": sse(START, *calls(OPEN.replace('"index":0', '"index":1'))) + DONE,
    "tool_id_repeated": sse(START, *calls(OPEN, CLOSE.replace('"index":0', '"index":0,"id":"x"'))) + DONE,
    "tool_id_empty": sse(START, *calls(OPEN, CLOSE.replace('"index":0', '"index":0,"id":""'))) + DONE,
    "tool_name_late": sse(
        START, *calls('{"index":0,"id":"x","function":{"arguments":"{}"}}', '{"index":0,"function":{"name":"f"}}')
    )
    + DONE,
    "tool_name_empty": sse(START, *calls(OPEN, '{"index":0,"function":{"name":"","arguments":"}"}}')) + DONE,
    "tool_type_null": sse(START, *calls(OPEN, CLOSE.replace('"index":0', '"index":0,"type":null'))) + DONE,
    "tool_function_null": sse(START, *calls(OPEN, CLOSE, '{"index":0,"function":null}')) + DONE,
    "tool_calls_empty": sse(HELLO, delta('{"content":"!","tool_calls":[]}'), STOP) + DONE,
    "tool_fragments_together": sse(START, *calls(f"{OPEN},{CLOSE}")) + DONE,
    "calls_interleaved": sse(
        START,
        *calls(OPEN, OPEN.replace('"index":0,"id":"x"', '"index":1,"id":"y"')),
        *calls(CLOSE, CLOSE.replace('"index":0', '"index":1')),
    )
    + DONE,
    "arguments_empty": sse(START, *calls('{"index":0,"id":"x","function":{"name":"f","arguments":""}}')) + DONE,
    "arguments_not_object": sse(START, *calls('{"index":0,"id":"x","function":{"name":"f","arguments":"12"}}')) + DONE,
    "call_cut_off": sse(START, *calls(OPEN)[:-1], delta("{}", "length")) + DONE,
    "content_blank": sse(START, delta('{"content":"\\n"}'), *calls(OPEN, CLOSE)) + DONE,
    "custom_tool": sse(START, *calls('{"index":0,"id":"x","type":"custom","custom":{"name":"f","input":"a"}}')) + DONE,
    "function_call": sse(START, delta('{"function_call":{"name":"f","arguments":"{}"}}', "function_call")) + DONE,
    "extra_content": sse(
        START,
        *calls(OPEN.replace('"index":0', '"index":0,"extra_content":{"google":{"thought_signature":"s"}}'), CLOSE),
    )
    + DONE,
}
PLAIN = sse(START, delta('{"content":"Hi"}'), STOP, chunk(more=USAGE)) + DONE


def traits_of(*blocks: bytes) -> tuple[Finding, ...]:
    observations, accumulator = Observations(), Accumulator()
    for block in blocks:
        observations.feed(block)
        accumulator.absorb(block)
    outcome = accumulator.close()
    return observations.close(accumulator.snapshot(), complete=outcome.ok)


def codes(*blocks: bytes) -> set[str]:
    return {observation.code for observation in traits_of(*blocks)}


def only(code: str, stream: bytes) -> Finding:
    (found,) = [observation for observation in traits_of(stream) if observation.code == code]
    return found


def test_there_is_a_stream_for_every_trait_that_is_in_the_bytes() -> None:
    assert set(OBSERVATIONS) - {"content_type"} == set(SEEN_IN)


@pytest.mark.parametrize("code", SEEN_IN)
def test_every_trait_is_seen_where_a_sender_does_that(code: str) -> None:
    assert code in codes(SEEN_IN[code])


@pytest.mark.parametrize("code", SEEN_IN)
def test_the_cut_makes_no_difference(code: str) -> None:
    stream = SEEN_IN[code]
    assert traits_of(stream) == traits_of(*each_byte(stream))
    assert traits_of(stream) == traits_of(*(stream[at : at + 7] for at in range(0, len(stream), 7)))


@pytest.mark.parametrize("code", OBSERVATIONS)
def test_a_trait_has_a_severity_of_its_own_and_two_sentences(code: str) -> None:
    severity, message, action = OBSERVATIONS[code]
    assert severity in ("info", "note")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
    assert all(sentence.endswith(".") and len(sentence) < 100 for sentence in (message, action))


def test_a_plain_stream_has_no_traits() -> None:
    assert () == traits_of(PLAIN)


def test_a_stream_of_tool_calls_one_after_the_other_has_no_traits() -> None:
    stream = sse(
        START,
        *calls(OPEN, CLOSE)[:-1],
        *calls(OPEN.replace('"index":0,"id":"x"', '"index":1,"id":"y"'), CLOSE.replace('"index":0', '"index":1')),
    )
    assert () == traits_of(stream + DONE)


def test_several_choices_that_open_in_order_have_no_traits() -> None:
    each = [delta('{"role":"assistant"}', index=n) for n in (0, 1)]
    text = [delta('{"content":"a"}', index=n) for n in (1, 0)]
    stop = [delta("{}", "stop", index=n) for n in (1, 0)]
    assert () == traits_of(sse(*each, *text, *stop) + DONE)


def test_a_trait_says_how_often_and_where_first() -> None:
    found = only("role_repeated", sse(*[HELLO] * 4, STOP) + DONE)
    assert (3, 2, "$.choices[0].delta.role", "assistant") == (found.count, found.event, found.path, found.excerpt)


def test_events_are_numbered_as_the_accumulator_numbers_them() -> None:
    late = STOP.replace("c1", "")
    stream = b": ping\n\nretry: 1\n\n" + sse(HELLO, "[]") + b'{"type":"ping"}\n\n' + sse(late) + DONE
    accumulator = Accumulator()
    accumulator.absorb(stream)
    (unframed,) = [one for one in accumulator.anomalies if one.code == "unframed_json"]
    assert unframed.event + 1 == only("id_missing", stream).event


def test_what_follows_done_is_no_matter_of_the_format() -> None:
    assert () == traits_of(PLAIN + b": bye\r\n\r\nid: 7\n\n" + sse(STOP.replace("c1", "c2")))


def test_an_event_over_the_limit_ends_the_looking() -> None:
    observations = Observations(max_event_bytes=1000)
    observations.feed(sse(HELLO))
    observations.feed(b"data: " + b"a" * 1000)
    observations.feed(b"\n\n: ping\n\n")
    assert () == observations.close(None, complete=False)


def test_what_only_the_end_can_tell_is_not_said_of_a_stream_that_breaks_off() -> None:
    assert {"role_missing"} == codes(sse(delta('{"content":"a"}'), STOP) + DONE)
    assert set() == codes(sse(delta('{"content":"a"}')))


def test_arguments_that_a_length_limit_cut_off_are_no_fault_but_the_call_is_not_whole() -> None:
    cut = [*calls(OPEN)[:-1], delta("{}", "length")]
    assert {"call_cut_off"} == codes(sse(START, *cut) + DONE)


def test_the_end_of_a_line_is_one_however_its_cr_and_lf_are_cut() -> None:
    stream = SEEN_IN["sse_line_ends"]
    cut = stream.index(b"\r") + 1
    assert stream.count(b"\r\n") == only("sse_line_ends", stream).count
    assert traits_of(stream) == traits_of(stream[:cut], stream[cut:])


def test_lines_that_end_with_cr_alone_are_lines() -> None:
    stream = (sse(HELLO, STOP) + DONE).replace(b"\n", b"\r")
    assert {"sse_line_ends"} == codes(stream)


@pytest.mark.parametrize("text", ["\\\\ud83d", "\\ud83d\\ude00", "\\ud83d!", "d83d"])
def test_a_whole_pair_and_what_only_looks_like_half_of_one_are_no_trait(text: str) -> None:
    assert "surrogate_halves" not in codes(sse(delta(f'{{"role":"assistant","content":"{text}"}}'), STOP) + DONE)


def test_a_full_message_behind_the_deltas_is_an_anomaly_and_repeats_no_role() -> None:
    whole = chunk('{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}')
    assert set() == codes(sse(HELLO, whole) + DONE)


def test_usage_that_counts_up_is_no_usage_that_loses_fields() -> None:
    first = delta("{}", more='"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}')
    assert not {"usage_shrinks", "usage_dropped"} & codes(sse(START, first, delta("{}", "stop", more=USAGE)) + DONE)


def test_a_reused_index_is_an_anomaly_and_no_trait() -> None:
    other = OPEN.replace('"id":"x"', '"id":"y"')
    assert set() == codes(sse(START, *calls(OPEN.replace('{"}}', '{}"}}'), other.replace('{"}}', '{}"}}'))) + DONE)


@pytest.mark.parametrize(
    "odd",
    [
        '{"choices":5}',
        '{"choices":"abc"}',
        '{"choices":[5,null,"a",[]]}',
        '{"choices":[{"index":"0","delta":[]}]}',
        '{"choices":[{"index":1e400,"delta":{"role":{},"content":[]}}]}',
        '{"choices":[{"delta":{"tool_calls":[5,null,{"index":[],"function":"f"},{"index":0,"id":[],"function":[]}]}}]}',
        '{"choices":[{"delta":{"tool_calls":{"index":0,"function":{"name":{},"arguments":[]}}}}]}',
        '{"choices":{"index":0,"finish_reason":5,"logprobs":[],"message":"a"}}',
        '{"id":5,"model":[],"object":{},"usage":[],"choices":null}',
        '{"id":"a","usage":{"prompt_tokens":{"a":[]},"b":null}}',
        '{"error":{"message":{}},"choices":[{"error":5}]}',
        "[[[]], 5, null]",
        '"text"',
        "NaN",
        "{",
    ],
)
def test_whatever_the_json_nothing_is_raised(odd: str) -> None:
    traits_of(sse(HELLO, odd, odd, STOP) + DONE)


def test_where_a_code_is_an_anomaly_too_the_report_has_the_anomaly(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = SEEN_IN["id_missing"]
    assert ["id_missing"] == [one.code for one in check_stream(stream).findings]
    monkeypatch.setitem(CODES, "id_missing", ("note", "There is no id.", "The first stands."))
    assert [] == [one.code for one in check_stream(stream).findings]


# --- markup


def leaks(*pieces: str, field: str = "content") -> list[str]:
    """The markup that is reported, with who writes it."""
    deltas = [delta(json.dumps({field: piece}, ensure_ascii=False)) for piece in pieces]
    return [
        one.excerpt.partition(" in: ")[0]
        for one in traits_of(sse(START, *deltas, STOP) + DONE)
        if one.code == "markup_in_text" and one.excerpt is not None
    ]


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_is_found_whole_and_cut_anywhere_with_who_writes_it(markup: str) -> None:
    text = f"Well. {markup} and so on"
    assert [f"{markup} ({MARKUP[markup]})"] == leaks(text) == leaks(*text)


def test_each_markup_is_counted_once_however_it_is_cut() -> None:
    text = '<tool_call>{"name":"f"}</tool_call>'
    for pieces in ([text], list(text), [text[:5], text[5:]]):
        stream = sse(START, *(delta(json.dumps({"content": piece})) for piece in pieces), STOP) + DONE
        assert 2 == only("markup_in_text", stream).count


@pytest.mark.parametrize("text", ["a < b", "<tool>", "[TOOL CALLS]", "<|", "<think>so</think>yes", "tool_calls"])
def test_text_that_only_looks_like_markup_is_none(text: str) -> None:
    assert [] == leaks(text) == leaks(*text)


def test_a_closing_think_tag_that_nothing_opened_is_a_leak_and_in_the_reasoning_it_is_not() -> None:
    (found,) = leaks("so it is", ".</think>", "yes")
    assert found.startswith("</think> (")
    assert [] == leaks("so it is.</think>", field="reasoning_content")
    assert ["<tool_call> (Qwen, Hermes, GLM)"] == leaks("so <tool_call>", field="reasoning_content")


def test_markup_leaks_of_each_choice_by_itself() -> None:
    halves = [delta('{"content":"[TOOL_"}', index=0), delta('{"content":"CALLS]"}', index=1)]
    assert "markup_in_text" not in codes(sse(*halves, STOP, delta("{}", "stop", index=1)) + DONE)


def test_markup_in_the_text_of_an_old_completion_is_found_too() -> None:
    assert "markup_in_text" in codes(sse(*OLD).replace(b'"Hi"', b'"<|im_end|>"') + DONE)


# --- habits


def test_every_habit_that_a_dialect_reads_can_be_suggested() -> None:
    habits = {field.name for field in attrs.fields(Dialect)}
    assert set() == habits - set(OBSERVATIONS) - set(CODES)


def test_one_chunk_of_an_old_completion_is_enough_and_the_option_is_named() -> None:
    found = only("choice_text", sse(*OLD) + DONE)
    assert "`Dialect(choice_text=True)`" in found.action
    assert "Hi" == read(*OLD, dialect=Dialect(choice_text=True)).message["content"]


@pytest.mark.parametrize(
    "code",
    "cumulative_logprobs choice_text text_replayed reasoning_object markup_in_text scalar_in_delta finish_stop_with_calls call_cut_off content_blank arguments_empty"
    " arguments_not_object think_tags cumulative_text token_index".split(),
)
def test_what_makes_the_response_another_than_the_unstreamed_one_is_never_clean(code: str) -> None:
    report = check_stream(SEEN_IN[code])
    assert code in [found.code for found in report.findings]
    assert "clean" != report.verdict


def test_a_text_that_only_repeats_a_part_of_itself_is_no_replay() -> None:
    for pieces in ((TEXT, TEXT), ("ha", "ha", "haha"), (TEXT[:9], TEXT[9:], TEXT[:9])):
        deltas = [delta(json.dumps({"content": piece})) for piece in pieces]
        assert "text_replayed" not in codes(sse(START, *deltas, STOP) + DONE)
