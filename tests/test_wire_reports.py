"""What real senders write, from public reports that the other test_wire* files do not cover. Each cites its thread; the
bytes are the plainest that show the shape.

`HI` and `STOP` are a chunk with text and one that finishes.
"""

from __future__ import annotations

import json

import pytest

from helpers.wire import DONE, calls, choice, chunk, delta, read, sse
from streamkit import Dialect, check_stream
from streamkit.events import ContentDelta, ReasoningDelta, ToolCallDone

START = delta('{"role":"assistant"}')
HI = delta('{"content":"Hi"}')
STOP = delta("{}", "stop")


def fragment(index: int | str, arguments: str, more: str = "", inner: str = "") -> str:
    """A fragment of a tool call with the JSON of its arguments; `more` is JSON on the call, `inner` on its function."""
    more = f"{more}," if more else ""
    inner = f"{inner}," if inner else ""
    return f'{{"index":{index},{more}"function":{{{inner}"arguments":{arguments}}}}}'


def verdict(*documents: str | bytes) -> str:
    stream = b"".join(sse(one) if isinstance(one, str) else one for one in documents)
    return check_stream(stream + DONE).verdict


# --- tool calls


def test_an_index_of_minus_one_is_an_index() -> None:
    # Bedrock's block number less one: https://github.com/aws-samples/bedrock-access-gateway/pull/247
    first = fragment(-1, '""', '"id":"x","type":"function"', '"name":"f"')
    second = fragment(0, '""', '"id":"y","type":"function"', '"name":"g"')
    reading = read(START, *calls(first, fragment(-1, '"{}"'), second, fragment(0, '"{\\"a\\":1}"')))
    assert ([("x", "f", "{}"), ("y", "g", '{"a":1}')], []) == (reading.calls, reading.codes)


def test_an_index_of_minus_one_in_every_call_is_distinguished_by_the_id() -> None:
    # https://github.com/zai-org/GLM-4.5/issues/17, with arguments that are an object
    both = [fragment(-1, '{"q":1}', f'"id":"{id}","type":"function"', '"name":"search"') for id in ("x", "y")]
    reading = read(START, *calls(*both))
    assert [("x", "search", '{"q":1}'), ("y", "search", '{"q":1}')] == reading.calls
    assert {"arguments_object", "tool_index_reused"} == set(reading.codes)


def test_a_last_fragment_of_nulls_adds_nothing() -> None:
    # https://github.com/QuantumNous/new-api/issues/3326 and https://github.com/lidge-jun/opencodex/issues/1731
    begin = fragment(0, '"{\\"c\\":"', '"id":"x","type":"function"', '"name":"f"')
    end = fragment(0, "null", '"id":null,"type":null', '"name":null')
    reading = read(START, *calls(begin, fragment(0, '"1}"', '"id":""'), end))
    assert ([("x", "f", '{"c":1}')], []) == (reading.calls, reading.codes)
    (done,) = reading.of(ToolCallDone)
    assert done.tool_call.complete


@pytest.mark.parametrize("blank", ['" "', '"\\n"', '""'])
def test_a_blank_after_whole_arguments_makes_no_second_call(blank: str) -> None:
    # https://github.com/cartesia-ai/line/issues/257, https://github.com/OpenRouterTeam/ai-sdk-provider/pull/489
    reading = read(
        START, *calls(fragment(0, '"{\\"c\\":1}"', '"id":"x","type":"function"', '"name":"f"'), fragment(0, blank))
    )
    assert [("x", "f", '{"c":1}' + json.loads(blank))] == reading.calls
    (done,) = reading.of(ToolCallDone)
    assert done.tool_call.complete


@pytest.mark.parametrize("word", ["null", "None", "undefined"])
def test_a_name_that_is_the_word_null_in_a_later_fragment_is_none(word: str) -> None:
    # https://github.com/BerriAI/litellm/issues/12513
    begin = fragment(0, '"{\\"p\\": \\"."', '"id":"x","type":"FUNCTION"', '"name":"ls"')
    end = fragment(0, '"\\"}"', '"id":"","type":"FUNCTION"', f'"name":"{word}"')
    reading = read(START, *calls(begin, end))
    assert ([("x", "ls", '{"p": "."}')], []) == (reading.calls, reading.codes)
    assert "notes" == verdict(START, *calls(begin, end))


