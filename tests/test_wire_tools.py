"""What real senders write, entry by entry: tool calls, 66 to 95. See test_wire.py.

A fragment is JSON in the test; `calls` puts each into a separate chunk and finishes with `tool_calls`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import Reading, calls, delta, read, sse
from streamkit import Accumulator, structure, unstructure
from streamkit.events import FunctionCallDone, ToolCallDelta, ToolCallDone, ToolCallStarted
from streamkit.types import ChatCompletionRequestAssistantMessage, CreateChatCompletionStreamResponse

STOP = delta("{}", "stop")


def fragment(**fields: Any) -> str:
    """A fragment: `index`, `id`, `type`, `name` and `arguments` where they belong, anything else on the call."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return json.dumps({**fields, **({"function": function} if function else {})})


def complete(reading: Reading) -> list[bool]:
    """Whether each call of choice 0 is ready to run."""
    return [call.complete for call in reading.accumulator.snapshot().choices[0].message.tool_calls]


def told(reading: Reading) -> list[tuple[str, str]]:
    """Code and severity of each anomaly."""
    return [(one.code, one.severity) for one in reading.anomalies]


# --- which call


def test_066_without_an_index_an_id_opens_a_call() -> None:
    reading = read(
        *calls(
            fragment(id="a", type="function", name="f", arguments="{}"),
            fragment(id="b", type="function", name="f", arguments='{"x":1}'),
        )
    )
    assert [("a", "f", "{}"), ("b", "f", '{"x":1}')] == reading.calls
    assert ([True, True], [("tool_index_missing", "repaired")]) == (complete(reading), told(reading))


def test_066_so_it_does_where_all_calls_stand_in_one_chunk() -> None:
    both = ",".join(fragment(id=name, name="f", arguments="{}") for name in "ab")
    assert [("a", "f", "{}"), ("b", "f", "{}")] == read(*calls(both)).calls


