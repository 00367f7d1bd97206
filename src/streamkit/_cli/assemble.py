"""`streamkit assemble`: one stream in, the full response out as JSON, or its text while it arrives.

In: the name of a file. Out: the response on standard output or in a file, how the stream ended on standard error, an exit
code. Cost: that of an accumulator, and of one `dumps` at the end.

Rule 1  A response in part is written like a whole one, and one line says what happened and where.
Rule 2  Of a stream that is complete nothing is said, unless it is asked for or something of it was lost.
"""

from __future__ import annotations

import json

from ..accumulator import Accumulator
from ..codec import dumps
from ..errors import LimitError, MisuseError, counted
from ..outcome import REASONS, Outcome
from ..types import CreateChatCompletionResponse
from .io import EXIT, Interrupts, abandon_stdout, blocks_of_file, created, opened, say, stdout, write
from .live_text import View
from .terminal import json_bytes

__all__ = ("assemble_file", "report_outcome")


def assemble_file(file: str, *, output: str | None, stream: bool, compact: bool, verbose: bool) -> int:
    """Assemble one stream; return the exit code, which says how it ended."""
    name = "standard input" if file == "-" else file
    accumulator = Accumulator()
    unreadable: MisuseError | None = None
    with opened(file) as source, created(output, source) as target:
        view = None
        if stream:
            view = View(stdout(), left=None if target is None else abandon_stdout)  # the file is still wanted
        with Interrupts() as interrupts:
            try:
                for block in interrupts.watch(blocks_of_file(source, name)):
                    if view is None:
                        accumulator.absorb(block)
                    else:
                        view.show(accumulator.feed(block))
                    if accumulator.outcome is not None and isinstance(accumulator.outcome.error, LimitError):
                        break  # nothing that follows is looked at, and it may never end
            except MisuseError as error:
                unreadable = error
        outcome = accumulator.cancel() if interrupts.stopped else accumulator.close()
        if view is not None:
            view.show(outcome.events)
        response = accumulator.snapshot()
        if response is not None and (view is None or output is not None):
            data = _json(response, compact=compact)
            if target is None:
                write(stdout(), data)
            else:
                try:
                    write(target, data)
                except OSError as error:
                    raise MisuseError(f"{output}: {error.strerror}") from None
    if unreadable is not None:
        raise unreadable
    report_outcome(name, accumulator, outcome, verbose=verbose)
    return EXIT[outcome.name]


def _json(response: CreateChatCompletionResponse, *, compact: bool) -> bytes:
    data = dumps(response)
    return json_bytes(data.decode() if compact else json.dumps(json.loads(data), indent=2, ensure_ascii=False))


def report_outcome(name: str, accumulator: Accumulator, outcome: Outcome, *, verbose: bool) -> None:
    """Say on standard error what is to be said of a stream: nothing of one that is whole, unless it is asked for."""
    anomalies = accumulator.anomalies
    if verbose or not outcome.ok:
        say(f"{name}: {outcome.name}: {_sentence(outcome, accumulator.statistics().events)}")
    if verbose:
        s = accumulator.statistics()
        facts = [counted(getattr(s, f"{what}s"), what) for what in ("byte", "block", "event", "comment", "chunk")]
        say(f"{facts[0]} in {', '.join(facts[1:])}")
        for a in anomalies:
            times = f", {counted(a.count, 'time')}" if a.count > 1 else ""
            say(f"{a.severity}: {a.code} (event {a.event}, {a.path}{times}): {a.message} {a.action}")
    elif outcome.ok and (lost := sum(anomaly.count for anomaly in anomalies if anomaly.severity == "lost")):
        say(f"{name}: complete, but something in it could not be used, {counted(lost, 'time')} (--verbose says what)")


def _sentence(outcome: Outcome, events: int) -> str:
    """Return what happened, at which event, and what the sender said of it."""
    sentence, error = REASONS[outcome.reason][1], outcome.error
    if error is None:
        return sentence if outcome.ok else f"{sentence} (after event {events})"
    where = "after event" if outcome.name == "truncated" else "event"
    facts = [f"{where} {error.event}" if error.event else "before any event"]
    facts += [str(fact) for name in ("type", "code") if (fact := getattr(error, name, None)) is not None]
    told = [f"{sentence} ({', '.join(facts)})"]
    said = error.message.removeprefix(f"{sentence}: ")
    told += [said] if not sentence.startswith(said) else []
    told += [repr(error.excerpt)] if error.excerpt is not None else []
    return ": ".join(told)
