"""What is written clean is taken by readers stricter than any client: every recorded stream that completes, by index.

Exceptions are those that an SDK raises on OpenAI's own streams too: a finish reason `length` or `content_filter` under
`get_final_completion`; and a stream that ended with `[DONE]` and no finish reason, as no ending is invented.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.strategies import examples, mutated, streams, tampered
from helpers.strict import node_is_there, openai_node, openai_python, violations
from helpers.wire import DONE, calls, chunk, delta, sse
from streamkit import Accumulator, Clean, Cleaner

BY_INDEX = Clean(order="index")


def cleaned(stream: bytes, clean: Clean = BY_INDEX) -> bytes | None:
    """The clean stream of one that completes with every finish reason; None of any other."""
    cleaner = Cleaner(clean=clean)
    out = b"".join([*cleaner.feed(stream), *cleaner.close()])
    outcome = cleaner.outcome
    assert outcome is not None
    return out if outcome.ok and outcome.reason != "done_without_finish" else None


def complete(recorded: Iterable[Recorded]) -> list[tuple[str, bytes]]:
    found = ((one.name, cleaned(one.body)) for one in recorded)
    return [(name, clean) for name, clean in found if clean is not None]


def is_of_openai(raised: str) -> bool:
    return raised.startswith(("LengthFinishReasonError", "ContentFilterFinishReasonError"))


@each(TRACES)
def test_a_recorded_stream_is_taken_by_strict_readers(recorded: Recorded) -> None:
    for _, clean in complete([recorded]):
        assert [] == violations(clean)
        raised = openai_python(clean)
        assert not raised or is_of_openai(raised)


@shared
@pytest.mark.quick(2)
@pytest.mark.parametrize("part", range(8))
def test_a_shared_stream_is_taken_by_strict_readers(part: int) -> None:
    for name, clean in complete(SHARED[part::8]):
        assert [] == violations(clean), name
        raised = openai_python(clean)
        assert not raised or is_of_openai(raised), name


@pytest.mark.skipif(not node_is_there(), reason="STREAMKIT_NODE names no folder with node_modules/openai")
def test_every_recorded_stream_is_taken_by_openai_node() -> None:
    found = complete([*TRACES, *SHARED])
    raised = openai_node(clean for _, clean in found)
    assert [] == [(name, error) for (name, _), error in zip(found, raised, strict=True) if error]


@given(st.data())
@examples(60)
def test_any_stream_is_taken_by_strict_readers(data: st.DataObject) -> None:
    stream = data.draw(streams()).wire
    if data.draw(st.booleans()):
        stream = data.draw(tampered(stream) | mutated(stream))
    clean = cleaned(stream)
    if clean is None or Accumulator().feed(stream) == []:
        return
    assert [] == violations(clean, by_index=False)


ODD: dict[str, list[str]] = {
    "an unknown field in a fragment without a function": [
        *calls('{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}'),
        *calls('{"index":0,"extra_content":{"google":{"thought_signature":"x"}}}'),
        *calls('{"index":0,"function":{"arguments":"}"}}'),
    ],
    "annotations in two chunks": [delta('{"annotations":[{"url":"u"}]}'), delta('{"annotations":[{"url":"v"}]}')],
    "reasoning details without an index": [
        delta('{"reasoning_details":[{"type":"reasoning.text","text":"a"}]}'),
        delta('{"reasoning_details":[{"type":"reasoning.text","text":"b"}]}'),
    ],
    "a list in an object, twice": [delta('{"k":{"some":[{"a":1}]}}'), delta('{"k":{"some":[{"a":2}]}}')],
    "calls by turns": calls(
        '{"index":0,"id":"a","function":{"name":"f","arguments":""}}',
        '{"index":1,"id":"b","function":{"name":"g","arguments":""}}',
        '{"index":0,"function":{"arguments":"{\\"x\\":"}}',
        '{"index":1,"function":{"arguments":"{\\"y\\":"}}',
        '{"index":0,"function":{"arguments":"1}"}}',
        '{"index":1,"function":{"arguments":"2}"}}',
    ),
    "one id twice": calls(
        '{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}',
        '{"index":1,"id":"a","function":{"name":"f","arguments":"{}"}}',
    ),
    "an id after arguments": calls(
        '{"index":0,"function":{"name":"f","arguments":"{"}}', '{"index":0,"id":"a","function":{"arguments":"}"}}'
    ),
    "a name in pieces": calls(
        '{"index":0,"id":"a","function":{"name":"get_"}}',
        '{"index":0,"function":{"name":"weather"}}',
        '{"index":0,"function":{"arguments":"{}"}}',
    ),
    "calls numbered from 1": calls('{"index":1,"id":"a","function":{"name":"f","arguments":"{}"}}'),
    "log probabilities that are a number": [
        '{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"logprobs":-0.5}]}'
    ],
    "usage details that are a number": [
        delta('{"content":"a"}'),
        chunk("", '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":5}'),
    ],
    "no role anywhere": [delta('{"content":"a"}'), delta('{"content":"b"}')],
    "a custom tool": calls('{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"x"}}'),
}


@pytest.mark.parametrize("case", ODD)
def test_what_crashed_a_strict_reader_is_taken(case: str) -> None:
    stream = sse(*ODD[case], delta("{}", "stop")) + DONE
    clean = cleaned(stream)
    assert clean is not None
    assert [] == violations(clean)
    if case != "a custom tool":  # openai-python's helper supports none, not even OpenAI's
        assert "" == openai_python(clean)


def test_the_validator_finds_what_is_not_as_openai_writes_it() -> None:
    one = '{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}'
    good = [sse(_chunk(one % ('{"role":"assistant","content":""}', "null"))), sse(_chunk(one % ("{}", '"stop"')))]
    assert [] == violations(b"".join(good) + DONE)
    later = sse(_chunk(one % ('{"tool_calls":[{"index":0,"sign":"s"}]}', "null")))
    for bad in (
        b"".join(good),
        good[0] + DONE,
        good[1] + DONE,
        good[0] + later + good[1] + DONE,
        good[1] + good[0] + DONE,
    ):
        assert [] != violations(bad)


def _chunk(choice: str) -> str:
    return f'{{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{choice}]}}'


def test_calls_by_turns_leave_as_soon_as_the_one_before_is_over() -> None:
    cleaner, said = Cleaner(), []
    for one in ODD["calls by turns"][:6]:
        deltas = [json.loads(event[6:])["choices"][0]["delta"] for event in cleaner.feed(sse(one))]
        functions = [delta["tool_calls"][0]["function"] for delta in deltas if "tool_calls" in delta]
        said.append([function.get("name") or function["arguments"] for function in functions])
    assert [[], [], ["f", '{"x":'], [], ["1}", "g", '{"y":'], ["2}"]] == said
