"""`ChatCompletionStreamState`: the SDK's class of that name, right where it raises or is wrong.

In: chunks of the SDK, one by one, as any sender writes them. Out: the SDK's events, with the index of their choice and the id
of their call; at the end its `ParsedChatCompletion`. Cost: that of an `Accumulator`, and an event or two; what grows with the
stream (`snapshot`, `parsed`) is made when it is asked for.

Different from the original, and meant so:

Rule 1  `index` of a call is its place among the calls of the message, whatever the sender's was.
Rule 2  A call, and a text, is done when its choice has ended: before that its sender may continue it.
Rule 3  Custom tools have events by themselves, and stay in the completion.
Rule 4  A piece without text is not an event, but for the one that begins a call.
"""

from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletionChunk, ParsedChatCompletion

from streamkit import Accumulator, Dialect, Limits, MisuseError, unstructure

from ._events import EventMaker
from ._parsing import Parser
from ._raising import in_words_of_the_sdk

__all__ = ("ChatCompletionStreamState",)


class ChatCompletionStreamState:
    """Accumulates chunks: `handle_chunk(chunk)` returns events, then `get_final_completion()`.

    `response_format`, `input_tools`: as they were passed to the SDK, for what is parsed. `limits`, `dialect`: as those of an
    `Accumulator`.
    """

    def __init__(
        self,
        *,
        input_tools: Any = None,
        response_format: Any = None,
        limits: Limits | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self._parser = Parser(response_format, input_tools)
        self.accumulator = Accumulator(limits=limits or Limits(), dialect=dialect or Dialect())
        """What reads the chunks: its outcome, its anomalies."""
        self._maker = EventMaker(self._parser, self._snapshot)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} outcome={self.accumulator.outcome}>"

    def handle_chunk(self, chunk: ChatCompletionChunk) -> list[Any]:
        """Take a chunk; return its events, `chunk` first.

        Raises the SDK's `LengthFinishReasonError` or `ContentFilterFinishReasonError` where a response that is to be parsed
        was cut off.
        """
        return self._maker.events(chunk, self.accumulator.add(chunk))

    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[Any]:
        """The completion so far. `MisuseError` before the first chunk."""
        return self._snapshot()

    def get_final_completion(self) -> ParsedChatCompletion[Any]:
        """Return the completion, parsed. Nothing more may follow.

        Raises the SDK's `LengthFinishReasonError` or `ContentFilterFinishReasonError` for one that was cut off, and its
        `APIConnectionError` or `APIError`, with ours as the cause, for one that broke off or failed.
        """
        outcome = self.accumulator.close()
        if outcome.error is not None:
            raise in_words_of_the_sdk(outcome.error)
        return self._parser.final(self._snapshot())

    def _snapshot(self) -> ParsedChatCompletion[Any]:
        response = self.accumulator.snapshot()
        if response is None:
            raise MisuseError("there is no completion before the first chunk: pass one to handle_chunk()")
        data = unstructure(response)
        completion = ParsedChatCompletion[Any].construct(**data)
        for choice, said in zip(completion.choices, data["choices"], strict=True):
            customs = _custom_calls(said)
            for at, call in customs.items():
                choice.message.tool_calls[at] = call  # type: ignore[index]
        return completion


def _custom_calls(choice: dict[str, Any]) -> dict[int, Any]:
    """Return the calls of custom tools of a choice: the class of a parsed message knows none."""
    from openai.types import chat

    kind = getattr(chat, "ChatCompletionMessageCustomToolCall", None)  # since 1.99
    calls = choice["message"].get("tool_calls") or []
    customs = {at: call for at, call in enumerate(calls) if call.get("type") == "custom"}
    return {} if kind is None else {at: kind.construct(**call) for at, call in customs.items()}
