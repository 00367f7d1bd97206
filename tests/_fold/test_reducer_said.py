"""`[DONE]` after neither output nor a finish reason is a failure; `created` that is absent is a note."""

from __future__ import annotations

import pytest

from helpers.wire import choice, chunk, delta, read
from streamkit import Dialect, FormatError

ROLE = delta('{"role":"assistant","content":""}')


@pytest.mark.parametrize(
    "documents",
    [
        [ROLE],
        [ROLE, ROLE],
        [chunk()],
        [delta("{}")],
        [delta('{"content":null,"tool_calls":[{"index":0}],"function_call":{},"audio":{}}')],
        [delta('{"odd":"","more":[],"most":{"a":[null,""]},"none":null,"obfuscation":"xyz"}')],
        [delta('{"reasoning_content":"","reasoning_details":[]}')],
        [chunk(choice("{}", more='"stop_reason":null'))],
    ],
)
def test_done_after_nothing_is_a_failure_and_what_arrived_is_kept(documents: list[str]) -> None:
    reading = read(*documents, chunk(more='"usage":{"prompt_tokens":3},"provider":"p"'))
    assert ("failed", "empty") == reading.ending
    assert isinstance(reading.outcome.error, FormatError)
    assert ("c1", "m", 7, "p", {"prompt_tokens": 3}) == tuple(
        reading.response[name] for name in ("id", "model", "created", "provider", "usage")
    )
    assert reading.outcome.error.partial == reading.accumulator.snapshot()


@pytest.mark.parametrize(
    "said",
    [
        '"content":"a"',
        '"refusal":"a"',
        '"reasoning":"a"',
        '"reasoning_details":[{"type":"reasoning.encrypted","data":"E"}]',
        '"audio":{"id":"a"}',
        '"function_call":{"name":"f"}',
        '"tool_calls":[{"index":0,"id":"x"}]',
        '"odd":"a"',
        '"odd":{"a":[null,1]}',
        '"content":"\\ud83d"',
    ],
)
def test_done_after_any_output_is_an_ending(said: str) -> None:
    assert ("complete", "done_without_finish") == read(ROLE, delta(f"{{{said}}}")).ending


def test_a_finish_reason_for_every_choice_is_an_ending_even_without_any_output() -> None:
    assert ("complete", "done") == read(ROLE, delta("{}", "stop")).ending


def test_without_done_and_without_output_it_is_truncated() -> None:
    assert ("truncated", "no_finish") == read(ROLE, done=False).ending


def test_what_a_dialect_holds_back_counts_as_output() -> None:
    reading = read(delta('{"content":"<thi"}'), dialect=Dialect(think_tags=True))
    assert (("complete", "done_without_finish"), "<thi") == (reading.ending, reading.message["content"])


@pytest.mark.parametrize("created", ["", '"created":null,'])
def test_an_absent_time_of_creation_is_a_note_that_strict_lets_pass(created: str) -> None:
    one = f'{{"id":"c1",{created}"choices":[' + choice('{"content":"a"}', "stop") + "]}"
    assert ["created_missing"] == read(one, strict=True).codes


def test_a_field_of_the_format_with_a_value_of_another_type_is_not_output() -> None:
    reading = read(delta('{"tool_calls":1e30}'), done=True)
    assert ("failed", "empty") == reading.ending
