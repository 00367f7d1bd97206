"""The vocabulary of streams for Hypothesis: cuts, byte soup, streams made of senders' habits, damaged streams.

`cut(raw)`           the same bytes in blocks, cut anywhere, most often where it hurts
`byte_soup`          bytes in which every token of the format occurs, and no order
`json_values`        any JSON value, and what senders take for one: NaN, half a surrogate pair, numbers without end
`streams()`          a `Stream`: its bytes as one of many senders would write them, and what they say
`mutated(raw)`       bytes flipped, deleted, doubled, swapped, put in; lines swapped
`tampered(raw)`      a value, or a whole field, of a chunk replaced, removed or added

How many examples a test looks at: helpers/tier.py.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import attrs
from hypothesis import strategies as st

from helpers.corpus import pieces
from helpers.tier import examples

__all__ = ("Said", "Stream", "byte_soup", "cut", "examples", "json_values", "mutated", "streams", "tampered", "written")


# --- cuts


@lru_cache(maxsize=8)
def _edges(raw: bytes) -> tuple[int, ...]:
    """Places where a cut hurts: beside line ends, and inside characters of several bytes."""
    beside = {at + step for at, byte in enumerate(raw) if byte in b"\r\n" for step in (0, 1)}
    inside = {at for at, byte in enumerate(raw) if 0x80 <= byte < 0xC0}
    return tuple(sorted((beside | inside) - {0, len(raw)}))


def cut(raw: bytes) -> st.SearchStrategy[list[bytes]]:
    """`raw` in blocks."""
    if len(raw) < 2:
        return st.just([raw])
    places = st.integers(1, len(raw) - 1)
    if edges := _edges(raw):
        places |= st.sampled_from(edges)
    anywhere = st.lists(places, max_size=20, unique=True).map(lambda at: _split(raw, sorted(at)))
    smallest = max(1, len(raw) // 500)
    return anywhere | st.integers(smallest, smallest + 40).map(lambda size: pieces(raw, size))


def _split(raw: bytes, at: list[int]) -> list[bytes]:
    return [raw[start:end] for start, end in zip([0, *at], [*at, len(raw)], strict=True)]


# --- JSON and bytes

_NAMES = (
    "id object created model choices index delta message content refusal role tool_calls function function_call custom "
    "input name arguments type reasoning reasoning_content reasoning_details annotations audio data transcript "
    "expires_at logprobs token logprob bytes top_logprobs finish_reason usage prompt_tokens prompt_tokens_details "
    "x_groq error error_type base_resp status_code code status detail text images citations obfuscation p service_tier "
    "token_ids content_parts summary extra complete k"
).split()
_WORDS = ["", "0", "1", "x", "stop", "assistant", "function", "error", "[DONE]", "{}", "null", "9" * 400, "2025-11-21"]
_STRANGE = ["\ud83d", "\ude00", "a\ud83d", "😀\ude00", "\u2028", "\x00", "²", "0001-01-01T00:00:00+14:00"]
_numbers = st.integers(-3, 300) | st.integers() | st.floats() | st.sampled_from([10**400, -(2**63), 1e300, -0.0])
_scalars = st.none() | st.booleans() | _numbers | st.sampled_from(_WORDS + _STRANGE) | st.text(max_size=6)


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=3), values, max_size=4)


def _nested(levels: int) -> Any:
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


json_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=4) | _objects(inner), max_leaves=8)
json_values |= st.sampled_from([5, 127, 128, 129, 150, 190, 250]).map(_nested)


def written(value: Any, ascii: bool = True) -> bytes:
    """`value` as a sender might write it: NaN and half pairs too, which are no JSON."""
    return json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")


_TOKENS = [
    *(b"data: ", b"data:", b"data", b"event: error\n", b"event: ping\n", b"error: x\n"),
    *(b"id: 1\n", b"retry: 1\n", b": c\n", b"\xef\xbb\xbf", b" ", b"\x00"),
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"\xff", b"\xf0\x9f\x98", b"\xe2\x80\xa8"),
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"null", b"NaN", b"1e999", b"\\ud83d", b'"choices"', b'"delta"'),
    *(b"data: [DONE]\n\n", b"[DONE]", b"<html>", b'{"error":"x"}', b'data: {"error":{"message":"m"}}\n\n'),
    b'{"choices":[{"delta":{"content":"x"}}]}',
    b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
]
byte_soup = st.lists(st.sampled_from(_TOKENS) | st.binary(max_size=4), max_size=30).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn, raw: bytes) -> bytes:
    """`raw` with a few accidents, as they happen to bytes."""
    for _ in range(draw(st.integers(1, 6))):
        if not raw:
            break
        kind = draw(st.sampled_from(["flip", "delete", "double", "swap", "insert", "lines", "end"]))
        start = draw(st.integers(0, len(raw) - 1))
        end = min(len(raw), start + draw(st.sampled_from([1, 2, 10, 100, 400])))
        if kind == "flip":
            raw = raw[:start] + bytes([raw[start] ^ draw(st.integers(1, 255))]) + raw[start + 1 :]
        elif kind == "delete":
            raw = raw[:start] + raw[end:]
        elif kind == "double":
            raw = raw[:end] + raw[start:]
        elif kind == "swap":
            further = draw(st.integers(end, len(raw)))
            raw = raw[:start] + raw[end:further] + raw[start:end] + raw[further:]
        elif kind == "insert":
            raw = raw[:start] + draw(st.sampled_from(_TOKENS)) + raw[start:]
        elif kind == "lines":
            lines = raw.split(b"\n")
            one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            lines[one], lines[other] = lines[other], lines[one]
            raw = b"\n".join(lines)
        else:
            raw = raw[:end]
    return raw


@st.composite
def tampered(draw: st.DrawFn, raw: bytes) -> bytes:
    """`raw` with a few values of its chunks replaced by any others, removed, or put in."""
    events = raw.replace(b"\r\n", b"\n").split(b"\n\n")
    chunks = [at for at, event in enumerate(events) if event.startswith(b"data:") and event[5:].strip() != b"[DONE]"]
    for _ in range(draw(st.integers(1, 4)) if chunks else 0):
        at = draw(st.sampled_from(chunks))
        try:
            value = json.loads(events[at][5:])
        except ValueError:
            continue
        path = draw(st.sampled_from(_paths(value)))
        new = draw(json_values)
        if not path:
            value = new
        else:
            home = value
            for step in path[:-1]:
                home = home[step]
            kind = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
            if kind == "replace":
                home[path[-1]] = new
            elif kind == "remove":
                del home[path[-1]]
            elif isinstance(home, dict):
                home[draw(st.sampled_from(_NAMES))] = new
            else:
                home.insert(path[-1], new)
        events[at] = b"data: " + written(value, draw(st.booleans()))
    return b"\n\n".join(events)


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in inner for path in _paths(item, (*at, key)))]


# --- streams


@attrs.define
class Said:
    """What one choice says."""

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, str]] = attrs.field(factory=list)
    """Name and arguments of each."""
    finish: str | None = None


@attrs.frozen
class Stream:
    """A stream: its bytes, and what they say."""

    wire: bytes
    choices: dict[int, Said]
    ending: tuple[str, str]
    """Name and reason of the outcome."""


@attrs.frozen
class _Habits:
    """How a sender writes what it says. Each field is one habit that was seen on the wire."""

    line_end: bytes
    space: bool
    mark: bool
    spelling: str
    noise: tuple[bytes, ...]
    terminated: bool
    envelope: str
    role: str
    finish: str
    index: str
    logprobs: bool
    padding: bool
    usage: str
    thinking: tuple[str, ...]
    call_index: str
    call_id: str
    call_name: str
    call_kind: str
    arguments: str


def _one_of(*options: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)


_NOISE = (
    b": keep-alive\n\n",
    b":\n",
    b"retry: 3000\n\n",
    b"id: 7\n",
    b"event: message\n",
    b"data:\n\n",
    b'event: ping\ndata: {"type":"ping"}\n\n',
    b"data: null\n\n",
)
_habits = st.builds(
    _Habits,
    line_end=_one_of(b"\n", b"\n", b"\r\n", b"\r"),
    space=st.booleans(),
    mark=st.booleans(),
    spelling=_one_of("escaped", "halves", "raw", "lines"),
    noise=st.lists(st.sampled_from(_NOISE), max_size=2).map(tuple),
    terminated=st.booleans(),
    envelope=_one_of("plain", "azure", "bare", "new ids"),
    role=_one_of("first", "every", "empty", "never"),
    finish=_one_of("null", "empty", "absent"),
    index=_one_of("number", "string"),
    logprobs=st.booleans(),
    padding=st.booleans(),
    usage=_one_of("none", "last", "each", "choice", "x_groq"),
    thinking=_one_of(("reasoning",), ("reasoning_content",), ("reasoning", "reasoning_content")),
    call_index=_one_of("number", "string", "from 3", "zero", "absent"),
    call_id=_one_of("first", "each", "empty", "never"),
    call_name=_one_of("first", "each", "empty"),
    call_kind=_one_of("function", "function", "custom", "no type"),
    arguments=_one_of("pieces", "null first", "object"),
)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | _one_of("", "Zürich 😀😀", "a\u2028b")
_said = st.builds(
    Said,
    content=_text,
    reasoning=st.just("") | _text,
    refusal=st.just("") | st.just("") | _text,
    calls=st.lists(
        st.tuples(
            _one_of("get_weather", "get_time", "f"),
            st.dictionaries(_text, _text, max_size=2).map(
                lambda found: json.dumps(found, ensure_ascii=False, separators=(",", ":"))
            ),
        ),
        max_size=3,
    ),
    finish=_one_of("stop", "length", "tool_calls"),
)
_OTHERS: tuple[dict[str, Any], ...] = (
    {"audio": {"id": "a", "data": "QQ==", "transcript": "A"}},
    {"annotations": [{"type": "url_citation", "url": "u"}]},
    {"function_call": {"name": "f", "arguments": "{}"}},
    {"images": [{"url": "u"}]},
    {"token_id": 5, "flag": True},
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """One to three choices, interleaved, under one sender's habits, ended in one of all ways."""
    habits = draw(_habits)
    if habits.call_index in ("zero", "absent"):  # then ids tell the calls apart, or nothing does
        habits = attrs.evolve(habits, call_id="each" if habits.call_name == "each" else "first")
    said = {index: draw(_said) for index in range(draw(st.integers(1, 3)))}
    ending = draw(_one_of("done", "done", "finish", "cut", "error", "no finish", "reopened"))
    deltas = {index: _deltas(draw, habits, one, index) for index, one in said.items()}
    order = [index for index, ones in deltas.items() for _ in ones]
    chunks: list[dict[str, Any]] = []
    if habits.envelope == "azure":
        chunks.append({"choices": [], "prompt_filter_results": [{}]})
    begun: set[int] = set()
    for index in draw(st.permutations(order)):
        chunks.append(_chunk(habits, index, deltas[index].pop(0), index not in begun, None))
        begun.add(index)
    if ending == "reopened":
        said[0].content += "more"
        chunks += [_chunk(habits, 0, {}, False, "stop"), _chunk(habits, 0, {"content": "more"}, False, None)]
    unfinished = max(said) if ending in ("cut", "no finish") else None
    for index in said:
        if index == unfinished:
            said[index].finish = None
        if index != unfinished or index not in begun:
            chunks.append(_chunk(habits, index, {}, index not in begun, said[index].finish))
    if habits.usage == "last":
        chunks.append({"choices": [], "usage": _USAGE})
    documents = [_envelope(habits, chunk, number) for number, chunk in enumerate(chunks)]
    if ending == "error":
        documents.append({"error": {"message": "out of memory", "code": 500}})
    done = ending in ("done", "no finish", "reopened") or (ending == "error" and draw(st.booleans()))
    return Stream(_framed(habits, documents, done), said, _ENDINGS[ending])


