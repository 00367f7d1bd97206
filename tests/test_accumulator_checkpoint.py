"""A checkpoint at any byte, restored: everything is as if the stream had never been interrupted."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.restoring import ODD, at_each, comparable, interrupted, members_of, seen
from helpers.tier import TIER, examples, some
from helpers.wire import calls, choice, chunk, delta, sse
from streamkit import (
    RULES,
    Accumulator,
    ChatStream,
    DeadlineError,
    Dialect,
    Limits,
    MisuseError,
    RemoteError,
    Rule,
    ValidationError,
)
from streamkit.codec import register_extra, tolerant_converter
from streamkit.testing import DONE
from streamkit.types import ChatCompletionResponseMessage

EACH_BYTE = {"quick": 450, "whole": 4_000, "more": 20_000}[TIER]
"""Bytes of the largest recorded stream whose accumulator is replaced after each byte; with STREAMKIT_EXAMPLES=2 that takes
some minutes."""


def places_of(recorded: Recorded) -> list[int]:
    """The bytes at which any recorded stream is interrupted once."""
    count = len(recorded.body) + 1
    most = {"quick": 2, "whole": 50, "more": 200}[TIER]
    return sorted(random.Random(recorded.name).sample(range(count), min(count, most)))


def few(places: range) -> Sequence[int]:
    """Those of many places that this tier looks at: in the quick tier every 97th, in the whole one every 9th."""
    return places[:: {"quick": 97, "whole": 9, "more": 1}[TIER]]


def first_of_each_sender(recordings: tuple[Recorded, ...], most: int) -> list[Recorded]:
    found: dict[str, list[Recorded]] = {}
    for one in recordings:
        if len(one.body) <= 20_000:
            found.setdefault(one.name.split("/")[0], []).append(one)
    chosen = [one for turn in range(most) for few in found.values() for one in few[turn : turn + 1]]
    return chosen[:most]


FEW_OF_SHARED = sorted(first_of_each_sender(SHARED, 50), key=lambda one: len(one.body))


@each(TRACES)
def test_a_recorded_stream_goes_on_after_a_checkpoint_at_any_byte(recorded: Recorded) -> None:
    expected = seen([recorded.body])
    for place, found in at_each(recorded.body, places_of(recorded)):
        assert expected == found, place


@shared
@pytest.mark.parametrize("recorded", some(FEW_OF_SHARED, 1), ids=lambda one: one.name)
def test_a_stream_of_others_goes_on_after_a_checkpoint_at_any_byte(recorded: Recorded) -> None:
    expected = seen([recorded.body])
    for place, found in at_each(recorded.body, places_of(recorded)):
        assert expected == found, place


@each([one for one in TRACES if len(one.body) <= EACH_BYTE])
def test_a_recorded_stream_that_is_interrupted_after_each_byte_is_the_same_at_the_end(recorded: Recorded) -> None:
    assert seen([recorded.body]) == interrupted(recorded.body, range(len(recorded.body) + 1))


@shared
@pytest.mark.parametrize(
    "recorded", FEW_OF_SHARED[: {"quick": 2, "whole": 20, "more": 50}[TIER]], ids=lambda one: one.name
)
def test_a_stream_of_others_that_is_interrupted_after_each_byte_is_the_same_at_the_end(recorded: Recorded) -> None:
    assert seen([recorded.body]) == interrupted(recorded.body, range(len(recorded.body) + 1))


DIRTY = sse(
    delta('{"role":"assistant","content":"Smile: \\ud83d","x":"\\ud83d"}'),
    delta('{"content":"\\ude00","reasoning":"a","tool_calls":[{"function":{"name":"f","arguments":"{\\"a"}}],"x":5}'),
) + b': alive\n\nevent: odd\nid: 7\nretry: 30\nignored\ndata: {"id":\n\ndata: "c1"}\n\n' + sse(
    delta('{"content":"<think>b","audio":{"data":"QUI=","transcript":"\\ud83d"},"y":{"a":"b"},"n":1,"g":"same"}'),
    delta('{"reasoning_details":[{"type":"t","text":"a"},{"type":"t","data":"x"}],"y":{"a":"c"},"n":2,"g":"same"}'),
    chunk(choice('{"content":"</th"}', more='"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]}')),
    chunk(choice('{"function_call":{"name":"g","arguments":"{}"}}', "stop", 1), '"usage":{"prompt_tokens":3},"inf":1e400'),
    *calls('{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"\\ud83d"}}'),
    '{"error":{"message":"overloaded","code":529}}',
)  # fmt: skip
"""Everything that an accumulator keeps state of."""

OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "strict": {"strict": True},
    "texts": {"dialect": Dialect(cumulative_text=True, think_tags=True, cumulative_logprobs=True)},
    "doubled": {"dialect": Dialect(doubled_arguments=True, choice_text=True, token_index=True)},
    "rules": {"rules": {**RULES, "choices[].delta.content": Rule.LAST, "choices[].delta.y": Rule.FIRST}},
    "a rule less": {"rules": {path: rule for path, rule in RULES.items() if path != "usage"}},
    "limits": {"limits": Limits(max_event_bytes=400, max_comments=1)},
    "slow": {"fast": False},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_kind_of_state_survives_at_every_byte(options: dict[str, Any]) -> None:
    stream = DIRTY + DONE
    expected = seen([stream], **options)
    for place in few(range(len(stream) + 1)):
        assert expected == interrupted(stream, [place], **options), place


@pytest.mark.parametrize("options", some(list(OPTIONS.values()), 2), ids=len)
def test_an_accumulator_restored_after_each_byte_is_the_same_at_the_end(options: dict[str, Any]) -> None:
    assert seen([DIRTY], **options) == interrupted(DIRTY, few(range(len(DIRTY) + 1)), **options)


def test_a_stream_in_the_fast_lane_goes_on() -> None:
    texts = sse(*(delta(f'{{"content":"word {number} "}}') for number in range(60)))
    stream = (
        texts + sse(*calls(*(f'{{"index":0,"id":"a","function":{{"arguments":"{n}"}}}}' for n in range(40)))) + DONE
    )
    blocks = [stream[at : at + 97] for at in range(0, len(stream), 97)]
    expected = seen([stream])
    assert expected.events == seen(blocks).events
    for place in few(range(0, len(stream), 7)):
        assert expected == interrupted(stream, [place])


@pytest.mark.parametrize(
    "body",
    [
        b"<html><title>502</title></html>",
        b'{"error":{"message":"no","code":401}}',
        b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}',
        b"\x1f\x8b\x08\x00rest",
        b"\xef\xbb\xbfdata: {}\r\n\r\ndata: [DONE]\r\n\r\n",
        b"upstream timed out",
        b"",
        b"x",
        b"data: [DONE]\n\n",
        b'data: {"message":"boom"}\n\n',
        b"data: caf\xe9\xff\n\n",
    ],
)
def test_a_body_that_is_no_stream_goes_on_at_any_byte(body: bytes) -> None:
    expected = seen([body])
    for place in range(len(body) + 1):
        assert expected == interrupted(body, [place])


@pytest.mark.parametrize("options", [{}, OPTIONS["texts"]], ids=["none", "texts"])
def test_indices_of_any_size_survive(options: dict[str, Any]) -> None:
    fragments = [
        f'{{"index":{n},"id":"{n}","function":{{"name":"f","arguments":"{{}}"}}}}' for n in (2**70, -3, "1e300")
    ]
    stream = sse(
        *(delta(f'{{"content":"a","tool_calls":[{",".join(fragments)}]}}', index=n) for n in ("1e300", '"-5"', 2**70)),
        chunk(choice(), f'"created":{10**30},"usage":{{"prompt_tokens":{10**30}}}'),
    )
    expected = seen([stream], **options)
    for place, found in at_each(stream, few(range(len(stream) + 1)), **options):
        assert expected == found, place
    before = ChatStream([stream], **options)
    next(before)
    assert list(map(comparable, ChatStream([stream], **options)))[1:] == list(
        map(comparable, ChatStream([stream], resume_from=before.checkpoint()))
    )


def test_a_checkpoint_changes_nothing_that_follows() -> None:
    asked, left = Accumulator(), Accumulator()
    for at in range(0, len(DIRTY), 50):
        block = DIRTY[at : at + 50]
        assert list(map(repr, left.feed(block))) == list(map(repr, asked.feed(block)))
        first, second = asked.checkpoint(), asked.checkpoint()
        assert first == second
    assert left.snapshot() == asked.snapshot()
    assert left.anomalies == asked.anomalies


def test_what_is_restored_has_the_same_checkpoint() -> None:
    accumulator = Accumulator(dialect=Dialect(think_tags=True))
    accumulator.feed(DIRTY)
    data = accumulator.checkpoint()
    assert data == Accumulator.restore(data).checkpoint()


def test_an_accumulator_that_has_ended_is_restored_with_its_outcome() -> None:
    for body in (DIRTY, DIRTY + DONE, sse(delta('{"content":"a"}')), sse('{"error":{"message":"no"}}'), b"<html>"):
        accumulator = Accumulator()
        accumulator.feed(body)
        expected = accumulator.close()
        restored = Accumulator.restore(accumulator.checkpoint())
        assert expected == restored.close()
        assert str(expected.error) == str(restored.close().error)
        assert accumulator.snapshot() == restored.snapshot()
        with pytest.raises(MisuseError, match="after close"):
            restored.feed(b"data: {}\n\n")


def test_what_arrived_after_the_end_is_not_in_the_partial_of_the_error() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"content":"a"}', more='"cost":{"a":1}'), '{"error":{"message":"no"}}') + DONE)
    accumulator.feed(sse(chunk(more='"cost":{"b":2}')))
    restored = Accumulator.restore(accumulator.checkpoint())
    before, after = accumulator.close().error, restored.close().error
    assert before is not None
    assert after is not None
    assert accumulator.snapshot() == restored.snapshot() != after.partial
    assert repr(before.partial) == repr(after.partial)


def test_another_process_goes_on_with_the_stream(tmp_path: Any) -> None:
    half = len(DIRTY) // 2
    accumulator = Accumulator()
    accumulator.feed(DIRTY[:half])
    (tmp_path / "checkpoint").write_bytes(accumulator.checkpoint())
    (tmp_path / "rest").write_bytes(DIRTY[half:])
    program = (
        "import pathlib, streamkit as s; a = s.Accumulator.restore(pathlib.Path('checkpoint').read_bytes());"
        " e = a.feed(pathlib.Path('rest').read_bytes()); print([repr(one) for one in e if 'Error' not in repr(one)]);"
        " print(a.dumps().decode())"
    )
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", program], cwd=tmp_path, capture_output=True, timeout=60)
    events = accumulator.feed(DIRTY[half:])
    shown = [repr(event) for event in events if "Error" not in repr(event)]
    expected = f"{shown}\n{(accumulator.dumps() or b'').decode()}\n"
    assert expected == done.stdout.decode().replace("\r\n", "\n"), done.stderr.decode()


def test_a_checkpoint_takes_about_as_much_as_the_text_and_no_more_for_more_events() -> None:
    def size(pieces: int) -> int:
        accumulator = Accumulator()
        accumulator.feed(sse(*(delta(f'{{"content":"{"x" * (6000 // pieces)}"}}') for _ in range(pieces))))
        return len(accumulator.checkpoint())

    assert abs(size(10) - size(3000)) < 50
    assert size(10) < 6000 + 1200


# --- options


def test_the_options_are_those_of_the_accumulator() -> None:
    rules = {**RULES, "choices[].delta.x": Rule.LAST}
    accumulator = Accumulator(
        strict=True, limits=Limits(max_choices=3), rules=rules, dialect=Dialect(think_tags=True, choice_text=True)
    )
    restored = Accumulator.restore(accumulator.checkpoint())
    context = restored._assembler.context
    assert (Limits(max_choices=3), rules, Dialect(think_tags=True, choice_text=True)) == (
        context.limits,
        context.rules,
        context.dialect,
    )
    with pytest.raises(RemoteError):
        restored.feed(sse('{"error":{"message":"no"}}'))


def test_a_checkpoint_raises_no_limit_unless_the_caller_does() -> None:
    larger = Limits(max_event_bytes=2**40)
    data = Accumulator(limits=larger).checkpoint()
    with pytest.raises(MisuseError, match=r"larger limits than the default ones \(max_event_bytes=1099511627776\)"):
        Accumulator.restore(data)
    assert larger == Accumulator.restore(data, limits=larger)._assembler.context.limits


def test_state_over_the_limits_of_the_caller_is_refused() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"content":"a"}'), delta('{"content":"a"}', index=1)) + b"data: " + b"x" * 1000)
    data = accumulator.checkpoint()
    for limits in (
        Limits(max_choices=1),
        Limits(max_event_bytes=900),
        Limits(max_response_bytes=10),
        Limits(max_extra_values=10),
    ):
        with pytest.raises(ValidationError, match="the limit"):
            Accumulator.restore(data, limits=limits)


LIMITS = {
    "max_event_bytes": 150,
    "max_event_values": 10,
    "max_response_bytes": 600,
    "max_choices": 1,
    "max_tool_calls": 1,
    "max_nesting": 2,
    "max_extra_values": 200,
    "max_comments": 1,
    "max_anomalies": 1,
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_stream_that_met_a_limit_continues_at_any_byte(name: str) -> None:
    assert [field.name for field in attrs.fields(Limits)] == list(LIMITS)
    many = b": a\n\n: b\n\n" + sse(delta('{"content":"c","w":{"a":{"b":{"c":[1,2,3,4,5,6,7,8,9]}}}}'))
    many += sse(delta('{"tool_calls":[{"index":0,"id":"x"},{"index":1,"id":"y"}]}'))
    stream, limits = DIRTY[:400] + many + DIRTY[400:], Limits(**{name: LIMITS[name]})
    expected = seen([stream], limits=limits)
    assert expected.outcome[1] == ("limit" if name != "max_anomalies" else "remote_error")
    for place, found in at_each(stream, few(range(0, len(stream) + 1, 3)), limits=limits):
        assert expected == found, place


@attrs.frozen
class Source:
    """A class of a caller."""

    url: str


def test_a_converter_is_code_and_passed_again() -> None:
    converter = tolerant_converter.copy()
    register_extra(converter, ChatCompletionResponseMessage, "x", Source)
    data = Accumulator(converter=converter).checkpoint()
    with pytest.raises(MisuseError, match="pass the same one, converter="):
        Accumulator.restore(data)
    stream = sse(delta('{"content":"a","x":{"url":"u"}}'), '{"error":{"message":"no"}}')
    expected = seen([stream], converter=converter)
    assert "Source(url='u')" in repr(expected.outcome)
    for place in few(range(len(stream) + 1)):
        assert expected == interrupted(stream, [place], again={"converter": converter}, converter=converter)
    ended = Accumulator(converter=converter)
    ended.feed(stream)
    error = ended.close().error
    restored = Accumulator.restore(ended.checkpoint(), converter=converter).close().error
    assert error is not None
    assert restored is not None
    assert error.partial == restored.partial


def test_an_error_that_is_not_json_is_a_misuse() -> None:
    accumulator = Accumulator()
    accumulator.fail(RemoteError("no", code=object()), "remote_error")  # type: ignore[arg-type]
    with pytest.raises(MisuseError, match="passed to fail"):
        accumulator.checkpoint()


def test_an_error_of_a_class_of_a_caller_is_restored_as_its_base() -> None:
    class Mine(DeadlineError):
        pass

    accumulator = Accumulator()
    accumulator.fail(Mine("late", deadline="idle", seconds=2.5), "deadline_idle")
    restored = Accumulator.restore(accumulator.checkpoint()).close().error
    assert type(restored) is DeadlineError
    assert ("late", "idle", 2.5) == (restored.message, restored.deadline, restored.seconds)


def test_a_checkpoint_in_the_middle_of_a_block_is_refused() -> None:
    accumulator = Accumulator()
    accumulator.tap(lambda chunk: accumulator.checkpoint())
    with pytest.raises(MisuseError, match="between two blocks"):
        accumulator.feed(sse(delta('{"content":"a"}')))


# --- what is refused


def document() -> dict[str, Any]:
    accumulator = Accumulator()
    accumulator.feed(DIRTY[:1200])
    found: dict[str, Any] = json.loads(accumulator.checkpoint())
    return found


def refusal(value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Accumulator.restore(value if isinstance(value, (bytes, str)) else json.dumps(value))
    return str(caught.value)


@pytest.mark.parametrize("value", [None, 5, {}, [], object()])
def test_what_is_not_bytes_is_a_misuse(value: Any) -> None:
    with pytest.raises(MisuseError, match="the bytes that checkpoint\\(\\) returned, not"):
        Accumulator.restore(value)


def test_what_is_not_a_checkpoint_is_refused_with_the_reason() -> None:
    assert "expected the JSON that checkpoint() returns (Expecting value" in refusal(b"hello")
    assert 'with "format": "streamkit checkpoint" @ $' in refusal(b'{"format":"other"}')
    assert "version 1, the only one that this release reads" in refusal({**document(), "version": 2})
    assert "@ $.version, got 2" in refusal({**document(), "version": 2})
    assert "nested less deeply" in refusal('{"format":' + "[" * 100_000)


def test_a_wrong_member_is_refused_with_its_path() -> None:
    found = document()
    found["state"]["assembler"]["reducer"]["chunks"] = "many"
    assert "expected a whole number from 0 @ $.state.assembler.reducer.chunks, got 'many'" in refusal(found)
    found = document()
    del found["state"]["assembler"]["reducer"]["choices"][0][1]["content"]
    assert "expected an object with 'content' @ $.state.assembler.reducer.choices[0][1]" in refusal(found)
    found = document()
    found["state"]["reader"]["surprise"] = 1
    assert "@ $.state.reader, got 'surprise'" in refusal(found)
    found = document()
    found["state"]["assembler"]["reducer"]["choices"][0][1]["finish"] = {"kind": "extend", "items": [1]}
    assert "a field of the kind 'last'" in refusal(found)


def test_an_entry_of_log_probabilities_is_refused_where_a_sender_writes_json() -> None:
    found = document()
    fields = found["state"]["assembler"]["reducer"]["choices"][0][1]["delta_extra"]["fields"]
    for state in ({"kind": "last", "value": {"$": ["token", {}]}}, {"kind": "extend", "items": {"tokens": [{}]}}):
        fields["g"] = state
        assert "delta_extra.fields.g" in refusal(found)


def test_a_small_checkpoint_cannot_become_a_large_text() -> None:
    found = document()
    extra = found["state"]["assembler"]["reducer"]["choices"][0][1]["delta_extra"]["fields"]
    extra["g"] = {"kind": "same_or_add", "first": "x" * 1000, "times": 10**9}
    assert "a text repeated as often as events of 268,435,456 bytes, the limit, allow" in refusal(found)


@examples(300)
@given(st.data())
def test_a_changed_checkpoint_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    found = document()
    places = members_of(found["state"])
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        container[key] = data.draw(st.sampled_from(ODD))
    try:
        restored = Accumulator.restore(json.dumps(found))
    except ValidationError:
        return
    restored.feed(DIRTY[1200:])
    restored.snapshot()
    Accumulator.restore(restored.checkpoint())
    restored.close()
