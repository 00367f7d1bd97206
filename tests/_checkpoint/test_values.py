"""Values that JSON has no form for survive a checkpoint as what they were."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest

from streamkit._checkpoint.shapes import Refused
from streamkit._checkpoint.values import tagged, untagged
from streamkit._decode.logprobs_reader import read_tokens
from streamkit.anomalies import ignore
from streamkit.types import FinishReason, Role

(TOKEN,) = read_tokens([{"token": "a", "logprob": -1.5, "bytes": [97], "top_logprobs": [], "odd": inf}], "$", ignore)


@pytest.mark.parametrize(
    "value",
    [
        [inf, -inf, [nan]],
        {"$": 1},
        {"$": {"$": ["number", "inf"]}},
        {"$": 1, "other": 2},
        {"a": [1, True, None, 1.5, "text", {}, []]},
        [Role.ASSISTANT, FinishReason.STOP, "stop"],
        [TOKEN],
    ],
    ids=repr,
)
def test_a_value_is_the_same_again(value: Any) -> None:
    read = untagged(json.loads(json.dumps(tagged(value), allow_nan=False)))
    assert repr(value) == repr(read)


def test_a_word_of_a_later_release_is_a_text() -> None:
    assert "tired" == untagged({"$": ["FinishReason", "tired"]})


@pytest.mark.parametrize(
    "found", [{"$": 1}, {"$": ["number", "1"]}, {"$": ["code", "x"]}, {"$": ["token", {"$": ["token", {}]}]}], ids=repr
)
def test_a_form_that_is_not_known_is_refused(found: Any) -> None:
    with pytest.raises(Refused):
        untagged(found)


def test_where_json_is_meant_words_and_entries_are_refused() -> None:
    with pytest.raises(Refused):
        untagged([{"$": ["Role", "user"]}], json=True)
