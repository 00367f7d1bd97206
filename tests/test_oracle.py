"""The response put together from a stream equals what the same server gave to the same request without streaming.

In everything: every field known or not, arguments to the letter, log probabilities with bytes and likely others, usage.
Not compared are ids, `created`, timings and cache figures, which two requests never share. Null is nothing, and so is an
object that holds only nulls. Where stream and answer truly differ, a table names the path and why, and the difference
must be just that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

import streamkit
from helpers.corpus import TRACES, Recorded, each
from streamkit import Accumulator, Outcome, RemoteError

NEVER_SHARED = re.compile(
    r"\.id|\.created|\.timings|\.choices\[\d+\]\.message\.tool_calls\[\d+\]\.id|\.usage\.prompt_tokens_details\.cached_tokens"
)


@attrs.frozen
class Why:
    """A way in which stream and answer may differ: `holds(streamed, answered)`."""

    reason: str
    holds: Callable[[Any, Any], bool]


UNASKED = Why("the stream was not asked for usage, the answer always has it", lambda s, a: s is None and bool(a))
ONLY_STREAMED = Why("the answer does not say it", lambda s, a: bool(s) and a is None)
ONLY_ANSWERED = Why("the stream does not say it", lambda s, a: s is None and bool(a))
NULL_OR_EMPTY = Why("null on one side, empty text on the other", lambda s, a: (s, a) in ((None, ""), ("", None)))
SPELLED_ANEW = Why(
    "the stream has the model's own JSON, the answer the server's", lambda s, a: json.loads(s) == json.loads(a)
)
CALL_AS_TEXT = Why(
    "a call cut off is a call in the stream, in the answer text", lambda s, a: not s and "<tool_call>" in a
)
THOUGHTS_ONLY = Why(
    "without an end of thinking the stream takes the calls for reasoning",
    lambda s, a: s.startswith(a or "") and "<tool_call>" in s[len(a or "") :],
)
END_TOKEN = Why("the answer has an entry for the end token too", lambda s, a: a[:-1] == s and a[-1]["token"] == "")
TAG_TOKENS = Why("the answer has entries for tags and end token too", lambda s, a: len(s) < len(a) and in_order(s, a))
LAST_OF_TWO = Why("each choice has a usage of its own: the stream's last, the answer's first", lambda s, a: s == a + 1)
STOPPED = Why("the stream saw no call", lambda s, a: (s, a) == ("stop", "tool_calls"))
LINE_END = Why("what stands between thoughts and call", lambda s, a: (s, a) == ("\n", None))


def in_order(some: list[Any], all_of_them: list[Any]) -> bool:
    rest = iter(all_of_them)
    return all(one in rest for one in some)


CONTENT, CALLS = ".choices[0].message.content", ".choices[0].message.tool_calls"
ARGUMENTS, THOUGHTS = CALLS + "[0].function.arguments", ".choices[0].message.reasoning"
LOGPROBS, FINISH = ".choices[0].logprobs.content", ".choices[0].finish_reason"
DETAILS = ".usage.completion_tokens_details"
CUT_CALL = {CONTENT: CALL_AS_TEXT, CALLS: ONLY_STREAMED}

OF_SENDER: dict[str, dict[str, Why]] = {
    "llama-cpp-python": {".usage": ONLY_ANSWERED},
    "litellm": {".system_fingerprint": ONLY_ANSWERED},
    "transformers": {".system_fingerprint": NULL_OR_EMPTY},
}
"""What differs in every stream of a sender."""

OF_TRACE: dict[str, dict[str, Why]] = {
    "litellm/length": {DETAILS: ONLY_STREAMED},
    "litellm/logprobs": {DETAILS: ONLY_STREAMED},
    "litellm/n3": {
        DETAILS: ONLY_STREAMED,
        ".choices[1].finish_reason": ONLY_ANSWERED,  # the proxy passes on the one of choice 0 only
        ".choices[2].finish_reason": ONLY_ANSWERED,
    },
    "litellm/one_token": {DETAILS: ONLY_STREAMED},
    "litellm/usage": {DETAILS: ONLY_STREAMED},
    "litellm/usage_continuous": {DETAILS: ONLY_STREAMED},
    "litellm/tool_cut": CUT_CALL,
    "litellm/tool_noargs": {ARGUMENTS: SPELLED_ANEW},
    "litellm/tool_required": {ARGUMENTS: SPELLED_ANEW},
    "llama.cpp/progress": {".prompt_progress": ONLY_STREAMED},
    "llama.cpp/reasoning_cut": {CONTENT: NULL_OR_EMPTY},
    "llama.cpp/reasoning_logprobs": {LOGPROBS: TAG_TOKENS},
    "llama.cpp/tool_cut": {CONTENT: NULL_OR_EMPTY},
    "llama.cpp/tool_n2": {
        CONTENT: NULL_OR_EMPTY,
        ".choices[1].message.content": NULL_OR_EMPTY,
        ".usage.completion_tokens": LAST_OF_TWO,
        ".usage.total_tokens": LAST_OF_TWO,
    },
    "llama.cpp/tool_named": {CONTENT: NULL_OR_EMPTY},
    "llama.cpp/tool_noargs": {CONTENT: NULL_OR_EMPTY},
    "llama.cpp/tool_parallel": {CONTENT: NULL_OR_EMPTY},
    "llama.cpp/tool_required": {CONTENT: NULL_OR_EMPTY},
    "llama.cpp/unicode": {LOGPROBS: END_TOKEN},
    "vllm/tool_cut": CUT_CALL,
    "vllm/tool_named": CUT_CALL,
    "vllm/tool_n2": {
        ".choices[1].message.content": CALL_AS_TEXT,
        ".choices[1].message.tool_calls": ONLY_STREAMED,
    },
    "vllm/tool_logprobs": {ARGUMENTS: SPELLED_ANEW},
    "vllm-strict/tool_cut": CUT_CALL,
    "vllm-strict/tool_noargs": {ARGUMENTS: SPELLED_ANEW},
    "vllm-strict/tool_required": {ARGUMENTS: SPELLED_ANEW},
    "vllm-reasoning/reasoning_cut": {CONTENT: NULL_OR_EMPTY},
    "vllm-reasoning/reasoning_tool": {CONTENT: LINE_END},
    "vllm-reasoning/tool_parallel": {
        CONTENT: NULL_OR_EMPTY,
        THOUGHTS: THOUGHTS_ONLY,
        CALLS: ONLY_ANSWERED,
        FINISH: STOPPED,
    },
    "vllm-reasoning/tool_required": {THOUGHTS: THOUGHTS_ONLY, CALLS: ONLY_ANSWERED, FINISH: STOPPED},
}
"""What differs in one stream."""

UNANSWERED: dict[str, tuple[str, str, str]] = {
    "litellm/engine_killed": ("failed", "remote_error", "the engine was killed: an error event, and the end"),
    "llama.cpp/killed": ("truncated", "no_finish", "the server was killed: the bytes just end"),
    "vllm/engine_killed": ("failed", "remote_error", "the engine was killed: an error event, then [DONE]"),
    "litellm/bad_request": ("failed", "error_body", "refused, streamed or not, in the same words"),
    "vllm/bad_request": ("failed", "error_body", "refused, streamed or not, in the same words"),
    "llama.cpp/too_long": ("failed", "error_body", "refused, streamed or not, in the same words"),
    "llama.cpp/tool_logprobs": ("failed", "error_body", "logprobs with tools are refused in a stream only"),
    "llama-cpp-python/tool_required": ("failed", "empty", "the stream has not one byte, the answer is an error"),
}
"""Stream that is no response -> how it ends, and why."""


def assembled(recorded: Recorded) -> tuple[Accumulator, Outcome]:
    accumulator = Accumulator()
    for block in recorded.blocks:
        accumulator.feed(block)
    return accumulator, accumulator.close()


def differences(streamed: Any, answered: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each place where the two are not equal: its path, and what stands there."""
    if NEVER_SHARED.fullmatch(path):
        return
    if isinstance(streamed, dict) and isinstance(answered, dict):
        for name in {**streamed, **answered}:
            yield from differences(streamed.get(name), answered.get(name), f"{path}.{name}")
    elif isinstance(streamed, list) and isinstance(answered, list) and len(streamed) == len(answered):
        for position, (one, other) in enumerate(zip(streamed, answered, strict=True)):
            yield from differences(one, other, f"{path}[{position}]")
    elif not (is_nothing(streamed) and is_nothing(answered)):
        if streamed != answered or isinstance(streamed, bool) != isinstance(answered, bool):
            yield path, streamed, answered


