"""The fast lane and the reference path mean the same: events, response, outcome, anomalies, statistics,
explanations."""

from __future__ import annotations

import gc
import json
import random
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.strategies import examples
from helpers.wire import DONE, choice, chunk, delta, sse
from streamkit import Accumulator, Limits, dumps
from streamkit._fast import learning
from streamkit._fast.lane import Lane
from streamkit._fold.assembler import Assembler
from streamkit.events import End, ErrorSeen


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
    assert (None if response is None else dumps(response)) == accumulator.dumps()
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
            delta('{"content":"x","token_id":8}'),
            delta('{"content":"x"}', more='"citations":["a"]'),
            delta('{"content":"x"}', more='"citations":["b"]'),
            delta('{"content":"x"}', more='"citations":["a","b"],"debug":{"ids":[1],"urls":["a"]}'),
            delta('{"content":"x","thinking_blocks":[{"type":"thinking","thinking":"x"}]}'),
            delta('{"content":"x","thinking_blocks":[{"type":"thinking","thinking":"","signature":null}]}'),
            delta('{"content":"x","thinking_blocks":[{"type":"thinking","thinking":"x","signature":"s"}]}'),
            delta('{"reasoning_content":"x","thinking_blocks":[{"type":"thinking","thinking":"x"}]}'),
            delta('{"reasoning_content":"x","thinking":[{"type":"thinking","thinking":"x"}]}'),
            delta('{"content":"x","blocks":[{"type":"t","index":0}]}'),
            delta('{"content":"x","blocks":[{"type":"t","index":0,"data":"x"}]}'),
            delta('{"content":"x","blocks":[{"type":"t","url":"a"}]}'),
            delta('{"content":"x","citation":{"type":"page","title":"A","number":1}}'),
            delta('{"content":"x","citation":{"type":"page","title":"B","number":1}}'),
            delta('{"content":"x","tool_calls":[{"index":0}],"function_call":{},"audio":{}}'),
            delta('{"content":"x","audio":5}'),
            delta('{"content":"x"}').replace('"created":7,', ""),
            delta('{"content":"x"}').replace('"c1"', '"null"'),
            delta('{"tool_calls":[{"index":0,"id":"None","function":{"arguments":"x"}}]}'),
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


@examples(100)
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


