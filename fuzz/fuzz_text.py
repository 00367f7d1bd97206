"""Target: text is the sender's, to the last character, however its stream is framed.

Input: one byte each for the framing, the field and the spelling, one for the pieces, then the text as UTF-8. The text is
written into clean chunks, and those into a framing that real senders use. Oracle: design rule 1: where a framing is read
at all (`ok` arrives as `ok`), any text arrives unchanged, in one block and cut.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import seeds as of
from readings import split
from streamkit import Accumulator

SIZE = 600
HEAD = 4

Documents = list[bytes]
START = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'


def _events(documents: Documents, before: bytes = b"data: ", end: bytes = b"\n\n") -> bytes:
    return b"".join(before + one + end for one in documents)


def _lines(documents: Documents) -> bytes:
    """Each document over several `data:` lines, broken where JSON may be."""
    pretty = [json.dumps(json.loads(one), indent=1).encode() for one in documents]
    return b"".join(b"".join(b"data: " + line + b"\n" for line in one.split(b"\n")) + b"\n" for one in pretty)


DONE = b"data: [DONE]\n\n"
FRAMINGS: dict[str, Callable[[Documents], bytes]] = {
    "plain": lambda d: _events(d) + DONE,
    "no space": lambda d: _events(d, b"data:") + DONE,
    "blank before the field": lambda d: _events(d, b" data: ") + DONE,
    "capital": lambda d: _events(d, b"Data: ") + DONE,
    "twice the field": lambda d: _events(d, b"data: data: ") + DONE,
    "no colon": lambda d: _events(d, b"data ") + DONE,
    "unframed": lambda d: _events(d, b"") + DONE,
    "unframed lines": lambda d: _events(d, b"", b"\n"),
    "unframed after an event": lambda d: START + _events(d, b"") + DONE,
    "mark and blank after an event": lambda d: START + _events(d, b" \xef\xbb\xbf data: ") + DONE,
    "an empty document on a line before": lambda d: START + _events(d, b"{}\ndata: ") + DONE,
    "lines after an event": lambda d: START + b"\n".join(d),
    "no blank line at the end": lambda d: _events(d[:-1]) + b"data: " + d[-1],
    "no blank lines between": lambda d: _events(d, end=b"\n") + b"\n" + DONE,
    "in a row": lambda d: b"data: " + b"".join(d) + b"\n\n" + DONE,
    "in a row with the end": lambda d: b"data: " + b" ".join(d) + b"[DONE]\n\n",
    "an event in an event": lambda d: b"data: " + b"data: ".join(d) + b"\n\n" + DONE,
    "lines in an event": lambda d: b"data: " + b"\n".join(d) + b"\n\n" + DONE,
    "pretty over lines": _lines,
    "CRLF": lambda d: _events(d, end=b"\r\n\r\n") + DONE,
    "CR": lambda d: _events(d, end=b"\r\r") + DONE,
    "type and id": lambda d: b"\xef\xbb\xbf: ping\n\n" + _events(d, b"event: message\nid: 1\ndata: ") + DONE,
    "an error at the end": lambda d: _events(d, b"event: x\ndata:") + b'data: {"error":{"message":"m"}}\n\n',
    "after a torn line": lambda d: START + b'data: {"id":"c","cho\n' + b"\n".join(d) + b"\n\n" + DONE,
    "after a torn event": lambda d: START + b'data: {"id":"c","cho\n\n' + _events(d) + DONE,
    "split after the brace": lambda d: (
        START + b"".join(b"data: " + one[:1] + b"\n\ndata: " + one[1:] + b"\n\n" for one in d) + DONE
    ),
    "split before the brace": lambda d: (
        START + b"".join(b"data: " + one[:-1] + b"\n\n" + one[-1:] + b"\n\n" for one in d) + DONE
    ),
}

FIELDS = (
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "arguments",
    "input",
    "function_call",
    "transcript",
    "body",
)


def check(data: bytes) -> None:
    """Write one text into one framing; raise an AssertionError where another text is read."""
    control, text = data[:HEAD].ljust(HEAD, b"\0"), data[HEAD:].decode("utf-8", "replace")
    framing, field = list(FRAMINGS)[control[0] % len(FRAMINGS)], FIELDS[control[1] % len(FIELDS)]
    frame = FRAMINGS[framing]
    if field == "body":
        framing, frame = "a full response", _as_body
    wire = frame(_documents(text, field, control[2], control[3]))
    for blocks in ([wire], split(wire, 3 + control[3])):
        got = _read(blocks, field)
        if got != text and _reads(frame, field, control[2]):
            raise AssertionError(
                f"text was changed, {framing}: {field} {got!r} was read, {text!r} was written:\n  {wire!r}"
            )


def _reads(frame: Callable[[Documents], bytes], field: str, spelling: int) -> bool:
    """Whether this framing is read at all."""
    return bool(_read([frame(_documents("ok", field, spelling, 1))], field) == "ok")


def _documents(text: str, field: str, spelling: int, seed: int) -> Documents:
    """Return the chunks that say `text`, in pieces, between UTF-16 halves too where the spelling allows it."""
    coding, width = ("utf-16-le", 2) if spelling & 1 else ("utf-32-le", 4)
    units = text.encode(coding)
    by_chance = random.Random(seed)
    at = sorted(by_chance.randint(0, len(units) // width) for _ in range(seed % 5))
    ends = zip([0, *at], [*at, len(units) // width], strict=True)
    pieces = [units[width * a : width * b].decode(coding, "surrogatepass") for a, b in ends]
    found: list[Any] = [{"choices": [_choice(field, piece, at == 0)]} for at, piece in enumerate(pieces)]
    found.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    separators = (",", ":") if spelling & 2 else None
    return [
        json.dumps({"id": "c", **one}, ensure_ascii=bool(spelling & 1), separators=separators).encode() for one in found
    ]


def _choice(field: str, piece: str, first: bool) -> dict[str, Any]:
    return {"index": 0, "delta": _delta(field, piece, first)}


def _delta(field: str, piece: str, first: bool) -> dict[str, Any]:
    head: dict[str, Any] = {"id": "a", "type": "function"} if first else {}
    name = {"name": "f"} if first else {}
    if field == "arguments":
        return {"tool_calls": [{"index": 0, **head, "function": {**name, "arguments": piece}}]}
    if field == "input":
        return {"tool_calls": [{"index": 0, **head, "type": "custom", "custom": {**name, "input": piece}}]}
    if field == "function_call":
        return {"function_call": {**name, "arguments": piece}}
    if field == "transcript":
        return {"audio": {"id": "a", "data": "", "transcript": piece}}
    return {"content" if field == "body" else field: piece}


def _as_body(documents: Documents) -> bytes:
    """A full response where a stream was asked for."""
    chunks = [json.loads(one) for one in documents]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    message = {"role": "assistant", "content": text}
    return json.dumps({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


def _read(blocks: list[bytes], field: str) -> Any:
    accumulator = Accumulator()
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()
    response = accumulator.snapshot()
    if response is None or not response.choices:
        return None
    message = response.choices[0].message
    calls: Any = message.tool_calls or ()
    if field == "arguments":
        return "".join(getattr(getattr(call, "function", None), "arguments", "") for call in calls)
    if field == "input":
        return "".join(getattr(getattr(call, "custom", None), "input", "") for call in calls)
    if field == "function_call":
        return "" if message.function_call is None else message.function_call.arguments
    if field == "transcript":
        return "" if message.audio is None else message.audio.transcript
    if field.startswith("reasoning"):
        return message.extra.get(field) or ""
    return getattr(message, "content" if field == "body" else field) or ""


TEXTS = (
    "ok",
    "if (a) { b[0] = data: {x} }  [y]",
    "data: [DONE]\n\ndata: {",
    '  {"error": {"message": "x"}}\n',
    '}{"a":1}[DONE]',
    "event: error\r\ndata: x\r\n\r\n",
    "<think>a</think>\\u0000\\",
    "Zürich 😀😀 \u2028 \x00\x7f",
    "<title>x</title> [[{{ data data:data: {",
)


def seeds() -> Iterator[bytes]:
    """Yield each framing with a text that looks like framing itself."""
    for number in range(len(FRAMINGS)):
        for field in range(len(FIELDS)):
            text = TEXTS[(number + field) % len(TEXTS)]
            yield bytes([number, field, (number + field) % 4, (number * 7 + field) % 256]) + text.encode()
    for number, raw in enumerate(of.literals(SIZE - HEAD)):
        yield bytes([number % len(FRAMINGS), number % 9, number % 4, number % 256]) + raw
