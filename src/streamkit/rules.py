"""First wins, last wins, adds: what becomes of a field that comes in many chunks, in one table by path.

A path names the place in the chunk, `[]` standing for any item of a list. What the table does not name follows from
where it stands and what it is (`rule_for`). The table is data: a caller passes `{**RULES, "choices[].delta.x": ...}`.
How each rule accumulates is in `_fold/field_rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from .errors import MisuseError, shown
from .types._reasoning import REASONING

__all__ = (
    "BLOCK_TEXT",
    "DELTA",
    "REASONING",
    "RULES",
    "SEALS",
    "Rule",
    "check_rules",
    "is_usage",
    "rule_for",
)


class Rule(StrEnum):
    """What to do with the next value of a field. Null never erases, whatever the rule."""

    FIRST = "first"
    """The first non-empty value stands."""
    LAST = "last"
    """The last non-null value stands."""
    ADD = "add"
    """Text: the pieces are joined."""
    ADD_BASE64 = "add_base64"
    """Base64 text: the pieces are joined as the bytes they stand for, as each may be padded for itself."""
    SAME_OR_ADD = "same_or_add"
    """Text of unknown kind: one value while every piece is equal, joined once they differ."""
    EXTEND = "extend"
    """A list: the items are appended. Inside a delta a list that repeats, from its first item, at least two kept objects or
    strings is taken as cumulative, and only the rest of it is appended."""
    GROW = "grow"
    """A list of objects or strings: one that equals, or begins with, all that was kept replaces it; any other, and any
    list of something else, is appended."""
    MERGE = "merge"
    """An object: each of its fields by its own rule."""
    KEYED = "keyed"
    """A list of typed blocks that come in pieces: a block continues the last one of its index if type and id agree (an
    absent one agrees) and that one has no signature, seal or data yet. What is no such block is appended."""
    LEDGER = "ledger"
    """Token counts: the last report stands, what is missing from it keeps its value; never a sum."""
    DROP = "drop"
    """Not part of the response."""


DELTA = "choices[].delta."
"""What the path of every field of a delta begins with."""

SEALS = frozenset({"data", "encrypted_content", "seal", "signature", "thought_signature"})
"""The fields of a typed block that end it: what follows at its index is another block."""

BLOCK_TEXT = frozenset({"reasoning", "refusal", "summary", "text", "thinking", "transcript"})
"""The fields of a typed block whose text comes in pieces: two equal pieces are two."""

_BLOCK: dict[str, Rule] = {
    **dict.fromkeys(("format", "id", "index", "type"), Rule.FIRST),
    **dict.fromkeys(("signature", "status"), Rule.LAST),
    **dict.fromkeys(BLOCK_TEXT, Rule.ADD),
}
"""The rules of the fields that any typed block may have, of the kind of value that they take."""

_TOOL = "choices[].delta.tool_calls[]"
_PART = "choices[].delta.content_parts[]"
_DETAIL = "choices[].delta.reasoning_details[]"


class _Table(dict[str, Rule]):
    """A dict, but short to look at: as the default of an argument it stands in every `help()`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<RULES: {len(self)} fields>"


