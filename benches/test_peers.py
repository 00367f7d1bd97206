"""Peers over the same bytes in the same run, in the groups of the other bench files; what is not installed is skipped.

Each also shows that it did the work: the text, the number of calls, the number of events.
"""

from __future__ import annotations

from typing import Any

import pytest

import peers
import shapes
from bench_sse import CUTS, cut


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_openai_python(measure: Any, shape: str) -> None:
    pytest.importorskip("openai")
    raw = shapes.SHAPES[shape](shapes.CHUNKS)
    # Its accumulator copies the log probabilities so far at every chunk: 4 s for 1,000.
    completion = measure(f"whole path: {shape}", peers.openai_python, raw, slow=shape == "logprobs")
    assert completion.usage.completion_tokens == shapes.CHUNKS
    assert len(completion.choices) == (8 if shape == "choices" else 1)


@pytest.mark.parametrize("name", CUTS)
def test_openai_python_decoding_to_typed_chunks(measure: Any, name: str) -> None:
    pytest.importorskip("openai")
    raw = shapes.text(shapes.CHUNKS)
    assert measure(f"events: text, {name}", peers.openai_decode, cut(raw, CUTS[name])) == shapes.chunks(raw)


@pytest.mark.parametrize("name", CUTS)
def test_httpx_sse(measure: Any, name: str) -> None:
    pytest.importorskip("httpx_sse")
    pytest.importorskip("httpx")
    raw = shapes.text(shapes.CHUNKS)
    assert measure(f"events: text, {name}", peers.httpx_sse, cut(raw, CUTS[name])) == len(shapes.events(raw))


@pytest.mark.parametrize("shape", ["text", "tool_arguments"])
def test_pydantic_ai_parts_manager(measure: Any, shape: str) -> None:
    pytest.importorskip("pydantic_ai")
    pytest.importorskip("openai")
    chunks = list(peers.openai_chunks(shapes.SHAPES[shape](shapes.CHUNKS)))
    parts = measure(f"typed chunks to state: {shape}", peers.pydantic_ai_parts(), chunks)
    assert parts == (4 if shape == "tool_arguments" else 1)
