"""Many threads at once, on builds with a global lock and on those without one: each reads what a thread alone reads.

Threads share no accumulator. What the library itself keeps for all of them (how a type is read and written, names that
are loaded when they are asked for) is filled at first use, by all threads at the same moment here.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import make_dataclass
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from helpers.corpus import TRACES, Reading, pieces, read
from helpers.wire import DONE, delta, sse
from shapes import SHAPES
from streamkit import Accumulator, MisuseError, ValidationError, codec, reassemble
from streamkit import types as t
from streamkit.types import _structuring, _unstructuring

THREADS = 8
PATIENCE = 60  # seconds
SRC = Path(__file__).resolve().parents[1] / "src"
WIRE = sse(delta('{"content":"Hel"}'), delta('{"content":"lo"}', "stop")) + DONE


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Where there is a global lock, threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Return the results of the jobs, each run in a separate thread, all started together; raise the first
    exception."""
    barrier, given, raised = Barrier(len(jobs)), [None] * len(jobs), []

    def do(number: int) -> None:
        try:
            barrier.wait(PATIENCE)
            given[number] = jobs[number]()
        except Exception as error:
            raised.append(error)

    threads = [Thread(target=do, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    if raised:
        raise raised[0]
    return given


def test_threads_with_accumulators_of_their_own_read_what_one_thread_reads() -> None:
    streams = {one.name: list(one.blocks) for one in TRACES[::8]}
    streams |= {name: pieces(make(20), 97) for name, make in SHAPES.items()}
    alone = {name: read(blocks) for name, blocks in streams.items()}

    def job(seed: int) -> Callable[[], dict[str, Reading]]:
        names = random.Random(seed).sample(sorted(streams), len(streams))
        return lambda: {name: read(streams[name]) for name in names}

    for together in at_once(*map(job, range(4))):
        assert alone == together


@pytest.mark.parametrize("verb, given", [("feed", WIRE), ("absorb", WIRE), ("add", {"choices": []})])
def test_a_second_thread_that_feeds_an_accumulator_gets_an_error_and_the_first_continues(verb: str, given: Any) -> None:
    accumulator, reads, goes_on = Accumulator(), Event(), Event()

    def wait(_: object) -> None:
        reads.set()
        assert goes_on.wait(PATIENCE)

    def second() -> str:
        assert reads.wait(PATIENCE)
        try:
            getattr(accumulator, verb)(given)
        except MisuseError as error:
            return error.message
        finally:
            goes_on.set()
        return "nothing"

    accumulator.tap(wait)
    events, told = at_once(lambda: accumulator.feed(WIRE), second)
    assert "a block or chunk was passed to this Accumulator while it was reading another one" in told
    assert Accumulator().feed(WIRE) == events
    assert "done" == accumulator.close().reason


def test_what_feeds_an_accumulator_from_inside_its_tap_gets_an_error() -> None:
    accumulator = Accumulator()
    accumulator.tap(lambda _: accumulator.feed(WIRE))
    with pytest.raises(MisuseError, match=r"while it was reading another one.*function given to tap"):
        accumulator.feed(WIRE)
    assert "Hello" == reassemble(WIRE).choices[0].message.content
    assert reassemble(WIRE) == accumulator.snapshot()


def test_threads_that_take_turns_may_feed_one_accumulator() -> None:
    accumulator = Accumulator()
    for block in pieces(WIRE, 7):
        at_once(lambda: accumulator.absorb(block))  # noqa: B023  it is over before the next one
    assert reassemble(WIRE) == accumulator.snapshot()


REQUEST = {
    "model": "m",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {
            "role": "assistant",
            "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}, "id": "i"}],
        },
        {"role": "tool", "content": "x", "tool_call_id": "i"},
    ],
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "x": 1,
}
RESPONSE = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "finish_reason": "stop",
            "logprobs": {
                "content": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}],
                "refusal": None,
            },
        }
    ],
    "created": 1,
    "model": "m",
    "object": "chat.completion",
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "x": {}},
}
CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi", "y": 1}}], "created": 1, "model": "m"}
BAD = {"id": 5, "choices": [{"index": -1, "message": {"role": "user"}, "delta": []}], "messages": [{}], "model": []}
TARGETS = (
    t.CreateChatCompletionRequest,
    t.CreateChatCompletionResponse,
    t.CreateChatCompletionStreamResponse,
    t.ChatCompletionRequestMessage,
    t.ChatCompletionTool,
    t.CompletionUsage,
    t.FinishReason,
)


def through(value: Any, target: Any) -> tuple[str, ...]:
    """All that the codec says of a value."""
    try:
        made = codec.structure(value, target)
        return repr(made), repr(codec.unstructure(made)), codec.dumps(codec.loads(json.dumps(value), target)).decode()
    except ValidationError as error:
        return (str(error),)


def test_the_codec_may_first_be_used_by_many_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def holding(target: Any) -> Any:
        """A class of the caller's, new to cattrs too."""
        return make_dataclass("Holding", [("one", target), ("many", list[target]), ("named", dict[str, target])])

    cases = [(value, target) for value in (REQUEST, RESPONSE, CHUNK, BAD, "stop") for target in TARGETS]
    alone = [through(value, target) for value, target in cases]
    held = [
        through({"one": value, "many": [value], "named": {"a": value}}, holding(target)) for value, target in cases[:7]
    ]

    def job(seed: int, classes: list[Any]) -> Callable[[], tuple[list[Any], list[Any]]]:
        order = random.Random(seed).sample(range(len(cases)), len(cases))

        def do() -> tuple[list[Any], list[Any]]:
            made = {number: through(*cases[number]) for number in order}
            others = [
                through({"one": value, "many": [value], "named": {"a": value}}, cls)
                for (value, _), cls in zip(cases[:7], classes, strict=True)
            ]
            return [made[number] for number in range(len(cases))], others

        return do

    for round_ in range(4):
        monkeypatch.setattr(_structuring, "_shapes", {})
        monkeypatch.setattr(_unstructuring, "_getters", {})
        monkeypatch.setattr(codec, "_hooks", {})
        classes = [holding(target) for _, target in cases[:7]]
        for together in at_once(*(job(100 * round_ + seed, classes) for seed in range(THREADS))):
            assert (alone, held) == together


LAZY = """
import random, sys
from threading import Barrier, Thread

sys.path.insert(0, sys.argv[1])
sys.setswitchinterval(1e-6)
barrier, failed = Barrier(8), []

def work(seed):
    order = random.Random(seed)
    barrier.wait()
    try:
        import streamkit
        for module in (streamkit, streamkit.types):
            for name in order.sample(module.__all__, len(module.__all__)):
                getattr(module, name)
        from streamkit.types import CreateChatCompletionRequest as Request
        asked = streamkit.loads(b'{"model":"m","messages":[{"role":"user","content":"Hello"}]}', Request)
        assert "Hello" == asked.messages[0].content, asked
    except BaseException as error:
        failed.append(repr(error))

threads = [Thread(target=work, args=(seed,)) for seed in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(failed) or None)
"""


def test_many_threads_may_import_the_library_at_once_and_ask_for_its_late_names() -> None:
    run = subprocess.run([sys.executable, "-c", LAZY, str(SRC)], capture_output=True, text=True, timeout=PATIENCE)
    assert (0, "") == (run.returncode, run.stderr)
