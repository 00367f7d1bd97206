"""Seeded chat-completion streams, one function a shape of input, as OpenAI writes them.

In: how many text-bearing chunks, and a seed. Out: the bytes of the whole stream, `data: {json}` and a blank line for
each event, `data: [DONE]` last. The same arguments give the same bytes on every machine and Python.

Every stream has constant metadata (id, created, model, service tier, fingerprint; `"usage":null` on each chunk, as a
request with `include_usage` gets it), opens with a role chunk for each choice, closes each choice with one finish
chunk, and ends with a usage chunk without choices. `n` counts what is between: the chunks that carry the shape.

Benches are named by these shapes, and tests/test_shapes.py holds that the shapes are what they say: a bench over an
input that is not its shape measures nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

__all__ = (
    "CHUNKS",
    "DONE",
    "SHAPES",
    "blocks",
    "calls_interleaved",
    "choices",
    "chunks",
    "events",
    "logprobs",
    "one_huge_event",
    "reasoning",
    "said",
    "text",
    "text_obfuscated",
    "tool_arguments",
    "unicode_text",
)

# What benches take unless they say otherwise: a result in milliseconds then reads as microseconds a chunk.
CHUNKS = 1000

DONE = b"data: [DONE]\n\n"

ENVELOPE = {
    "id": "chatcmpl-Cq4Zt7vXbN2mKsLw9RyHd3PfUe6Aj",
    "object": "chat.completion.chunk",
    "created": 1763720000,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_4c2851f862",
}

# Most words are short and plain; a few need escapes in JSON (quotes, newlines, a backslash) or more than one byte.
WORDS = [
    *(
        "a and as at but by for from if in is it not of on or so that the then this to was which with we one out bytes "
        "stream river stone water bridge harbour lantern garden morning letter window paper answer number copper quiet "
        "slowly carefully between measure remember yesterday understanding café naïve – “quoted” "
    ).split(),
    '"so"',
    "\\n",
    "`x = 1`",
    "**bold**",
    ".\n\n",
    ",",
    ".",
    ":\n- ",
]

# Scripts of two, three and four bytes a character, a joined emoji, a combining mark, and the separators U+2028 and
# U+0085, which are not line ends in a stream.
UNICODE_WORDS = (
    "мост река слово вечер γέφυρα φως जल नदी पुल 河流 石头 桥 灯笼 早晨 川 石 橋 朝 다리 강물 아침 جسر نهر "
    "😀 🚲 🌉 👩‍🔬 🇳🇱 é ǿ a\u2028b c\u0085d \ufeff"
).split(" ")

CITIES = ("Utrecht", "Nairobi", "Osaka", "Valparaíso", "Zürich", 'the "Old" Town', "Ghent", "Aarhus")


def text(n: int, seed: int = 1) -> bytes:
    """`n` chunks of one or two words of English each: the most common stream there is."""
    rng = random.Random(f"text {seed}")
    return _stream(({"content": _word(rng)} for _ in range(n)), tokens=n)


def text_obfuscated(n: int, seed: int = 1) -> bytes:
    """`text`, with a random `obfuscation` string after the usage on every chunk, as OpenAI pads by default."""
    rng = random.Random(f"text_obfuscated {seed}")
    return _stream(({"content": _word(rng)} for _ in range(n)), tokens=n, padding=rng)


def unicode_text(n: int, seed: int = 1, *, escaped: bool = False) -> bytes:
    """`n` chunks of text outside ASCII, raw UTF-8; with `escaped` in the form `\\uXXXX` and surrogate pairs."""
    rng = random.Random(f"unicode_text {seed}")
    return _stream(({"content": " " + rng.choice(UNICODE_WORDS)} for _ in range(n)), tokens=n, escaped=escaped)


def reasoning(n: int, seed: int = 1) -> bytes:
    """`n` chunks, the first half `reasoning_content`, the rest `content`."""
    rng = random.Random(f"reasoning {seed}")
    deltas = ({"reasoning_content" if i < n // 2 else "content": _word(rng)} for i in range(n))
    return _stream(deltas, tokens=n, reasoning_tokens=n // 2)


def tool_arguments(n: int, calls: int = 4, seed: int = 1) -> bytes:
    """`n` fragments of arguments, spread evenly over `calls` tool calls, each opened by a separate chunk.

    The arguments of every call are one JSON object.
    """
    rng = random.Random(f"tool_arguments {seed}")
    return _stream(_tool_deltas(n, calls, rng), first={"content": None}, finish="tool_calls", tokens=n)


def calls_interleaved(n: int, calls: int = 4, seed: int = 1) -> bytes:
    """`tool_arguments`, with a fragment of each call in turn, once all of them are open."""
    rng = random.Random(f"calls_interleaved {seed}")
    opened: list[dict[str, Any]] = []
    rows: list[list[dict[str, Any]]] = [[] for _ in range(calls)]
    for delta in _tool_deltas(n, calls, rng):
        (call,) = delta["tool_calls"]
        (opened if "id" in call else rows[call["index"]]).append(delta)
    turns = [delta for turn in zip_longest(*rows) for delta in turn if delta is not None]
    return _stream(iter([*opened, *turns]), first={"content": None}, finish="tool_calls", tokens=n)


def logprobs(n: int, top: int = 5, seed: int = 1) -> bytes:
    """`n` chunks of text, each with one token's log probability and those of its `top` alternatives."""
    rng = random.Random(f"logprobs {seed}")
    lines = [_line({"role": "assistant", "content": "", "refusal": None}, logprobs={"content": [], "refusal": None})]
    for _ in range(n):
        token = _word(rng)
        others = [token, *(_word(rng) for _ in range(top - 1))] if top else []
        entry = {**_logprob(token, rng), "top_logprobs": [_logprob(other, rng) for other in others]}
        lines.append(_line({"content": token}, logprobs={"content": [entry], "refusal": None}))
    return "".join([*lines, _line({}, finish="stop"), _usage_line(n)]).encode() + DONE