_ENDINGS = {
    "done": ("complete", "done"),
    "reopened": ("complete", "done"),
    "finish": ("complete", "finish_without_done"),
    "no finish": ("complete", "done_without_finish"),
    "cut": ("truncated", "no_finish"),
    "error": ("failed", "remote_error"),
}
_USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def _deltas(draw: st.DrawFn, habits: _Habits, said: Said, index: int) -> list[dict[str, Any]]:
    """What a choice says, piece by piece: reasoning, content, refusal, then the calls."""
    found: list[dict[str, Any]] = []
    found += [dict.fromkeys(habits.thinking, piece) for piece in _cut_text(draw, habits, said.reasoning)]
    found += [{"content": piece} for piece in _cut_text(draw, habits, said.content)]
    found += [{"refusal": piece} for piece in _cut_text(draw, habits, said.refusal)]
    calls = [_fragments(draw, habits, call, f"call_{index}{at}", at) for at, call in enumerate(said.calls)]
    if habits.call_index in ("zero", "absent") or draw(st.booleans()):
        in_order = [fragment for fragments in calls for fragment in fragments]
    else:  # each begins in its turn, and then they take turns
        rest = draw(st.permutations([at for at, fragments in enumerate(calls) for _ in fragments[1:]]))
        in_order = [fragments.pop(0) for fragments in calls] + [calls[at].pop(0) for at in rest]
    found += [{"content": None, "tool_calls": [fragment]} for fragment in in_order]
    if draw(st.booleans()):
        found.insert(draw(st.integers(0, len(found))), draw(st.sampled_from(_OTHERS)))
    return found