ENTRY = {"logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -1.5, "bytes": None}]}
ODDITIES = st.one_of(
    st.tuples(st.just("other"), st.sampled_from([None, "", "odd", 'x"y', "é\n", 1, []])),
    st.tuples(st.just("number"), st.sampled_from([None, "", "odd", -1, 1.5, True, 10**30, []])),
    st.tuples(
        st.just("tokens"),
        st.sampled_from(
            [None, [], "odd", [None], [{}], [{**ENTRY, "token": 1}], [{"token": "a", "logprob": float("-inf")}],
             [{"token": "a", **ENTRY, "x": 1}, {"token": "b", **ENTRY}]]
        ),
    ),
)  # fmt: skip


def together(text: str, other: Any, number: Any, tokens: Any) -> str:
    """The text twice, and a number that the next chunk replaces."""
    said = {"token_id": number, "role": "assistant", "content": text}
    return chunk(json.dumps({"index": 0, "text": other, "seed": None, "delta": said, "finish_reason": None}))


def openrouter(text: str, other: Any, number: Any, tokens: Any) -> str:
    """The text again inside a list of objects."""
    detail = {"type": "reasoning.text", "text": other, "index": 0, "format": "f" if number == 1 else None}
    return delta(json.dumps({"role": "assistant", "content": "", "reasoning": text, "reasoning_details": [detail]}))


def vllm(text: str, other: Any, number: Any, tokens: Any) -> str:
    """The text under both names of reasoning."""
    return delta(json.dumps({"reasoning": text, "reasoning_content": other}))


def with_logprobs(text: str, other: Any, number: Any, tokens: Any) -> str:
    """Log probabilities after the text, and padding after those."""
    logprobs = {"content": tokens, "refusal": None}
    one = {"index": number, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": None}
    return chunk(json.dumps(one), f'"obfuscation":{json.dumps(other)}')


def before_text(text: str, other: Any, number: Any, tokens: Any) -> str:
    """Log probabilities and a number before the text."""
    one = {"finish_reason": None, "n": number, "logprobs": {"content": tokens}, "index": 0, "delta": {"content": text}}
    return chunk(json.dumps(one))


def by_turns(text: str, other: Any, number: Any, tokens: Any) -> str:
    """A field that only every other chunk has."""
    said = {"reasoning_content": text}
    return delta(json.dumps(said if number else {"content": "", **said}))


def behind_by_turns(text: str, other: Any, number: Any, tokens: Any) -> str:
    """The same, after the text: an event of one form begins and ends as one of the other does."""
    said = {"reasoning_content": text}
    return delta(json.dumps(said if number else {**said, "content": ""}))


def litellm(text: str, other: Any, number: Any, tokens: Any) -> str:
    """The text again inside a block without an index."""
    block = {"type": "thinking", "thinking": other, "signature": "s" if number == 1 else None}
    return delta(json.dumps({"content": "", "reasoning_content": text, "thinking_blocks": [block]}))


def perplexity(text: str, other: Any, number: Any, tokens: Any) -> str:
    """A list that each chunk repeats whole."""
    lists = '"citations":["a","b"],"search_results":[{"url":"a"}]' if number == 0 else '"citations":["c"]'
    return delta(json.dumps({"content": text}), more=lists)


FORMS = [together, openrouter, vllm, with_logprobs, before_text, litellm, perplexity, by_turns, behind_by_turns]


@examples(150)
@given(
    st.lists(st.sampled_from(FORMS), min_size=1, max_size=2),
    st.lists(st.tuples(st.sampled_from(TEXTS), st.one_of(st.none(), ODDITIES)), min_size=4, max_size=20),
    st.integers(0, 1000),
)
def test_events_with_several_holes_are_the_same_either_way(forms: list[Any], said: list[Any], seed: int) -> None:
    documents = []
    for place, (text, odd) in enumerate(said):
        form = forms[place % len(forms)]
        facts = {
            "other": text,
            "number": 0 if form is with_logprobs else place % 2,
            "tokens": [{"token": text, **ENTRY}],
        }
        if odd is not None:
            facts[odd[0]] = odd[1]
        documents.append(form(text, **facts))
    stream = sse(*documents)
    assert_same_either_way(stream, some_cuts(stream, seed, 20))
    ends = [len(sse(*documents[: at + 1])) for at in range(len(documents))]
    assert_same_either_way(stream, ends)


LOGPROBS = '{"index":0,"delta":{"content":"%s"},"logprobs":{"content":%s},"finish_reason":null}'


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param(
            [delta('{"content":"a"}'), delta('{"content":"a","b"}'), delta('{"content":"a"}')],
            id="two strings in one slot",
        ),
        pytest.param(
            [delta('{"content":"a\\"}'), delta('{"content":"b","c"}')], id="one string over two slots, and two in one"
        ),
        pytest.param([delta('{"content":"a"}')] * 2 + [delta('{"content":"a\nb"}')], id="a line end in a text"),
        pytest.param(
            [
                delta('{"content":"a"}', more=f'"flag":{empty}') if empty else delta('{"content":"a"}')
                for empty in ("false", "false", "true", "", "", "false", "false", '""', '""', "1", "", "", '""', '""')
            ],
            id="nothing takes the place of something",
        ),
        pytest.param(
            [chunk(LOGPROBS % ("a", "[]"))] * 2 + [chunk(LOGPROBS % ("a", '[\n{"token":"a","logprob":-1.5}]'))],
            id="a line end in a list",
        ),
        pytest.param([chunk(LOGPROBS % ("a", '[],"x":[]'))] * 3, id="two lists in one slot"),
        pytest.param(
            [
                *(with_logprobs(text, "x", 0, [{"token": text, **ENTRY}]) for text in "ab"),
                chunk(LOGPROBS % ("a", json.dumps([{"token": "a", **ENTRY}])), '"obfuscation":"x","model":"y"'),
            ],
            id="a field in the padding",
        ),
        pytest.param(
            [
                *(delta(f'{{"content":"{text}"}}', index=i) for text in "abc" for i in (0, 1)),
                delta('{"content":"\\ud83d"}'),
                *(delta('{"content":"x"}', index=1) for _ in range(3)),
                delta('{"content":"y"}'),
            ],
            id="half a character waits in one choice while others go on",
        ),
        pytest.param(
            [
                delta(f'{{"content":"{one}"}}', more=f'"citations":["{one}"]')
                for one in ("a", "a", "a", "b", "b", "a", "a", "a", "b")
            ],
            id="a list that was repeated and has grown since",
        ),
        pytest.param(
            [delta(f'{{"content":"a","token_id":{n}}}') for n in (5, 5, 5, 6, 5, 5, 7, 7, 8)],
            id="a number that stays, and then changes",
        ),
        pytest.param(
            [
                *(litellm("a", "a", 0, None) for _ in range(3)),
                litellm("b", "b", 1, None),
                *(litellm("c", "c", 0, None) for _ in range(3)),
                delta('{"thinking_blocks":[{"type":"thinking","thinking":"d"},{"type":"thinking","thinking":"e"}]}'),
                *(litellm("c", "c", 0, None) for _ in range(3)),
            ],
            id="a block after a sealed one",
        ),
        pytest.param(
            [
                *(openrouter("a", "a", 0, None) for _ in range(3)),
                openrouter("b", "b", 1, None),
                delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"id":"other"}]}'),
                delta('{"reasoning_details":[{"type":"reasoning.text","index":0,"id":"third"}]}'),
                *(openrouter("c", "c", 0, None) for _ in range(3)),
            ],
            id="another detail begins",
        ),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 6])