def choices(n: int, k: int = 8, seed: int = 1) -> bytes:
    """`n` chunks of text over `k` choices, one chunk a choice in turn."""
    rng = random.Random(f"choices {seed}")
    lines = [_line({"role": "assistant", "content": "", "refusal": None}, index=i) for i in range(k)]
    lines += [_line({"content": _word(rng)}, index=i % k) for i in range(n)]
    lines += [_line({}, index=i, finish="stop") for i in range(k)]
    return "".join([*lines, _usage_line(n)]).encode() + DONE


def one_huge_event(size: int, seed: int = 1) -> bytes:
    """One chunk whose content is `size` characters of ASCII, as an image in base64 would arrive."""
    rng = random.Random(f"one_huge_event {seed}")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    line = "".join(rng.choices(alphabet, k=1024))
    content = (line * (size // len(line) + 1))[:size]
    return _stream([{"content": content}], tokens=size // 4)


SHAPES: dict[str, Callable[[int], bytes]] = {
    "text": text,
    "text_obfuscated": text_obfuscated,
    "tool_arguments": tool_arguments,
    "calls_interleaved": calls_interleaved,
    "choices": choices,
    "logprobs": logprobs,
    "reasoning": reasoning,
    "unicode_text": unicode_text,
}
"""The shapes that have a number of chunks, by name: what benches and tables go through."""


def events(raw: bytes) -> list[bytes]:
    """`raw` cut after each event: one event a block, as a live stream mostly arrives."""
    return [event + b"\n\n" for event in raw.split(b"\n\n") if event]


def blocks(raw: bytes, size: int) -> list[bytes]:
    """`raw` cut every `size` bytes, wherever that falls."""
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def chunks(raw: bytes) -> int:
    """Return how many chunks `raw` holds: its events without `[DONE]`."""
    return raw.count(b"\n\n") - raw.count(DONE)


def said(raw: bytes) -> list[str]:
    """Return what a reader of `raw` must have in the end: the text of each choice, then the arguments of each tool call.

    By a reader that knows nothing of streamkit, in order of first appearance; what stayed empty is left out.
    """
    found: dict[tuple[str, int, int], str] = {}
    for event in raw.split(b"\n\n"):
        if not event or event == b"data: [DONE]":
            continue
        for choice in json.loads(event.removeprefix(b"data: "))["choices"]:
            at, delta = choice["index"], choice["delta"]
            pieces = {("text", at, 0): delta.get("content") or ""}
            for call in delta.get("tool_calls", ()):
                pieces["call", at, call["index"]] = call["function"]["arguments"]
            for key, piece in pieces.items():
                found[key] = found.get(key, "") + piece
    return [found[key] for kind in ("text", "call") for key in found if key[0] == kind and found[key]]


def _word(rng: random.Random) -> str:
    return " " + rng.choice(WORDS)


def _logprob(token: str, rng: random.Random) -> dict[str, Any]:
    return {"token": token, "logprob": -round(rng.random() * 12, 8), "bytes": list(token.encode())}


def _tool_deltas(n: int, calls: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    for call in range(calls):
        count = n // calls + (call < n % calls)
        opening = {"name": "get_weather", "arguments": ""}
        identity = f"call_{rng.getrandbits(96):024x}"
        yield {"tool_calls": [{"index": call, "id": identity, "type": "function", "function": opening}]}
        for piece in _cut(_arguments(count, rng), count):
            yield {"tool_calls": [{"index": call, "function": {"arguments": piece}}]}


def _arguments(count: int, rng: random.Random) -> str:
    """One JSON object of about four characters a fragment, and never fewer characters than fragments."""
    stops: list[dict[str, Any]] = []
    length = 0
    while length < 4 * count:
        stops.append({"city": rng.choice(CITIES), "day": rng.randrange(31)})
        length += len(json.dumps(stops[-1], ensure_ascii=False)) + 2
    return json.dumps({"stops": stops}, ensure_ascii=False)


def _cut(whole: str, count: int) -> Iterator[str]:
    for i in range(count):
        yield whole[i * len(whole) // count : (i + 1) * len(whole) // count]


def _stream(
    deltas: Iterator[dict[str, Any]] | list[dict[str, Any]],
    *,
    tokens: int,
    first: dict[str, Any] | None = None,
    finish: str = "stop",
    padding: random.Random | None = None,
    escaped: bool = False,
    reasoning_tokens: int = 0,
) -> bytes:
    """Return a stream of one choice: role, `deltas`, finish, usage, `[DONE]`."""
    opening = {"role": "assistant", **(first or {"content": "", "refusal": None})}
    lines = [_line(opening, padding=padding)]
    lines += [_line(delta, padding=padding, escaped=escaped) for delta in deltas]
    lines.append(_line({}, finish=finish, padding=padding))
    return "".join([*lines, _usage_line(tokens, reasoning_tokens, padding=padding)]).encode() + DONE


def _line(
    delta: dict[str, Any],
    *,
    index: int = 0,
    finish: str | None = None,
    logprobs: dict[str, Any] | None = None,
    padding: random.Random | None = None,
    escaped: bool = False,
) -> str:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return _event({**ENVELOPE, "choices": [choice], "usage": None}, padding, escaped)


def _usage_line(tokens: int, reasoning_tokens: int = 0, *, padding: random.Random | None = None) -> str:
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": tokens,
        "total_tokens": 20 + tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return _event({**ENVELOPE, "choices": [], "usage": usage}, padding, False)


def _event(chunk: dict[str, Any], padding: random.Random | None, escaped: bool) -> str:
    if padding is not None:
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        chunk["obfuscation"] = "".join(padding.choices(letters, k=padding.randrange(1, 16)))
    return f"data: {json.dumps(chunk, ensure_ascii=escaped, separators=(',', ':'))}\n\n"
