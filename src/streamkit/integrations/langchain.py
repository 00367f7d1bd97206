"""LangChain's `ChatOpenAI`, with what it leaves out of the streams of other senders: reasoning, refusals, calls cut off.

    model = streamkit.integrations.langchain.ChatOpenAI(model="m", base_url=…)      # in place of langchain_openai's class

In: its options. Out: its messages. Install `streamkit-llm[langchain]`. Where the plain class is enough, a cleaning transport
does (docs/frameworks/langchain.md); this class makes one for each HTTP client that it is not passed.

Rule 1  Reasoning and a refusal are among `message.content_blocks`: `{"type": "reasoning", …}` and
        `{"type": "refusal", …}`; `message.content` stays the text. Both are in `additional_kwargs` too.
Rule 2  A call that the finish reason `length` or `content_filter` cut off is one of `invalid_tool_calls`. LangChain reads
        `{"city":"Zür` as `{"city": "Zür"}` and runs it, whenever chunks are added; so a bracket that does not fit follows,
        which is all that `AIMessageChunk` takes for invalid. An agent runs the other calls and continues: `incomplete_calls="raise"`
        raises instead.

LangChain does not promise the names `_convert_chunk_to_generation_chunk` and `_create_chat_result`, which its own packages for
other senders override too; `_stream` and `_astream` it says to override.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

try:
    import openai
    from langchain_core.messages import AIMessage
    from langchain_core.messages.block_translators import get_translator, register_translator
    from langchain_core.utils.json import parse_partial_json
    from langchain_openai import ChatOpenAI as _ChatOpenAI
    from pydantic import Field, model_validator
except ImportError as error:
    raise ImportError(
        'streamkit.integrations.langchain needs langchain-openai 1 or newer: pip install "streamkit-llm[langchain]"'
    ) from error

from streamkit import Clean, Ended

from .httpx import async_cleaning_transport, cleaning_transport

__all__ = ("ChatOpenAI",)

_PROVIDER = "streamkit"
_CUT = ("length", "content_filter")
# In which order they are tried: outside of a string, inside, and inside after a backslash; then where the other bracket fits.
_UNFIT = ("]", '"]', '""]', "}", '"}', '""}')


class ChatOpenAI(_ChatOpenAI):  # type: ignore[misc]
    """`langchain_openai.ChatOpenAI`, right for any sender. It takes the same options, and two more."""

    incomplete_calls: Literal["invalid", "raise"] = Field(default="invalid", exclude=True)
    """A call that the finish reason cut off is one of `invalid_tool_calls`, or raises the SDK's `APIConnectionError`."""
    on_end: Callable[[Ended], None] | None = Field(default=None, exclude=True)
    """Called with a `streamkit.Ended` for each request for a stream."""

    @model_validator(mode="before")
    @classmethod
    def _transports(cls, values: dict[str, Any]) -> dict[str, Any]:
        raises = values.get("incomplete_calls") == "raise"
        cut: Any = "raise" if raises else "as_sent"
        clean = Clean(truncated="raise", reasoning="reasoning_content", choices=1, incomplete_calls=cut)
        how: dict[str, Any] = {"on_end": values.get("on_end"), "clean": clean}
        given = [values.get(name) for name in ("http_client", "http_async_client")]
        if all(given) and (raises or how["on_end"]):
            raise ValueError(
                "incomplete_calls= and on_end= are for the transports: pass them to yours, or no HTTP clients"
            )
        made = given[0] or openai.DefaultHttpxClient(transport=cleaning_transport(**how))
        made_async = given[1] or openai.DefaultAsyncHttpxClient(transport=async_cleaning_transport(**how))
        return {**values, "http_client": made, "http_async_client": made_async}

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *args: Any) -> Any:
        made = super()._convert_chunk_to_generation_chunk(chunk, *args)
        choices = chunk.get("choices") or chunk.get("chunk", {}).get("choices") or ()
        if made is not None and choices:
            _add(made.message, choices[0].get("delta") or {})
        return made

    def _create_chat_result(self, response: Any, *args: Any, **more: Any) -> Any:
        made = super()._create_chat_result(response, *args, **more)
        sent = response if isinstance(response, dict) else response.model_dump(warnings=False)
        for generation, choice in zip(made.generations, sent["choices"], strict=True):
            _add(generation.message, choice["message"])
        made.llm_output["model_provider"] = _PROVIDER
        return made

    def _stream(self, *args: Any, **more: Any) -> Iterator[Any]:
        given: dict[Any, str] = {}
        for chunk in super()._stream(*args, **more):
            _spoil(chunk, given)
            yield chunk

    async def _astream(self, *args: Any, **more: Any) -> AsyncIterator[Any]:
        given: dict[Any, str] = {}
        async for chunk in super()._astream(*args, **more):
            _spoil(chunk, given)
            yield chunk


def _add(message: Any, sent: dict[str, Any]) -> None:
    """Note what LangChain leaves out, where it is kept and where pieces are joined."""
    if not isinstance(message, AIMessage):
        return
    reasoning = sent.get("reasoning_content") or sent.get("reasoning")  # unstreamed, no transport has settled the name
    for name, text in (("reasoning_content", reasoning), ("refusal", sent.get("refusal"))):
        if isinstance(text, str) and text:
            message.additional_kwargs[name] = text
    message.response_metadata["model_provider"] = _PROVIDER


def _spoil(chunk: Any, given: dict[Any, str]) -> None:
    """Add to `given` the arguments so far, by the index of their call; in the last chunk spoil those that were cut off."""
    pieces: Any = getattr(chunk.message, "tool_call_chunks", ())
    for piece in pieces:
        given[piece["index"]] = given.get(piece["index"], "") + (piece["args"] or "")
    if (chunk.generation_info or {}).get("finish_reason") not in _CUT:
        return
    for index, arguments in given.items():
        try:
            json.loads(arguments, strict=False)
        except ValueError:
            spoilt = next(end for end in _UNFIT if not isinstance(_lenient(arguments + end), dict))
            pieces.append({"type": "tool_call_chunk", "index": index, "id": None, "name": None, "args": spoilt})


def _lenient(text: str) -> Any:
    """Return what LangChain makes of arguments."""
    try:
        return parse_partial_json(text)
    except ValueError:
        return None


def _translate(kind: str) -> Callable[[Any], list[Any]]:
    def translate(message: Any) -> list[Any]:
        blocks: list[Any] = get_translator("openai")[kind](message)  # the refusal among them
        if reasoning := message.additional_kwargs.get("reasoning_content"):
            blocks = [{"type": "reasoning", "reasoning": reasoning}, *blocks]
        if message.response_metadata.get("output_version") == "v1":
            for block in blocks:  # else LangChain counts from 0, and adds the text to the call of that index
                if block["type"] in ("reasoning", "refusal", "text"):
                    block.setdefault("index", f"lc_{block['type']}")
        return blocks

    return translate


register_translator(_PROVIDER, _translate("translate_content"), _translate("translate_content_chunk"))
