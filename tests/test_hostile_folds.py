"""Chunks that are written to bloat or stall the fold: work in proportion to bytes, memory within four times them + 64 MB.

CPU time of n and 4n chunks in one run, by turns: quadratic cost would be sixteen times as much. Memory is the peak of a
fresh process for each shape.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.hostile import MEMORY, call, chunk, fed, finish, names
from helpers.measure import best
from streamkit import Accumulator, LimitError, Limits, StreamError
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


@pytest.mark.quick(4)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
@pytest.mark.parametrize(("make", "n"), [pytest.param(*SHAPES[name], id=name) for name in SHAPES])
def test_four_times_as_many_chunks_cost_at_most_seven_times_as_much(
    make: Callable[[int], bytes], n: int, fast: bool
) -> None:
    short, long = best(lambda blocks: fed(blocks[0], fast=fast), [make(n)], [make(4 * n)], enough=5)
    assert long < 7 * max(short, 0.004)


@pytest.mark.quick(2)
@pytest.mark.parametrize("shape", tuple(MEMORY))
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


def honest(n: int = 500) -> Iterator[bytes]:
    """Tokens with twenty alternatives each, all different, as OpenAI writes them."""
    for token in range(n):
        words = [f" t{token}{at}" for at in range(21)]
        first, *others = (
            f'{{"token":"{word}","logprob":-0.{token:04}{at:04},"bytes":[{",".join(map(str, word.encode()))}]}}'
            for at, word in enumerate(words)
        )
        entry = f'{first[:-1]},"top_logprobs":[{",".join(others)}]}}'
        yield chunk(f'{{"choices":[{{"index":0,"delta":{{"content":" the"}},"logprobs":{{"content":[{entry}]}}}}]}}')


def test_log_probabilities_as_senders_write_them_weigh_nothing() -> None:
    accumulator = Accumulator(limits=Limits(max_extra_values=100))
    for block in honest():
        accumulator.feed(block)
    assert not accumulator.done


@pytest.mark.quick(1)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
def test_log_probabilities_as_senders_write_them_take_less_than_three_times_their_bytes(fast: bool) -> None:
    stream = list(honest(200))
    assert peak(stream, fast=fast) < 3 * sum(map(len, stream))


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "entry",
    [
        '{"token":"%d","logprob":-0.%d}',
        '{"token":"%d","logprob":-0.%d,"bytes":[1]}',
        '{"token":"","logprob":1,"x":%d%d}',
        '{"%d%d":1}',
    ],
)
def test_one_event_of_log_probabilities_takes_four_times_its_bytes_and_64_mb_or_is_refused(entry: str) -> None:
    """Many more values than an event may have otherwise, as 4,000 tokens with twenty alternatives each are."""
    refused = 0
    for size in (4_500_000, 12_000_000):
        each = len(entry % (10**6, 10**6)) + 1
        entries = ",".join(entry % (number, number) for number in range(10**6, 10**6 + size // each))
        event = chunk(f'{{"choices":[{{"index":0,"delta":{{}},"logprobs":{{"content":[{entries}]}}}}]}}')
        most, error = peak_and_error([event])
        assert most < 4 * len(event) + 64 * 2**20
        refused += isinstance(error, LimitError)
    assert refused, "more than this is"


def test_the_log_probabilities_of_four_thousand_tokens_may_arrive_in_one_event() -> None:
    top = '{"token":" the","logprob":-12.515625,"bytes":[32,116,104,101]}'
    entry = f'{top[:-1]},"top_logprobs":[{",".join([top] * 20)}]}}'
    event = chunk(f'{{"choices":[{{"index":0,"delta":{{}},"logprobs":{{"content":[{",".join([entry] * 4_000)}]}}}}]}}')
    assert len(event) > 5_000_000
    accumulator = Accumulator()
    accumulator.feed(event)
    assert not isinstance(accumulator.close().error, LimitError)


def test_text_above_u_ffff_takes_at_most_eight_times_its_bytes() -> None:
    """More than the promise, from 16 MB on: such a string has four bytes for each character, and to join its pieces takes
    as much again."""
    stream = [chunk(json.dumps({"content": "\U0001f600" + "a" * 3000}, ensure_ascii=False), delta=True)] * 500
    assert peak(stream) < 8.5 * sum(map(len, stream))


def peak(stream: list[bytes], **options: bool) -> int:
    """The most memory that is held while this stream is read and its response is made; it reaches no limit."""
    most, error = peak_and_error(stream, **options)
    assert not isinstance(error, LimitError)
    return most


def peak_and_error(stream: list[bytes], **options: bool) -> tuple[int, StreamError | None]:
    for block in stream[:40]:
        Accumulator(**options).feed(block)  # type: ignore[arg-type]  # what is made once is no part of it
    gc.collect()
    tracemalloc.start()
    try:
        accumulator = Accumulator(**options)  # type: ignore[arg-type]
        for block in stream:
            accumulator.feed(block)
        accumulator.close()
        accumulator.snapshot()
        return tracemalloc.get_traced_memory()[1], accumulator.close().error
    finally:
        tracemalloc.stop()


def test_usage_with_many_counts_is_reported_with_its_last_report_and_at_the_end() -> None:
    accumulator = Accumulator()
    events = []
    for i in range(400):
        events += accumulator.feed(chunk(f'{{"choices":[],"usage":{{"prompt_tokens":5,"k{i}":{i}}}}}'))
    seen = [event for event in events if isinstance(event, UsageSeen)]
    assert 250 <= len(seen) <= 256, "one for each report, until there are 256 counts"
    (last,) = [event for event in accumulator.close().events if isinstance(event, UsageSeen)]
    assert 399 == last.usage.extra["k399"]