def test_what_only_looks_alike_is_the_same_either_way(documents: list[str], before: int) -> None:
    stream = sse(*([delta('{"role":"assistant"}')] + documents[:1] * before + documents * 2))
    assert_same_either_way(stream, [])
    ends = [at + 2 for at in range(len(stream)) if stream.startswith(b"\n\n", at)]
    assert_same_either_way(stream, ends)


@pytest.mark.parametrize("form", FORMS[:-1])
def test_events_with_several_holes_take_the_fast_lane(monkeypatch: pytest.MonkeyPatch, form: Any) -> None:
    documents = []
    for i in range(400):
        text, number = f"{i} ", i % 2
        if form in (
            openrouter,
            with_logprobs,
            litellm,
            perplexity,
        ):  # in which a number says what kind of chunk this is
            number = 0
        other = "x" * (i % 7) if form is with_logprobs else text
        documents.append(form(text, other, number, [{"token": text, **ENTRY}]))
    assert 390 <= lanes_taken(monkeypatch, sse(*documents))


def lanes_taken(monkeypatch: pytest.MonkeyPatch, stream: bytes, size: int = 1 << 20, **options: Any) -> int:
    """How many events of a stream took the fast lane, in blocks of `size` bytes."""
    slow = 0
    begin = Assembler.begin

    def counting(self: Assembler, *arguments: Any) -> None:
        nonlocal slow
        slow += 1
        begin(self, *arguments)

    monkeypatch.setattr(Assembler, "begin", counting)
    accumulator = Accumulator(**options)
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
def test_text_takes_the_fast_lane_from_its_fourth_event_on(monkeypatch: pytest.MonkeyPatch, document: str) -> None:
    taken = lanes_taken(monkeypatch, sse(*(delta(document % i) for i in range(100))))
    assert taken == 97, "two are not looked at, and one is learned from"


