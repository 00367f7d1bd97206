"""JSON to types and back: one chunk, a full response; beside openai-python's pydantic models and msgspec structs.

The peers check less than streamkit does: `model_construct` checks nothing, msgspec reads only the fields it is shown
here and drops the rest. They are a range to be in, not the same contract.
"""

from __future__ import annotations

from typing import Any

import jiter
import pytest

import shapes
import streamkit
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

WORDS = 200

CHUNK_JSON = shapes.events(shapes.text(10))[5].removeprefix(b"data: ")
LOGPROBS_JSON = shapes.events(shapes.logprobs(10))[5].removeprefix(b"data: ")
CHUNKS = {"text": CHUNK_JSON, "logprobs": LOGPROBS_JSON}


def response_json() -> bytes:
    """Return a response of 200 tokens with log probabilities, as a sender writes it unstreamed."""
    return streamkit.dumps(streamkit.reassemble(shapes.logprobs(WORDS)))


@pytest.mark.parametrize("shape", CHUNKS)
def bench_structure_a_chunk(measure: Any, shape: str) -> None:
    value = jiter.from_json(CHUNKS[shape])
    measure(f"mapping to chunk: {shape}", streamkit.structure, value, CreateChatCompletionStreamResponse, chunks=1)


@pytest.mark.parametrize("shape", CHUNKS)
@pytest.mark.parametrize("way", ["model_validate", "model_construct"])
def bench_structure_a_chunk_openai(measure: Any, shape: str, way: str) -> None:
    chat = pytest.importorskip("openai.types.chat")
    value = jiter.from_json(CHUNKS[shape])
    # `construct` is what the SDK itself does to a chunk: recursive, without checks.
    work = chat.ChatCompletionChunk.model_validate if way == "model_validate" else construct(chat.ChatCompletionChunk)
    measure(f"mapping to chunk: {shape}", work, value, chunks=1)


def construct(model: Any) -> Any:
    from openai._models import construct_type

    return lambda value: construct_type(value=value, type_=model)


def bench_structure_a_chunk_msgspec(measure: Any) -> None:
    msgspec = pytest.importorskip("msgspec")
    value = jiter.from_json(CHUNK_JSON)
    measure("mapping to chunk: text", msgspec.convert, value, msgspec_chunk(msgspec), chunks=1)


def msgspec_chunk(msgspec: Any) -> Any:
    delta = msgspec.defstruct("Delta", [("role", str | None, None), ("content", str | None, None)])
    choice = msgspec.defstruct("Choice", [("index", int), ("delta", delta), ("finish_reason", str | None, None)])
    fields = [("id", str), ("created", int), ("model", str), ("choices", list[choice]), ("service_tier", str | None)]
    return msgspec.defstruct("Chunk", [*fields, ("system_fingerprint", str | None, None)])


def bench_loads_a_response(measure: Any) -> None:
    measure("JSON to response", streamkit.loads, response_json(), CreateChatCompletionResponse, chunks=WORDS)


def bench_loads_a_response_openai(measure: Any) -> None:
    chat = pytest.importorskip("openai.types.chat")
    measure("JSON to response", chat.ChatCompletion.model_validate_json, response_json(), chunks=WORDS)


def bench_yardstick_json_to_dict(measure: Any) -> None:
    measure("JSON to response", jiter.from_json, response_json(), chunks=WORDS)


def bench_dumps_a_response(measure: Any) -> None:
    measure("response to JSON", streamkit.dumps, streamkit.reassemble(shapes.logprobs(WORDS)), chunks=WORDS)


def bench_dumps_a_response_openai(measure: Any) -> None:
    chat = pytest.importorskip("openai.types.chat")
    completion = chat.ChatCompletion.model_validate_json(response_json())
    measure("response to JSON", completion.model_dump_json, chunks=WORDS)
