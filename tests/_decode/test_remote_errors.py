"""Is this an error, and what does it say: the shapes in which senders report one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import chunk, delta, read
from streamkit._decode.remote_errors import find_error

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
    "message and code": ({"message": "boom", "code": 503}, "boom", (503, None, None), "$"),
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
def test_what_is_no_error_is_none(value: dict[str, Any]) -> None:
    assert None is find_error(value)


def test_an_error_that_is_null_in_every_chunk_is_none() -> None:
    reading = read(delta('{"content":"a"}', more='"error":null'), delta("{}", "stop", more='"error":null'))
    assert ("complete", "done") == reading.ending


@pytest.mark.parametrize("name", ["detail", "message", "msg"])
def test_a_whole_body_may_say_its_error_in_one_word(name: str) -> None:
    error = find_error({name: "boom"}, "body")
    assert error is not None
    assert ("boom", f"$.{name}") == (error.message, error.path)
    assert None is find_error({name: "boom"})


def test_a_full_response_is_no_error() -> None:
    assert None is find_error({"choices": [], "message": "ok", "detail": "fine"}, "body")


def test_a_chunk_without_choices_but_with_usage_is_no_error() -> None:
    assert ("complete", "done") == read(
        delta("{}", "stop"), chunk(more='"usage":{"total_tokens":1},"message":"m"')
    ).ending
