"""Reasoning in the typed blocks that some senders write.

In: the name of a field and its value: an object under a name of `REASONING` (Bedrock through a gateway), a block
(`thinking_blocks` of LiteLLM, `reasoning_details` of OpenRouter, content parts of Mistral and Databricks,
`tensorzero_extra_content`), or a list of blocks. Out: the text that is reasoning. Cost: linear.
"""

from typing import Any

__all__ = ("REASONING", "blocks_reasoning", "field_reasoning", "reasoning_in")

REASONING = ("reasoning_content", "reasoning", "reasoning_text")
"""The names of the fields with reasoning, usually text; the first that is not empty counts."""


_KINDS = ("thinking", "reasoning", "thought")
_TEXTS = ("thinking", "text", "summary", "reasoning")


def reasoning_in(block: Any) -> str:
    """Return the reasoning in one block; empty if it has none, or is not a block of that kind."""
    if not isinstance(block, dict):
        return ""
    kind = block.get("type")
    if not isinstance(kind, str) or not any(word in kind for word in _KINDS):
        return ""
    for name in _TEXTS:
        value = block.get(name)
        if value and isinstance(value, str):
            return value
        if value and isinstance(value, list):
            parts = (one.get("text") for one in value if isinstance(one, dict))
            return "".join(text for text in parts if isinstance(text, str))
    return ""


def blocks_reasoning(value: Any) -> str:
    """Return the reasoning in all blocks of a list, in order; empty if `value` is not a list."""
    return "".join(map(reasoning_in, value)) if isinstance(value, list) else ""


def field_reasoning(name: str, value: Any) -> str:
    """Return the reasoning in the field `name` of a delta or a message, if the field is not text; empty if it has
    none."""
    if name not in REASONING:
        return blocks_reasoning(value)
    if isinstance(value, dict):
        return _untyped(value)
    return "".join(map(_untyped, value)) if isinstance(value, list) else ""


def _untyped(part: Any) -> str:
    """Return the text of a part that is reasoning by its place, with or without a type."""
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    return reasoning_in(part) or next(
        (part[name] for name in (*_TEXTS, "content") if isinstance(part.get(name), str)), ""
    )
