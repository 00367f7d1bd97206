"""Whether a stream can say a response, and where it could not."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from streamkit import MisuseError, reassemble
from streamkit._clean.round_trip import first_difference, said
from streamkit.testing import response, stream_bytes


@pytest.mark.parametrize(
    ("expected", "one", "other"),
    [
        (None, {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("$", 1, "1"),
        ("$.a", {"a": 1}, {}),
        ("$.b", {"a": 1}, {"a": 1, "b": None}),
        ("$.a[1].b", {"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}),
        ("$.a", {"a": [1]}, {"a": [1, 2]}),
        ("$.a", {"a": [1]}, {"a": {"0": 1}}),
    ],
)
def test_the_first_place_where_two_values_differ(expected: str | None, one: Any, other: Any) -> None:
    assert expected == first_difference(one, other)


def test_a_response_that_came_from_a_stream_is_said_as_it_is() -> None:
    found = reassemble(stream_bytes("Hel", "lo", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}))
    assert found == said(found)


def test_an_empty_list_of_calls_is_said_as_none() -> None:
    given = response()
    empty = attrs.evolve(given.choices[0], message=attrs.evolve(given.choices[0].message, tool_calls=[]))
    assert given == said(attrs.evolve(given, choices=[empty]))


def test_two_choices_of_one_index_cannot_be_said() -> None:
    given = response()
    with pytest.raises(MisuseError, match="no stream can say this response"):
        said(attrs.evolve(given, choices=[*given.choices, *given.choices]))
