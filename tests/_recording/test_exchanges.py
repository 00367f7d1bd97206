"""What a response says of its exchange, whatever the client. By real clients: test_record.py."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit._recording.exchanges import body_fields, head_of_source, request_of_source


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (None, {}),
        (b"", {}),
        (b'{"a":1}', {"request": {"a": 1}}),
        (b"[1]", {"request_body": b"[1]"}),
        (b"a=1", {"request_body": b"a=1"}),
        (b"\xff", {"request_body": b"\xff"}),
        (b'{"a":1e999}', {"request_body": b'{"a":1e999}'}),  # infinite: no JSON could be written of it
        (b"[" * 100_000, {"request_body": b"[" * 100_000}),
    ],
)
def test_a_body_is_json_where_it_is_an_object_that_can_be_written_again(body: bytes | None, fields: Any) -> None:
    assert fields == body_fields(body)


@pytest.mark.parametrize("source", [b"x", "x", [b"x"], {}, 7, None, object()])
def test_what_is_no_response_says_nothing(source: Any) -> None:
    assert ({}, ()) == (request_of_source(source), head_of_source(source))


def test_a_response_that_raises_says_nothing() -> None:
    class Odd:
        @property
        def headers(self) -> Any:
            raise RuntimeError

        request = response = url = headers

    assert ({}, ()) == (request_of_source(Odd()), head_of_source(Odd()))
