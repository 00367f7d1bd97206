"""Entries of log probabilities: what is made of them when it is asked for is what the sender wrote."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import attrs
import pytest

from helpers.wire import DONE, chunk, delta, each_byte, sse
from streamkit import Accumulator, dumps, loads, reassemble, structure
from streamkit.types import ChatCompletionTokenLogprob, CreateChatCompletionResponse, TopLogprobs

ENTRIES: dict[str, str] = {
    "bytes of the token": '{"token":" h\u00e9","logprob":-0.5,"bytes":[32,104,195,169]}',
    "no bytes": '{"token":"a","logprob":-0.5,"bytes":null}',
    "a part of a character": '{"token":"\\\\xf0\\\\x9f","logprob":-0.5,"bytes":[240,159]}',
    "other bytes": '{"token":"a","logprob":-0.5,"bytes":[98]}',
    "an empty token": '{"token":"","logprob":-0.5,"bytes":[]}',
    "a line end": '{"token":"\\n","logprob":-0.5,"bytes":[10]}',
    "control characters": '{"token":"\\u0001\\u0000","logprob":-0.5,"bytes":[1,0]}',
    "true for a control character": '{"token":"\\u0001","logprob":-0.5,"bytes":[true]}',
    "numbers that are no bytes": '{"token":"a","logprob":-0.5,"bytes":[97.0,1000,-1]}',
    "bytes that are no numbers": '{"token":"a","logprob":-0.5,"bytes":["a",[],{}]}',
    "an unknown field": '{"token":"a","logprob":-0.5,"bytes":[97],"id":5}',
}


def read(entry: str, *, place: str, fast: bool = True, cut: bool = False) -> list[Any]:
    """The entries that a stream of four tokens comes to, in each of which `entry` stands as the token or as an alternative."""
    token = entry[:-1] + ',"top_logprobs":[]}'
    if place == "alternative":
        token = '{"token":"b","logprob":-0.25,"bytes":[98],"top_logprobs":[%s,%s]}' % (entry, entry)
    one = delta('{"content":"a"}').replace('"finish_reason"', f'"logprobs":{{"content":[{token}]}},"finish_reason"')
    stream = sse(one, one, one, one, delta("{}", "stop")) + DONE
    accumulator = Accumulator(fast=fast)
    for block in each_byte(stream) if cut else [stream]:
        accumulator.feed(block)
    assert accumulator.close().ok
    response = accumulator.snapshot()
    assert response is not None
    logprobs = response.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert 4 == len(logprobs.content)
    return [one if place == "token" else one.top_logprobs[1] for one in logprobs.content]


@pytest.mark.parametrize("place", ["token", "alternative"])
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_an_entry_is_written_as_it_was_written(entry: str, place: str) -> None:
    written = json.loads(entry)
    wanted = repr(written["bytes"])  # `[1]` equals `[True]`
    for how in ({}, {"fast": False}, {"cut": True}):
        for found in read(entry, place=place, **how):
            assert wanted == repr(found.bytes)
            assert ({"id": 5} if "id" in written else {}) == found.extra
            assert written | ({"top_logprobs": []} if place == "token" else {}) == json.loads(dumps(found))


def logprobs_stream(entry: str) -> bytes:
    token = '{"token":"b","logprob":-0.25,"bytes":[98],"top_logprobs":[%s]}' % entry
    one = delta('{"content":"a"}').replace('"finish_reason"', f'"logprobs":{{"content":[{token}]}},"finish_reason"')
    return sse(*[one] * 40, delta("{}", "stop")) + DONE


def test_what_was_asked_for_is_kept_and_shared_with_no_other_entry() -> None:
    one, other, *_ = read(ENTRIES["bytes of the token"], place="alternative")
    one.bytes.append(33)
    one.extra["x"] = 1
    assert ([32, 104, 195, 169, 33], {"x": 1}) == (one.bytes, one.extra)
    assert ([32, 104, 195, 169], {}) == (other.bytes, other.extra)


def test_alternatives_are_decoded_when_they_are_asked_for_and_not_to_be_written() -> None:
    response = reassemble(stream := logprobs_stream(ENTRIES["other bytes"]))
    entry = response.choices[0].logprobs.content[-1]  # type: ignore[union-attr, index]
    assert bytes is type(entry.kept_tops)  # type: ignore[attr-defined]
    assert dumps(response) == dumps(reassemble(stream))
    assert bytes is type(entry.kept_tops), "written, and still not decoded"  # type: ignore[attr-defined]
    assert [98] == entry.top_logprobs[0].bytes
    assert 1 == entry.kept_extra, "the list that is not the bytes of its token"  # type: ignore[attr-defined]
    assert dumps(response) == dumps(reassemble(stream))


@pytest.mark.parametrize("cls", [TopLogprobs, ChatCompletionTokenLogprob])
def test_an_entry_is_compared_copied_and_kept_like_any_other_value(cls: Any) -> None:
    place = "alternative" if cls is TopLogprobs else "token"
    made = cls(token=" h\u00e9", logprob=-0.5, bytes=[32, 104, 195, 169])
    for way in (
        lambda one: one,
        copy.copy,
        copy.deepcopy,
        attrs.evolve,
        lambda one: pickle.loads(pickle.dumps(one)),
        lambda one: loads(dumps(one), cls),
    ):
        entry = read(ENTRIES["bytes of the token"], place=place)[0]
        assert made == way(entry)
        assert repr(made) == repr(way(entry))
        assert [32, 104, 195, 169] == attrs.evolve(entry, token="b").bytes
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            entry.bytes = []


def test_a_response_reads_back_as_itself() -> None:
    one = delta('{"content":"a"}').replace(
        '"finish_reason"', '"logprobs":{"content":[%s]},"finish_reason"' % ENTRIES["bytes of the token"]
    )
    response = reassemble(sse(one, one, delta("{}", "stop")) + DONE)
    assert response == loads(dumps(response), CreateChatCompletionResponse)


def test_chunks_decoded_elsewhere_may_have_as_many_entries_as_one_likes() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5}] * 2000}
    mapping = json.loads(chunk('{"index":0,"delta":{}}'))
    mapping["choices"][0]["logprobs"] = {"content": [entry] * 100}
    accumulator = Accumulator()
    accumulator.add(mapping)
    assert accumulator.outcome is None
    assert structure(entry, ChatCompletionTokenLogprob).bytes == [97]
