"""What real senders write, entry by entry: text, reasoning, log probabilities and usage, 96 to 124. See
test_wire.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import Reading, choice, chunk, delta, read
from streamkit import Dialect, dumps, loads
from streamkit._decode.chunk_reader import read_chunk
from streamkit.dialect import suggest
from streamkit.events import (
    AnnotationsDone,
    AudioDelta,
    AudioDone,
    ContentDelta,
    LogprobsDelta,
    LogprobsDone,
    ReasoningDelta,
    RefusalDone,
    UsageSeen,
)
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

HI = delta('{"content":"Hi"}')
STOP = delta("{}", "stop")


def deltas(*values: dict[str, Any]) -> list[str]:
    """One chunk for each delta."""
    return [delta(json.dumps(value)) for value in values]


def texts(reading: Reading, kind: type[Any]) -> list[str]:
    """The text of each event of this kind."""
    return [event.text for event in reading.of(kind)]


def chunks(*documents: str) -> list[CreateChatCompletionStreamResponse]:
    """The chunks of a stream, as a caller of `suggest` has them."""
    return [read_chunk(json.loads(one), lambda *_: None) for one in documents]


# --- E. text and reasoning


def test_096_content_that_is_a_list_of_parts_by_turns_with_strings() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": text}]} for text in ("hm", " so")]
    reference = {"type": "reference", "reference_ids": [1, 2]}
    reading = read(
        *deltas(
            {"content": [thinking[0]]},
            {"content": [{**thinking[1], "closed": True}]},
            {"content": "Hi"},
            {"content": [{"type": "text", "text": " you"}, reference]},
            {"content": "!"},
        ),
        STOP,
    )
    assert ("Hi you!", "hm so") == (reading.message["content"], reading.message["reasoning_content"])
    assert (["hm", " so"], ["Hi", " you", "!"]) == (texts(reading, ReasoningDelta), texts(reading, ContentDelta))
    assert [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm so"}], "closed": True},
        {"type": "text", "text": " you"},
        reference,
    ] == reading.message["content_parts"]
    assert [("content_parts", "repaired", 3)] == [(one.code, one.severity, one.count) for one in reading.anomalies]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
def test_097_reasoning_is_reasoning_whatever_its_field(field: str) -> None:
    reading = read(*deltas({field: "I "}, {field: "think"}, {"content": "Hi"}), STOP)
    assert ("I think", "Hi", []) == (reading.message[field], reading.message["content"], reading.codes)
    assert "I think" == reading.accumulator.snapshot().choices[0].message.reasoning
    assert ["I ", "think"] == texts(reading, ReasoningDelta)


def test_097_the_same_piece_in_two_fields_is_reported_once_and_kept_in_both() -> None:
    reading = read(*deltas(*({"reasoning_content": text, "reasoning": text} for text in ("I ", "think"))), STOP)
    assert ("I think", "I think") == (reading.message["reasoning_content"], reading.message["reasoning"])
    assert ["I ", "think"] == texts(reading, ReasoningDelta)


def test_098_sealed_reasoning_beside_its_text_is_sent_back_unchanged() -> None:
    reading = read(*deltas({"reasoning_text": "hm"}, {"reasoning_opaque": "c2Vh"}, {"reasoning_opaque": "bGVk"}), STOP)
    again = reading.accumulator.snapshot().choices[0].message.to_request()
    assert {"reasoning_text": "hm", "reasoning_opaque": "bGVk"} == again.extra, "sealed text is never joined"


def test_099_reasoning_details_are_merged_by_type_and_index() -> None:
    text = {"type": "reasoning.text", "format": "f", "index": 0}
    details = [
        {**text, "id": "r1", "text": "I "},
        {**text, "id": "r1", "text": "think"},
        {**text, "signature": "s1"},
        {**text, "signature": "s2"},
        {"type": "reasoning.encrypted", "format": "f", "index": 0, "data": "QUJD", "id": "e1"},
        {"type": "reasoning.summary", "format": "f", "index": 1, "summary": "A "},
        {"type": "reasoning.summary", "format": "f", "index": 1, "summary": "sum"},
    ]
    reading = read(*deltas(*({"reasoning_details": [one]} for one in details)), STOP)
    assert [
        {"type": "reasoning.text", "format": "f", "index": 0, "id": "r1", "text": "I think", "signature": "s1"},
        {"type": "reasoning.text", "format": "f", "index": 0, "signature": "s2"},
        {"type": "reasoning.encrypted", "format": "f", "index": 0, "data": "QUJD", "id": "e1"},
        {"type": "reasoning.summary", "format": "f", "index": 1, "summary": "A sum"},
    ] == reading.message["reasoning_details"]
    assert (
        reading.message["reasoning_details"]
        == (reading.accumulator.snapshot().choices[0].message.to_request().extra["reasoning_details"])
    )


def test_099_details_without_an_index_do_not_collide() -> None:
    details = [
        {"type": "reasoning.text", "text": "a"},
        {"type": "reasoning.text", "text": "b"},
        {"type": "reasoning.encrypted", "data": "x", "id": "1"},
        {"type": "reasoning.encrypted", "data": "y", "id": "2"},
        {"type": "reasoning.text", "text": "c"},
    ]
    reading = read(*deltas(*({"reasoning_details": [one]} for one in details)), STOP)
    assert [{"type": "reasoning.text", "text": "ab"}, details[2], details[3], details[4]] == (
        reading.message["reasoning_details"]
    )


TAGGED = deltas(*({"content": text} for text in ("<thi", "nk>I think</", "think>Hi", " you")))


def test_100_tags_around_reasoning_are_text_unless_it_is_asked_for() -> None:
    """A model may write about tags; the bytes do not show whether its sender left them in."""
    assert "<think>I think</think>Hi you" == read(*TAGGED, STOP).message["content"]
    asked = read(*TAGGED, STOP, dialect=Dialect(think_tags=True))
    assert ("Hi you", "I think") == (asked.message["content"], asked.message["reasoning_content"])
    assert ("I think", "Hi you") == ("".join(texts(asked, ReasoningDelta)), "".join(texts(asked, ContentDelta)))
    assert suggest(chunks(*TAGGED, STOP)).think_tags


def test_101_tags_in_the_content_next_to_a_reasoning_field_are_not_taken_twice() -> None:
    both = deltas(
        {"content": "<think>I ", "reasoning_content": "I "},
        {"content": "think</think>", "reasoning_content": "think"},
        {"content": "Hi"},
    )
    plain = read(*both, STOP)
    assert ("<think>I think</think>Hi", "I think") == (plain.message["content"], plain.message["reasoning_content"])
    asked = read(*both, STOP, dialect=Dialect(think_tags=True))
    assert ("Hi", "I think") == (asked.message["content"], asked.message["reasoning_content"])
    assert ["I ", "think"] == texts(asked, ReasoningDelta)


GROWING = ["A", "A long", "A long enough", "A long enough text", "A long enough text."]


def test_102_cumulative_text_is_joined_unless_it_is_asked_for() -> None:
    """`ha`, `haha` may be a laugh: it is an opt-in, and `suggest` never guesses on short text."""
    growing = deltas(*({"content": text, "reasoning_content": text} for text in GROWING))
    assert "".join(GROWING) == read(*growing, STOP).message["content"]
    asked = read(*growing, STOP, dialect=Dialect(cumulative_text=True))
    assert (GROWING[-1], GROWING[-1]) == (asked.message["content"], asked.message["reasoning_content"])
    assert ["A", " long", " enough", " text", "."] == texts(asked, ContentDelta)
    assert suggest(chunks(*growing, STOP)).cumulative_text
    assert not suggest(chunks(*deltas(*({"content": "ha" * n} for n in range(1, 6))))).cumulative_text


def test_102_so_is_a_replay_of_everything_now_and_then() -> None:
    pieces = ["Once upon", " a time there", "Once upon a time there", " was", "Once upon a time there was a bug"]
    asked = read(*deltas(*({"content": one} for one in pieces)), STOP, dialect=Dialect(cumulative_text=True))
    assert "Once upon a time there was a bug" == asked.message["content"]


def test_103_a_refusal_alone_is_not_content() -> None:
    reading = read(*deltas({"role": "assistant", "content": None, "refusal": "I "}, {"refusal": "won't"}), STOP)
    assert ("I won't", None, []) == (reading.message["refusal"], reading.message.get("content"), reading.codes)
    assert (["I won't"], True) == (texts(reading, RefusalDone), reading.accumulator.emitted)


def test_104_audio_arrives_in_pieces_each_padded_for_itself_and_without_a_finish_reason() -> None:
    reading = read(
        *deltas(
            {"audio": {"id": "a1", "transcript": "Hi"}},
            {"audio": {"transcript": " you"}},
            {"audio": {"data": "QQ=="}},
            {"audio": {"data": "QkM="}},
            {"audio": {"expires_at": 123}},
        )
    )
    assert {"id": "a1", "transcript": "Hi you", "data": "QUJD", "expires_at": 123} == reading.message["audio"]
    assert (b"A", b"BC") == tuple(event.data for event in reading.of(AudioDelta) if event.data)
    assert (("complete", "done_without_finish"), ["missing_finish"], 1) == (
        reading.ending, reading.codes, len(reading.of(AudioDone)),
    )  # fmt: skip


def test_105_annotations_over_several_chunks_are_all_there() -> None:
    cited = [{"type": "url_citation", "url_citation": {"url": f"https://{n}"}} for n in "abc"]
    reading = read(*deltas({"annotations": cited[:1]}, {"content": "Hi"}, {"annotations": cited[1:]}), STOP)
    assert (cited, []) == (reading.message["annotations"], reading.codes)
    assert [cited] == [event.annotations for event in reading.of(AnnotationsDone)]


def test_106_citations_that_are_repeated_and_grow_are_not_doubled() -> None:
    usage = '"usage":{"prompt_tokens":1,"completion_tokens":%d,"total_tokens":3,"search_context_size":"low"}'
    reading = read(
        delta('{"content":"Hi"}', more=f'"citations":["a"],{usage % 1}'),
        delta('{"content":"!"}', "stop", more=f'"citations":["a","b"],{usage % 2}'),
    )
    assert (["a", "b"], "low") == (reading.response["citations"], reading.response["usage"]["search_context_size"])


def test_107_images_without_an_index_are_all_there() -> None:
    images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{n}"}} for n in "AB"]
    reading = read(*deltas(*({"images": [one]} for one in images)), STOP)
    assert (images, []) == (reading.message["images"], reading.codes)


def test_108_an_unknown_number_or_boolean_is_its_last_value() -> None:
    reading = read(*deltas({"token_id": 5, "final": True, "p": 0.5}, {"token_id": 7, "final": True, "p": 0.25}), STOP)
    assert (7, True) == (reading.message["token_id"], reading.message["final"])


def test_108_an_unknown_text_is_one_while_it_repeats_and_adds_once_it_differs() -> None:
    """The survey would let the last string win. That loses text in a field that is not known yet, as `reasoning` once
    was; one that says the same in every delta (a language, a channel) is one value all the same."""
    same = read(*deltas({"lang": "en"}, {"lang": "en"}, {"lang": "en"}), STOP)
    assert "en" == same.message["lang"]
    text = read(*deltas({"musing": "I "}, {"musing": "think"}), STOP)
    assert "I think" == text.message["musing"]


# --- F. log probabilities


def token(text: str, logprob: str = "-0.5", more: str = "") -> str:
    """The JSON of a token's log probability."""
    spelled = list(text.encode())
    return f'{{"token":"{text}","logprob":{logprob},"bytes":{spelled},"top_logprobs":[{more}]}}'


