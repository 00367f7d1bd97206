"""Markup: text cannot become it."""

from __future__ import annotations

import pytest

from streamkit._view.markup import el, joined, prose, shown


def test_text_and_the_values_of_attributes_are_escaped_and_markup_is_not() -> None:
    inner = el("b", {}, "<i>&")
    assert '<p title="&quot;&gt;&lt;script&gt;"><b>&lt;i&gt;&amp;</b>\'</p>' == el(
        "p", {"title": '"><script>'}, inner, "'"
    )


def test_attributes_that_are_off_are_left_out() -> None:
    assert '<a hidden="hidden" x="0"></a>' == el("a", {"hidden": True, "b": None, "c": False, "x": 0})
    assert '<meta charset="utf-8"/>' == el("meta", {"charset": "utf-8"})
    assert "ab" == joined(["a", None, "b"])


@pytest.mark.parametrize(
    "text, safe",
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
        ("\x00\x1b[31m\x7f", "␀␛[31m␡"),
        ("\x9b", "\ufffd"),
        ("\ud800", "\ufffd"),
        ("\ufffe", "⟨U+FFFE⟩"),
        ("a\tb\nc", "a\tb\nc"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
    ],
)
def test_what_steers_is_shown(text: str, safe: str) -> None:
    assert safe == shown(text)
    assert f"<p>{safe}</p>" == el("p", {}, text)


def test_what_is_between_backticks_is_code() -> None:
    assert "<code>[DONE]</code> arrived &lt;" == prose("`[DONE]` arrived <")