def _cut_text(draw: st.DrawFn, habits: _Habits, text: str) -> list[str]:
    """`text` in pieces; between the halves of a character too, where that is the sender's habit."""
    coding, width = ("utf-16-le", 2) if habits.spelling == "halves" else ("utf-32-le", 4)
    units = text.encode(coding)
    at = draw(st.lists(st.integers(0, len(units) // width), max_size=4).map(sorted))
    ends = zip([0, *at], [*at, len(units) // width], strict=True)
    return [units[width * a : width * b].decode(coding, "surrogatepass") for a, b in ends]


def _fragments(draw: st.DrawFn, habits: _Habits, call: tuple[str, str], id: str, at: int) -> list[dict[str, Any]]:
    name, arguments = call
    kind = "custom" if habits.call_kind == "custom" else "function"
    pieces: list[Any] = _cut_text(draw, habits, arguments)
    if habits.arguments == "null first":
        pieces.insert(0, None)
    elif habits.arguments == "object" and kind == "function":
        pieces = [json.loads(arguments)]
    found: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        inner: dict[str, Any] = {"input" if kind == "custom" else "arguments": piece}
        fragment: dict[str, Any] = {kind: inner}
        if habits.call_index != "absent":
            place = {"zero": 0, "from 3": at + 3}.get(habits.call_index, at)
            fragment["index"] = str(place) if habits.call_index == "string" else place
        if habits.call_id != "never":
            again = {"each": id, "empty": ""}.get(habits.call_id)
            fragment["id"] = id if number == 0 else again
        if number == 0 or habits.call_name != "first":
            inner["name"] = name if number == 0 or habits.call_name == "each" else ""
        if number == 0 and habits.call_kind != "no type":
            fragment["type"] = kind
        found.append(fragment)
    return found


def _chunk(habits: _Habits, index: int, delta: dict[str, Any], first: bool, finish: str | None) -> dict[str, Any]:
    delta = dict(delta)
    if habits.role == "every" or (first and habits.role == "first"):
        delta["role"] = "assistant"
    elif habits.role == "empty":
        delta["role"] = ""
    choice: dict[str, Any] = {"index": str(index) if habits.index == "string" else index, "delta": delta}
    if finish or habits.finish != "absent":
        choice["finish_reason"] = finish or (None if habits.finish == "null" else "")
    if habits.logprobs and delta.get("content"):
        choice["logprobs"] = {"content": [{"token": "t", "logprob": -0.5, "bytes": [116], "top_logprobs": []}]}
    if habits.usage == "choice" and finish:
        choice["usage"] = _USAGE
    return {"choices": [choice]}


def _envelope(habits: _Habits, chunk: dict[str, Any], number: int) -> dict[str, Any]:
    if habits.envelope == "bare":
        head: dict[str, Any] = {}
    elif habits.envelope == "azure" and number == 0:
        head = {"id": "", "object": "", "created": 0, "model": ""}
    else:
        id = f"chatcmpl-{number}" if habits.envelope == "new ids" else "chatcmpl-1"
        head = {"id": id, "object": "chat.completion.chunk", "created": 1763720000, "model": "m"}
    tail: dict[str, Any] = {"obfuscation": "x" * (number % 5)} if habits.padding else {}
    if habits.usage == "each":
        tail["usage"] = {**_USAGE, "completion_tokens": number}
    elif habits.usage == "x_groq":
        tail["x_groq"] = {"id": "req", "usage": _USAGE}
    return {**head, **chunk, **tail}


def _framed(habits: _Habits, documents: list[dict[str, Any]], done: bool) -> bytes:
    prefix = b"data: " if habits.space else b"data:"
    found = [b""]
    for number, document in enumerate(documents):
        text = json.dumps(
            document,
            ensure_ascii=habits.spelling != "raw",
            indent=1 if habits.spelling == "lines" else None,
            separators=(",", ":") if number % 2 else None,
        ).encode()
        if number % 3 == 0:
            found += habits.noise
        found.append(b"".join(prefix + line + b"\n" for line in text.split(b"\n")) + b"\n")
    if done:
        found.append(prefix + b"[DONE]\n\n")
    whole = b"".join(found).replace(b"\n", habits.line_end)
    if not habits.terminated:
        whole = whole.rstrip(b"\r\n")
    return (b"\xef\xbb\xbf" if habits.mark else b"") + whole
