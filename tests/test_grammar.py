"""The events form the grammar at the head of `events.py`, whatever the stream; and they add up to the response.

The grammar is implemented here again, as a small machine that every event sequence is put through: recorded streams,
made up ones, damaged ones, and streams broken off by an error, a limit, or the caller. That the machine refuses what
breaks the grammar is tested too.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkit.events as ev
from helpers.corpus import SHARED, TRACES, Recorded, each, pieces, shared
from helpers.strategies import Stream, byte_soup, cut, examples, mutated, streams, tampered
from streamkit import Accumulator, Limits, Outcome
from streamkit.types import CreateChatCompletionResponse

PARTS = {name.removesuffix("Started") for name in ev.__all__ if name.endswith("Started")} - {"Choice"}
# A call or function without arguments has a name, and that is all; of other parts something must have come.
MAY_BE_EMPTY = {"ToolCall", "FunctionCall"}

Key = tuple[Any, ...]
"""Choice, kind of part, and position where it is a call."""


class Machine:
    """Takes events one by one; an AssertionError says which rule one breaks."""

    def __init__(self) -> None:
        self.sequence = 0
        self.ended: ev.End | None = None
        self.choices: dict[int, str] = {}  # "open" or "done"
        self.finish: dict[int, str] = {}
        self.parts: dict[Key, str] = {}  # "open" or "done"
        self.told: dict[Key, list[Any]] = defaultdict(list)  # the deltas of each part
        self.whole: dict[Key, Any] = {}  # its last Done
        self.empty: set[Key] = set()  # parts that were started and had no delta since
        self.usage: Any = None
        self.anomalies: list[tuple[str, str]] = []
        self.errors: list[Exception] = []

    def see(self, event: Any) -> None:
        assert self.ended is None, "nothing comes after End"
        assert self.sequence == event.sequence, "sequence numbers run from 0"
        self.sequence += 1
        name = type(event).__name__
        if name == "ChoiceStarted":
            assert self.choices.get(event.choice) != "open", "a choice is started once"
            assert event.reopened == (event.choice in self.choices), "a choice says whether it goes on after its end"
            self.choices[event.choice] = "open"
        elif name == "ChoiceDone":
            assert self.choices.get(event.choice) == "open", "a choice is done once"
            assert not self.open_parts(event.choice), "the parts of a choice are done before it"
            assert self.finish.get(event.choice) == event.finish_reason
            self.choices[event.choice] = "done"
        elif name == "Finish":
            assert event.choice in self.choices
            assert self.finish.get(event.choice) != event.finish_reason, "a finish reason is told once"
            self.finish[event.choice] = event.finish_reason
        elif name == "UsageSeen":
            self.usage = event.usage
        elif name == "AnomalySeen":
            self.anomalies.append((event.anomaly.code, event.anomaly.path))
        elif name == "ErrorSeen":
            self.errors.append(event.error)
        elif name == "End":
            self.ended = event
        elif name != "KeepAlive":
            self.part(event, *split(name))

    def part(self, event: Any, part: str, what: str) -> None:
        key = (event.choice, part, event.call) if part == "ToolCall" else (event.choice, part)
        assert self.choices.get(event.choice) == "open", "a part stands inside its choice"
        if what == "Started":
            assert self.parts.get(key) != "open", "a part is started once"
            assert event.reopened == (key in self.parts), "a part says whether it goes on after its end"
            self.parts[key] = "open"
            self.empty.add(key)
            return
        assert self.parts.get(key) == "open", "a part is started before anything of it, and done once"
        if what == "Delta":
            self.told[key].append(event)
            self.empty.discard(key)
        else:
            assert key not in self.empty or part in MAY_BE_EMPTY, "a part that is done was not empty"
            self.parts[key] = "done"
            self.whole[key] = event

    def open_parts(self, choice: int) -> list[Key]:
        return [key for key, state in self.parts.items() if state == "open" and key[0] == choice]

    def finished(self, outcome: Outcome) -> None:
        """The stream is over: what must be done is done, and nothing else is."""
        assert self.ended is not None, "End comes always"
        assert outcome == self.ended.outcome
        for choice, state in self.choices.items():
            over = outcome.ok or (choice in self.finish and state == "done")
            assert over == (state == "done"), "a choice is done when it is over, and only then"
        if outcome.name in ("complete", "cancelled"):
            assert outcome.error is None
        else:
            assert outcome.error is not None
            assert outcome.name == "truncated" or self.errors[0] is outcome.error

    def adds_up_to(self, response: CreateChatCompletionResponse | None) -> None:
        """Check that the reported pieces are what the response has, and that nothing in it was not reported."""
        if response is None:
            assert {} == self.choices
            return
        assert sorted(self.choices) == [choice.index for choice in response.choices]
        assert self.usage == response.usage
        for choice in response.choices:
            message, index = choice.message, choice.index
            assert self.finish.get(index) == choice.finish_reason
            assert self.text(index, "Content") == (message.content or "")
            assert self.text(index, "Refusal") == (message.refusal or "")
            assert self.text(index, "Reasoning") in ("", message.reasoning, *map(texts_of, message.extra.values()))
            calls = message.tool_calls or []
            for position, call in enumerate(calls):
                inner = call.custom if hasattr(call, "custom") else call.function
                told = self.told[index, "ToolCall", position]
                text = inner.input if hasattr(inner, "input") else inner.arguments
                assert "".join(one.arguments for one in told) == text
                done = self.whole.get((index, "ToolCall", position))
                if done is not None and self.parts[index, "ToolCall", position] == "done":
                    assert (call.id, inner.name, call) == (done.id, done.name, done.tool_call)
            told_calls = {key[2] for key in self.parts if key[:2] == (index, "ToolCall")}
            assert told_calls <= set(range(len(calls)))
            if message.function_call is not None:
                assert self.text(index, "FunctionCall", "arguments") == message.function_call.arguments
            if message.audio is not None:
                assert self.text(index, "Audio", "transcript") == message.audio.transcript
            if choice.logprobs is not None:
                told = self.told[index, "Logprobs"]
                assert [one for event in told for one in event.content] == (choice.logprobs.content or [])
                assert [one for event in told for one in event.refusal] == (choice.logprobs.refusal or [])

    def text(self, index: int, part: str, field: str = "text") -> str:
        return "".join(getattr(event, field) for event in self.told[index, part])

    def wholes_are_sums(self) -> None:
        """What each part's end says is what its pieces said."""
        for key, done in self.whole.items():
            if self.parts[key] != "done":
                continue
            part, told = key[1], self.told[key]
            if part in ("Content", "Refusal", "Reasoning"):
                assert "".join(one.text for one in told) == done.text
            elif part == "Audio" and "audio_base64" not in dict(self.anomalies):
                assert base64.b64encode(b"".join(one.data for one in told)).decode() == done.audio.data
            elif part == "Annotations":
                assert [one for event in told for one in event.annotations] == done.annotations


