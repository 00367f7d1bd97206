"""Which texts hold more than one document, where the last one begins, and what it costs to find that."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure import best
from helpers.strategies import examples
from helpers.tier import some
from streamkit._decode.doubled_json import _common, is_json, last_document

DOCUMENTS = st.recursive(
    st.none() | st.integers(-99, 99) | st.text('{}[]":,\\\\aé😀', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}[]":\\\\a', max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("{}ab", min_size=1, max_size=3), DOCUMENTS, max_size=3)


@pytest.mark.parametrize(
    ("last", "text"),
    [
        ('{"a":1}', '{}{"a":1}'),
        ('{"a":1}', '{"a":1}{"a":1}'),
        ('{"a":1}', '{"a{"a":{"a":1}'),
        ("[1]", "[1] \n [1]\n"),
        ("{}", "{}" + " " * 500 + "{}"),
        ('{"b":2}', '{"a":1}{"b":2}'),
        ('{"x":"}{"}', '{"x":"}{"}{"x":"}{"}'),
        (None, ""),
        (None, "{}"),
        (None, '{"a":1'),
        (None, '{"a":1}{'),
        (None, '{"a":1}}'),
        (None, '{"a":1}x'),
        (None, 'x{"a":1}'),
        (None, '{"b":tru{"a":1}'),
        (None, "{nonsense}{nonsense}"),
        (None, '{nonsense}{"a":1}'),
        (None, "11"),
        (None, '"a""a"'),
    ],
)
def test_the_last_document_of_a_text_that_holds_more(last: str | None, text: str) -> None:
    assert last == last_document(text)


@given(DOCUMENTS)
@examples(200)
def test_one_document_is_never_doubled(value: object) -> None:
    text = json.dumps(value)
    assert is_json(text)
    assert last_document(text) is None


@given(OBJECTS, st.lists(st.integers(1, 60), min_size=1, max_size=5))
@examples(200)
def test_beginnings_of_a_document_and_then_all_of_it_are_doubled(value: object, sizes: list[int]) -> None:
    whole = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert whole == last_document("".join(whole[:size] for size in sizes) + whole)


HOSTILE: dict[str, Callable[[int], str]] = {
    "strings that do not end": lambda n: '{"' * n,
    "nested, twice": lambda n: "[" * n + "]" * n + "[" * n + "]" * (n - 1),
    "documents, and a beginning": lambda n: "{}" * n + "{",
    "beginnings that nest": lambda n: '{"a":' * n + "{}",
    "brackets in a name": lambda n: '{"' + "a{" * n + '":1}}',
    "cumulative": lambda n: (
        "".join('{"a":"%s' % ("b" * size) for size in range(int(n**0.5))) + '{"a":"%s"}' % ("b" * n)
    ),
}


@pytest.mark.parametrize("hostile", [pytest.param(HOSTILE[name], id=name) for name in some(tuple(HOSTILE))])
def test_looking_for_it_is_linear(hostile: Callable[[int], str]) -> None:
    small, large = hostile(10_000), hostile(80_000)
    room = 4 * len(large) / len(small)
    once, many_times = best(last_document, small, large, enough=room)
    assert many_times < room * max(once, 0.001)


def test_the_common_beginning_of_two_texts_is_found_by_doubling_steps() -> None:
    for one, other in ((b"a" * 300, b"a" * 200 + b"b"), (b"", b"a"), (b"ab", b"ab"), (b"a" * 64 + b"b", b"a" * 65)):
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
        assert alike == _common(one, 0, len(one), other)


def test_a_number_of_thousands_of_digits_is_json() -> None:
    assert is_json('{"n":' + "9" * 5000 + "}")
    assert not is_json('{"n":' + "9" * 5000)
