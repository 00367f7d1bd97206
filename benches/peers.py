"""The same work done by others, each as a function of the same input; what is not installed raises ImportError.

Whole path, bytes to the final object: `openai_python`, by the SDK's own accumulator. Decoding: `openai_decode` to typed
chunks, `httpx_sse` to events. From openai-python's typed chunks to state, as makers in `FOLDS`: a maker takes the
chunks and returns the work to be timed, after it has turned them, once and outside of the time, into what its library
takes: `pydantic_ai_parts` (its parts manager), `langchain_addition` (`full = full + chunk`), `litellm_builder`.

Every function gets through the whole input and returns what it made, and `said_by` reads from that the text and the
arguments, so that a caller sees that the work was done, and done right, before it is timed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = (
    "FOLDS",
    "httpx_sse",
    "httpx_sse_data",
    "langchain_addition",
    "litellm_builder",
    "openai_chunks",
    "openai_decode",
    "openai_python",
    "pydantic_ai_parts",
    "said_by",
    "versions",
)

URL = "http://127.0.0.1:9/v1"  # nobody listens there, and nobody is called


def versions(*names: str) -> dict[str, str]:
    """Return the installed versions of these distributions; what is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


# --- bytes


@cache
def _openai() -> tuple[Any, Callable[[bytes | Iterator[bytes]], Any]]:
    """Return a client that never connects, and what makes a response of its HTTP library (httpx or httpx2) out of bytes."""
    import openai

    client = openai.OpenAI(api_key="none", base_url=URL)
    bases = [base.__module__.split(".")[0] for base in type(client._client).__mro__]
    http = import_module(next(name for name in bases if name.startswith("httpx")))
    request = http.Request("POST", f"{URL}/chat/completions")

    def response(content: bytes | Iterator[bytes]) -> Any:
        return http.Response(200, content=content, headers={"content-type": "text/event-stream"}, request=request)

    return client, response


def openai_chunks(raw: bytes | Iterable[bytes]) -> Iterator[Any]:
    """Return the `ChatCompletionChunk`s of a stream, given whole or in blocks."""
    from openai._streaming import Stream
    from openai.types.chat import ChatCompletionChunk

    client, response = _openai()
    content = raw if isinstance(raw, bytes) else iter(raw)
    return iter(Stream(cast_to=ChatCompletionChunk, response=response(content), client=client))


def openai_decode(raw: bytes | Iterable[bytes]) -> int:
    """Bytes to typed chunks, and their number."""
    return sum(1 for _ in openai_chunks(raw))


def openai_python(raw: bytes | Iterable[bytes]) -> Any:
    """Bytes to the final `ChatCompletion`, by `ChatCompletionStreamState`. Raises what the SDK raises."""
    from openai.lib.streaming.chat._completions import ChatCompletionStreamState

    state: Any = ChatCompletionStreamState()
    for chunk in openai_chunks(raw):
        state.handle_chunk(chunk)
    return state.get_final_completion()


def _httpx_sse_events(blocks: Iterable[bytes]) -> Iterator[Any]:
    import httpx
    from httpx_sse import EventSource

    request = httpx.Request("POST", f"{URL}/chat/completions")
    headers = {"content-type": "text/event-stream"}
    return EventSource(httpx.Response(200, content=iter(blocks), headers=headers, request=request)).iter_sse()


def httpx_sse(blocks: Iterable[bytes]) -> int:
    """Blocks to server-sent events, and their number, by `EventSource` over a response made of these blocks."""
    return sum(1 for _ in _httpx_sse_events(blocks))


def httpx_sse_data(blocks: Iterable[bytes]) -> list[str]:
    """Return the data of each event: what shows that `httpx_sse` reads these blocks right."""
    return [event.data for event in _httpx_sse_events(blocks)]


# --- typed chunks to state

Fold = Callable[[], Any]


def pydantic_ai_parts(chunks: list[Any]) -> Fold:
    """Return the parts of a pydantic-ai response."""
    from pydantic_ai._parts_manager import ModelResponsePartsManager
    from pydantic_ai.models import ModelRequestParameters

    def fold() -> list[Any]:
        manager = ModelResponsePartsManager(model_request_parameters=ModelRequestParameters())
        for chunk in chunks:
            for choice in chunk.choices:
                if choice.delta.content:
                    for _ in manager.handle_text_delta(vendor_part_id="content", content=choice.delta.content):
                        pass
                for call in choice.delta.tool_calls or ():
                    manager.handle_tool_call_delta(
                        vendor_part_id=call.index,
                        tool_name=call.function and call.function.name,
                        args=call.function and call.function.arguments,
                        tool_call_id=call.id,
                    )
        return manager.get_parts()

    return fold


def langchain_addition(chunks: list[Any]) -> Fold:
    """Return the sum of langchain-openai's message chunks, each added to the sum so far, as its documentation shows."""
    from langchain_core.messages import AIMessageChunk
    from langchain_openai import ChatOpenAI

    model: Any = ChatOpenAI(api_key="none", base_url=URL, model="gpt-4o-mini")
    dumped = [chunk.model_dump() for chunk in chunks]
    made = [model._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, None) for chunk in dumped]
    messages = [one.message for one in made if one is not None]

    def fold() -> Any:
        full = messages[0]
        for message in messages[1:]:
            full = full + message
        return full

    return fold


def litellm_builder(chunks: list[Any]) -> Fold:
    """`litellm.stream_chunk_builder` over litellm's own chunks: one pass over all of them at the end."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing it asks the network for prices
    import litellm

    made = [litellm.ModelResponseStream(**chunk.model_dump()) for chunk in chunks]
    return lambda: litellm.stream_chunk_builder(made)


FOLDS: dict[str, tuple[str, Callable[[list[Any]], Fold]]] = {
    "pydantic-ai, parts manager": ("pydantic_ai", pydantic_ai_parts),
    "langchain-openai, chunk addition": ("langchain_openai", langchain_addition),
    "litellm, stream_chunk_builder": ("litellm", litellm_builder),
}
"""By name: the module that must be there, and the maker."""


# --- the result


def said_by(made: Any) -> list[str]:
    """Return the text of each choice, then the arguments of each call, out of what one of these made: see `shapes.said`."""
    if isinstance(made, list):  # pydantic-ai's parts
        texts = [getattr(part, "content", None) for part in made]
        return [text for text in (*texts, *(getattr(part, "args", None) for part in made)) if text]
    if hasattr(made, "tool_call_chunks"):  # langchain's message
        return [text for text in (made.content, *(call["args"] for call in made.tool_call_chunks)) if text]
    messages = [choice.message for choice in made.choices]
    calls = [call for message in messages for call in message.tool_calls or ()]
    return [
        text for text in (*(message.content for message in messages), *(c.function.arguments for c in calls)) if text
    ]
