"""Odd values at every parameter of the public API: what is raised is ours and says what was wrong, or nothing is raised.

Each public function, class and method is found through `streamkit.__all__` (and that of the modules in it), so that a new one
is walked without a word here. One parameter at a time gets an odd value, the others get honest ones (`HONEST`), and
what comes back is then used as its user would (`used`), since a wrong argument that is only met later is met too late.
"""

from __future__ import annotations

import array
import asyncio
import collections
import datetime
import decimal
import enum
import fractions
import inspect
import io
import json
import math
import os
import pathlib
import threading
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest

import streamkit
from helpers.tier import some
from helpers.wire import DONE, delta, sse
from streamkit import (
    Accumulator,
    AsyncBroadcast,
    AsyncChatStream,
    AsyncTee,
    AsyncWritten,
    Broadcast,
    ChatStream,
    Cleaner,
    Deadlines,
    Dialect,
    Limits,
    MisuseError,
    Outcome,
    Rule,
    StreamError,
    Tee,
    check_stream,
    dumps,
    reassemble,
    structure,
    tee,
)
from streamkit._clean.write_options import EventOptions, WriteOptions
from streamkit.accumulator import Options
from streamkit.sse import EventDecoder
from streamkit.trace import Block, Trace
from streamkit.types import (
    ChatChoiceLogprobs,
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionResponseMessage,
    ChatCompletionStreamResponseDelta,
    ChatCompletionTokenLogprob,
    CompletionUsage,
    CreateChatCompletionRequest,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FunctionCallStream,
    Role,
)
from streamkit.types._base import Wire

STREAM = sse(delta('{"role":"assistant","content":"a"}'), delta('{"content":"b"}'), delta("{}", "stop")) + DONE
CHUNK: dict[str, Any] = json.loads(delta('{"content":"a"}', "stop"))
RESPONSE = reassemble(STREAM)


# --- odd values


class Theirs(Exception):
    """What an odd value raises by itself; where it is called or iterated, that may pass through."""


class Raising:
    """Raises whatever is done with it, but what Python itself does to show a value."""

    def __bool__(self) -> bool:
        raise Theirs

    def __iter__(self) -> Iterator[Any]:
        raise Theirs

    def __len__(self) -> int:
        raise Theirs

    def __eq__(self, other: object) -> bool:
        raise Theirs

    def __hash__(self) -> int:
        raise Theirs


class NoAttributes:
    """Raises where it is asked for an attribute that it does not have."""

    def __getattr__(self, name: str) -> Any:
        raise Theirs


class Anything:
    """Has every attribute, and each can be called, as a mock is."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


class Names(enum.Enum):
    FIRST = 1


class OddMapping(Mapping[Any, Any]):
    """A mapping that breaks when it is read."""

    def __getitem__(self, key: Any) -> Any:
        raise Theirs

    def __iter__(self) -> Iterator[Any]:
        return iter(["choices"])

    def __len__(self) -> int:
        return 1


class Dumping:
    """An SDK's object, as far as can be seen."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def model_dump(self, **_: Any) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class NoBytes(io.RawIOBase):
    """A file that gives no bytes."""

    def read(self, size: int = -1) -> Any:
        return 5


def deep(levels: int, of: type = list) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if of is list else {"a": value}
    return value


DEEP_LIST, DEEP_OBJECT = deep(2000), deep(2000, dict)


def endless(of: type = list) -> Any:
    if of is list:
        row: list[Any] = []
        row.append(row)
        return row
    made: dict[str, Any] = {}
    made["a"] = made
    return made


