"""Paths are what they look like, and a pattern fits those that it is for."""

from __future__ import annotations

import sys

import pytest

from streamkit import MisuseError
from streamkit.partial_json import PartialJSON, Path, Pattern, ValueDone


def paths(text: str) -> list[Path]:
    return [event.path for event in PartialJSON().feed(text) if isinstance(event, ValueDone)]


def test_a_path_is_shown_as_json_paths_are_written() -> None:
    found = paths('{"a": [{"b_1": 1}, [2]], "b c": {"": 3, "1": 4, "\\"": 5}, "é": 6}')
    shown = ["$.a[0].b_1", "$.a[0]", "$.a[1][0]", "$.a[1]", "$.a", '$["b c"][""]', '$["b c"]["1"]', '$["b c"]["\\""]']
    assert [*shown, '$["b c"]', '$["é"]', "$"] == [str(path) for path in found]
    assert "Path('$.a[0].b_1')" == repr(found[0])
    assert (("a", 0, "b_1"), "b_1", ("a", 0)) == (found[0].parts, found[0].key, getattr(found[0].parent, "parts", None))
    assert ((), None, None) == (found[-1].parts, found[-1].key, found[-1].parent)


def test_paths_of_the_same_parts_are_equal_and_a_path_equals_its_text() -> None:
    one, _, _ = paths('{"a": [1]}')
    other, *_ = paths('{"a": [{"b": 1}]}')
    again, *_ = paths('{"a": ["x", 1]}')
    assert one == again
    assert hash(one) == hash(again) == hash("$.a[0]")
    assert one == "$.a[0]"
    assert one != other
    assert one != "$.a"
    assert one != 5
    assert {"$.a[0]": 1}[one] == 1  # type: ignore[index]


def test_a_path_of_any_depth_is_shown_and_compared() -> None:
    depth = sys.getrecursionlimit() * 2
    growing = PartialJSON(max_depth=depth)
    (one, *_), (other, *_) = growing.feed("[" * depth)[-1:], PartialJSON(max_depth=depth).feed("[" * depth)[-1:]
    assert one.path == other.path
    assert 3 * (depth - 1) + 1 == len(str(one.path))


@pytest.mark.parametrize(
    ("fitting", "pattern"),
    [
        (["$.a[0]", "$.a[1]"], "$.a[*]"),
        (["$.a[1]"], "$.a[1]"),
        (["$.a[0].b", "$.a[0].c"], "$.a[*].*"),
        (["$.a[0].b"], '$["a"][0]["b"]'),
        (["$.a"], "$.a"),
        (["$.a"], "$.*"),
        (["$"], "$"),
        ([], "$[*]"),
        ([], "$.a[*].b.c.d.e"),
    ],
)
def test_a_pattern_fits_those_paths(fitting: list[str], pattern: str) -> None:
    found = paths('{"a": [{"b": 1, "c": 2}, 3]}')
    assert fitting == [str(path) for path in found if Pattern(pattern).fits(path)]


@pytest.mark.parametrize("text", ["", "a", "$.", "$[", "$[x]", "$.a[*", "$ .a", "$..a", '$["a]', '$["\\x"]', "$[-1]"])
def test_what_is_not_a_path_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(MisuseError, match=r'path= takes a JSON path such as "\$\.items\[\*\]"'):
        Pattern(text)
