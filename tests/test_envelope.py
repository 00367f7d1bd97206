"""The fast lane and the reference path mean the same: events, response, outcome, anomalies, statistics, explanations."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import SHARED, TRACES, Recorded, each, shared
from streamkit import Accumulator
from streamkit.assembly import Assembly
from streamkit.events import End, ErrorSeen
from streamkit.lane import Lane
from wire import DONE, choice, chunk, delta, sse


def everything(stream: bytes, cuts: list[int], **options: Any) -> tuple[Any, ...]:
    """All that can be seen of a stream cut at `cuts`."""
    accumulator = Accumulator(**options)
    told: list[Any] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        told += accumulator.feed(stream[start:end])
    outcome = accumulator.close()
    told += outcome.events
    response = accumulator.snapshot()
    explained = [
        [accumulator.explain(one.index, i) for i in range(len(one.message.tool_calls or []))]
        for one in (response.choices if response else [])
    ]
    # Errors are equal only to themselves.
    told = [(type(one).__name__, one.sequence) if isinstance(one, (ErrorSeen, End)) else one for one in told]
    error = outcome.error and (type(outcome.error), str(outcome.error), outcome.error.event, outcome.error.partial)
    return (
        told,
        response,
        outcome,
        error,
        accumulator.anomalies,
        accumulator.statistics(),
        explained,
        accumulator.usage_source,
    )


def assert_same_either_way(stream: bytes, cuts: list[int]) -> None:
    for name, fast, reference in zip(
        ("events", "response", "outcome", "error", "anomalies", "statistics", "explanations", "usage sources"),
        everything(stream, cuts),
        everything(stream, cuts, fast=False),
        strict=True,
    ):
        assert reference == fast, name


def some_cuts(stream: bytes, seed: int, most: int) -> list[int]:
    rng = random.Random(seed)
    return sorted(rng.sample(range(1, len(stream)), min(len(stream) - 1, rng.randrange(most + 1)))) if stream else []


def mutated(stream: bytes, seed: int) -> bytes:
    """The stream with events moved, doubled, dropped, and with bytes and fields in them changed."""
    rng = random.Random(seed)
    parts = stream.split(b"\n\n")
    for _ in range(rng.randint(1, 6)):
        here, there = rng.randrange(len(parts)), rng.randrange(len(parts))
        kind = rng.randrange(5)
        if kind == 0:
            parts[here], parts[there] = parts[there], parts[here]
        elif kind == 1:
            parts.insert(here, parts[there])
        elif kind == 2 and len(parts) > 1:
            del parts[here]
        elif kind == 3 and parts[here]:
            changed = bytearray(parts[here])
            changed[rng.randrange(len(changed))] = rng.choice(b'"\\{}[],:0ax\x80\xff \n\r')
            parts[here] = bytes(changed)
        else:
            for old, new in (
                (b'"content":"', b'"content":"\\ud83d'),
                (b'"arguments":"', b'"arguments":"\\"'),
                (b"null", b'"x"'),
                (b"null", b"1"),
            ):
                if rng.random() < 0.4:
                    parts[here] = parts[here].replace(old, new, 1)
    return b"\n\n".join(parts)


@each(TRACES)
def test_every_trace_is_the_same_either_way(recorded: Recorded) -> None:
    stream = recorded.body
    assert_same_either_way(stream, some_cuts(stream, 1, 200))
    for seed in range(4):
        changed = mutated(stream, seed)
        assert_same_either_way(changed, some_cuts(changed, seed, 40))


@shared
def test_streams_of_many_senders_are_the_same_either_way() -> None:
    for number, recorded in enumerate(SHARED):
        stream = recorded.body
        assert_same_either_way(stream, some_cuts(stream, number, 60))
        changed = mutated(stream, number)
        assert_same_either_way(changed, some_cuts(changed, number, 10))


TEXTS = ["a", " b", "", '"', "\\", "\n", "é", "日本", "😀", "},", '"}', "\x7f", "\u2028", "null", "data: {"]
PIECES = st.one_of(
    st.builds(lambda text, i: delta(json.dumps({"content": text}), index=i), st.sampled_from(TEXTS), st.integers(0, 2)),
    st.builds(
        lambda text, i: delta(json.dumps({"content": text}, ensure_ascii=False), index=i),
        st.sampled_from(TEXTS),
        st.integers(0, 1),
    ),
    st.builds(lambda text: delta(json.dumps({"reasoning_content": text})), st.sampled_from(TEXTS)),
    st.builds(lambda text: delta(json.dumps({"content": None, "reasoning": text})), st.sampled_from(TEXTS)),
    st.builds(
        lambda text, i: delta(json.dumps({"tool_calls": [{"index": i, "function": {"arguments": text}}]})),
        st.sampled_from(TEXTS),
        st.integers(0, 2),
    ),
    st.builds(
        lambda i, name: delta(json.dumps({"tool_calls": [{"index": i, "id": f"i{name}", "function": {"name": name}}]})),
        st.integers(0, 2),
        st.sampled_from("fg"),
    ),
    st.builds(
        lambda text, pad: delta(json.dumps({"content": text}), more=f'"obfuscation":{json.dumps(pad)}'),
        st.sampled_from(TEXTS),
        st.sampled_from(["", "x", "yz", '"', "\\"]),
    ),
    st.sampled_from(
        [
            delta('{"content":"\\ud83d"}'),
            delta('{"content":"\\ude00"}'),
            delta('{"role":"assistant"}'),
            delta('{"role":"assistant","content":"x"}'),
            delta('{"content":"x"}', more='"system_fingerprint":"f"'),
            delta('{"content":"x"}', more='"unknown":null'),
            delta('{"content":"x"}', more='"unknown":1'),
            delta('{"content":"x","odd":null}'),
            delta('{"content":"x","token_id":7}'),
            delta(finish="stop"),
            delta(finish="tool_calls"),
            chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'),
            chunk(choice('{"content":"one"}') + "," + choice('{"content":"two"}', index=1)),
            '{"error":{"message":"no"}}',
            '{"id":"other","object":"chat.completion.chunk","created":8,"model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}',
            '{"content":"not a chunk"}',
            "not json",
            '{"id":"torn","choices":[{"index":0,"delta":{"content":"a',
        ]
    ),
)


@given(st.lists(st.tuples(PIECES, st.integers(1, 4)), max_size=25), st.integers(0, 1000), st.booleans())
def test_any_mixture_of_events_is_the_same_either_way(pieces: list[tuple[str, int]], seed: int, done: bool) -> None:
    documents = [document for document, times in pieces for _ in range(times)]
    stream = sse(*documents) + (DONE if done else b"")
    assert_same_either_way(stream, some_cuts(stream, seed, 30))
    ends, at = [], 0
    for document in documents:  # one event a block, which has a way in of its own
        at += len(sse(document))
        ends.append(at)
    assert_same_either_way(stream, ends)


def lanes_taken(monkeypatch: pytest.MonkeyPatch, stream: bytes, size: int = 1 << 20) -> int:
    """How many events of a stream took the fast lane, in blocks of `size` bytes."""
    slow = 0
    event = Assembly.event

    def counting(self: Assembly, *arguments: Any) -> None:
        nonlocal slow
        slow += 1
        event(self, *arguments)

    monkeypatch.setattr(Assembly, "event", counting)
    accumulator = Accumulator()
    for start in range(0, len(stream), size):
        accumulator.feed(stream[start : start + size])
    monkeypatch.undo()
    return accumulator.statistics().events - slow


@pytest.mark.parametrize(
    "document",
    [
        pytest.param('{"content":"%d"}', id="content"),
        pytest.param('{"content":"%d \\" \\n"}', id="escapes"),
        pytest.param('{"content":null,"reasoning_content":"%d"}', id="reasoning"),
        pytest.param('{"refusal":"%d"}', id="refusal"),
    ],
)
def test_text_takes_the_fast_lane_from_its_second_event_on(monkeypatch: pytest.MonkeyPatch, document: str) -> None:
    assert 99 == lanes_taken(monkeypatch, sse(*(delta(document % i) for i in range(100))))


def test_tool_arguments_take_the_fast_lane_from_their_second_event_on(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = delta('{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}')
    pieces = [delta(f'{{"tool_calls":[{{"index":0,"function":{{"arguments":"{i}"}}}}]}}') for i in range(100)]
    assert 99 == lanes_taken(monkeypatch, sse(opening, *pieces))


def test_interleaved_choices_take_the_fast_lane_once_each_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [delta(f'{{"content":"{i}"}}', index=i % 8) for i in range(160)]
    assert 160 - 2 * 8 <= lanes_taken(monkeypatch, sse(*pieces)) <= 160 - 8


def test_padding_of_any_length_does_not_leave_the_fast_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [delta(f'{{"content":"{i}"}}', more=f'"obfuscation":"{"x" * (i % 7)}"') for i in range(100)]
    assert 99 == lanes_taken(monkeypatch, sse(*pieces))


@pytest.mark.parametrize("size", [1, 50, 100, 500, 1400])
def test_events_that_the_network_cut_in_two_take_the_fast_lane_too(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    assert 98 <= lanes_taken(monkeypatch, sse(*(delta(f'{{"content":"{i}"}}') for i in range(100))), size)


def test_rules_of_the_callers_own_never_take_the_fast_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit import RULES

    monkeypatch.setattr(Lane, "__init__", lambda *_: pytest.fail("has a fast lane"))
    accumulator = Accumulator(rules=dict(RULES))
    accumulator.feed(sse(*(delta(f'{{"content":"{i}"}}') for i in range(10))))
    response = accumulator.snapshot()
    assert response is not None
    assert "0123456789" == response.choices[0].message.content
