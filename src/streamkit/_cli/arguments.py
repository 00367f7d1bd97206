"""Arguments of commands: those that several take, and the long lists. What `add_argument` is called with, as data."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = (
    "CORPUS",
    "GATEWAY",
    "IMPORT",
    "NO_SCRUB",
    "PLAYING",
    "RECORD",
    "SCRUB",
    "SENDER",
    "SERVE",
    "VERBOSE",
    "Arguments",
)

Arguments: TypeAlias = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]
"""Each the flags, or the name, and the options of `add_argument`."""

VERBOSE = (("-v", "--verbose"), {"action": "store_true", "help": "say how the stream ended, and what was odd in it"})
NO_SCRUB = (("--no-scrub",), {"action": "store_true", "help": "leave credentials as they are"})
SENDER: Arguments = (
    (("--sender",), {"metavar": "WORD", "help": "what wrote the stream, in one word"}),
    (("--sender-version",), {"metavar": "TEXT", "help": "its version"}),
)

# How a trace is played.
PLAYING: Arguments = (
    (
        ("--speed",),
        {"type": float, "default": 1.0, "metavar": "N", "help": "1 as recorded (default), 0 no waiting"},
    ),
    (("--ttft",), {"type": float, "metavar": "S", "help": "seconds until the first output"}),
    (("--max-gap",), {"type": float, "metavar": "S", "help": "seconds that no wait exceeds"}),
    (("--itl",), {"type": float, "metavar": "S", "help": "a made-up pace: seconds from block to block"}),
    (("--jitter",), {"type": float, "metavar": "N", "help": "how far a wait may be off, as a share of --itl"}),
    (
        ("--recut",),
        {
            "metavar": "HOW",
            "help": "other blocks: bytes, a number of bytes, events, characters (inside of them), crlf (between), random, one",
        },
    ),
    (
        ("--fault",),
        {
            "action": "append",
            "default": [],
            "metavar": "FAULT",
            "help": "what goes wrong, NAME[=VALUE][@PLACE], can be repeated: delay, stall, truncate, disconnect, reset,"
            " half_chunk, drop, duplicate, corrupt, malformed, error_event, status, bandwidth, slow_close, empty; at"
            " head, block:3, event:3, byte:100, a share of the body such as 0.5, or random",
        },
    ),
    (("--seed",), {"type": int, "default": 0, "metavar": "N", "help": "for what is random (default 0)"}),
)

RECORD: Arguments = (
    (
        ("file",),
        {
            "metavar": "FILE",
            "help": "the bytes of a response body; - is standard input; of a proxy OUT, a folder",
        },
    ),
    (
        ("into",),
        {
            "nargs": "?",
            "metavar": "OUT",
            "help": "the trace (.jsonl, .jsonl.gz, .jsonl.zst), or a folder for 001-….trace.jsonl",
        },
    ),
    (
        ("--upstream",),
        {
            "metavar": "URL",
            "help": "be a proxy for this server, and record each exchange; what follows -- is run with OPENAI_BASE_URL,"
            " OPENAI_API_BASE and ANTHROPIC_BASE_URL set, and its exit code is ours",
        },
    ),
    (
        ("--listen",),
        {
            "metavar": "HOST:PORT",
            "help": "of a proxy (default: 127.0.0.1:0, a free port, said on standard error)",
        },
    ),
    (
        ("--finish",),
        {"action": "store_true", "help": "of a proxy: read on for the trace where a reader leaves"},
    ),
    (("--force",), {"action": "store_true", "help": "replace OUT where it is a trace that is there already"}),
    (("--tee",), {"action": "store_true", "help": "write the bytes to standard output, too, as they arrive"}),
    (("--request",), {"metavar": "FILE", "help": "the JSON that was sent, to be kept in the trace"}),
    *SENDER,
    (("--case",), {"metavar": "WORD", "help": "what the stream shows, in one word"}),
    (("--notes",), {"metavar": "TEXT", "help": "what else a reader must know"}),
    NO_SCRUB,
    VERBOSE,
)

SERVE: Arguments = (
    (
        ("folder",),
        {
            "metavar": "DIR",
            "help": "a folder of traces; a request gets the one that its model or its header x-streamkit-trace names"
            " (llama.cpp/plain is llama.cpp/plain.trace.jsonl), else the one recorded for the same request",
        },
    ),
    (
        ("--listen",),
        {
            "metavar": "HOST:PORT",
            "help": "where to listen, port 0 for a free one (default: 127.0.0.1:8000; beside a command a free port)",
        },
    ),
    *PLAYING,
    (
        ("--fault-times",),
        {"type": int, "metavar": "N", "help": "how many answers the faults strike (default: all)"},
    ),
    (("--match",), {"choices": ("order",), "help": "order: the next trace, whatever was asked"}),
    (
        ("--ignore",),
        {
            "action": "append",
            "default": [],
            "metavar": "PATH",
            "help": "what of the request's JSON is not compared ($.seed), can be repeated",
        },
    ),
    (
        ("--once",),
        {"action": "store_true", "help": "play each trace once; by default the last is played again"},
    ),
    (("--api-key",), {"metavar": "KEY", "help": "refuse requests without it"}),
    (("-q", "--quiet"), {"action": "store_true", "help": "no line for each request"}),
)

CORPUS: Arguments = (
    (
        ("input",),
        {"metavar": "IN", "help": "a file or folder of Parquet, of JSON Lines, or of bodies (.sse) and traces"},
    ),
    (("output",), {"metavar": "OUT", "help": "a folder for part-00000.parquet and so on"}),
    (
        ("--engine",),
        {"choices": ("local", "ray", "spark"), "default": "local", "help": "what runs it (default: local)"},
    ),
    (
        ("--workers",),
        {"type": int, "metavar": "N", "help": "processes of ray or spark (default: one each core)"},
    ),
    (("--body",), {"default": "body", "metavar": "COLUMN", "help": "the bodies (default: body)"}),
    (("--blocks",), {"metavar": "COLUMN", "help": "lists of their blocks, or of the lengths of these"}),
    (("--arrival-ns",), {"metavar": "COLUMN", "help": "lists of nanoseconds since the request, one a block"}),
    (
        ("--encoding",),
        {"metavar": "COLUMN", "help": "the Content-Encoding of each; gzip and zstd show themselves"},
    ),
    (
        ("--keep",),
        {
            "action": "append",
            "default": [],
            "metavar": "A,B=NEW",
            "help": "columns to hand on, under a new name where the output has one of that name; of traces by default file,"
            " sender and case",
        },
    ),
    (
        ("--sender",),
        {"metavar": "COLUMN", "help": "who wrote each, for the summary (default: sender, if there)"},
    ),
    (
        ("--partitions",),
        {"type": int, "metavar": "N", "help": "how many parts (default: one for each 128 MB of input)"},
    ),
)

IMPORT: Arguments = (
    (
        ("file",),
        {
            "nargs": "+",
            "metavar": "FILE",
            "help": "a body (.sse), lines of JSON chunks (.chunks.txt, .ndjson, .jsonl), a cassette of vcrpy or cassetter"
            " (.yaml), or a folder of them; - is standard input",
        },
    ),
    (
        ("--kind",),
        {"choices": ("sse", "chunks", "cassette"), "help": "what the files are, whatever their names"},
    ),
    (
        ("-o", "--output"),
        {"metavar": "OUT", "help": "a trace, or a folder for several; without it standard output"},
    ),
    *SENDER,
    NO_SCRUB,
)

SCRUB: Arguments = (
    (("file",), {"nargs": "+", "metavar": "TRACE", "help": "a trace, or a folder of them"}),
    (("--check",), {"action": "store_true", "help": "look only, and replace nothing"}),
    (
        ("--find",),
        {
            "action": "append",
            "default": [],
            "metavar": "REGEX",
            "help": "what else is private, can be repeated",
        },
    ),
    (
        ("--keep-header",),
        {
            "action": "append",
            "default": [],
            "metavar": "NAME",
            "help": "a request header to keep, can be repeated",
        },
    ),
    (("--json",), {"action": "store_true", "help": "a JSON object for each finding, on a terminal too"}),
)

GATEWAY: Arguments = (
    (("--upstream",), {"metavar": "URL", "required": True, "help": "where to forward to, without the /v1"}),
    (
        ("--listen",),
        {"metavar": "HOST:PORT", "default": "127.0.0.1:8000", "help": "where to listen (default: %(default)s)"},
    ),
    (
        ("--clean",),
        {
            "action": "store_true",
            "help": "write every stream as OpenAI would, not only those asked for below /clean/v1/",
        },
    ),
    (
        ("--log",),
        {
            "metavar": "FILE",
            "help": "append a line of JSON for each chat completion that is over: time, model, status, outcome, tokens,"
            " seconds to the first output; no text. - is standard output",
        },
    ),
)
