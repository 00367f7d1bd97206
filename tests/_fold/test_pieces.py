"""What a chunk says beside its events, and what only repeats what was kept."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import DONE, chunk, delta, sse
from streamkit import RULES, Accumulator
from streamkit._fold.fields import Context, Fields
from streamkit._fold.pieces import Field, Fragment, Function, Head, LogprobsPiece, Over, put_whole, repeats
from streamkit.accumulator import hand_over_pieces
from streamkit.anomalies import ignore
from streamkit.limits import DEFAULT_LIMITS

PIECES = (Field, Fragment, Function, Head, LogprobsPiece, Over, tuple)


def pieces(blocks: list[bytes]) -> list[Any]:
    accumulator = Accumulator()
    hand_over_pieces(accumulator)
    found = [piece for block in blocks for piece in accumulator.feed(block)]
    found += accumulator.close().events
    return [piece for piece in found if isinstance(piece, PIECES)]


def fields(path: str = "choices[].delta") -> Fields:
    return Fields(Context(RULES, DEFAULT_LIMITS, ignore), path)


@pytest.mark.parametrize(
    ("before", "value", "same"),
    [
        ([], None, False),
        ([None], None, True),
        (["a"], None, True),
        ([None], "a", False),
        (["a"], "a", False),  # a text adds
        (["a"], "", True),
        ([1], 1, True),
        ([1], True, False),
        ([1], 2, False),
        ([0], 0, True),
        ([{"a": 1}], {"a": 1}, True),
        ([{"a": 1}], {"a": 2}, False),
        ([{"a": 1}], {"b": 1}, False),
        ([{"a": 1}], {}, True),
        ([["a"]], [], True),
        ([["a"]], ["b"], False),
        ([[{"type": "text", "text": "a"}]], [{"type": "text", "text": "a"}], False),
        ([[{"type": "text", "text": "a"}]], [], True),
        (["a", 1], 1, False),
    ],
)
def test_a_value_repeats_where_putting_it_again_changes_nothing(before: list[Any], value: Any, same: bool) -> None:
    kept = fields()
    for one in before:
        kept.put("k", one)
    was = kept.value()
    assert same is repeats(kept, "k", value)
    kept.put("k", value)
    if same:
        assert was == kept.value()


def test_a_field_that_is_dropped_is_never_a_piece() -> None:
    kept = fields("")
    assert (None, False, None) == put_whole(kept, "obfuscation", "xx")
    assert (None, False, None) == put_whole(kept, "obfuscation", None)


def test_of_a_text_the_piece_is_what_can_be_shown() -> None:
    kept = fields()
    assert ("a", True, "a") == put_whole(kept, "reasoning", "a\ud83d")
    assert ("😀", True, "😀") == put_whole(kept, "reasoning", "\ude00")


def test_pieces_stand_in_the_order_of_the_chunk_and_each_chunk_is_over() -> None:
    found = pieces(
        [sse(delta('{"role":"assistant","content":"a","k":1}', more='"provider":"P"'), delta('{"k":1}')) + DONE]
    )
    assert ["Head", "Field", "Field", "Field", "Field", "Over", "Over"] == [type(one).__name__ for one in found]
    assert [
        (0, "delta", "role", "assistant"),
        (0, "delta", "k", 1),
        (0, "delta", "content", ""),
        (-1, "chunk", "provider", "P"),
    ] == [tuple(one) for one in found if type(one) is Field]


def test_what_the_fast_lane_takes_has_its_template() -> None:
    blocks = [
        sse(delta(f'{{"content":"{one}"}}')) for one in "abcdefghijklmnopqrstuvwxyz"
    ]  # the lane waits for the thirteenth
    taken = [one for one in pieces(blocks) if type(one) is tuple]
    assert taken
    assert {"content"} == {template.slots[0].path[-1] for template, _ in taken}


def test_an_accumulator_gives_none_unless_a_writer_asks() -> None:
    accumulator = Accumulator()
    found = accumulator.feed(sse(delta('{"content":"a","k":1}'), chunk("", '"seed":1')) + DONE)
    assert [] == [one for one in found if isinstance(one, PIECES)]