RULES: Mapping[str, Rule] = _Table(
    {
        "id": Rule.FIRST,
        "created": Rule.FIRST,
        "model": Rule.FIRST,
        "service_tier": Rule.LAST,
        "system_fingerprint": Rule.LAST,
        "usage": Rule.LEDGER,
        "obfuscation": Rule.DROP,  # padding against side channels (OpenAI): random, and different in each chunk
        "p": Rule.DROP,  # the same by another name (Bedrock, Cloudflare)
        "choices[].finish_reason": Rule.LAST,
        "choices[].obfuscation": Rule.DROP,
        "choices[].delta.obfuscation": Rule.DROP,
        "choices[].text": Rule.ADD,  # Together repeats each delta's content here
        "choices[].logprobs.content": Rule.EXTEND,
        "choices[].logprobs.refusal": Rule.EXTEND,
        "choices[].logprobs.reasoning_content": Rule.EXTEND,  # xAI: logprobs of the reasoning
        # The old completions API: one entry for each token, and two equal tokens are two.
        "choices[].logprobs.tokens": Rule.EXTEND,
        "choices[].logprobs.token_logprobs": Rule.EXTEND,
        "choices[].logprobs.top_logprobs": Rule.EXTEND,
        "choices[].logprobs.text_offset": Rule.EXTEND,
        "choices[].content_filter_offsets": Rule.LAST,  # of the last report, and those of each in the spans
        "choices[].content_filter_spans": Rule.EXTEND,  # ours: which span each report of Azure's filter is about
        "choices[].token_ids": Rule.EXTEND,  # vLLM return_token_ids: those of this chunk
        "choices[].delta.role": Rule.FIRST,
        "choices[].delta.name": Rule.FIRST,
        "choices[].delta.channel": Rule.LAST,  # gpt-oss: analysis, then final
        "choices[].delta.content": Rule.ADD,
        "choices[].delta.refusal": Rule.ADD,
        "choices[].delta.reasoning": Rule.ADD,
        "choices[].delta.reasoning_content": Rule.ADD,
        "choices[].delta.reasoning_text": Rule.ADD,
        "choices[].delta.reasoning_opaque": Rule.LAST,  # Copilot: one sealed text, worth nothing when joined
        "choices[].delta.reasoning_details": Rule.KEYED,
        f"{_DETAIL}.text": Rule.ADD,
        f"{_DETAIL}.summary": Rule.ADD,
        f"{_DETAIL}.data": Rule.ADD,
        f"{_DETAIL}.signature": Rule.LAST,
        f"{_DETAIL}.type": Rule.FIRST,
        f"{_DETAIL}.format": Rule.FIRST,
        f"{_DETAIL}.id": Rule.FIRST,
        f"{_DETAIL}.index": Rule.FIRST,
        "choices[].delta.content_parts": Rule.KEYED,  # ours: content that came as a list of parts (Mistral)
        f"{_PART}.type": Rule.FIRST,
        f"{_PART}.text": Rule.ADD,
        f"{_PART}.summary": Rule.KEYED,  # Databricks, as `thinking` of Mistral
        f"{_PART}.thinking": Rule.KEYED,
        f"{_PART}.thinking[].type": Rule.FIRST,
        f"{_PART}.thinking[].text": Rule.ADD,
        "choices[].delta.annotations": Rule.EXTEND,
        "choices[].delta.images": Rule.EXTEND,
        "choices[].delta.audio": Rule.MERGE,
        "choices[].delta.audio.id": Rule.FIRST,
        "choices[].delta.audio.data": Rule.ADD_BASE64,
        "choices[].delta.audio.transcript": Rule.ADD,
        "choices[].delta.audio.expires_at": Rule.LAST,
        # Gemini seals what it thought, for the next turn: verbatim or not at all.
        "choices[].delta.extra_content.google.thought_signature": Rule.LAST,
        "choices[].delta.extra_content.vertex.thought_signature": Rule.LAST,
        f"{_TOOL}.extra_content.google.thought_signature": Rule.LAST,
        f"{_TOOL}.extra_content.vertex.thought_signature": Rule.LAST,
        "choices[].delta.function_call.name": Rule.FIRST,
        "choices[].delta.function_call.arguments": Rule.ADD,
        f"{_TOOL}.function.arguments": Rule.ADD,  # and a custom tool's input
    }
)
"""The rule of every field that has one of its own."""