def logged(delta: str, *tokens: str, finish: str | None = None, index: int = 0) -> str:
    """A chunk with a delta and the log probabilities of these tokens."""
    return chunk(choice(delta, finish, index, f'"logprobs":{{"content":[{",".join(tokens)}],"refusal":null}}'))


def tokens_of(reading: Reading, index: int = 0) -> list[str]:
    """The tokens with log probabilities of a choice."""
    return [one["token"] for one in reading.response["choices"][index]["logprobs"]["content"]]


def test_109_log_probabilities_of_the_chunk_that_opens_a_choice_are_taken_once() -> None:
    reading = read(
        logged('{"role":"assistant","content":"a"}', token("a")),
        logged('{"role":"assistant","content":"b"}', token("b"), index=1),
        logged('{"content":"c"}', token("c"), index=1),
        STOP,
        delta("{}", "stop", 1),
    )
    assert (["a"], ["b", "c"], []) == (tokens_of(reading, 0), tokens_of(reading, 1), reading.codes)
    assert [1, 2] == [len(event.logprobs.content) for event in reading.of(LogprobsDone)]


def test_110_an_empty_list_is_a_list_and_null_is_none() -> None:
    empty = read(chunk(choice('{"content":"Hi"}', "stop", more='"logprobs":{"content":[],"refusal":null}')))
    assert {"content": [], "refusal": None} == empty.response["choices"][0]["logprobs"]
    null = read(chunk(choice('{"content":"Hi"}', "stop", more='"logprobs":null')))
    assert None is null.response["choices"][0].get("logprobs")
    assert ([], []) == (empty.of(LogprobsDelta), null.of(LogprobsDelta))
    later = read(logged('{"role":"assistant"}'), logged('{"content":"a"}', token("a")), STOP)
    assert ["a"] == tokens_of(later)


