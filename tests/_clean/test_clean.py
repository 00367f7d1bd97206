"""What a strict reader needs of a clean stream: each word of `Clean`, on a stream while it runs and on a response."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.tier import some
from helpers.wire import DONE, choice, chunk, delta, each_byte, sse
from streamkit import (
    Accumulator,
    Clean,
    Cleaner,
    MisuseError,
    TruncatedError,
    async_to_chunks,
    async_to_events,
    reassemble,
    to_chunks,
    to_events,
)
from streamkit._clean.clean import DEFAULT_CLEAN
from streamkit._clean.shaping import shaper_of
from streamkit.sse import EventDecoder
from streamkit.testing import AsyncFakeSource, FakeSource

GATEWAY = Clean(truncated="error", order="index")
CAREFUL = Clean(truncated="error", order="index", incomplete_calls="error")


def documents(stream: bytes, clean: Clean) -> list[Any]:
    """What comes out, whole and byte by byte, as JSON; `[DONE]` as the string it is."""
    written = b"".join(to_events(stream, clean=clean))
    cleaner = Cleaner(clean=clean)
    pieces = [event for block in each_byte(stream) for event in cleaner.feed(block)]
    assert written == b"".join([*pieces, *cleaner.close()]), "byte by byte is not what it is as a whole"
    return [json.loads(one.data) if one.data[:1] == b"{" else one.data.decode() for one in EventDecoder().feed(written)]


def of_response(stream: bytes, clean: Clean, **how: Any) -> list[Any]:
    """The same for the response that the stream comes to."""
    accumulator = Accumulator()
    accumulator.absorb(stream)
    accumulator.close()
    found = EventDecoder().feed(b"".join(to_events(accumulator, clean=clean, **how)))
    return [json.loads(one.data) if one.data[:1] == b"{" else one.data.decode() for one in found]


def deltas(found: list[Any]) -> list[Any]:
    """(choice, delta) of each chunk that says more than a role."""
    every = [one["choices"][0] for one in found if isinstance(one, dict) and one.get("choices")]
    return [(one["index"], one["delta"]) for one in every if one["delta"] and "role" not in one["delta"]]


def fragment(arguments: str, *, id: str = "", index: int = 0) -> str:
    head = f'"id":"{id}","type":"function",' if id else ""
    name = f'"name":"{id}",' if id else ""
    function = f'{{{name}"arguments":{json.dumps(arguments)}}}'
    return delta(f'{{"tool_calls":[{{"index":{index},{head}"function":{function}}}]}}')


# --- the value


@pytest.mark.parametrize(
    "wrong",
    [
        {"truncated": "drop"},
        {"truncated": None},
        {"refusal": "drop"},
        {"reasoning": "think"},
        {"choices": 0},
        {"choices": True},
        {"choices": "all"},
        {"incomplete_calls": "close"},
        {"order": ["index"]},
    ],
)
def test_a_wrong_word_says_what_is_taken(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(MisuseError, match=rf"Clean\({name}=...\) takes"):
        Clean(**wrong)


@pytest.mark.parametrize("write", [Cleaner, to_events, to_chunks, async_to_events, async_to_chunks])
def test_everything_that_writes_takes_it_and_nothing_else_in_its_place(write: Callable[..., Any]) -> None:
    with pytest.raises(MisuseError, match="clean= takes a Clean, not str"):
        write(*(() if write is Cleaner else ([b""],)), clean="error")


def test_the_default_is_what_openai_sends_and_costs_nothing() -> None:
    assert shaper_of(Clean()) is None
    assert shaper_of(Clean(truncated="error", incomplete_calls="raise")) is None
    assert {Clean()} == {DEFAULT_CLEAN}
    assert "Clean()" == repr(Clean())
    assert "Clean(choices=1, order='index')" == repr(Clean(order="index", choices=1))
    assert "truncated: " in (inspect.getdoc(Clean) or "")


@each(some(TRACES))
def test_a_recorded_stream_that_is_complete_is_the_same_to_a_gateway(recorded: Recorded) -> None:
    accumulator = Accumulator()
    accumulator.absorb(recorded.body)
    if not accumulator.close().ok:
        return
    cleaner = Cleaner(clean=GATEWAY)
    clean = b"".join([*cleaner.feed(recorded.body), *cleaner.close()])
    if len(accumulator.snapshot().choices) == 1:  # type: ignore[union-attr]
        assert b"".join(to_events(recorded.body)) == clean
    assert reassemble(b"".join(to_events(recorded.body))) == reassemble(clean)


# --- truncated


BROKEN = sse(delta('{"content":"a"}'))


def test_a_stream_that_broke_off_ends_with_an_error_where_that_is_asked_for() -> None:
    assert {"role": "assistant", "content": ""} == documents(BROKEN, Clean())[0]["choices"][0]["delta"]
    assert 2 == len(documents(BROKEN, Clean()))
    *_, last = documents(BROKEN, Clean(truncated="error"))
    message = "the bytes ended with neither `[DONE]` nor a finish reason for every choice"
    facts = {"message": message, "type": "stream_error", "param": None, "code": "no_finish"}
    assert {"error": facts} == last == of_response(BROKEN, Clean(truncated="error"))[-1]


def test_a_stream_that_broke_off_raises_after_all_of_its_events_where_that_is_asked_for() -> None:
    half = sse(delta('{"content":"a\\ud83d"}'))
    cleaner, found = Cleaner(clean=Clean(truncated="raise")), list[bytes]()
    assert 2 == len(cleaner.feed(half))
    with pytest.raises(TruncatedError) as caught:
        cleaner.close()
    assert "a\ufffd" == caught.value.partial.choices[0].message.content  # type: ignore[union-attr]
    assert ['"content":"\ufffd"' in event.decode() for event in cleaner.unsent] == [True]
    assert [] == cleaner.close(), "once"
    with pytest.raises(TruncatedError):
        found.extend(to_events(half, clean=Clean(truncated="raise")))
    assert 3 == len(found)
    assert b"[DONE]" not in b"".join(found)


@pytest.mark.parametrize("clean", [Clean(), Clean(truncated="error"), Clean(truncated="raise")])
def test_chunks_of_a_stream_that_broke_off_raise_whatever_is_asked_for(clean: Clean) -> None:
    with pytest.raises(TruncatedError):
        list(to_chunks(BROKEN, clean=clean))


async def _events(source: Any, clean: Clean) -> list[bytes]:
    return [one async for one in async_to_events(source, clean=clean)]


async def _chunks(source: Any, clean: Clean) -> list[Any]:
    return [one async for one in async_to_chunks(source, clean=clean)]


def test_the_async_siblings_end_alike() -> None:
    assert list(to_events(BROKEN, clean=GATEWAY)) == anyio.run(_events, AsyncFakeSource([BROKEN]), GATEWAY)
    for read, clean in ((_events, Clean(truncated="raise")), (_chunks, GATEWAY)):
        with pytest.raises(TruncatedError):
            anyio.run(read, AsyncFakeSource([BROKEN]), clean)


def test_an_error_of_the_senders_is_said_once() -> None:
    failed = sse(delta('{"content":"a"}'), '{"error":{"message":"gone"}}')
    assert documents(failed, Clean()) == documents(failed, Clean(truncated="raise", incomplete_calls="raise"))


# --- refusal


def test_a_refusal_is_content_where_that_is_asked_for() -> None:
    token = '{"token":"No","logprob":-1.0,"bytes":null,"top_logprobs":[]}'
    refused = chunk(choice('{"refusal":"No"}', more=f'"logprobs":{{"content":null,"refusal":[{token}]}}'))
    stream = sse(refused, delta('{"refusal":"!"}', "stop")) + DONE
    for found in (documents(stream, Clean(refusal="content")), of_response(stream, Clean(refusal="content"), text=2)):
        assert {"role": "assistant", "content": ""} == found[0]["choices"][0]["delta"]
        assert [(0, {"content": "No"}), (0, {"content": "!"})] == deltas(found)
        assert "refusal" not in {name for _, one in deltas(found) for name in one}
        logprobs = found[1]["choices"][0]["logprobs"]
        assert ("No", None) == (logprobs["content"][0]["token"], logprobs.get("refusal"))
    assert (0, {"refusal": "No"}) in deltas(documents(stream, Clean()))


# --- reasoning


THOUGHT = sse(delta('{"reasoning":"a","reasoning_content":"a"}'), delta('{"reasoning":"b","reasoning_content":"b"}'))
SAID = sse(delta('{"content":"c"}'), delta('{"content":"d"}', "stop")) + DONE


@pytest.mark.parametrize("where", ["reasoning", "reasoning_content"])
def test_reasoning_stands_in_the_field_that_is_asked_for(where: Any) -> None:
    expected = [(0, {where: "a"}), (0, {where: "b"}), (0, {"content": "c"}), (0, {"content": "d"})]
    assert expected == deltas(documents(THOUGHT + SAID, Clean(reasoning=where)))
    assert expected == deltas(of_response(THOUGHT + SAID, Clean(reasoning=where), text=1))


def test_reasoning_is_dropped_where_that_is_asked_for() -> None:
    block = sse(delta('{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}'))
    expected = [(0, {"content": "c"}), (0, {"content": "d"})]
    assert expected == deltas(documents(THOUGHT + block + SAID, Clean(reasoning="drop")))
    assert expected == deltas(of_response(THOUGHT + block + SAID, Clean(reasoning="drop"), text=1))


def test_reasoning_stands_between_tags_where_that_is_asked_for() -> None:
    expected = [(0, {"content": one}) for one in ("<think>a", "b", "</think>c", "d")]
    assert expected == deltas(documents(THOUGHT + SAID, Clean(reasoning="tags")))
    assert expected == deltas(of_response(THOUGHT + SAID, Clean(reasoning="tags"), text=1))
    finished = documents(THOUGHT + sse(delta("{}", "stop")) + DONE, Clean(reasoning="tags"))
    assert ["<think>a", "b", "</think>"] == [one["content"] for _, one in deltas(finished)]
    broken = documents(THOUGHT, Clean(reasoning="tags"))
    assert ["<think>a", "b"] == [one["content"] for _, one in deltas(broken)], "no ending is invented"
    called = documents(THOUGHT + sse(fragment("{}", id="f")) + DONE, Clean(reasoning="tags"))
    assert ["</think>", None] == [one.get("content") for _, one in deltas(called)[2:4]]


def test_reasoning_in_typed_blocks_stands_in_a_field_too_and_the_blocks_stay() -> None:
    block = '{"reasoning_details":[{"type":"reasoning.text","text":"%s","index":0}]}'
    stream = sse(delta(block % "a"), delta(block % "b")) + SAID
    found = deltas(documents(stream, Clean(reasoning="reasoning_content")))
    assert ["a", "b"] == [one["reasoning_content"] for _, one in found[:2]]
    assert ["a", "b"] == [one["reasoning_details"][0]["text"] for _, one in found[:2]]


# --- choices


TWO = sse(*(delta(f'{{"content":"{text}"}}', index=at) for text, at in (("A", 1), ("a", 0), ("B", 1), ("b", 0))))
TWO_ENDS = sse(delta("{}", "stop", index=1), delta("{}", "length", index=0)) + DONE


def test_as_many_choices_are_written_as_are_asked_for() -> None:
    found = documents(TWO + TWO_ENDS, Clean(choices=1))
    assert [(0, {"content": "a"}), (0, {"content": "b"})] == deltas(found)
    assert ["length"] == [
        one["choices"][0]["finish_reason"] for one in found[:-1] if one["choices"][0]["finish_reason"]
    ]
    assert {0} == {one["choices"][0]["index"] for one in of_response(TWO + TWO_ENDS, Clean(choices=1))[:-1]}
    assert documents(TWO + TWO_ENDS, Clean()) == documents(TWO + TWO_ENDS, Clean(choices=2))


def test_what_the_sender_says_of_the_response_stays_where_its_choice_is_left_out() -> None:
    stream = sse(delta('{"content":"A"}', index=1, more='"citations":["u"]')) + TWO + TWO_ENDS
    first, *_ = documents(stream, Clean(choices=1))
    assert ([], ["u"]) == (first["choices"], first["citations"])


# --- order


def test_choices_begin_by_index_where_that_is_asked_for() -> None:
    found = [one["choices"][0]["index"] for one in documents(TWO + TWO_ENDS, Clean(order="index"))[:-1]]
    assert [0, 1, 1, 0, 1, 0, 0, 1] == found
    assert [1, 1, 0, 0, 1, 0] == [one["choices"][0]["index"] for one in documents(TWO, Clean())]


def test_a_choice_waits_for_one_that_never_comes_at_most_to_the_end() -> None:
    one = sse(delta('{"content":"A"}', index=2), delta('{"content":"a"}', index=1), delta("{}", "stop", index=1))
    found = documents(one + sse(delta("{}", "stop", index=2)) + DONE, Clean(order="index"))
    assert [(1, {"content": "a"}), (2, {"content": "A"})] == deltas(found)
    assert "[DONE]" == found[-1]
    finish = [one["choices"][0]["finish_reason"] for one in found[:-1]]
    assert [None, None, None, None, "stop", "stop"] == finish


# --- calls that were cut off


CALLS = sse(fragment('{"x":1}', id="f"), fragment('{"y":', id="g", index=1))
CUT_OFF = CALLS + sse(delta("{}", "length")) + DONE


def test_a_call_that_was_cut_off_is_an_error_where_that_is_asked_for() -> None:
    reason = "tool call 1 of choice 0 was cut off: the finish reason 'length' arrived before its arguments were over"
    for found in (documents(CUT_OFF, Clean(incomplete_calls="error")), of_response(CUT_OFF, CAREFUL)):
        facts = {"message": reason, "type": "stream_error", "param": None, "code": "incomplete_call"}
        assert {"error": facts} == found[-1]
        assert "length" == found[-2]["choices"][0]["finish_reason"]
    assert "[DONE]" == documents(CUT_OFF, Clean())[-1]


def test_a_call_that_was_cut_off_raises_where_that_is_asked_for() -> None:
    clean = Clean(incomplete_calls="raise")
    cleaner = Cleaner(clean=clean)
    assert DONE not in cleaner.feed(CUT_OFF)
    with pytest.raises(TruncatedError, match="tool call 1 of choice 0 was cut off") as caught:
        cleaner.close()
    assert "$.choices[0].message.tool_calls[1]" == caught.value.path
    for write in (to_events, to_chunks):
        with pytest.raises(TruncatedError, match="cut off"):
            list(write(reassemble(CUT_OFF), clean=clean))
        with pytest.raises(TruncatedError, match="cut off"):
            list(write(CUT_OFF, clean=clean))


def test_a_call_that_was_cut_off_is_dropped_where_that_is_asked_for() -> None:
    clean = Clean(incomplete_calls="drop")
    for found in (documents(CUT_OFF, clean), of_response(CUT_OFF, clean)):
        names = [one["tool_calls"][0]["function"].get("name") for _, one in deltas(found)]
        assert ["f", None] == names
        assert ["length", "[DONE]"] == [found[-2]["choices"][0]["finish_reason"], found[-1]]
    whole = CALLS + sse(fragment("1}", index=1), delta("{}", "tool_calls")) + DONE
    assert reassemble(whole) == reassemble(b"".join(to_events(whole, clean=clean)))


def test_of_a_stream_that_broke_off_the_calls_that_are_whole_are_kept() -> None:
    found = documents(CALLS, Clean(incomplete_calls="drop", truncated="error"))
    assert ["f", None] == [one["tool_calls"][0]["function"].get("name") for _, one in deltas(found)]
    assert "error" in found[-1]


def test_calls_that_are_left_out_leave_no_hole() -> None:
    middle = sse(fragment("{", id="f"), fragment("{}", id="g", index=1))
    found = deltas(documents(middle, Clean(incomplete_calls="drop")))
    assert [0, 0] == [one["tool_calls"][0]["index"] for _, one in found]
    assert "g" == found[0][1]["tool_calls"][0]["id"]


# --- what is raised


class ClientError(Exception):
    """The exception of some client."""


def test_an_error_can_be_raised_in_the_words_of_a_client() -> None:
    source = FakeSource([sse(delta('{"content":"a"}'))], fail=ConnectionResetError("gone"))
    with pytest.raises(ClientError, match="TruncatedError") as caught:
        list(to_chunks(source, raises=lambda error: ClientError(type(error).__name__)))
    assert isinstance(caught.value.__cause__, TruncatedError)
    assert isinstance(caught.value.__cause__.__cause__, ConnectionResetError)
    for write in (to_events, to_chunks):
        with pytest.raises(ClientError) as caught:
            list(write(BROKEN, clean=Clean(truncated="raise"), raises=lambda error: ClientError()))
        assert isinstance(caught.value.__cause__, TruncatedError)
        with pytest.raises(ClientError):
            list(write(reassemble(CUT_OFF), clean=Clean(incomplete_calls="raise"), raises=lambda error: ClientError()))
    cleaner = Cleaner(clean=Clean(truncated="raise"), raises=lambda error: ClientError())
    cleaner.feed(BROKEN)
    with pytest.raises(ClientError):
        cleaner.close()


async def _client_chunks(source: Any) -> list[Any]:
    return [one async for one in async_to_chunks(source, raises=lambda error: ClientError())]


def test_the_async_sibling_raises_in_the_words_of_a_client_too() -> None:
    source = AsyncFakeSource([sse(delta('{"content":"a"}'))], fail=ConnectionResetError("gone"))
    with pytest.raises(ClientError) as caught:
        anyio.run(_client_chunks, source)
    assert isinstance(caught.value.__cause__, TruncatedError)


def test_what_makes_no_exception_is_misuse() -> None:
    with pytest.raises(MisuseError, match="raises= takes a function from a StreamError"):
        to_events(BROKEN, raises=5)  # type: ignore[arg-type]
    with pytest.raises(MisuseError, match="raises= takes a function to an exception, and it returned None"):
        list(to_chunks(BROKEN, raises=lambda error: None))  # type: ignore[arg-type,return-value]
    with pytest.raises(TruncatedError):
        list(to_chunks(BROKEN, raises=lambda error: error))
