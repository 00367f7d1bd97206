"""Streams on which the fast lane has little to win: what it costs to look for templates in vain.

    python benches/unlucky.py [--seeds 0 300] [--least 1.15] [--rounds 7]

`UNLUCKY` has one function a shape, from the number of an event to its bytes; `mixture(seed)` makes a random stream of
them: by turns, in runs, at random, one kind after another, or one such event after each few honest ones, of 60 bytes to
4 KB an event, cut in four ways. The command prints the mixtures that take longest beside `fast=False`; what it finds
becomes a shape. tests/_fast/test_learning.py counts the work that the shapes cause; the section *unlucky* of ratios.py
has their times.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from typing import Any

__all__ = ("UNLUCKY", "arguments", "chunk", "cut", "mixture", "opening")

Make = Callable[[int], bytes]

LONG_HEAD = (
    '"id":"chatcmpl-Cq4Zt7vXbN2mKsLw9RyHd3PfUe6Aj","object":"chat.completion.chunk","created":1763720000,'
    '"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_4c2851f862",'
)
PIECES = ("a", "Hello", " the", " world", "\\n", '\\"so\\"', " ü", "\\u00e9", "1", ": {", "  ")


def chunk(text: str = '"content":"a"', index: int = 0, more: str = "", id: str = "c") -> bytes:
    body = f'{{"id":"{id}","created":1,"model":"m"{more},"choices":[{{"index":{index},"delta":{{{text}}}}}]}}'
    return b"data: " + body.encode() + b"\n\n"


def bare(text: str = '"content":"a"', index: int = 0) -> bytes:
    """No id, no model, no time: an event that is as small as it can be."""
    return f'data: {{"choices":[{{"index":{index},"delta":{{{text}}}}}]}}\n\n'.encode()


def arguments(index: int) -> bytes:
    return chunk(f'"tool_calls":[{{"index":{index},"function":{{"arguments":"a"}}}}]')


def opening(index: int) -> bytes:
    function = '"function":{"name":"f","arguments":""}'
    return chunk(f'"tool_calls":[{{"index":{index},"id":"c{index}","type":"function",{function}}}]')


def usage(i: int) -> str:
    return f',"usage":{{"prompt_tokens":5,"completion_tokens":{i},"total_tokens":{i + 5}}}'


def finish() -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


def logprobs(i: int) -> bytes:
    found = f'{{"content":[{{"token":"a","logprob":-0.{i % 10},"bytes":[97],"top_logprobs":[]}}]}}'
    return f'data: {{"choices":[{{"index":0,"delta":{{"content":"a"}},"logprobs":{found}}}]}}\n\n'.encode()


def two_choices() -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"a"}}]}\n\n'


def chance(i: int, of: int) -> int:
    """Return a number below `of` that looks like chance, and is the same on every machine."""
    return random.Random(i).randrange(of)


UNLUCKY: dict[str, Make] = {
    "33 choices by turns": lambda i: chunk(index=i % 33),
    "128 choices by turns": lambda i: chunk(index=i % 128),
    "100 choices in no order": lambda i: chunk(index=chance(i, 100)),
    "40 calls by turns": lambda i: opening(i) if i < 40 else arguments(i % 40),
    "LF and CRLF by turns": lambda i: chunk().replace(b"\n", b"\n" if i % 2 else b"\r\n"),
    "data with and without a space by turns": lambda i: chunk().replace(b"data: ", b"data: " if i % 2 else b"data:"),
    "an id for each event": lambda i: b"id: %d\n" % i + chunk(),
    "a type for each event": lambda i: b"event: message\n" + chunk(),
    "a number that is another in each chunk": lambda i: chunk(more=f',"seq":{i}'),
    "a response id in each chunk": lambda i: chunk(id=str(i)),
    "a new response id in every third chunk": lambda i: chunk(id=str(i // 3)),
    "a word that is another in each chunk": lambda i: chunk(more=f',"x":"{i:x}"'),
    "a field that is another in each chunk": lambda i: chunk(f'"content":"a","k{i % 64}":1'),
    "usage in every chunk": lambda i: chunk(more=usage(i)),
    "usage in every other chunk": lambda i: chunk(more=usage(i) if i % 2 else ""),
    "usage in every third chunk": lambda i: chunk(more=usage(i) if i % 3 == 2 else ""),
    "four forms by turns": lambda i: chunk('"content":"a"' + ("", ',"x":null', ',"y":null', ',"z":null')[i % 4]),
    "blanks of many widths": lambda i: chunk(more=" " * (i * 7 % 20)),
    "a fraction in each chunk": lambda i: chunk(f'"content":"a","t":{i}.5'),
    "halves of characters": lambda i: chunk('"content":"\\ud83d"' if i % 2 else '"content":"\\ude00"'),
    "deltas that say nothing": lambda i: chunk(""),
    "a finish reason after each piece": lambda i: chunk() if i % 2 else finish(),
    "two choices in a chunk": lambda i: two_choices(),
    # Found by the command above.
    "five choices in no order, nothing else": lambda i: bare(index=chance(i, 5)),
    "four choices by turns, nothing else": lambda i: bare(index=i % 4),
    "a new choice in every tenth chunk": lambda i: chunk(index=i // 10),
    "a new choice in every other chunk, nothing else": lambda i: bare(index=i // 2),
    "reasoning or content": lambda i: chunk('"content":"a"' if chance(i, 2) else '"reasoning_content":"a"'),
    "a comment after every third chunk": lambda i: b": ping\n\n" + bare() if i % 3 == 0 else bare(),
    "a type for every fourth event": lambda i: b"event: message\n" + chunk() if i % 4 == 0 else chunk(),
    "a response id in every ninth chunk, 1 KB": lambda i: chunk(more=f',"pad":"{"p" * 1000}"', id=str(i // 9)),
    "a word in each delta, 1 KB": lambda i: chunk(f'"content":"a","x":"{i:x}"', more=f',"pad":"{"p" * 1000}"'),
    "two choices in a chunk, or logprobs": lambda i: two_choices() if chance(i, 2) else logprobs(i),
    "logprobs in every fourth chunk": lambda i: logprobs(i) if i % 4 == 0 else bare(),
    "empty content in every other chunk": lambda i: bare('"content":"a"' if i % 2 else '"content":""'),
    "empty content": lambda i: bare('"content":""'),
    "twelve pieces, and a finish reason": lambda i: finish() if i % 12 == 0 else bare(),
    "27 pieces, then fractions": lambda i: bare() if i < 27 else bare(f'"content":"a","t":{i}.5'),
    "a number and a refusal, after eleven pieces": lambda i: bare(
        f'"refusal":"a","n":{i}' if i % 12 == 11 else '"content":"a"'
    ),
    "JSON that is cut off": lambda i: bare()[:-3] + b"\n\n",
    "texts of many sizes, 4 KB": lambda i: bare(f'"content":"{"x" * (500 + chance(i, 3500))}"'),
}
"""The bytes of an event, by its number."""


# --- random streams


def kind(rng: random.Random) -> tuple[str, Make]:
    """Return a name and a function from the number of an event to its bytes: one of many shapes, with random sizes."""
    size, head = rng.choice([0, 0, 0, 0, 0, 50, 200, 1000, 4000]), rng.choice(["", "", LONG_HEAD])
    many, every = rng.choice([2, 3, 4, 5, 8, 16, 33, 60, 100, 128, 200]), rng.randint(2, 12)
    tail = rng.choice(["", "", ',"finish_reason":null', ',"logprobs":null,"finish_reason":null'])
    end, seed = rng.choice(["", "", ',"usage":null']), rng.random()
    pad = f'"pad":"{"p" * size}",' if size else ""
    order = rng.sample(range(many), many)

    def event(text: str = '"content":"a"', index: int = 0, **other: Any) -> bytes:
        more, last = other.get("more", ""), other.get("tail", tail)
        choices = f'[{{"index":{index},"delta":{{{text}}}{last}}}]'
        data = f'{other.get("head", head)}{pad}{more}"choices":{choices}{other.get("end", end)}'
        return (
            other.get("lead", b"data: ") + b"{" + data.encode() + b"}" + (b"\r\n\r\n" if other.get("crlf") else b"\n\n")
        )

    def below(i: int, of: int) -> int:
        return random.Random(f"{seed} {i}").randrange(of)

    def piece(i: int) -> str:
        return PIECES[below(i, len(PIECES))]

    def call(index: int, first: bool) -> bytes:
        function = f'"id":"c{index}","type":"function","function":{{"name":"f","arguments":""}}'
        return event(f'"tool_calls":[{{"index":{index},{function if first else CALLED}}}]')

    kinds: dict[str, Make] = {
        "text": lambda i: event(f'"content":"{piece(i)}"'),
        "long texts": lambda i: event(f'"content":"{piece(i) * below(i, 200)}"'),
        "large texts": lambda i: event(f'"content":"{"x" * below(i, 4000)}"'),
        f"{many} choices by turns": lambda i: event(index=i % many),
        f"{many} choices in one order": lambda i: event(index=order[i % many]),
        f"{many} choices in no order": lambda i: event(index=below(i, many)),
        f"{many} calls by turns": lambda i: call(i % many, i < many),
        f"{many} calls in no order": lambda i: call(below(i, many), first=False),
        f"a new call every {every}": lambda i: call(i // every, i % every == 0),
        f"a new choice every {every}": lambda i: event(index=i // every % 200),
        "LF and CRLF": lambda i: event(crlf=i % 2),
        f"CRLF every {every}": lambda i: event(crlf=i % every == 0),
        f"no space every {every}": lambda i: event(lead=b"data: " if i % every else b"data:"),
        f"an id every {every}": lambda i: (b"" if i % every else b"id: %d\n" % i) + event(),
        f"a type every {every}": lambda i: (b"" if i % every else b"event: message\n") + event(),
        f"a comment every {every}": lambda i: (b"" if i % every else b": ping\n\n") + event(),
        f"a ping every {every}": lambda i: event() if i % every else b'data: {"type":"ping"}\n\n',
        "a number": lambda i: event(more=f'"seq":{i},'),
        f"a number every {every}": lambda i: event(more=f'"seq":{i // every},'),
        f"a response id every {every}": lambda i: event(head=f'"id":"{i // every}",'),
        f"{every} models by turns": lambda i: event(head=f'"id":"c","created":1,"model":"m{i % every}",'),
        "a word": lambda i: event(more=f'"x":"{i:x}",'),
        "a word in each delta": lambda i: event(f'"content":"a","x":"{i:x}"'),
        "a word in each choice": lambda i: event(tail=f',"x":"{i:x}"'),
        "a token id": lambda i: event(tail=f',"token_id":{i}'),
        f"{many} fields by turns": lambda i: event(f'"content":"a","k{i % many}":1'),
        "usage": lambda i: event(end=usage(i)),
        f"usage every {every}": lambda i: event(end="" if i % every else usage(i)),
        f"{every} forms": lambda i: event('"content":"a"' + "".join(f',"f{k}":null' for k in range(i % every))),
        "reasoning or content": lambda i: event('"content":"a"' if below(i, 2) else '"reasoning_content":"a"'),
        "reasoning and content": lambda i: event('"reasoning_content":"a","content":"b"'),
        "reasoning twice": lambda i: event(f'"reasoning":"{piece(i)}","reasoning_content":"{piece(i)}"'),
        "refusal": lambda i: event('"refusal":"a"'),
        "blanks": lambda i: event(more=" " * (i * 7 % 20)),
        "blanks in each delta": lambda i: event('"content":' + " " * (i * 7 % 20) + '"a"'),
        "fractions": lambda i: event(f'"content":"a","t":{i}.5'),
        "halves": lambda i: event('"content":"\\ud83d"' if i % 2 else '"content":"\\ude00"'),
        "nothing": lambda i: event(""),
        f"empty content every {every}": lambda i: event('"content":"a"' if i % every else '"content":""'),
        f"a role every {every}": lambda i: event(("" if i % every else '"role":"assistant",') + '"content":"a"'),
        "a role": lambda i: event('"role":"assistant","content":"a"'),
        f"a finish reason every {every}": lambda i: event() if i % every else event("", tail=',"finish_reason":"stop"'),
        "two choices": lambda i: two_choices(),
        f"no choices every {every}": lambda i: event() if i % every else b'data: {"choices":[]}\n\n',
        "logprobs": logprobs,
        f"logprobs every {every}": lambda i: event() if i % every else logprobs(i),
        "padding": lambda i: event(end=f',"obfuscation":"{"x" * below(i, 12)}"'),
        "JSON that is cut off": lambda i: event()[:-3] + b"\n\n",
        "no JSON": lambda i: b"data: hello\n\n",
        "no index": lambda i: b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        "no delta": lambda i: b'data: {"choices":[{"index":0,"delta":null}]}\n\n',
        "an escape in a name": lambda i: event('"conten\\u0074":"a"'),
        "names in two orders": lambda i: event('"a":1,"content":"a"' if i % 2 else '"content":"a","a":1'),
        "parts": lambda i: event('"content":[{"type":"text","text":"a"}]'),
        "a function call": lambda i: event('"function_call":{"arguments":"a"}'),
    }
    name = rng.choice(list(kinds))
    return f"{name} ({size} B{', a long head' if head else ''})", kinds[name]


CALLED = '"function":{"arguments":"a"}'


def mixture(seed: int, longest: int = 3000) -> tuple[str, list[bytes]]:
    """Return what a random stream of 101 events and more is, and its blocks."""
    rng = random.Random(seed)
    count = min(rng.choice([101, 101, 101, 130, 150, 200, 260, 400, 400, 700, 1000, 1500, 3000]), longest)
    way = rng.choice(["one", "one", "by turns", "in runs", "at random", "in a row", "between"])
    kinds = [kind(rng) for _ in range(1 if way == "one" else rng.choice([2, 2, 2, 3]))]
    runs, switch = [rng.randint(1, 30) for _ in kinds], rng.choice([3, 10, 14, 16, 20, 30, 60, 128, 140])
    if way == "in runs":
        picks = [at for at, run in enumerate(runs) for _ in range(run)] * count
    elif way == "at random":
        picks = [rng.randrange(len(kinds)) for _ in range(count)]
    elif way == "in a row":
        picks = [0] * switch + [1] * count
    elif way == "between":
        kinds.append(("text", lambda i: chunk(f'"content":"{PIECES[i % len(PIECES)]}"')))
        picks = [at for first in range(len(kinds) - 1) for at in [-1] * runs[0] + [first]] * count
    else:
        picks = [*range(len(kinds))] * count
    events = [kinds[pick][1](number) for number, pick in enumerate(picks[:count])]
    how, blocks = cut(b"".join(events), events, rng.choice(["live", "live", "whole", "whole", "1,400 B", "64 KB"]))
    form = f" {runs}" if way in ("in runs", "between") else f" {switch}" if way == "in a row" else ""
    return f"{count} events, {how}, {way}{form}: " + ", ".join(name for name, _ in kinds), blocks


def cut(raw: bytes, events: list[bytes], how: str) -> tuple[str, list[bytes]]:
    """Return how a stream is cut, and its blocks."""
    if how in ("live", "whole"):
        return how, events if how == "live" else [raw]
    size = 1400 if how == "1,400 B" else 65536
    return how, [raw[at : at + size] for at in range(0, len(raw), size)]


def main() -> None:
    from figures import Measurer
    from goals_unlucky import lane_ratio

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 300), metavar=("FIRST", "LAST"))
    parser.add_argument(
        "--least", type=float, default=1.15, metavar="N", help="print the mixtures that take at least N times as long"
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    found = []
    for seed in range(*options.seeds):
        title, blocks = mixture(seed)
        found.append((lane_ratio(Measurer(3), blocks), seed, title, blocks))
    found.sort(key=lambda one: one[:2], reverse=True)
    print(f"{len(found)} mixtures, median {found[len(found) // 2][0]:.2f}")
    for times, seed, title, blocks in found:
        if times >= options.least:
            print(f"{lane_ratio(Measurer(options.rounds), blocks):.2f}  seed {seed}: {title}")


if __name__ == "__main__":
    main()
