"""How text is cut into pieces, and which log probabilities go with each."""

from __future__ import annotations

import pytest

from streamkit import MisuseError
from streamkit._clean.splitting import Spread, cut_of, pieces_of, with_tokens
from streamkit.types import ChatCompletionTokenLogprob


def tokens(*words: str) -> list[ChatCompletionTokenLogprob]:
    return [ChatCompletionTokenLogprob(token=word, logprob=-1.0, top_logprobs=[]) for word in words]


@pytest.mark.parametrize(
    ("expected", "text", "size"),
    [([], "", None), ([], "", 2), (["Hello"], "Hello", None), (["He", "ll", "o"], "Hello", 2)],
)
def test_a_text_is_cut_by_size_or_not_at_all(expected: list[str], text: str, size: int | None) -> None:
    assert expected == pieces_of(text, cut_of(size, "spread"))


@pytest.mark.parametrize(
    ("expected", "words", "size", "logprobs"),
    [
        ([("Hel", ["Hel"]), ("lo", ["lo"])], ("Hel", "lo"), None, "spread"),
        ([("Hell", ["Hel"]), ("o", ["lo"])], ("Hel", "lo"), 4, "spread"),
        ([("Hell", []), ("o", ["Hel", "lo"])], ("Hel", "lo"), 4, "whole"),
        (
            [("Hello", ["\\xf0", "\\x9f"])],
            ("\\xf0", "\\x9f"),
            None,
            "spread",
        ),  # parts of characters: no cut of the text
    ],
)
def test_each_piece_has_the_tokens_that_end_in_it(
    expected: list[tuple[str, list[str]]], words: tuple[str, ...], size: int | None, logprobs: Spread
) -> None:
    found = with_tokens("Hello", tokens(*words), cut_of(size, logprobs), logprobs)
    assert expected == [(piece, [one.token for one in some]) for piece, some in found]


@pytest.mark.parametrize("logprobs", ["spread", "whole"])
def test_tokens_without_text_stand_alone(logprobs: Spread) -> None:
    assert [("", tokens("x"))] == list(with_tokens("", tokens("x"), None, logprobs))


def test_a_function_that_loses_text_is_a_misuse() -> None:
    with pytest.raises(MisuseError, match="do not add up"):
        pieces_of("Hello", cut_of(lambda text: [text[:2]], "spread"))
