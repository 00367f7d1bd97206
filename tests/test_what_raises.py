"""The table of docs/what-raises.md: each cell is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import streamkit
from streamkit.testing import FakeClock, FakeSource, chunk, event, stream_bytes

PAGE = (Path(__file__).parents[1] / "docs/what-raises.md").read_text(encoding="utf-8")
CUT = stream_bytes('["Hel', "lo", finish=None, done=False)
REMOTE = event({"error": {"message": "overloaded", "code": 529}})
RESET = ConnectionResetError("reset by the sender")
CASES: dict[str, Callable[[FakeClock], FakeSource]] = {
    "complete": lambda clock: FakeSource([stream_bytes('["Hel', 'lo"]')]),
    "truncated": lambda clock: FakeSource([CUT]),
    "failed": lambda clock: FakeSource([CUT, REMOTE]),
    "closed early": lambda clock: FakeSource([CUT, event(chunk("!")), stream_bytes("more")]),
    "deadline": lambda clock: FakeSource([CUT, 99, event(chunk("!")), stream_bytes("more")], clock=clock),
    "connection lost": lambda clock: FakeSource([CUT], fail=RESET),
    "lost before any chunk": lambda clock: FakeSource([], fail=RESET),
}
OUTCOMES = {
    **{name: name for name in ("complete", "truncated", "failed")},
    "closed early": "cancelled",
    "deadline": "failed",
    "connection lost": "truncated",
    "lost before any chunk": "failed",
}


class Case:
    """One column: makes the source, and the arguments of what reads it."""

    def __init__(self, name: str) -> None:
        self.early = name == "closed early"
        clock = FakeClock()
        self.source = CASES[name](clock)
        deadlines = streamkit.Deadlines(idle=30) if name == "deadline" else streamkit.Deadlines()
        self.options: dict[str, Any] = {"clock": clock, "deadlines": deadlines}

    def stream(self) -> streamkit.ChatStream:
        stream = streamkit.ChatStream(self.source, **self.options)
        if self.early:
            next(stream)
            stream.close()
        return stream

    def broadcast(self) -> streamkit.Broadcast:
        if not self.early:
            return streamkit.Broadcast(self.source, **self.options)

        def closing() -> Iterable[bytes]:
            yield next(self.source)
            broadcast.close()

        broadcast = streamkit.Broadcast(closing(), **self.options)
        return broadcast


def drained(items: Any) -> str:
    for _ in items:
        pass
    return "ends"


def iterated(make: Callable[[streamkit.ChatStream], Any]) -> Callable[[Case], str]:
    return lambda case: drained(make(case.stream()))


def wrapped(make: Callable[..., Any]) -> Callable[[Case], str]:
    def read(case: Case) -> str:
        made = make(case.source, **case.options)
        if case.early:
            next(iter(made))
            made.close()
        return drained(made)

    return read


def returned(value: object) -> str:
    assert value is not None
    return "returns"


def snapshot(case: Case) -> str:
    stream = case.stream()
    assert isinstance(stream.until_done(), streamkit.Outcome)
    stream.snapshot()
    return "returns"


def subscribed(case: Case) -> str:
    broadcast = case.broadcast()
    with broadcast.subscribe() as subscription:
        try:
            broadcast.run()
        except (ConnectionResetError, streamkit.DeadlineError):
            pass  # run() has a row of its own
        return drained(subscription)


def accumulated(case: Case) -> str:
    acc = streamkit.Accumulator()
    for block in case.source:
        acc.feed(block)
        if case.early:
            acc.close()
    return returned(acc.close())


READERS: dict[str, tuple[Callable[[Case], str], ...]] = {
    "events of a `ChatStream`": (iterated(iter),),
    "`text()`, `chunks()`, `tool_calls()`, `partial()`, `items()`": (
        iterated(lambda stream: stream.text()),
        iterated(lambda stream: stream.chunks()),
        iterated(lambda stream: stream.tool_calls()),
        iterated(lambda stream: stream.partial()),
        iterated(lambda stream: stream.items("$[*]")),
    ),
    "`response`": (lambda case: returned(case.stream().response),),
    "`until_done()`, `snapshot()`": (snapshot,),
    "`reassemble`": (lambda case: returned(streamkit.reassemble(case.source)),),
    "`tee`, `to_events`": (wrapped(streamkit.tee), wrapped(streamkit.to_events)),
    "`to_chunks`": (wrapped(streamkit.to_chunks),),
    "`Broadcast.run()`": (lambda case: returned(case.broadcast().run()),),
    "a subscription": (subscribed,),
    "`Accumulator.feed`, `close`": (accumulated,),
}


def table() -> dict[str, dict[str, str]]:
    """The table of the page: row and column to what stands in the cell."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\| you read .*(?:\n\|.*)+", PAGE, re.MULTILINE)[0].splitlines()
    ]
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}


def test_the_table_of_the_page_has_every_row_and_column() -> None:
    assert list(READERS) == list(table())
    assert [list(CASES)] * len(READERS) == [list(row) for row in table().values()]


@pytest.mark.parametrize("column", CASES)
@pytest.mark.parametrize("row", READERS)
def test_what_raises_is_what_the_page_says(row: str, column: str) -> None:
    expected = table()[row][column]
    if expected == "–":
        pytest.skip("this cannot happen there")
    for reader in READERS[row]:
        case = Case(column)
        if expected in ("ends", "returns"):
            assert expected == reader(case)
            continue
        with pytest.raises(Exception) as raised:
            reader(case)
        if expected == "the client's":
            assert RESET is raised.value
            continue
        assert expected.strip("`") == type(raised.value).__name__
        error = raised.value
        assert isinstance(error, streamkit.StreamError)
        if column == "lost before any chunk":
            assert error.partial is None
        elif not row.startswith("`Accumulator"):
            assert error.partial is not None
            assert error.partial.choices[0].message.content in ('["Hel', '["Hello', '["Hello!')
        assert (error.__cause__ is RESET) == column.startswith(("connection", "lost"))


@pytest.mark.parametrize("column", CASES)
def test_the_outcome_says_without_an_exception_what_happened(column: str) -> None:
    outcome = Case(column).stream().until_done()
    assert OUTCOMES[column] == outcome.name
    assert (outcome.error is None) == (outcome.name in ("complete", "cancelled"))
