"""Markup that should have become a tool call, a channel or the end of a turn, and is in the text instead.

In: the text of one choice, piece by piece. Out: each markup with its place. A model writes its tool calls as text; the
server reads them and sends `tool_calls`. Where it does not (no parser, the wrong one, or one that fails in streams only),
they are in the content, and the unstreamed response of the same server may have none of it. An honest answer may quote
them too, so that this is a note and no fault. Cost: one search in each piece and the 40 characters before it; the pattern
is one alternative of fixed strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ("MARKUP", "Leaks")

MARKUP: dict[str, str] = {
    # --- tool calls
    "<tool_call>": "Qwen, Hermes, GLM",
    "</tool_call>": "Qwen, Hermes, GLM",
    "<function=": "Qwen3-Coder, Llama 3.1",
    "<|tool_call>": "Gemma 4",
    "<tool_call|>": "Gemma 4",
    "<start_function_call>": "FunctionGemma",
    "<|tool_calls_section_begin|>": "Kimi K2",
    "<|tool_call_begin|>": "Kimi K2",
    "<|tool_call_end|>": "Kimi K2",
    "<｜tool▁calls▁begin｜>": "DeepSeek",
    "<｜tool▁call▁begin｜>": "DeepSeek",
    "<｜DSML｜": "DeepSeek V3.2",
    "[TOOL_CALLS]": "Mistral",
    "<|python_tag|>": "Llama 3.1",
    "<minimax:tool_call>": "MiniMax M2",
    "<longcat_tool_call>": "LongCat",
    "<seed:tool_call>": "Seed-OSS",
    "<TOOLCALL>": "Nemotron",
    "<functioncall>": "Functionary",
    "<|tool_call|>": "Granite, Phi-4",
    "<|action_start|>": "InternLM",
    "<|tool_call_start|>": "LFM2",
    "<function_calls>": "Claude, Jamba",
    # --- channels and reasoning
    "<|channel|>": "gpt-oss",
    "<|channel>": "Gemma 4",
    "<|message|>": "gpt-oss",
    "<|call|>": "gpt-oss",
    "</think>": "DeepSeek R1, Qwen3 and others that reason",
    "[/THINK]": "Magistral",
    # --- the end of a turn
    "<|im_start|>": "ChatML: Qwen, Yi",
    "<|im_end|>": "ChatML: Qwen, Yi",
    "<|eot_id|>": "Llama 3",
    "<|eom_id|>": "Llama 3.1",
    "<end_of_turn>": "Gemma",
    "<|endoftext|>": "GPT, Qwen",
    "<｜end▁of▁sentence｜>": "DeepSeek",
}
"""Markup as it is written in text -> which models write it."""

_PATTERN = re.compile("|".join(sorted(map(re.escape, MARKUP), key=len, reverse=True)))
_LONGEST = max(map(len, MARKUP))
_THINK = "<think>"


class Leaks:
    """see(text) for each piece of the text of one choice."""

    __slots__ = ("_start", "_tail", "_thinks")

    def __init__(self) -> None:
        self._tail = ""  # markup may begin in it and end in the next piece
        self._start = ""  # how the text begins, until it is known whether with `<think>`
        self._thinks: bool | None = None

    def see(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield each markup that ends in `text`, whatever the cut, with some text before it and up to the end of the piece.

        `</think>` after a `<think>` at the start is not a leak but a habit: `Dialect(think_tags=True)` reads it.
        """
        if self._thinks is None:
            self._start = (self._start + text[:200]).lstrip()[: len(_THINK)]
            if len(self._start) == len(_THINK) or not _THINK.startswith(self._start):
                self._thinks = self._start == _THINK
        whole = self._tail + text
        for found in _PATTERN.finditer(whole):
            if found.end() > len(self._tail) and not (found[0] == "</think>" and self._thinks):
                yield found[0], whole[max(found.start() - 20, 0) : found.end() + 60]
        self._tail = whole[-(_LONGEST - 1) :]