def test_a_tool_that_is_called_null_keeps_its_name() -> None:
    begin = fragment(0, '"{}"', '"id":"x","type":"function"', '"name":"null"')
    again = fragment(1, '"{}"', '"id":"y","type":"function"', '"name":"None"')
    assert [("x", "null", "{}"), ("y", "None", "{}")] == read(START, *calls(begin, again)).calls


def test_an_empty_name_in_the_first_fragment_waits_for_the_real_one() -> None:
    # https://github.com/jjang-ai/vmlx/pull/244 and https://github.com/vercel/ai/pull/16507
    begin = fragment(0, '""', '"id":"x","type":"function"', '"name":""')
    end = fragment(0, '"{}"', '"id":"x","type":"function"', '"name":"bash"')
    assert [("x", "bash", "{}")] == read(START, *calls(begin, end)).calls


def test_one_call_at_two_indices_is_kept_as_it_was_sent_and_is_reported() -> None:
    # https://github.com/mudler/LocalAI/issues/9722: honest senders reuse ids too, so that nothing is left out
    first = fragment(0, '""', '"id":"x","type":"function"', '"name":"exec"')
    again = fragment(1, '"{\\"c\\":1}"', '"id":"x","type":"function"', '"name":"exec"')
    stream = [START, *calls(first, fragment(0, '"{\\"c\\":1}"', '"id":"x"'), again)]
    reading = read(*stream)
    assert [("x", "exec", '{"c":1}')] * 2 == reading.calls
    assert ["tool_id_reused"] == reading.codes
    assert "faulty" == verdict(*stream)


def test_tool_calls_that_are_null_beside_text_are_none() -> None:
    # https://github.com/Effect-TS/effect/pull/7269
    reading = read(delta('{"role":"assistant","content":"Hi","tool_calls":null}'), STOP)
    assert ("Hi", [], []) == (reading.message["content"], reading.calls, reading.codes)


def test_empty_content_between_the_pieces_of_arguments_is_not_text() -> None:
    # https://github.com/agentgateway/agentgateway/pull/2148
    pieces = calls(fragment(0, '"{"', '"id":"x","type":"function"', '"name":"f"'), fragment(0, '"}"'))
    empty = delta('{"content":""}')
    reading = read(START, empty, pieces[0], empty, *pieces[1:])
    assert ([("x", "f", "{}")], "") == (reading.calls, reading.message["content"])
    assert [] == reading.of(ContentDelta)


def test_a_call_that_was_cut_off_is_not_complete_whatever_the_finish_reason_says() -> None:
    # https://github.com/vllm-project/vllm/issues/53269: `tool_calls` where it was a limit on tokens
    stream = [START, *calls(fragment(0, '"{\\"city\\": \\"Par"', '"id":"x","type":"function"', '"name":"f"'))]
    reading = read(*stream)
    (done,) = reading.of(ToolCallDone)
    assert (("complete", "done"), False) == (reading.ending, done.tool_call.complete)
    assert "arguments_not_object" in [one.code for one in check_stream(sse(*stream) + DONE).findings]


# --- text and reasoning


def test_reasoning_and_text_in_one_delta_arrive_in_that_order() -> None:
    # https://github.com/zendev-sh/goai/pull/119
    reading = read(
        delta('{"role":"assistant","content":"","reasoning_content":"So it is"}'),
        delta('{"content":"V","reasoning_content":"."}'),
        delta('{"content":"oy"}'),
        STOP,
    )
    assert ["So it is", ".", "V", "oy"] == [event.text for event in reading.of(ReasoningDelta, ContentDelta)]
    assert ("Voy", "So it is.") == (reading.message["content"], reading.message["reasoning_content"])


def test_reasoning_that_is_an_object_is_kept_whole_and_is_not_called_clean() -> None:
    # https://github.com/envoyproxy/ai-gateway/issues/2519 (Bedrock)
    pieces = ('{"text":"I nee"}', '{"text":"d"}', '{"signature":"s"}')
    stream = [START, *(delta(f'{{"reasoning_content":{piece}}}') for piece in pieces), HI, STOP]
    reading = read(*stream)
    assert {"text": "I need", "signature": "s"} == reading.message["reasoning_content"]
    assert "notes" == verdict(*stream)


def test_a_message_that_grows_beside_the_deltas_doubles_nothing() -> None:
    # https://github.com/perplexityai/api-discussion/issues/209
    def both(so_far: str, new: str, finish: str = "null") -> str:
        message = f'"message":{{"role":"assistant","content":"{so_far}"}}'
        return chunk(
            f'{{"index":0,{message},"delta":{{"role":"assistant","content":"{new}"}},"finish_reason":{finish}}}'
        )

    reading = read(both("He", "He"), both("Hello", "llo"), both("Hello", "", '"stop"'))
    assert ("Hello", ("complete", "done")) == (reading.message["content"], reading.ending)
    assert ["message_repeated"] == reading.codes