def released() -> memoryview:
    view = memoryview(b"data: x\n\n")
    view.release()
    return view


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def raising(*_: Any, **__: Any) -> Any:
    raise Theirs


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "0": lambda: 0,
    "1": lambda: 1,
    "-1": lambda: -1,
    "10**400": lambda: 10**400,
    "-10**400": lambda: -(10**400),
    "2**63": lambda: 2**63,
    "0.0": lambda: 0.0,
    "1.5": lambda: 1.5,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "1j": lambda: 1j,
    "decimal": lambda: decimal.Decimal("1.5"),
    "decimal nan": lambda: decimal.Decimal("sNaN"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "date": lambda: datetime.datetime(2026, 1, 1),
    "empty text": lambda: "",
    "no": lambda: "no",
    "off": lambda: "off",
    "0 as text": lambda: "0",
    "half a pair": lambda: "\ud800",
    "nul": lambda: "a\0b",
    "long text": lambda: "x" * 10_000,
    "json text": lambda: '{"a":1}',
    "empty bytes": lambda: b"",
    "bytes": lambda: b"\xff\xfe",
    "wire": lambda: STREAM,
    "bytearray": lambda: bytearray(b"data: x\n\n"),
    "released": released,
    "wide view": lambda: memoryview(array.array("i", [1, 2])),
    "strided view": lambda: memoryview(b"data: x\n\n")[::2],
    "empty list": list,
    "list": lambda: [1, "a", None],
    "list of None": lambda: [None],
    "list of lists": lambda: [[], [[]]],
    "list of bytes": lambda: [b"data: x\n\n", 5],
    "list of views": lambda: [released()],
    "list of objects": lambda: [object()],
    "list of chunks": lambda: [CHUNK],
    "list of odd chunks": lambda: [{1: 2}],
    "list of half a pair": lambda: ["\ud800"],
    "deep list": lambda: DEEP_LIST,
    "list of deep": lambda: [{"role": "user", "content": DEEP_LIST}],
    "endless list": lambda: endless(),
    "deep object": lambda: DEEP_OBJECT,
    "endless object": lambda: endless(dict),
    "tuple": lambda: (1, 2),
    "set": lambda: {1},
    "empty object": dict,
    "number keys": lambda: {1: 2},
    "mixed keys": lambda: {None: 1, "choices": 5},
    "half a pair as key": lambda: {"\ud800": "\ud800"},
    "choices": lambda: {"choices": [5, None, {"delta": 5, "index": "x", "logprobs": [], "message": 3}]},
    "deep choices": lambda: {"choices": DEEP_LIST},
    "ordered": lambda: collections.OrderedDict(a=object()),
    "odd mapping": OddMapping,
    "object": object,
    "raising object": Raising,
    "no attributes": NoAttributes,
    "mock": Anything,
    "class": lambda: int,
    "own class": lambda: Limits,
    "generic alias": lambda: list[int],
    "generic alias of ours": lambda: dict[str, CreateChatCompletionResponse],
    "union": lambda: int | None,
    "type variable": lambda: typing.TypeVar("T"),
    "module": lambda: json,
    "own module": lambda: streamkit,
    "module with a read": lambda: os,
    "function": lambda: len,
    "lambda": lambda: lambda *a: None,
    "raising function": lambda: raising,
    "generator": generator,
    "async generator": async_generator,
    "generator function": lambda: generator,
    "range": lambda: range(3),
    "ellipsis": lambda: ...,
    "exception": lambda: ValueError("x"),
    "exception class": lambda: ValueError,
    "own error": lambda: StreamError("x"),
    "enum": lambda: Names.FIRST,
    "own enum": lambda: Role.USER,
    "enum class": lambda: Role,
    "rule": lambda: Rule.ADD,
    "missing path": lambda: pathlib.Path("/nowhere/at/all"),
    "path with nul": lambda: pathlib.Path("a\0b"),
    "path with half a pair": lambda: pathlib.Path("\ud800"),
    "directory": lambda: pathlib.Path("/"),
    "text file": lambda: io.StringIO("x"),
    "file": lambda: io.BytesIO(b"data: x\n\n"),
    "closed file": closed_file,
    "file of numbers": NoBytes,
    "lock": threading.Lock,
    "namespace": lambda: types.SimpleNamespace(read=5, headers=5, status="x"),
    "limits": Limits,
    "dialect": Dialect,
    "deadlines": Deadlines,
    "rules": lambda: streamkit.RULES,
    "accumulator": Accumulator,
    "used accumulator": lambda: fed(STREAM[:40]),
    "closed stream": lambda: done_with(ChatStream([STREAM])),
    "response": lambda: RESPONSE,
    "odd response": lambda: attrs.evolve(RESPONSE, choices=5),  # type: ignore[arg-type]
    "odd choices": lambda: attrs.evolve(RESPONSE, choices=[5, None]),  # type: ignore[list-item]
    "odd message": lambda: attrs.evolve(
        RESPONSE,
        choices=[attrs.evolve(RESPONSE.choices[0], message=5)],  # type: ignore[arg-type]
    ),
    "odd index": lambda: attrs.evolve(
        RESPONSE,
        choices=[attrs.evolve(RESPONSE.choices[0], index="x"), RESPONSE.choices[0]],  # type: ignore[arg-type]
    ),
    "odd extra": lambda: attrs.evolve(RESPONSE, extra=5),  # type: ignore[arg-type]
    "deep extra": lambda: attrs.evolve(RESPONSE, extra={"a": DEEP_LIST}),
    "odd chunk": lambda: attrs.evolve(structure(CHUNK, CreateChatCompletionStreamResponse), choices=5),  # type: ignore[arg-type]
    "odd chunk choice": lambda: attrs.evolve(
        structure(CHUNK, CreateChatCompletionStreamResponse),
        choices=[5],
        extra=None,  # type: ignore[arg-type,list-item]
    ),
    "dumping nothing": lambda: Dumping(None),
    "dumping a list": lambda: Dumping([1]),
    "dumping deep": lambda: Dumping(DEEP_OBJECT),
    "dumping raises": lambda: Dumping(Theirs()),
}
KINDS = tuple(ODD.items())