def rule_for(rules: Mapping[str, Rule], path: str, value: Any) -> Rule:
    """The rule of the field at `path`, whose first value is `value`: the table's, or else by place and kind.

    Inside a delta unknown strings are SAME_OR_ADD, lists KEYED (which appends all that is no typed block), objects MERGE.
    Outside a delta lists GROW, and objects MERGE too, so that a report in parts (Azure's content filter results) keeps
    all its parts. Numbers, booleans, strings outside a delta, and lists in a report of usage, which arrives whole, are LAST.
    """
    rule = rules.get(path)
    if rule is not None:
        return rule
    if isinstance(value, dict):
        return Rule.MERGE
    if path.startswith(DELTA):
        if isinstance(value, list):
            return Rule.KEYED
        block, _, name = path.rpartition("[].")
        if name in _BLOCK and "." not in name and f"{block}[]" != _TOOL:
            rule = _BLOCK[name]
            if rule is not Rule.ADD or isinstance(value, str):
                return rule
        if isinstance(value, str):
            return Rule.SAME_OR_ADD
    elif isinstance(value, list) and not is_usage(path):
        return Rule.GROW
    return Rule.LAST


def is_usage(path: str) -> bool:
    """Whether the field at `path` is, or lies in, a report of usage (`x_groq.usage`, `copilot_usage.token_details`)."""
    return "usage" in path


# --- which paths can match

_NOT_FOLDED = frozenset(
    {
        "object",  # of a response it is always the same
        "choices",
        "choices[].index",
        f"{_TOOL}.index",
        f"{_TOOL}.id",  # which call a fragment belongs to is not a rule of one field: `_fold/tool_calls.py`
        f"{_TOOL}.type",
        f"{_TOOL}.function.name",
    }
)
"""Fields that no rule is asked for."""

_LEAVES = frozenset(
    {
        "id",
        "model",
        "service_tier",
        "system_fingerprint",
        "choices[].finish_reason",
        "choices[].logprobs.content",
        "choices[].logprobs.refusal",
        "choices[].delta.role",
        "choices[].delta.content",
        "choices[].delta.refusal",
        "choices[].delta.tool_calls",
        "choices[].delta.function_call.name",
        "choices[].delta.function_call.arguments",
        f"{_TOOL}.function.arguments",
        f"{_TOOL}.custom",  # a custom tool's name and input are a function's name and arguments
    }
)
"""Fields of the format whose values are folded whole: there is no path into them."""

_LISTS = frozenset({"choices", "choices[].delta.tool_calls"})
"""Lists whose items have fields with rules; others are those with the rule KEYED."""

_WHOLE = frozenset({Rule.FIRST, Rule.LAST, Rule.LEDGER, Rule.DROP})
"""Rules that take an object as one value: none is asked for its fields. (An object that any other rule cannot take is
merged.)"""


def check_rules(rules: Mapping[Any, Any]) -> None:
    """Raise `MisuseError` where `rules` is not a table of rules by path, or a path can never match."""
    for path, rule in rules.items():
        if not isinstance(path, str) or not isinstance(rule, Rule):
            text = f"rules= takes a mapping of paths to Rule values, and {shown(path)} has {shown(rule)}"
            raise MisuseError(text)
        if path not in RULES and (why := _never_matches(rules, path)) is not None:
            raise MisuseError(f"rules= has the path {shown(path)}, which matches nothing: {why}")


def _never_matches(rules: Mapping[str, Rule], path: str) -> str | None:
    """Why no field can be found at `path`; None where one can."""
    steps = path.split(".")
    for at, step in enumerate(steps, 1):
        name, place, last = step.removesuffix("[]"), ".".join(steps[:at]), at == len(steps)
        if not name or "[" in name or "]" in name or name.startswith("$"):
            return "a path is the names from the chunk down, joined by '.', with [] after the name of a list"
        if place.removesuffix("[]") in _NOT_FOLDED - _LISTS:
            return f"{place} is not folded by a rule"
        if step.endswith("[]"):
            if last:
                return "a rule is about a field, and this is any item of a list"
            place = place.removesuffix("[]")
            if place not in _LISTS and rules.get(place) is not Rule.KEYED:
                return f"items have rules by field only where the list has Rule.KEYED, and {place} does not"
        elif last:
            return f"{place} is not folded by a rule" if place in _NOT_FOLDED else None
        elif place in _LISTS:
            return f"{place} is a list: its items are {place}[]"
        elif place in _LEAVES:
            return f"{place} is one value"
        elif rules.get(place) in _WHOLE:
            return f"{place} is one value under Rule.{rules[place].name}"
    return None
