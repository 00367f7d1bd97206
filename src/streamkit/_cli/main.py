"""The command line: `streamkit assemble FILE`, `streamkit check FILE...`.

In: arguments, and a file or standard input. Out: an exit code.

Rule 1  Data goes to standard output, in UTF-8 whatever the locale; everything else to standard error.
Rule 2  The exit code says how the stream ended: 0 complete, 3 truncated, 4 failed, 130 cancelled (SIGINT); of `check`,
        whether it passed: 0 or 1. 2 is misuse: wrong arguments, a file that cannot be read or written, no trace where
        the name promises one. 141 is what a shell says of a filter whose reader left (`| head`); nothing else is said
        about that.
Rule 3  A response in part is printed like a whole one, and one line says what happened and where. Never a traceback.

A command is a function from arguments to an exit code, and an entry in `COMMANDS`. What they share of the world outside
is in `cli_io`. A module that one command alone needs is imported inside that command.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..accumulator import Accumulator
from ..codec import dumps
from ..errors import LimitError, MisuseError, StreamError
from ..outcome import REASONS, Outcome
from ..types import CreateChatCompletionResponse
from .io import Interrupts, abandon_stdout, blocks_of_file, created, opened, say, stdout, write

__all__ = ("COMMANDS", "Command", "main")

_EXIT = {"complete": 0, "truncated": 3, "failed": 4, "cancelled": 130}
_MISUSE = 2
_READER_LEFT = 141  # 128 + SIGPIPE
_EXIT_CODES = "exit codes: 0 complete, 2 misuse, 3 truncated, 4 failed, 130 interrupted"


@attrs.frozen
class Command:
    """One command: what runs, what its `--help` says, what it takes."""

    run: Callable[[argparse.Namespace], int]
    """From arguments to exit code. Its docstring is the description."""
    help: str
    """The line in the list of commands."""
    examples: tuple[str, ...]
    """Lines to copy."""
    arguments: tuple[tuple[tuple[str, ...], dict[str, Any]], ...]
    """What `add_argument` is called with."""
    exit_codes: str = _EXIT_CODES
    """The last line of `--help`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` says (by default the arguments of this process); return its exit code."""
    try:
        try:
            return _run(argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here it can be caught, at exit it could not
    except KeyboardInterrupt:
        return _EXIT["cancelled"]
    except StreamError as error:
        say(str(error))
        return _MISUSE
    except BrokenPipeError:
        abandon_stdout()
        return _READER_LEFT
    except OSError as error:
        abandon_stdout()
        say(f"standard output: {error.strerror or error}")
        return _MISUSE


def _run(argv: Sequence[str] | None) -> int:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    about = "Reassembles streams of OpenAI-compatible chat completions."
    parser = argparse.ArgumentParser("streamkit", description=about, epilog=_EXIT_CODES, **shape)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        lines = "\n".join(["examples:", *(f"  {line}" for line in command.examples), "", command.exit_codes])
        sub = commands.add_parser(name, help=command.help, description=command.run.__doc__, epilog=lines, **shape)
        for flags, options in command.arguments:
            sub.add_argument(*flags, **options)
        sub.set_defaults(run=command.run)
    args = parser.parse_args(argv)
    if args.version:
        from importlib import metadata  # takes longer than all else that this option does

        try:
            print("streamkit", metadata.version("streamkit-llm"))
        except metadata.PackageNotFoundError:
            print("streamkit, not installed")
        return 0
    if args.run is None:
        parser.error(f"name a command: {', '.join(COMMANDS)} (--help says more)")
    code: int = args.run(args)
    return code


# --- assemble


def _assemble(args: argparse.Namespace) -> int:
    """Put a recorded or a running stream together and print the response as JSON."""
    name = "standard input" if args.file == "-" else args.file
    accumulator = Accumulator()
    unreadable: MisuseError | None = None
    with opened(args.file) as source, created(args.output, source) as output:
        view = None
        if args.stream:
            from .live_text import View

            view = View(stdout(), left=None if output is None else abandon_stdout)  # the file is still wanted
        with Interrupts() as interrupts:
            try:
                for block in interrupts.watch(blocks_of_file(source, name)):
                    if view is None:
                        accumulator.absorb(block)
                    else:
                        view.show(accumulator.feed(block))
                    if accumulator.outcome is not None and isinstance(accumulator.outcome.error, LimitError):
                        break  # nothing that comes after is looked at, and it may never end
            except MisuseError as error:
                unreadable = error
        outcome = accumulator.cancel() if interrupts.stopped else accumulator.close()
        if view is not None:
            view.show(outcome.events)
        response = accumulator.snapshot()
        if response is not None and (view is None or args.output is not None):
            data = _json(response, compact=args.compact)
            if output is None:
                write(stdout(), data)
            else:
                try:
                    write(output, data)
                except OSError as error:
                    raise MisuseError(f"{args.output}: {error.strerror}") from None
    if unreadable is not None:
        raise unreadable
    _report(name, accumulator, outcome, verbose=args.verbose)
    return _EXIT[outcome.name]


def _json(response: CreateChatCompletionResponse, *, compact: bool) -> bytes:
    data = dumps(response)
    text = data.decode() if compact else json.dumps(json.loads(data), indent=2, ensure_ascii=False)
    # JSON leaves these alone, but a terminal does not; they can only stand inside its strings.
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def _report(name: str, accumulator: Accumulator, outcome: Outcome, *, verbose: bool) -> None:
    """What is to be said of a stream on standard error: nothing of one that is whole, unless it is asked for."""
    anomalies = accumulator.anomalies
    if verbose or not outcome.ok:
        say(f"{name}: {outcome.name}: {_sentence(outcome, accumulator.statistics().events)}")
    if verbose:
        s = accumulator.statistics()
        say(f"{s.bytes} bytes in {s.blocks} blocks, {s.events} events, {s.comments} comments, {s.chunks} chunks")
        for a in anomalies:
            times = f", {a.count} times" if a.count > 1 else ""
            say(f"{a.severity}: {a.code} (event {a.event}, {a.path}{times}): {a.message} {a.action}")
    elif outcome.ok and (lost := sum(anomaly.count for anomaly in anomalies if anomaly.severity == "lost")):
        say(f"{name}: complete, but something in it could not be used, {lost} times (--verbose says what)")


def _sentence(outcome: Outcome, events: int) -> str:
    """What happened, at which event, and what the sender said of it."""
    sentence, error = REASONS[outcome.reason][1], outcome.error
    if error is None:
        return sentence if outcome.ok else f"{sentence} (after event {events})"
    where = "after event" if outcome.name == "truncated" else "event"
    facts = [f"{where} {error.event}" if error.event else "before any event"]
    facts += [str(fact) for name in ("type", "code") if (fact := getattr(error, name, None)) is not None]
    told = [f"{sentence} ({', '.join(facts)})"]
    told += [error.message] if not sentence.startswith(error.message) else []
    told += [repr(error.excerpt)] if error.excerpt is not None else []
    return ": ".join(told)


# --- check


def _check(args: argparse.Namespace) -> int:
    """Report how well a sender's streams keep to the format, and which clients are known to break on them."""
    from .check import check_files

    return check_files(args.file, json=args.json, strict=args.strict, quiet=args.quiet, verbose=args.verbose)


# --- the table


_FILE = (("file",), {"metavar": "FILE", "help": "the bytes of a response body, or a trace; - is standard input"})
_OUTPUT = (("-o", "--output"), {"metavar": "FILE", "help": "write the JSON there instead of to standard output"})
_VERBOSE = (("-v", "--verbose"), {"action": "store_true", "help": "say how the stream ended, and what was odd in it"})

COMMANDS: dict[str, Command] = {
    "assemble": Command(
        _assemble,
        help="a stream in, the full response out",
        examples=(
            "streamkit assemble answer.sse",
            "streamkit assemble traces/vllm/plain.trace.jsonl --compact",
            "curl -sN $URL -d @request.json | streamkit assemble --stream --output answer.json -",
        ),
        arguments=(
            _FILE,
            (("--stream",), {"action": "store_true", "help": "show the text as it comes; JSON only with --output"}),
            _OUTPUT,
            (("--compact",), {"action": "store_true", "help": "JSON on one line"}),
            _VERBOSE,
        ),
    ),
    "check": Command(
        _check,
        help="what in a stream deviates from the format, and who breaks on it",
        examples=(
            "streamkit check answer.sse",
            "streamkit check --quiet --strict recorded/*.sse",
            "curl -sN $URL -d @request.json | streamkit check --json - | jq '.[].findings[].code'",
        ),
        arguments=(
            (("file",), {**_FILE[1], "nargs": "+"}),
            (("--json",), {"action": "store_true", "help": "a list with one object a file, for machines"}),
            (("--strict",), {"action": "store_true", "help": "notes count as faults, too"}),
            (("-q", "--quiet"), {"action": "store_true", "help": "only the streams that do not pass"}),
            (("-v", "--verbose"), {"action": "store_true", "help": "also the public threads that tell of the clients"}),
        ),
        exit_codes="exit codes: 0 no faults, 1 faults in at least one stream, 2 misuse, 130 interrupted",
    ),
}
"""Every command by its name."""
