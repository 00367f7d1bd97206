"""What was thought, in the typed blocks in which some senders write it.

In: the name of a field and what stands in it: an object under a name of `REASONING` (Bedrock through a gateway), a block (`thinking_blocks` of LiteLLM, `reasoning_details` of OpenRouter, content parts of Mistral and Databricks,
`tensorzero_extra_content`), or a list of blocks. Out: the text that is reasoning. Cost: linear.
"""

from typing import Any

__all__ = ("REASONING", "blocks_reasoning", "field_reasoning", "reasoning_in")

REASONING = ("reasoning_content", "reasoning", "reasoning_text")
"""The names of the fields that are reasoning, and text as a rule; the first that says something counts."""


_KINDS = ("thinking", "reasoning", "thought")
_TEXTS = ("thinking", "text", "summary", "reasoning")


def reasoning_in(block: Any) -> str:
    """The reasoning in one block; empty where it has none, or is no block of that kind."""
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
    """The reasoning in all blocks of a list, in their order; empty where `value` is none."""
    return "".join(map(reasoning_in, value)) if isinstance(value, list) else ""


def field_reasoning(name: str, value: Any) -> str:
    """The reasoning in the field `name` of a delta or a message, where that is no text: empty where it has none."""
    if name not in REASONING:
        return blocks_reasoning(value)
    if isinstance(value, dict):
        return _untyped(value)
    return "".join(map(_untyped, value)) if isinstance(value, list) else ""


def _untyped(part: Any) -> str:
    """The text of what stands for reasoning by its place, with a type or without."""
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    return reasoning_in(part) or next(
        (part[name] for name in (*_TEXTS, "content") if isinstance(part.get(name), str)), ""
    )
