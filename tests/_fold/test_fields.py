"""Field states: the state of one field, one class for each rule; values are valid at every moment and never aliases."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit import RULES, Limits, Rule
from streamkit._fold.field_rules import Base64, Extend, First, Last, SameOrAdd, Text, Waiting
from streamkit._fold.fields import Context, Fields, Keyed, new_field
from streamkit.errors import LimitError

D = "choices[].delta"


def context(**options: Any) -> tuple[Context, list[str]]:
    """Return a context, and the codes noted in it."""
    codes: list[str] = []
    return Context(RULES, Limits(**options), lambda code, *_: codes.append(code)), codes


def folded(state: Any, *values: Any) -> Any:
    for value in values:
        state.add(value)
    return state.value()


def of(path: str, *values: Any) -> Any:
    """Return the value of a state for `path` after these values."""
    return folded(new_field(context()[0], path, values[0]), *values)


@pytest.mark.parametrize(
    "values, expected",
    [(["a", "b"], "a"), (["", "b", "c"], "b"), ([0, 7, 8], 7), ([[], ["x"]], ["x"]), (["a\ud83d"], "a\ufffd")],
)
def test_first_is_the_first_value_that_is_not_empty(values: list[Any], expected: Any) -> None:
    assert expected == folded(First(), *values)


@pytest.mark.parametrize(
    "values, expected",
    [(["a", "b"], "b"), ([1, 0], 0), ([True, False], False), ([["x"], []], ["x"]), (["a\ud83d"], "a\ufffd")],
)
def test_last_is_the_last_value_but_an_empty_list_replaces_nothing(values: list[Any], expected: Any) -> None:
    assert expected == folded(Last(), *values)


@pytest.mark.parametrize(
    "pieces, expected",
    [
        (["Hel", "lo"], "Hello"),
        (["a", "a", "a"], "aaa"),
        (["", "a", ""], "a"),
        ([], ""),
        (["\U0001f600", "é"], "\U0001f600é"),
        (["a\ud83d", "\ude00b"], "a\U0001f600b"),
        (["\ud83d", "", "\ude00"], "\U0001f600"),
        (["\ud83d", "\ude00\ud83d", "\ude00"], "\U0001f600\U0001f600"),
        (["\ud83d", "x"], "\ufffdx"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd\U0001f600"),
        (["\ude00"], "\ufffd"),
        (["a", "\ude00b"], "a\ufffdb"),
    ],
)
def test_pieces_of_text_are_joined_and_halves_of_a_pair_meet(pieces: list[str], expected: str) -> None:
    assert expected == folded(Text(), *pieces)


def test_text_that_ends_with_half_a_pair_waits_for_the_other_half() -> None:
    text = Text()
    assert ["a", "\U0001f600b"] == [text.add("a\ud83d"), text.add("\ude00b")]


def test_half_a_pair_is_not_yet_text() -> None:
    assert "a" == folded(Text(), "a\ud83d")


def test_half_a_pair_alone_at_the_end_is_converted_to_a_replacement_character_once() -> None:
    noted: list[str] = []
    text = Text(lambda: noted.append("lone"))
    text.add("a\ud83d")
    assert [] == noted
    assert ["\ufffd", ""] == [text.flush(), text.flush()]
    assert "a\ufffd" == text.value()
    assert ["lone"] == noted


def test_the_new_pieces_of_a_text_are_the_text() -> None:
    text = Text()
    pieces = [text.add(piece) for piece in ("a\ud83d", "\ude00", "\ud83d", "x", "\ude00", "")]
    assert text.value() == "".join(pieces) + text.flush()


@pytest.mark.parametrize(
    "values, expected",
    [
        (["en"], "en"),
        (["en", "en", "en"], "en"),
        (["en", "de"], "ende"),
        (["a", "a", "b"], "aab"),
        (["a", "b", "b"], "abb"),
        (["", "a"], "a"),
        (["\ud83d", "\ude00"], "\U0001f600"),
    ],
)
def test_an_unknown_text_is_one_value_while_it_is_the_same_and_adds_once_it_differs(
    values: list[str], expected: str
) -> None:
    assert expected == folded(SameOrAdd(), *values)


def test_a_list_grows() -> None:
    assert [1, {"a": 1}, 1] == folded(Extend(), [1], [], [{"a": 1}, 1])


@pytest.mark.parametrize(
    "pieces, expected",
    [
        (["QUJD", "REVG"], "QUJDREVG"),
        (["QQ==", "Qg==", "Qw=="], "QUJD"),
        (["QUI=", "Qw=="], "QUJD"),
        (["QU", "JDR", "EVG"], "QUJDREVG"),
        (["QQ==", "Q", "g", "=", "="], "QUI="),
        (["QQ==Qg==", "Qw=="], "QUJD"),
        (["", "QUJD", ""], "QUJD"),
        (["+/+/"], "+/+/"),
    ],
    ids=[
        "whole",
        "padded-each",
        "padded-two",
        "misaligned",
        "padding-cut",
        "two-in-one",
        "empty",
        "alphabet",
    ],
)
def test_pieces_of_base64_are_joined_as_the_bytes_they_stand_for(pieces: list[str], expected: str) -> None:
    assert expected == folded(Base64(), *pieces)


@pytest.mark.parametrize(
    "pieces, rest, expected",
    [(["QQ==", "Qg"], b"B", "QUI="), (["QUJ"], b"AB", "QUI="), (["QQ="], b"A", "QQ=="), (["QUJD"], b"", "QUJD")],
)
def test_a_last_piece_without_padding_is_finished_at_the_end(pieces: list[str], rest: bytes, expected: str) -> None:
    state = Base64()
    folded(state, *pieces)
    assert [rest, b""] == [state.flush(), state.flush()]
    assert expected == state.value()


@pytest.mark.parametrize("pieces", [["no base64!"], ["####"], ["QUJD", "*&^%"], ["-_-_"], ["QQ==", "Q"], ["QUJD", "Q"]])
def test_what_is_not_base64_is_joined_as_text(pieces: list[str]) -> None:
    noted: list[str] = []
    state = Base64(lambda: noted.append("broken"))
    folded(state, *pieces)
    state.flush()
    assert "".join(pieces) == state.value()
    assert ["broken"] == noted


def test_what_is_new_in_a_piece_of_base64_is_its_bytes() -> None:
    state = Base64()
    assert [b"ABC", b"", b"DEF"] == [state.add("QUJDR"), state.add("E"), state.add("VG")]


def keyed(*lists: list[Any]) -> Any:
    return of(f"{D}.reasoning_details", *lists)


def test_items_of_the_same_type_and_index_are_one() -> None:
    assert [{"type": "reasoning.text", "index": 0, "text": "Hello", "signature": "s", "format": "f"}] == keyed(
        [{"type": "reasoning.text", "index": 0, "text": "Hel", "signature": None, "format": "f"}],
        [{"type": "reasoning.text", "index": 0, "text": "lo", "signature": None, "format": "f"}],
        [{"type": "reasoning.text", "index": 0, "text": "", "signature": "s", "format": "f"}],
    )


def test_items_of_another_type_or_index_stand_beside_them_in_order_of_first_appearance() -> None:
    assert [
        {"type": "reasoning.text", "index": 0, "text": "a"},
        {"type": "reasoning.encrypted", "index": 0, "data": "x"},
        {"type": "reasoning.text", "index": 1, "text": "b"},
        {"type": "reasoning.text", "index": 0, "text": "c"},
    ] == keyed(
        [{"type": "reasoning.text", "index": 0, "text": "a"}],
        [{"type": "reasoning.encrypted", "index": 0, "data": "x"}, {"type": "reasoning.text", "index": 1, "text": "b"}],
        [{"type": "reasoning.text", "index": 0, "text": "c"}],
    )


def test_another_id_at_the_same_index_begins_another_item() -> None:
    assert [
        {"type": "reasoning.summary", "index": 0, "id": "a", "summary": "x"},
        {"type": "reasoning.summary", "index": 0, "id": "b", "summary": "yz"},
    ] == keyed(
        [{"type": "reasoning.summary", "index": 0, "id": "a", "summary": "x"}],
        [{"type": "reasoning.summary", "index": 0, "id": "b", "summary": "y"}],
        [{"type": "reasoning.summary", "index": 0, "id": "b", "summary": "z"}],
    )


def test_of_two_equal_pieces_of_sealed_data_none_is_lost() -> None:
    sealed = {"type": "reasoning.encrypted", "index": 0, "data": "x"}
    assert [sealed, sealed] == keyed([sealed], [sealed])


def test_an_item_without_an_index_continues_the_last_one_only() -> None:
    assert [
        {"type": "thinking", "text": "ab"},
        {"type": "text", "text": "c"},
        {"type": "thinking", "text": "d"},
    ] == keyed(
        [{"type": "thinking", "text": "a"}],
        [{"type": "thinking", "text": "b"}],
        [{"type": "text", "text": "c"}],
        [{"type": "thinking", "text": "d"}],
    )


def test_items_that_are_not_objects_are_kept_as_they_arrived() -> None:
    assert ["a", {"type": "t", "index": 0}, 7] == keyed(["a", {"type": "t", "index": 0}], [7])


def test_half_a_pair_at_the_end_of_a_keyed_text_is_not_lost() -> None:
    waiting: Waiting = {}
    fields = Fields(context()[0], D, waiting)
    fields.put("reasoning_details", [{"type": "reasoning.text", "index": 0, "text": "a\ud83d"}])
    for text in waiting.values():
        text.flush()
    assert [{"type": "reasoning.text", "index": 0, "text": "a\ufffd"}] == fields.get("reasoning_details")


@pytest.mark.parametrize(
    "reports, expected",
    [
        ([{"a": 1}, {"a": 5}, {"a": 9}], {"a": 9}),
        ([{"a": 5}, {"b": 2}], {"a": 5, "b": 2}),
        ([{"a": 5}, {"a": None}, {"a": 0}, {}], {"a": 5}),
        ([{"a": 0}], {"a": 0}),
        ([{"a": {"x": 1, "y": 2}}, {"a": {"x": 3}}], {"a": {"x": 3, "y": 2}}),
        ([{"a": {"x": 1}}, {"a": {}}, {"a": None}], {"a": {"x": 1}}),
        ([{"cost": 0.1}, {"cost": 0.25}], {"cost": 0.25}),
    ],
)
def test_a_ledger_keeps_the_last_report_and_adds_nothing_up(reports: list[dict[str, Any]], expected: Any) -> None:
    assert expected == of("usage", *reports)


def fields(*objects: dict[str, Any], path: str = D) -> Any:
    return folded(Fields(context()[0], path), *objects)


@pytest.mark.parametrize(
    "objects, expected",
    [
        ([{"a": "x"}, {"a": "x"}], {"a": "x"}),
        ([{"a": "x"}, {"a": "y"}], {"a": "xy"}),
        ([{"a": [1]}, {"a": [2]}], {"a": [1, 2]}),
        ([{"a": {"b": "x", "c": 1}}, {"a": {"b": "y", "d": [1]}}], {"a": {"b": "xy", "c": 1, "d": [1]}}),
        ([{"a": 12}, {"a": 7}], {"a": 7}),
        ([{"a": True}, {"a": True}], {"a": True}),
        ([{"a": True}, {"a": False}], {"a": False}),
        ([{"a": 0.5}, {"a": 0.25}], {"a": 0.25}),
        ([{"a": "x"}, {"a": None}], {"a": "x"}),
        ([{"a": None}], {"a": None}),
        ([{"a": None}, {"a": "x"}], {"a": "x"}),
        ([{"a": []}, {"a": {}}], {"a": [[], {}]}),
        ([{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
    ],
    ids=["same", "differs", "list", "mapping", "number", "true", "boolean", "float", "null-after", "null", "null-before", "empty", "two"],
)  # fmt: skip
def test_unknown_fields_of_a_delta_go_by_their_kind(objects: list[dict[str, Any]], expected: Any) -> None:
    assert expected == fields(*objects)


@pytest.mark.parametrize(
    "objects, expected",
    [
        ([{"a": "x"}, {"a": "y"}], {"a": "y"}),
        ([{"a": [1]}, {"a": [2]}], {"a": [1, 2]}),
        ([{"a": [1]}, {"a": []}], {"a": [1]}),
        ([{"a": {"b": 1}}, {"a": {"c": 2}}], {"a": {"b": 1, "c": 2}}),
        ([{"a": "x"}, {"a": None}], {"a": "x"}),
    ],
    ids=["text", "list", "empty-list", "mapping", "null"],
)
def test_unknown_fields_outside_a_delta_are_the_last_one_but_lists_grow(
    objects: list[dict[str, Any]], expected: Any
) -> None:
    assert expected == fields(*objects, path="choices[]")


@pytest.mark.parametrize(
    "values, expected",
    [
        (["a", {"b": 1}], ["a", {"b": 1}]),
        (["a", "b", 5], ["ab", 5]),
        ([[1], "a"], [[1], "a"]),
        ([{"b": 1}, "a", "c"], [{"b": 1}, "a", "c"]),
        ([5, "a"], [5, "a"]),
        ([True, ["a"]], [True, ["a"]]),
    ],
)
def test_a_field_of_a_delta_that_changes_its_type_keeps_all_its_values(values: list[Any], expected: Any) -> None:
    shared, codes = context()
    states = Fields(shared, D)
    for value in values:
        states.put("odd", value)
    assert expected == states.get("odd")
    assert ["type_changed"] == codes


def test_text_in_a_field_of_the_format_that_was_something_else_before_is_not_lost() -> None:
    assert {"reasoning": [True, "a", "a"]} == fields({"reasoning": True}, {"reasoning": "a"}, {"reasoning": "a"})


def test_a_number_may_be_whole_or_not() -> None:
    shared, codes = context()
    states = Fields(shared, D)
    assert {"odd": 1.5} == folded(states, {"odd": 1}, {"odd": 1.5})
    assert "type_changed" not in codes


def test_a_value_that_the_rule_of_its_field_cannot_take_goes_by_its_kind() -> None:
    assert [["a"], ["a", "b"]] == [of(f"{D}.reasoning", ["a"]), of(f"{D}.reasoning", ["a"], ["b"])]
    assert "ab" == of(f"{D}.reasoning_details", "a", "b")


def test_fields_of_a_mapping_have_their_own_rules() -> None:
    assert {"id": "a", "data": "QUI=", "transcript": "xy", "expires_at": 9} == fields(
        {"id": "a", "data": "QQ==", "transcript": "x"},
        {"id": "b", "data": "Qg==", "transcript": "y", "expires_at": 9},
        path=f"{D}.audio",
    )


@pytest.mark.parametrize(
    "values", [["x"], [None, "x"], ["x", None], [None]], ids=["text", "null-first", "null-last", "null"]
)
def test_what_is_dropped_leaves_nothing(values: list[Any]) -> None:
    assert {} == fields(*({"obfuscation": value} for value in values), path="")


def test_nothing_that_is_returned_is_live_state() -> None:
    states = Fields(context()[0], D)
    states.add({"list": [{"a": 1}], "mapping": {"b": [1]}, "details": [[1]], "mixed": "a"})
    states.add({"mixed": {"c": []}})
    before, spoilt = states.value(), states.value()
    spoilt["list"][0]["a"] = 2
    spoilt["mapping"]["b"].append(2)
    spoilt["details"][0].append(2)
    spoilt["mixed"][1]["c"].append(2)
    assert before == states.value()


def test_a_value_does_not_grow_with_what_arrives_later() -> None:
    states = Fields(context()[0], D)
    states.add({"list": [1], "text": "a"})
    before = states.value()
    states.add({"list": [2], "text": "b"})
    assert {"list": [1], "text": "a"} == before


@pytest.mark.parametrize("values", [[["a\ud83d"]], [[{"text": "a\ud83d"}]]])
def test_text_inside_of_lists_is_valid_text(values: list[Any]) -> None:
    assert "a\ufffd" in str(fields({"odd": values[0]}))


def test_nesting_is_limited() -> None:
    states = Fields(context(max_nesting=2)[0], D)
    states.put("a", [[1]])
    with pytest.raises(LimitError) as caught:
        states.put("b", [[[1]]])
    assert ("max_nesting", 2) == (caught.value.limit, caught.value.maximum)


def test_a_cell_is_made_by_the_rule_of_its_path() -> None:
    kinds = {
        path: type(new_field(context()[0], path, "")) for path in ("id", "service_tier", f"{D}.content", f"{D}.odd")
    }
    assert {"id": First, "service_tier": Last, f"{D}.content": Text, f"{D}.odd": SameOrAdd} == kinds
    assert Keyed is type(new_field(context()[0], f"{D}.reasoning_details", []))


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("value", ["a", 1, True, [1], {"a": 1}], ids=["text", "number", "boolean", "list", "mapping"])
def test_every_rule_takes_a_value_of_every_kind(rule: Rule, value: Any) -> None:
    states = Fields(Context({"odd": rule}, Limits(), lambda *_: None))
    states.put("odd", value)
    expected = {} if rule is Rule.DROP else {"odd": value}
    assert expected == states.value()


@pytest.mark.parametrize("later", [True, 1.0, "1"])
def test_an_equal_value_of_another_type_is_not_the_same_value(later: Any) -> None:
    fields = Fields(context()[0], "choices[]")
    fields.put("x", 1)
    assert (later, type(later)) == (fields.put("x", later), type(fields.value()["x"]))


def test_a_number_that_varies_is_noted_once_and_a_repeated_one_never() -> None:
    state, codes = context()
    fields = Fields(state, D)
    for number in (1, 1, 2, 2, 3):
        fields.put("token_id", number)
    assert ({"token_id": 3}, ["number_changed"]) == (fields.value(), codes)


def test_a_null_neither_erases_a_value_nor_hides_that_the_field_was_seen() -> None:
    fields = Fields(context()[0], D)
    for name, value in (("x", None), ("x", "a"), ("x", None), ("y", None)):
        assert value == fields.put(name, value)
    assert {"x": "a", "y": None} == fields.value()
