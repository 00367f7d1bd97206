"""What was thought, in the typed blocks in which some senders write it.

In: a block (`thinking_blocks` of LiteLLM, `reasoning_details` of OpenRouter, content parts of Mistral and Databricks,
`tensorzero_extra_content`), or a list of blocks. Out: the text that is reasoning. Cost: linear.
"""

from typing import Any

__all__ = ("blocks_reasoning", "reasoning_in")

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
