"""Chunks to the response: what wins, what adds, what is kept, by index and at any moment."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import calls, choice, chunk, delta, read, read_blocks, sse
from streamkit import Accumulator, dumps, events, unstructure

FINISH = delta("{}", "stop")


def bare(more: str) -> str:
    """A chunk with these fields and no others."""
    return f'{{"choices":[{choice()}],{more}}}'


@pytest.mark.parametrize(
    "field, values, expected",
    [
        ("id", ['""', '"a"', '"b"'], "a"),
        ("id", ["null", '"a"', "null"], "a"),
        ("id", ["7"], "7"),
        ("model", ['""', '"auto"', '"m-2"'], "auto"),
        ("created", ["0", "5", "6"], 5),
        ("created", ["null", "5"], 5),
        ("created", ["1714000000.9"], 1714000000),
        ("created", ['"5"'], 5),
        ("created", ['"1970-01-01T00:01:00Z"'], 60),
        ("created", ['"soon"', "5"], 5),
        ("system_fingerprint", ['"a"', '"b"', "null"], "b"),
        ("system_fingerprint", ['"a"', '"b"', '"a"'], "a"),
        ("service_tier", ["null", '"default"', '"flex"', "null"], "flex"),
        ("service_tier", ['"on_a_whim"'], "on_a_whim"),
    ],
)
def test_each_fact_of_the_response_is_the_one_that_its_rule_says(
    field: str, values: list[str], expected: object
) -> None:
    assert expected == read(*(bare(f'"{field}":{value}') for value in values), FINISH).response[field]


@pytest.mark.parametrize("field", ["id", "model"])
def test_a_first_chunk_that_is_empty_is_filled_by_a_later_one(field: str) -> None:
    azure = '{"id":"","model":"","object":"","created":0,"choices":[],"prompt_filter_results":[{"prompt_index":0}]}'
    response = read(azure, delta('{"content":"a"}', "stop")).response
    assert {"id": "c1", "model": "m", "created": 7}.items() <= response.items()
    assert [{"prompt_index": 0}] == response["prompt_filter_results"]


def test_the_response_is_a_response_and_no_chunk() -> None:
    assert "chat.completion" == read(delta('{"content":"a"}')).response["object"]


def test_the_response_is_none_before_the_first_chunk() -> None:
    accumulator = Accumulator()
    accumulator.feed(b": ping\n\n" + sse('{"type":"ping"}'))
    assert None is accumulator.snapshot()


def test_choices_are_sorted_by_index_whatever_order_they_arrived_in() -> None:
    reading = read(
        delta('{"content":"c"}', index=2),
        chunk(choice('{"content":"b"}', index=1) + "," + choice('{"content":"a"}', index=0)),
        delta('{"content":"C"}', "length", index=2),
        delta('{"content":"A"}', "stop", index=0),
        delta('{"content":"B"}', "content_filter", index=1),
    )
    assert [(0, "aA", "stop"), (1, "bB", "content_filter"), (2, "cC", "length")] == [
        (one["index"], one["message"]["content"], one["finish_reason"]) for one in reading.response["choices"]
    ]


def test_indices_of_choices_may_have_holes() -> None:
    reading = read(delta('{"content":"b"}', index=5), delta('{"content":"a"}', index=2))
    assert [(2, "a"), (5, "b")] == [(one["index"], one["message"]["content"]) for one in reading.response["choices"]]


def test_the_same_index_twice_in_one_chunk_is_one_choice() -> None:
    reading = read(chunk(choice('{"content":"a"}') + "," + choice('{"content":"b"}', "stop")))
    assert "ab" == reading.message["content"]


# --- text


@pytest.mark.parametrize(
    "name", ["content", "refusal", "reasoning_content", "reasoning", "reasoning_text"], ids=lambda name: name
)
def test_text_adds_and_halves_of_a_pair_meet_in_the_next_delta_of_the_same_field(name: str) -> None:
    pieces = ("a", "a", "\\ud83d", "\\ude00b", "", "\U0001f1e8")
    reading = read(*(delta(f'{{"{name}":"{piece}"}}') for piece in pieces), FINISH)
    assert "aa\U0001f600b\U0001f1e8" == reading.message[name]
    assert () == reading.anomalies


@pytest.mark.parametrize("name", ["content", "refusal", "reasoning_content", "reasoning", "odd"])
@pytest.mark.parametrize("ending", [[FINISH], []], ids=["finished", "cut-off"])
def test_half_a_pair_alone_at_the_end_is_converted_to_a_replacement_character_and_an_anomaly(
    name: str, ending: list[str]
) -> None:
    reading = read(delta(f'{{"{name}":"a"}}'), delta(f'{{"{name}":"b\\ud83d"}}'), *ending, done=False)
    assert "ab\ufffd" == reading.message[name]
    assert "lone_surrogate" in reading.codes


@pytest.mark.parametrize(
    "fields",
    [
        '"content":"\\ud83d"',
        '"reasoning_content":"\\ud83d"',
        '"odd":"\\ud83d"',
        '"audio":{"transcript":"\\ud83d"}',
        '"function_call":{"name":"f","arguments":"\\ud83d"}',
        '"function_call":{"arguments":"\\ud83d"}',
        '"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"\\ud83d"}}]',
        '"tool_calls":[{"index":0,"id":"x","function":{"arguments":"\\ud83d"}}]',
        '"tool_calls":[{"index":0,"id":"x","function":{"name":"f"},"odd":"\\ud83d"}]',
        '"reasoning_details":[{"type":"reasoning.text","index":0,"text":"\\ud83d"}]',
        '"content":[{"type":"text","text":"\\ud83d"}]',
        '"annotations":[{"text":"\\ud83d"}]',
        '"images":[{"content":{"text":["\\ud83d"]}}]',
    ],
)
def test_half_a_pair_that_is_all_of_a_field_is_not_lost_and_the_response_can_be_written(fields: str) -> None:
    reading = read(delta("{" + fields + "}"), FINISH)
    assert "lone_surrogate" in reading.codes
    assert "\ufffd" in dumps(reading.accumulator.snapshot()).decode()


@pytest.mark.parametrize(
    "pieces, expected",
    [
        (["\\ud83d", "x"], "\ufffdx"),
        (["\\ude00"], "\ufffd"),
        (["a", "\\ude00"], "a\ufffd"),
        (["a\\ud83db"], "a\ufffdb"),
        (["\\ud83d", "\\ud83d\\ude00"], "\ufffd\U0001f600"),
    ],
)
def test_half_a_pair_that_cannot_meet_its_other_half_is_an_anomaly_too(pieces: list[str], expected: str) -> None:
    reading = read(*(delta(f'{{"content":"{piece}"}}') for piece in pieces), FINISH)
    assert expected == reading.message["content"]
    assert "lone_surrogate" in reading.codes


def test_halves_of_different_fields_and_choices_do_not_meet() -> None:
    reading = read(
        delta('{"content":"a\\ud83d"}', index=0),
        delta('{"content":"b\\ud83e"}', index=1),
        delta('{"reasoning":"\\ude00"}', index=0),
        delta('{"content":"\\udd16"}', index=1),
        delta('{"content":"\\ude00"}', index=0),
    )
    assert ["a\U0001f600", "b\U0001f916"] == [one["message"]["content"] for one in reading.response["choices"]]


@pytest.mark.parametrize("path", ["id", "model", "system_fingerprint", "odd"])
def test_half_a_pair_in_a_fact_of_the_response_does_no_harm(path: str) -> None:
    response = read(bare(f'"{path}":"a\\ud83d"'), FINISH).accumulator.snapshot()
    assert b"a\xef\xbf\xbd" in dumps(response)


# --- unknown fields


@pytest.mark.parametrize(
    "values, expected",
    [
        (['"en"', '"en"', '"en"'], "en"),
        (['"a"', '"a"', '"b"'], "aab"),
        (['"a"', "null", '"a"'], "a"),
        (["[1]", "[2]"], [1, 2]),
        (["12", "7"], 7),
        (["true", "true"], True),
        (["0.5", "0.25"], 0.25),
        (['{"a":"x","b":1}', '{"a":"y","c":[2]}'], {"a": "xy", "b": 1, "c": [2]}),
        (["null"], None),
        (["[]"], []),
        (["{}"], {}),
        (['""'], ""),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda one: delta(f'{{"odd":{one}}}'), id="delta"),
        pytest.param(lambda one: delta(f'{{"audio":{{"id":"a","odd":{one}}}}}'), id="audio"),
        pytest.param(lambda one: delta(f'{{"function_call":{{"name":"f","odd":{one}}}}}'), id="function call"),
        pytest.param(lambda one: delta(f'{{"tool_calls":[{{"index":0,"id":"x","odd":{one}}}]}}'), id="tool call"),
        pytest.param(
            lambda one: delta(f'{{"tool_calls":[{{"index":0,"id":"x","function":{{"odd":{one}}}}}]}}'), id="function"
        ),
    ],
)
def test_an_unknown_field_of_a_delta_stays_in_its_place(place: Any, values: list[str], expected: object) -> None:
    message = read(*map(place, values)).message
    found = message.get("audio") or message.get("function_call") or message.get("tool_calls") or message
    found = found[0] if isinstance(found, list) else found
    assert expected == (found["odd"] if "odd" in found else found["function"]["odd"])


@pytest.mark.parametrize(
    "values, expected",
    [
        (['"a"', '"b"'], "b"),
        (["[1]", "[2,3]"], [1, 2, 3]),
        (["[1]", "[]"], [1]),
        (["1", "null"], 1),
        (['{"a":1}', '{"b":2}'], {"a": 1, "b": 2}),
        (["null"], None),
    ],
)
@pytest.mark.parametrize("place", ["chunk", "choice", "logprobs"])
def test_an_unknown_field_outside_of_a_delta_is_the_last_one_but_a_list_grows(
    place: str, values: list[str], expected: object
) -> None:
    if place == "chunk":
        found = read(*(delta(more=f'"odd":{one}') for one in values)).response
    else:
        more = [f'"odd":{one}' if place == "choice" else f'"logprobs":{{"content":[],"odd":{one}}}' for one in values]
        found = read(*(chunk(choice(more=one)) for one in more)).response["choices"][0]
        found = found["logprobs"] if place == "logprobs" else found
    assert expected == found["odd"]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(delta('{"content":"a"}', more='"obfuscation":"xyz"'), id="chunk"),
        pytest.param(delta('{"content":"a"}', more='"obfuscation":null'), id="null"),
        pytest.param(chunk(choice('{"content":"a"}', more='"obfuscation":"xyz"')), id="choice"),
        pytest.param(delta('{"content":"a","obfuscation":"xyz"}'), id="delta"),
    ],
)
def test_padding_is_dropped(document: str) -> None:
    assert "obfuscation" not in str(read(document, FINISH).response)


def test_a_null_erases_nothing() -> None:
    full = (
        '{"role":"assistant","content":"a","refusal":"b","reasoning":"c","odd":[1],"audio":{"id":"d","data":"QQ=="},'
        '"function_call":{"name":"f","arguments":"{}"},'
        '"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]}'
    )
    empty = (
        '{"role":null,"content":null,"refusal":null,"reasoning":null,"odd":null,"audio":null,"function_call":null,'
        '"tool_calls":null}'
    )
    first = chunk(
        choice(full, "stop", more='"logprobs":{"content":[]}'), '"usage":{"total_tokens":3},"service_tier":"flex"'
    )
    second = (
        f'{{"id":null,"object":null,"created":null,"model":null,"system_fingerprint":null,"service_tier":null,"usage":null,'
        f'"choices":[{{"index":0,"delta":{empty},"finish_reason":null,"logprobs":null}}]}}'
    )
    assert read(first).response == read(first, second).response


def test_images_and_annotations_of_all_chunks_are_one_list() -> None:
    reading = read(
        delta('{"images":[{"type":"image_url","image_url":{"url":"data:a"}}],"annotations":[{"a":1}]}'),
        delta('{"annotations":[{"a":2}],"images":[{"type":"image_url","image_url":{"url":"data:b"}}]}'),
    )
    assert ["data:a", "data:b"] == [one["image_url"]["url"] for one in reading.message["images"]]
    assert [{"a": 1}, {"a": 2}] == reading.message["annotations"]


def test_reasoning_details_are_put_together_by_type_and_index() -> None:
    reading = read(
        delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"id":"r","format":"v1","text":"He"}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"id":"r","format":"v1","text":"llo"}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"format":"v1","signature":"sig"}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.encrypted","index":0,"data":"AB"}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.encrypted","index":0,"data":"CD"}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.summary","index":1,"summary":"s"}]}'),
    )
    assert [
        {"type": "reasoning.text", "index": 0, "id": "r", "format": "v1", "text": "Hello", "signature": "sig"},
        {"type": "reasoning.encrypted", "index": 0, "data": "AB"},
        {"type": "reasoning.encrypted", "index": 0, "data": "CD"},
        {"type": "reasoning.summary", "index": 1, "summary": "s"},
    ] == reading.message["reasoning_details"]


def test_reasoning_in_two_fields_is_reported_once_and_kept_in_both() -> None:
    reading = read(*(delta(f'{{"reasoning":"{one}","reasoning_content":"{one}"}}') for one in "abc"), FINISH)
    assert ("abc", "abc") == (reading.message["reasoning"], reading.message["reasoning_content"])
    assert ["a", "b", "c"] == [event.text for event in reading.of(events.ReasoningDelta)]


def test_reasoning_between_text_and_calls_keeps_all_three() -> None:
    reading = read(
        delta('{"reasoning_content":"hm"}'),
        delta('{"content":"a"}'),
        delta('{"reasoning_content":"m"}'),
        *calls('{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}'),
    )
    assert ("a", "hmm", [("x", "f", "{}")]) == (
        reading.message["content"], reading.message["reasoning_content"], reading.calls,
    )  # fmt: skip


def test_content_in_parts_gives_text_and_reasoning_and_keeps_the_parts() -> None:
    reading = read(
        delta('{"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"}]}]}'),
        delta('{"content":[{"type":"thinking","thinking":[{"type":"text","text":"m"}]}]}'),
        delta('{"content":"a"}'),
        delta('{"content":[{"type":"text","text":"b"},{"type":"reference","reference_ids":[1]}]}', "stop"),
    )
    assert ("ab", "hm") == (reading.message["content"], reading.message["reasoning_content"])
    assert [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "b"},
        {"type": "reference", "reference_ids": [1]},
    ] == reading.message["content_parts"]


# --- usage

USAGE = '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
COUNTS = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param([FINISH, chunk(more=USAGE)], id="in a chunk of its own"),
        pytest.param([delta("{}", "stop", more=USAGE)], id="with the finish reason"),
        pytest.param([delta('{"content":"a"}', "stop", more=USAGE)], id="with text"),
        pytest.param([chunk(more=USAGE), FINISH], id="before the finish reason"),
        pytest.param([delta("{}", "stop", more=USAGE), chunk(more=USAGE)], id="twice"),
        pytest.param([FINISH, chunk(more=f'"x_groq":{{"id":"r",{USAGE}}}')], id="in x_groq"),
        pytest.param([FINISH, chunk(more=f'"usage":null,"x_groq":{{{USAGE}}}')], id="in x_groq beside null"),
        pytest.param([FINISH, chunk(more=f'"usage":{{}},"x_groq":{{{USAGE}}}')], id="in x_groq beside an empty one"),
        pytest.param([chunk(choice("{}", "stop", more=USAGE))], id="on a choice"),
        pytest.param([chunk(choice("{}", "stop") + "," + choice("{}", "stop", 1, USAGE))], id="on the second choice"),
        pytest.param([delta("{}", "stop", more=USAGE), chunk(more='"usage":null')], id="then null"),
        pytest.param([delta("{}", "stop", more=USAGE), chunk(more='"usage":{}')], id="then empty"),
        pytest.param([delta("{}", "stop", more=USAGE), chunk()], id="then none"),
        pytest.param(
            [
                chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":0,"total_tokens":1}'),
                FINISH,
                chunk(more=USAGE),
            ],
            id="counting up",
        ),
        pytest.param(
            [
                chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":9,"total_tokens":10}'),
                FINISH,
                chunk(more=USAGE),
            ],
            id="corrected downwards",
        ),
        pytest.param(
            [
                FINISH,
                chunk(more='"usage":{"prompt_tokens":1}'),
                chunk(more='"usage":{"completion_tokens":2,"total_tokens":3}'),
            ],
            id="in parts",
        ),
        pytest.param(
            [FINISH, chunk(more='"usage":{"prompt_tokens":"1","completion_tokens":2.0,"total_tokens":3}')],
            id="as other kinds of numbers",
        ),
    ],
)
def test_usage_is_what_was_reported_last_in_any_place(documents: list[str]) -> None:
    assert COUNTS == {key: read(*documents).response["usage"][key] for key in COUNTS}


def test_a_count_missing_from_the_last_report_keeps_its_earlier_value() -> None:
    full = (
        '"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"cost":0.5,'
        '"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":1,"image_tokens":4}}'
    )
    less = (
        '"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":null,'
        '"completion_tokens_details":{"reasoning_tokens":3}}'
    )
    assert {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3, "image_tokens": 4},
        "cost": 0.5,
    } == read(delta("{}", "stop", more=full), chunk(more=less)).response["usage"]


@pytest.mark.parametrize("usage", ["null", "{}"])
def test_no_usage_is_none(usage: str) -> None:
    assert None is read(delta("{}", "stop", more=f'"usage":{usage}')).response["usage"]


def test_usage_found_elsewhere_also_stays_there() -> None:
    assert COUNTS == read(FINISH, chunk(more=f'"x_groq":{{{USAGE}}}')).response["x_groq"]["usage"]


def test_each_report_of_usage_is_an_event_with_the_counts_in_effect_after_it() -> None:
    reading = read(
        delta("{}", "stop", more='"usage":{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5}'),
        chunk(more='"usage":{"prompt_tokens":0,"completion_tokens":2,"total_tokens":6}'),
    )
    assert [(4, 1, 5), (4, 2, 6)] == [
        (event.usage.prompt_tokens, event.usage.completion_tokens, event.usage.total_tokens)
        for event in reading.of(events.UsageSeen)
    ]


# --- finish reasons


@pytest.mark.parametrize(
    "reasons, expected",
    [
        (["stop"], "stop"),
        (["", "", "stop"], "stop"),
        (["stop", ""], "stop"),
        (["stop", None, None], "stop"),
        (["stop", "stop"], "stop"),
        (["tool_calls", "stop"], "stop"),
        (["end_turn"], "end_turn"),
        (["eos"], "eos"),
        (["STOP"], "STOP"),
        ([""], None),
        ([None], None),
    ],
)
def test_the_last_finish_reason_that_is_not_empty_is_kept(reasons: list[str | None], expected: str | None) -> None:
    reading = read(*(delta('{"content":"a"}' if at == 0 else "{}", reason) for at, reason in enumerate(reasons)))
    assert expected == reading.response["choices"][0].get("finish_reason")


def test_a_finish_reason_in_the_chunk_with_the_last_text_ends_the_choice_after_it() -> None:
    reading = read(delta('{"content":"a"}', "stop"))
    assert [
        "ChoiceStarted", "ContentStarted", "ContentDelta", "Finish", "ContentDone", "ChoiceDone", "End",
    ] == reading.kinds  # fmt: skip


def test_what_arrives_after_the_finish_reason_is_kept() -> None:
    reading = read(delta('{"content":"a"}', "stop"), delta('{"content":"b"}'), delta('{"odd":1}'))
    assert {"role": "assistant", "content": "ab", "odd": 1} == reading.message
    assert "stop" == reading.response["choices"][0]["finish_reason"]
    assert "after_finish" in reading.codes


# --- a message where a delta should be


@pytest.mark.parametrize(
    "documents, content",
    [
        (['{"index":0,"message":{"role":"assistant","content":"abc"},"finish_reason":"stop"}'], "abc"),
        (
            [
                '{"index":0,"message":{"role":"assistant","content":"a"}}',
                '{"index":0,"message":{"content":"b"}}',
                '{"index":0,"message":{"content":""},"finish_reason":"stop"}',
            ],
            "ab",
        ),
        (
            [
                choice('{"content":"abc"}'),
                '{"index":0,"message":{"role":"assistant","content":"abc"},"finish_reason":"stop"}',
            ],
            "abc",
        ),
        (
            [choice('{"content":"ab"}'), '{"index":0,"delta":{},"message":{"content":"abc"},"finish_reason":"stop"}'],
            "abc",
        ),
        (
            [
                '{"index":0,"delta":{"content":"a"},"message":{"content":"a"}}',
                '{"index":0,"delta":{"content":"b"},"message":{"content":"ab"}}',
                '{"index":0,"delta":{"content":"c"},"message":{"content":"abc"},"finish_reason":"stop"}',
            ],
            "abc",
        ),
    ],
    ids=["only", "for-each-delta", "again-at-the-end", "with-more-at-the-end", "beside-each-delta"],
)
def test_a_message_gives_what_the_deltas_lack_and_nothing_twice(documents: list[str], content: str) -> None:
    reading = read(*map(chunk, documents))
    assert content == reading.message["content"]
    assert ("complete", "done") == reading.ending


def test_a_whole_message_gives_its_calls_once() -> None:
    call = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}'
    message = f'{{"index":0,"message":{{"content":null,"tool_calls":[{call}]}},"finish_reason":"tool_calls"}}'
    assert [("x", "f", "{}")] == read(chunk(message)).calls
    assert [("x", "f", "{}")] == read(delta(f'{{"tool_calls":[{call}]}}'), chunk(message)).calls


# --- snapshots


def test_a_snapshot_in_the_middle_is_a_value_and_no_alias() -> None:
    token = (
        '{"token":"a","logprob":-1.0,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-1.0,"bytes":[97]}],"odd":[1]}'
    )
    document = chunk(
        choice(
            '{"content":"a","odd":{"list":[1]},"annotations":[{"a":1}],"audio":{"odd":[1]},"tool_calls":[{"index":0,"id":"x",'
            '"function":{"name":"f","arguments":"{","odd":[1]},"odd":[1]}],"reasoning_details":[{"type":"t","odd":[1]}]}',
            more=f'"odd":[1],"logprobs":{{"content":[{token}],"odd":[1]}}',
        ),
        '"odd":[1],"usage":{"prompt_tokens":1,"odd":[1],"prompt_tokens_details":{"odd":[1]}}',
    )
    accumulator = Accumulator()
    accumulator.feed(sse(document))
    untouched, spoilt = accumulator.snapshot(), accumulator.snapshot()
    expected = unstructure(untouched)
    one = spoilt.choices[0]
    lists = [
        spoilt.extra["odd"], one.extra["odd"], one.logprobs.extra["odd"], one.logprobs.content,
        one.message.extra["odd"]["list"], one.message.extra["annotations"],
        one.message.audio.extra["odd"], one.message.tool_calls[0].extra["odd"], one.message.tool_calls[0].function.extra["odd"],
        one.message.extra["reasoning_details"][0]["odd"], spoilt.usage.extra["odd"], spoilt.usage.prompt_tokens_details.extra["odd"],
        one.message.tool_calls, spoilt.choices,
    ]  # fmt: skip
    for each in lists:
        each.append("spoilt")
    one.message.extra["annotations"][0]["a"] = "spoilt"
    assert expected == unstructure(untouched)
    assert expected == unstructure(accumulator.snapshot())


def test_what_an_event_carries_is_not_an_alias_either() -> None:
    accumulator = Accumulator()
    token = '{"token":"a","logprob":-1.0,"bytes":[97],"top_logprobs":[]}'
    told = accumulator.feed(
        sse(chunk(choice('{"annotations":[{"a":[1]}]}', more=f'"logprobs":{{"content":[{token}]}}')))
    )
    before = unstructure(accumulator.snapshot())
    (annotations,) = [event for event in told if isinstance(event, events.AnnotationsDelta)]
    annotations.annotations[0]["a"].append(2)
    (logprobs,) = [event for event in told if isinstance(event, events.LogprobsDelta)]
    logprobs.content.clear()
    assert before == unstructure(accumulator.snapshot())


def test_a_snapshot_after_every_chunk_changes_nothing() -> None:
    documents = [
        delta('{"content":"a\\ud83d"}'),
        delta('{"content":"\\ude00","odd":"x"}'),
        delta('{"odd":"y"}'),
        *calls(
            '{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}', '{"index":0,"function":{"arguments":"}"}}'
        ),
    ]
    accumulator = Accumulator()
    seen = []
    for document in documents:
        accumulator.feed(sse(document))
        seen.append(accumulator.snapshot().choices[0].message.content)
    accumulator.close()
    assert ["a", "a\U0001f600"] == seen[:2]
    assert read_blocks([sse(*documents)]).response == unstructure(accumulator.snapshot())


def test_a_snapshot_in_the_middle_can_be_written() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"content":"a\\ud83d","odd":"\\ud83d","reasoning":"\\ud83d"}')))
    assert b'"content":"a"' in dumps(accumulator.snapshot())


# --- unknown fields are counted


def test_unknown_fields_are_counted_by_path() -> None:
    reading = read(
        delta('{"content":"a","reasoning":"b"}', more='"provider":"p"'),
        delta('{"reasoning":"c"}', more='"provider":"p"'),
        chunk(choice(more='"stop_reason":null')),
        *calls('{"index":0,"id":"x","odd":1,"function":{"name":"f","arguments":"{}","strict":true}}'),
    )
    assert {
        "choices[].delta.reasoning": 2,
        "provider": 2,
        "choices[].stop_reason": 1,
        "choices[].delta.tool_calls[].odd": 1,
        "choices[].delta.tool_calls[].function.strict": 1,
    } == reading.accumulator.statistics().unknown_fields


# --- what is said of a call after its choice was done


@pytest.mark.parametrize(
    "late, call",
    [
        ('{"index":0,"id":"a","function":{"arguments":""}}', ("a", "", "{}")),
        ('{"index":0,"function":{"name":"f"}}', ("call_c1_0_0", "f", "{}")),
        ('{"index":0,"id":"a","function":{"name":"f","arguments":""}}', ("a", "f", "{}")),
    ],
    ids=["id", "name", "both"],
)
def test_a_call_that_gets_its_id_or_name_after_it_was_done_is_reopened(late: str, call: tuple[str, str, str]) -> None:
    bare = delta('{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}')
    told = read(bare, delta(finish="tool_calls"), delta(f'{{"tool_calls":[{late}]}}'))
    assert [call] == told.calls
    done = told.of(events.ToolCallDone)[-1]
    assert call == (done.id, done.name, done.tool_call.function.arguments)
    assert [False, True] == [one.reopened for one in told.of(events.ToolCallStarted)]


def test_a_call_without_news_after_it_was_done_stays_done() -> None:
    whole = '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}'
    again = '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}'
    told = read(delta(whole), delta(finish="tool_calls"), delta(again))
    assert [("a", "f", "{}")] == told.calls
    assert 1 == len(told.of(events.ToolCallStarted)) == len(told.of(events.ToolCallDone))


def test_a_function_call_that_gets_its_name_after_it_was_done_is_reopened() -> None:
    told = read(
        delta('{"function_call":{"arguments":"{}"}}'),
        delta(finish="function_call"),
        delta('{"function_call":{"name":"f"}}'),
    )
    assert {"name": "f", "arguments": "{}"} == told.message["function_call"]
    assert ["", "f"] == [one.function_call.name for one in told.of(events.FunctionCallDone)]