def texts_of(value: Any) -> str:
    """The text in an unknown field: itself, or its strings where it changed its type on the way."""
    return "".join(one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def split(name: str) -> tuple[str, str]:
    for what in ("Started", "Delta", "Done"):
        if name.endswith(what) and name.removesuffix(what) in PARTS:
            return name.removesuffix(what), what
    raise AssertionError(f"no such event: {name}")


def hold(blocks: Iterable[bytes], cancel: bool = False, **options: Any) -> Machine:
    """Read `blocks` and put the reported events through the machine; `cancel`: the caller leaves after them."""
    accumulator, machine = Accumulator(**options), Machine()
    for block in blocks:
        for event in accumulator.feed(block):
            machine.see(event)
    outcome = accumulator.cancel() if cancel else accumulator.close()
    for event in outcome.events:
        machine.see(event)
    machine.finished(outcome)
    machine.adds_up_to(accumulator.snapshot())
    machine.wholes_are_sums()
    told = len(machine.anomalies)
    assert machine.anomalies == [(anomaly.code, anomaly.path) for anomaly in accumulator.anomalies[:told]]
    # What follows the end of the stream cannot be reported any more: End is the last event.
    assert {"after_done", "more_anomalies"} >= {anomaly.code for anomaly in accumulator.anomalies[told:]}
    return machine


# --- over many streams


@each(TRACES)
def test_the_events_of_a_trace_follow_the_grammar(recorded: Recorded) -> None:
    hold(recorded.blocks)


@shared
@each(SHARED)
def test_the_events_of_a_shared_stream_follow_the_grammar(recorded: Recorded) -> None:
    hold([recorded.body])


@examples(200)
@given(streams())
def test_the_events_of_any_stream_follow_the_grammar(stream: Stream) -> None:
    machine = hold([stream.wire])
    assert list(stream.choices) == sorted(machine.choices)
    for index, said in stream.choices.items():
        assert len(said.calls) == len([key for key in machine.parts if key[:2] == (index, "ToolCall")])
        assert ("done" == machine.choices[index]) == (said.finish is not None or stream.ending[0] == "complete")


@examples(100)
@given(streams(), st.data())
def test_they_do_when_the_stream_breaks_off_or_the_caller_leaves(stream: Stream, data: st.DataObject) -> None:
    blocks = data.draw(cut(stream.wire))
    some = blocks[: data.draw(st.integers(0, len(blocks)))]
    hold(some)
    hold(some, cancel=True)


small = st.sampled_from([one.body for one in TRACES if len(one.body) < 5_000])


@examples(200)
@given(byte_soup | small.flatmap(mutated) | small.flatmap(tampered), st.sampled_from([1, 2, 1000]))
def test_they_do_when_the_stream_is_damaged_or_over_a_limit(raw: bytes, most: int) -> None:
    hold([raw])
    hold([raw], limits=Limits(max_choices=most, max_tool_calls=most, max_nesting=most, max_anomalies=most))


# --- by hand


def chunk(delta: str, finish: str = "null", index: int = 0) -> bytes:
    choice = f'{{"index":{index},"delta":{delta},"finish_reason":{finish}}}'
    return f'data: {{"id":"c","created":1,"choices":[{choice}]}}\n\n'.encode()


def call(index: int, rest: str) -> bytes:
    return chunk(f'{{"tool_calls":[{{"index":{index},{rest}}}]}}')


STOP, DONE = chunk("{}", '"stop"'), b"data: [DONE]\n\n"
TEXT = chunk('{"content":"a"}')
FIRST = call(0, '"id":"x","function":{"name":"f","arguments":"{"}')
REST = call(0, '"function":{"arguments":"}"}')
SECOND = call(1, '"id":"y","function":{"name":"g","arguments":"{"}')


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        pytest.param(
            TEXT + TEXT + STOP + DONE,
            "ChoiceStarted ContentStarted ContentDelta ContentDelta Finish ContentDone ChoiceDone End",
            id="text",
        ),
        pytest.param(
            FIRST + SECOND + REST + call(1, '"function":{"arguments":"}"}') + STOP + DONE,
            "ChoiceStarted ToolCallStarted ToolCallDelta ToolCallStarted ToolCallDelta ToolCallDelta ToolCallDelta "
            "Finish ToolCallDone ToolCallDone ChoiceDone End",
            id="two calls by turns: neither is done before both are",
        ),
        pytest.param(
            call(0, '"id":"x","function":{"name":"f","arguments":""}') + STOP + DONE,
            "ChoiceStarted ToolCallStarted Finish ToolCallDone ChoiceDone End",
            id="a call without arguments",
        ),
        pytest.param(
            chunk('{"content":"b"}', index=1) + TEXT + chunk("{}", '"stop"', 1) + STOP + DONE,
            "ChoiceStarted ContentStarted ContentDelta ChoiceStarted ContentStarted ContentDelta "
            "Finish ContentDone ChoiceDone Finish ContentDone ChoiceDone End",
            id="two choices",
        ),
        pytest.param(
            TEXT + STOP + TEXT + DONE,
            "ChoiceStarted ContentStarted ContentDelta Finish ContentDone ChoiceDone "
            "ChoiceStarted ContentStarted ContentDelta AnomalySeen ContentDone ChoiceDone End",
            id="reopened after its finish reason",
        ),
        pytest.param(
            FIRST + STOP + REST + STOP,
            "ChoiceStarted ToolCallStarted ToolCallDelta Finish ToolCallDone ChoiceDone "
            "ChoiceStarted ToolCallStarted ToolCallDelta AnomalySeen ToolCallDone ChoiceDone AnomalySeen End",
            id="a call reopened, finished again in the same words, no [DONE]",
        ),
        pytest.param(
            FIRST + b": ping\n\n" + REST,
            "ChoiceStarted ToolCallStarted ToolCallDelta KeepAlive ToolCallDelta End",
            id="truncated: what was not finished is not done",
        ),
        pytest.param(
            TEXT + b'data: {"error":"out of memory"}\n\n' + DONE,
            "ChoiceStarted ContentStarted ContentDelta ErrorSeen AnomalySeen End",
            id="failed",
        ),
        pytest.param(
            TEXT + DONE,
            "ChoiceStarted ContentStarted ContentDelta ContentDone ChoiceDone AnomalySeen End",
            id="complete without a finish reason",
        ),
        pytest.param(DONE, "ErrorSeen End", id="[DONE] alone"),
        pytest.param(b"", "ErrorSeen End", id="nothing at all"),
    ],
)
def test_a_stream_reports_these_events(wire: bytes, told: str) -> None:
    for blocks in ([wire], pieces(wire, 1)):
        assert told.split() == [type(event).__name__ for event in tell(blocks)]
        hold(blocks)


