"""Limits: on by default, over one the stream fails, and what had arrived stays."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import Reading, choice, chunk, delta, read, sse
from streamkit import Accumulator, Limits
from streamkit.errors import LimitError, MisuseError
from streamkit.events import AudioDelta, ReasoningDelta
from streamkit.limits import DEFAULT_LIMITS


def failed(reading: Reading) -> tuple[str, int, int | None]:
    """Which limit a stream failed at."""
    error = reading.outcome.error
    assert ("failed", "limit") == reading.ending
    assert isinstance(error, LimitError)
    return error.limit, error.maximum, error.event


@pytest.mark.parametrize("name", list(Limits.__attrs_attrs__), ids=lambda attribute: attribute.name)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "8", None])
def test_a_limit_takes_whole_numbers_from_one(name: object, value: object) -> None:
    with pytest.raises(MisuseError, match=name.name):
        Limits(**{name.name: value})


def test_a_limit_of_one_is_a_limit() -> None:
    assert 1 == Limits(max_choices=1).max_choices


def test_limits_are_on_by_default_and_leave_room_for_images_and_long_reasoning() -> None:
    assert Limits() == DEFAULT_LIMITS
    assert 16 * 1024 * 1024 == DEFAULT_LIMITS.max_event_bytes
    assert DEFAULT_LIMITS.max_response_bytes > DEFAULT_LIMITS.max_event_bytes


def test_an_event_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    document = delta('{"content":"abc"}', "stop")
    size = len(f"data: {document}")
    assert "abc" == read(document, limits=Limits(max_event_bytes=size)).message["content"]
    assert ("max_event_bytes", size - 1, 1) == failed(read(document, limits=Limits(max_event_bytes=size - 1)))


def test_what_arrived_before_an_event_over_the_limit_stays() -> None:
    small, huge = delta('{"content":"Hel"}'), delta('{"content":"' + "l" * 400 + '"}')
    reading = read(small, huge, limits=Limits(max_event_bytes=300))
    assert ("max_event_bytes", 300, 2) == failed(reading)
    assert "Hel" == reading.message["content"]
    assert "Hel" == reading.outcome.error.partial.choices[0].message.content


def test_an_event_that_never_ends_is_stopped_at_the_limit() -> None:
    assert ("max_event_bytes", 50, 1) == failed(
        read(b"data: " + b"x" * 100, done=False, limits=Limits(max_event_bytes=50))
    )


def test_an_event_over_the_limit_at_the_very_end_fails_the_stream_all_the_same() -> None:
    stream = sse(delta('{"content":"a"}', "stop")) + b"data: " + b"x" * 400 + b"\n\n"
    assert ("max_event_bytes", 300, 2) == failed(read(stream, done=False, limits=Limits(max_event_bytes=300)))


@pytest.mark.parametrize("body", [b'{"error":"' + b"x" * 100 + b'"}', b"<html>" + b"x" * 100], ids=["json", "html"])
def test_a_body_that_is_not_a_stream_is_held_up_to_the_limit_of_an_event(body: bytes) -> None:
    name, maximum, _ = failed(read(body, done=False, limits=Limits(max_event_bytes=50)))
    assert ("max_event_bytes", 50) == (name, maximum)


def test_blank_space_before_the_first_event_is_held_up_to_the_limit_of_an_event() -> None:
    name, maximum, _ = failed(read(b"\n" * 400, delta("{}", "stop"), limits=Limits(max_event_bytes=300)))
    assert ("max_event_bytes", 300) == (name, maximum)


def test_blank_space_within_the_limit_is_none_of_the_event() -> None:
    assert ("complete", "done") == read(b"\n" * 250, delta("{}", "stop"), limits=Limits(max_event_bytes=300)).ending


def test_all_events_together_may_not_be_larger_than_the_response_limit() -> None:
    document = delta('{"content":"abc"}')
    reading = read(document, document, document, limits=Limits(max_response_bytes=2 * len(document)))
    assert ("max_response_bytes", 2 * len(document), 3) == failed(reading)
    assert "abcabc" == reading.message["content"]


def test_comments_do_not_count_towards_the_response() -> None:
    document = delta('{"content":"abc"}', "stop")
    reading = read(b": ping\n\n" * 50, document, limits=Limits(max_response_bytes=len(document) + len("[DONE]")))
    assert ("complete", "done") == reading.ending


@pytest.mark.parametrize(
    "limits, documents, limit, kept",
    [
        pytest.param(
            Limits(max_choices=2),
            [chunk(",".join(choice('{"content":"a"}', index=index) for index in range(3)))],
            ("max_choices", 2, 1),
            {"role": "assistant", "content": "a"},
            id="choices",
        ),
        pytest.param(
            Limits(max_tool_calls=1),
            [
                delta('{"content":"a","tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}'),
                delta('{"tool_calls":[{"index":1,"id":"y","function":{"name":"g","arguments":"{}"}}]}'),
            ],
            ("max_tool_calls", 1, 2),
            {
                "role": "assistant",
                "content": "a",
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            id="tool calls",
        ),
        pytest.param(
            Limits(max_nesting=3),
            [delta('{"content":"a"}'), delta('{"odd":[[[[1]]]]}')],
            ("max_nesting", 3, 2),
            {"role": "assistant", "content": "a"},
            id="nesting",
        ),
    ],
)
def test_over_a_limit_the_stream_fails_and_what_had_arrived_stays(
    limits: Limits, documents: list[str], limit: tuple[str, int, int], kept: dict[str, object]
) -> None:
    reading = read(*documents, limits=limits)
    assert limit == failed(reading)
    assert kept.items() <= reading.message.items()


@pytest.mark.parametrize(
    "limits, document",
    [
        pytest.param(
            Limits(max_choices=2), chunk(choice(finish="stop") + "," + choice(finish="stop", index=1)), id="choices"
        ),
        pytest.param(
            Limits(max_tool_calls=1),
            delta('{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}'),
            id="tool calls",
        ),
        pytest.param(Limits(max_nesting=3), delta('{"odd":[[[1]]]}'), id="nesting"),
    ],
)
def test_at_a_limit_the_stream_continues(limits: Limits, document: str) -> None:
    assert "complete" == read(document, limits=limits).outcome.name


def test_tool_calls_are_counted_for_each_choice_by_itself() -> None:
    one = '{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}'
    reading = read(delta(one, index=0), delta(one, index=1), limits=Limits(max_tool_calls=1))
    assert "complete" == reading.outcome.name


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(chunk(more='"odd":[[[[1]]]]'), id="chunk"),
        pytest.param(chunk(choice(more='"odd":[[[[1]]]]')), id="choice"),
        pytest.param(delta('{"tool_calls":[{"index":0,"odd":[[[[1]]]]}]}'), id="tool call"),
        pytest.param(delta('{"audio":{"odd":[[[[1]]]]}}'), id="audio"),
    ],
)
def test_nesting_is_limited_wherever_an_unknown_field_is(document: str) -> None:
    assert ("max_nesting", 3, 1) == failed(read(document, limits=Limits(max_nesting=3)))


def test_nothing_that_follows_a_failure_is_looked_at() -> None:
    reading = read(delta(index=1), delta(index=2), delta('{"content":"late"}', index=1), limits=Limits(max_choices=1))
    assert ("max_choices", 1, 2) == failed(reading)
    assert "content" not in reading.message


def test_anomalies_over_their_limit_are_counted_and_not_described() -> None:
    documents = [chunk(more=f'"usage":{{"total_tokens":1,"odd{n}":1}},"service_tier":{n}') for n in range(3)]
    documents += [delta('{"role":"poet"}', finish="eos"), delta('{"content":["a"]}'), delta('{"content":7}')]
    reading = read(*documents, limits=Limits(max_anomalies=2))
    assert "complete" == reading.outcome.name
    assert ["field_type", "usage_repeated", "more_anomalies"] == reading.codes
    assert reading.anomalies[-1].count > 1


@pytest.mark.parametrize(
    ("first", "kind", "told"),
    [
        ('"reasoning":"a"', ReasoningDelta, "a"),
        ('"audio":{"transcript":"a","x":[[]]}', AudioDelta, "a"),
    ],
)
def test_what_is_before_a_field_that_exceeds_a_limit_is_reported(first: str, kind: Any, told: str) -> None:
    accumulator = Accumulator(limits=Limits(max_nesting=1))
    events = accumulator.feed(sse(delta(f'{{{first},"x":[[]]}}')))
    assert [told] == [getattr(event, "text", None) or event.transcript for event in events if isinstance(event, kind)]
    assert accumulator.outcome is not None
    assert "limit" == accumulator.outcome.reason


MANY = "[" + "{}," * 100 + "1]"


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(sse(delta('{"odd":' + MANY + "}")), id="an unknown field"),
        pytest.param(sse(chunk(",".join(["{}"] * 100))), id="choices"),
        pytest.param(sse("{}" * 100), id="documents in a row"),
        pytest.param(b"data: 1\n" + b"{}\n" * 100 + b"\n", id="documents without data:"),
        pytest.param(sse('{"a":' + MANY), id="a document that is torn"),
        pytest.param(sse(delta('{"odd":' + MANY + "}"))[:-2], id="an event without its end"),
        pytest.param(sse('{"a":"b"' + "x" * 200)[:-2] + b"\n\ndata: " + MANY.encode() + b"\n\n", id="one that goes on"),
    ],
)
def test_an_event_of_more_values_than_the_limit_is_not_decoded(stream: bytes, fast: bool) -> None:
    before = sse(delta('{"content":"a"}'))
    reading = read(before, stream, done=False, limits=Limits(max_event_values=300), fast=fast)
    limit, maximum, number = failed(reading)
    assert ("max_event_values", 300) == (limit, maximum)
    assert number in (2, 3)
    assert "a" == reading.message["content"]


@pytest.mark.parametrize("body", ['{"choices":[],"odd":' + MANY + "}", '{"error":' + MANY + "}", "[" + MANY + "]"])
def test_a_body_of_more_values_than_the_limit_is_not_decoded(body: str) -> None:
    reading = read(body.encode(), done=False, limits=Limits(max_event_values=300))
    assert ("max_event_values", 300) == failed(reading)[:2]


def test_a_body_that_is_chunks_one_a_line_is_weighed_line_by_line() -> None:
    lines = "".join(delta('{"content":"a"}') + "\n" for _ in range(50))
    reading = read(lines.encode(), done=False, limits=Limits(max_event_values=100))
    assert "a" * 50 == reading.message["content"]


def test_text_with_many_commas_is_one_value() -> None:
    text = "a, b, {c}: [d] " * 200
    reading = read(delta('{"content":"' + text + '"}', "stop"), limits=Limits(max_event_values=100))
    assert text == reading.message["content"]


def test_arguments_of_many_values_are_whole_where_their_brackets_are() -> None:
    for arguments, whole in (("[" + "{}," * 120_000 + "1]", True), ("[" + "{}," * 120_000, False)):
        accumulator = Accumulator()
        accumulator.feed(
            sse(
                delta(
                    '{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"…"}}]}'.replace(
                        "…", arguments
                    ),
                    "stop",
                )
            )
        )
        accumulator.close()
        response = accumulator.snapshot()
        assert response is not None
        (call,) = response.choices[0].message.tool_calls or []
        assert arguments == call.function.arguments
        assert whole == call.complete
