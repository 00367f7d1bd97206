"""Peers over the same bytes in the same run, in the groups of the other bench files; what is not installed is skipped.

Each shows once, before it is timed, that it does the work right: the text and the arguments, the data of each event.
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
    assert shapes.said(raw) == peers.said_by(peers.openai_python(raw))
    # Its accumulator copies the log probabilities so far at every chunk: 4 s for 1,000.
    completion = measure(f"whole path: {shape}", peers.openai_python, raw, slow=shape == "logprobs")
    assert completion.usage.completion_tokens == shapes.CHUNKS
    assert len(completion.choices) == (8 if shape == "choices" else 1)


@pytest.mark.parametrize("name", CUTS)
def test_openai_python_decoding_to_typed_chunks(measure: Any, name: str) -> None:
    pytest.importorskip("openai")
    raw = shapes.text(shapes.CHUNKS)
    chunks = peers.openai_chunks(cut(raw, CUTS[name]))
    assert shapes.said(raw) == ["".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)]
    assert measure(f"events: text, {name}", peers.openai_decode, cut(raw, CUTS[name])) == shapes.chunks(raw)


@pytest.mark.parametrize("name", CUTS)
def test_httpx_sse(measure: Any, name: str) -> None:
    pytest.importorskip("httpx_sse")
    pytest.importorskip("httpx")
    raw = shapes.text(shapes.CHUNKS)
    expected = [event.decode()[6:-2] for event in shapes.events(raw)]
    assert expected == peers.httpx_sse_data(cut(raw, CUTS[name]))
    assert measure(f"events: text, {name}", peers.httpx_sse, cut(raw, CUTS[name])) == len(expected)


@pytest.mark.parametrize("who", peers.FOLDS)
@pytest.mark.parametrize("shape", ["text", "tool_arguments"])
def test_typed_chunks_to_state(measure: Any, shape: str, who: str) -> None:
    module, make = peers.FOLDS[who]
    pytest.importorskip("openai")
    pytest.importorskip(module)
    raw = shapes.SHAPES[shape](shapes.CHUNKS)
    fold = make(list(peers.openai_chunks(raw)))
    assert shapes.said(raw) == peers.said_by(fold())
    measure(f"typed chunks to state: {shape}", fold)