def test_067_without_an_index_bare_arguments_continue_the_last_call() -> None:
    reading = read(
        *calls(
            fragment(id="a", name="f", arguments=""),
            fragment(arguments='{"x"'),
            fragment(arguments=":1}"),
            fragment(id="b", name="g", arguments='{"y"'),
            fragment(arguments=":2}"),
        )
    )
    assert [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')] == reading.calls
    reasons = [reason for reason, _ in reading.accumulator.explain(0, 0)]
    assert ["rule 2", "rule 5"] == [reason.split(":")[0] for reason in reasons]


def test_068_calls_that_share_an_index_are_distinguished_by_their_ids() -> None:
    reading = read(
        *calls(
            fragment(index=0, id="a", name="f", arguments='{"x":1}'),
            fragment(index=0, id="b", name="f", arguments='{"x"'),
            fragment(index=0, arguments=":2}"),
        )
    )
    assert [("a", "f", '{"x":1}'), ("b", "f", '{"x":2}')] == reading.calls
    assert ([True, True], [("tool_index_reused", "repaired")]) == (complete(reading), told(reading))


@pytest.mark.parametrize("first", [1, 2, 7])
def test_069_the_first_index_may_be_any(first: int) -> None:
    reading = read(*calls(fragment(index=first, id="a", name="f", arguments=""), fragment(index=first, arguments="{}")))
    assert ([("a", "f", "{}")], []) == (reading.calls, reading.codes)
    assert [0] == [event.call for event in reading.of(ToolCallStarted)]


def test_070_indices_may_have_gaps_and_no_call_is_made_up_for_them() -> None:
    reading = read(
        *calls(
            fragment(index=0, id="a", name="f", arguments="{}"),
            fragment(index=5, id="b", name="g", arguments=""),
            fragment(index=1000000, id="c", name="h", arguments=""),
            fragment(index=5, arguments="{}"),
        )
    )
    assert ([("a", "f", "{}"), ("b", "g", "{}"), ("c", "h", "")], []) == (reading.calls, reading.codes)


# --- ids


def test_071_id_name_and_type_in_every_fragment_are_taken_once() -> None:
    pieces = ["", '{"x"', ":1", "}"]
    reading = read(
        *calls(*(fragment(index=0, id="call_a", type="function", name="get_x", arguments=one) for one in pieces))
    )
    assert [("call_a", "get_x", '{"x":1}')] == reading.calls
    assert ("function", [("tool_name_repeated", "note")]) == (reading.message["tool_calls"][0]["type"], told(reading))
    assert ["get_x"] * 3 == [event.name for event in reading.of(ToolCallDelta)]


def test_071_a_null_name_on_the_call_itself_is_an_unknown_field() -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f", arguments="{}").replace("{", '{"name":null,', 1)))
    assert ([("a", "f", "{}")], None) == (reading.calls, reading.message["tool_calls"][0]["name"])


@pytest.mark.parametrize("id", ['""', "null"], ids=["072 empty", "073 null"])
def test_072_an_id_that_is_empty_in_later_fragments_does_not_blank_the_first(id: str) -> None:
    later = f'{{"index":0,"id":{id},"type":{id},"function":{{"name":{id},"arguments":"{{}}"}}}}'
    reading = read(*calls(fragment(index=0, id="a", type="function", name="f", arguments=""), later))
    assert ([("a", "f", "{}")], [], [True]) == (reading.calls, reading.codes, complete(reading))


def test_073_a_type_that_is_always_null_is_a_function() -> None:
    reading = read(*calls('{"index":0,"id":"a","type":null,"function":{"name":"f","arguments":"{}"}}'))
    assert ("function", []) == (reading.message["tool_calls"][0]["type"], reading.codes)


def test_074_a_new_id_for_each_fragment_is_noise_once_arguments_run() -> None:
    """Until the first argument has arrived a changed id replaces the first, which may have been a placeholder: so the
    id is that of the first fragment with arguments."""
    reading = read(
        *calls(
            fragment(index=0, id="a1", name="f", arguments=""),
            fragment(index=0, id="a2", arguments='{"x"'),
            fragment(index=0, id="a3", arguments=":1"),
            fragment(index=0, id="a4", arguments="}"),
        )
    )
    assert [("a2", "f", '{"x":1}')] == reading.calls
    assert [("tool_id_changed", "note", 3)] == [(one.code, one.severity, one.count) for one in reading.anomalies]


def test_075_an_id_that_changes_on_the_way_is_the_same_call_with_its_first_id() -> None:
    """The survey leaves it to policy whether the first or the last id is kept. It is the first: it was reported with
    the call's start, and answers may be under way to it."""
    reading = read(
        *calls(fragment(index=0, id="a", name="f", arguments='{"x"'), fragment(index=0, id="b", arguments=":1}"))
    )
    assert ([("a", "f", '{"x":1}')], [("tool_id_changed", "note")]) == (reading.calls, told(reading))
    assert {"a"} == {event.id for event in reading.of(ToolCallStarted, ToolCallDelta, ToolCallDone)}


@pytest.mark.parametrize(
    "index, name", [(1, "f"), (1, "g"), (0, "g"), (None, "g")], ids=["index", "index and name", "name", "name alone"]
)
def test_076_calls_that_share_an_id_are_distinguished_by_index_or_name(index: int | None, name: str) -> None:
    second = fragment(id="grep:3", name=name, arguments='{"x":2}', **({} if index is None else {"index": index}))
    reading = read(*calls(fragment(index=0, id="grep:3", name="f", arguments='{"x":1}'), second))
    assert [("grep:3", "f", '{"x":1}'), ("grep:3", name, '{"x":2}')] == reading.calls
    assert [True, True] == complete(reading)
    assert ("tool_id_reused", "repaired") in told(reading)


def test_076_interleaved_arguments_of_calls_that_share_an_id_go_by_their_index() -> None:
    reading = read(
        *calls(
            fragment(index=0, id="a", name="f", arguments=""),
            fragment(index=1, id="a", name="f", arguments=""),
            fragment(index=0, id="a", arguments='{"x":1}'),
            fragment(index=1, id="a", arguments='{"x":2}'),
        )
    )
    assert ['{"x":1}', '{"x":2}'] == [arguments for _, _, arguments in reading.calls]


def test_076_an_id_at_another_index_without_a_name_is_still_its_call() -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f", arguments="{"), fragment(index=4, id="a", arguments="}")))
    assert ([("a", "f", "{}")], [("tool_index_changed", "note")]) == (reading.calls, told(reading))


@pytest.mark.parametrize("id", ["", '"id":"",', '"id":null,'], ids=["absent", "empty", "null"])
def test_077_without_any_id_a_stable_one_is_made_up_and_marked(id: str) -> None:
    fragments = [f'{{"index":{i},{id}"function":{{"name":"f","arguments":"{{}}"}}}}' for i in range(2)]
    first, second = read(*calls(*fragments)), read(*calls(*fragments))
    assert first.calls == second.calls
    assert 2 == len({id for id, _, _ in first.calls})
    found = first.accumulator.snapshot().choices[0].message.tool_calls
    assert ([True, True], [("tool_id_missing", "repaired")]) == ([call.synthetic_id for call in found], told(first))


def test_078_an_id_inside_the_function_is_taken_from_there() -> None:
    nested = '{"index":0,"type":"function","function":{"id":"q","name":"f","arguments":"%s"}}'
    reading = read(*calls(nested % "", nested % "{}"))
    assert [{"id": "q", "type": "function", "function": {"name": "f", "arguments": "{}"}}] == reading.message[
        "tool_calls"
    ]
    assert [("tool_id_nested", "repaired"), ("tool_name_repeated", "note")] == told(reading)


# --- names


def test_079_the_arguments_may_arrive_after_the_name_or_before_it() -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f"), fragment(index=0, arguments="{}")))
    assert ([("a", "f", "{}")], ["f"]) == (reading.calls, [event.name for event in reading.of(ToolCallStarted)])
    late = read(*calls(fragment(index=0, id="a", arguments='{"x":1}'), fragment(index=0, name="f")))
    assert ([("a", "f", '{"x":1}')], ["f"]) == (late.calls, [event.name for event in late.of(ToolCallDone)])
    assert [[True], [True]] == [complete(reading), complete(late)]


@pytest.mark.parametrize(
    "names", [["get_", "weather"], ["get_", "wea", "ther"], ["get_", "weather", "get_weather"], ["get_weather"] * 3]
)
def test_080_pieces_of_a_name_join_and_a_whole_name_again_does_not(names: list[str]) -> None:
    reading = read(
        *calls(fragment(index=0, id="a", name=names[0]), *(fragment(index=0, name=one) for one in names[1:]))
    )
    assert [("a", "get_weather", "")] == reading.calls


def test_081_an_empty_name_in_later_fragments_does_not_overwrite_the_first() -> None:
    reading = read(
        *calls(fragment(index=0, id="a", name="f", arguments=""), fragment(index=0, name="", arguments="{}"))
    )
    assert ([("a", "f", "{}")], []) == (reading.calls, reading.codes)


# --- arguments


def test_082_arguments_that_are_null_at_first_are_none_yet() -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f", arguments=None), fragment(index=0, arguments="{}")))
    assert ([("a", "f", "{}")], []) == (reading.calls, reading.codes)


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"city": "Köln", "n": [1, 2.5, None, True]}, '{"city":"Köln","n":[1,2.5,null,true]}'),
        ({}, "{}"),
        ([1], "[1]"),
    ],
)
def test_083_arguments_that_are_an_object_are_written_as_json(arguments: Any, text: str) -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f", arguments=arguments)))
    assert ([("a", "f", text)], [True]) == (reading.calls, complete(reading))
    assert [("arguments_object", "repaired")] == told(reading)
    assert [text] == [event.arguments for event in reading.of(ToolCallDelta)]