def is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(map(is_nothing, value.values())))


@each(one for one in TRACES if one.name not in UNANSWERED)
def test_the_stream_says_what_the_answer_says(recorded: Recorded) -> None:
    accumulator, outcome = assembled(recorded)
    expected = {**OF_SENDER.get(recorded.name.split("/")[0], {}), **OF_TRACE.get(recorded.name, {})}
    assert recorded.request is not None
    if not recorded.request.get("stream_options") and accumulator.snapshot().usage is None:
        expected[".usage"] = UNASKED
    found = {path: (s, a) for path, s, a in differences(streamkit.unstructure(accumulator.snapshot()), recorded.answer)}
    assert expected.keys() == found.keys()
    for path, (streamed, answered) in found.items():
        assert expected[path].holds(streamed, answered), (path, expected[path].reason)
    assert ("complete", None) == (outcome.name, outcome.error)


@each(one for one in TRACES if one.name in UNANSWERED)
def test_a_stream_that_is_not_a_response_says_why(recorded: Recorded) -> None:
    accumulator, outcome = assembled(recorded)
    assert UNANSWERED[recorded.name][:2] == (outcome.name, outcome.reason)
    assert outcome.error is not None
    assert accumulator.snapshot() == outcome.error.partial
    if outcome.reason == "error_body":
        assert isinstance(outcome.error, RemoteError)
        assert recorded.answer is not None
        assert ("choices" in recorded.answer) or recorded.answer == outcome.error.body
    else:  # a stream that began and broke off: a killed server has no answer
        assert (recorded.answer is None) == accumulator.emitted


def test_every_named_trace_is_there() -> None:
    names = {one.name for one in TRACES}
    assert set() == (OF_TRACE.keys() | UNANSWERED.keys()) - names
    assert set() == OF_SENDER.keys() - {name.split("/")[0] for name in names}
    assert {one.name for one in TRACES if one.answer is None} == {
        name for name, (_, _, why) in UNANSWERED.items() if "killed" in why
    }


@pytest.mark.parametrize(
    ("streamed", "answered", "paths"),
    [
        ({"a": None}, {}, []),
        ({}, {"a": {"b": None}}, []),
        ({}, {"a": {"b": False}}, [".a"]),
        ({"a": ""}, {}, [".a"]),
        ({"a": [1, 2]}, {"a": [1]}, [".a"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, [".a[0].c"]),
        ({"a": 1}, {"a": True}, [".a"]),
        ({"a": []}, {}, [".a"]),
    ],
)
def test_the_comparison_sees_every_difference(streamed: Any, answered: Any, paths: list[str]) -> None:
    assert paths == [path for path, _, _ in differences(streamed, answered)]
