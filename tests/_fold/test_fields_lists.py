"""Lists outside a delta, whole objects inside one, numbers that change, values of another type: nothing lost or blended."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import Reading, choice, chunk, delta, read

FINISH = delta("{}", "stop")


def on_chunk(values: list[str]) -> tuple[Any, Reading]:
    reading = read(*(delta('{"content":"a"}', more=f'"odd":{one}') for one in values), FINISH)
    return reading.response["odd"], reading


def on_choice(values: list[str]) -> tuple[Any, Reading]:
    reading = read(*(chunk(choice('{"content":"a"}', more=f'"odd":{one}')) for one in values), FINISH)
    return reading.response["choices"][0]["odd"], reading


def in_object(values: list[str]) -> tuple[Any, Reading]:
    reading = read(*(delta('{"content":"a"}', more=f'"x_groq":{{"debug":{{"odd":{one}}}}}') for one in values), FINISH)
    return reading.response["x_groq"]["debug"]["odd"], reading


@pytest.mark.parametrize(
    "values, expected",
    [
        (['["a","b"]'] * 3, ["a", "b"]),
        (['["a"]', '["a","b"]', '["a","b","c"]'], ["a", "b", "c"]),
        (['["a"]', '["b"]'], ["a", "b"]),
        (['["a","b"]', '["a"]'], ["a", "b", "a"]),
        (['[{"u":1}]', '[{"u":2}]'], [{"u": 1}, {"u": 2}]),
        (['[{"u":1}]', '[{"u":1},{"u":2}]'], [{"u": 1}, {"u": 2}]),
        (['[{"u":1}]', "[]", "null", '[{"u":1}]'], [{"u": 1}]),
        (["[5]", "[5]"], [5, 5]),
        (["[[0.5]]", "[[0.5]]"], [[0.5], [0.5]]),
        (["[]", '["a"]'], ["a"]),
    ],
)
@pytest.mark.parametrize("place", [on_chunk, on_choice, in_object])
def test_a_list_outside_a_delta_replaces_what_it_begins_with_and_extends_all_else(
    place: Any, values: list[str], expected: list[Any]
) -> None:
    found, reading = place(values)
    assert expected == found
    assert () == reading.anomalies


def test_a_list_in_a_report_of_usage_is_that_of_the_last_report() -> None:
    reports = ['{"total_tokens":1,"models":["a"]}', '{"total_tokens":2,"models":["b"]}']
    reading = read(*(delta(more=f'"usage":{one},"copilot_usage":{one}') for one in reports), FINISH)
    assert ["b"] == reading.response["usage"]["models"]
    assert ["b"] == reading.response["copilot_usage"]["models"]


def test_annotations_beside_the_delta_are_one_list() -> None:
    reading = read(
        chunk(choice('{"content":"Hel"}', more='"annotations":[{"type":"url_citation","url_citation":{"url":"a"}}]')),
        chunk(choice('{"content":"lo"}', more='"annotations":[{"type":"url_citation","url_citation":{"url":"b"}}]')),
        FINISH,
    )
    assert ["a", "b"] == [one["url_citation"]["url"] for one in reading.response["choices"][0]["annotations"]]


def test_log_probabilities_of_the_old_completions_api_extend_always() -> None:
    piece = '"logprobs":{"tokens":["ha"],"token_logprobs":[-0.5],"top_logprobs":[{"ha":-0.5}],"text_offset":[0]}'
    reading = read(*[chunk(choice(more=piece + ',"text":"ha"'))] * 2, FINISH)
    assert {
        "tokens": ["ha", "ha"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"ha": -0.5}, {"ha": -0.5}],
        "text_offset": [0, 0],
    }.items() <= reading.response["choices"][0]["logprobs"].items()


# --- objects that arrive whole


def citation(text: str, number: int) -> str:
    return f'{{"type":"char_location","cited_text":"{text}","document_index":{number}}}'


@pytest.mark.parametrize(
    "objects, expected",
    [
        ([citation("Grass is green.", 0), citation("Sky is blue.", 1)], 2),
        ([citation("Grass is green.", 0), citation("Sky is blue.", 0), citation("Sea is wet.", 1)], 3),
        ([citation("Grass is green.", 0)] * 2, 1),
        (['{"title":"A","cited_text":"x"}', '{"title":"B","cited_text":"y"}'], 2),
        (['{"cited_text":"x","start":0}', '{"cited_text":"y","start":9}'], 2),
        (
            [
                '{"type":"url_citation","url_citation":{"url":"a"}}',
                '{"type":"url_citation","url_citation":{"url":"b"}}',
            ],
            2,
        ),
    ],
)
def test_another_object_at_a_place_is_kept_beside_the_first_whole(objects: list[str], expected: int) -> None:
    reading = read(*(delta(f'{{"provider_specific_fields":{{"citation":{one}}}}}') for one in objects), FINISH)
    found = reading.message["provider_specific_fields"]["citation"]
    if expected == 1:
        assert isinstance(found, dict)
        assert () == reading.anomalies
    else:
        assert [one.replace(" ", "") for one in objects] == [
            str(one).replace("'", '"').replace(" ", "") for one in found
        ]
        assert ["object_repeated"] == reading.codes


@pytest.mark.parametrize(
    "objects, expected",
    [
        (['{"a":"x","n":1}', '{"b":"y","n":1}'], {"a": "x", "n": 1, "b": "y"}),
        (['{"text":"He"}', '{"text":"llo"}'], {"text": "Hello"}),
        (
            ['{"type":"thinking","text":"He"}', '{"type":"thinking","text":"llo"}'],
            {"type": "thinking", "text": "Hello"},
        ),
        (['{"text":"He","count":1}', '{"text":"llo","count":2}'], {"text": "Hello", "count": 2}),
        (['{"google":{"seal":"a"}}', '{"google":{"seal":"b"}}'], {"google": {"seal": "ab"}}),
        (['{"done":false}', '{"done":true}'], {"done": True}),
    ],
)
def test_an_object_in_parts_is_one(objects: list[str], expected: Any) -> None:
    assert expected == read(*(delta(f'{{"odd":{one}}}') for one in objects), FINISH).message["odd"]


# --- numbers


@pytest.mark.parametrize(
    "documents, path",
    [
        ([delta(f'{{"content":"a","token_id":{n}}}') for n in (5, 5, 7, 9)], "$.choices[].delta.token_id"),
        ([chunk(choice('{"content":"a"}', more=f'"token_id":{n}')) for n in (5, 5, 7, 9)], "$.choices[].token_id"),
        ([delta('{"content":"a"}', more=f'"timings":{{"ms":{n}.5}}') for n in (5, 5, 7, 9)], "$.timings.ms"),
    ],
)
def test_of_an_unknown_number_that_changes_the_last_is_kept_and_that_is_reported_once(
    documents: list[str], path: str
) -> None:
    reading = read(*documents, FINISH)
    assert [("number_changed", path, 3, 1)] == [(one.code, one.path, one.event, one.count) for one in reading.anomalies]


def test_an_unknown_number_that_stays_is_not_an_anomaly() -> None:
    assert () == read(*[delta('{"content":"a","token_id":5}')] * 5, FINISH).anomalies


@pytest.mark.parametrize("number", ["NaN", "1e400", "-1e400", "Infinity", "9" * 400, '"many"', "[]", '"NaN"'])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_a_count_that_cannot_be_read_is_absent_with_an_anomaly_and_never_0(name: str, number: str) -> None:
    reading = read(delta('{"content":"a"}', "stop", more=f'"usage":{{"{name}":{number},"cost":1}}'))
    assert {"cost": 1} == reading.response["usage"]
    assert "number_unreadable" in reading.codes
    assert ("complete", "done") == reading.ending


@pytest.mark.parametrize("number", ["1e400", "-1e400", "Infinity"])
def test_an_unknown_number_that_no_float_can_be_is_an_anomaly(number: str) -> None:
    assert ["non_finite_number"] == read(delta('{"content":"a"}', "stop", more=f'"cost":{number}')).codes


def test_a_count_that_cannot_be_read_keeps_the_one_before() -> None:
    usage = ['{"total_tokens":3}', '{"total_tokens":1e400}']
    reading = read(delta('{"content":"a"}', "stop"), *(chunk(more=f'"usage":{one}') for one in usage))
    assert {"total_tokens": 3} == reading.response["usage"]


def test_a_count_that_was_never_reported_is_absent() -> None:
    reading = read(delta('{"content":"a"}', "stop", more='"usage":{"prompt_tokens":1,"completion_tokens":0}'))
    assert {"prompt_tokens": 1, "completion_tokens": 0} == reading.response["usage"]
    response = reading.accumulator.snapshot()
    assert response is not None
    assert response.usage is not None
    assert (1, 0, None) == (
        response.usage.prompt_tokens, response.usage.completion_tokens, response.usage.total_tokens,
    )  # fmt: skip


# --- values of another type than the format says


@pytest.mark.parametrize("name", ["audio", "tool_calls", "function_call"])
@pytest.mark.parametrize(
    "values, expected",
    [(["5"], 5), (["5", "6"], [5, 6]), (["5", '"x"'], [5, "x"]), (['"x"', '"y"', "5"], ["x", "y", 5]), (["5", "5"], 5)],
)
def test_values_of_another_type_are_all_kept_and_noted(name: str, values: list[str], expected: Any) -> None:
    reading = read(*(delta(f'{{"content":"a","{name}":{one}}}') for one in values), FINISH)
    assert expected == reading.message[name]
    assert [("bad_field", f"$.choices[0].delta.{name}", len(values))] == [
        (one.code, one.path, one.count) for one in reading.anomalies
    ]


@pytest.mark.parametrize("values, expected", [(["5", "6"], [5, 6]), (['"x"', "true"], ["x", True])])
def test_values_of_another_type_outside_a_delta_are_all_kept(values: list[str], expected: Any) -> None:
    reading = read(
        *(chunk(choice('{"content":"a"}', more=f'"logprobs":{one}'), f'"usage":{one}') for one in values), FINISH
    )
    response = reading.accumulator.snapshot()
    assert response is not None
    assert (expected, expected) == (response.extra["usage"], response.choices[0].extra["logprobs"])


def test_numbers_where_reasoning_should_be_are_all_kept() -> None:
    assert [5, 6] == read(delta('{"reasoning":5}'), delta('{"reasoning":6}'), FINISH).message["reasoning"]