def test_111_log_probabilities_stand_beside_anything_or_alone() -> None:
    call = '{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]}'
    reading = read(
        logged('{"reasoning_content":"r"}', token("r")),
        logged("{}", token("o")),
        logged(call, token("t")),
        logged("{}", token("e"), finish="tool_calls"),
    )
    assert (["r", "o", "t", "e"], [("x", "f", "{}")], []) == (tokens_of(reading), reading.calls, reading.codes)


def test_112_log_probabilities_of_several_tokens_are_kept_as_they_were_written() -> None:
    """Whether the likely ones beside a token are those of another is not visible here."""
    top = '{"token":"x","logprob":-0.1,"bytes":[120]}'
    reading = read(logged('{"content":"ab"}', token("a", more=top), token("b", more=top)), STOP)
    assert (["a", "b"], "x") == (
        tokens_of(reading), reading.response["choices"][0]["logprobs"]["content"][1]["top_logprobs"][0]["token"],
    )  # fmt: skip


def test_112_cumulative_log_probabilities_are_appended_unless_it_is_asked_for() -> None:
    """`aa` may be two tokens: it is an opt-in."""
    growing = [logged(f'{{"content":"{text}"}}', *map(token, "abcd"[: at + 1])) for at, text in enumerate("abcd")]
    assert list("aababcabcd") == tokens_of(read(*growing, STOP))
    asked = read(*growing, STOP, dialect=Dialect(cumulative_logprobs=True))
    assert (list("abcd"), "abcd") == (tokens_of(asked), asked.message["content"])
    assert [["a"], ["b"], ["c"], ["d"]] == [[one.token for one in event.content] for event in asked.of(LogprobsDelta)]
    assert Dialect(cumulative_logprobs=True) == suggest(chunks(*growing, STOP))
    honest = [logged(f'{{"content":"{text}"}}', token(text)) for text in "abab"]
    assert list("abab") == tokens_of(read(*honest, STOP, dialect=Dialect(cumulative_logprobs=True)))
    assert Dialect() == suggest(chunks(*honest, STOP))