def tell(blocks: Iterable[bytes]) -> list[Any]:
    accumulator = Accumulator()
    told = [event for block in blocks for event in accumulator.feed(block)]
    return [*told, *accumulator.close().events]


def test_a_cancelled_stream_ends_where_the_caller_left() -> None:
    accumulator = Accumulator()
    told = accumulator.feed(TEXT)
    told += accumulator.cancel().events
    assert ["ChoiceStarted", "ContentStarted", "ContentDelta", "End"] == [type(event).__name__ for event in told]
    assert "cancelled" == told[-1].outcome.name
    assert () == accumulator.cancel().events[1:]


def test_what_is_reopened_says_so_and_its_second_end_says_all_of_it() -> None:
    told = tell([TEXT + STOP + TEXT + DONE])
    assert [False, True] == [event.reopened for event in told if isinstance(event, ev.ContentStarted)]
    assert [False, True] == [event.reopened for event in told if isinstance(event, ev.ChoiceStarted)]
    assert ["a", "aa"] == [event.text for event in told if isinstance(event, ev.ContentDone)]


# --- the machine itself

END = Outcome("complete", "done")
TRUNCATED = Outcome("truncated", "no_finish")


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ([ev.KeepAlive(1, "")], "sequence numbers run from 0"),
        ([ev.End(0, END), ev.KeepAlive(1, "")], "nothing comes after End"),
        ([ev.ContentStarted(0, 0)], "a part stands inside its choice"),
        ([ev.ChoiceStarted(0, 0), ev.ChoiceStarted(1, 0)], "a choice is started once"),
        ([ev.ChoiceStarted(0, 0, True)], "a choice says whether it goes on"),
        ([ev.ChoiceDone(0, 0, None)], "a choice is done once"),
        ([ev.ChoiceStarted(0, 0), ev.ContentStarted(1, 0), ev.ChoiceDone(2, 0, None)], "the parts of a choice"),
        ([ev.ChoiceStarted(0, 0), ev.ContentDelta(1, 0, "")], "a part is started before anything of it"),
        ([ev.ChoiceStarted(0, 0), ev.ContentStarted(1, 0), ev.ContentStarted(2, 0)], "a part is started once"),
        ([ev.ChoiceStarted(0, 0), ev.ContentStarted(1, 0, True)], "a part says whether it goes on"),
        ([ev.ChoiceStarted(0, 0), ev.ContentStarted(1, 0), ev.ContentDone(2, 0, "")], "was not empty"),
        ([ev.ChoiceStarted(0, 0), ev.Finish(1, 0, "stop"), ev.Finish(2, 0, "stop")], "a finish reason is told once"),
        ([ev.ChoiceStarted(0, 0), ev.End(1, END)], "a choice is done when it is over"),
        ([ev.ChoiceStarted(0, 0), ev.ChoiceDone(1, 0, None), ev.End(2, TRUNCATED)], "a choice is done when it is over"),
        ([ev.ChoiceStarted(0, 0)], "End comes always"),
    ],
)
def test_the_machine_refuses_what_breaks_the_grammar(told: list[Any], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        put_through(told)


def put_through(told: list[Any]) -> None:
    machine = Machine()
    for event in told:
        machine.see(event)
    machine.finished(machine.ended.outcome if machine.ended else END)
