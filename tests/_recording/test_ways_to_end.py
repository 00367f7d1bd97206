"""What clients raise when a body breaks off, in the words of a trace."""

from __future__ import annotations

import asyncio
import http.client

import pytest

from streamkit._recording.ways_to_end import end_of, words_of


class ReadTimeout(Exception):
    pass


class ReadError(Exception):
    pass


class ChunkedEncodingError(OSError):
    pass


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ReadTimeout(), "timeout"),
        (TimeoutError(), "timeout"),
        (caused(ReadError(), TimeoutError()), "timeout"),
        (ConnectionResetError(), "reset"),
        (caused(ChunkedEncodingError(), ConnectionResetError()), "reset"),
        (ReadError("closed"), "reset"),
        (OSError(5, "input/output error"), "reset"),
        (http.client.IncompleteRead(b"x", 3), "incomplete"),
        (caused(ChunkedEncodingError(), http.client.IncompleteRead(b"x", 3)), "incomplete"),
        (EOFError(), "incomplete"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (ValueError("odd"), "unknown"),
    ],
    ids=repr,
)
def test_an_exception_says_how_the_body_ended(error: BaseException, end: str) -> None:
    assert end == end_of(error)


def test_a_chain_that_runs_in_a_circle_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert "unknown" == end_of(first)


def test_the_words_are_class_and_message_of_a_bounded_length() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "ValueError: no" == words_of(ValueError("no"))
    assert "ValueError" == words_of(ValueError())
    assert 500 == len(words_of(ValueError("x" * 9999)))
    assert "Odd" == words_of(Odd())