@pytest.mark.parametrize("written", ['"2"', '"null"', '"[]"', '"\\"x\\""'])
def test_084_arguments_that_are_not_an_object_are_kept_unchanged(written: str) -> None:
    """No tool takes them, but they are what the model wrote, whole: the caller who parses them sees it at once."""
    reading = read(*calls(f'{{"index":0,"id":"a","function":{{"name":"f","arguments":{written}}}}}'))
    assert ([("a", "f", json.loads(written))], [True], []) == (reading.calls, complete(reading), reading.codes)


def test_084_a_bare_number_is_written_as_json() -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f", arguments=12)))
    assert ([("a", "f", "12")], [("arguments_object", "repaired")]) == (reading.calls, told(reading))


def test_085_two_fragments_of_one_call_in_one_chunk_both_count() -> None:
    both = ",".join([fragment(index=0, id="a", name="f", arguments='{"x"'), fragment(index=0, arguments=":1}")])
    reading = read(*calls(both))
    assert ([("a", "f", '{"x":1}')], []) == (reading.calls, reading.codes)
    assert ['{"x"', ":1}"] == [event.arguments for event in reading.of(ToolCallDelta)]


def test_086_arguments_may_begin_in_the_chunk_with_the_name() -> None:
    reading = read(*calls(fragment(index=0, id="a", name="f", arguments="{"), fragment(index=0, arguments='"x":1}')))
    assert ([("a", "f", '{"x":1}')], []) == (reading.calls, reading.codes)