# --- honest values


def fed(wire: bytes = STREAM) -> Accumulator:
    accumulator = Accumulator()
    accumulator.feed(wire)
    return accumulator


def done_with(stream: ChatStream) -> ChatStream:
    stream.until_done()
    return stream


class AsyncSource:
    """An async source that has its block at once."""

    def __init__(self) -> None:
        self._blocks = iter([STREAM])

    def __aiter__(self) -> AsyncSource:
        return self

    async def __anext__(self) -> bytes:
        for block in self._blocks:
            return block
        raise StopAsyncIteration


HONEST: dict[str, Any] = {
    "source": STREAM,
    "trace": Trace(status=200, end="eof", blocks=(Block(0.0, STREAM),)),
    "block": STREAM,
    "chunk": CHUNK,
    "error": StreamError("broken"),
    "reason": "limit",
    "take": lambda chunk: None,
    "choice": 0,
    "call": 0,
    "data": b"{}",
    "obj": {},
    "value": {},
    "target": dict[str, Any],
    "deadline": "idle",
    "seconds": 1.0,
    "limit": "max_choices",
    "maximum": 1,
    "message": "words",
    "problems": (),
    "messages": "words",
    "model": "a-model",
    "content": "words",
    "name": "name",
    "outcome": Outcome("complete", "done"),
    "index": 0,
    "choices": [],
    "function": {"name": "f"},
    "json_schema": {"name": "s", "schema": {}},
    "image_url": "https://example.org/",
    "input_audio": {"data": "", "format": "mp3"},
    "approximate": {},
    "created": 7,
    "logprob": -1.0,
    "statistics": Accumulator().statistics(),
    "findings": (),
    "clients": (),
    "finish_reasons": (),
    "sequence": 0,
    "start": 0.0,
    "into": io.BytesIO(),
    "path": "$[*]",
    "header": Trace(method="POST", path="/v1/chat/completions", request={}),
}
"""By the name of a parameter. Any other that has to be given gets a text, which is what most of those take."""