def test_tool_arguments_take_the_fast_lane_from_their_third_event_on(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = delta('{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}')
    pieces = [delta(f'{{"tool_calls":[{{"index":0,"function":{{"arguments":"{i}"}}}}]}}') for i in range(100)]
    assert 98 == lanes_taken(monkeypatch, sse(opening, *pieces))


def test_interleaved_choices_take_the_fast_lane_once_each_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [delta(f'{{"content":"{i}"}}', index=i % 8) for i in range(160)]
    assert 160 - 2 * 8 <= lanes_taken(monkeypatch, sse(*pieces)) <= 160 - 8


def test_padding_of_any_length_does_not_leave_the_fast_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [delta(f'{{"content":"{i}"}}', more=f'"obfuscation":"{"x" * (i % 7)}"') for i in range(100)]
    assert 97 == lanes_taken(monkeypatch, sse(*pieces))


def test_padding_keeps_neither_later_calls_nor_other_parts_out_of_the_fast_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [f'{{"reasoning_content":"{i}"}}' for i in range(30)] + [f'{{"content":"{i}"}}' for i in range(30)]
    for call in range(3):
        opening = f'"id":"{call}","type":"function","function":{{"name":"f","arguments":""}}'
        rows.append(f'{{"tool_calls":[{{"index":{call},{opening}}}]}}')
        rows += [f'{{"tool_calls":[{{"index":{call},"function":{{"arguments":"{i}"}}}}]}}' for i in range(30)]
    pieces = [delta(row, more=f'"obfuscation":"{"x" * (i % 7)}"') for i, row in enumerate(rows)]
    assert 5 * 30 - 15 <= lanes_taken(monkeypatch, sse(*pieces))
    assert_same_either_way(sse(*pieces), [])


@pytest.mark.parametrize("size", [1, 50, 100, 500, 1400])
def test_events_that_the_network_cut_in_two_take_the_fast_lane_too(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    # Blocks that hold few events wait for the seventeenth: before that no template can pay.
    assert 75 <= lanes_taken(monkeypatch, sse(*(delta(f'{{"content":"{i}"}}') for i in range(100))), size)


@pytest.mark.parametrize("size", [1, 300, 1 << 20])
def test_a_short_stream_never_takes_the_fast_lane(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(Lane, "__init__", lambda *_: pytest.fail("has a fast lane"))
    assert 0 == lanes_taken(monkeypatch, sse(*(delta(f'{{"content":"{i}"}}') for i in range(11))) + DONE, size)


def test_a_stream_waits_for_its_seventeenth_event_where_few_are_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [sse(delta(f'{{"content":"{i}"}}')) for i in range(30)]
    assert 30 - 18 == lanes_taken(monkeypatch, b"".join(events), len(events[0]))


@pytest.mark.parametrize("count", [12, 33, 150])
def test_a_template_of_one_choice_serves_the_others(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    found = []
    search = learning.find_slots
    monkeypatch.setattr(learning, "find_slots", lambda *arguments: found.append(1) or search(*arguments))
    pieces = [delta(f'{{"content":"{i}"}}', index=i % count) for i in range(40 * count)]
    assert_same_either_way(sse(*pieces), [])
    assert 1 <= len(found) <= 3


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(delta('{"content":"b"}', index=1, more='"x":{"index":1}'), id="another field named so"),
        pytest.param(delta('{"content":"b"}', index=1).replace('"index":1', '"index":1.0'), id="a fraction"),
        pytest.param(delta('{"content":"b"}', index=1).replace('"index":1', '"index":"1"'), id="a string"),
        pytest.param(delta('{"content":"b"}', index=1).replace('"index":1', '"index":01'), id="a leading zero"),
        pytest.param(delta('{"content":"b"}').replace('"index":0,', ""), id="none"),
        pytest.param(delta('{"content":"b","index":1}'), id="one in the delta"),
    ],
)
def test_what_only_looks_like_an_index_is_the_same_either_way(other: str) -> None:
    one = delta('{"content":"a"}')
    for pieces in ([one, other], [other, one], [one, delta('{"content":"c"}', index=1), other, other]):
        assert_same_either_way(sse(*(pieces * 30)), [])


def test_calls_of_several_choices_are_the_same_either_way() -> None:
    def fragment(choice_at: int, call: int, text: str) -> str:
        return delta(f'{{"tool_calls":[{{"index":{call},"function":{{"arguments":"{text}"}}}}]}}', index=choice_at)

    def named(choice_at: int, call: int) -> str:
        said = f'{{"index":{call},"id":"c{choice_at}{call}","function":{{"name":"f"}}}}'
        return delta(f'{{"tool_calls":[{said}]}}', index=choice_at)

    places = [(choice_at, call) for choice_at in range(3) for call in range(4)]
    stream = sse(
        *(named(*place) for place in places), *(fragment(*place, str(i)) for i in range(30) for place in places)
    )
    assert_same_either_way(stream, [])
    assert_same_either_way(stream, some_cuts(stream, 1, 60))


def test_rules_of_the_callers_own_never_take_the_fast_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit import RULES

    monkeypatch.setattr(Lane, "__init__", lambda *_: pytest.fail("has a fast lane"))
    accumulator = Accumulator(rules=dict(RULES))
    accumulator.feed(sse(*(delta(f'{{"content":"{i}"}}') for i in range(10))))
    response = accumulator.snapshot()
    assert response is not None
    assert "0123456789" == response.choices[0].message.content


def test_a_block_above_the_limit_of_an_event_takes_the_fast_lane_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [sse(delta(f'{{"content":"{i}"}}')) for i in range(6000)]
    stream = b"".join(pieces)
    limits = Limits(max_event_bytes=300_000)
    assert len(stream) > 2 * limits.max_event_bytes
    assert 5900 <= lanes_taken(monkeypatch, stream, len(stream), limits=limits)
    accumulator = Accumulator(limits=limits)
    accumulator.absorb(stream)
    assert (1, 6000, len(stream)) == (
        accumulator.statistics().blocks,
        accumulator.statistics().events,
        accumulator.statistics().bytes,
    )


@pytest.mark.parametrize("size", [299_000, 300_001, 700_000])
def test_an_event_over_the_limit_is_found_in_a_block_above_it(size: int) -> None:
    large = sse(delta(json.dumps({"content": "x" * size})))
    before = sse(*(delta(f'{{"content":"{i}"}}') for i in range(5000)))
    limits = Limits(max_event_bytes=300_000)
    found = everything(before + large + before, [], limits=limits)
    assert ("complete" if size < 300_000 else "failed") == ("failed" if found[2].reason == "limit" else "complete")
    slices = everything(
        before + large + before, list(range(50_000, len(before + large + before), 50_000)), limits=limits
    )
    assert found[:2] == slices[:2]
    assert found[2:5] == slices[2:5]


def test_two_forms_of_one_choices_events_by_turns_are_folded_in_few_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    fold = Lane._fold_some
    monkeypatch.setattr(Lane, "_fold_some", lambda *arguments: tries.append(1) or fold(*arguments))
    pieces = [delta(f'{{"content":"{i}"' + (',"x":null}' if i % 2 else "}")) for i in range(400)]
    assert 396 == lanes_taken(monkeypatch, sse(*pieces))
    assert len(tries) < 40


def test_further_choices_by_turns_take_the_fast_lane_at_their_second_event(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [delta(f'{{"content":"{i}"}}', index=i % 3) for i in range(100)]
    taken = lanes_taken(monkeypatch, sse(*pieces))
    assert taken == 100 - 3 - 3, "the first of each, and of the others those up to one that is like another"


def test_a_further_call_takes_the_fast_lane_from_its_second_fragment_on(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = '{"tool_calls":[{"index":%d,"id":"%d","type":"function","function":{"name":"f","arguments":""}}]}'
    pieces = [
        delta(opening % (i // 20, i // 20) if i % 20 == 0 else f'{{"tool_calls":[{{"index":{i // 20},{ARGUMENTS}}}]}}')
        for i in range(100)
    ]
    assert 100 - 5 - 5 - 1 == lanes_taken(monkeypatch, sse(*pieces))


def test_text_takes_the_fast_lane_right_after_a_chunk_that_says_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"steps":[0.5]}'
    pieces = [delta(f'{{"content":"{i}"}}', more=usage if i % 20 == 9 else "") for i in range(100)]
    assert 100 - 5 - 3 == lanes_taken(monkeypatch, sse(*pieces))


ARGUMENTS = '"function":{"arguments":"a"}'


@pytest.mark.parametrize(
    ("form", "first"),
    [
        pytest.param('{"content":"a"}', '{"role":"assistant","content":"a"}', id="a role beside its only text"),
        pytest.param('{"content":"a"}', '{"role":"assistant","content":""}', id="empty text only"),
        pytest.param('{"content":"a","refusal":""}', '{"content":"a"}', id="no refusal yet"),
        pytest.param('{"content":"","reasoning_content":"a"}', '{"reasoning_content":"a"}', id="no content yet"),
        pytest.param('{"reasoning_content":"a"}', '{"reasoning":"a"}', id="reasoning in another field"),
        pytest.param('{"content":"a","x":null}', '{"content":"a"}', id="no null yet"),
        pytest.param('{"content":"a","x":5}', '{"content":"a"}', id="no number yet"),
        pytest.param('{"role":"user","content":"a"}', '{"content":"a"}', id="no role yet"),
        pytest.param(
            f'{{"tool_calls":[{{"index":0,{ARGUMENTS}}}]}}',
            '{"tool_calls":[{"index":0,"id":"b","function":{"name":"f"}}]}',
            id="a call without arguments",
        ),
        pytest.param(
            f'{{"tool_calls":[{{"index":0,"type":"custom",{ARGUMENTS}}}]}}',
            f'{{"tool_calls":[{{"index":0,"id":"b",{ARGUMENTS}}}]}}',
            id="a call without a type",
        ),
    ],
)
def test_a_form_that_changes_a_further_choice_is_the_same_either_way(form: str, first: str) -> None:
    def event(document: str, index: int) -> str:
        return delta(document, index=index)

    opening = '{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}'
    begins = [event(opening, 0)] if "tool_calls" in form else []
    for apart in (0, 3):
        pieces = [*begins, *[event(form, 0)] * 12, event(first, 1), *[event(form, 0)] * apart, event(form, 1)]
        for ends in ([], [event(form, 0)], [event(form, 1)] * 2, [event(first, 1), event(form, 1)]):
            for after in ([], [delta(finish="stop", index=1)]):
                stream = sse(*pieces, *ends, *after) + DONE
                assert_same_either_way(stream, [at + 2 for at in range(len(stream)) if stream.startswith(b"\n\n", at)])
                whole = sse(*(pieces * 3), *ends, *after) + DONE
                assert_same_either_way(whole, [])


@pytest.mark.parametrize("choices", [1, 3])
def test_a_stream_that_is_over_is_freed_without_the_garbage_collector(choices: int) -> None:
    accumulator = Accumulator()
    for event in [sse(delta(f'{{"content":"{i}"}}', index=i % choices)) for i in range(60)]:
        accumulator.absorb(event)
    accumulator.close()
    kept = weakref.ref(accumulator._assembler.anomalies)
    gc.disable()
    try:
        del accumulator
        assert None is kept()
    finally:
        gc.enable()


@pytest.mark.parametrize("done", [True, False])
def test_the_templates_go_when_the_stream_ends(done: bool) -> None:
    accumulator = Accumulator()
    for event in [sse(delta(f'{{"content":"{i}"}}', index=i % 3)) for i in range(60)]:
        accumulator.absorb(event)
    lane = weakref.ref(accumulator._reader.lane)  # type: ignore[arg-type]
    assert lane() is not None
    accumulator.absorb(DONE if done else b": ping\n\n")
    assert done is (lane() is None)


@pytest.mark.parametrize(
    "odd",
    [
        '{"content":""}', '{"content":"\\ud83d"}', '{"content":"\\u00e9\\n"}', '{"content":"\\"},{\\""}', '{"content":7}',
        '{"content":"a","role":"assistant"}', '{"content":"a","x":"}]}"}', '{"refusal":"a"}', "{}", '{"content":"a" }',
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ['{"content":"%s"}', '{"content":"%s","obfuscation":"ab"}', '{"reasoning":"%s"}'])
def test_an_odd_event_among_choices_by_turns_is_read_as_without_the_lane(form: str, odd: str) -> None:
    events = [delta(form % f"t{i}", index=i % 3) for i in range(60)]
    for index in (0, 2, 11):  # 11: the text begins at another place
        for at in (40, 59):
            stream = sse(*events[:at], delta(odd, index=index), *events[at:]) + DONE
            assert_same_either_way(stream, [])


def test_a_line_cut_short_among_choices_by_turns_is_read_as_without_the_lane() -> None:
    events = [sse(delta(f'{{"content":"t{i}"}}', index=i % 3)) for i in range(60)]
    for size in range(6, len(events[40]) - 1):
        cut = events[40][:size] + b"\n\n"
        assert_same_either_way(b"".join((*events[:40], cut, *events[41:])) + DONE, [])


@pytest.mark.parametrize("choices", [1, 3])
def test_no_template_is_looked_for_after_the_last_finish_reason(monkeypatch: pytest.MonkeyPatch, choices: int) -> None:
    documents = [delta(f'{{"content":"{at}"}}', index=at % choices) for at in range(60)]
    finish = [delta(finish="stop", index=index) for index in range(choices)]
    usage = chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}')
    places: list[int] = []
    run = Lane.run

    def noting(lane: Lane, block: bytes, start: int, *arguments: Any) -> tuple[int, int]:
        places.append(start)
        return run(lane, block, start, *arguments)

    monkeypatch.setattr(Lane, "run", noting)
    before = sse(*documents, *finish)
    stream = before + sse(usage) + DONE
    accumulator = Accumulator()
    accumulator.absorb(stream)
    assert places
    assert max(places) < len(before)


@pytest.mark.parametrize("value", ["5", '"a"', "[1,2]", '{"b":1}', '""', "false"])
def test_a_null_says_nothing_in_the_fast_lane_either(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    def piece(at: int, index: int, unknown: str) -> str:
        said = f'{{"content":"{at}","delta_x":{unknown}}}'
        whole = delta(said, index=index).replace('"delta":', f'"choice_x":{unknown},"delta":')
        return whole.replace('"choices":', f'"chunk_x":{unknown},"choices":')

    pieces = [piece(at, at % 2, value if at % 40 == 17 else "null") for at in range(400)]
    stream = sse(*pieces)
    expected = Accumulator(fast=False)
    events = expected.feed(stream)
    for blocks in ([stream], [one + b"\n\n" for one in stream.split(b"\n\n") if one]):
        accumulator = Accumulator()
        assert events == [event for block in blocks for event in accumulator.feed(block)]
        assert expected.dumps() == accumulator.dumps()
        assert expected.statistics().unknown_fields == accumulator.statistics().unknown_fields
    assert lanes_taken(monkeypatch, stream) > 200


@pytest.mark.parametrize("each", [2, 10])
def test_two_forms_that_cannot_be_read_together_take_the_fast_lane_in_few_steps(
    monkeypatch: pytest.MonkeyPatch, each: int
) -> None:
    # Log probabilities in every tenth event: each run was searched for in all that was left, four times the reference path.
    token = '{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}'
    pieces = [
        chunk(choice(f'{{"content":"{i}"}}', more=f'"logprobs":{{"content":[{token}]}}' if i % each == 0 else ""))
        for i in range(600)
    ]
    tries = []
    fold = Lane._fold_some
    monkeypatch.setattr(Lane, "_fold_some", lambda *arguments: tries.append(1) or fold(*arguments))
    assert lanes_taken(monkeypatch, sse(*pieces)) > 500
    assert len(tries) < 60
    assert_same_either_way(sse(*pieces), [])
