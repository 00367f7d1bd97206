"""The same work done by others, each as a function of the same input; what is not installed raises ImportError.

openai-python: `openai_decode` (bytes to typed chunks) and `openai_python` (bytes to the final completion, by the
SDK's own accumulator). httpx-sse: `httpx_sse` (blocks to events). pydantic-ai: `pydantic_ai_parts` (deltas to parts).
Every function gets through the whole input and returns what it made, so that a caller can see that work was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ("httpx_sse", "openai_decode", "openai_python", "pydantic_ai_parts", "versions")


def versions(*names: str) -> dict[str, str]:
    """The installed versions of these distributions; what is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def _openai() -> tuple[Any, Callable[[bytes | Iterator[bytes]], Any]]:
    """A client that never connects, and what makes a response of its HTTP library out of bytes."""
    import openai

    try:
        import httpx2 as http  # what openai speaks through from version 3
    except ImportError:
        import httpx as http

    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")
    request = http.Request("POST", "http://127.0.0.1:9/v1/chat/completions")

    def response(content: bytes | Iterator[bytes]) -> Any:
        return http.Response(200, content=content, headers={"content-type": "text/event-stream"}, request=request)

    return client, response


def openai_chunks(raw: bytes | Iterable[bytes]) -> Iterator[Any]:
    """The `ChatCompletionChunk`s of a stream, given whole or in blocks."""
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


def httpx_sse(blocks: Iterable[bytes]) -> int:
    """Blocks to server-sent events, and their number, by `EventSource` over a response made of these blocks."""
    import httpx
    from httpx_sse import EventSource

    request = httpx.Request("POST", "http://127.0.0.1:9/v1/chat/completions")
    headers = {"content-type": "text/event-stream"}
    response = httpx.Response(200, content=iter(blocks), headers=headers, request=request)
    return sum(1 for _ in EventSource(response).iter_sse())


def pydantic_ai_parts() -> Callable[[Iterable[Any]], int]:
    """A function that folds openai-python's chunks into the parts of a pydantic-ai response, and counts the parts."""
    from pydantic_ai._parts_manager import ModelResponsePartsManager
    from pydantic_ai.models import ModelRequestParameters

    def fold(chunks: Iterable[Any]) -> int:
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
        return len(manager.get_parts())

    return fold
