"""Target: the strict codec, `loads`, `dumps`, `structure`, `unstructure`, for every public type.

Input: one byte for the type, then a JSON document. Oracle: nothing but ValidationError is raised, for JSON and for what
`json.loads` lets through (NaN, half pairs, great numbers); an object that was read is written, and read again, as
itself; plain values make the same object as the document; `repr`, `==` and `hash` raise nothing of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import attrs

import seeds as of
import streamkit
from readings import same
from streamkit import ValidationError, types

SIZE = 2000
STREAMS = {"AsyncChatCompletionResponseStream", "ChatCompletionResponseStream"}  # of chunks: no JSON is one
TYPES: tuple[tuple[str, Any], ...] = tuple(
    (name, getattr(types, name)) for name in types.__all__ if name not in STREAMS
)


def check(data: bytes) -> None:
    """Read one document as one type, or as several where the byte asks for that."""
    raw = data[1:]
    _, target = TYPES[(data[0] if data else 0) % len(TYPES)]
    _from_document(raw, target)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return
    _from_value(value, target)
    _from_value([value, {"k": value}], list.__class_getitem__(target))


def _from_document(raw: bytes, target: Any) -> None:
    try:
        made = streamkit.loads(raw, target)
    except ValidationError as error:
        str(error).encode()
        assert error.problems
        return
    written = streamkit.dumps(made)
    json.loads(written)
    again = streamkit.loads(written, target)
    same(written, streamkit.dumps(again), "written, read and written again: other bytes")
    plain = streamkit.unstructure(made)
    same(made, streamkit.structure(plain, target), "its plain values make another object")
    if b"null" not in written:  # an infinite number is written as null
        same(made, again, "written and read again: another object")
    same(streamkit.loads(raw.decode(), target), made, "as text: another object")
    if attrs.has(type(made)):
        assert streamkit.structure(made, target) == made or repr(streamkit.structure(made, target)) == repr(made)
    repr(made)


def _from_value(value: Any, target: Any) -> None:
    try:
        made = streamkit.structure(value, target)
    except ValidationError as error:
        str(error).encode()
        return
    json.loads(streamkit.dumps(made))


PLAIN: tuple[bytes, ...] = (
    *(b"{}", b'"a"', b'["a",{"type":"text","text":"b"}]', b"[1,2]", b"[[1],[2]]"),
    b'{"tokens":["a"],"token_logprobs":[-0.5,null],"top_logprobs":[{"a":-0.5}],"text_offset":[0]}',
    b'{"text":"a","index":0,"logprobs":null,"finish_reason":"content_filter"}',
    b'{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}',
    b'{"data":"QQ==","format":"wav"}',
    b'{"type":"text","text":"a"}',
    b'{"type":"refusal","refusal":"a"}',
    b'{"type":"image_url","image_url":{"url":"u","detail":"low"}}',
    b'{"voice":"alloy","format":"pcm16"}',
    b'{"id":"a","data":"QQ==","transcript":"A","expires_at":5}',
    b'{"type":"approximate","approximate":{"country":"CH","city":"Z"}}',
    b'{"type":"content","content":[{"type":"text","text":"a"}]}',
    b'{"search_context_size":"low","user_location":{"approximate":{}}}',
    b'{"role":"developer","content":"a"}',
)
"""Documents of types that no recording has."""


def seeds() -> Iterator[bytes]:
    """Yield, for each type, a few documents that it takes: of the recordings, of the tests, and plain ones."""
    documents = [*PLAIN, *sorted((one for one in of.documents() if len(one) < SIZE), key=len)]
    for number, (name, target) in enumerate(TYPES):
        if isinstance(target, type) and issubclass(target, StrEnum):
            yield from (b"%c%b" % (number, json.dumps(word.value).encode()) for word in (*target,)[:2])
            continue
        seen: set[bytes] = set()
        for one in documents:
            try:
                written = streamkit.dumps(streamkit.loads(one, target))
            except ValidationError:
                continue
            known = written != one or len(seen) == 0  # what comes out as it went in may have no known field
            if known and written not in seen:
                seen.add(written)
                yield b"%c%b" % (number, one)
                if len(seen) == 4:
                    break
        assert seen, f"no document for {name}: add one to PLAIN"
