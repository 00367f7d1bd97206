"""A report of usage in every chunk stays in the fast lane where its form stays the same, and means the same there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from helpers.wire import DONE, choice, chunk, delta, sse
from streamkit import Accumulator, Cleaner
from streamkit._fold.assembler import Assembler
from streamkit.events import End

DETAILS = '{"prompt_tokens":20,"completion_tokens":%d,"completion_tokens_details":{"reasoning_tokens":%d}}'
LOGPROBS = '"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]}'
FRAGMENT = '{"tool_calls":[{"index":0,"function":{"arguments":"%d"}}]}'
CALL = '{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}'


def counts(at: int, more: str = "") -> str:
    return f'"usage":{{"prompt_tokens":20,"completion_tokens":{at},"total_tokens":{20 + at}{more}}}'


def text(at: int, usage: str) -> str:
    return delta(f'{{"content":"{at} "}}', more=usage)


STAYS: dict[str, Callable[[int], str]] = {
    "counts": lambda at: text(at, counts(at)),
    "with spaces": lambda at: text(at, counts(at).replace(":", ": ").replace(",", ", ")),
    "details": lambda at: text(at, '"usage":' + DETAILS % (at, at // 2)),
    "null for details": lambda at: text(at, counts(at, ',"completion_tokens_details":null')),
    "a count of the sender's own": lambda at: text(at, counts(at, f',"cache_read_input_tokens":{at * 7}')),
    "zeros again and again": lambda at: text(at, counts(at % 5)),
    "before the choices": lambda at: "{" + counts(at) + "," + text(at, "")[1:],
    "two choices": lambda at: delta(f'{{"content":"{at} "}}', index=at % 2, more=counts(at)),
    "with log probabilities": lambda at: chunk(choice(f'{{"content":"{at}"}}', more=LOGPROBS), counts(at)),
    "with padding": lambda at: text(at, f'"obfuscation":"{"x" * (at % 7)}",' + counts(at)),
    "arguments": lambda at: delta(CALL if at == 0 else FRAGMENT % at, more=counts(at)),
}
STAYS |= {
    "a cost": lambda at: text(at, counts(at, f',"cost":{at}.5')),
    "a cost with many digits": lambda at: text(at, counts(at, f',"cost":0.{at + 10**15}')),
    "a word": lambda at: text(at, counts(at, ',"size":"low"')),
    "a word with a digit": lambda at: text(at, counts(at, f',"tier":"t{at // 30}","region":"é"')),
    "costs and a word, as Perplexity writes them": lambda at: text(
        at, counts(at, f',"search_context_size":"low","cost":{{"input_tokens_cost":0,"total_cost":0.0{at}}}')
    ),
}
LEAVES: dict[str, Callable[[int], str]] = {
    "a cost with an exponent": lambda at: text(at, counts(at, f',"cost":1e-{at + 10}')),
    "a cost beyond all numbers": lambda at: text(at, counts(at, f',"cost":{at}e{999 if at > 50 else 100}')),
    "a word that is empty at times": lambda at: text(at, counts(at, f',"tier":"{at % 3 or ""}"')),
    "a text for a count": lambda at: text(at, f'"usage":{{"prompt_tokens":"{at % 3 or ""}","completion_tokens":{at}}}'),
    "a fraction for a count": lambda at: text(
        at, f'"usage":{{"prompt_tokens":{at}.{at % 2},"completion_tokens":{at}}}'
    ),
    "half a character": lambda at: text(at, counts(at, f',"tier":"\\ud8{at + 10}"')),
    "a list": lambda at: text(at, counts(at, ",'tokens':[1,2]".replace("'", '"'))),
    "a digit in a name": lambda at: text(at, counts(at, f',"k{at}":1')),
    "another name at times": lambda at: text(at, counts(at, f',"{"wxyz"[at // 30]}":{at}')),
    "a count that is no count at times": lambda at: text(at, counts(at, f',"n":{"null" if at == 60 else at}')),
    "a negative count at times": lambda at: text(at, counts(at, f',"n":{-at if at == 60 else at}')),
    "a large count at times": lambda at: text(at, counts(at, f',"n":{10**30 if at == 60 else at}')),
    "a leading zero at times": lambda at: text(at, counts(at, f',"n":{"0" if at == 60 else ""}{at}')),
    "a fraction at times": lambda at: text(at, counts(at, f',"n":{at}{".0" if at == 60 else ""}')),
    "no digits at times": lambda at: text(at, counts(at, f',"n":{"" if at == 60 else at}')),
    "a name twice at times": lambda at: text(at, counts(at, ',"total_tokens":5' if at == 60 else "")),
    "two forms, some of each": lambda at: text(at, counts(at) if at // 7 % 2 else '"usage":' + DETAILS % (at, at % 3)),
    "zeros in one of two forms": lambda at: text(
        at, counts(0, ',"x":0') if at // 7 % 2 else counts(at, f',"y":{at // 50}')
    ),
    "in every other chunk": lambda at: text(at, counts(at) if at % 2 else ""),
    "no usage at times": lambda at: text(at, "" if at % 7 == 3 else counts(at)),
    "usage inside the choice as well": lambda at: chunk(choice(f'{{"content":"{at}"}}', more=counts(at)), counts(at)),
}


def seen(blocks: list[bytes], **options: Any) -> dict[str, Any]:
    accumulator = Accumulator(**options)
    events = [one for block in blocks for one in accumulator.feed(block)]
    outcome = accumulator.close()
    events += outcome.events
    absorbing = Accumulator(**options)
    for block in blocks:
        absorbing.absorb(block)
    absorbing.close()
    assert (absorbing.dumps(), absorbing.usage_source) == (accumulator.dumps(), accumulator.usage_source)
    return {
        "events": [one.sequence if isinstance(one, End) else one for one in events],
        "response": accumulator.dumps(),
        "outcome": (outcome.name, outcome.reason),
        "anomalies": accumulator.anomalies,
        "usage sources": accumulator.usage_source,
        "statistics": [getattr(accumulator.statistics(), name) for name in ("events", "chunks", "bytes")],
    }


def cuts_of(form: Callable[[int], str]) -> list[list[bytes]]:
    """A stream of this form whole, one event a block, and in blocks of a few events."""
    stream = sse(*(form(at) for at in range(100))) + DONE
    events = [one + b"\n\n" for one in stream.split(b"\n\n")[:-1]]
    return [[stream], events, [stream[at : at + 700] for at in range(0, len(stream), 700)]]


@pytest.mark.parametrize("form", [*STAYS.values(), *LEAVES.values()], ids=[*STAYS, *LEAVES])
def test_a_report_in_every_chunk_means_the_same_either_way(form: Callable[[int], str]) -> None:
    whole, *cuts = cuts_of(form)
    expected = seen(whole, fast=False)
    for blocks in (whole, *cuts):
        assert expected == seen(blocks)


@pytest.mark.parametrize("form", STAYS.values(), ids=list(STAYS))
def test_a_report_in_every_chunk_stays_in_the_fast_lane(
    monkeypatch: pytest.MonkeyPatch, form: Callable[[int], str]
) -> None:
    read: list[int] = []
    begin = Assembler.begin
    monkeypatch.setattr(Assembler, "begin", lambda self, data: read.append(1) or begin(self, data))
    for blocks in cuts_of(form)[:2]:
        seen(blocks)
        cleaned(blocks)
    assert len(read) < 2 * 3 * 30, "by feed, by absorb and by a cleaner"


@pytest.mark.parametrize("form", [*STAYS.values(), *LEAVES.values()], ids=[*STAYS, *LEAVES])
def test_a_cleaner_writes_the_last_report_whatever_the_cut(form: Callable[[int], str]) -> None:
    whole, *cuts = cuts_of(form)
    expected = cleaned(whole)
    assert all(expected == cleaned(blocks) for blocks in cuts)
    said = [json.loads(one[6:]) for one in expected if one != DONE]
    reported = [one["usage"] for one in said if "usage" in one]
    assert [json.loads(seen(whole)["response"])["usage"]] == reported


def cleaned(blocks: list[bytes]) -> list[bytes]:
    cleaner = Cleaner()
    return [*(one for block in blocks for one in cleaner.feed(block)), *cleaner.close()]