def test_the_end_marker_inside_text_ends_nothing() -> None:
    # https://github.com/rahilp/second-brain-cloudflare/issues/353
    reading = read(delta('{"content":"Keep [DONE]"}'), delta('{"content":"\\ndata: [DONE]\\n\\n"}'), STOP)
    assert "Keep [DONE]\ndata: [DONE]\n\n" == reading.message["content"]


def test_thinking_at_choice_0_and_text_at_choice_1_are_two_choices_or_one_by_the_dialect() -> None:
    # https://github.com/BerriAI/litellm/issues/23178
    stream = [delta('{"role":"assistant","reasoning_content":"Hm."}'), delta('{"content":"Hi"}', index=1)]
    stream.append(delta("{}", "stop", index=1))
    assert ["missing_finish"] == read(*stream).codes
    assert "clean" != verdict(*stream)
    reading = read(*stream, dialect=Dialect(token_index=True))
    assert 1 == len(reading.response["choices"])
    assert ("Hi", "Hm.") == (reading.message["content"], reading.message["reasoning_content"])


@pytest.mark.parametrize(
    "pieces",
    [
        # https://github.com/raullenchai/Rapid-MLX/issues/444 and https://github.com/Blaizzy/mlx-vlm/pull/974
        ["<|channel|>", "comment", "ary to=functions.f<|message|>{}"],
        ['<|tool_call>call:read{path:<|"|>a<|"|>}<tool_call|>'],
    ],
)
def test_markup_in_the_content_stays_and_is_reported(pieces: list[str]) -> None:
    stream = [START, *(delta(json.dumps({"content": piece})) for piece in pieces), STOP]
    assert "".join(pieces) == read(*stream).message["content"]
    assert "markup_in_text" in [one.code for one in check_stream(sse(*stream) + DONE).findings]


# --- usage


def test_usage_that_is_only_details_is_kept_until_the_figures_arrive() -> None:
    # https://github.com/theopenco/llmgateway/pull/2861
    early = delta('{"content":"Hi"}', more='"usage":{"prompt_tokens_details":{"cached_tokens":4}}')
    late = chunk(more='"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}')
    usage = read(early, STOP, late).response["usage"]
    assert {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11} == {
        name: count for name, count in usage.items() if name != "prompt_tokens_details"
    }
    assert 4 == usage["prompt_tokens_details"]["cached_tokens"]


def test_counts_under_the_names_of_the_responses_api_are_kept() -> None:
    # https://github.com/earendil-works/pi/issues/2326 (mlx-vlm)
    late = chunk(more='"usage":{"input_tokens":11,"output_tokens":5,"total_tokens":16,"prompt_tps":21.5}')
    usage = read(HI, STOP, late).response["usage"]
    assert (11, 5, 16, 21.5) == tuple(usage[n] for n in ("input_tokens", "output_tokens", "total_tokens", "prompt_tps"))


# --- events


def test_an_event_that_is_called_done_ends_what_has_its_finish_reasons() -> None:
    # https://github.com/Episkey-G/GrokSearch-rs/pull/6
    reading = read(HI, STOP, b"event: done\ndata: {}\n\n", done=False)
    assert (("complete", "finish_without_done"), "Hi") == (reading.ending, reading.message["content"])
    assert ("truncated", "no_finish") == read(HI, b"event: done\ndata: {}\n\n", done=False).ending


def test_a_field_named_type_before_the_data_is_not_a_field_and_does_no_harm() -> None:
    # https://github.com/openai/openai-openapi/issues/489
    reading = read(b"type: message\ndata: " + HI.encode() + b"\n\n", STOP)
    assert ("Hi", ["ignored_line"]) == (reading.message["content"], reading.codes)


def test_two_finish_reasons_one_with_usage_make_no_second_call() -> None:
    # https://github.com/skye-harris/hass_local_openai_llm/pull/92 (OpenRouter)
    pieces = calls(fragment(0, '"{}"', '"id":"x","type":"function"', '"name":"f"'))
    last = chunk(choice('{"role":"assistant","content":""}', "tool_calls"), '"usage":{"prompt_tokens":1}')
    reading = read(START, *pieces, last)
    assert [("x", "f", "{}")] == reading.calls
    assert 1 == len(reading.of(ToolCallDone))
