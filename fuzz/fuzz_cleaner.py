"""Target: a `Cleaner`, between a dirty stream and a strict reader.

Input: one byte of options, three of the cut, then the bytes of the dirty stream. Oracle: nothing is raised; any cut
writes the same bytes; what is written is whole events of JSON, the comment `: ping`, and `[DONE]` last and only for a
complete stream; it comes to the same outcome, texts, calls and finish reasons as the dirty stream; writing a complete one
clean again changes no byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import seeds as of
from readings import TIGHT, same, split
from streamkit import Accumulator, Cleaner, Dialect, Outcome
from streamkit.types import CreateChatCompletionResponse

SIZE = 2500
HEAD = 4
DONE, PING = b"data: [DONE]\n\n", b": ping\n\n"


def check(data: bytes) -> None:
    """Write one stream clean, whole and cut; raise an AssertionError where it comes to something else."""
    control, cut, raw = data[0] if data else 0, int.from_bytes(data[1:HEAD], "big"), data[HEAD:]
    options: dict[str, Any] = {}
    if control & 1:
        options["limits"] = TIGHT
    if control & 2:
        options["text"] = 1 + (control >> 5)
    if control & 4:
        options["dialect"] = Dialect(think_tags=True, cumulative_text=bool(control & 8))
    cleaner, clean = cleaned([raw], **options)
    same(b"".join(clean), b"".join(cleaned(split(raw, cut or 1), **options)[1]), "in cuts: other bytes")
    outcome = cleaner.outcome
    assert outcome is not None
    for at, event in enumerate(clean):
        if event == DONE:
            assert at == len(clean) - 1, "[DONE] stands before other events"
            assert outcome.ok, f"[DONE] ends a stream that is {outcome.name}"
        elif event != PING:
            assert event.startswith(b"data: {"), f"not an event of one document: {event!r}"
            assert event.endswith(b"}\n\n"), f"not an event of one document: {event!r}"
            json.loads(event[6:])
    if not control & 4:
        _same_response(cleaner, outcome, clean)
    whole = b"".join(clean)
    if not options and outcome.ok:
        same(whole, b"".join(cleaned([whole])[1]), "cleaned twice: other bytes")


def cleaned(blocks: list[bytes], **options: Any) -> tuple[Cleaner, list[bytes]]:
    """Return the cleaner and the events that it wrote."""
    cleaner = Cleaner(**options)
    out = [event for block in blocks for event in cleaner.feed(block)]
    return cleaner, [*out, *cleaner.close()]


def _same_response(cleaner: Cleaner, outcome: Outcome, clean: list[bytes]) -> None:
    reader = Accumulator()
    reader.absorb(b"".join(clean))
    again = reader.close()
    # What a limit broke off in the middle of a chunk, and a field that changed its type, may be read otherwise.
    codes = {one.code for one in cleaner.accumulator.anomalies}
    many = sum(1 for _ in cleaner.accumulator.anomalies) >= 250  # more may not have been kept
    if outcome.reason == "limit" or "type_changed" in codes or many or cleaner.response is None:
        return
    same(outcome.name, again.name, "the clean stream ends otherwise")
    same(
        _said(cleaner.response, outcome.ok),
        _said(reader.snapshot(), outcome.ok),
        "the clean stream says something else",
    )


def _said(response: CreateChatCompletionResponse | None, ok: bool) -> list[Any]:
    """Texts, calls and finish reasons by choice; ids may be made up, and a finish reason is final only in the end."""
    found: list[Any] = []
    for choice in response.choices if response is not None else ():
        message = choice.message
        calls: list[Any] = []
        for call in message.tool_calls or ():
            inner: Any = getattr(call, "custom", None) or getattr(call, "function", None)
            calls.append((inner.name, getattr(inner, "input", None) or getattr(inner, "arguments", None) or ""))
        texts = (message.content or "", message.refusal or "", message.reasoning or "")
        found.append((choice.index, texts, calls, choice.finish_reason if ok else None))
    return found


def seeds() -> Iterator[bytes]:
    """Yield the same streams as for an accumulator."""
    for number, raw in enumerate(of.streams(SIZE - HEAD)):
        yield bytes([(0, 0, 2, 1, 4, 0)[number % 6], 0, 0, number % 7]) + raw
