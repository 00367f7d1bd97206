"""A response goes back to bytes as a clean stream, and comes back from it as it was."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.strategies import examples, json_values, streams, tampered
from helpers.tier import some
from helpers.wire import DONE, choice, chunk, delta, sse
from streamkit import (
    Accumulator,
    ChatStream,
    Limits,
    MisuseError,
    RemoteError,
    StreamError,
    TruncatedError,
    check_stream,
    dumps,
    reassemble,
    unstructure,
)
from streamkit._clean.to_events import to_chunks, to_events
from streamkit.sse import EventDecoder
from streamkit.testing import FakeSource
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

CUTS: list[dict[str, Any]] = [
    {},
    {"text": 1},
    {"text": 7, "logprobs": "whole"},
    {"text": lambda whole: [whole[:2], "", whole[2:]], "logprobs": "spread"},
]


def comes_back_or_is_too_deep(response: CreateChatCompletionResponse, **how: Any) -> None:
    """Values of several types in one field are listed, one level deeper than they came: that may be one too many."""
    try:
        comes_back(response, **how)
    except MisuseError as error:
        if "nested more than" not in str(error):
            raise


def is_whole(recorded: Recorded) -> bool:
    try:
        return reassemble(recorded.body) is not None
    except StreamError:
        return False


WHOLE = [recorded for recorded in TRACES if is_whole(recorded)]


def response_of(*documents: str) -> CreateChatCompletionResponse:
    return reassemble(sse(*documents) + DONE)


def written(response: Any, **how: Any) -> list[Any]:
    """The documents of the events, `[DONE]` as the string it is."""
    events = EventDecoder().feed(b"".join(to_events(response, **how)))
    return [json.loads(one.data) if one.data[:1] == b"{" else one.data.decode() for one in events]


def deltas(response: Any, **how: Any) -> list[Any]:
    return [one["choices"][0]["delta"] for one in written(response, **how)[:-1] if one["choices"]]


def same(one: Any, other: Any) -> bool:
    """Equal, a number that is not finite being the null that it is written as."""
    return bool(one == other) or json.loads(dumps(one)) == json.loads(dumps(other))


def comes_back(response: CreateChatCompletionResponse, **how: Any) -> None:
    assert same(response, reassemble(b"".join(to_events(response, **how))))
    accumulator = Accumulator()
    for one in to_chunks(response, **how):
        accumulator.add(one)
    assert same(response, accumulator.snapshot())


def test_a_response_is_written_as_openai_does() -> None:
    response = response_of(
        delta('{"role":"assistant","content":"Hello"}'),
        delta(finish="stop"),
        chunk("", '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'),
    )
    head = b'data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":['
    first = b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n'
    assert [
        head + first,
        head + b'{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}]}\n\n',
        head + b'{"index":0,"delta":{"content":"lo"},"logprobs":null,"finish_reason":null}]}\n\n',
        head + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n',
        head + b'],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n',
        DONE,
    ] == list(to_events(response, text=3))


def test_reasoning_comes_before_content_and_stays_in_its_fields() -> None:
    response = response_of(delta('{"reasoning":"ab","reasoning_content":"ab","content":"c"}', "stop"))
    assert [
        {"role": "assistant", "content": ""},
        {"reasoning": "a", "reasoning_content": "a"},
        {"reasoning": "b", "reasoning_content": "b"},
        {"content": "c"},
        {},
    ] == deltas(response, text=1)


def test_a_call_is_a_header_and_then_its_arguments() -> None:
    call = '{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"sign":"s"}'
    custom = '{"index":1,"id":"b","type":"custom","custom":{"name":"g","input":"xy"}}'
    response = response_of(delta(f'{{"tool_calls":[{call},{custom}]}}', "tool_calls"))
    head = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}, "sign": "s"}
    assert [
        {"role": "assistant", "content": None},
        {"tool_calls": [head]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "custom", "custom": {"name": "g", "input": ""}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "x"}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "y"}}]},
        {},
    ] == deltas(response, text=1)


def test_every_token_travels_with_its_text() -> None:
    tokens = ",".join(f'{{"token":"{one}","logprob":-1.0,"bytes":null,"top_logprobs":[]}}' for one in ("He", "l", "lo"))
    response = response_of(
        chunk(choice('{"content":"Hello"}', "stop", more=f'"logprobs":{{"content":[{tokens}],"refusal":null}}'))
    )

    def told(**how: Any) -> list[tuple[Any, list[str]]]:
        choices = [one["choices"][0] for one in written(response, **how)[1:-2]]
        return [(one["delta"].get("content"), [t["token"] for t in one["logprobs"]["content"]]) for one in choices]

    assert [("He", ["He"]), ("l", ["l"]), ("lo", ["lo"])] == told()
    assert [("Hel", ["He", "l"]), ("lo", ["lo"])] == told(text=3)
    assert [("Hello", ["He", "l", "lo"])] == told(logprobs="whole")


def test_choices_take_turns() -> None:
    response = response_of(
        chunk(choice('{"content":"ab"}', "stop") + "," + choice('{"content":"c"}', "length", index=1))
    )
    order = [one["choices"][0]["index"] for one in written(response, text=1)[:-1]]
    assert [0, 1, 0, 1, 0, 1, 0] == order


def test_unknown_fields_stand_where_they_stood() -> None:
    more = '"citations":["u"],"x_groq":{"id":"r","usage":{"prompt_tokens":1}}'
    response = response_of(
        delta('{"content":"a","annotations":[{"url":"u"}]}', more=more),
        chunk(choice("{}", "stop", more='"filter":{"hate":false}')),
    )
    documents = written(response)
    assert ["u"] == documents[0]["citations"]
    assert {"annotations": [{"url": "u"}]} == documents[2]["choices"][0]["delta"]
    assert {"hate": False} == documents[3]["choices"][0]["filter"]
    assert {"id": "r", "usage": {"prompt_tokens": 1}} == documents[4]["x_groq"]
    comes_back(response)


@pytest.mark.parametrize(
    "documents",
    [
        [delta('{"tool_calls":5,"function_call":"f","content":"a"}', "stop", more='"usage":"much"')],
        [delta('{"audio":"none"}'), delta('{"audio":{"id":"a","data":"QUJD","transcript":"A"}}', "stop")],
        [chunk('{"index":0,"delta":"bad","logprobs":"bad","finish_reason":"stop"}')],
        [chunk(choice("{}", "stop", more='"logprobs":{"content":"bad","refusal":[]}'))],
        [delta('{"tool_calls":[{"index":0,"id":"a","function":"f","custom":1}]}', "stop")],
        [delta('{"tool_calls":[{"index":0,"id":"a","custom":{"name":"f"}},{"index":0,"custom":"x"}]}', "stop")],
        [delta('{"function_call":{"name":"f","arguments":"{}","k":1}}', "function_call")],
        [delta('{"content":"abc"}'), chunk(choice("{}", "stop", more='"message":{"content":"xyz","role":"a"}'))],
        ['{"choices":[{"delta":{"content":"a"}}],"created":"2025-11-21T00:00:00Z"}'],
        [delta("{}", "stop"), '{"choices":[],"usage":{"cost":1,"prompt_tokens_details":5}}'],
        ['{"id":"","choices":[' + choice("{}", "stop") + '],"model":"m","service_tier":"odd","system_fingerprint":""}'],
        [delta('{"reasoning":["a",1],"reasoning_content":"","content":""}', "stop")],
        [delta('{"reasoning_details":[{"type":"t","text":"a"},{"type":"u"},{"type":"t","text":"b"}]}', "stop")],
        [delta('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}'),
         delta('{"tool_calls":[{"index":1,"id":"a","function":{"name":"f"}}]}', "stop")],
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", CUTS, ids=["whole", "each", "sevens", "function"])
def test_what_senders_write_oddly_comes_back(documents: list[str], how: dict[str, Any]) -> None:
    comes_back(response_of(*documents), **how)


@given(streams(), st.sampled_from(CUTS))
@examples(60)
def test_every_response_comes_back(stream: Any, how: dict[str, Any]) -> None:
    try:
        response = reassemble(stream.wire)
    except StreamError:
        return
    comes_back(response, **how)


@given(st.data(), st.sampled_from(CUTS))
@examples(60)
def test_every_response_of_a_stream_that_was_tampered_with_comes_back(data: st.DataObject, how: dict[str, Any]) -> None:
    try:
        response = reassemble(data.draw(tampered(data.draw(streams()).wire)))
    except StreamError:
        return
    comes_back_or_is_too_deep(response, **how)


@given(st.data())
@examples(60)
def test_any_unknown_fields_come_back(data: st.DataObject) -> None:
    fields = st.dictionaries(st.sampled_from(["reasoning", "reasoning_details", "audio", "images", "k"]), json_values)
    document = {"choices": [{"index": 0, "delta": {"content": "a", **data.draw(fields)}, **data.draw(fields)}]}
    try:
        response = reassemble(b"data: " + json.dumps({**document, **data.draw(fields)}).encode() + b"\n\n" + DONE)
    except StreamError:
        return
    comes_back_or_is_too_deep(response)


@each(WHOLE)
def test_every_recorded_response_comes_back(recorded: Recorded) -> None:
    for how in CUTS:
        comes_back(reassemble(recorded.body), **how)


@shared
@pytest.mark.quick(2)
@pytest.mark.parametrize("part", range(8))
def test_every_shared_response_comes_back(part: int) -> None:
    for recorded in some(SHARED[part::8]):
        try:
            response = reassemble(recorded.body)
        except StreamError:
            continue
        comes_back(response, text=9)


@each(WHOLE)
def test_a_clean_stream_has_no_anomaly_worth_a_word(recorded: Recorded) -> None:
    accumulator = Accumulator(strict=True)
    for event in to_events(reassemble(recorded.body), text=20):
        accumulator.absorb(event)
    assert accumulator.close().ok


def test_a_dirty_stream_comes_out_clean() -> None:
    dirty = sse('{"choices":{"delta":{"role":"","content":"a"}}}') + b": ping\n\n" + sse(delta(finish="stop")) + DONE
    clean = b"".join(to_events([dirty[:9], dirty[9:]]))
    assert reassemble(dirty) == reassemble(clean)
    assert clean == b"".join(to_events(dirty))
    accumulator = Accumulator(strict=True)
    accumulator.absorb(clean)
    assert "done" == accumulator.close().reason


def test_a_stream_that_broke_off_gets_no_ending() -> None:
    cut = sse(delta('{"content":"a"}'))
    assert [{"role": "assistant", "content": ""}, {"content": "a"}] == [
        one["choices"][0]["delta"] for one in written(cut)
    ]
    chunks = to_chunks(cut)
    assert isinstance(next(chunks), CreateChatCompletionStreamResponse)
    with pytest.raises(TruncatedError):
        list(chunks)


def test_a_stream_that_still_runs_gets_no_ending() -> None:
    accumulator = Accumulator()
    assert [] == list(to_events(accumulator))
    accumulator.feed(sse(delta('{"content":"a"}', "stop")))
    assert "[DONE]" not in written(accumulator)
    accumulator.close()
    assert "[DONE]" == written(accumulator)[-1]


def test_a_stream_that_failed_ends_with_its_error() -> None:
    failed = sse(delta('{"content":"a"}'), '{"error":{"message":"m","code":500}}') + DONE
    assert {"error": {"message": "m", "type": None, "param": None, "code": 500}} == written(failed)[-1]
    with pytest.raises(RemoteError):
        list(to_chunks(failed))
    accumulator = Accumulator()
    accumulator.absorb(b"<html>no</html>")
    assert [] == list(to_events(accumulator))
    accumulator.close()
    assert "error" in written(accumulator)[-1]
    with pytest.raises(RemoteError):
        list(to_chunks(accumulator))


def test_a_response_with_a_reason_that_says_failed_is_written_and_read_back() -> None:
    dirty = Accumulator()
    dirty.absorb(sse(delta('{"content":"a"}'), delta("{}", "network_error")))
    given = dirty.snapshot()
    accumulator = Accumulator()
    for event in to_events(given):
        accumulator.absorb(event)
    assert ("failed", "finish_error") == (accumulator.close().name, accumulator.close().reason)
    assert given == accumulator.snapshot()


def test_a_dirty_stream_is_cleaned_while_it_runs() -> None:
    blocks = [sse('{"choices":{"delta":{"content":"a"}}}'), sse(delta('{"content":"b"}', "stop")), DONE]
    source = FakeSource(blocks)
    events = to_events(source)
    assert 0 == source.taken, "nothing is read before it is asked for"
    assert b'"role":"assistant"' in next(events)
    assert b'"content":"a"' in next(events)
    assert 1 == source.taken
    assert DONE == list(events)[-1]
    assert (3, 1) == (source.taken, source.closed)


def test_chunks_of_a_dirty_stream_come_while_it_runs() -> None:
    source = FakeSource([sse('{"choices":{"delta":{"content":"a"}}}'), sse(delta('{"content":"b"}', "stop")), DONE])
    chunks = to_chunks(source)
    assert ["", "a"] == [next(chunks).choices[0].delta.content for _ in range(2)]
    assert 1 == source.taken
    assert "stop" == list(chunks)[-1].choices[0].finish_reason


def test_what_is_left_early_closes_its_source() -> None:
    source = FakeSource([sse(delta('{"content":"a"}')), DONE])
    events = to_events(source)
    next(events)
    events.close()
    assert (1, 1) == (source.taken, source.closed)


def test_a_stream_that_stays_open_behind_its_end_is_left() -> None:
    def source() -> Iterator[bytes]:
        yield sse(delta("{}", "stop")) + DONE
        raise AssertionError("read on behind [DONE]")

    assert DONE == list(to_events(source()))[-1]


def test_what_a_source_raises_is_raised_behind_what_had_come() -> None:
    source = FakeSource([sse(delta('{"content":"a"}')), b"data: {"], fail=ConnectionResetError("gone"))
    came: list[Any] = []
    with pytest.raises(ConnectionResetError):
        came.extend(to_events(source))  # what was given before it raised stays
    assert 1 == source.closed
    finished = FakeSource([sse(delta('{"content":"a"}', "stop"))], fail=ConnectionResetError("gone"))
    events, raised = [], None
    try:
        for one in to_events(finished):
            events.append(one)
    except ConnectionResetError as error:
        raised = error
    assert raised is not None
    assert DONE == events[-1], "every choice had finished"


def test_the_chunks_of_a_chat_stream_are_a_source() -> None:
    failed = [sse(delta('{"content":"a"}'), '{"error":{"message":"m","code":500}}')]
    events, raised = [], None
    try:
        for one in to_events(ChatStream(failed).chunks()):
            events.append(one)
    except RemoteError as error:
        raised = error
    assert raised is not None
    assert b'{"error":{"message":"m"' in events[-1]


def test_a_source_of_neither_blocks_nor_chunks_is_refused_and_closed() -> None:
    source = FakeSource([b": a\n\n", {"choices": []}])
    with pytest.raises(MisuseError):
        list(to_events(source))
    assert 1 == source.closed


def test_a_path_is_read_as_it_is_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.sse"
    path.write_bytes(sse(delta('{"content":"a"}', "stop")) + DONE)
    for way in (path, str(path)):
        assert DONE == list(to_events(way))[-1]
        assert "a" == list(to_chunks(way))[1].choices[0].delta.content
    with pytest.raises(FileNotFoundError):
        to_events(str(tmp_path / "b.sse"))
    with pytest.raises(MisuseError, match="pass the bytes"):
        to_events('data: {"choices":[]}')


def test_a_response_may_be_a_mapping_or_an_object_of_an_sdk() -> None:
    response = response_of(delta('{"content":"a"}', "stop"))

    class Completion:
        def model_dump(self) -> Any:
            return unstructure(response)

    events = list(to_events(response))
    assert events == list(to_events(unstructure(response))) == list(to_events(Completion()))
    assert list(to_chunks(response)) == list(to_chunks(unstructure(response)))


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"choices": []}, "got nothing"),
        (json.loads(delta("{}")), r"\[chunk\]"),
        ({"error": {"message": "m"}}, "got nothing"),
    ],
)
def test_a_mapping_that_is_no_response_says_what_is_taken(mapping: dict[str, Any], said: str) -> None:
    with pytest.raises(MisuseError, match="take a response") as caught:
        to_events(mapping)
    assert re.search(said, str(caught.value))


def test_done_can_be_left_to_the_caller() -> None:
    assert "[DONE]" not in written(response_of(delta("{}", "stop")), done=False)


def test_a_response_over_the_limit_of_an_event_is_cut_all_the_same() -> None:
    response = response_of(delta('{"audio":{"id":"a","data":"' + "QUJD" * 600_000 + '"}}', "stop"))
    assert max(map(len, to_events(response))) < 1_100_000
    comes_back(response)


def test_what_no_stream_can_say_is_refused_before_anything_goes_out() -> None:
    response = response_of(delta('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}', "stop"))
    (one,) = response.choices
    assert one.message.tool_calls is not None
    nameless = attrs.evolve(one.message.tool_calls[0], id="")
    for bad in (
        attrs.evolve(response, choices=[one, one]),
        attrs.evolve(response, choices=[attrs.evolve(one, message=attrs.evolve(one.message, tool_calls=[nameless]))]),
        attrs.evolve(response, extra={"error": "no"}),
        attrs.evolve(response, extra={"k": object()}),
        attrs.evolve(response, extra={"obfuscation": "xx"}),
    ):
        with pytest.raises(MisuseError):
            next(to_events(bad))


def test_what_is_nested_deeper_than_readers_allow_is_refused() -> None:
    deep = "[" * 128 + "]" * 128
    comes_back(response_of(delta(f'{{"k":{deep}}}', "stop")))
    response = response_of(delta('{"k":"a"}'), delta(f'{{"k":{deep}}}', "stop"))
    with pytest.raises(MisuseError, match="nested"):
        next(to_events(response))


def test_what_means_the_same_is_no_reason_to_refuse() -> None:
    response = response_of(chunk(choice('{"content":"a"}', "stop") + "," + choice('{"content":"b"}', "stop", index=1)))
    first, second = response.choices
    listed = attrs.evolve(first, message=attrs.evolve(first.message, tool_calls=[]))
    odd = attrs.evolve(response, choices=[second, listed], object=None)
    assert response == reassemble(b"".join(to_events(odd)))


def test_choices_begin_in_the_order_of_their_index() -> None:
    response = response_of(*(delta(f'{{"content":"{at}"}}', "stop", index=at) for at in (2, 0, 1)))
    odd = attrs.evolve(response, choices=response.choices[::-1])
    for source in (response, odd):
        assert [0, 1, 2] == [one["choices"][0]["index"] for one in written(source)[:3]]
        assert "choices_out_of_order" not in {one.code for one in check_stream(b"".join(to_events(source))).findings}


@pytest.mark.parametrize("name", ["llama.cpp/n3", "llama.cpp/logprobs_n2"])
def test_choices_in_any_order_are_fit_for_the_stream_helper_of_openai_python(name: str) -> None:
    chat = pytest.importorskip("openai.types.chat")
    helper = pytest.importorskip("openai.lib.streaming.chat")
    (recorded,) = [one for one in TRACES if one.name == name]
    state, response = helper.ChatCompletionStreamState(), reassemble(recorded.body)
    for one in written(response)[:-1]:
        state.handle_chunk(chat.ChatCompletionChunk.model_validate(one))
    kept = state.current_completion_snapshot.choices
    assert [one.message.content for one in response.choices] == [one.message.content for one in kept]


@pytest.mark.parametrize(
    "how",
    [
        {"text": 0},
        {"text": True},
        {"text": "a"},
        {"text": lambda whole: []},
        {"text": lambda whole: None},
        {"text": lambda whole: 5},
        {"text": lambda whole: [None]},
        {"text": lambda whole: [whole.encode()]},
        {"logprobs": 1},
        {"limits": 5},
        {"dialect": "x"},
        {"done": "no"},
    ],
)
def test_a_wrong_argument_says_what_is_taken(how: dict[str, Any]) -> None:
    (name,) = how
    stream = sse(delta('{"content":"a"}', "stop"))
    accumulator = Accumulator()
    accumulator.absorb(stream)
    for source in (response_of(delta('{"content":"a"}', "stop")), stream, accumulator):
        for write in (to_events, to_chunks):
            if name in inspect.signature(write).parameters:
                with pytest.raises(MisuseError, match=name):
                    list(write(source, **how))
                if not callable(how[name]):
                    with pytest.raises(MisuseError, match=name):  # at once
                        write(source, **how)


def test_an_exception_of_the_function_that_cuts_is_raised_as_it_is() -> None:
    def cut(whole: str) -> list[str]:
        raise KeyError(whole)

    with pytest.raises(KeyError):
        list(to_events(response_of(delta('{"content":"a"}', "stop")), text=cut))


@pytest.mark.parametrize("source", [5, None])
def test_a_wrong_source_says_what_is_taken(source: Any) -> None:
    with pytest.raises(MisuseError):
        list(to_events(source))


def test_a_response_read_under_wider_limits_can_be_written() -> None:
    many = ",".join(f'{{"index":{at},"id":"{at}","function":{{"name":"f"}}}}' for at in range(1100))
    accumulator = Accumulator(limits=Limits(max_tool_calls=2000))
    accumulator.absorb(sse(delta(f'{{"tool_calls":[{many}]}}', "stop")) + DONE)
    accumulator.close()
    response = accumulator.snapshot()
    assert response is not None
    assert 1100 + 3 == len(list(to_events(response)))
