"""Which tool call a fragment belongs to: the five rules, on what senders write."""

from __future__ import annotations

import json

import pytest

from helpers.wire import calls, choice, chunk, delta, read, read_blocks, sse
from streamkit.events import ToolCallDelta, ToolCallDone, ToolCallStarted

OPEN_F = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}'


def args(text: str, rest: str = '"index":0') -> str:
    """A fragment of arguments only."""
    return f'{{{rest},"function":{{"arguments":{json.dumps(text)}}}}}'


def bare(text: str) -> str:
    """A fragment of arguments with nothing that says whose."""
    return f'{{"function":{{"arguments":{json.dumps(text)}}}}}'


def head(
    id: str | None, name: str | None, arguments: str | None = None, index: int | str | None = 0, more: str = ""
) -> str:
    """A fragment with those of its facts that are given."""
    facts = [] if index is None else [f'"index":{index}']
    facts += [] if id is None else [f'"id":{json.dumps(id)}']
    function = [] if name is None else [f'"name":{json.dumps(name)}']
    function += [] if arguments is None else [f'"arguments":{json.dumps(arguments)}']
    facts += [f'"function":{{{",".join(function)}}}'] if function else []
    return "{" + ",".join([*facts, *([more] if more else [])]) + "}"


# the wire, fragment by fragment -> the calls: (id, name, arguments)
CASES: dict[str, tuple[list[str], list[tuple[str, str, str]]]] = {
    "as openai writes it": (
        [
            '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}',
            '{"index":0,"function":{"arguments":"{\\"a\\":"}}',
            '{"index":0,"function":{"arguments":"1}"}}',
            '{"index":1,"id":"y","type":"function","function":{"name":"g","arguments":""}}',
            '{"index":1,"function":{"arguments":"{}"}}',
        ],
        [("x", "f", '{"a":1}'), ("y", "g", "{}")],
    ),
    "everything in one fragment": ([head("x", "f", "{}")], [("x", "f", "{}")]),
    "no arguments at all": ([head("x", "f")], [("x", "f", "")]),
    # rule 1: an id seen before is that call
    "all index 0, distinct ids": (
        [head("x", "f", "{}"), head("y", "g", "[]"), head("z", "f", "{}")],
        [("x", "f", "{}"), ("y", "g", "[]"), ("z", "f", "{}")],
    ),
    "all index 0, distinct ids, the same name and arguments": (
        [head("x", "f", "{}"), head("y", "f", "{}")],
        [("x", "f", "{}"), ("y", "f", "{}")],
    ),
    "all index 0, interleaved by id": (
        [head("x", "f", "{"), head("y", "g", "["), head("x", None, "}"), head("y", None, "]")],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "id and name repeated in every fragment": (
        [head("x", "f", "{"), head("x", "f", '"a":1'), head("x", "f", "}")],
        [("x", "f", '{"a":1}')],
    ),
    "id and name repeated for two calls, interleaved": (
        [head("x", "f", "{"), head("y", "g", "[", 1), head("x", "f", "}"), head("y", "g", "]", 1)],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "id and name repeated, all index 0, interleaved": (
        [head("x", "f", "{"), head("y", "g", "["), head("x", "f", "}"), head("y", "g", "]")],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "a known id at an index that is not its own": (
        [head("x", "f", "{", 0), head("y", "g", "[", 1), head("x", None, "}", 1), head("y", None, "]", 0)],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "a known id without an index": (
        [head("x", "f", "{"), head("y", "g", "[", 1), head("x", None, "}", None)],
        [("x", "f", "{}"), ("y", "g", "[")],
    ),
    "the same id for two calls at different indices": (
        [head("x", "f", "{}", 0), head("x", "f", "{}", 1)],
        [("x", "f", "{}"), ("x", "f", "{}")],
    ),
    "the same id for two calls at different indices, interleaved": (
        [head("x", "f", "{", 0), head("x", "g", "[", 1), args("}", '"index":0'), args("]", '"index":1')],
        [("x", "f", "{}"), ("x", "g", "[]")],
    ),
    "the same id in every fragment of two calls, interleaved": (
        [head("x", "f", "{", 0), head("x", "f", "[", 1), head("x", None, "}", 0), head("x", None, "]", 1)],
        [("x", "f", "{}"), ("x", "f", "[]")],
    ),
    "the same id and names in every fragment of two calls, interleaved": (
        [head("x", "f", "{", 0), head("x", "f", "[", 1), head("x", "f", "}", 0), head("x", "f", "]", 1)],
        [("x", "f", "{}"), ("x", "f", "[]")],
    ),
    "the same id with another name at the same index": (
        [head("x", "f", "{}"), head("x", "g", "[]")],
        [("x", "f", "{}"), ("x", "g", "[]")],
    ),
    # rule 2: a new id with a name opens a call, unless the slot still waits for its id
    "the id comes with the name again, after a name without id": (
        [head(None, "f", ""), head("x", "f", "{}")],
        [("x", "f", "{}")],
    ),
    "the id comes with the name, after arguments": ([args("{}"), head("x", "f")], [("x", "f", "{}")]),
    "the id comes with the name, between arguments": (
        [args("{"), head("x", "f", '"a":1'), args("}")],
        [("x", "f", '{"a":1}')],
    ),
    # rule 3: a known index is that slot
    "the id comes late and alone": ([head(None, "f", "{"), head("x", None, "}")], [("x", "f", "{}")]),
    "the id comes last, without a function": ([head(None, "f", "{}"), head("x", None)], [("x", "f", "{}")]),
    "a new id in every fragment": (
        [head("x", "f", ""), head("y", None, "{"), head("z", None, "}")],
        [("y", "f", "{}")],
    ),
    "the id changes while arguments run": (
        [head("x", "f", "{"), head("y", None, '"a":1'), head("z", None, "}")],
        [("x", "f", '{"a":1}')],
    ),
    "the id changes before any argument": ([head("x", "f"), head("y", None), args("{}")], [("y", "f", "{}")]),
    "an id that was replaced is known all the same": (
        [
            head("x", "f"),
            head("y", None, "{"),
            head("z", "g", "[", 1),
            head("x", None, "}", None),
            head("z", None, "]", None),
        ],
        [("y", "f", "{}"), ("z", "g", "[]")],
    ),
    "an empty id in the fragments that follow": (
        [head("x", "f", ""), head("", None, "{"), head("", None, "}")],
        [("x", "f", "{}")],
    ),
    "an empty name in the fragments that follow": (
        [head("x", "f", ""), head(None, "", "{"), head(None, "", "}")],
        [("x", "f", "{}")],
    ),
    "no ids, index 0 for all, another name after arguments": (
        [head(None, "f", "{}"), head(None, "g", "[]")],
        [("call_c1_0_0", "f", "{}"), ("call_c1_0_1", "g", "[]")],
    ),
    "two fragments with the same index in one chunk": (
        [head("x", "f", "{") + "," + args("}")],
        [("x", "f", "{}")],
    ),
    "interleaved by index": (
        [
            head("x", "f", "", 0),
            head("y", "g", "", 1),
            args("{", '"index":0'),
            args("[", '"index":1'),
            args("}", '"index":0'),
            args("]", '"index":1'),
        ],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    # rule 4: an unknown index, or none, with an id or a name, opens a call
    "the first index is 1": (
        [head("x", "f", "{", 1), args("}", '"index":1')],
        [("x", "f", "{}")],
    ),
    "indices with holes, the larger one first": (
        [head("x", "f", "{", 7), head("y", "g", "[", 2), args("}", '"index":7'), args("]", '"index":2')],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "indices as strings": (
        [head("x", "f", "{", '"0"'), head("y", "g", "[", '"1"'), args("}", '"index":"0"'), args("]", '"index":1')],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "an index as a float": ([head("x", "f", "{", "0.0"), args("}")], [("x", "f", "{}")]),
    "an index that is null": ([head("x", "f", "{", "null"), args("}", '"index":null')], [("x", "f", "{}")]),
    "an index that is no number": ([head("x", "f", "{", '"a"'), args("}", '"index":"a"')], [("x", "f", "{}")]),
    "no index, whole calls": (
        [head("x", "f", "{}", None), head("y", "g", "[]", None)],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "no index, whole calls in one chunk": (
        [head("x", "f", "{}", None) + "," + head("y", "f", "{}", None)],
        [("x", "f", "{}"), ("y", "f", "{}")],
    ),
    "no index and no id, whole calls": (
        [head(None, "f", "{}", None), head(None, "f", "{}", None)],
        [("call_c1_0_0", "f", "{}"), ("call_c1_0_1", "f", "{}")],
    ),
    "no ids, indices": (
        [head(None, "f", "{}", 0), head(None, "f", "{}", 1)],
        [("call_c1_0_0", "f", "{}"), ("call_c1_0_1", "f", "{}")],
    ),
    "empty ids": (
        [head("", "f", "{}", 0), head("", "g", "{}", 1)],
        [("call_c1_0_0", "f", "{}"), ("call_c1_0_1", "g", "{}")],
    ),
    # rule 5: bare arguments continue the last call
    "no index, fragments": (
        [head("x", "f", "", None), bare("{"), bare("}"), head("y", "g", "", None), bare("["), bare("]")],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "bare arguments go on the call that had the last fragment": (
        [head("x", "f", "", 0), head("y", "g", "[]", 1), args("{", '"index":0'), bare("}")],
        [("x", "f", "{}"), ("y", "g", "[]")],
    ),
    "bare arguments before any call": ([bare("{"), bare("}")], [("call_c1_0_0", "", "{}")]),
    # names
    "the name in pieces": ([head("x", "get_"), head(None, "weather"), args("{}")], [("x", "get_weather", "{}")]),
    "the name in pieces, the id in each": (
        [head("x", "get_"), head("x", "weather"), args("{}")],
        [("x", "get_weather", "{}")],
    ),
    "the name after the arguments": ([head("x", None, "{}"), head(None, "f")], [("x", "f", "{}")]),
    "the name after the arguments, with the id": ([head("x", None, "{}"), head("x", "f")], [("x", "f", "{}")]),
    "the name after some of the arguments": (
        [head("x", None, "{"), head(None, "f", '"a":1'), args("}")],
        [("x", "f", '{"a":1}')],
    ),
    "the name repeated at the end": ([head("x", "f", "{}"), head(None, "f")], [("x", "f", "{}")]),
    "the name null, then given": (
        ['{"index":0,"id":"x","function":{"name":null,"arguments":null}}', head(None, "f"), args("{}")],
        [("x", "f", "{}")],
    ),
    # forms
    "a null for everything erases nothing": (
        [OPEN_F, '{"index":0,"id":null,"type":null,"function":{"name":null,"arguments":"{}"}}'],
        [("x", "f", "{}")],
    ),
    "no function, or null": (
        ['{"index":0,"id":"x"}', '{"index":0,"function":null}', head(None, "f", "{}")],
        [("x", "f", "{}")],
    ),
    "arguments null first": (
        ['{"index":0,"id":"x","function":{"name":"f","arguments":null}}', args("{}")],
        [("x", "f", "{}")],
    ),
    "arguments as an object": (
        ['{"index":0,"id":"x","function":{"name":"f","arguments":{"city":"Zürich","n":[1,2.5,null]}}}'],
        [("x", "f", '{"city":"Zürich","n":[1,2.5,null]}')],
    ),
    "arguments as a number": (['{"index":0,"id":"x","function":{"name":"f","arguments":2}}'], [("x", "f", "2")]),
    "arguments as an empty object": (
        ['{"index":0,"id":"x","function":{"name":"f","arguments":{}}}'],
        [("x", "f", "{}")],
    ),
    "an id that is a number": (
        ['{"index":0,"id":17,"function":{"name":"f","arguments":"{"}}', '{"id":17,"function":{"arguments":"}"}}'],
        [("17", "f", "{}")],
    ),
    "an id inside the function": (
        ['{"index":0,"function":{"id":"x","name":"f","arguments":"{}"}}'],
        [("x", "f", "{}")],
    ),
    "null in the list": ([OPEN_F, "null," + args("{}")], [("x", "f", "{}")]),
    "half a pair at the end of each fragment": (
        [
            OPEN_F,
            '{"index":0,"function":{"arguments":"\\"\\ud83d"}}',
            '{"index":0,"function":{"arguments":"\\ude00\\""}}',
        ],
        [("x", "f", '"\U0001f600"')],
    ),
    "halves of two calls do not meet": (
        [
            head("x", "f", "", 0),
            head("y", "g", "", 1),
            '{"index":0,"function":{"arguments":"\\ud83d"}}',
            '{"index":1,"function":{"arguments":"\\ud83e"}}',
            '{"index":0,"function":{"arguments":"\\ude00"}}',
            '{"index":1,"function":{"arguments":"\\udd16"}}',
        ],
        [("x", "f", "\U0001f600"), ("y", "g", "\U0001f916")],
    ),
}


@pytest.mark.parametrize("fragments, expected", CASES.values(), ids=list(CASES))
def test_each_fragment_is_assigned_to_its_call(fragments: list[str], expected: list[tuple[str, str, str]]) -> None:
    assert expected == read(*calls(*fragments)).calls


@pytest.mark.parametrize("fragments, expected", CASES.values(), ids=list(CASES))
def test_each_choice_goes_by_itself(fragments: list[str], expected: list[tuple[str, str, str]]) -> None:
    documents = [
        chunk(",".join(choice(f'{{"tool_calls":[{one}]}}', index=index) for index in (0, 1))) for one in fragments
    ]
    reading = read(*documents, delta("{}", "tool_calls", 0), delta("{}", "tool_calls", 1))
    for at in (0, 1):
        listed = reading.response["choices"][at]["message"]["tool_calls"]
        assert [(name, arguments) for _, name, arguments in expected] == [
            (one["function"]["name"], one["function"]["arguments"]) for one in listed
        ]
        made_up = [id.replace("call_c1_0", f"call_c1_{at}") for id, _, _ in expected]
        assert made_up == [one["id"] for one in listed]


def test_tool_calls_may_be_an_object() -> None:
    reading = read(delta(f'{{"tool_calls":{head("x", "f", "{}")}}}', "tool_calls"))
    assert [("x", "f", "{}")] == reading.calls


@pytest.mark.parametrize("empty", ["[]", "null"])
def test_no_tool_calls_are_none(empty: str) -> None:
    assert "tool_calls" not in read(delta(f'{{"content":"a","tool_calls":{empty}}}', "stop")).message


def test_an_id_that_was_generated_is_marked_and_the_same_in_every_run() -> None:
    documents = calls(head(None, "f", "{}", 0), head("y", "g", "{}", 1))
    first, second = (read(*documents).accumulator.snapshot().choices[0].message.tool_calls for _ in range(2))
    assert [("call_c1_0_0", True), ("y", False)] == [(one.id, one.synthetic_id) for one in first]
    assert first == second


NAMELESS = '{{"id":{},"choices":[{{"index":0,"delta":{{"tool_calls":[{}]}}}}]}}'
SAME = head(None, "f", "{}", 0)


@pytest.mark.parametrize(
    "response, expected",
    [
        ('"chatcmpl-9a"', "call_chatcmpl-9a_0_0"),
        ('"gen/1:2 é"', "call_gen-1-2-_0_0"),
        ('"chatcmpl-0123456789abcdef0123456789abcdef"', "call_123456789abcdef0123456789abcdef_0_0"),
        ('""', "call_0_0"),
        ("null", "call_0_0"),
    ],
)
def test_an_id_that_was_generated_says_of_which_response_it_is(response: str, expected: str) -> None:
    # An agent keeps the calls of many turns: two of one id, or one of more than 40 characters, and OpenAI refuses them.
    reading = read(NAMELESS.format(response, SAME), delta(finish="tool_calls"))
    assert [(expected, "f", "{}")] == reading.calls
    assert [expected] * 3 == [one.id for one in reading.of(ToolCallStarted, ToolCallDelta, ToolCallDone)]
    assert len(expected) <= 40


def test_an_id_that_was_generated_stays_when_the_response_gets_its_id_later_or_another() -> None:
    later = read(NAMELESS.format("null", SAME), NAMELESS.format('"r"', head(None, "g", "{}", 1)))
    assert ["call_0_0", "call_r_0_1"] == [id for id, _, _ in later.calls]
    changed = read(NAMELESS.format('"a"', SAME), NAMELESS.format('"b"', head(None, "g", "{}", 1)))
    assert ["call_a_0_0", "call_a_0_1"] == [id for id, _, _ in changed.calls]


def test_a_place_that_leaves_no_room_for_the_response_is_written_alone() -> None:
    documents = '{"id":"r","choices":[{"index":%d,"delta":{"tool_calls":[%s]},"finish_reason":"stop"}]}'
    (found,) = read(documents % (10**34, SAME)).of(ToolCallDone)
    assert f"call_{10**34}_0" == found.id


def test_an_id_that_was_generated_is_not_the_id_of_another_call() -> None:
    ids = [id for id, _, _ in read(*calls(head("call_c1_0_1", "f", "{}", 0), head(None, "g", "{}", 1))).calls]
    assert 2 == len(set(ids))
    assert "call_c1_0_1" == ids[0]


def test_an_unknown_type_stays_and_the_first_one_is_kept() -> None:
    reading = read(
        *calls('{"index":0,"id":"x","type":"retrieval","function":{"name":"f"}}', '{"index":0,"type":"function"}')
    )
    assert "retrieval" == reading.message["tool_calls"][0]["type"]


def test_a_missing_type_is_function() -> None:
    assert "function" == read(*calls(head("x", "f", "{}"))).message["tool_calls"][0]["type"]


def test_a_custom_tool_has_its_input_as_text() -> None:
    reading = read(
        *calls(
            '{"index":0,"id":"x","type":"custom","custom":{"name":"grep","input":""}}',
            '{"index":0,"custom":{"input":"a\\n\\ud83d"}}',
            '{"index":0,"custom":{"input":"\\ude00b","origin":"o"}}',
        )
    )
    assert [
        {"id": "x", "type": "custom", "custom": {"name": "grep", "input": "a\n\U0001f600b", "origin": "o"}}
    ] == reading.message["tool_calls"]
    assert ["a\n", "\U0001f600b"] == [event.arguments for event in reading.of(ToolCallDelta)]


def test_a_custom_tool_needs_no_type() -> None:
    reading = read(*calls('{"index":0,"id":"x","custom":{"name":"grep","input":"a"}}'))
    assert [{"id": "x", "type": "custom", "custom": {"name": "grep", "input": "a"}}] == reading.message["tool_calls"]


def test_unknown_fields_of_a_call_and_of_its_function_stay_in_place() -> None:
    reading = read(
        *calls(
            '{"index":0,"id":"x","function":{"name":"f","arguments":"","strict":true},"extra_content":{"google":{"thought_signature":"s"}}}',
            '{"index":0,"function":{"arguments":"{}","origin":"o"},"extra_content":{"google":{"cost":1}}}',
        )
    )
    assert [
        {
            "id": "x",
            "type": "function",
            "function": {"name": "f", "arguments": "{}", "strict": True, "origin": "o"},
            "extra_content": {"google": {"thought_signature": "s", "cost": 1}},
        }
    ] == reading.message["tool_calls"]


def test_the_index_of_a_fragment_is_not_in_the_response() -> None:
    assert "index" not in read(*calls(head("x", "f", "{}", 3))).message["tool_calls"][0]


@pytest.mark.parametrize(
    "arguments, finish, complete",
    [
        ('{"a":1}', "tool_calls", True),
        ("", "tool_calls", True),
        ('{"a":', "tool_calls", False),
        ("{}", "length", False),
        ('{"a":', "length", False),
        ("{}", "content_filter", False),
        ("{}", "stop", True),
        ("2", "tool_calls", True),
        ("[" * 100_000, "tool_calls", False),
    ],
    ids=["json", "none", "unfinished", "cut", "cut-unfinished", "filtered", "stop", "number", "deep"],
)
def test_a_call_is_complete_if_its_arguments_are_json_and_nothing_was_cut_off(
    arguments: str, finish: str, complete: bool
) -> None:
    reading = read_quickly(delta(f'{{"tool_calls":[{head("x", "f", arguments)}]}}'), delta("{}", finish))
    assert complete == reading.choices[0].message.tool_calls[0].complete


def read_quickly(*documents: str):

    return read_blocks([sse(*documents)]).accumulator.snapshot()


def test_only_the_last_call_is_cut_off_by_a_limit_on_tokens() -> None:
    documents = [delta(f'{{"tool_calls":[{one}]}}') for one in (head("x", "f", "{}", 0), head("y", "g", "{", 1))]
    assert [True, False] == [
        one.complete for one in read_quickly(*documents, delta("{}", "length")).choices[0].message.tool_calls
    ]


def test_a_call_is_not_complete_before_its_choice_has_finished() -> None:
    assert (
        not read_quickly(delta(f'{{"tool_calls":[{head("x", "f", "{}")}]}}')).choices[0].message.tool_calls[0].complete
    )


def test_a_custom_tool_is_complete_whatever_its_input() -> None:
    response = read_quickly(*calls('{"index":0,"id":"x","type":"custom","custom":{"name":"grep","input":"{"}}'))
    assert response.choices[0].message.tool_calls[0].complete


def test_tool_events_carry_position_id_and_name() -> None:
    reading = read(
        *calls(head("x", "f", "", 4), args("{", '"index":4'), head("y", "g", "[]", 9), args("}", '"index":4'))
    )
    assert [(0, "x", "f"), (1, "y", "g")] == [(e.call, e.id, e.name) for e in reading.of(ToolCallStarted)]
    assert [(0, "x", "f", "{"), (1, "y", "g", "[]"), (0, "x", "f", "}")] == [
        (e.call, e.id, e.name, e.arguments) for e in reading.of(ToolCallDelta)
    ]
    assert [(0, "x", "f", "{}"), (1, "y", "g", "[]")] == [
        (e.call, e.id, e.name, e.tool_call.function.arguments) for e in reading.of(ToolCallDone)
    ]


@pytest.mark.parametrize(
    "fragments, rules",
    [
        ([head("x", "f"), head("x", None, "{", None), head("x", None, "}", None)], [(4, 1), (1, 2)]),
        ([head("x", "f"), args("{"), args("}")], [(4, 1), (3, 2)]),
        ([head("x", "f", None, None), bare("{}"), args("", '"id":"x"')], [(4, 1), (5, 1), (1, 1)]),
        ([head(None, "f"), head("x", "f", "{}")], [(4, 1), (2, 1)]),
    ],
)
def test_each_call_can_say_why_each_fragment_was_assigned_to_it(
    fragments: list[str], rules: list[tuple[int, int]]
) -> None:
    found = read(*calls(*fragments)).accumulator.explain(0, 0)
    expected = [(number, count) for number, count in rules]
    assert [count for _, count in expected] == [count for _, count in found]
    assert [f"rule {number}" for number, _ in expected[1:]] == [reason.split(":")[0] for reason, _ in found[1:]]


def test_whatever_happens_to_its_calls_nothing_of_a_delta_is_lost() -> None:
    reading = read(delta('{"content":"a","tool_calls":["f",{"index":0,"id":"x","function":"g"}]}', "tool_calls"))
    assert "a" == reading.message["content"]
    assert [{"id": "x", "type": "function", "function": {"name": "", "arguments": ""}}] == [
        {key: one[key] for key in ("id", "type", "function")} for one in reading.message["tool_calls"]
    ]
    assert ["bad_tool_call", "bad_field"] == reading.codes