@pytest.mark.parametrize("number", ["-Infinity", "NaN", "Infinity", "null", "-1e999"])
def test_113_a_log_probability_that_is_not_a_number_is_that_of_the_impossible(number: str) -> None:
    """As OpenAI itself says it, so that the response can be written as JSON and read again."""
    top = f'{{"token":"b","logprob":{number},"bytes":null}}'
    reading = read(logged('{"content":"a"}', token("a", number, top)), STOP)
    (found,) = reading.response["choices"][0]["logprobs"]["content"]
    assert (-9999.0, -9999.0) == (found["logprob"], found["top_logprobs"][0]["logprob"])
    assert ("field_type", "repaired") in [(one.code, one.severity) for one in reading.anomalies]
    again = loads(dumps(reading.accumulator.snapshot()), CreateChatCompletionResponse)
    assert reading.accumulator.snapshot() == again


def test_113_a_number_that_json_can_express_is_not_an_anomaly() -> None:
    reading = read(logged('{"content":"a"}', token("a", "-9999.0"), token("b", "0"), token("c", "-1.5e-7")), STOP)
    assert ([-9999.0, 0.0, -1.5e-7], []) == (
        [one["logprob"] for one in reading.response["choices"][0]["logprobs"]["content"]], reading.codes,
    )  # fmt: skip


