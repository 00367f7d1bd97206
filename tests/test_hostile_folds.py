"""Chunks that are written to bloat or stall the fold: work in proportion to bytes, memory within four times them + 64 MB.

CPU time of n and 4n chunks in one run, by turns: quadratic cost would be sixteen times as much. Memory is the peak of a
fresh process for each shape.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.hostile import MEMORY, call, chunk, fed, finish, names
from helpers.measure import best
from helpers.tier import some
from streamkit import Accumulator, LimitError, Limits
from streamkit.events import UsageSeen

BIG = "z" * 10_000


def repeated(n: int, first: bytes, *turns: bytes) -> bytes:
    return first + b"".join(turns[i % len(turns)] for i in range(n))


def message(text: str, more: str = "") -> bytes:
    whole = json.dumps({"content": text})[:-1] + more + "}"
    return chunk(f'{{"choices":[{{"index":0,"delta":{{}},"message":{whole},"finish_reason":"stop"}}]}}')


SHAPES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "usage with a new count in each chunk": (
        lambda n: b"".join(chunk(f'{{"choices":[],"usage":{{"k{i}":1}}}}') for i in range(n)),
        1500,
    ),
    "usage in a chunk of its own after many finished choices": (
        lambda n: b"".join(finish("stop", i) for i in range(n // 2))
        + b"".join(chunk(f'{{"choices":[],"usage":{{"total_tokens":{i}}}}}') for i in range(n)),
        400,
    ),
    "finish reasons by turns after many unknown fields": (
        lambda n: repeated(n, names(n), finish("stop"), finish("length")),
        2000,
    ),
    "finish reasons by turns after many calls": (
        lambda n: repeated(n, b"".join(call(i, "{}") for i in range(n)), finish("stop"), finish("length")),
        220,
    ),
    "finish reasons by turns while half a character waits": (
        lambda n: repeated(
            n,
            names(n) + b"".join(call(i, "{}") for i in range(200)),
            chunk('{"choices":[{"index":0,"delta":{"content":"\\ud83d"},"finish_reason":"stop"}]}'),
            finish("length"),
        ),
        1500,
    ),
    "finish reasons by turns after many log probabilities": (
        lambda n: repeated(
            n,
            chunk(
                '{"choices":[{"index":0,"delta":{},"logprobs":{"content":[%s]}}]}'
                % ",".join(['{"token":"a","logprob":-1.0,"bytes":null,"top_logprobs":[]}'] * n)
            ),
            finish("stop"),
            finish("length"),
        ),
        2000,
    ),
    "short messages with a finish reason after much text": (
        lambda n: repeated(n, chunk('{"content":"%s"}' % BIG, delta=True) * n, message("y")),
        300,
    ),
    "messages whose calls are not those of the deltas": (
        lambda n: repeated(
            n,
            b"".join(call(i, BIG) for i in range(40)),
            message("", ',"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]'),
        ),
        600,
    ),
    "messages beside a long unknown list": (
        lambda n: repeated(n, chunk('{"z":[%s]}' % ",".join(["1"] * 20 * n), delta=True), message("y", ',"z":[1]')),
        700,
    ),
    "ids that change in every fragment": (
        lambda n: b"".join(call(0, "a", id=f"c{i}", name="") for i in range(n)),
        1500,
    ),
    "calls that share one id": (lambda n: b"".join(call(i, "a", id="c", name=f"f{i}") for i in range(n)), 220),
    "reasoning details that are each another": (
        lambda n: b"".join(chunk('{"reasoning_details":[{"index":%d,"text":"a"}]}' % i, delta=True) for i in range(n)),
        1000,
    ),
    "a field that changes its type in each chunk": (
        lambda n: repeated(n, b"", chunk('{"z":[1]}', delta=True), chunk('{"z":1}', delta=True)),
        1500,
    ),
    "models that are each another": (lambda n: b"".join(chunk(f'{{"model":"{i}","choices":[]}}') for i in range(n)), 1500),
    "choices that are no objects": (lambda n: chunk('{"choices":[%s]}' % ",".join(["1"] * n)), 20_000),
}  # fmt: skip


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
@pytest.mark.parametrize(("make", "n"), [pytest.param(*SHAPES[name], id=name) for name in some(tuple(SHAPES))])
def test_four_times_as_many_chunks_cost_at_most_seven_times_as_much(
    make: Callable[[int], bytes], n: int, fast: bool
) -> None:
    short, long = best(lambda blocks: fed(blocks[0], fast=fast), [make(n)], [make(4 * n)], enough=5)
    assert long < 7 * max(short, 0.004)


@pytest.mark.parametrize("shape", some(tuple(MEMORY)))
def test_memory_stays_within_four_times_the_bytes(shape: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "helpers.hostile", shape], capture_output=True, text=True, timeout=300, check=True,
        cwd=Path(__file__).parent,
    )  # fmt: skip
    grown, fed_bytes = json.loads(run.stdout)
    assert grown <= 4 * fed_bytes + 64 * 2**20


def test_what_is_kept_outside_the_typed_fields_is_limited_and_what_had_arrived_stays() -> None:
    accumulator = Accumulator(limits=Limits(max_extra_values=1000))
    accumulator.feed(chunk('{"content":"Hi"}', delta=True) + names(100))
    outcome = accumulator.close()
    assert isinstance(outcome.error, LimitError)
    assert ("max_extra_values", 1000, 2) == (outcome.error.limit, outcome.error.maximum, outcome.error.event)
    response = accumulator.snapshot()
    assert response is not None
    assert "Hi" == response.choices[0].message.content
    assert response.choices[0].message.extra


def test_a_value_that_is_replaced_counts_no_longer() -> None:
    accumulator = Accumulator(limits=Limits(max_extra_values=5000))
    citations = ",".join(f'"https://example.org/{i}"' for i in range(1000))
    for _ in range(50):
        accumulator.feed(chunk(f'{{"citations":[{citations}],"choices":[]}}'))
    assert not accumulator.done


def honest() -> Iterator[bytes]:
    """Tokens with twenty alternatives each, as OpenAI writes them."""
    one = '{"token":" the","logprob":-0.12345678,"bytes":[32,116,104,101]%s}'
    entry = one % (',"top_logprobs":[%s]' % ",".join([one % ""] * 20))
    for _ in range(500):
        yield chunk(f'{{"choices":[{{"index":0,"delta":{{"content":" the"}},"logprobs":{{"content":[{entry}]}}}}]}}')


def test_log_probabilities_as_senders_write_them_weigh_nothing() -> None:
    accumulator = Accumulator(limits=Limits(max_extra_values=100))
    for block in honest():
        accumulator.feed(block)
    assert not accumulator.done


def test_usage_with_many_counts_is_reported_with_its_last_report_and_at_the_end() -> None:
    accumulator = Accumulator()
    events = []
    for i in range(400):
        events += accumulator.feed(chunk(f'{{"choices":[],"usage":{{"prompt_tokens":5,"k{i}":{i}}}}}'))
    seen = [event for event in events if isinstance(event, UsageSeen)]
    assert 250 <= len(seen) <= 256, "one for each report, until there are 256 counts"
    (last,) = [event for event in accumulator.close().events if isinstance(event, UsageSeen)]
    assert 399 == last.usage.extra["k399"]