def test_087_tool_calls_that_are_an_object_are_a_list_of_it() -> None:
    one = fragment(index=0, id="a", type="function", name="f", arguments="{}")
    reading = read(delta(f'{{"tool_calls":{one}}}'), delta("{}", "tool_calls"))
    assert ([("a", "f", "{}")], [("tool_calls_object", "repaired")]) == (reading.calls, told(reading))


def test_088_a_function_that_is_null_is_ignored() -> None:
    reading = read(
        *calls(
            '{"index":0,"id":"a","type":"function","function":null}',
            fragment(index=0, name="f", arguments="{}"),
            '{"index":0,"function":null}',
        )
    )
    assert ([("a", "f", "{}")], [], [True]) == (reading.calls, reading.codes, complete(reading))


def test_089_an_index_that_is_a_string_is_a_number() -> None:
    reading = read(
        *calls(
            fragment(index="0", id="a", name="f", arguments=""),
            fragment(index="1", id="b", name="g", arguments=""),
            fragment(index="0", arguments="{}"),
        )
    )
    assert [("a", "f", "{}"), ("b", "g", "")] == reading.calls
    assert [("index_type", "repaired")] == told(reading)


def test_090_an_empty_list_of_calls_is_not_a_call() -> None:
    reading = read(*(delta(f'{{"content":"{text}","tool_calls":[]}}') for text in "abc"), STOP)
    assert ("abc", None, []) == (reading.message["content"], reading.message.get("tool_calls"), reading.codes)
    assert [] == reading.of(ToolCallStarted)


def test_091_a_custom_tool_has_free_text() -> None:
    reading = read(
        *calls(
            '{"index":0,"id":"a","type":"custom","custom":{"name":"sql","input":""}}',
            '{"index":0,"custom":{"input":"select "}}',
            '{"index":0,"custom":{"input":"1"}}',
        )
    )
    assert [{"id": "a", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}] == reading.message[
        "tool_calls"
    ]
    assert ([True], [], ["select ", "1"]) == (
        complete(reading), reading.codes, [event.arguments for event in reading.of(ToolCallDelta)],
    )  # fmt: skip


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_092_no_arguments_stay_as_they_were_written(arguments: str) -> None:
    reading = read(*calls(fragment(index=0, id="a", name="now", arguments=arguments)))
    assert ([("a", "now", arguments)], [True], []) == (reading.calls, complete(reading), reading.codes)


