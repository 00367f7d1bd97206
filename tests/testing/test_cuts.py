"""Cuts that lose nothing."""

from __future__ import annotations

import pytest

from streamkit.testing import (
    each_byte,
    every_cut,
    random_cuts,
    stream_bytes,
)


def test_every_cut_is_every_cut() -> None:
    assert [[b"abc"], [b"a", b"bc"], [b"ab", b"c"], [b"a", b"b", b"c"]] == list(every_cut(b"abc"))
    assert [[b""]] == list(every_cut(b""))
    assert [b"a", b"b"] == each_byte(b"ab")


@pytest.mark.parametrize("wire", [b"", b"a", b"ab", stream_bytes("Hello")])
def test_random_cuts_lose_nothing_and_come_again(wire: bytes) -> None:
    cuts = list(random_cuts(wire, 5, 20))
    assert 20 == len(cuts)
    assert {wire} == {b"".join(one) for one in cuts}
    assert cuts == list(random_cuts(wire, 5, 20))
    assert all(all(one) for one in cuts) or not wire
