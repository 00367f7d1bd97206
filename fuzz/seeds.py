"""What fuzzing begins with: the recorded streams of traces/, and every literal of the tests that is wire or JSON.

Out: streams (bytes of a response body), documents (JSON), trace files; and `TOKENS`, the words of the format, for the
dictionary. A test that is written for a new oddity is a seed from then on. The order is the same in each run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from streamkit.sse import EventDecoder
from streamkit.trace import read_trace

ROOT = Path(__file__).resolve().parent.parent

TOKENS: tuple[bytes, ...] = (
    *(
        b"data: ",
        b"data:",
        b"data",
        b"event: error\n",
        b"event: ",
        b"id: 1\n",
        b"retry: 1\n",
        b": c\n",
        b"\xef\xbb\xbf",
    ),
    *(
        b"\n\n",
        b"\r\n\r\n",
        b"\r\r",
        b"\r\n",
        b"\xf0\x9f\x98\x80",
        b"\xf0\x9f",
        b"\xe2\x80\xa8",
        b"\\ud83d",
        b"\\ude00",
    ),
    *(
        b"[DONE]",
        b"data: [DONE]\n\n",
        b"<html><title>",
        b"<title",
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b"true",
        b"{}",
        b"[]",
    ),
    *(
        b'"choices":[',
        b'"index":0',
        b'"index":"0"',
        b'"index":1',
        b'"delta":{',
        b'"message":{',
        b'"content":"x"',
        b'"text":"x"',
    ),
    *(
        b'"finish_reason":"stop"',
        b'"finish_reason":"length"',
        b'"finish_reason":""',
        b'"role":"assistant"',
        b'"refusal":"x"',
    ),
    *(
        b'"tool_calls":[{',
        b'"function":{',
        b'"custom":{',
        b'"name":"f"',
        b'"arguments":"{"',
        b'"arguments":{}',
        b'"id":"c"',
    ),
    *(
        b'"function_call":{',
        b'"input":"x"',
        b'"type":"function"',
        b'"type":"custom"',
        b'"audio":{',
        b'"annotations":[{}]',
    ),
    *(b'"reasoning":"x"', b'"reasoning_content":"x"', b'"reasoning_details":[{"index":0}]', b'"logprobs":{"content":['),
    *(b'"usage":{"total_tokens":1}', b'"x_groq":{', b'"error":{"message":"m"}', b'"code":500', b'"obfuscation":"x"'),
    *(
        b'{"choices":[{"index":0,"delta":{"content":"x"}}]}',
        b'{"choices":[]}',
        b'"k":"a"',
        b'"k":1',
        b'"k":[1]',
        b'"k":null',
    ),
)


def streams(size: int) -> Iterator[bytes]:
    """Yield streams of at most `size` bytes: recorded ones, shortened event by event, and those of the tests."""
    for raw in trace_files():
        body = read_trace(BytesIO(raw)).body
        if len(body) > size:  # its beginning and its end, whole events each
            events = body.split(b"\n\n")
            kept, room = [], size - 2
            for one in events[:2] + events[-5:] + events[2:-5]:
                if len(one) + 2 <= room:
                    kept.append(one)
                    room -= len(one) + 2
            body = b"\n\n".join(one for one in events if one in kept)[:size]
        yield body
    yield from literals(size)


@cache
def trace_files() -> tuple[bytes, ...]:
    """Return the recorded traces, the smallest first."""
    return tuple(sorted((path.read_bytes() for path in ROOT.glob("traces/*/*.trace.jsonl")), key=len))


@cache
def _constants() -> tuple[bytes, ...]:
    """Every literal of the tests that looks like wire bytes or JSON, wire bytes as they are and JSON as an event."""
    found: dict[bytes, None] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Constant):
                continue
            if isinstance(node.value, bytes) and len(node.value) > 5:
                found.setdefault(node.value)
            elif isinstance(node.value, str) and node.value.startswith("{"):
                found.setdefault(b"data: " + _chunk(node.value).encode("utf-8", "replace") + b"\n\n")
    return tuple(found)


def _chunk(text: str) -> str:
    """The JSON of a delta, as tests have it, as that of a chunk."""
    return text if '"choices"' in text or '"error"' in text else f'{{"choices":[{{"index":0,"delta":{text}}}]}}'


def literals(size: int) -> Iterator[bytes]:
    """Yield the literals of the tests; short ones a few at a time, as one stream."""
    together: list[bytes] = []
    for one in _constants():
        if len(one) > size:
            continue
        together.append(one)
        if sum(map(len, together)) > 500 or len(together) == 8:
            yield b"".join(together)[:size]
            together = []


def documents() -> Iterator[bytes]:
    """Yield the JSON documents of the recordings, whole and in parts: requests, responses, chunks, all objects inside.

    One of each kind: those that have the same names at their top, and the same types of values, are alike.
    """
    seen: set[str] = set()
    for raw in trace_files():
        trace = read_trace(BytesIO(raw))
        events = EventDecoder().feed(trace.body)
        values = [trace.request, *(_loaded(event.data) for event in events[:3] + events[-3:])]
        for value in values:
            yield from _parts(value, seen)
    for path in sorted(ROOT.glob("traces/*/*.json")):
        yield from _parts(_loaded(path.read_bytes()), seen)
    for one in _constants():
        yield from _parts(_loaded(one.removeprefix(b"data:")), seen)


def _loaded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _parts(value: Any, seen: set[str]) -> Iterator[bytes]:
    left = [value]
    while left:
        one = left.pop()
        if not isinstance(one, dict | list):
            continue
        inner: list[Any] = [*one.values()] if isinstance(one, dict) else one
        kind = repr(([*one] if isinstance(one, dict) else None, [type(item) for item in inner[:20]]))
        if kind not in seen:
            seen.add(kind)
            yield json.dumps(one, separators=(",", ":")).encode()
        left += inner