def test_093_interleaved_calls_are_done_once_each_and_at_the_end() -> None:
    reading = read(
        *calls(
            fragment(index=0, id="a", name="f", arguments=""),
            fragment(index=1, id="b", name="g", arguments=""),
            fragment(index=0, arguments='{"x"'),
            fragment(index=1, arguments='{"y"'),
            fragment(index=0, arguments=":1}"),
            fragment(index=1, arguments=":2}"),
        )
    )
    assert [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')] == reading.calls
    assert [(0, '{"x":1}'), (1, '{"y":2}')] == [
        (event.call, event.tool_call.function.arguments) for event in reading.of(ToolCallDone)
    ]
    assert ["Finish", "ToolCallDone", "ToolCallDone", "ChoiceDone", "End"] == reading.kinds[-5:]
    assert [] == reading.codes


# --- what goes with a call

SIGNED = '{"google":{"thought_signature":"c2ln+/=="}}'


def sent_back(reading: Reading) -> Any:
    """The assistant message of the next turn, as JSON, with calls whose arguments are no document (`{}{}`) as well."""
    request = reading.accumulator.snapshot().choices[0].message.to_request(incomplete_calls="as_sent")
    assert isinstance(request, ChatCompletionRequestAssistantMessage)
    return unstructure(request)


@pytest.mark.parametrize("maker", ["google", "vertex"])
def test_094_a_thought_signature_on_a_call_goes_back_verbatim(maker: str) -> None:
    signed = SIGNED.replace("google", maker)
    one = '{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":%s}'
    reading = read(*calls(one % signed, one % signed))
    assert json.loads(signed) == sent_back(reading)["tool_calls"][0]["extra_content"]
    assert json.loads(signed) == reading.message["tool_calls"][0]["extra_content"]


def test_094_one_on_text_or_alone_does_so_too() -> None:
    reading = read(delta('{"content":"Hi"}'), delta(f'{{"content":"","extra_content":{SIGNED}}}'), STOP)
    assert ("Hi", json.loads(SIGNED)) == (sent_back(reading)["content"], sent_back(reading)["extra_content"])
    alone = read(delta('{"content":"Hi"}'), delta(f'{{"extra_content":{SIGNED}}}'), STOP)
    assert json.loads(SIGNED) == sent_back(alone)["extra_content"]


def test_094_signatures_are_never_joined() -> None:
    signed = [f'{{"content":"a","extra_content":{{"google":{{"thought_signature":"{one}"}}}}}}' for one in ("s1", "s2")]
    assert {"google": {"thought_signature": "s2"}} == sent_back(read(*map(delta, signed), STOP))["extra_content"]


def test_095_a_function_call_of_the_first_kind_has_one_name() -> None:
    reading = read(
        delta('{"function_call":{"name":"f","arguments":""}}'),
        delta('{"function_call":{"name":null,"arguments":"{\\"x\\""}}'),
        delta('{"function_call":{"arguments":":1}"}}'),
        delta("{}", "function_call"),
    )
    assert ({"name": "f", "arguments": '{"x":1}'}, []) == (reading.message["function_call"], reading.codes)
    (done,) = reading.of(FunctionCallDone)
    assert ("f", '{"x":1}') == (done.function_call.name, done.function_call.arguments)


# --- what holds for all of them


@pytest.mark.parametrize("reason", ["length", "content_filter"])
@pytest.mark.parametrize("arguments", ["", "{}", '{"x":'])
def test_a_call_that_was_cut_off_is_never_complete(reason: str, arguments: str) -> None:
    one = fragment(index=0, id="a", name="f", arguments=arguments)
    assert [False] == complete(read(delta(f'{{"tool_calls":[{one}]}}'), delta("{}", reason)))


def test_arguments_that_are_not_json_are_never_complete() -> None:
    assert [False] == complete(read(*calls(fragment(index=0, id="a", name="f", arguments='{"x":1}}'))))


def test_a_call_inside_a_failed_stream_is_never_complete() -> None:
    one = fragment(index=0, id="a", name="f", arguments="{}")
    reading = read(delta(f'{{"tool_calls":[{one}]}}'), '{"error":{"message":"gone"}}')
    assert (("failed", "remote_error"), [False]) == (reading.ending, complete(reading))


def test_a_name_repeated_beside_a_mirrored_function_call_is_one_name() -> None:
    """llama-cpp-python writes id, type and name in every chunk, and each piece a second time under `function_call`."""
    mirrored = (
        '{"role":null,"content":null,"function_call":{"name":"f","arguments":%s},'
        '"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":%s}}]}'
    )
    pieces = [json.dumps(one) for one in ('{"x"', ":1}", "")]
    reading = read(*(delta(mirrored % (one, one)) for one in pieces), delta("{}", "tool_calls"))
    assert [("x", "f", '{"x":1}')] == reading.calls
    assert {"name": "f", "arguments": '{"x":1}'} == reading.message["function_call"]
    assert [("tool_name_repeated", "note")] == told(reading)
    assert (1, 1) == (len(reading.of(ToolCallDone)), len(reading.of(FunctionCallDone)))


def test_chunks_decoded_elsewhere_are_the_same_calls() -> None:
    documents = calls(
        fragment(index=0, id="a", type="function", name="f", arguments=""), fragment(index=0, arguments="{}")
    )
    accumulator = Accumulator()
    for one in documents:
        accumulator.add(structure(json.loads(one), CreateChatCompletionStreamResponse))
    accumulator.close()
    fed = Accumulator()
    fed.feed(sse(*documents))
    fed.close()
    assert accumulator.snapshot() == fed.snapshot()