def test_114_log_probabilities_of_all_chunks_are_there() -> None:
    reading = read(*(logged(f'{{"content":"{text}"}}', token(text)) for text in "abcdef"), STOP)
    assert (list("abcdef"), 6) == (tokens_of(reading), len(reading.of(LogprobsDelta)))


def test_a_log_probability_may_have_no_text() -> None:
    """vLLM inside a character of many bytes: a delta without content, an entry with empty bytes; the token that
    completes the character has them all. Such an entry is one like any other."""
    empty = '{"token":"","logprob":-0.1,"bytes":[],"top_logprobs":[]}'
    reading = read(logged("{}", empty), logged("{}", empty), logged('{"content":"é"}', token("é")), STOP)
    assert (["", "", "é"], "é", []) == (tokens_of(reading), reading.message["content"], reading.codes)
    assert [[], [], [195, 169]] == [one["bytes"] for one in reading.response["choices"][0]["logprobs"]["content"]]


# --- usage


def usage(prompt: int, completion: int, more: str = "") -> str:
    """The JSON of usage, as a field of a chunk."""
    return f'"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{prompt + completion}{more}}}'


def figures(reading: Reading) -> tuple[int, int, int]:
    """Prompt, completion and total tokens."""
    found = reading.response["usage"]
    return found["prompt_tokens"], found["completion_tokens"], found["total_tokens"]


def test_115_usage_that_counts_up_in_every_chunk_is_never_added_up() -> None:
    """The survey proposes the most of each figure; the ledger's rule is the last, which a sender may correct
    downwards."""
    counting = [delta('{"content":"a"}', more=usage(9, n)) for n in range(1, 6)]
    reading = read(*counting, STOP, chunk(more=usage(9, 6)))
    assert (9, 6, 15) == figures(reading)
    assert [("usage_repeated", "note")] == [(one.code, one.severity) for one in reading.anomalies]
    assert [1, 2, 3, 4, 5, 6] == [event.usage.completion_tokens for event in reading.of(UsageSeen)]
    assert ("usage", 7) == reading.accumulator.usage_source["completion_tokens"]
    assert (8, 4, 12) == figures(read(HI, delta("{}", "stop", more=usage(9, 5)), chunk(more=usage(8, 4))))


def test_116_a_chunk_without_usage_does_not_erase_it() -> None:
    reading = read(delta('{"content":"Hi"}', more=usage(3, 1)), delta("{}", "stop", more='"usage":null'), chunk(), STOP)
    assert ((3, 1, 4), []) == (figures(reading), reading.codes)


def test_117_the_same_usage_twice_counts_once() -> None:
    reading = read(delta('{"content":"Hi"}', "stop", more=usage(3, 1)), chunk(more=usage(3, 1)))
    assert ((3, 1, 4), ["usage_repeated"]) == (figures(reading), reading.codes)


@pytest.mark.parametrize("later", ["", ',"prompt_tokens_details":null', ',"prompt_tokens_details":{}'])
def test_118_a_figure_that_is_missing_later_keeps_its_value(later: str) -> None:
    first = usage(
        3, 1, ',"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}'
    )
    reading = read(delta('{"content":"Hi"}', more=first), delta("{}", "stop", more=usage(3, 2, later)))
    assert (3, 2, 5) == figures(reading)
    assert ({"cached_tokens": 2}, {"reasoning_tokens": 1}) == (
        reading.response["usage"]["prompt_tokens_details"], reading.response["usage"]["completion_tokens_details"],
    )  # fmt: skip
    source = reading.accumulator.usage_source
    assert [("usage", 1), ("usage", 2)] == [source["prompt_tokens_details.cached_tokens"], source["completion_tokens"]]


def test_119_usage_inside_x_groq_is_usage() -> None:
    groq = f'"x_groq":{{"id":"req_1",{usage(3, 1)[:-1]},"queue_time":0.5}}}}'
    reading = read(HI, delta("{}", "stop", more=groq))
    assert ((3, 1, 4), 0.5) == (figures(reading), reading.response["usage"]["queue_time"])
    assert [("usage_moved", "note", "$.x_groq.usage")] == [
        (one.code, one.severity, one.path) for one in reading.anomalies
    ]
    assert {("x_groq.usage", 2)} == set(reading.accumulator.usage_source.values())
    assert "req_1" == reading.response["x_groq"]["id"]


