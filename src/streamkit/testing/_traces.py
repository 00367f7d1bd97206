"""Recorded streams of real servers for users' tests, each with the response that it makes.

In: names, or none for all. Out: `RecordedStream`s; a file is read when it is first asked for. The choice travels in the wheel
(about 300 KB unpacked); in a checkout the same files are read from `traces/`, whose README.md says how they were made.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import attrs

from .._field_docs import explain
from ..accumulator import Accumulator
from ..errors import MisuseError, shown
from ..outcome import Outcome
from ..trace import Trace, read_trace
from ..types import CreateChatCompletionResponse

__all__ = ("CHOICE", "RecordedStream", "traces")

CHOICE = (
    "litellm/bad_request",
    "litellm/engine_killed",
    "litellm/n3",
    "litellm/tool_parallel",
    "litellm/usage",
    "llama-cpp-python/logprobs",
    "llama-cpp-python/tool_named",
    "llama-cpp-python/tool_required",
    "llama-cpp-python/usage",
    "llama.cpp/keep_alive",
    "llama.cpp/killed",
    "llama.cpp/plain",
    "llama.cpp/progress",
    "llama.cpp/reasoning",
    "llama.cpp/tool_n2",
    "llama.cpp/tool_noargs",
    "llama.cpp/tool_parallel",
    "llama.cpp/unicode",
    "transformers/length",
    "transformers/logprobs",
    "transformers/n3",
    "transformers/stop",
    "vllm-reasoning/reasoning",
    "vllm-reasoning/reasoning_tool",
    "vllm-strict/tool_parallel",
    "vllm/bad_request",
    "vllm/json_object",
    "vllm/logprobs_n2",
    "vllm/one_token",
    "vllm/plain",
    "vllm/tool_cut",
    "vllm/usage_continuous",
)
"""`<sender>/<case>` of each; pyproject.toml has the same names (`force-include`)."""


@attrs.frozen(eq=True, repr=False)
class RecordedStream:
    """A recorded stream by its name, `<sender>/<case>`, which is its `str` too."""

    name: str
    """`<sender>/<case>`: `llama.cpp/plain`."""

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<RecordedStream {self.name}>"

    @cached_property
    def trace(self) -> Trace:
        """The whole recording: request, status, headers, blocks with their times, how the body ended."""
        return read_trace(_folder() / f"{self.name}.trace.jsonl")

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """The blocks of the body, cut as they arrived."""
        return tuple(block.data for block in self.trace.blocks)

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response that the stream makes, or as much of it as there was; None where there was no chunk."""
        return self._read[0]

    @property
    def outcome(self) -> Outcome:
        """How it ends: complete, truncated or failed, with the reason and the error."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[CreateChatCompletionResponse | None, Outcome]:
        accumulator = Accumulator()
        for block in self.blocks:
            accumulator.absorb(block)
        outcome = accumulator.close()
        return accumulator.snapshot(), outcome


def traces(*names: str) -> tuple[RecordedStream, ...]:
    """Recorded streams of llama.cpp, vLLM, litellm, transformers and llama-cpp-python: all of them, or those of `names`.

    Text, reasoning, tool calls, logprobs, several choices, errors, and one whose server was killed; each with the
    `response` and `outcome` to expect of a reader. For pytest: `@pytest.mark.parametrize("recorded", traces(), ids=str)`.
    Raises `MisuseError` for a name that is not among them.
    """
    for name in names:
        if name not in CHOICE:
            raise MisuseError(f"no recorded stream is called {shown(name)}: there are {', '.join(CHOICE)}")
    return tuple(map(RecordedStream, names or CHOICE))


def _folder() -> Path:
    packed = Path(__file__).with_name("_recorded")
    return packed if packed.is_dir() else Path(__file__).parents[3] / "traces"


explain(RecordedStream)