INSTANCES: dict[str, Callable[[], Any]] = {
    "Accumulator": lambda: fed(sse(delta('{"content":"a"}'))),
    "AsyncBroadcast": lambda: AsyncBroadcast(AsyncSource()),
    "AsyncChatStream": lambda: AsyncChatStream(AsyncSource()),
    "AsyncSubscription": lambda: AsyncBroadcast(AsyncSource()).subscribe(),
    "AsyncTee": lambda: AsyncTee(AsyncSource()),
    "AsyncWritten": lambda: streamkit.async_to_events(AsyncSource()),
    "Broadcast": lambda: Broadcast([STREAM]),
    "ChatStream": lambda: ChatStream([STREAM]),
    "Cleaner": Cleaner,
    "Deadlines": lambda: Deadlines(total=60),
    "AsyncRecordingTransport": lambda: streamkit.AsyncRecordingTransport(into=io.BytesIO()),
    "AsyncReplayTransport": lambda: streamkit.AsyncReplayTransport(HONEST["trace"]),
    "Pace": streamkit.pace,
    "PartialJSON": streamkit.PartialJSON,
    "RecordingTransport": lambda: streamkit.RecordingTransport(into=io.BytesIO()),
    "ReplayTransport": lambda: streamkit.ReplayTransport(HONEST["trace"]),
    "Report": lambda: check_stream(STREAM),
    "Session": lambda: streamkit.Session("session"),
    "SessionRun": lambda: streamkit.recording("session", mode="none").run,
    "Subscription": lambda: Broadcast([STREAM]).subscribe(),
    "Tee": lambda: tee([STREAM]),
    "TraceServer": lambda: streamkit.TraceServer(HONEST["trace"]),
    "sse.EventDecoder": EventDecoder,
    "types.ChatCompletionResponseMessage": lambda: RESPONSE.choices[0].message,
}
"""Of each class whose methods take something, one to call them on."""

OF_NO_CALLER = frozenset(
    {
        "AsyncRecording",
        "AsyncSubscription",
        "AsyncWritten",
        "Recording",
        "Replay",
        "SessionRun",
        "Subscription",
        "Written",
    }
)
"""Classes that only functions of ours call: they are public so that annotations can name them."""

OPTIONS = {f"Unpack[{one.__name__}]": tuple(one.__annotations__) for one in (Options, WriteOptions, EventOptions)}
OPTIONS["Any"] = ()  # of a `Fault`: each has its own
"""What `**options` stands for, by its annotation."""


class Subject:
    """One public callable. `made`: what to call, made anew for each call; `takes`: its parameters."""

    def __init__(self, made: Callable[[], Callable[..., Any]], signature: inspect.Signature) -> None:
        self.made = made
        takes = [one for one in signature.parameters.values() if one.name != "self"]
        self.options = [name for one in takes if one.kind is one.VAR_KEYWORD for name in OPTIONS[one.annotation]]
        self.takes = [one for one in takes if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]

    @property
    def names(self) -> list[str]:
        return [*(one.name for one in self.takes), *self.options]

    def called(self, name: str, value: Any) -> Any:
        """Call it with honest values, but for `value` at the parameter `name`."""
        arguments = {one.name: HONEST.get(one.name, "words") for one in self.takes if one.default is one.empty}
        return self.made()(**{**arguments, name: value})


def subjects() -> dict[str, Subject]:
    """Every public callable that takes anything, by its name below `streamkit`."""
    found: dict[str, Subject] = {}

    def look(name: str, value: Any) -> None:
        if inspect.ismodule(value):
            for inner in value.__all__:
                look(f"{name}.{inner}", getattr(value, inner))
        elif (
            inspect.isclass(value)
            and not issubclass(value, (enum.Enum, Warning))
            and not getattr(value, "_is_protocol", False)
        ):
            if name not in OF_NO_CALLER:
                keep(name, lambda: value, inspect.signature(value))
            for method, function in vars(value).items():
                if not method.startswith("_") and inspect.isroutine(function) and inspect.isfunction(function):
                    keep(
                        f"{name}.{method}", lambda m=method: getattr(INSTANCES[name](), m), inspect.signature(function)
                    )
        elif inspect.isfunction(value):
            keep(name, lambda: value, inspect.signature(value))

    def keep(name: str, made: Callable[[], Callable[..., Any]], signature: inspect.Signature) -> None:
        subject = Subject(made, signature)
        if subject.names:
            found[name] = subject

    for name in streamkit.__all__:
        look(name, getattr(streamkit, name))
    return found


