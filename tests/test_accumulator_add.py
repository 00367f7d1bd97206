"""`add`: chunks decoded by other libraries."""

from __future__ import annotations

import json
import types
from typing import Any

import attrs
import pytest

from helpers.one_stream import FINISH, RESPONSE, STREAM, TEXT
from helpers.wire import DONE, delta, read_blocks, sse
from streamkit import Accumulator, FormatError, Limits, MisuseError, structure, unstructure
from streamkit.errors import LimitError
from streamkit.types import CreateChatCompletionStreamResponse


def add_all(chunks: list[Any], **options: Any) -> Accumulator:
    accumulator = Accumulator(**options)
    for one in chunks:
        accumulator.add(one)
    accumulator.close()
    return accumulator


def mappings() -> list[dict[str, Any]]:
    return [json.loads(one) for one in STREAM]


def openai_chunk() -> Any:
    """The class of openai-python's chunks, where that is installed."""
    return pytest.importorskip("openai.types.chat").ChatCompletionChunk


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda one: one, id="mapping"),
        pytest.param(types.MappingProxyType, id="other-mapping"),
        pytest.param(lambda one: structure(one, CreateChatCompletionStreamResponse), id="ours"),
        pytest.param(lambda one: openai_chunk().model_validate(one), id="openai"),
    ],
)
def test_chunks_may_be_decoded_elsewhere(made: Any) -> None:
    accumulator = add_all([made(one) for one in mappings()])
    assert RESPONSE == unstructure(accumulator.snapshot())
    assert ("complete", "finish_without_done") == (accumulator.outcome.name, accumulator.outcome.reason)


def test_an_sdk_object_that_validates_nothing_is_taken_as_it_is() -> None:
    wild = {"id": "c1", "choices": [{"delta": {"content": "a", "odd": [1]}, "finish_reason": "eos"}], "created": None}
    accumulator = add_all([openai_chunk().construct(**wild)])
    assert ("a", [1]) == (
        accumulator.snapshot().choices[0].message.content,
        accumulator.snapshot().choices[0].message.extra["odd"],
    )


@attrs.define
class Dumped:
    """An object of some SDK."""

    value: Any

    def to_dict(self) -> Any:
        return self.value


def test_an_object_that_can_dump_itself_is_taken() -> None:
    assert RESPONSE == unstructure(add_all([Dumped(one) for one in mappings()]).snapshot())


@pytest.mark.parametrize("chunk", ["data: {}", b"{}", None, 7, [], object(), dict, Dumped, Dumped(7)])
def test_what_is_not_a_chunk_is_misuse(chunk: Any) -> None:
    with pytest.raises(MisuseError, match="takes a chunk"):
        Accumulator().add(chunk)


def test_added_chunks_give_the_same_events_as_fed_ones() -> None:
    accumulator = Accumulator()
    added = [event for one in mappings() for event in accumulator.add(one)]
    assert list(read_blocks([sse(*STREAM)]).events)[: len(added)] == added


def test_what_was_added_may_change_without_changing_the_response() -> None:
    mapping = json.loads(
        delta('{"content":"a","annotations":[{"a":1}],"odd":{"b":[1]},"images":[[1]]}', more='"odd":[1]')
    )
    accumulator = Accumulator()
    accumulator.add(mapping)
    before = unstructure(accumulator.snapshot())
    mapping["choices"][0]["delta"]["annotations"][0]["a"] = 2
    mapping["choices"][0]["delta"]["odd"]["b"].append(2)
    mapping["choices"][0]["delta"]["images"][0].append(2)
    mapping["odd"].append(2)
    assert before == unstructure(accumulator.snapshot())


def test_adding_and_feeding_may_be_mixed() -> None:
    accumulator = Accumulator()
    accumulator.add(mappings()[0])
    accumulator.feed(sse(*STREAM[1:4]))
    for one in mappings()[4:]:
        accumulator.add(one)
    assert RESPONSE == unstructure(accumulator.snapshot())


def test_what_is_added_after_done_is_left_out() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(TEXT, FINISH) + DONE)
    assert [] == accumulator.add({"choices": [{"index": 0, "delta": {"content": "b"}}]})
    assert "a" == accumulator.snapshot().choices[0].message.content
    assert ["after_done"] == [one.code for one in accumulator.anomalies]


@pytest.mark.parametrize(
    "chunk",
    [
        {"error": {"message": "boom"}},
        {"choices": [], "error": {"message": "boom"}},
        {"choices": [{"index": 0, "delta": {}, "error": {"message": "boom"}}]},
        CreateChatCompletionStreamResponse("c1", [], 7, "m", extra={"error": {"message": "boom"}}),
    ],
    ids=["bare", "chunk", "choice", "ours"],
)
def test_an_error_that_is_added_is_an_error(chunk: Any) -> None:
    accumulator = add_all([chunk])
    assert ("failed", "remote_error", "boom") == (
        accumulator.outcome.name, accumulator.outcome.reason, accumulator.outcome.error.message,
    )  # fmt: skip


def test_adding_raises_under_strict() -> None:
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError):
        accumulator.add({"choices": [{"index": "0", "delta": {"content": "a"}}], "created": 1})
    assert "anomaly" == accumulator.close().reason


def test_a_limit_holds_for_added_chunks() -> None:
    accumulator = Accumulator(limits=Limits(max_choices=1))
    told = accumulator.add({"created": 1, "choices": [{"index": at, "delta": {}} for at in range(2)]})
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in told][-2:]
    assert isinstance(accumulator.close().error, LimitError)


@pytest.mark.parametrize("depth", [150, 5000])
def test_a_mapping_nested_beyond_reason_is_a_failure_or_left_out_but_no_crash(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    accumulator = Accumulator()
    accumulator.add({"created": 1, "choices": [{"index": 0, "delta": {"content": "a"}}]})
    accumulator.add({"created": 1, "choices": [{"index": 0, "delta": {"odd": value}}]})
    assert "a" == accumulator.snapshot().choices[0].message.content
    assert accumulator.anomalies or accumulator.outcome.reason == "limit"


# --- half an event


@pytest.mark.parametrize(
    "half", [b"d", b"data: {", b'{"id":', sse(TEXT) + b"data", sse(TEXT)[:-1], b"id: 1\n", b"\xef\xbb"]
)
def test_a_chunk_between_the_halves_of_an_event_is_misuse_and_changes_nothing(half: bytes) -> None:
    accumulator = Accumulator()
    accumulator.feed(half)
    before = accumulator.statistics()
    for _ in range(2):
        with pytest.raises(MisuseError, match="in the middle of an event: feed the rest of that event first"):
            accumulator.add({"choices": [{"index": 0, "delta": {"content": "b"}}]})
    assert before == accumulator.statistics()


@pytest.mark.parametrize(
    "whole", [b"", b"\n", b": a comment\n", sse(TEXT), sse(TEXT).replace(b"\n", b"\r\n"), sse(TEXT) * 9]
)
def test_a_chunk_after_whole_events_is_taken(whole: bytes) -> None:
    accumulator = Accumulator()
    accumulator.feed(whole)
    accumulator.add({"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]})
    assert accumulator.snapshot().choices[0].message.content.endswith("b")
    assert accumulator.close().ok
