"""First wins, last wins, adds: one table by path, as data, and what follows for all that it does not name."""

from __future__ import annotations

import pytest

from helpers.wire import chunk, delta, read
from streamkit import RULES, Rule
from streamkit.rules import rule_for

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
def test_the_table_says_what_becomes_of_each_field_of_the_format(path: str, rule: Rule) -> None:
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
def test_a_caller_can_say_what_becomes_of_a_field(rule: Rule, value: str) -> None:
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
