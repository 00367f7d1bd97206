"""First wins, last wins, adds: one table by path, as data, and what follows for all that it does not name."""

from __future__ import annotations

import pytest

from helpers.wire import chunk, delta, read
from streamkit import RULES, Accumulator, MisuseError, Rule
from streamkit.rules import _never_matches, rule_for

D = "choices[].delta"


@pytest.mark.parametrize(
    "path, rule",
    [
        *((path, Rule.FIRST) for path in ("id", "created", "model", f"{D}.role")),
        *((path, Rule.LAST) for path in ("service_tier", "system_fingerprint", "choices[].finish_reason")),
        *((f"{D}.{name}", Rule.ADD) for name in ("content", "refusal", "reasoning_content", "reasoning")),
        (f"{D}.tool_calls[].function.arguments", Rule.ADD),
        (f"{D}.function_call.arguments", Rule.ADD),
        (f"{D}.audio.transcript", Rule.ADD),
        (f"{D}.audio.data", Rule.ADD_BASE64),
        *((f"choices[].logprobs.{name}", Rule.EXTEND) for name in ("content", "refusal")),
        *((f"{D}.{name}", Rule.EXTEND) for name in ("annotations", "images")),
        (f"{D}.reasoning_details", Rule.KEYED),
        ("usage", Rule.LEDGER),
        ("obfuscation", Rule.DROP),
    ],
)
def test_the_table_has_a_rule_for_each_field_of_the_format(path: str, rule: Rule) -> None:
    assert rule is RULES[path]


@pytest.mark.parametrize(
    "path, value, rule",
    [
        (f"{D}.odd", "text", Rule.SAME_OR_ADD),
        (f"{D}.odd", ["item"], Rule.KEYED),
        (f"{D}.odd[].text", "text", Rule.ADD),
        (f"{D}.odd[].type", "text", Rule.FIRST),
        (f"{D}.tool_calls[].text", "text", Rule.SAME_OR_ADD),
        (f"{D}.odd", {"a": 1}, Rule.MERGE),
        (f"{D}.odd", 1, Rule.LAST),
        (f"{D}.odd", 1.5, Rule.LAST),
        (f"{D}.odd", True, Rule.LAST),
        (f"{D}.tool_calls[].odd", "text", Rule.SAME_OR_ADD),
        (f"{D}.odd.inner", "text", Rule.SAME_OR_ADD),
        ("odd", "text", Rule.LAST),
        ("odd", ["item"], Rule.GROW),
        ("usage.odd", ["item"], Rule.LAST),
        ("odd", 1, Rule.LAST),
        ("choices[].odd", "text", Rule.LAST),
        ("choices[].odd", ["item"], Rule.GROW),
        ("choices[].delta_odd", "text", Rule.LAST),
    ],
)
def test_an_unknown_field_goes_by_its_place_and_its_kind(path: str, value: object, rule: Rule) -> None:
    assert rule is rule_for(RULES, path, value)


def test_the_table_goes_before_place_and_kind() -> None:
    assert Rule.DROP is rule_for({f"{D}.odd": Rule.DROP}, f"{D}.odd", "text")


def test_the_table_names_a_rule_for_every_path() -> None:
    assert all(isinstance(rule, Rule) for rule in RULES.values())


def test_a_rule_can_be_given_as_its_word() -> None:
    assert Rule.LAST == Rule("last") == "last"


PIECES = [delta('{"odd":"ab"}'), delta('{"odd":"cd"}'), delta('{"odd":"cd"}')]


@pytest.mark.parametrize(
    "rule, value",
    [
        (Rule.FIRST, "ab"),
        (Rule.LAST, "cd"),
        (Rule.ADD, "abcdcd"),
        (Rule.SAME_OR_ADD, "abcdcd"),
        (Rule.EXTEND, "abcdcd"),  # no list: by its kind, as if the table did not name it
    ],
)
def test_a_caller_can_say_how_a_field_is_merged(rule: Rule, value: str) -> None:
    assert value == read(*PIECES, rules={**RULES, f"{D}.odd": rule}).message["odd"]


def test_a_caller_can_drop_a_field() -> None:
    assert "odd" not in read(*PIECES, rules={**RULES, f"{D}.odd": Rule.DROP}).message


def test_a_caller_can_change_the_rule_of_a_field_of_the_format() -> None:
    documents = [chunk(more='"system_fingerprint":"a"'), chunk(more='"system_fingerprint":"b"')]
    assert "b" == read(*documents).response["system_fingerprint"]
    assert "a" == read(*documents, rules={**RULES, "system_fingerprint": Rule.FIRST}).response["system_fingerprint"]


