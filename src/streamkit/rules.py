"""Merge rules: how the values of a field that appears in several chunks are combined, one table keyed by path.

A path names the place in the chunk; `[]` means any item of a list. For a field that is not in the table, the rule
follows from its place and type (`rule_for`). The table is data: a caller passes `{**RULES, "choices[].delta.x": ...}`.
How each rule accumulates is in `_fold/field_rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from .errors import MisuseError, shown
from .types._reasoning import REASONING as REASONING  # for `_fold` and others, not public

__all__ = ("RULES", "Rule", "rule_for")


class Rule(StrEnum):
    """How the next value of a field is combined with the earlier ones. Null never erases a value, whatever the rule."""

    FIRST = "first"
    """The first non-empty value is kept."""
    LAST = "last"
    """The last non-null value is kept."""
    ADD = "add"
    """Text: the pieces are joined."""
    ADD_BASE64 = "add_base64"
    """Base64 text: the pieces are decoded and joined as bytes, since each may have its own padding."""
    SAME_OR_ADD = "same_or_add"
    """Text of unknown kind: one value while every piece is equal, joined once they differ."""
    EXTEND = "extend"
    """A list: the items are appended. Inside a delta, a list that repeats at least two kept objects or strings from the
    first item on is cumulative, and only the rest of it is appended."""
    GROW = "grow"
    """A list of objects or strings: one that equals, or begins with, everything kept replaces it; any other list is
    appended."""
    MERGE = "merge"
    """An object: each of its fields by its own rule."""
    KEYED = "keyed"
    """A list of typed blocks that arrive in pieces: a block continues the last one of its index if type and id agree
    (an absent one agrees) and that one has no signature, seal or data yet. Any other item is appended."""
    LEDGER = "ledger"
    """Token counts: the last report is kept, and counts missing from it keep their value; never a sum."""
    DROP = "drop"
    """The field is not part of the response."""


DELTA = "choices[].delta."
"""The prefix of the path of every field of a delta."""

SEALS = frozenset({"data", "encrypted_content", "seal", "signature", "thought_signature"})
"""The fields of a typed block that end it: the next piece at the same index is another block."""

BLOCK_TEXT = frozenset({"reasoning", "refusal", "summary", "text", "thinking", "transcript"})
"""The fields of a typed block whose text arrives in pieces: two equal pieces are both kept."""

_BLOCK: dict[str, Rule] = {
    **dict.fromkeys(("format", "id", "index", "type"), Rule.FIRST),
    **dict.fromkeys(("signature", "status"), Rule.LAST),
    **dict.fromkeys(BLOCK_TEXT, Rule.ADD),
}
"""Rules for the fields that any typed block may have, by the type of value that they accept."""

_TOOL = "choices[].delta.tool_calls[]"
_PART = "choices[].delta.content_parts[]"
_DETAIL = "choices[].delta.reasoning_details[]"


class _Table(dict[str, Rule]):
    """A dict with a short `repr`, since it is the default of an argument and so appears in `help()`."""

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
        "p": Rule.DROP,  # the same under another name (Bedrock, Cloudflare)
        "choices[].finish_reason": Rule.LAST,
        "choices[].obfuscation": Rule.DROP,
        "choices[].delta.obfuscation": Rule.DROP,
        "choices[].text": Rule.ADD,  # Together repeats the content of each delta here
        "choices[].logprobs.content": Rule.EXTEND,
        "choices[].logprobs.refusal": Rule.EXTEND,
        "choices[].logprobs.reasoning_content": Rule.EXTEND,  # xAI: logprobs of the reasoning
        # The old completions API: one entry for each token, and two equal tokens are two.
        "choices[].logprobs.tokens": Rule.EXTEND,
        "choices[].logprobs.token_logprobs": Rule.EXTEND,
        "choices[].logprobs.top_logprobs": Rule.EXTEND,
        "choices[].logprobs.text_offset": Rule.EXTEND,
        "choices[].content_filter_offsets": Rule.LAST,  # of the last report; the spans have those of each report
        "choices[].content_filter_spans": Rule.EXTEND,  # ours: the span that each report of Azure's filter covers
        "choices[].token_ids": Rule.EXTEND,  # vLLM return_token_ids: those of this chunk
        "choices[].delta.role": Rule.FIRST,
        "choices[].delta.name": Rule.FIRST,
        "choices[].delta.channel": Rule.LAST,  # gpt-oss: analysis, then final
        "choices[].delta.content": Rule.ADD,
        "choices[].delta.refusal": Rule.ADD,
        "choices[].delta.reasoning": Rule.ADD,
        "choices[].delta.reasoning_content": Rule.ADD,
        "choices[].delta.reasoning_text": Rule.ADD,
        "choices[].delta.reasoning_opaque": Rule.LAST,  # Copilot: one sealed text, useless when joined
        "choices[].delta.reasoning_details": Rule.KEYED,
        f"{_DETAIL}.text": Rule.ADD,
        f"{_DETAIL}.summary": Rule.ADD,
        f"{_DETAIL}.data": Rule.ADD,
        f"{_DETAIL}.signature": Rule.LAST,
        f"{_DETAIL}.type": Rule.FIRST,
        f"{_DETAIL}.format": Rule.FIRST,
        f"{_DETAIL}.id": Rule.FIRST,
        f"{_DETAIL}.index": Rule.FIRST,
        "choices[].delta.content_parts": Rule.KEYED,  # ours: content sent as a list of parts (Mistral)
        f"{_PART}.type": Rule.FIRST,
        f"{_PART}.text": Rule.ADD,
        f"{_PART}.summary": Rule.KEYED,  # Databricks, like `thinking` of Mistral
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
        # Gemini's thought signature, needed for the next turn: only valid verbatim.
        "choices[].delta.extra_content.google.thought_signature": Rule.LAST,
        "choices[].delta.extra_content.vertex.thought_signature": Rule.LAST,
        f"{_TOOL}.extra_content.google.thought_signature": Rule.LAST,
        f"{_TOOL}.extra_content.vertex.thought_signature": Rule.LAST,
        "choices[].delta.function_call.name": Rule.FIRST,
        "choices[].delta.function_call.arguments": Rule.ADD,
        f"{_TOOL}.function.arguments": Rule.ADD,  # and a custom tool's input
    }
)
"""The table of rules: path of a field, then its rule. Fields not listed here follow `rule_for`."""


def rule_for(rules: Mapping[str, Rule], path: str, value: Any) -> Rule:
    """Return the rule of the field at `path`, whose first value is `value`: the table's, or one by place and type.

    Inside a delta, unknown strings are SAME_OR_ADD, lists KEYED (which appends everything that is not a typed block),
    objects MERGE. Outside a delta, lists GROW, and objects MERGE too, so that a report in parts (Azure's content filter
    results) keeps all its parts. Numbers, booleans, strings outside a delta, and lists in a usage report, which arrives
    whole, are LAST.
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
    """Return True if the field at `path` is a usage report, or inside one (`x_groq.usage`,
    `copilot_usage.token_details`)."""
    return "usage" in path


