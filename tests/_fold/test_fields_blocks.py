"""Typed blocks that arrive in pieces: joined entry by entry, sealed ones left alone, their reasoning reported."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import choice, chunk, delta, read, sse
from streamkit import Accumulator, events
from streamkit._fold.fields import Context, Fields
from streamkit._live.timing import Stopwatch
from streamkit.limits import Limits
from streamkit.rules import RULES

FINISH = delta("{}", "stop")


def blocks(name: str, *lists: str) -> list[Any]:
    """Return the value of a list in the delta after these lists, each in a separate chunk."""
    found: list[Any] = read(*(delta(f'{{"{name}":{one}}}') for one in lists), FINISH).message[name]
    return found


@pytest.mark.parametrize("name", ["thinking_blocks", "tensorzero_extra_content", "a_name_nobody_knows"])
def test_pieces_of_a_typed_block_are_one_block_whatever_the_list_is_called(name: str) -> None:
    assert [{"type": "thinking", "thinking": "Step 1. Step 2.", "signature": "SIG"}] == blocks(
        name,
        '[{"type":"thinking","thinking":"Step 1. ","signature":null}]',
        '[{"type":"thinking","thinking":"Step 2.","signature":null}]',
        '[{"type":"thinking","thinking":"","signature":"SIG"}]',
    )


def test_two_equal_pieces_of_a_block_are_two() -> None:
    assert [{"type": "thinking", "thinking": "haha"}] == blocks(
        "thinking_blocks", '[{"type":"thinking","thinking":"ha"}]', '[{"type":"thinking","thinking":"ha"}]'
    )


def test_a_list_that_is_empty_at_first_is_none_yet() -> None:
    assert [{"type": "thinking", "thinking": "ab"}] == blocks(
        "thinking_blocks", "[]", '[{"type":"thinking","thinking":"a"}]', '[{"type":"thinking","thinking":"b"}]'
    )


def test_a_block_after_a_signature_is_another_one() -> None:
    assert [
        {"type": "thinking", "thinking": "a", "signature": "S1"},
        {"type": "thinking", "thinking": "b", "signature": "S2"},
    ] == blocks(
        "thinking_blocks",
        '[{"type":"thinking","thinking":"a"}]',
        '[{"type":"thinking","signature":"S1"}]',
        '[{"type":"thinking","thinking":"b"}]',
        '[{"type":"thinking","signature":"S2"}]',
    )


def test_summary_seal_summary_seal_of_one_index_stay_four_entries() -> None:
    assert [
        {"type": "reasoning.summary", "summary": "A1A2", "index": 0},
        {"type": "reasoning.encrypted", "data": "E1", "id": "rs_1", "index": 0},
        {"type": "reasoning.summary", "summary": "B1", "index": 0},
        {"type": "reasoning.encrypted", "data": "E2", "id": "rs_2", "index": 0},
    ] == blocks(
        "reasoning_details",
        '[{"type":"reasoning.summary","summary":"A1","index":0}]',
        '[{"type":"reasoning.summary","summary":"A2","index":0}]',
        '[{"type":"reasoning.encrypted","data":"E1","id":"rs_1","index":0}]',
        '[{"type":"reasoning.summary","summary":"B1","index":0}]',
        '[{"type":"reasoning.encrypted","data":"E2","id":"rs_2","index":0}]',
    )


@pytest.mark.parametrize("id", ["", '"id":"rs_1",'])
def test_of_two_equal_pieces_of_sealed_data_none_is_lost(id: str) -> None:
    piece = f'[{{"type":"reasoning.encrypted",{id}"data":"E","index":0}}]'
    assert ["E", "E"] == [one["data"] for one in blocks("reasoning_details", piece, piece)]


def test_blocks_by_turns_are_joined_by_their_index() -> None:
    assert [
        {"type": "thinking", "index": 0, "thinking": "ac"},
        {"type": "thinking", "index": 1, "thinking": "bd"},
    ] == blocks(
        "thinking_blocks",
        '[{"type":"thinking","index":0,"thinking":"a"},{"type":"thinking","index":1,"thinking":"b"}]',
        '[{"index":0,"thinking":"c"},{"type":"thinking","index":1,"thinking":"d"}]',
    )


def test_two_blocks_beside_each_other_in_one_list_are_two() -> None:
    assert [{"type": "thinking", "thinking": "a"}, {"type": "thinking", "thinking": "bc"}] == blocks(
        "thinking_blocks",
        '[{"type":"thinking","thinking":"a"},{"type":"thinking","thinking":"b"}]',
        '[{"type":"thinking","thinking":"c"}]',
    )


def test_reasoning_in_content_parts_is_one_part_with_its_signature() -> None:
    reading = read(
        delta('{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm","signature":""}]}]}'),
        delta('{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"m.","signature":""}]}]}'),
        delta('{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"","signature":"SIG"}]}]}'),
        delta('{"content":"Hello"}', "stop"),
    )
    assert ("Hello", "Hmm.") == (reading.message["content"], reading.message["reasoning_content"])
    assert [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm.", "signature": "SIG"}]}
    ] == reading.message["content_parts"]
    assert ["Hm", "m."] == [event.text for event in reading.of(events.ReasoningDelta)]


def test_an_executed_tool_that_is_repeated_with_its_output_is_one() -> None:
    arguments = '"arguments":"{\\"query\\":\\"sun\\"}"'
    assert [
        {"index": 0, "type": "search", "arguments": '{"query":"sun"}', "output": "It shines.", "search_results": {"results": [{"url": "u"}]}}
    ] == blocks(
        "executed_tools",
        f'[{{"index":0,"type":"search",{arguments},"search_results":{{"results":[]}}}}]',
        f'[{{"index":0,"type":"search",{arguments},"output":"It shines.","search_results":{{"results":[{{"url":"u"}}]}}}}]',
    )  # fmt: skip


@pytest.mark.parametrize(
    "item",
    [
        '{"type":"url_citation","url_citation":{"url":"https://a.example"}}',
        '{"type":"image_url","index":0,"image_url":{"url":"data:a"}}',
        '{"type":"char_location","cited_text":"Grass is green.","document_index":0}',
        '{"type":"result","title":"A","url":"https://a.example","content":"Sun."}',
        '{"type":"tool","name":"search"}',
        '{"text":"a"}',
        '"a"',
        "7",
    ],
)
@pytest.mark.parametrize("name", ["citations", "annotations", "images"])
def test_objects_that_arrive_whole_are_listed_each_for_itself(name: str, item: str) -> None:
    assert 2 == len(blocks(name, f"[{item}]", f"[{item}]"))


@pytest.mark.parametrize(
    "name, seen",
    [("thinking_blocks", "thinking"), ("reasoning_details", "text"), ("tensorzero_extra_content", "text")],
)
def test_reasoning_in_blocks_only_is_reported(name: str, seen: str) -> None:
    kind = {"thinking_blocks": "thinking", "reasoning_details": "reasoning.text"}.get(name, "thought")
    stream = [delta(f'{{"{name}":[{{"type":"{kind}","{seen}":"{one}"}}]}}') for one in ("a", "b\\ud83d", "\\ude00")]
    reading = read(*stream, delta('{"content":"c"}', "stop"))
    response = reading.accumulator.snapshot()
    assert response is not None
    assert "ab\U0001f600" == response.choices[0].message.reasoning
    assert ["a", "b", "\U0001f600"] == [event.text for event in reading.of(events.ReasoningDelta)]
    assert ["ab\U0001f600"] == [event.text for event in reading.of(events.ReasoningDone)]
    assert "reasoning_content" not in reading.message


def test_reasoning_in_a_field_and_in_blocks_is_heard_once() -> None:
    one = delta('{"thinking_blocks":[{"type":"thinking","thinking":"a"}],"reasoning_content":"a"}')
    reading = read(one, one, FINISH)
    assert ["a", "a"] == [event.text for event in reading.of(events.ReasoningDelta)]
    assert ("aa", [{"type": "thinking", "thinking": "aa"}]) == (
        reading.message["reasoning_content"], reading.message["thinking_blocks"],
    )  # fmt: skip


def test_half_a_pair_at_the_end_of_reasoning_in_blocks_is_reported() -> None:
    reading = read(delta('{"thinking_blocks":[{"type":"thinking","thinking":"a\\ud83d"}]}'), FINISH)
    assert ["a", "\ufffd"] == [event.text for event in reading.of(events.ReasoningDelta)]
    assert [{"type": "thinking", "thinking": "a\ufffd"}] == reading.message["thinking_blocks"]


# --- lists that repeat what was sent


@pytest.mark.parametrize(
    "lists, expected, noted",
    [
        (['["a","b"]', '["a","b","c"]'], ["a", "b", "c"], True),
        (['["a","b","c"]', '["a","b"]'], ["a", "b", "c"], True),
        (['["a","b"]', '["a","b"]'], ["a", "b"], True),
        (['["a","b","c"]', '["a","b","d"]'], ["a", "b", "c", "d"], True),
        (['["a"]', '["a","b"]'], ["a", "a", "b"], False),
        (['["a","b"]', '["a","c"]'], ["a", "b", "a", "c"], False),
        (["[1,2]", "[1,2,3]"], [1, 2, 1, 2, 3], False),
        (['[{"u":1},{"u":2}]', '[{"u":1},{"u":2},{"u":3}]'], [{"u": 1}, {"u": 2}, {"u": 3}], True),
    ],
)
@pytest.mark.parametrize("name", ["odd", "annotations"])
def test_a_list_in_a_delta_extends_but_for_two_items_from_its_first_on(
    name: str, lists: list[str], expected: list[Any], noted: bool
) -> None:
    reading = read(*(delta(f'{{"{name}":{one}}}') for one in lists), FINISH)
    assert (expected, noted) == (reading.message[name], "list_repeated" in reading.codes)


def test_only_new_annotations_are_reported() -> None:
    one, two = '{"url":"a"},{"url":"b"}', '{"url":"c"}'
    reading = read(*(delta(f'{{"annotations":[{some}]}}') for some in (one, f"{one},{two}", one)), FINISH)
    assert [[{"url": "a"}, {"url": "b"}], [{"url": "c"}]] == [
        event.annotations for event in reading.of(events.AnnotationsDelta)
    ]


def test_sealed_blocks_that_are_repeated_at_the_end_are_not_doubled() -> None:
    first = '{"type":"thinking","thinking":"a","signature":"S1"}'
    second = '{"type":"thinking","thinking":"b","signature":"S2"}'
    assert 2 == len(blocks("thinking_blocks", f"[{first}]", f"[{second}]", f"[{first},{second}]"))


def test_looking_for_a_block_costs_no_more_the_more_there_are() -> None:
    """Counted: the states that are read to place a piece, after ten blocks and after a thousand."""

    def read_states(before: int) -> int:
        shared = Context(RULES, Limits(), lambda *_: None)
        fields, counted = Fields(shared, "choices[].delta"), 0
        for number in range(before):
            fields.put("b", [{"type": "thinking", "index": number, "thinking": "x" * 50, "signature": "s"}])
        state = Fields.state

        def counting(self: Fields, name: str) -> Any:
            nonlocal counted
            counted += 1
            return state(self, name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Fields, "state", counting)
            fields.put("b", [{"type": "thinking", "thinking": "y"}, {"type": "thinking", "thinking": "z"}])
        return counted

    assert read_states(10) == read_states(1000)


def test_blocks_weigh_and_a_repeat_does_not() -> None:
    block = '{"type":"thinking","thinking":"a","signature":"S"}'
    stream = sse(*[delta(f'{{"thinking_blocks":[{block}]}}')] * 200)
    accumulator = Accumulator(limits=Limits(max_extra_values=5000))
    accumulator.absorb(stream)
    assert "limit" == accumulator.close().reason
    repeated = sse(*[chunk(choice("{}"), '"citations":["a","b","c"]')] * 2000)
    accumulator = Accumulator(limits=Limits(max_extra_values=5000))
    accumulator.absorb(repeated)
    assert "no_finish" == accumulator.close().reason


def test_reasoning_in_blocks_counts_for_the_time_to_the_first_token() -> None:
    accumulator, stopwatch = Accumulator(), Stopwatch(sent=0.0)
    for time, document in enumerate(
        (
            delta('{"role":"assistant","content":""}'),
            delta('{"thinking_blocks":[{"type":"thinking","thinking":"a"}]}'),
            delta('{"content":"b"}', "stop"),
        ),
        start=1,
    ):
        stopwatch.block(float(time), accumulator.feed(sse(document)), accumulator.progress)
    assert (2.0, 3.0) == (stopwatch.timing().ttft, stopwatch.timing().ttfo)


def test_search_results_with_a_text_each_are_listed_each_for_itself() -> None:
    result = '{"type":"result","title":"A","url":"https://a.example","content":"%s"}'
    assert ["Sun.", "Rain."] == [
        one["content"] for one in blocks("odd", f"[{result % 'Sun.'}]", f"[{result % 'Rain.'}]")
    ]
