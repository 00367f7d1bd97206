"""Log probabilities are written clean from the bytes that arrived, where these are what would be written anyway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import DONE, choice, chunk, each_byte, sse
from streamkit import Accumulator, Clean, Cleaner
from streamkit._clean.stream_writer import _MARK

TOP = '{"token":"a","logprob":-0.5,"bytes":[97]}'


def token(text: str, top: str = TOP) -> str:
    return '{"token":%s,"logprob":-1.25,"bytes":[98],"top_logprobs":[%s,%s]}' % (text, top, top)


def document(text: str, tokens: str, name: str = "content", index: int = 0, more: str = "") -> str:
    logprobs = f'"logprobs":{{"content":[{tokens}],"refusal":null}}'
    return chunk(choice(f'{{"{name}":{text}}}', index=index, more=logprobs), more)


def numbered(form: Any, count: int = 60) -> bytes:
    return sse(*(form(at) for at in range(count))) + DONE


FORMS: dict[str, Any] = {
    "as they are written": lambda at: document('"a"', token('"a"')),
    "with spaces": lambda at: document('"a"', token('"a"').replace(",", ", ").replace(":", ": ")),
    "escapes that are written plainly": lambda at: document('"\\u00e9\\/"', token('"\\u00e9\\/"')),
    "escapes": lambda at: document('"\\n\\""', token('"\\n\\""')),
    "a longer number": lambda at: document('"a"', token('"a"', TOP.replace("-0.5", "-0.0018978118896484375"))),
    "a number with a zero too many": lambda at: document('"a"', token('"a"', TOP.replace("-0.5", "-0.50"))),
    "an exponent": lambda at: document('"a"', token('"a"', TOP.replace("-0.5", "-5e-7"))),
    "an exponent of two digits": lambda at: document('"a"', token('"a"', TOP.replace("-0.5", "-5.5e-07"))),
    "no bytes": lambda at: document('"a"', '{"token":"a","logprob":-0.5}'),
    "an unknown field": lambda at: document('"a"', token('"a"', TOP.replace("}", ',"id":5}'))),
    "a token less": lambda at: document('"a"', token('"a"') if at % 3 else ""),
    "two tokens": lambda at: document('"ab"', token('"a"') + "," + token('"b"')),
    "a text less": lambda at: document('"a"' if at % 3 else '""', token('"a"')),
    "neither": lambda at: document('"a"' if at % 3 else '""', token('"a"') if at % 3 else ""),
    "reasoning": lambda at: document('"a"', token('"a"'), "reasoning_content"),
    "a call": lambda at: document(
        '[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]'
        if at == 0
        else '[{"index":0,"function":{"arguments":"a"}}]',
        token('"a"'),
        "tool_calls",
    ),
    "choices by turns": lambda at: document(f'"{at}"', token('"a"'), index=at % 3),
    "padding": lambda at: document('"a"', token('"a"'), more=f'"obfuscation":"{"x" * (at % 7)}"'),
}


def cleaned(blocks: list[bytes], **options: Any) -> bytes:
    cleaner = Cleaner(**options)
    return b"".join([*(event for block in blocks for event in cleaner.feed(block)), *cleaner.close()])


def read(stream: bytes) -> bytes:
    accumulator = Accumulator()
    accumulator.absorb(stream)
    accumulator.close()
    return accumulator.dumps() or b""


@pytest.mark.parametrize("clean", [Clean(), Clean(order="index"), Clean(reasoning="tags")], ids=["", "order", "tags"])
@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_log_probabilities_are_written_with_the_same_bytes_whatever_the_cut(form: Any, clean: Clean) -> None:
    stream = numbered(form)
    whole = cleaned([stream], clean=clean)
    assert whole == cleaned([event + b"\n\n" for event in stream.split(b"\n\n")[:-1]], clean=clean)
    assert whole == cleaned(each_byte(stream), clean=clean)
    assert whole == cleaned([whole], clean=clean), "cleaned twice"
    if clean == Clean():
        assert read(stream) == read(whole)


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_what_is_written_is_what_is_written_of_chunks_that_were_decoded_elsewhere(form: Any) -> None:
    stream = numbered(form)
    cleaner = Cleaner()
    events = [b"data: " + event for event in stream.removesuffix(DONE).split(b"data: ")[1:]]
    expected = [one for event in events for one in cleaner.add(json.loads(event[6:]))] + cleaner.close()
    assert [one for one in expected if one != DONE] == [one for one in cleaned_events(stream) if one != DONE]


def cleaned_events(stream: bytes) -> list[bytes]:
    cleaner = Cleaner()
    return [*cleaner.feed(stream), *cleaner.close()]


@pytest.mark.parametrize("id", [_MARK, f"{_MARK}s", 2 * _MARK])
@pytest.mark.parametrize("tokens", ["", token('"a"')], ids=["text", "log probabilities"])
def test_an_id_that_is_the_mark_of_a_place_stays_the_id(id: str, tokens: str) -> None:
    events = []
    for at in range(60):
        logprobs = f',"logprobs":{{"content":[{tokens}]}}' if tokens else ""
        events.append(f'{{"id":{json.dumps(id)},"choices":[{{"index":0,"delta":{{"content":"a{at} "}}{logprobs}}}]}}')
    cleaner = Cleaner()
    written = b"".join([*cleaner.feed(sse(*events) + DONE), *cleaner.close()])
    chunks = [json.loads(line[6:]) for line in written.splitlines() if line.startswith(b"data: {")]
    assert {id} == {one["id"] for one in chunks}
    assert [f"a{at} " for at in range(60)] == [
        text for one in chunks if (text := one["choices"][0]["delta"].get("content"))
    ]
