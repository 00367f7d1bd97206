"""A dirty stream comes out clean while it runs: the same response, in events that any strict reader takes."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Recorded, each, shared
from helpers.loopback import CLIENT
from helpers.measure import best
from helpers.strategies import byte_soup, cut, examples, mutated, streams, tampered
from helpers.tier import some
from helpers.wire import DONE, calls, choice, chunk, delta, each_byte, sse
from streamkit import Accumulator, Cleaner, Dialect, Limits, MisuseError, dumps
from streamkit._clean.chunk_dict import PING
from streamkit.sse import EventDecoder
from streamkit.testing import every_cut

# Under the names of known fields: what nothing could be made of, and what has its place at the end.
ODD_ON_CHUNK = ("id", "choices", "created", "model", "service_tier", "system_fingerprint", "object", "usage", "error")
ODD_ON_CHOICE = ("index", "delta", "finish_reason", "logprobs", "message", "usage", "error")
ODD_IN_MESSAGE = ("content", "function_call", "tool_calls", "role", "refusal", "audio")


def cleaned(stream: bytes | list[bytes], **options: Any) -> bytes:
    cleaner = Cleaner(**options)
    out = [event for block in ([stream] if isinstance(stream, bytes) else stream) for event in cleaner.feed(block)]
    return b"".join([*out, *cleaner.close()])


def documents(*dirty: str | bytes, done: bool = True, **options: Any) -> list[Any]:
    """What comes out for these events, as JSON; `[DONE]` as the string it is."""
    stream = b"".join(sse(one) if isinstance(one, str) else one for one in dirty) + (DONE if done else b"")
    clean = cleaned(stream, **options)
    assert clean == cleaned(each_byte(stream), **options), "byte by byte is not what it is as a whole"
    events = EventDecoder().feed(clean)
    return [json.loads(one.data) if one.data[:1] == b"{" else one.data.decode() for one in events]


def choices(*dirty: str | bytes, **options: Any) -> list[Any]:
    """(delta, finish reason) of each choice that comes out."""
    found = [one["choices"] for one in documents(*dirty, **options) if isinstance(one, dict) and "choices" in one]
    return [(one["delta"], one["finish_reason"]) for some in found for one in some]


def deltas(*dirty: str | bytes, **options: Any) -> list[Any]:
    return [delta for delta, finish in choices(*dirty, **options) if finish is None]


def read(stream: bytes, **options: Any) -> Accumulator:
    accumulator = Accumulator(**options)
    accumulator.absorb(stream)
    accumulator.close()
    return accumulator


def worse_than_a_note(accumulator: Accumulator) -> list[str]:
    return [one.code for one in accumulator.anomalies if one.severity != "note" and one.code != "error_event"]


def meant(response: Any, ids: bool = True) -> Any:
    """A response as JSON, without what rule 4 leaves behind."""
    if response is None:
        return None
    found = json.loads(dumps(response))
    for name in ("error", "usage") if response.usage is None else ("error",):
        found.pop(name, None)
    for one, written in zip(response.choices, found["choices"], strict=True):
        for name in ODD_ON_CHOICE:
            if name in one.extra and getattr(one, name, None) is None:
                written.pop(name, None)
        for name in ODD_IN_MESSAGE:
            if name in one.message.extra and getattr(one.message, name) is None:
                written["message"].pop(name, None)
        for name in ("content", "refusal"):
            if one.logprobs is not None and name in one.logprobs.extra and getattr(one.logprobs, name) is None:
                written["logprobs"].pop(name, None)
        for call in written["message"].get("tool_calls", ()):
            if not ids:
                call["id"], call["type"] = "", ""
    return found


def exempt(dirty: Accumulator) -> bool:
    """Where the response may be another: what a limit broke off in the middle of a chunk; a field whose type changed."""
    assert dirty.outcome is not None
    codes = {one.code for one in dirty.anomalies}
    return dirty.outcome.reason == "limit" or "type_changed" in codes or dirty.snapshot() is None


# --- what comes out


def test_it_is_written_as_openai_does() -> None:
    dirty = sse(
        '{"id":"c1","created":7.0,"model":"m","choices":{"delta":{"role":"","content":"Hi"}},"provider":"p"}',
        '{"id":"c2","model":"m","choices":[{"index":"0","delta":{"content":"!"},"finish_reason":"stop"}]}',
        '{"id":"c1","model":"m","choices":[],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}}',
    )
    head = b'data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":['
    first = b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
    usage = b'"usage":{"prompt_tokens":1,"completion_tokens":2}'
    groq = b'"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    assert [
        head + first + b'],"provider":"p"}\n\n',
        head + b'{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}]}\n\n',
        head + b'{"index":0,"delta":{"content":"!"},"logprobs":null,"finish_reason":null}]}\n\n',
        head + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\n',
        head + b"]," + usage + b"," + groq + b"}\n\n",
        DONE,
    ] == Cleaner().feed(dirty + DONE)
    assert meant(read(dirty + DONE).snapshot()) == meant(read(cleaned(dirty + DONE)).snapshot())


def test_what_is_clean_already_stays_as_it_is() -> None:
    once = cleaned(
        sse(*calls('{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}')) + DONE
    )
    assert once == cleaned(once)


@each(TRACES)
def test_the_text_of_a_block_leaves_with_that_block(recorded: Recorded) -> None:
    cleaner, dirty, clean = Cleaner(), Accumulator(), Accumulator()
    for block in recorded.blocks:
        dirty.absorb(block)
        clean.absorb(b"".join(cleaner.feed(block)))
        one, other = dirty.snapshot(), clean.snapshot()
        if one is not None:
            assert other is not None
            for mine, others in zip(one.choices, other.choices, strict=True):
                said, written = (attrs.evolve(each.message, tool_calls=None) for each in (mine, others))
                assert (said, mine.logprobs) == (written, others.logprobs)
                assert len(others.message.tool_calls or ()) <= len(mine.message.tool_calls or ())
    ended = dirty.outcome is not None and dirty.outcome.ok
    assert ended == (clean.outcome is not None), "[DONE] leaves with the block that has it"


@each(TRACES)
def test_a_recorded_stream_comes_to_the_same_response(recorded: Recorded) -> None:
    comes_to_the_same(recorded)


@shared
@pytest.mark.quick(2)
@pytest.mark.parametrize("part", range(8))
def test_a_shared_stream_comes_to_the_same_response(part: int) -> None:
    for recorded in some(SHARED[part::8]):
        comes_to_the_same(recorded)


def comes_to_the_same(recorded: Recorded) -> None:
    dirty, clean = read(recorded.body), read(cleaned(list(recorded.blocks)))
    assert dirty.outcome is not None
    assert clean.outcome is not None
    assert dirty.outcome.name == clean.outcome.name, recorded.name
    assert meant(dirty.snapshot()) == meant(clean.snapshot()), recorded.name
    assert [] == worse_than_a_note(clean), recorded.name
    notes = {one.code for one in clean.anomalies if one.severity == "note"}
    known = {"missing_finish", "finish_unknown", "number_changed", "role_unknown", "tool_name_missing"}
    assert notes <= known, recorded.name


@each(TRACES)
def test_openai_python_reads_it_to_the_end(recorded: Recorded) -> None:
    openai = pytest.importorskip("openai")
    try:
        import httpx2 as httpx
    except ImportError:
        httpx = pytest.importorskip("httpx")
    dirty = read(recorded.body)
    assert dirty.outcome is not None
    http = openai.DefaultHttpxClient(**CLIENT)
    with openai.OpenAI(api_key="k", base_url="http://sender", http_client=http) as client:
        answer = httpx.Response(200, content=cleaned(recorded.body), request=httpx.Request("POST", "http://sender"))
        kind = openai.types.chat.ChatCompletionChunk
        text, reasons = "", set()
        try:
            for one in openai.Stream(cast_to=kind, response=answer, client=client):
                kind.model_validate(one.model_dump(exclude_unset=True))
                text += "".join(choice.delta.content or "" for choice in one.choices if choice.index == 0)
                reasons |= {choice.finish_reason for choice in one.choices}
        except openai.APIError:
            assert "failed" == dirty.outcome.name
    response = dirty.snapshot()
    if response is not None and response.choices:
        assert (response.choices[0].message.content or "") == text
        assert {choice.finish_reason for choice in response.choices} <= reasons


@given(st.data())
@examples(40)
def test_any_stream_comes_to_the_same_response(data: st.DataObject) -> None:
    stream = data.draw(streams()).wire
    dirty, clean = read(stream), read(cleaned(data.draw(cut(stream))))
    assert meant(dirty.snapshot()) == meant(clean.snapshot())
    assert [] == worse_than_a_note(clean)


def test_a_field_that_would_be_an_error_by_itself_stays_beside_its_choice() -> None:
    dirty = sse(delta('{"content":"a"}'), delta(more='"error_type":"none"'), delta(finish="stop")) + DONE
    assert ("complete", "complete") == (read(dirty).outcome.name, read(cleaned(dirty)).outcome.name)
    assert meant(read(dirty).snapshot()) == meant(read(cleaned(dirty)).snapshot())


@given(st.data())
@examples(80)
def test_any_damaged_stream_comes_to_the_same_response(data: st.DataObject) -> None:
    stream = data.draw(streams()).wire
    stream = data.draw(tampered(stream) | mutated(stream))
    dirty, clean = read(stream), read(cleaned(data.draw(cut(stream))))
    if exempt(dirty):
        return
    one, other = meant(dirty.snapshot(), ids=False), meant(clean.snapshot(), ids=False)
    for mine, others in zip(one["choices"], other["choices"], strict=True):
        mine["message"].pop("role"), others["message"].pop("role")  # one that came late
        if dirty.outcome is not None and not dirty.outcome.ok:
            mine.pop("finish_reason", None), others.pop("finish_reason", None)  # one that was gone on from
    assert one == other
    assert dirty.outcome is not None
    assert clean.outcome is not None
    assert dirty.outcome.name == clean.outcome.name
    as_sent = {
        "tool_id_reused",
        "lone_surrogate",
        "audio_base64",
        "arguments_doubled",
    }  # which is what a clean stream says
    assert as_sent >= set(worse_than_a_note(clean))


@given(byte_soup.flatmap(lambda soup: st.tuples(st.just(soup), cut(soup))))
@examples(60)
def test_whatever_the_bytes_it_raises_nothing_and_the_cut_is_not_seen(soup: tuple[bytes, list[bytes]]) -> None:
    whole, blocks = soup
    assert cleaned(whole) == cleaned(blocks)


# --- heads


def test_the_first_chunk_has_the_role_and_says_whether_there_is_content() -> None:
    assert [{"role": "assistant", "content": ""}, {"content": "a"}] == deltas(delta('{"content":"a"}'))
    assert {"role": "assistant", "content": None} == deltas(delta('{"reasoning":"a"}'))[0]
    assert {"reasoning": None, "role": "tool", "content": None} == deltas(delta('{"role":"tool","reasoning":null}'))[0]


def test_choices_begin_as_their_sender_began_them() -> None:
    """One that never comes is not invented, and the text of the others does not wait for it."""
    dirty = [delta('{"content":"a"}', index=at) for at in (2, 0)]
    assert [2, 2, 0, 0] == [one["choices"][0]["index"] for one in documents(*dirty, done=False)]


def test_id_and_model_are_those_that_came_first_whenever_that_is() -> None:
    late = [
        '{"choices":[{"index":0,"delta":{"content":"a"}}]}',
        '{"id":"c1","model":"m","created":7,"choices":[{"index":0,"delta":{"content":"b"}}]}',
        '{"id":"c2","model":"n","created":8,"system_fingerprint":"f","choices":[]}',
    ]
    heads = [(one["id"], one["model"], one["created"]) for one in documents(*late)[:-1]]
    assert [("", "", 0), ("", "", 0), ("c1", "m", 7), ("c1", "m", 7)] == heads
    assert "f" == documents(*late)[-2]["system_fingerprint"], "what came last is said too"


def test_a_call_is_said_with_its_id_and_name_as_soon_as_it_has_both() -> None:
    head = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    whole = calls('{"index":5,"id":"a","function":{"name":"f","arguments":"{}"}}')
    arguments = {"index": 0, "function": {"arguments": "{}"}}
    assert [head, arguments] == fragments(*whole)
    assert [head, arguments] == fragments(
        *calls(
            '{"index":0,"function":{"name":"f"}}',
            '{"index":0,"id":"a"}',
            '{"index":0,"function":{"name":"f","arguments":{}}}',
        )
    )


def fragments(*dirty: str | bytes) -> list[Any]:
    return [one for delta in deltas(*dirty) for one in delta.get("tool_calls", ())]


def test_a_call_without_an_id_gets_the_one_that_is_made_up() -> None:
    head, arguments = fragments(*calls('{"index":0,"function":{"name":"f","arguments":"{}"}}'))
    assert {"index": 0, "id": "call_c1_0_0", "type": "function", "function": {"name": "f", "arguments": ""}} == head
    assert {"index": 0, "function": {"arguments": "{}"}} == arguments


def test_a_call_waits_for_an_id_or_a_name_that_comes_after_the_arguments() -> None:
    late = calls(
        '{"index":0,"function":{"arguments":"{"}}', '{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}'
    )
    assert [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{"}},
        {"index": 0, "function": {"arguments": "}"}},
    ] == fragments(*late)
    assert read(sse(*late) + DONE).snapshot() == read(cleaned(sse(*late) + DONE)).snapshot()


def test_calls_are_said_in_the_order_in_which_they_came_first() -> None:
    waiting = calls(
        '{"index":0,"id":"a","sign":"s"}', '{"index":1,"id":"b","type":"custom","custom":{"name":"g","input":"x"}}'
    )
    assert [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "", "arguments": ""}, "sign": "s"},
        {"index": 1, "id": "b", "type": "custom", "custom": {"name": "g", "input": ""}},
        {"index": 1, "custom": {"input": "x"}},
    ] == fragments(*waiting)


def test_an_id_that_comes_again_gets_a_number() -> None:
    long = "i" * 40
    one = '{"index":%d,"id":"%s","function":{"name":"f","arguments":"{}"}}'
    dirty = calls(one % (0, "a"), one % (1, "a"), one % (2, "a"), one % (3, "a_2"), one % (4, long), one % (5, long))
    assert ["a", "a_2", "a_3", "a_2_2", long, "i" * 38 + "_2"] == [
        one["id"] for one in fragments(*dirty) if "id" in one
    ]
    assert list(range(6)) == [one["index"] for one in fragments(*dirty) if "id" in one]


def test_a_call_that_never_had_arguments_is_said_at_the_end() -> None:
    (head,) = fragments(*calls('{"index":0,"function":{"name":"f"}}'))
    assert {"index": 0, "id": "call_c1_0_0", "type": "function", "function": {"name": "f", "arguments": ""}} == head


def test_a_function_call_is_said_as_a_name_and_its_arguments() -> None:
    assert [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{"}},
        {"function_call": {"arguments": "}"}},
    ] == deltas(
        delta('{"function_call":{"name":"f","arguments":"{"}}'), delta('{"function_call":{"name":"f","arguments":"}"}}')
    )[1:]


# --- text


def test_halves_of_a_character_leave_as_one() -> None:
    halves = [delta('{"content":"a\\ud83d"}'), delta('{"content":"\\ude00b"}')]
    assert [{"content": "a"}, {"content": "😀b"}] == deltas(*halves)[1:]
    assert [{"content": "a"}, {"content": "\ufffd"}] == deltas(halves[0])[1:]
    finished = [delta('{"content":"a\\ud83d"}', "stop"), delta('{"content":"b"}')]
    assert [{"content": "a"}, {"content": "\ufffd"}, {"content": "b"}] == deltas(*finished)[1:]


def test_text_is_cut_further_as_asked_and_every_token_stays_with_its_text() -> None:
    token = '{"token":"%s","logprob":-1.0,"bytes":null,"top_logprobs":[]}'
    tokens = ",".join(token % one for one in ("He", "llo"))
    dirty = chunk(choice('{"reasoning":"xyz","content":"Hello"}', more=f'"logprobs":{{"content":[{tokens}]}}'))
    found = [one["choices"][0] for one in documents(dirty, text=2)[:-1]]
    told = [({**one["delta"]}, [t["token"] for t in (one["logprobs"] or {}).get("content") or ()]) for one in found]
    pieces = [({"content": "He"}, ["He"]), ({"content": "ll"}, []), ({"content": "o"}, ["llo"])]
    assert [({"reasoning": "xy"}, []), ({"reasoning": "z"}, []), *pieces] == [one for one in told[1:] if one[0]]
    whole = [one["choices"][0]["logprobs"] for one in documents(dirty)[:-1]]
    assert [None, 2] == [one and len(one["content"]) for one in whole]
    assert list("ab") == [one["content"] for one in deltas(delta('{"content":"ab"}'), text=list)[1:]]
    assert meant(read(sse(dirty) + DONE).snapshot()) == meant(read(cleaned(sse(dirty) + DONE, text=1)).snapshot())


@pytest.mark.parametrize("how", [{"text": 0}, {"text": "a"}, {"logprobs": 1}, {"dialect": 1}, {"limits": None}])
def test_a_wrong_argument_is_told_where_it_is_made(how: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        Cleaner(**how)


def test_a_full_message_gives_what_the_deltas_lacked() -> None:
    whole = '"message":{"role":"assistant","content":"abc","reasoning":"r","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}'
    dirty = [delta('{"content":"a"}'), chunk(choice("{}", "stop", more=whole)), delta('{"content":"d"}')]
    out = deltas(*dirty)
    assert ["a", "bc", "d"] == [one["content"] for one in out if one.get("content")]
    assert ["r"] == [one["reasoning"] for one in out if "reasoning" in one]
    assert 2 == len(fragments(*dirty))
    assert meant(read(sse(*dirty) + DONE).snapshot()) == meant(read(cleaned(sse(*dirty) + DONE)).snapshot())


def test_messages_in_place_of_deltas_are_deltas() -> None:
    dirty = [chunk(f'{{"index":0,"message":{{"role":"assistant","content":"{one}"}}}}') for one in "ab"]
    assert [{"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}] == deltas(*dirty)


def test_a_response_where_a_stream_was_asked_for_is_a_stream() -> None:
    body = (
        b'{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    )
    body += b'"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
    clean = read(cleaned(body))
    assert clean.snapshot() == read(body).snapshot()
    assert () == clean.anomalies


def test_what_a_sender_is_known_to_do_is_undone() -> None:
    dirty = [delta('{"content":"<thi"}'), delta('{"content":"nk>why</think>so"}'), delta('{"content":"!"}', "stop")]
    assert [{"reasoning_content": "why", "content": "so"}, {"content": "!"}] == [
        one for one in deltas(*dirty, dialect=Dialect(think_tags=True))[1:] if any(one.values())
    ]


# --- the end


def test_a_finish_reason_is_said_once_and_behind_everything() -> None:
    every = [delta(f'{{"content":"{one}"}}', "stop") for one in "abc"]
    assert [None, None, None, None, "stop"] == [finish for _, finish in choices(*every)]
    changed = [delta('{"content":"a"}', "stop"), delta("{}", "length")]
    assert ["length"] == [finish for _, finish in choices(*changed) if finish]


def test_a_stream_that_broke_off_behind_a_finish_reason_does_not_look_complete() -> None:
    gone_on = sse(delta('{"content":"a"}', "stop"), delta('{"content":"b"}'))
    assert "truncated" == ended(gone_on) == ended(cleaned(gone_on))
    one_of_two = sse(delta('{"content":"a"}', "stop"), delta('{"content":"b"}', index=1))
    assert "truncated" == ended(one_of_two) == ended(cleaned(one_of_two))
    assert ["stop", None] == [one.finish_reason for one in read(cleaned(one_of_two)).snapshot().choices]  # type: ignore[union-attr]


def ended(stream: bytes) -> str:
    outcome = read(stream).outcome
    assert outcome is not None
    return outcome.name


def test_a_stream_that_broke_off_is_given_no_ending() -> None:
    assert [{"role": "assistant", "content": ""}, {"content": "a"}] == [
        one["choices"][0]["delta"] for one in documents(delta('{"content":"a"}'), done=False)
    ]


def test_a_stream_that_has_finished_without_done_is_complete_when_it_is_closed() -> None:
    cleaner = Cleaner()
    assert DONE not in cleaner.feed(sse(delta('{"content":"a"}', "stop")))
    assert DONE == cleaner.close()[-1]
    assert [] == cleaner.close()
    with pytest.raises(MisuseError):
        cleaner.feed(b"data: 1\n\n")


def test_the_ending_leaves_with_the_block_that_says_it() -> None:
    cleaner = Cleaner()
    assert DONE == cleaner.feed(sse(delta('{"content":"a"}', "stop")) + DONE)[-1]
    assert [] == cleaner.feed(sse(delta('{"content":"b"}')))
    assert [] == cleaner.close()


def test_done_can_be_left_to_the_caller() -> None:
    cleaner = Cleaner(done=False)
    assert DONE not in cleaner.feed(sse(delta('{"content":"a"}', "stop")) + DONE)


@pytest.mark.parametrize("how", [{"done": "no"}, {"done": 1}, {"limits": 5}, {"dialect": "x"}, {"text": "a"}])
def test_a_wrong_argument_says_what_is_taken(how: Any) -> None:
    with pytest.raises(MisuseError, match=next(iter(how))):
        Cleaner(**how)


def test_usage_is_said_once_in_a_chunk_of_its_own() -> None:
    usage = '"usage":{"prompt_tokens":1,"completion_tokens":%d,"total_tokens":%d}'
    *_, last, done = documents(
        delta('{"content":"a"}', more=usage % (1, 2)), delta('{"content":"b"}', "stop", more=usage % (2, 3))
    )
    assert "[DONE]" == done
    assert ([], {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}) == (last["choices"], last["usage"])
    on_choice = chunk(choice("{}", "stop", more=usage % (2, 3)))
    assert 1 == sum("usage" in str(one) for one in documents(delta('{"content":"a"}'), on_choice))


@pytest.mark.parametrize(
    "error",
    [
        '{"error":{"message":"gone","code":502}}',
        delta('{"content":""}', "error", more='"error":{"message":"gone","code":502}'),
        chunk(choice("{}", "error", more='"error":{"message":"gone","code":502}')),
    ],
)
def test_a_stream_that_failed_ends_with_its_error(error: str) -> None:
    *before, last = documents(delta('{"content":"a"}'), error, delta('{"content":"b"}'))
    assert {"error": {"message": "gone", "type": None, "param": None, "code": 502}} == last
    assert not any("error" in one or "error" in str(one["choices"][:1]).replace("'error'}", "") for one in before)
    assert (
        "b" == before[-1 if before[-1]["choices"][0]["finish_reason"] is None else -2]["choices"][0]["delta"]["content"]
    )


def test_a_stream_whose_finish_reason_says_that_it_failed_ends_with_an_error_after_that_reason() -> None:
    *before, last = documents(delta('{"content":"a"}'), delta("{}", "network_error"))
    assert "network_error" == before[-1]["choices"][0]["finish_reason"]
    assert ("network_error", None) == (last["error"]["type"], last["error"]["code"])
    assert "the sender ended choice 0 with the finish reason 'network_error'" == last["error"]["message"]


def test_the_finish_reason_null_is_none_in_a_clean_stream_too() -> None:
    *before, done = documents(delta('{"content":"a"}', "null"), delta(finish="stop"))
    assert [None, "stop"] == [one["choices"][0]["finish_reason"] for one in before if one["choices"]][-2:]
    assert "[DONE]" == done


@pytest.mark.parametrize(
    ("dirty", "code"),
    [(b"<html>no</html>", None), (b"", "empty"), (DONE, "empty"), (b"hello", None), (b"\xff\xfe", "not_a_stream")],
)
def test_what_is_no_stream_is_an_error(dirty: bytes, code: str | None) -> None:
    (only,) = documents(dirty, done=False)
    assert only["error"]["message"]
    assert code == only["error"]["code"]
    assert code is None or "stream_error" == only["error"]["type"]


def test_what_breaks_a_limit_does_not_go_on() -> None:
    deep = "[" * 150 + "]" * 150
    *before, last = documents(delta('{"content":"a"}'), delta(f'{{"content":"b","k":{deep}}}'))
    assert "limit" == last["error"]["code"]
    assert "[[" not in str(before)
    many = "".join(sse(delta('{"content":"a"}', index=at)).decode() for at in range(5))
    assert 3 * 2 + 1 == len(documents(many.encode(), limits=Limits(max_choices=3)))


def test_a_keep_alive_goes_on_as_a_comment() -> None:
    cleaner = Cleaner()
    assert [PING] == cleaner.feed(b": OPENROUTER PROCESSING\n\n")
    assert [PING] == cleaner.feed(sse('{"type":"ping"}'))


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_a_keep_alive_keeps_its_place_whatever_the_cut(ends: bytes) -> None:
    stream = sse(delta('{"content":"a"}')) + b": ping\n\n" + sse('{"type":"ping"}', delta('{"content":"b"}', "stop"))
    stream = (b": ping\n" + stream + DONE + b": ping\n\n").replace(b"\n", ends)
    said = ["assistant", "a", "b", "stop", "[DONE]"]
    for kind in (bytes, bytearray, memoryview):
        for blocks in every_cut(stream):
            clean = cleaned([kind(block) for block in blocks])
            found = re.findall(rb'ping|"assistant"|"a"|"b"|"stop"|\[DONE\]', clean)
            assert ["ping", *said[:2], "ping", "ping", *said[2:]] == [one.strip(b'"').decode() for one in found]


@each(some(TRACES))
def test_a_recorded_stream_is_cleaned_alike_whatever_the_cut(recorded: Recorded) -> None:
    assert cleaned(recorded.body) == cleaned(list(recorded.blocks)) == cleaned(each_byte(recorded.body))


# --- fields


def test_unknown_fields_stand_where_they_stood() -> None:
    dirty = [
        chunk(
            choice('{"content":"a","annotations":[{"url":"u"}]}', more='"filter":{"hate":false}'), '"citations":["u"]'
        ),
        delta('{"tool_calls":[{"index":0,"id":"a","sign":"s","function":{"name":"f","arguments":"","k":1}}]}'),
        chunk("", '"prompt_filter_results":[]'),
    ]
    first, second, last, head, held, _ = documents(*dirty)
    assert ["u"] == first["citations"]
    assert {"hate": False} == first["choices"][0]["filter"]
    assert {"content": "a"} == second["choices"][0]["delta"]
    function = {"name": "f", "arguments": "", "k": 1}
    call = {"index": 0, "id": "a", "type": "function", "function": function, "sign": "s"}
    assert [call] == head["choices"][0]["delta"]["tool_calls"]
    assert {"annotations": [{"url": "u"}]} == held["choices"][0]["delta"], "no SDK joins a list without an index"
    assert ([], []) == (last["choices"], last["prompt_filter_results"])


def test_an_unknown_field_is_said_again_only_where_that_changes_something() -> None:
    dirty = [delta('{"content":"a"}', more=f'"provider":"{one}"') for one in "PPQQ"]
    assert ["P", "Q"] == [one["provider"] for one in documents(*dirty)[:-1] if "provider" in one]


def test_content_stands_after_what_else_a_delta_says_wherever_halves_of_characters_waited() -> None:
    dirty = sse(delta('{"content":"a\\ud83d","reasoning":"\\ud83d"}', "stop")) + DONE
    once = cleaned(dirty)
    assert b'{"reasoning":"\xef\xbf\xbd","content":"\xef\xbf\xbd"}' in once
    assert once == cleaned(once)


def test_a_call_whose_fragment_broke_a_limit_is_said_at_the_end() -> None:
    dirty = sse('{"error":"no"}', delta('{"content":"a","tool_calls":[{"index":0,"odd":[[[[1]]]]}]}'))
    limits = Limits(max_nesting=3)
    response = read(cleaned(dirty, limits=limits)).snapshot()
    assert meant(read(dirty, limits=limits).snapshot(), ids=False) == meant(response, ids=False)


def test_usage_of_which_nothing_could_be_read_is_not_written_as_an_empty_report() -> None:
    dirty = sse(delta('{"content":"a"}', "stop")) + (
        b'data: {"choices":[],"usage":{"prompt_tokens":"many","prompt_tokens_details":7},"x_groq":{"usage":7}}\n\n'
    )
    clean = cleaned(dirty + DONE)
    assert b'"usage":{}' not in clean
    assert clean == cleaned(clean)


@each(TRACES)
def test_a_recorded_stream_that_was_cleaned_stays_as_it_is(recorded: Recorded) -> None:
    once = cleaned(list(recorded.blocks))
    assert once == cleaned(once)


@shared
@pytest.mark.quick(2)
@pytest.mark.parametrize("part", range(8))
def test_a_shared_stream_that_was_cleaned_stays_as_it_is(part: int) -> None:
    for recorded in SHARED[part::8]:
        once = cleaned(recorded.body)
        assert once == cleaned(once), recorded.name


@given(st.data())
@examples(40)
def test_any_stream_that_was_cleaned_stays_as_it_is(data: st.DataObject) -> None:
    once = cleaned(data.draw(streams()).wire)
    assert once == cleaned(once)


@given(st.data())
@examples(40)
def test_nothing_is_taken_back_and_no_cut_is_seen(data: st.DataObject) -> None:
    stream = data.draw(streams()).wire
    at = data.draw(st.integers(0, len(stream)))
    before = b"".join(Cleaner().feed(stream[:at]))
    assert cleaned(stream).startswith(before)
    assert cleaned(stream) == cleaned(data.draw(cut(stream)))


def test_what_nothing_can_be_made_of_stays_behind() -> None:
    dirty = sse(
        delta(
            '{"content":"a","tool_calls":5,"function_call":"f","audio":1}', more='"usage":"much","created":"2025-11-21"'
        ),
        chunk('{"index":0,"delta":"bad","logprobs":"bad","finish_reason":"stop"}'),
        delta('{"tool_calls":[{"index":0,"id":"a","function":"f","custom":1}]}'),
    )
    clean = read(cleaned(dirty + DONE))
    assert [] == worse_than_a_note(clean)
    assert meant(read(dirty + DONE).snapshot()) != meant(clean.snapshot())
    response = clean.snapshot()
    assert response is not None
    assert ("a", "stop") == (response.choices[0].message.content, response.choices[0].finish_reason)


def test_audio_and_its_transcript_go_on() -> None:
    dirty = sse(
        delta('{"audio":{"id":"x","transcript":"a\\ud83d"}}'),
        delta('{"audio":{"data":"QUI=","transcript":"\\ude00"}}'),
        delta('{"audio":{"data":"Qw==","expires_at":9}}', "stop"),
    )
    clean = read(cleaned(dirty + DONE))
    assert read(dirty + DONE).snapshot() == clean.snapshot()
    assert () == clean.anomalies


def test_chunks_that_somebody_else_decoded_are_cleaned_too() -> None:
    cleaner = Cleaner()
    out = cleaner.add({"choices": {"delta": {"content": "a"}}, "id": "c"})
    assert b'"content":"a"' in out[-1]
    assert cleaner.response is not None
    assert "c" == cleaner.response.id
    assert [PING] == cleaner.add({"type": "ping"})
    assert cleaner.accumulator.anomalies
    assert cleaner.outcome is None


# --- cost


@pytest.mark.parametrize("shape", ["text", "tools"])
def test_four_times_as_many_chunks_cost_four_times_as_much(shape: str) -> None:
    fragment = '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"xxxx"}}]}'
    one = sse(delta('{"content":"wörd ","reasoning":"x"}' if shape == "text" else fragment))
    short, long = best(lambda blocks: cleaned(blocks), [one] * 1000, [one] * 4000, enough=6)
    assert long < 8 * short


@pytest.mark.parametrize("shape", ["text", "tools"])
def test_it_costs_at_most_five_times_what_an_accumulator_costs(shape: str) -> None:
    """On text and on arguments it is about two times."""
    piece = '{"content":" word"}' if shape == "text" else '{"tool_calls":[{"index":0,"function":{"arguments":"abcd"}}]}'
    head = '{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}'
    blocks = [sse(delta(head if shape == "tools" else piece)), *[sse(delta(piece))] * 4000]

    def fed(make: Any) -> None:
        reader = make()
        for block in blocks:
            reader.feed(block)

    feed, clean = best(fed, Accumulator, Cleaner, enough=2)
    assert clean < 5 * feed


@each(TRACES)
def test_the_fast_lane_changes_no_byte(recorded: Recorded) -> None:
    for blocks in (list(recorded.blocks), [recorded.body]):
        slow = Cleaner()
        slow.accumulator._reader.retire()
        out = [event for block in blocks for event in slow.feed(block)]
        assert b"".join([*out, *slow.close()]) == cleaned(blocks)


def test_it_keeps_no_text_beside_that_of_the_response() -> None:
    arguments = '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"%s"}}]}' % ("x" * 200)
    block = sse(delta(arguments))
    tracemalloc.start()
    try:
        cleaner = Cleaner()
        for _ in range(2000):
            cleaner.feed(block)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1.5 * 2000 * 200
    assert cleaner.response is not None