# --- which paths can match

_NOT_FOLDED = frozenset(
    {
        "object",  # always the same in a response
        "choices",
        "choices[].index",
        f"{_TOOL}.index",
        f"{_TOOL}.id",  # assigning a fragment to a call is not a rule of one field: `_fold/tool_calls.py`
        f"{_TOOL}.type",
        f"{_TOOL}.function.name",
    }
)
"""Fields for which no rule is looked up."""

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
"""Fields of the format whose values are folded as a whole: no path leads into them."""

_LISTS = frozenset({"choices", "choices[].delta.tool_calls"})
"""Lists whose items have fields with rules, besides lists with the rule KEYED."""

_WHOLE = frozenset({Rule.FIRST, Rule.LAST, Rule.LEDGER, Rule.DROP})
"""Rules that treat an object as one value: no rule is looked up for its fields. (An object that any other rule cannot
take is merged.)"""


def check_rules(rules: Mapping[Any, Any]) -> None:
    """Raise `MisuseError` if `rules` is not a mapping of paths to rules, or a path can never match."""
    for path, rule in rules.items():
        if not isinstance(path, str) or not isinstance(rule, Rule):
            text = f"rules= takes a mapping of paths to Rule values, and {shown(path)} has {shown(rule)}"
            raise MisuseError(text)
        if path not in RULES and (why := _never_matches(rules, path)) is not None:
            raise MisuseError(f"rules= has the path {shown(path)}, which matches nothing: {why}")


def _never_matches(rules: Mapping[str, Rule], path: str) -> str | None:
    """Return why `path` can never match a field, or None if it can."""
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
