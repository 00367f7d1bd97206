"""What it costs to show the arguments of a call after each delta: the table of docs/partial-json.md.

    python benches/partial_json.py             measures, and prints the table; a minute
    python benches/partial_json.py --write     writes it into docs/partial-json.md too

In: 80 KB of arguments in 5,000 deltas, one event a block, as one long string and as a list of objects. Out: CPU milliseconds of
a stream, the median of `ROUNDS` by turns, and how many times the plain accumulation that is. Each way gets through all deltas
and is checked to have read the arguments. LangChain's parser is called at every 250th delta only, and counted 250 times.
Libraries that are not installed are left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from peers import versions
from streamkit import Accumulator, PartialJSON
from streamkit.events import ToolCallDelta

PAGE = Path(__file__).parents[1] / "docs" / "partial-json.md"
BEGIN, END = "<!-- table: python benches/partial_json.py --write -->", "<!-- end of the table -->"
SIZE, DELTAS, ROUNDS = 80_000, 5_000, 5
SAMPLED = 250


def one_string() -> str:
    return json.dumps({"path": "report.md", "content": ("It was a bright cold day in April. " * 2400)[: SIZE - 40]})


def objects() -> str:
    items: list[Any] = []
    size = 0
    while size < SIZE:
        items.append({"id": len(items), "city": "Berlin", "population": 3_600_000 + len(items), "note": "on the Spree"})
        size += len(json.dumps(items[-1])) + 2
    return json.dumps({"items": items[:-1]})


SHAPES = {"one long string": one_string, "a list of objects": objects}


class Input:
    """The arguments of one call, as deltas and on the wire."""

    def __init__(self, arguments: str) -> None:
        step = -(-len(arguments) // DELTAS)
        self.arguments = arguments
        self.value = json.loads(arguments)
        self.deltas = [arguments[at : at + step] for at in range(0, len(arguments), step)]
        opening = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": ""}}
        calls = [opening, *({"index": 0, "function": {"arguments": delta}} for delta in self.deltas)]
        self.chunks = [chunk({"tool_calls": [call]}) for call in calls] + [chunk({}, "tool_calls")]
        self.blocks = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in self.chunks] + [b"data: [DONE]\n\n"]


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}


Way = Callable[[Input], Any]
"""Reads an input to its end and returns its arguments, as text or as a value."""


def plain(given: Input) -> Any:
    accumulator = Accumulator()
    for block in given.blocks:
        accumulator.feed(block)
    return text_of(accumulator)


def with_path_events(given: Input) -> Any:
    accumulator = Accumulator(path_events=True)
    for block in given.blocks:
        for event in accumulator.feed(block):
            if type(event) is ToolCallDelta:
                _ = event.path_events
    return text_of(accumulator)


def with_peek(given: Input) -> Any:
    accumulator = Accumulator()
    for block in given.blocks:
        accumulator.feed(block)
        accumulator.peek()
    return accumulator.peek()


def text_of(accumulator: Accumulator) -> str:
    accumulator.close()
    response = accumulator.snapshot()
    assert response is not None
    return response.choices[0].message.tool_calls[0].function.arguments  # type: ignore[index, union-attr]


def partial_feed(given: Input) -> Any:
    growing = PartialJSON()
    for delta in given.deltas:
        growing.feed(delta)
    return growing.value


def partial_value(given: Input) -> Any:
    growing = PartialJSON()
    for delta in given.deltas:
        growing.absorb(delta)
        _ = growing.value
    return growing.value


def from_scratch(parse: Callable[[str], Any]) -> Way:
    def read(given: Input) -> Any:
        text, value = "", None
        for delta in given.deltas:
            text += delta
            value = parse(text)
        return value

    return read


def jiter_from_scratch() -> Way:
    from_json = import_module("jiter").from_json
    return from_scratch(lambda text: from_json(text.encode(), partial_mode="trailing-strings"))


def pydantic_from_scratch() -> Way:
    from_json = import_module("pydantic_core").from_json
    return from_scratch(lambda text: from_json(text, allow_partial="trailing-strings"))


def openai_python() -> Way:
    """Its own stream state, which parses the arguments of a strict tool after each delta."""
    streaming = import_module("openai.lib.streaming.chat")
    kind = import_module("openai.types.chat").ChatCompletionChunk
    function = {"name": "write", "strict": True, "parameters": {"type": "object"}}

    def read(given: Input) -> Any:
        state = streaming.ChatCompletionStreamState(input_tools=[{"type": "function", "function": function}])
        for one in given.chunks:
            state.handle_chunk(kind.model_validate(one))
        return state.current_completion_snapshot.choices[0].message.tool_calls[0].function.parsed_arguments

    return read


def langchain() -> Way:
    parse = import_module("langchain_core.utils.json").parse_partial_json

    def read(given: Input) -> Any:
        for stop in range(SAMPLED, len(given.deltas), SAMPLED):
            parse("".join(given.deltas[:stop]))
        return given.arguments

    return read


WAYS: dict[str, tuple[Callable[[], Way], int]] = {
    "`Accumulator.feed`, and nothing more": (lambda: plain, 1),
    "`Accumulator(path_events=True)`": (lambda: with_path_events, 1),
    "`Accumulator.peek()` after each delta": (lambda: with_peek, 1),
    "`PartialJSON.feed` alone": (lambda: partial_feed, 1),
    "`PartialJSON.absorb` alone, `.value` after each delta": (lambda: partial_value, 1),
    "jiter, from scratch at each delta": (jiter_from_scratch, 1),
    "pydantic-core, from scratch at each delta": (pydantic_from_scratch, 1),
    "openai-python's stream state, strict tool": (openai_python, 1),
    "LangChain's `parse_partial_json` at each delta": (langchain, SAMPLED),
}
"""What makes each way, or raises ImportError, and by how much its time is multiplied."""


def measured(given: Input) -> dict[str, float]:
    """Return the CPU milliseconds of each way, the median of turns."""
    ways = {name: (way, times) for name, (make, times) in WAYS.items() for way in made(make)}
    for name, (way, _) in ways.items():
        assert way(given) in (given.value, given.arguments), name
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (way, times) in ways.items():
            gc.collect()
            start = time.process_time()
            way(given)
            spent[name].append((time.process_time() - start) * times * 1000)
    return {name: statistics.median(row) for name, row in spent.items()}


def made(make: Callable[[], Way]) -> Iterator[Way]:
    try:
        yield make()
    except ImportError:
        return


def table() -> str:
    columns = {name: measured(Input(shape())) for name, shape in SHAPES.items()}
    lines = [f"| 80 KB in 5,000 deltas: CPU ms | {' | '.join(f'{name} | ×' for name in columns)} |"]
    lines.append("|---|" + "---:|" * 2 * len(columns))
    base = next(iter(WAYS))
    for name in next(iter(columns.values())):
        cells = [f"{column[name]:,.1f} | {column[name] / column[base]:,.1f}" for column in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    used = versions("streamkit-llm", "jiter", "pydantic-core", "openai", "langchain-core")
    return "\n".join([*lines, "", ", ".join(f"{name} {version}" for name, version in used.items()) + "."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    arguments = parser.parse_args()
    written = table()
    print(written)
    if arguments.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{written}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
