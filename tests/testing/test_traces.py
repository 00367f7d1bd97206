"""Recorded streams for users' tests: in a checkout, and in what is built from it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from streamkit import MisuseError, reassemble
from streamkit.testing import RecordedStream, traces
from streamkit.testing._traces import CHOICE
from streamkit.trace import read_trace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recorded", traces(), ids=str)
def test_each_is_a_recorded_stream_with_the_response_to_expect(recorded: RecordedStream) -> None:
    assert read_trace(ROOT / f"traces/{recorded.name}.trace.jsonl") == recorded.trace
    assert recorded.trace.body == b"".join(recorded.blocks)
    if recorded.outcome.ok:
        assert reassemble(list(recorded.blocks)) == recorded.response
    else:
        assert recorded.outcome.error is not None


def test_they_are_of_every_sender_and_end_in_every_way() -> None:
    found = traces()
    assert {path.parent.name for path in (ROOT / "traces").glob("*/*.trace.jsonl")} == {
        recorded.name.partition("/")[0] for recorded in found
    }
    assert {"complete", "truncated", "failed"} == {recorded.outcome.name for recorded in found}
    responses = [recorded.response for recorded in found if recorded.response is not None]
    messages = [choice.message for response in responses for choice in response.choices]
    assert any(len(message.tool_calls or ()) > 1 for message in messages)
    assert any(len(response.choices) > 1 for response in responses)


def test_those_that_are_named_come_in_that_order() -> None:
    assert ["vllm/plain", "llama.cpp/plain"] == [str(one) for one in traces("vllm/plain", "llama.cpp/plain")]
    with pytest.raises(MisuseError, match=r"^no recorded stream is called 'plain': there are litellm/bad_request"):
        traces("plain")


def test_the_wheel_carries_them_and_they_are_a_few_hundred_kilobytes() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    names = [f"{name}.trace.jsonl" for name in CHOICE]
    traces = {source: place for source, place in included["force-include"].items() if not source.startswith("src/")}
    assert {f"traces/{name}": f"streamkit/testing/_recorded/{name}" for name in names} == traces
    assert 100_000 < sum((ROOT / "traces" / name).stat().st_size for name in names) < 400_000


def test_a_stream_is_known_by_its_name() -> None:
    (recorded,) = traces("vllm/plain")
    assert ("vllm/plain", "<RecordedStream vllm/plain>") == (str(recorded), repr(recorded))
    assert traces("vllm/plain") == (recorded,)
