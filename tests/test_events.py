"""What an accumulator reports as it goes: each part started, in pieces and done, one ending, always last."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from helpers.wire import DONE, calls, choice, chunk, delta, read, sse
from streamkit import Accumulator, Limits, events
from streamkit.events import (
    AnnotationsDelta,
    AnnotationsDone,
    AnomalySeen,
    AudioDelta,
    AudioDone,
    ChoiceDone,
    ChoiceStarted,
    ContentDelta,
    ContentDone,
    End,
    ErrorSeen,
    Finish,
    FunctionCallDelta,
    FunctionCallDone,
    FunctionCallStarted,
    KeepAlive,
    LogprobsDelta,
    LogprobsDone,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCallDone,
    ToolCallStarted,
    UsageSeen,
)

FINISH = delta("{}", "stop")
F = '"function":{"name":"f","arguments":"{}"}'


def kinds(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    "documents, expected",
    [
        ([FINISH], "ChoiceStarted Finish ChoiceDone End"),
        (
            [delta('{"role":"assistant","content":""}'), delta('{"content":"a"}'), delta('{"content":"b"}'), FINISH],
            "ChoiceStarted ContentStarted ContentDelta ContentDelta Finish ContentDone ChoiceDone End",
        ),
        (
            [delta('{"content":null,"refusal":"no"}', "stop")],
            "ChoiceStarted RefusalStarted RefusalDelta Finish RefusalDone ChoiceDone End",
        ),
        (
            [delta('{"reasoning_content":"hm"}'), delta('{"content":"a"}'), FINISH],
            "ChoiceStarted ReasoningStarted ReasoningDelta ContentStarted ContentDelta Finish ReasoningDone ContentDone ChoiceDone End",
        ),
        (
            calls(f'{{"index":0,"id":"x",{F}}}'),
            "ChoiceStarted ToolCallStarted ToolCallDelta Finish ToolCallDone ChoiceDone End",
        ),
        (
            calls('{"index":0,"id":"x","function":{"name":"f","arguments":""}}'),
            "ChoiceStarted ToolCallStarted Finish ToolCallDone ChoiceDone End",
        ),
        (
            [delta('{"function_call":{"name":"f","arguments":"{}"}}', "function_call")],
            "ChoiceStarted FunctionCallStarted FunctionCallDelta Finish FunctionCallDone ChoiceDone End",
        ),
        (
            [delta('{"audio":{"id":"i","data":"QQ==","transcript":"a"}}'), delta('{"audio":{"expires_at":1}}', "stop")],
            "ChoiceStarted AudioStarted AudioDelta Finish AudioDone ChoiceDone End",
        ),
        (
            [delta('{"annotations":[{"a":1}]}'), delta('{"annotations":[]}', "stop")],
            "ChoiceStarted AnnotationsStarted AnnotationsDelta Finish AnnotationsDone ChoiceDone End",
        ),
        (
            [chunk(choice("{}", "stop", more='"logprobs":{"content":[{"token":"a","logprob":-1.0}]}'))],
            "ChoiceStarted LogprobsStarted LogprobsDelta Finish LogprobsDone ChoiceDone End",
        ),
        (
            [delta("{}", "stop", more='"usage":{"total_tokens":1}')],
            "ChoiceStarted Finish ChoiceDone UsageSeen End",
        ),
        ([chunk(more='"prompt_filter_results":[]'), FINISH], "ChoiceStarted Finish ChoiceDone End"),
    ],
    ids=[
        "nothing", "content", "refusal", "reasoning", "call", "call-without-arguments", "function-call", "audio",
        "annotations", "logprobs", "usage", "no-choices",
    ],
)  # fmt: skip
def test_each_part_is_started_arrives_in_pieces_and_is_done(documents: list[str], expected: str) -> None:
    assert kinds(expected) == read(*documents).kinds


def test_parts_of_different_choices_may_interleave() -> None:
    reading = read(
        delta('{"content":"a"}', index=0),
        delta('{"content":"b"}', index=1),
        delta('{"content":"A"}', "stop", index=0),
        delta('{"content":"B"}', "length", index=1),
    )
    assert [
        ("ChoiceStarted", 0), ("ContentStarted", 0), ("ContentDelta", 0),
        ("ChoiceStarted", 1), ("ContentStarted", 1), ("ContentDelta", 1),
        ("ContentDelta", 0), ("Finish", 0), ("ContentDone", 0), ("ChoiceDone", 0),
        ("ContentDelta", 1), ("Finish", 1), ("ContentDone", 1), ("ChoiceDone", 1),
        ("End", None),
    ] == [(type(event).__name__, getattr(event, "choice", None)) for event in reading.events]  # fmt: skip


def test_calls_that_interleave_are_done_when_the_choice_is_over_and_not_before() -> None:
    reading = read(
        *calls(
            '{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}',
            '{"index":1,"id":"y","function":{"name":"g","arguments":"["}}',
            '{"index":0,"function":{"arguments":"}"}}',
            '{"index":1,"function":{"arguments":"]"}}',
        )
    )
    assert (
        kinds(
            "ChoiceStarted ToolCallStarted ToolCallDelta ToolCallStarted ToolCallDelta ToolCallDelta ToolCallDelta"
            " Finish ToolCallDone ToolCallDone ChoiceDone End"
        )
        == reading.kinds
    )
    assert [("x", "{}"), ("y", "[]")] == [(e.id, e.tool_call.function.arguments) for e in reading.of(ToolCallDone)]


def test_a_call_with_a_name_in_its_last_fragment_starts_with_its_first_arguments() -> None:
    reading = read(
        *calls('{"index":0,"id":"x","function":{"arguments":"{}"}}', '{"index":0,"id":"x","function":{"name":"f"}}')
    )
    assert [("x", "")] == [(event.id, event.name) for event in reading.of(ToolCallStarted)]
    assert [("x", "f", "f")] == [(e.id, e.name, e.tool_call.function.name) for e in reading.of(ToolCallDone)]


def test_the_text_of_a_part_that_is_done_is_all_of_it() -> None:
    reading = read(
        delta('{"content":"a","refusal":"b","reasoning":"c"}'),
        delta('{"content":"A","refusal":"B","reasoning":"C"}', "stop"),
    )
    assert ["aA", "bB", "cC"] == [reading.of(kind)[0].text for kind in (ContentDone, RefusalDone, ReasoningDone)]
    assert [["a", "A"], ["b", "B"], ["c", "C"]] == [
        [event.text for event in reading.of(kind)] for kind in (ContentDelta, RefusalDelta, ReasoningDelta)
    ]


def test_reasoning_is_reported_from_any_field() -> None:
    for name in ("reasoning", "reasoning_content", "reasoning_text"):
        assert ["a", "b"] == [
            event.text for event in read(*(delta(f'{{"{name}":"{one}"}}') for one in "ab")).of(ReasoningDelta)
        ]


def test_reasoning_that_changes_its_field_is_reported_from_the_first_one_and_kept_in_both() -> None:
    reading = read(delta('{"reasoning":"a"}'), delta('{"reasoning_content":"b"}'), delta('{"reasoning":"c"}'), FINISH)
    assert ["a", "c"] == [event.text for event in reading.of(ReasoningDelta)]
    assert ["ac"] == [event.text for event in reading.of(ReasoningDone)]
    assert ("ac", "b") == (reading.message["reasoning"], reading.message["reasoning_content"])


def test_reasoning_that_is_not_text_at_first_is_reported_as_text_later() -> None:
    reading = read(*(delta(f'{{"reasoning":{one}}}') for one in ('{"a":1}', '"b"', '"c"')), FINISH)
    assert ["b", "c"] == [event.text for event in reading.of(ReasoningDelta)]
    assert ["bc"] == [event.text for event in reading.of(ReasoningDone)]


def test_a_limit_in_the_middle_of_a_chunk_leaves_no_piece_without_its_start() -> None:
    reading = read(delta('{"reasoning":"\\ud83d","odd":[[1]]}'), limits=Limits(max_nesting=1))
    assert kinds("ChoiceStarted ReasoningStarted ErrorSeen ReasoningDelta End") == reading.kinds


def test_audio_is_reported_as_bytes_and_transcript() -> None:
    reading = read(
        delta('{"audio":{"id":"i","transcript":"He"}}'),
        delta('{"audio":{"data":"QQ==","transcript":"y"}}'),
        delta('{"audio":{"data":"QkM="}}'),
        delta('{"audio":{"expires_at":5}}', "stop"),
    )
    assert [(b"", "He"), (b"A", "y"), (b"BC", "")] == [(e.data, e.transcript) for e in reading.of(AudioDelta)]
    (done,) = reading.of(AudioDone)
    assert ("i", 5, "QUJD", "Hey") == (done.audio.id, done.audio.expires_at, done.audio.data, done.audio.transcript)


def test_all_bytes_of_audio_are_reported_even_without_padding_at_the_end() -> None:
    reading = read(delta('{"audio":{"data":"QUJ"}}'), delta('{"audio":{"data":"DRA"}}'), FINISH)
    assert b"ABCD" == b"".join(event.data for event in reading.of(AudioDelta))
    assert "QUJDRA==" == reading.message["audio"]["data"]


def test_a_function_call_is_reported_with_its_name() -> None:
    reading = read(
        delta('{"function_call":{"name":"f","arguments":""}}'),
        delta('{"function_call":{"arguments":"{"}}'),
        delta('{"function_call":{"arguments":"}"}}', "function_call"),
    )
    assert ["f"] == [event.name for event in reading.of(FunctionCallStarted)]
    assert [("f", "{"), ("f", "}")] == [(event.name, event.arguments) for event in reading.of(FunctionCallDelta)]
    assert ["{}"] == [event.function_call.arguments for event in reading.of(FunctionCallDone)]


def test_annotations_and_log_probabilities_are_reported_as_they_arrive_and_whole_at_the_end() -> None:
    def tokens(*names: str) -> str:
        return ",".join(f'{{"token":"{name}","logprob":-1.0}}' for name in names)

    reading = read(
        chunk(choice('{"annotations":[{"a":1}]}', more=f'"logprobs":{{"content":[{tokens("a")}]}}')),
        chunk(choice('{"annotations":[{"a":2},{"a":3}]}', more=f'"logprobs":{{"refusal":[{tokens("b", "c")}]}}')),
        FINISH,
    )
    assert [[{"a": 1}], [{"a": 2}, {"a": 3}]] == [event.annotations for event in reading.of(AnnotationsDelta)]
    assert [[{"a": 1}, {"a": 2}, {"a": 3}]] == [event.annotations for event in reading.of(AnnotationsDone)]
    assert [(["a"], []), ([], ["b", "c"])] == [
        ([one.token for one in event.content], [one.token for one in event.refusal])
        for event in reading.of(LogprobsDelta)
    ]
    (done,) = reading.of(LogprobsDone)
    assert (1, 2) == (len(done.logprobs.content), len(done.logprobs.refusal))


# --- a choice that continues after its end


def test_a_later_piece_reopens_its_part_and_its_choice() -> None:
    reading = read(delta('{"content":"a"}', "stop"), delta('{"content":"b"}'), delta("{}", "stop"))
    assert (
        kinds(
            "ChoiceStarted ContentStarted ContentDelta Finish ContentDone ChoiceDone"
            " ChoiceStarted ContentStarted ContentDelta ContentDone ChoiceDone End"
        )
        == reading.kinds
    )
    assert [False, True] == [event.reopened for event in reading.of(ChoiceStarted)]
    assert ["a", "ab"] == [event.text for event in reading.of(ContentDone)]


def test_another_part_after_the_end_reopens_the_choice_but_is_new_itself() -> None:
    reading = read(delta('{"content":"a"}', "stop"), *calls(f'{{"index":0,"id":"x",{F}}}'))
    assert [False, True] == [event.reopened for event in reading.of(ChoiceStarted)]
    assert [False] == [event.reopened for event in reading.of(ToolCallStarted)]
    assert ["stop", "tool_calls"] == [event.finish_reason for event in reading.of(ChoiceDone)]


def test_arguments_after_the_end_reopen_their_call() -> None:
    reading = read(
        *calls('{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}'),
        *calls('{"index":0,"function":{"arguments":"}"}}'),
    )
    assert [False, True] == [event.reopened for event in reading.of(ToolCallStarted)]
    assert [("{", False), ("{}", True)] == [
        (event.tool_call.function.arguments, event.tool_call.complete) for event in reading.of(ToolCallDone)
    ]


def test_what_is_left_open_after_reopening_is_done_when_the_stream_is_complete() -> None:
    reading = read(delta('{"content":"a"}', "stop"), delta('{"content":"b"}'))
    assert "ContentDone ChoiceDone End".split() == reading.kinds[-3:]


@pytest.mark.parametrize(
    "late",
    [
        delta('{"content":""}'),
        delta('{"content":null,"tool_calls":[]}'),
        delta('{"role":"assistant"}'),
        delta('{"odd":"x"}'),
        delta("{}", "stop"),
        chunk(more='"usage":{"total_tokens":1}'),
        chunk(choice("{}", more='"content_filter_results":{}')),
    ],
)
def test_what_is_not_a_piece_of_a_part_reopens_nothing(late: str) -> None:
    reading = read(delta('{"content":"a"}', "stop"), late)
    assert 1 == len(reading.of(ChoiceStarted)) == len(reading.of(ChoiceDone)) == len(reading.of(Finish))


def test_the_name_of_a_call_repeated_after_the_end_reopens_nothing() -> None:
    reading = read(
        *calls(f'{{"index":0,"id":"x",{F}}}'), delta('{"tool_calls":[{"index":0,"id":"x","function":{"name":"f"}}]}')
    )
    assert 1 == len(reading.of(ToolCallStarted))


def test_a_finish_reason_is_reported_once_and_again_if_it_changes() -> None:
    reading = read(delta('{"content":"a"}', "tool_calls"), delta("{}", "tool_calls"), delta("{}", "stop"))
    assert ["tool_calls", "stop"] == [event.finish_reason for event in reading.of(Finish)]
    assert "stop" == reading.of(ChoiceDone)[-1].finish_reason
    assert 1 == len(reading.of(ContentDone))


# --- the end


def test_a_stream_that_breaks_off_leaves_its_parts_without_an_end() -> None:
    reading = read(delta('{"content":"a"}'), done=False)
    assert kinds("ChoiceStarted ContentStarted ContentDelta End") == reading.kinds


def test_a_stream_that_says_it_is_done_is_really_over_even_without_a_finish_reason() -> None:
    reading = read(delta('{"content":"a"}'))
    assert kinds("ChoiceStarted ContentStarted ContentDelta ContentDone ChoiceDone End") == reading.kinds
    assert [None] == [event.finish_reason for event in reading.of(ChoiceDone)]


def test_an_error_in_the_stream_is_reported_and_leaves_the_parts_without_an_end() -> None:
    reading = read(delta('{"content":"a"}'), '{"error":{"message":"boom"}}')
    assert kinds("ChoiceStarted ContentStarted ContentDelta ErrorSeen End") == reading.kinds
    (seen,) = reading.of(ErrorSeen)
    assert seen.error is reading.outcome.error


@pytest.mark.parametrize(
    "stream, options",
    [
        (b"", {}),
        (DONE, {}),
        (b"<html>", {}),
        (b'{"error":"boom"}', {}),
        (b'{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}', {}),
        (sse(FINISH), {}),
        (sse(FINISH) + DONE, {}),
        (sse(FINISH) + DONE + sse(FINISH, "null") + DONE, {}),
        (sse(FINISH + "\ndata: [DONE]\ndata: " + FINISH), {}),
        (sse("[DONE]{}"), {}),
        (sse(f"[{FINISH},{FINISH}]"), {}),
        (sse(FINISH)[:-10], {}),
        (sse(delta(index=0), delta(index=1), delta(index=0)), {"limits": Limits(max_choices=1)}),
        (sse(FINISH, FINISH), {"limits": Limits(max_event_bytes=20)}),
        (b"\n" * 50, {"limits": Limits(max_event_bytes=20)}),
        (b"{" * 50, {"limits": Limits(max_event_bytes=20)}),
    ],
)
def test_one_end_is_always_last_whatever_the_stream(stream: bytes, options: dict[str, Any]) -> None:
    reading = read(stream, done=False, **options)
    assert [reading.outcome] == [event.outcome for event in reading.of(End)]
    assert isinstance(reading.events[-1], End)


def test_the_events_of_closing_are_on_the_outcome() -> None:
    accumulator = Accumulator()
    told = accumulator.feed(sse(delta('{"content":"a"}', "stop")))
    assert "ChoiceDone" == type(told[-1]).__name__
    outcome = accumulator.close()
    assert ["AnomalySeen", "End"] == [type(event).__name__ for event in outcome.events]
    assert list(range(len(told), len(told) + 2)) == [event.sequence for event in outcome.events]


def test_where_feed_returned_the_end_closing_has_no_more_events() -> None:
    accumulator = Accumulator()
    told = accumulator.feed(sse(FINISH) + DONE)
    assert isinstance(told[-1], End)
    assert () == accumulator.close().events


def test_nothing_is_reported_after_the_end() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(FINISH) + DONE)
    assert [] == accumulator.feed(b": ping\n\n" + sse(FINISH, "null", "keepalive") + DONE)


# --- other events


@pytest.mark.parametrize(
    "wire, text",
    [(b": ping\n\n", "ping"), (b":\n\n", ""), (b": OPENROUTER PROCESSING\n\n", "OPENROUTER PROCESSING")],
)
def test_a_comment_is_a_keep_alive(wire: bytes, text: str) -> None:
    reading = read(wire, delta('{"content":"a"}'), wire, FINISH)
    assert [text, text] == [event.text for event in reading.of(KeepAlive)]


def test_a_ping_is_a_keep_alive_and_the_place_of_each_is_kept() -> None:
    reading = read(
        delta('{"content":"a"}'),
        b'event: ping\ndata: {"type":"ping"}\n\n',
        b": b\n\n",
        delta('{"content":"c"}', "stop"),
    )
    assert kinds("ContentDelta KeepAlive KeepAlive ContentDelta") == reading.kinds[2:6]


def test_usage_is_reported_with_the_counts_in_effect_after_it() -> None:
    reading = read(FINISH, chunk(more='"usage":{"prompt_tokens":1}'), chunk(more='"usage":{"completion_tokens":2}'))
    assert [(1, None), (1, 2)] == [(e.usage.prompt_tokens, e.usage.completion_tokens) for e in reading.of(UsageSeen)]


def test_an_anomaly_is_reported_when_it_is_first_seen() -> None:
    reading = read(delta('{"content":5}'), delta('{"content":6}', "stop"))
    assert [("field_type", 1, 1)] == [
        (event.anomaly.code, event.anomaly.event, event.anomaly.count) for event in reading.of(AnomalySeen)
    ]


def test_absorbing_some_blocks_takes_no_sequence_numbers() -> None:
    accumulator = Accumulator()
    accumulator.absorb(sse(delta('{"content":"a"}')))
    told = accumulator.feed(sse(delta('{"content":"b"}')))
    assert [(0, "b")] == [(event.sequence, event.text) for event in told]


# --- what kind of objects they are


KINDS = [kind for name in events.__all__ if isinstance(kind := getattr(events, name), type)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_is_frozen_numbered_and_says_when_it_is_fired(kind: type[Any]) -> None:
    assert "sequence" == attrs.fields(kind)[0].name
    assert kind.__doc__.startswith("Fired ")
    event = kind(*([None] * sum(field.default is attrs.NOTHING for field in attrs.fields(kind))))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.sequence = 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_of_a_choice_has_its_index_and_one_of_a_call_its_position(kind: type[Any]) -> None:
    names = [field.name for field in attrs.fields(kind)]
    of_no_choice = {"UsageSeen", "AnomalySeen", "KeepAlive", "ErrorSeen", "End"}
    assert (kind.__name__ not in of_no_choice) == ("choice" in names)
    if kind.__name__.startswith("ToolCall"):
        assert ["sequence", "choice", "call", "id", "name"] == names[:5]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_is_one_of_event(kind: type[Any]) -> None:
    assert kind in events.Event.__args__
