"""Requests that ask the same are equal, whatever differs between two runs; of others it is said where they part."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit._recording.matching import canonical, difference, digest, distance, ignored, in_words
from streamkit.trace import Trace

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}], "temperature": 1}


def asked(path: str = "/v1/chat/completions", method: str = "POST", /, **body: Any) -> Trace:
    return Trace(method=method, path=path, request={**ASKED, **body})


@pytest.mark.parametrize(
    "other",
    [
        Trace(method="POST", path="/v1/chat/completions", request=dict(reversed(ASKED.items()))),
        asked(user="u-1", metadata={"run": "7"}, stream_options={"include_usage": True}),
        asked(temperature=1.0),
        asked("/v1/chat/completions", "post"),
        Trace(
            **{name: getattr(asked(), name) for name in ("method", "path", "request")},
            request_headers=(("x-stainless-retry-count", "1"),),
        ),
    ],
    ids=["order of keys", "who and which run", "1.0", "method in small letters", "headers"],
)
def test_requests_that_ask_the_same_are_equal(other: Trace) -> None:
    assert canonical(asked()) == canonical(other)
    assert digest(canonical(asked())) == digest(canonical(other))
    assert difference(canonical(asked()), canonical(other)) is None


@pytest.mark.parametrize(
    "other, where",
    [
        (asked("/v1/other"), "path"),
        (asked("/v1/chat/completions", "PUT"), "method"),
        (asked(temperature=0), "$.temperature"),
        (asked(temperature=True), "$.temperature"),
        (asked(messages=[{"role": "user", "content": "!"}]), "$.messages[0].content"),
        (asked(messages=[*ASKED["messages"], {"role": "user", "content": "!"}]), "$.messages[1]"),
        (asked(stream=True), "$.stream"),
        (Trace(method="POST", path="/v1/chat/completions"), "$"),
    ],
)
def test_of_two_others_the_first_difference_is_named(other: Trace, where: str) -> None:
    one, two = canonical(asked()), canonical(other)
    assert one.key != two.key
    found = difference(one, two)
    assert found is not None
    assert where == found.where


def with_calls(*ids: str) -> Trace:
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in ids]
    answers = [{"role": "tool", "tool_call_id": name, "content": "1"} for name in reversed(ids)]
    return asked(messages=[{"role": "assistant", "tool_calls": calls}, *answers])


def test_ids_of_tool_calls_count_by_their_order() -> None:
    assert canonical(with_calls("a", "b")) == canonical(with_calls("x", "a"))
    assert canonical(with_calls("a", "b")) != canonical(with_calls("a", "a"))


def test_ids_of_the_calls_of_other_formats_count_by_their_order_too() -> None:
    def responses(name: str) -> Trace:
        called = {"type": "function_call", "call_id": name, "id": f"fc_{name}", "name": "f", "arguments": "{}"}
        return asked(input=[called, {"type": "function_call_output", "call_id": name, "output": "1"}])

    def anthropic(name: str) -> Trace:
        content = [{"type": "tool_use", "id": name, "name": "f", "input": {}}]
        return asked(messages=[{"content": content}, {"content": [{"type": "tool_result", "tool_use_id": name}]}])

    assert canonical(responses("a")) == canonical(responses("b"))
    assert canonical(anthropic("a")) == canonical(anthropic("b"))
    assert canonical(asked(id="a")) != canonical(asked(id="b"))


def test_what_was_replaced_counts_as_equal_whatever_its_length() -> None:
    said = "the key is {}"
    assert canonical(asked(prompt=said.format("x" * 51))) == canonical(asked(prompt=said.format("x" * 20)))
    assert canonical(asked(prompt=said.format("xxx"))) != canonical(asked(prompt=said.format("xx")))
    assert canonical(asked("/v1?key=xxxx&a=1")) == canonical(asked("/v1?a=1&key=xxxxxxxxxxxx"))
    assert canonical(asked("/v1?a=1")) != canonical(asked("/v1?a=2"))


def test_the_boundary_of_a_multipart_body_is_no_part_of_the_request() -> None:
    def upload(boundary: str) -> Trace:
        body = f"--{boundary}\r\n\r\nabc\r\n--{boundary}--\r\n".encode()
        head = (("Content-Type", f"multipart/form-data; boundary={boundary}"),)
        return Trace(method="POST", path="/v1/audio", request_headers=head, request_body=body)

    assert canonical(upload("1f2e")) == canonical(upload("77aa"))


def test_bodies_that_are_no_json_object_are_compared_as_they_are() -> None:
    bodies = [b"text", b"text ", b"\xff\x00", b"\xff\x01", b"[1]", b"[2]"]
    assert len(bodies) == len({canonical(Trace(request_body=body)).key for body in bodies})
    assert canonical(Trace(request_body=b"[1, 2]")) == canonical(Trace(request_body=b"[1,2]"))


def test_paths_are_left_out_beside_the_default() -> None:
    leave_out = ignored(("$.seed", "$.messages[*].name"))
    one = asked(seed=1, user="a", messages=[{"content": "?", "name": "n"}])
    other = asked(seed=2, user="b", messages=[{"content": "?"}])
    assert canonical(one, leave_out) == canonical(other, leave_out)
    assert canonical(one) != canonical(other)


def test_the_nearest_has_the_fewest_differences_and_the_same_path() -> None:
    sent = canonical(asked(messages=[{"role": "user", "content": "!"}]))
    near, far, elsewhere = map(
        canonical, (asked(), asked(temperature=0, top_p=1), asked("/v1/x", messages=[{"role": "user", "content": "!"}]))
    )
    assert [near, far, elsewhere] == sorted((elsewhere, far, near), key=lambda one: distance(one, sent))


def test_of_two_long_texts_the_place_where_they_part_is_shown() -> None:
    one, other = (canonical(asked(prompt="a" * 5000 + end)) for end in ("left", "right"))
    found = difference(one, other)
    assert found is not None
    assert ['"…' + "a" * 30 + 'left"', '"…' + "a" * 30 + 'right"'] == [*in_words(found)]


def test_a_body_nested_as_deep_as_json_goes_is_compared() -> None:
    deep: Any = "x"
    for _ in range(700):
        deep = [deep]
    assert canonical(asked(deep=deep)).key == canonical(asked(deep=deep)).key
