"""Habits are opt-ins: what each does to a stream, what it leaves alone, and when one is suggested."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import DONE, choice, chunk, delta, read, sse
from streamkit import Accumulator, Dialect, MisuseError, structure
from streamkit.dialect import suggest
from streamkit.types import CreateChatCompletionStreamResponse


def contents(*pieces: str) -> list[str]:
    return [delta(json.dumps({"content": piece})) for piece in pieces]


def chunks(*documents: str) -> list[CreateChatCompletionStreamResponse]:
    return [structure(json.loads(one), CreateChatCompletionStreamResponse) for one in documents]


def test_without_a_dialect_every_habit_is_left_as_it_stands() -> None:
    assert "<think>a</think>b" == read(*contents("<think>a", "</think>b")).message["content"]
    assert "HeHello" == read(*contents("He", "Hello")).message["content"]


def test_indices_that_count_tokens_are_one_choice() -> None:
    tokens = [chunk(choice(json.dumps({"content": piece}), index=i)) for i, piece in enumerate("Hello")]
    reading = read(*tokens, dialect=Dialect(token_index=True))
    assert [0] == [one["index"] for one in reading.response["choices"]]
    assert "Hello" == reading.message["content"]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        pytest.param(("He", "Hello", "Hello you"), "Hello you", id="cumulative"),
        pytest.param(("He", "He", "Hello"), "Hello", id="the same again"),
        pytest.param(("He", "llo", " you"), "Hello you", id="increments all the same"),
        pytest.param(("A long enough text", "A long enough text, on", "A long enough text"), "A long enough text, on", id="an older state"),
    ],
)  # fmt: skip
def test_cumulative_text_is_taken_once(pieces: tuple[str, ...], text: str) -> None:
    assert text == read(*contents(*pieces), dialect=Dialect(cumulative_text=True)).message["content"]


def test_cumulative_reasoning_is_taken_once() -> None:
    pieces = [delta(f'{{"reasoning_content":"{text}"}}') for text in ("I", "I think", "I think so")]
    assert "I think so" == read(*pieces, dialect=Dialect(cumulative_text=True)).message["reasoning_content"]


@pytest.mark.parametrize("cut", range(1, 30))
def test_think_tags_are_found_wherever_the_sender_cuts_them(cut: int) -> None:
    text = "\n<think>so</think> I <think>"
    reading = read(*contents(text[:cut], text[cut:]), delta(finish="stop"), dialect=Dialect(think_tags=True))
    assert ("so", " I <think>") == (reading.message["reasoning_content"], reading.message["content"])


@pytest.mark.parametrize(
    ("pieces", "content", "reasoning"),
    [
        pytest.param(("no <think>a</think>",), "no <think>a</think>", None, id="a tag in the middle of an answer"),
        pytest.param(("<thi",), "<thi", None, id="the beginning of a tag is all there is"),
        pytest.param(("<think>a", "b</thi"), None, "ab</thi", id="cut off while thinking"),
        pytest.param(("<think></think>yes",), "yes", None, id="no thought"),
    ],
)
def test_what_is_no_whole_tag_is_text(pieces: tuple[str, ...], content: str | None, reasoning: str | None) -> None:
    message = read(*contents(*pieces), dialect=Dialect(think_tags=True)).message
    assert (content or "", reasoning) == (message.get("content", ""), message.get("reasoning_content"))


def test_reasoning_that_stands_in_its_own_field_too_is_not_taken_twice() -> None:
    both = delta('{"content":"<think>so</think>yes","reasoning_content":"so"}')
    message = read(both, dialect=Dialect(think_tags=True)).message
    assert ("yes", "so") == (message["content"], message["reasoning_content"])


@pytest.mark.parametrize(
    ("documents", "suggested"),
    [
        pytest.param(contents("He", "llo", " you", " there, friend"), Dialect(), id="an ordinary stream"),
        pytest.param([chunk(choice('{"content":"a"}', index=i)) for i in range(6)], Dialect(token_index=True), id="tokens"),
        pytest.param([chunk(choice('{"content":"a"}', index=i % 3)) for i in range(9)], Dialect(), id="three choices"),
        pytest.param(contents("A", "A long", "A long enough", "A long enough text"), Dialect(cumulative_text=True), id="cumulative"),
        pytest.param(contents("ha", "haha", "hahaha", "hahahaha"), Dialect(), id="a laugh"),
        pytest.param(contents("<th", "ink>", "a", "</think>b"), Dialect(think_tags=True), id="tags"),
    ],
)  # fmt: skip
def test_a_dialect_is_suggested_on_clear_evidence_only(documents: list[str], suggested: Dialect) -> None:
    assert suggested == suggest(chunks(*documents))


def test_a_suggestion_can_be_passed_on() -> None:
    documents = contents("A", "A long", "A long enough", "A long enough text")
    accumulator = Accumulator(dialect=suggest(chunks(*documents)))
    for one in documents:
        accumulator.add(json.loads(one))
    response = accumulator.snapshot()
    assert response is not None
    assert "A long enough text" == response.choices[0].message.content


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_dialect_is_suggested_for_the_bytes_of_a_stream(kind: type[Any]) -> None:
    stream = b": ping\n\n" + sse(*contents("A", "A long", "A long enough", "A long enough text"), "[]") + DONE
    assert Dialect(cumulative_text=True) == suggest(kind(stream))
    assert Dialect(cumulative_text=True) == suggest(kind(stream.removesuffix(b"\n\n" + DONE)))


def test_for_bytes_that_are_no_stream_nothing_is_suggested() -> None:
    for data in (b"", b"<html>", DONE, b"data: {\n\n", b'{"error":"busy"}', sse("[" * 2000)):
        assert Dialect() == suggest(data)


def test_what_stands_after_done_is_no_evidence() -> None:
    late = sse(*contents("A", "A long", "A long enough", "A long enough text"))
    assert Dialect() == suggest(sse(*contents("Hi")) + DONE + late)


def test_one_chunk_of_an_old_completion_is_evidence_enough() -> None:
    old = '{"id":"c1","object":"text_completion","created":7,"model":"m","choices":[{"index":0,"text":"Hi"}]}'
    assert Dialect(choice_text=True) == suggest(sse(old) + DONE)
    assert Dialect() == suggest(sse(old.replace("text_completion", "chat.completion.chunk")) + DONE)


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("data: {}", "not str"),
        (5, "not int"),
        ({"choices": []}, "not dict"),
        ([b"data: {}"], "join the blocks"),
        ([{"choices": []}], "not dict"),
    ],
)
def test_what_holds_no_chunks_is_misuse(stream: Any, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        suggest(stream)
