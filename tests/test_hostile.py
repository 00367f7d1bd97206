"""Bytes that are written to stall a reader: four times as many cost at most seven times as much.

CPU time of both lengths in one run, by turns; a quadratic cost would be sixteen times as much, a cubic one 64. The
lengths are such that the shorter one takes 20 ms and more, or would if its cost were quadratic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from helpers.measure import best
from helpers.tier import some
from streamkit import Accumulator, Dialect

STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'


def fed(blocks: list[bytes], **options: Any) -> None:
    accumulator = Accumulator(**options)
    for block in blocks:
        for start in range(0, len(block), 65536):
            accumulator.feed(block[start : start + 65536])
    accumulator.close()
    accumulator.snapshot()


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def content(text: str) -> bytes:
    return event(b'{"choices":[{"index":0,"delta":{"content":%b}}]}' % json.dumps(text).encode())


SHAPES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "blanks on a line without data:": (lambda n: STREAM + b" " * n + b"x\n\n", 400_000),
    "a brace and blanks on a line without data:": (lambda n: STREAM + b"{" + b" " * n + b"x\n\n", 400_000),
    "data on a line without a colon": (lambda n: STREAM + b"data " * n + b"x\n\n", 80_000),
    "data: before data:": (lambda n: STREAM + event(b"data: " * n + b"x"), 80_000),
    "byte order marks": (lambda n: STREAM + event(b"\xef\xbb\xbf" * n + b"{"), 100_000),
    "title tags without an end": (lambda n: b"<title" * n, 80_000),
    "title tags with one": (lambda n: b"<title>" * n, 80_000),
    "opening braces, each after data:": (lambda n: STREAM + event(b"data: {" * n), 20_000),
    "opening objects, each after data:": (lambda n: STREAM + event(b'data: {"' * n), 5_000),
    "opening objects and values by turns": (lambda n: STREAM + event(b'data: {":"data: {",' * n), 2_000),
    "objects in a row": (lambda n: STREAM + event(b"{}" * n + b"x"), 10_000),
    "objects that open and never close": (lambda n: STREAM + event(b'{"a":' * n), 20_000),
    "lines that open and never close": (lambda n: STREAM + event(b'{"a":[\ndata: ' * n), 4_000),
    "lines in a string that never ends": (lambda n: STREAM + event(b'{"a":"\ndata: ' + b"{\ndata: " * n), 4_000),
    "lines that are almost JSON": (lambda n: STREAM + event(b'{"a" 1}\ndata: ' * n), 3_000),
    "lines without data: that open and never close": (lambda n: STREAM + b'{"a":[\n' * n + b"\n", 2_000),
    "lines with data: and without, by turns": (lambda n: STREAM + b'data: {"a":1}\n{"b":\n' * n + b"\n", 2_000),
    "documents on two lines without data:": (lambda n: STREAM + b'{"a":\n1}\n' * n + b"\n", 2_000),
    "escaped quotes in a string that never ends": (lambda n: STREAM + event(b'{"a":"' + b'\\"' * n), 200_000),
    "backslashes": (lambda n: STREAM + event(b'{"a":"' + b"\\" * n), 400_000),
    "events that each may go on in the next": (lambda n: STREAM + event(b'{"a":[') * n, 2_000),
    "events that each go on with the last": (lambda n: STREAM + event(b'{"a":["' + b"x" * 500) + event(b"1,") * n, 3_000),
    "empty data lines": (lambda n: STREAM + b"data:\n" * n + b"\n", 60_000),
    "half surrogate pairs": (lambda n: STREAM + event(b'{"a":"' + b"\\ud83d" * n + b'"}'), 60_000),
    "bytes that are no UTF-8": (lambda n: STREAM + event(b'{"a":"' + b"\xff" * n + b'"}'), 400_000),
    "NaN": (lambda n: STREAM + event(b"[" + b"NaN," * n + b"1]"), 40_000),
    "carriage returns and line feeds by turns": (lambda n: STREAM + b"x\r\n\rx\n\r\n" * n, 6_000),
    "calls without an id, under a long one": (
        lambda n: (
            event(b'{"id":"%b","choices":[]}' % (b"+" * 500 * n))
            + b"".join(
                event(b'{"choices":[{"index":%d,"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}' % i)
                for i in range(n)
            )
        ),
        250,
    ),
}  # fmt: skip


@pytest.mark.quick(4)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
@pytest.mark.parametrize(("make", "n"), [pytest.param(*SHAPES[name], id=name) for name in SHAPES])
def test_four_times_as_much_costs_at_most_seven_times(make: Callable[[int], bytes], n: int, fast: bool) -> None:
    once, more = best(lambda blocks: fed(blocks, fast=fast), [make(n)], [make(4 * n)], enough=6)
    assert more <= 7 * max(once, 0.005)


OLD = "an older state of the text, "

DIALECTS: dict[str, tuple[Dialect, Callable[[int], list[str]], int]] = {
    "whitespace before a think tag": (Dialect(think_tags=True), lambda n: [" " * 50] * n, 4_000),
    "a tag that never ends": (Dialect(think_tags=True), lambda n: ["<think>", *["</thin"] * n], 4_000),
    "older states and short pieces by turns": (
        Dialect(cumulative_text=True),
        lambda n: [OLD + "x" * 200 * n, *[OLD, "y"] * (n // 2)],
        4_000,
    ),
    "the same text again": (Dialect(cumulative_text=True), lambda n: ["ha"] * n, 4_000),
}


@pytest.mark.parametrize(
    ("dialect", "make", "n"), [pytest.param(*DIALECTS[name], id=name) for name in some(tuple(DIALECTS))]
)
def test_a_dialect_costs_at_most_seven_times_as_much_for_four_times_as_many_pieces(
    dialect: Dialect, make: Callable[[int], list[str]], n: int
) -> None:
    once, more = best(
        lambda blocks: fed(blocks, dialect=dialect),
        [content(text) for text in make(n)],
        [content(text) for text in make(4 * n)],
        enough=6,
    )
    assert more <= 7 * max(once, 0.005)