def test_120_usage_on_a_choice_is_usage() -> None:
    reading = read(HI, chunk(choice("{}", "stop", more=usage(3, 1))))
    assert ((3, 1, 4), ["usage_moved"]) == (figures(reading), reading.codes)
    assert {("choices[].usage", 2)} == set(reading.accumulator.usage_source.values())


@pytest.mark.parametrize("empty", ['"usage":{}', usage(0, 0), '"usage":null'])
def test_121_empty_usage_does_not_replace_a_report(empty: str) -> None:
    reading = read(
        delta('{"content":"H"}', more=empty), delta('{"content":"i"}', more=usage(3, 1)), STOP, chunk(more=empty)
    )
    assert ("Hi", (3, 1, 4)) == (reading.message["content"], figures(reading))


def test_122_usage_may_stand_beside_the_last_piece_of_text() -> None:
    reading = read(delta('{"content":"Hi"}', "stop", more=usage(3, 1)))
    assert ("Hi", "stop", (3, 1, 4), []) == (
        reading.message["content"], reading.response["choices"][0]["finish_reason"], figures(reading), reading.codes,
    )  # fmt: skip


def test_123_what_senders_add_is_kept_in_its_place() -> None:
    more = ',"prompt_cache_hit_tokens":2,"num_cached_tokens":1,"cost":0.0012,"cost_details":{"upstream":null}'
    reading = read(
        delta('{"content":"Hi"}', more='"prompt_token_ids":[1,2]'),
        STOP,
        chunk(more=usage(3, 1, more) + ',"timings":{"predicted_ms":1.5}'),
    )
    found = reading.response
    assert (2, 1, 0.0012) == tuple(
        found["usage"][one] for one in ("prompt_cache_hit_tokens", "num_cached_tokens", "cost")
    )
    assert ([1, 2], {"predicted_ms": 1.5}, []) == (found["prompt_token_ids"], found["timings"], reading.codes)


def test_124_a_stream_that_breaks_off_has_no_usage_and_none_is_made_up() -> None:
    reading = read(HI, done=False)
    assert (("truncated", "no_finish"), None, {}) == (
        reading.ending, reading.response["usage"], reading.accumulator.usage_source,
    )  # fmt: skip
    counted = read(delta('{"content":"Hi"}', more=usage(3, 1)), done=False)
    assert (("truncated", "no_finish"), (3, 1, 4)) == (counted.ending, figures(counted))


# --- usage of the local senders


def test_usage_for_each_of_several_choices_is_noted_and_the_last_is_kept() -> None:
    """llama.cpp writes a chunk of usage for each choice, before the others have finished. Adding them up would count
    the prompt twice; that the last is of one choice only is said by an anomaly."""
    started = [delta(f'{{"content":"{text}"}}', index=i) for i, text in enumerate("ab")]
    reading = read(*started, STOP, chunk(more=usage(5, 20)), delta("{}", "stop", 1), chunk(more=usage(5, 20)))
    assert (5, 20, 25) == figures(reading)
    assert [("usage_repeated", "note"), ("usage_per_choice", "note")] == [
        (one.code, one.severity) for one in reading.anomalies
    ]


def test_usage_twice_after_all_choices_is_one_usage() -> None:
    started = [delta(f'{{"content":"{text}"}}', "stop", i) for i, text in enumerate("ab")]
    assert ["usage_repeated"] == read(*started, chunk(more=usage(5, 20)), chunk(more=usage(5, 20))).codes


def test_usage_beside_an_empty_choice_opens_nothing_and_missing_finish_reasons_are_reported() -> None:
    """LiteLLM in front of vLLM, n=3: usage arrives with a choice 0, and only choice 0 ever finishes."""
    started = [delta(f'{{"content":"{text}"}}', index=i) for i, text in enumerate("abc")]
    last = chunk('{"index":0,"delta":{}}', usage(5, 3))
    reading = read(*started, delta("{}", "length"), last)
    assert ((5, 3, 8), ("complete", "done_without_finish")) == (figures(reading), reading.ending)
    assert ["length", None, None] == [one.get("finish_reason") for one in reading.response["choices"]]
    assert ["missing_finish"] == reading.codes
    assert ("truncated", "no_finish") == read(*started, delta("{}", "length"), last, done=False).ending