def test_a_list_outside_a_delta_grows_and_can_be_made_the_last_one_or_all() -> None:
    documents = [chunk(more='"citations":["a"]'), chunk(more='"citations":["b"]'), chunk(more='"citations":["a","b"]')]
    assert ["a", "b"] == read(*documents).response["citations"]
    assert ["a", "b"] == read(*documents[:2], rules={**RULES, "citations": Rule.EXTEND}).response["citations"]
    assert ["b"] == read(*documents[:2], rules={**RULES, "citations": Rule.LAST}).response["citations"]
    assert ["a", "b", "a", "b"] == read(*documents, rules={**RULES, "citations": Rule.EXTEND}).response["citations"]


# --- paths that can match nothing


def test_every_path_of_the_table_can_match() -> None:
    assert [] == [path for path in RULES if _never_matches(RULES, path) is not None]


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "x.y.z",
        "usage",
        "prompt_filter_results",
        "choices[].x",
        "choices[].message.x",
        "choices[].logprobs.x.y",
        f"{D}.x",
        f"{D}.x.y",
        f"{D}.audio.x",
        f"{D}.function_call.x",
        f"{D}.tool_calls[].x.y",
        f"{D}.tool_calls[].function.x",
        f"{D}.reasoning_details[].x",
        f"{D}.content_parts[].thinking[].x",
        "Ärger-1 x",
    ],
)
def test_a_path_that_a_sender_can_write_is_taken(path: str) -> None:
    Accumulator(rules={**RULES, path: Rule.LAST})


@pytest.mark.parametrize(
    "path, why",
    [
        ("", "a path is the names"),
        ("$", "a path is the names"),
        ("$.id", "a path is the names"),
        (".x", "a path is the names"),
        ("x.", "a path is the names"),
        ("x..y", "a path is the names"),
        ("choices[0].delta.x", "a path is the names"),
        ("choices[*].delta.x", "a path is the names"),
        ("choices", "is not folded by a rule"),
        ("choices.delta.x", "its items are choices[]"),
        ("choices[]", "this is any item of a list"),
        ("choices[].index", "is not folded by a rule"),
        ("object", "is not folded by a rule"),
        ("id.x", "id is one value"),
        ("usage.prompt_tokens", "usage is one value under Rule.LEDGER"),
        (f"{D}.content.x", "is one value"),
        (f"{D}.reasoning_opaque.x", "is one value under Rule.LAST"),
        (f"{D}.annotations[].x", "only where the list has Rule.KEYED"),
        (f"{D}.x[].y", "only where the list has Rule.KEYED"),
        (f"{D}.tool_calls.x", "its items are choices[].delta.tool_calls[]"),
        (f"{D}.tool_calls[].id", "is not folded by a rule"),
        (f"{D}.tool_calls[].function.name", "is not folded by a rule"),
        (f"{D}.tool_calls[].custom.input", "is one value"),
    ],
)
def test_a_path_that_can_match_nothing_is_misuse(path: str, why: str) -> None:
    with pytest.raises(MisuseError, match="which matches nothing: ") as caught:
        Accumulator(rules={**RULES, path: Rule.LAST})
    assert why in caught.value.message


def test_a_list_that_is_keyed_has_rules_for_its_items() -> None:
    rules = {**RULES, f"{D}.x": Rule.KEYED, f"{D}.x[].y": Rule.LAST}
    stream = (delta('{"x":[{"index":0,"y":"a","text":"a"}]}'), delta('{"x":[{"index":0,"y":"b","text":"b"}]}', "stop"))
    message = read(*stream, rules=rules).response["choices"][0]["message"]
    assert [{"index": 0, "y": "b", "text": "ab"}] == message["x"]


def test_a_rule_of_the_table_may_be_changed_though_others_then_match_nothing() -> None:
    Accumulator(rules={**RULES, f"{D}.reasoning_details": Rule.EXTEND})


@pytest.mark.parametrize("rules", [{5: Rule.LAST}, {None: Rule.LAST}, {"x": "last"}, {"x": None}, {("x",): Rule.LAST}])
def test_a_table_of_anything_but_rules_by_path_is_misuse(rules: object) -> None:
    with pytest.raises(MisuseError, match="a mapping of paths to Rule values, and "):
        Accumulator(rules=rules)  # type: ignore[arg-type]
