"""Is this an error, and what does it say: the shapes in which senders report one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import chunk, delta, read
from streamkit._decode.remote_errors import SHAPES, find_error, find_weak_error, is_bare, may_report

NULL: tuple[Any, ...] = (None, None, None)

# what was sent -> message, (code, type, param), path
ERRORS: dict[str, tuple[dict[str, Any], str, tuple[Any, ...], str]] = {
    "openai": (
        {"error": {"message": "boom", "type": "server_error", "param": "n", "code": "overloaded"}},
        "boom",
        ("overloaded", "server_error", "n"),
        "$.error",
    ),
    "vllm": (
        {"error": {"message": "boom", "type": "InternalServerError", "param": None, "code": 500}},
        "boom",
        (500, "InternalServerError", None),
        "$.error",
    ),
    "a string": ({"error": "boom"}, "boom", NULL, "$.error"),
    "anthropic": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "boom"}},
        "boom",
        (None, "overloaded_error", None),
        "$.error",
    ),
    "beside choices": (
        {
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            "error": {"code": 502, "message": "boom"},
        },
        "boom",
        (502, None, None),
        "$.error",
    ),
    "in a choice": (
        {"choices": [{"index": 0, "delta": {}}, {"index": 1, "error": {"message": "boom", "code": 429}}]},
        "boom",
        (429, None, None),
        "$.choices[1].error",
    ),
    "deepinfra": (
        {"choices": None, "error_type": "engine", "error_message": "boom"},
        "boom",
        (None, "engine", None),
        "$",
    ),
    "minimax": (
        {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "boom"}},
        "boom",
        (1004, None, None),
        "$.base_resp",
    ),
    "fastapi's object": ({"object": "error", "message": "boom", "code": 40303}, "boom", (40303, None, None), "$"),
    "qianfan": ({"error_code": 336003, "error_msg": "boom"}, "boom", (336003, None, None), "$"),
    "fastapi's detail": ({"detail": "boom"}, "boom", NULL, "$.detail"),
    "fastapi's list": ({"detail": [{"loc": ["body"], "msg": "boom"}, {"msg": "bang"}]}, "boom; bang", NULL, "$.detail"),
    "true, and a message beside it": (
        {"error": True, "message": "boom", "code": 1},
        "boom",
        (1, None, None),
        "$.error",
    ),
    "a message in a message": ({"error": {"message": {"message": "boom"}}}, "boom", NULL, "$.error"),
    "status code": ({"error": {"message": "boom", "status_code": 400}}, "boom", (400, None, None), "$.error"),
    "odd facts": ({"error": {"message": "boom", "code": [1], "type": {}}}, "boom", NULL, "$.error"),
}


@pytest.mark.parametrize("value, message, facts, path", ERRORS.values(), ids=list(ERRORS))
def test_every_shape_of_an_error_is_one(value: dict[str, Any], message: str, facts: tuple[Any, ...], path: str) -> None:
    error = find_error(value)
    assert error is not None
    assert (message, facts, path) == (error.message, (error.code, error.type, error.param), error.path)
    assert value is error.body


@pytest.mark.parametrize("value, message, facts, path", ERRORS.values(), ids=list(ERRORS))
def test_a_stream_with_an_error_of_any_shape_has_failed(
    value: dict[str, Any], message: str, facts: tuple[Any, ...], path: str
) -> None:
    reading = read(delta('{"content":"a"}'), json.dumps(value), delta("{}", "stop"))
    assert ("failed", "remote_error") == reading.ending
    error = reading.outcome.error
    assert (message, facts, path, 2) == (error.message, (error.code, error.type, error.param), error.path, error.event)
    assert "a" == reading.message["content"]


def test_an_error_without_a_message_has_one_all_the_same() -> None:
    error = find_error({"error": {"code": 500}})
    assert error is not None
    assert error.message
    assert 500 == error.code


@pytest.mark.parametrize(
    "value",
    [
        {"message": "boom", "code": 503},
        {"message": "boom"},
        {"detail": "boom", "message": "boom"},
    ],
)
def test_a_bare_object_under_the_event_type_error_is_an_error(value: dict[str, Any]) -> None:
    error = find_error(value, "error")
    assert error is not None
    assert "boom" == error.message


@pytest.mark.parametrize(
    "wire, message",
    [
        (b'event: error\ndata: {"message":"boom","code":503}\n\n', "boom"),
        (b"event: error\ndata: boom\n\n", "boom"),
        (b'event: error\ndata: "boom"\n\n', "boom"),
        (b'event: error\ndata: {"error":{"message":"boom"}}\n\n', "boom"),
        (b'error: {"message":"boom"}\n\n', "boom"),
        (b"error: boom\n\n", "boom"),
    ],
)
def test_an_event_of_the_type_error_fails_the_stream_whatever_its_data(wire: bytes, message: str) -> None:
    reading = read(delta('{"content":"a"}'), wire)
    assert ("failed", "remote_error") == reading.ending
    assert message == reading.outcome.error.message


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "ping"},
        {"error": None, "choices": []},
        {"error": "", "choices": []},
        {"error": {}, "choices": []},
        {"choices": [{"index": 0, "delta": {"content": "error"}, "error": None}]},
        {"choices": [], "base_resp": {"status_code": 0, "status_msg": "ok"}},
        {"choices": [], "usage": {}},
        {"choices": [{"delta": {"content": "a"}}], "error_type": None},
        {"choices": [], "message": "hello", "code": 200},
        {"choices": "error"},
        {"choices": ["error"]},
    ],
)
def test_what_is_not_an_error_is_none(value: dict[str, Any]) -> None:
    assert None is find_error(value)


# row of the table -> what it takes for an error, what looks like that and is none
ROWS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "error": (
        [{"error": "boom"}, {"error": {"message": "boom"}}, {"error": {"code": 500}}, {"error": {"code": 200, "message": "boom"}},
         {"error": [{"message": "boom"}]}, {"error": True}, {"error": {"type": "server_error"}}],
        [{"error": None}, {"error": ""}, {"error": False}, {"error": {}}, {"error": {"message": "", "type": "", "code": 0}},
         {"error": {"code": 0, "message": "Success"}}, {"error": {"code": "200", "message": "OK"}}, {"error": []},
         {"error": {"message": None, "details": [{}]}}],
    ),
    "errors": ([{"errors": [{"message": "boom"}]}, {"errors": ["boom"]}], [{"errors": []}, {"errors": None}, {"errors": [""]}]),
    "error in a choice": (
        [{"choices": [{"error": "boom"}]}, {"choices": [{"delta": {"error": {"message": "boom"}}}]}],
        [{"choices": [{"error": None, "delta": {"error": ""}}]}, {"choices": [{"delta": {"content": "error"}}]},
         {"choices": [{"delta": "error"}]}],
    ),
    "base_resp": (
        [{"base_resp": {"status_code": 1004, "status_msg": "boom"}}],
        [{"base_resp": {"status_code": 0, "status_msg": ""}}, {"base_resp": None}, {"base_resp": {}}],
    ),
    "x_groq.error": (
        [{"x_groq": {"id": "r", "error": "over_capacity"}}, {"choices": [{"delta": {}}], "x_groq": {"error": "boom"}}],
        [{"x_groq": {"id": "r"}}, {"choices": [{"delta": {}}], "x_groq": {"error": None}}],
    ),
    "data.error": ([{"data": {"error": {"message": "boom"}}}], [{"data": {"error": None}}, {"data": "error"}, {"data": []}]),
    "response.error": (
        [{"type": "response.failed", "response": {"error": {"code": "server_error", "message": "boom"}}}],
        [{"type": "response.completed", "response": {"error": None}}],
    ),
    "error_message": (
        [{"error_message": "boom"}, {"choices": [], "error_message": "boom"}, {"choices": None, "error_type": "engine"}],
        [{"error_message": ""}, {"error_type": None}, {"choices": [{"delta": {}}], "error_message": "boom"}],
    ),
    "error_code": (
        [{"error_code": 336003}, {"error_msg": "boom"}],
        [{"error_code": 0, "error_msg": "success"}, {"error_code": None, "error_msg": ""}, {"error_code": "0"}],
    ),
    "errorMessage": ([{"errorMessage": "boom", "errorType": "Error"}], [{"errorMessage": None}, {"errorMessage": ""}]),
    "exception": ([{"exception": "boom"}, {"exception": {"message": "boom"}}], [{"exception": None}, {"exception": {}}]),
    "err": ([{"err": "boom"}, {"err": 5}], [{"err": None}, {"err": 0}, {"err": ""}]),
    "named error": (
        [{"type": "error"}, {"object": "error", "message": "boom"}, {"event": "error", "data": "boom"}],
        [{"type": "ping"}, {"type": "errorless"}, {"type": "error", "choices": [{"delta": {}}]}],
    ),
    "detail": (
        [{"detail": "boom"}, {"detail": [{"msg": "boom"}]}, {"detail": {"reason": "boom"}}, {"status": 429, "detail": "boom"}],
        [{"detail": ""}, {"detail": []}, {"detail": 5}, {"choices": [], "detail": "fine"}, {"type": "ping", "detail": "x"},
         {"status": "processing", "detail": "step 2 of 3"}],
    ),
    "success false": ([{"success": False}, {"success": False, "message": "boom"}], [{"success": True}, {"success": None}]),
    "message and code": (
        [{"code": 500, "message": "boom"}, {"code": "workflow_error", "message": "boom"}, {"status": "error", "msg": "boom"},
         {"ret": -1, "msg": "boom"}, {"code": 1, "msg": ""}, {"choices": None, "code": 1, "message": "boom"}],
        [{"code": 0, "message": "Success"}, {"code": 200, "msg": "x"}, {"code": "ok", "message": "x"},
         {"status": "processing", "msg": "x"}, {"status": "SUCCESS", "message": "x"}, {"code": 5}, {"ret": 0, "msg": "x"},
         {"type": "ping", "code": 5, "message": "x"}, {"choices": [], "code": 5, "message": "x"}],
    ),
    "message alone": (
        [{"message": "boom"}, {"message": "boom", "request_id": "r"}, {"message": "boom", "type": "invalid_request_error"},
         {"message": "boom", "code": None, "param": None}],
        [{"message": "keep-alive"}, {"message": "Ping"}, {"message": "processing..."}, {"message": ""}, {"message": None},
         {"message": {"role": "assistant"}}, {"message": "x", "progress": 0.5}, {"type": "keepalive", "message": "boom"}],
    ),
    "message of a body": (
        [{"msg": "boom", "more": 1}, {"message": "boom", "more": 1}],
        [{"choices": [], "message": "boom"}, {"status": "success", "msg": "fine", "more": 1}, {"msg": {"text": "boom"}}],
    ),
}  # fmt: skip
WEAK = {"message and code", "message alone", "message of a body"}


def test_every_row_of_the_table_is_tested_in_both_directions() -> None:
    assert list(ROWS) == [shape.name for shape in SHAPES]
    assert WEAK == {shape.name for shape in SHAPES if shape.weak}


@pytest.mark.parametrize("row, value", [(name, value) for name, (errors, _) in ROWS.items() for value in errors])
def test_a_row_takes_its_errors_and_so_does_a_whole_body(row: str, value: dict[str, Any]) -> None:
    kind = "body" if row == "message of a body" else "message"
    first = next(shape.name for shape in SHAPES if shape.test(value, kind) is not None)
    assert row == first
    found = (find_weak_error if row in WEAK else find_error)(value, kind)
    assert found is not None
    assert found.message
    assert value is found.body
    assert None is not find_error(value, "body")
    assert row not in WEAK or None is find_error(value)


@pytest.mark.parametrize("row, value", [(name, value) for name, (_, alike) in ROWS.items() for value in alike])
def test_a_row_leaves_what_only_looks_like_its_errors(row: str, value: dict[str, Any]) -> None:
    for kind in ("message", "body"):
        assert None is next(shape.test(value, kind) for shape in SHAPES if shape.name == row)
    assert None is find_error(value)
    assert None is find_weak_error(value)


@pytest.mark.parametrize("row, value", [(name, value) for name, (errors, _) in ROWS.items() for value in errors])
def test_the_quick_look_at_a_chunk_sees_whatever_the_table_finds_in_one(row: str, value: dict[str, Any]) -> None:
    if value.get("choices") and "error" not in value:
        assert may_report(value)


@pytest.mark.parametrize("row, value", [(name, value) for name, (errors, _) in ROWS.items() for value in errors])
def test_a_chunk_with_what_a_row_takes_is_not_bare(row: str, value: dict[str, Any]) -> None:
    assert not is_bare({"object": "chat.completion.chunk", "id": "a", "usage": {"total_tokens": 1}, **value})


@pytest.mark.parametrize("choices", [{}, {"choices": []}, {"choices": None}])
def test_a_chunk_without_choices_and_unknown_fields_is_bare(choices: dict[str, Any]) -> None:
    assert is_bare({"object": "chat.completion.chunk", "id": "a", "usage": {"total_tokens": 1}, **choices})


@pytest.mark.parametrize("delta", [5, "error", ["error"], None])
def test_the_quick_look_takes_a_delta_of_any_kind(delta: Any) -> None:
    assert not may_report({"choices": [{"delta": delta}]})


@pytest.mark.parametrize("kind", ["ping", "keepalive", "keep-alive", "heartbeat"])
@pytest.mark.parametrize("value", [{"message": "boom"}, {"code": 5, "msg": "boom"}, {"detail": "boom"}])
def test_the_name_of_the_event_makes_a_ping_of_what_may_be_one(kind: str, value: dict[str, Any]) -> None:
    assert (None, None) == (find_error(value, kind), find_weak_error(value, kind))


def test_an_error_that_is_null_in_every_chunk_is_none() -> None:
    reading = read(delta('{"content":"a"}', more='"error":null'), delta("{}", "stop", more='"error":null'))
    assert ("complete", "done") == reading.ending


@pytest.mark.parametrize("name", ["detail", "message", "msg"])
def test_a_whole_body_may_say_its_error_in_one_word(name: str) -> None:
    error = find_error({name: "boom"}, "body")
    assert error is not None
    assert ("boom", f"$.{name}") == (error.message, error.path)
    assert name == "detail" or None is find_error({name: "boom"})


def test_a_full_response_is_not_an_error() -> None:
    assert None is find_error({"choices": [], "message": "ok", "detail": "fine"}, "body")


def test_a_chunk_without_choices_but_with_usage_is_not_an_error() -> None:
    assert ("complete", "done") == read(
        delta("{}", "stop"), chunk(more='"usage":{"total_tokens":1},"message":"m"')
    ).ending
