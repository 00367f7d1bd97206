"""What a terminal can show: when there are colours, and text that neither steers it nor runs over."""

from __future__ import annotations

import io

import pytest

from streamkit._cli.terminal import SHOWN, clipped, columns, has_colours, json_bytes, one_line, width_of, wrapped


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("expected", "out", "environment"),
    [
        (True, Terminal(), {}),
        (True, Terminal(), {"NO_COLOR": ""}),
        (False, Terminal(), {"NO_COLOR": "1"}),
        (False, Terminal(), {"TERM": "dumb"}),
        (False, io.BytesIO(), {}),
    ],
)
def test_there_are_colours_on_a_terminal_that_may_have_them(
    monkeypatch: pytest.MonkeyPatch, expected: bool, out: io.BytesIO, environment: dict[str, str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    assert expected == has_colours(out)


def test_the_user_may_say_how_wide_a_line_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "61")
    assert 61 == columns()


def test_control_characters_are_shown_and_line_feeds_are_kept() -> None:
    assert "a␛[2J\ufffd31m␇\tb\n␡" == "a\x1b[2J\x9b31m\x07\tb\n\x7f".translate(SHOWN)
    assert "a␛[2J b" == one_line("a\x1b[2J\n  b")


@pytest.mark.parametrize(("expected", "text"), [(0, ""), (3, "abc"), (4, "日本"), (2, "👋"), (1, "e\u0301"), (2, "Zü")])
def test_the_columns_of_a_text_are_not_its_characters(expected: int, text: str) -> None:
    assert expected == width_of(text)


@pytest.mark.parametrize(
    ("expected", "text", "room"),
    [("abcde", "abcde", 5), ("abcd…", "abcdef", 5), ("日本…", "日本語", 5), ("a b", "a\n b", 5)],
)
def test_a_text_is_clipped_to_the_room_there_is(expected: str, text: str, room: int) -> None:
    assert expected == clipped(text, room)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (["- ab cd", "  ef"], "ab cd ef"),
        (["- abcde", "  fghij", "  k"], "abcdefghijk"),  # longer than a line
        (["- 日本", "  語"], "日本語"),
        (["- "], ""),
    ],
)
def test_a_text_is_wrapped_by_columns(expected: list[str], text: str) -> None:
    assert expected == list(wrapped(text, 7, "- ", "  "))


def test_json_is_one_line_that_steers_no_terminal_and_is_read_as_before() -> None:
    assert '{"é":"\\u009b\\ud800"}\n'.encode() == json_bytes('{"é":"\x9b\ud800"}')