SUBJECTS = subjects()


# --- use


def used(value: Any) -> None:
    """Use what came back as its caller would: read it to its end, ask it for what it knows, close it."""
    if inspect.iscoroutine(value):
        used(asyncio.run(value))
    elif isinstance(value, Accumulator):
        value.feed(STREAM)
        value.feed(sse('{"choices":[{"delta":{"x":[1],"reasoning_details":[{"a":{}}]}}],"y":"z"}'))
        value.add(CHUNK)
        value.close()
        value.snapshot()
    elif isinstance(value, (Cleaner, EventDecoder)):
        value.feed(STREAM)
        value.close()
    elif isinstance(value, ChatStream):
        try:
            list(value)
            value.timing.tokens_per_second, value.outcome, value.anomalies
        finally:
            value.close()
    elif isinstance(value, Broadcast):
        box = value.subscribe("drop")  # another would be waited for
        value.run()
        list(box)
    elif isinstance(value, Tee):
        list(value)
        value.close()
        value.outcome, value.response
    elif isinstance(value, (AsyncChatStream, AsyncTee, AsyncWritten, streamkit.AsyncRecording)):
        asyncio.run(read_async(value))
    elif isinstance(value, AsyncBroadcast):
        asyncio.run(value.run())
    elif isinstance(value, streamkit.Subscription):
        value.close()
    elif isinstance(value, streamkit.Replay):
        value.close()  # it might wait for years: `ttft=2**63` is a time
        list(value), value.blocks, value.headers, value.lag
    elif isinstance(value, streamkit.Recording):
        with value:
            list(value)
    elif isinstance(value, Iterator):
        for _, _ in zip(range(1000), value, strict=False):
            pass
    elif isinstance(value, StreamError):
        str(value)
    elif isinstance(value, CreateChatCompletionRequest):
        value.check()
    elif isinstance(value, ChatCompletionResponseMessage):
        value.to_request()
    elif isinstance(value, Wire):
        dumps(value)


async def read_async(source: Any) -> None:
    try:
        async for _ in source:
            pass
    finally:
        await source.aclose()


ALLOWED = (StreamError, Theirs, streamkit.TraceMissError)
ITERATED = frozenset(
    {"source", "trace", "content", "messages", "tools", "tool_calls", "functions", "modalities", "stop"}
)
"""Parameters that a file can be given for, as it is opened or iterated like any other iterable."""
READS_FILES = frozenset(
    {"reassemble", "check_stream", "to_events", "to_chunks", "ChatStream", "Tee", "tee", "Broadcast"}
)


def is_the_values_own(error: Exception, name: str, value: Any) -> bool:
    """Whether `error` is what the odd value itself says to its use, which is raised as it is."""
    if name == "text":  # the function that cuts
        return callable(value)
    if name in ITERATED and isinstance(value, io.IOBase):
        return isinstance(error, (OSError, ValueError))
    return name in ITERATED and isinstance(value, (str, pathlib.Path)) and isinstance(error, OSError)


def hole(subject: Subject, name: str, odd: Callable[[], Any]) -> str | None:
    """What leaks where an odd value stands at the parameter `name`; None where nothing does."""
    value = odd()
    try:
        used(subject.called(name, value))
    except ALLOWED:
        return None
    except Exception as error:
        return None if is_the_values_own(error, name, value) else f"{type(error).__name__}: {str(error)[:120]}"
    return None


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What records makes files where it is told to, and any text is the name of one."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", SUBJECTS)
def test_an_odd_value_is_refused_in_our_own_words_or_taken(name: str) -> None:
    subject = SUBJECTS[name]
    found = {
        f"{parameter}={kind}": leak
        for at, parameter in enumerate(subject.names)
        for kind, odd in some(KINDS, at + len(name))
        if (leak := hole(subject, parameter, odd)) is not None
    }
    assert {} == found


def test_the_walk_is_over_the_whole_public_api() -> None:
    assert {"Accumulator.feed", "ChatStream", "loads", "sse.EventDecoder.feed", "to_events"} <= set(SUBJECTS)
    assert len(SUBJECTS) > 100
    assert len(ODD) > 75


