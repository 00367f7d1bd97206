"""Habits are opt-ins: what each does to a stream, what it leaves alone, and when one is suggested."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import DONE, calls, choice, chunk, delta, read, sse
from streamkit import Accumulator, Dialect, MisuseError, structure
from streamkit.dialect import suggest
from streamkit.events import FunctionCallDelta, ToolCallDelta, ToolCallDone
from streamkit.types import CreateChatCompletionStreamResponse


def contents(*pieces: str) -> list[str]:
    return [delta(json.dumps({"content": piece})) for piece in pieces]


def chunks(*documents: str) -> list[CreateChatCompletionStreamResponse]:
    return [structure(json.loads(one), CreateChatCompletionStreamResponse, tolerant=True) for one in documents]


def test_without_a_dialect_every_habit_is_left_unchanged() -> None:
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


def fragments(*pieces: str, head: str = '"id":"x",') -> list[str]:
    """A call named f whose arguments come in these pieces, and its finish."""
    first, *others = (json.dumps(piece) for piece in pieces)
    return calls(
        f'{{"index":0,{head}"function":{{"name":"f","arguments":{first}}}}}',
        *(f'{{"index":0,"function":{{"arguments":{piece}}}}}' for piece in others),
    )


DOUBLED = [
    pytest.param(("{}", '{"a":', "1}"), '{"a":1}', id="an empty document first"),
    pytest.param(('{"a":', "1}", '{"a":1}'), '{"a":1}', id="the whole again at the end"),
    pytest.param(('{"a":1}\n', '{"a":1}'), '{"a":1}', id="with a line between"),
    pytest.param(('{"a', '{"a":', '{"a":1}'), '{"a":1}', id="each repeats all before it"),
    pytest.param(("{", '{"a":{', '{"a":{"b":[1]}}'), '{"a":{"b":[1]}}', id="the same with objects inside"),
    pytest.param(('{"a":"é', '😀"}', '{"a":"é😀"}'), '{"a":"é😀"}', id="text of several bytes"),
    pytest.param(('{"a":"\ud83d', '\ude00"}', '{"a":"😀"}'), '{"a":"😀"}', id="half a surrogate pair in each of two"),
]
HONEST = [
    pytest.param(('{"n":1', "1}"), '{"n":11}', id="a piece that ends as the next begins"),
    pytest.param(('{"a":{', '"b":{', "}}}"), '{"a":{"b":{}}}', id="objects inside"),
    pytest.param(('{"a":"', '{}{}"', "}"), '{"a":"{}{}"}', id="documents in a text"),
    pytest.param(("{}",), "{}", id="an empty document"),
    pytest.param(("  {", "}\n"), "  {}\n", id="blanks around it"),
    pytest.param(("[1", ",1", "]"), "[1,1]", id="an array"),
    pytest.param(("1", "2"), "12", id="a number"),
]


@pytest.mark.parametrize(("pieces", "meant"), DOUBLED)
def test_doubled_arguments_are_kept_as_sent_and_are_not_complete_and_an_anomaly_says_so(
    pieces: tuple[str, ...], meant: str
) -> None:
    reading = read(*fragments(*pieces))
    sent = "".join(pieces).replace("\ud83d\ude00", "😀")
    assert [("x", "f", sent)] == reading.calls
    (done,) = reading.of(ToolCallDone)
    assert not done.tool_call.complete
    (found,) = [one for one in reading.anomalies if one.code == "arguments_doubled"]
    assert ("lost", "$.choices[0].delta.tool_calls[].function.arguments") == (found.severity, found.path)


@pytest.mark.parametrize(("pieces", "meant"), DOUBLED)
def test_of_doubled_arguments_the_last_whole_document_is_taken_and_reported_at_the_end(
    pieces: tuple[str, ...], meant: str
) -> None:
    reading = read(*fragments(*pieces), dialect=Dialect(doubled_arguments=True))
    assert [("x", "f", meant)] == reading.calls
    assert [meant] == [event.arguments for event in reading.of(ToolCallDelta)]
    (done,) = reading.of(ToolCallDone)
    assert done.tool_call.complete
    assert "arguments_doubled" not in reading.codes


@pytest.mark.parametrize(("pieces", "meant"), HONEST)
@pytest.mark.parametrize(
    "dialect", [Dialect(), Dialect(doubled_arguments=True), Dialect(cumulative_text=True), Dialect(cumulative_text=True, doubled_arguments=True)]
)  # fmt: skip
def test_honest_arguments_are_never_touched(pieces: tuple[str, ...], meant: str, dialect: Dialect) -> None:
    reading = read(*fragments(*pieces), dialect=dialect)
    assert [("x", "f", meant)] == reading.calls
    assert meant == "".join(event.arguments for event in reading.of(ToolCallDelta))
    assert [True] == [event.tool_call.complete for event in reading.of(ToolCallDone)]
    assert "arguments_doubled" not in reading.codes


@pytest.mark.parametrize("pieces", [('{"a', '{"a":', '{"a":1}'), ("{", "{", '{"a":1}', '{"a":1}')])
def test_cumulative_arguments_are_taken_once_and_reported_as_they_arrive(pieces: tuple[str, ...]) -> None:
    reading = read(*fragments(*pieces), dialect=Dialect(cumulative_text=True))
    assert [("x", "f", '{"a":1}')] == reading.calls
    assert pieces[0] == reading.of(ToolCallDelta)[0].arguments
    assert [True] == [event.tool_call.complete for event in reading.of(ToolCallDone)]


def test_cumulative_arguments_of_two_calls_are_distinguished() -> None:
    pieces = [
        f'{{"index":{at},"id":"{id}","function":{{"name":"f","arguments":{json.dumps(text)}}}}}'
        for text in ('{"a', '{"a":', '{"a":1}')
        for at, id in enumerate("xy")
    ]
    reading = read(*calls(*pieces), dialect=Dialect(cumulative_text=True))
    assert [("x", "f", '{"a":1}'), ("y", "f", '{"a":1}')] == reading.calls


@pytest.mark.parametrize(
    ("dialect", "pieces"),
    [
        (Dialect(cumulative_text=True), ('{"a', '{"a":', '{"a":1}')),
        (Dialect(doubled_arguments=True), ("{}", '{"a":1}')),
    ],
)
def test_a_function_call_of_the_first_kind_has_the_same_habits(dialect: Dialect, pieces: tuple[str, ...]) -> None:
    stream = [delta(json.dumps({"function_call": {"name": "f", "arguments": piece}})) for piece in pieces]
    reading = read(*stream, delta(finish="function_call"), dialect=dialect)
    assert {"name": "f", "arguments": '{"a":1}'} == reading.message["function_call"]
    assert '{"a":1}' == "".join(event.arguments for event in reading.of(FunctionCallDelta))
    assert "arguments_doubled" in read(*stream, delta(finish="function_call")).codes


def test_the_input_of_a_custom_tool_is_any_text_and_stays_as_sent() -> None:
    call = '{"index":0,"id":"x","type":"custom","custom":{"name":"f","input":"{}{}"}}'
    for dialect in (Dialect(), Dialect(doubled_arguments=True)):
        reading = read(*calls(call), dialect=dialect)
        assert "{}{}" == reading.message["tool_calls"][0]["custom"]["input"]
        assert "arguments_doubled" not in reading.codes


def test_doubled_arguments_of_a_stream_that_was_cut_off_are_reported_nevertheless() -> None:
    reading = read(*fragments('{"a":', '{"a":1')[:-1], dialect=Dialect(doubled_arguments=True), done=False)
    assert [("x", "f", '{"a":{"a":1')] == reading.calls
    assert ['{"a":{"a":1'] == [event.arguments for event in reading.of(ToolCallDelta)]
    assert "truncated" == reading.outcome.name


def test_what_follows_a_choice_that_was_over_is_added_as_it_arrives() -> None:
    more = calls('{"index":0,"function":{"arguments":" "}}')
    reading = read(*fragments("{}", '{"a":1}'), *more, dialect=Dialect(doubled_arguments=True))
    assert [("x", "f", '{"a":1} ')] == reading.calls
    assert ['{"a":1}', " "] == [event.arguments for event in reading.of(ToolCallDelta)]


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
def test_what_is_not_a_whole_tag_is_text(pieces: tuple[str, ...], content: str | None, reasoning: str | None) -> None:
    message = read(*contents(*pieces), dialect=Dialect(think_tags=True)).message
    assert (content or "", reasoning) == (message.get("content", ""), message.get("reasoning_content"))


def test_reasoning_that_is_in_its_field_too_is_not_taken_twice() -> None:
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
        pytest.param(fragments('{"a', '{"a":', '{"a":1}'), Dialect(cumulative_text=True), id="cumulative arguments"),
        pytest.param(fragments("{}", '{"a":', "1}"), Dialect(doubled_arguments=True), id="an empty document first"),
        pytest.param(fragments('{"a":1}', '{"a":1}'), Dialect(doubled_arguments=True), id="the whole again at the end"),
        pytest.param(fragments('{"n":1', "1}"), Dialect(), id="honest arguments"),
        pytest.param(fragments('{"a":', '{"a":1'), Dialect(), id="arguments that break off"),
        pytest.param(fragments('"a"', '"a"'), Dialect(), id="arguments that are no document"),
        pytest.param([*fragments("{}")[:-1], *fragments("{}", head='"id":"y",')], Dialect(), id="two calls at one index"),
        pytest.param(calls(*['{"index":null,"function":{"name":"f","arguments":"{}"}}'] * 2), Dialect(), id="two calls without index or id"),
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


def test_for_bytes_that_are_not_a_stream_nothing_is_suggested() -> None:
    for data in (b"", b"<html>", DONE, b"data: {\n\n", b'{"error":"busy"}', sse("[" * 2000)):
        assert Dialect() == suggest(data)


def test_what_arrives_after_done_is_not_evidence() -> None:
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
