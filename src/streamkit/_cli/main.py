"""The command line: `streamkit assemble FILE`, `streamkit check FILE...`, `streamkit gateway --upstream URL`.

In: arguments, and a file or standard input. Out: an exit code.

Rule 1  Data goes to standard output, in UTF-8 whatever the locale; everything else to standard error.
Rule 2  The exit code says how the stream ended: 0 complete, 3 truncated, 4 failed, 130 cancelled (SIGINT); of `check`,
        whether it passed: 0 or 1. 2 is misuse: wrong arguments, a file that cannot be read or written, no trace where
        the name promises one. 141 is what a shell says of a filter whose reader left (`| head`); nothing else is said
        about that.
Rule 3  A response in part is printed like a whole one, and one line says what happened and where. Never a traceback.

A command is a function from arguments to an exit code, and an entry in `COMMANDS`. What they share of the world outside
is in `io.py`. A module that one command alone needs is imported inside that command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..errors import MisuseError, StreamError
from .arguments import CORPUS, GATEWAY, IMPORT, PLAYING, RECORD, SCRUB, SERVE, VERBOSE, Arguments
from .io import EXIT, MISUSE, abandon_stdout, say

__all__ = ("COMMANDS", "Command", "main")

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
    arguments: Arguments
    """What `add_argument` is called with."""
    exit_codes: str = _EXIT_CODES
    """The last line of `--help`."""
    takes_command: bool = False
    """Whether what follows `--` is a command to run: `args.command`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` says (by default the arguments of this process); return its exit code."""
    try:
        try:
            return _run(argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here it can be caught, at exit it could not
    except KeyboardInterrupt:
        return EXIT["cancelled"]
    except StreamError as error:
        say(str(error))
        return MISUSE
    except BrokenPipeError:
        abandon_stdout()
        return _READER_LEFT
    except OSError as error:
        abandon_stdout()
        say(f"standard output: {error.strerror or error}")
        return MISUSE


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
    given = list(sys.argv[1:] if argv is None else argv)
    after: list[str] = []
    if "--" in given and given[0] in COMMANDS and COMMANDS[given[0]].takes_command:
        # argparse would count it among the other arguments.
        at = given.index("--")
        given, after = given[:at], given[at + 1 :]
    args = parser.parse_args(given, argparse.Namespace(command=after))
    if args.version:
        from .._version import __version__  # takes longer than all else that this option does

        print("streamkit", __version__)
        return 0
    if args.run is None:
        parser.error(f"name a command: {', '.join(COMMANDS)} (--help says more)")
    code: int = args.run(args)
    return code


def _assemble(args: argparse.Namespace) -> int:
    """Put a recorded or a running stream together and print the response as JSON."""
    from .assemble import assemble_file

    return assemble_file(args.file, output=args.output, stream=args.stream, compact=args.compact, verbose=args.verbose)


def _check(args: argparse.Namespace) -> int:
    """Report how well a sender's streams keep to the format, and which clients are known to break on them."""
    from .check import check_files

    if args.json and args.format not in (None, "json"):
        raise MisuseError(
            f"--json means --format json, and --format {args.format} was passed too: leave one of them out"
        )
    shape = {"format": args.format, "html": args.html}
    return check_files(args.file, json=args.json, strict=args.strict, quiet=args.quiet, verbose=args.verbose, **shape)


def _replay(args: argparse.Namespace) -> int:
    """Play a recorded stream again: its text with reasoning and tool calls, live, at its pace, with faults if asked."""
    from .playing import playing
    from .replay import replay_file

    return replay_file(args.file, playing(args), format=args.format, verbose=args.verbose)


def _stat(args: argparse.Namespace) -> int:
    """Print what is in traces in numbers, and their timing: each figure with whose definition it follows."""
    from .stat import stat_files

    return stat_files(args.file, json=args.json)


def _cat(args: argparse.Namespace) -> int:
    """Print what a trace holds: its body as it is, or a line for each block, event or chunk, or its text."""
    from .cat import cat_file

    return cat_file(args.file, level=args.level)


def _diff(args: argparse.Namespace) -> int:
    """Compare two traces: the same bytes, the same cuts, the same response? The first difference, and where."""
    from .diff import diff_files

    return diff_files(args.a, args.b, only=args.only, json=args.json)


def _view(args: argparse.Namespace) -> int:
    """Draw a trace as a page, or two on one axis: lanes, blocks, stalls, counts, gaps, timing, anomalies, the response."""
    from .view import view_files

    return view_files(args.file, output=args.output)


def _record(args: argparse.Namespace) -> int:
    """Write a body as a trace while it passes, or all that a program exchanges with a server, with credentials replaced."""
    if args.upstream is not None:
        return _record_proxied(args)
    for flag in ("listen", "finish", "command"):
        if getattr(args, flag):
            raise MisuseError(
                f"{'-- COMMAND' if flag == 'command' else '--' + flag} is for a proxy: give --upstream URL"
            )
    if args.into is None:
        raise MisuseError("record takes FILE and OUT, or --upstream URL and DIR")
    from .files import check_free
    from .record import record_input

    check_free(args.into, force=args.force)

    return record_input(
        args.file,
        args.into,
        request=args.request,
        tee=args.tee,
        scrub=not args.no_scrub,
        verbose=args.verbose,
        sender=args.sender,
        sender_version=args.sender_version,
        case=args.case,
        notes=args.notes,
    )


def _record_proxied(args: argparse.Namespace) -> int:
    for flag in ("tee", "request", "sender", "sender_version", "case", "notes"):
        if getattr(args, flag):
            raise MisuseError(f"--{flag.replace('_', '-')} is for a body from a file or a pipe, not for a proxy")
    if args.into is not None:
        raise MisuseError(f"a proxy takes one folder, and {args.into!r} was passed too; a command follows --")
    from .files import check_free
    from .record_proxy import record_proxied

    check_free(args.file, force=args.force)
    return record_proxied(
        args.upstream,
        args.listen,
        args.file,
        args.command,
        finish=args.finish,
        scrub=not args.no_scrub,
        verbose=args.verbose,
    )


def _serve(args: argparse.Namespace) -> int:
    """Answer requests with recorded exchanges, as the server that was recorded did, or with faults."""
    from .playing import playing
    from .serve import serve_traces

    answering = {"match": args.match, "ignore": tuple(args.ignore), "repeat": not args.once, "api_key": args.api_key}
    options = {**playing(args), "fault_times": args.fault_times, **answering}
    return serve_traces(args.folder, args.listen, args.command, options, quiet=args.quiet)


def _import(args: argparse.Namespace) -> int:
    """Make traces of the recordings of other tools: bodies, lines of chunks, cassettes of vcrpy and cassetter."""
    from .convert import import_files

    return import_files(
        args.file,
        kind=args.kind,
        output=args.output,
        scrub=not args.no_scrub,
        sender=args.sender,
        sender_version=args.sender_version,
    )


def _export(args: argparse.Namespace) -> int:
    """Write a trace for other tools: its body, or a timeline that Perfetto and chrome://tracing open."""
    from .convert import export_file

    return export_file(args.file, form=args.format, output=args.output)


def _scrub(args: argparse.Namespace) -> int:
    """Replace what is private in traces by as many letters x, and say whether there was anything."""
    from .scrub import scrub_files

    return scrub_files(args.file, check=args.check, find=args.find, keep=args.keep_header, json=args.json)


def _gateway(args: argparse.Namespace) -> int:
    """Forward chat completions of one upstream, byte for byte or clean, and log how each ended."""
    from .gateway import serve

    return serve(args.upstream, args.listen, clean=args.clean, log=args.log)


def _corpus(args: argparse.Namespace) -> int:
    """Reassemble recorded streams in bulk, into Parquet with a row for each: started again, it continues where it stopped."""
    from .corpus import reassemble_corpus

    columns = {"body": args.body, "blocks": args.blocks, "arrival_ns": args.arrival_ns, "encoding": args.encoding}
    shape = {"keep": args.keep, "sender": args.sender, "partitions": args.partitions}
    return reassemble_corpus(args.input, args.output, columns, engine=args.engine, workers=args.workers, **shape)


# --- the table


_FILE = (("file",), {"metavar": "FILE", "help": "the bytes of a response body, or a trace; - is standard input"})
_OUTPUT = (("-o", "--output"), {"metavar": "FILE", "help": "write the JSON there instead of to standard output"})

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
            (("--stream",), {"action": "store_true", "help": "show the text as it arrives; JSON only with --output"}),
            _OUTPUT,
            (("--compact",), {"action": "store_true", "help": "JSON on one line"}),
            VERBOSE,
        ),
    ),
    "check": Command(
        _check,
        help="what in a stream deviates from the format, and who breaks on it",
        examples=(
            "streamkit check answer.sse",
            "streamkit check --quiet --strict recorded/*.sse",
            "streamkit check --format lines traces/ | grep ^faulty",
            "streamkit check --html report.html traces/",
            "curl -sN $URL -d @request.json | streamkit check --json - | jq '.[].findings[].code'",
        ),
        arguments=(
            (("file",), {**_FILE[1], "nargs": "+", "help": f"{_FILE[1]['help']}; or a folder of them"}),
            (
                ("--format",),
                {
                    "choices": ("report", "lines", "summary", "json"),
                    "help": "report (the default): on each file, then a summary; lines: one a file: verdict, outcome, reason, chunks, seconds to the first output and to"
                    " the last byte (of traces), name, codes; summary: it alone, each code, in how many streams of which senders; json",
                },
            ),
            (
                ("--json",),
                {"action": "store_true", "help": "a list with one object a file, for machines: --format json"},
            ),
            (
                ("--html",),
                {
                    "metavar": "FILE",
                    "help": "write a page about all streams there: codes by sender, down to the bytes of the first occurrence",
                },
            ),
            (("--strict",), {"action": "store_true", "help": "notes count as faults, too"}),
            (("-q", "--quiet"), {"action": "store_true", "help": "only the streams that do not pass"}),
            (
                ("-v", "--verbose"),
                {"action": "store_true", "help": "also the public threads that report on the clients"},
            ),
        ),
        exit_codes="exit codes: 0 no faults, 1 faults in at least one stream, 2 misuse, 130 interrupted",
    ),
    "replay": Command(
        _replay,
        help="a recorded stream live again, at its pace or with faults",
        examples=(
            "streamkit replay traces/llama.cpp/plain.trace.jsonl",
            "streamkit replay answer.trace.jsonl --speed 4 --max-gap 1",
            "streamkit replay answer.trace.jsonl --fault stall=2@event:5 --fault reset@0.8",
            "streamkit replay answer.trace.jsonl --format bytes | streamkit check -",
        ),
        arguments=(
            (("file",), {"metavar": "TRACE", "help": "a trace, or the bytes of a body; - is standard input"}),
            (
                ("--format",),
                {
                    "choices": ("text", "events", "bytes"),
                    "help": "text as it arrives, a JSON object for each event of the library, or the bytes; by default text on"
                    " a terminal and events elsewhere",
                },
            ),
            *PLAYING,
            (
                ("-v", "--verbose"),
                {"action": "store_true", "help": "say how it ended, what was odd, how late blocks were"},
            ),
        ),
    ),
    "stat": Command(
        _stat,
        help="counts and timing of traces, by named definition",
        examples=(
            "streamkit stat answer.trace.jsonl",
            "streamkit stat traces/",
            "streamkit stat --json traces/ | jq -r '[.file, .timing.ttft] | @tsv'",
        ),
        arguments=(
            (
                ("file",),
                {"nargs": "+", "metavar": "TRACE", "help": "a trace, or a folder of them; - is standard input"},
            ),
            (("--json",), {"action": "store_true", "help": "a JSON object for each trace, on a terminal too"}),
        ),
        exit_codes="exit codes: 0 all read, 2 misuse or a file that could not be read, 130 interrupted",
    ),
    "cat": Command(
        _cat,
        help="what a trace holds: bytes, blocks, events, chunks, text",
        examples=(
            "streamkit cat answer.trace.jsonl > answer.sse",
            "streamkit cat --blocks answer.trace.jsonl",
            "streamkit cat --chunks answer.trace.jsonl | jq .choices[0].delta",
        ),
        arguments=(
            (("file",), {"metavar": "TRACE", "help": "a trace, or the bytes of a body; - is standard input"}),
            *(
                (
                    (f"--{level}",),
                    {"dest": "level", "action": "store_const", "const": level, "default": "body", "help": words},
                )
                for level, words in (
                    ("blocks", "a line for each block: number, seconds, bytes"),
                    ("events", "a line for each server-sent event: number, seconds, type, data"),
                    ("chunks", "a JSON object for each chunk"),
                    ("text", "what was said, with reasoning and tool calls"),
                )
            ),
        ),
        exit_codes="exit codes: 0, 2 misuse, 130 interrupted",
    ),
    "diff": Command(
        _diff,
        help="whether two traces have the same bytes, cuts, response",
        examples=(
            "streamkit diff before.trace.jsonl after.trace.jsonl",
            "streamkit diff --only response recorded.trace.jsonl live.trace.jsonl",
        ),
        arguments=(
            (("a",), {"metavar": "A", "help": "a trace, or the bytes of a body"}),
            (("b",), {"metavar": "B", "help": "another"}),
            (
                ("--only",),
                {
                    "action": "append",
                    "default": [],
                    "choices": ("bytes", "cuts", "response"),
                    "help": "look at this alone, can be repeated; the exit code is about it",
                },
            ),
            (("--json",), {"action": "store_true", "help": "a JSON object, on a terminal too"}),
        ),
        exit_codes="exit codes: 0 the same, 1 different, 2 misuse, 130 interrupted",
    ),
    "view": Command(
        _view,
        help="a trace, or two on one axis, as an HTML page",
        examples=(
            "streamkit view answer.trace.jsonl -o report.html",
            "streamkit view before.trace.jsonl after.trace.jsonl -o report.html",
            "curl -sN $URL -d @request.json | streamkit view - > report.html",
        ),
        arguments=(
            (
                ("file",),
                {
                    "nargs": "+",
                    "metavar": "TRACE",
                    "help": "a trace, or the bytes of a body, which has no times; two for comparison; - is standard input",
                },
            ),
            (("-o", "--output"), {"metavar": "FILE", "help": "write the page there instead of to standard output"}),
        ),
        exit_codes="exit codes: 0, 2 misuse, 130 interrupted",
    ),
    "record": Command(
        _record,
        help="a body from a pipe, or what a program exchanges, into traces",
        examples=(
            "curl -sN $URL -d @request.json | streamkit record - answer.trace.jsonl",
            "curl -sN $URL -d @request.json | streamkit record --tee --request request.json - traces/ | jq -R .",
            "streamkit record --upstream https://api.openai.com traces/ -- node agent.mjs",
            "streamkit record --upstream http://127.0.0.1:8080 --listen 127.0.0.1:9000 traces/",
        ),
        arguments=RECORD,
        exit_codes=f"{_EXIT_CODES}; of a proxy that of the command, or 0",
        takes_command=True,
    ),
    "serve": Command(
        _serve,
        help="recorded exchanges as a server",
        examples=(
            "streamkit serve traces/",
            "streamkit serve traces/ --speed 0 --fault reset@0.5 --fault-times 1",
            "streamkit serve tests/traces/agent -- python -m pytest tests/test_agent.py",
            'curl -N 127.0.0.1:8000/v1/chat/completions -d \'{"model": "llama.cpp/plain", "stream": true}\'',
        ),
        arguments=SERVE,
        exit_codes="exit codes: 0 stopped, 2 misuse, 130 interrupted; with a command its own",
        takes_command=True,
    ),
    "import": Command(
        _import,
        help="recordings of other tools as traces",
        examples=(
            "streamkit import answer.sse > answer.trace.jsonl",
            "streamkit import tests/cassettes/ --output traces/",
            "streamkit import openai-text.chunks.txt -o text.trace.jsonl",
        ),
        arguments=IMPORT,
        exit_codes="exit codes: 0 all imported, 2 misuse or a file that could not be read, 130 interrupted",
    ),
    "export": Command(
        _export,
        help="a trace as a body or as a timeline",
        examples=(
            "streamkit export answer.trace.jsonl -o answer.sse",
            "streamkit export answer.trace.jsonl -o timeline.json",
        ),
        arguments=(
            (("file",), {"metavar": "TRACE", "help": "a trace; - is standard input"}),
            (
                ("--format",),
                {
                    "choices": ("sse", "chrome"),
                    "help": "the body, or a timeline; by default what the output's name says",
                },
            ),
            (("-o", "--output"), {"metavar": "FILE", "help": "write there instead of to standard output"}),
        ),
        exit_codes="exit codes: 0, 2 misuse, 130 interrupted",
    ),
    "scrub": Command(
        _scrub,
        help="secrets out of traces",
        examples=(
            "streamkit scrub traces/",
            "streamkit scrub --check tests/ || echo 'a trace holds secrets'",
            "streamkit scrub --find '[\\w.]+@[\\w.]+' answer.trace.jsonl",
        ),
        arguments=SCRUB,
        exit_codes="exit codes: 0 nothing found, 1 something found, 2 misuse or a file that could not be read, 130 interrupted",
    ),
    "corpus": Command(
        _corpus,
        help="recorded streams in bulk, on an engine, into Parquet",
        examples=(
            "streamkit corpus logs.parquet responses/ --body raw_response --keep request_id,ts",
            "streamkit corpus logs/ responses/ --engine ray --workers 8 --partitions 200",
            "streamkit corpus traces/ responses/",
        ),
        arguments=CORPUS,
        exit_codes="exit codes: 0 all parts are there, 2 misuse, or a part or row that could not be read, 130 interrupted",
    ),
    "gateway": Command(
        _gateway,
        help="forward chat completions, and know what was said",
        examples=(
            "streamkit gateway --upstream http://127.0.0.1:8080",
            "streamkit gateway --upstream https://openrouter.ai/api --listen 0.0.0.0:8000 --clean --log usage.jsonl",
        ),
        arguments=GATEWAY,
        exit_codes="exit codes: 0 stopped, 2 misuse, 130 interrupted",
    ),
}
"""Every command by its name."""