# --- truth values, and what stands inside of a chunk


def truths() -> list[tuple[str, str]]:
    """Each parameter that is True or False, but for those of values that only we make."""
    return [
        (name, parameter)
        for name, subject in SUBJECTS.items()
        if not name.startswith(("types.", "events.", "errors.")) and not name.endswith("Error")
        for parameter in subject.names
        if (parameter in subject.options and parameter in ("strict", "fast", "done", "path_events"))
        or any(one.name == parameter and type(one.default) is bool for one in subject.takes)
    ]


@pytest.mark.parametrize("name, parameter", truths())
def test_only_true_and_false_are_truth_values(name: str, parameter: str) -> None:
    for odd in ("no", "yes", "off", "", 0, 1, None, [], 1.0, object()):
        with pytest.raises(MisuseError, match="takes True or False, not "):
            used(SUBJECTS[name].called(parameter, odd))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in a JSON value."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], by)
    return changed


RICH: dict[str, Any] = {
    **CHUNK,
    "service_tier": "default",
    "system_fingerprint": "fp",
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "total_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
        "extra": {"a": 1},
    },
    "extra": {"a": [1]},
    "choices": [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "content": "a",
                "refusal": "r",
                "reasoning": "hm",
                "reasoning_details": [{"type": "t", "index": 0, "text": "x"}],
                "annotations": [{"a": 1}],
                "audio": {"id": "a", "data": "QQ==", "transcript": "t"},
                "function_call": {"name": "f", "arguments": "{}"},
                "tool_calls": [
                    {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -1.0}]}
                ]
            },
        }
    ],
}
"""A chunk with every field that folding knows."""


@pytest.mark.parametrize("typed", [False, True], ids=["mapping", "ours"])
def test_an_odd_value_anywhere_in_a_chunk_is_refused_in_our_own_words_or_taken(typed: bool) -> None:
    found = {}
    for at, path in enumerate(places(RICH)):
        for kind, odd in some(KINDS, at):
            value = odd()
            try:
                chunk = replaced(RICH, path, value)
                if typed:
                    chunk = odd_chunk(chunk)
                accumulator = Accumulator()
                accumulator.add(RICH)
                accumulator.add(chunk)
                accumulator.close()
                accumulator.snapshot()
            except ALLOWED:
                pass
            except Exception as error:
                found[f"{path}={kind}"] = f"{type(error).__name__}: {str(error)[:80]}"
    assert {} == found


def odd_chunk(value: dict[str, Any]) -> CreateChatCompletionStreamResponse:
    """The chunk of ours that holds what `value` holds, right or wrong."""

    def made(kind: Any, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        names = {field.name for field in attrs.fields(kind)} - {"extra"}
        known = {name: inner(INNER.get((kind, name)), one) for name, one in value.items() if name in names}
        rest = {name: one for name, one in value.items() if name not in names}
        return kind(**{**dict.fromkeys(names), **known}, extra=rest)

    def inner(kind: Any, value: Any) -> Any:
        if kind is None:
            return value
        return [made(kind, one) for one in value] if type(value) is list else made(kind, value)

    chunk: CreateChatCompletionStreamResponse = made(CreateChatCompletionStreamResponse, value)
    return chunk


INNER: dict[tuple[Any, str], Any] = {
    (CreateChatCompletionStreamResponse, "choices"): ChatChoiceStream,
    (CreateChatCompletionStreamResponse, "usage"): CompletionUsage,
    (ChatChoiceStream, "delta"): ChatCompletionStreamResponseDelta,
    (ChatChoiceStream, "logprobs"): ChatChoiceLogprobs,
    (ChatChoiceLogprobs, "content"): ChatCompletionTokenLogprob,
    (ChatCompletionStreamResponseDelta, "tool_calls"): ChatCompletionMessageToolCallChunk,
    (ChatCompletionStreamResponseDelta, "function_call"): FunctionCallStream,
    (ChatCompletionMessageToolCallChunk, "function"): FunctionCallStream,
}
