"""Text is the sender's, however its documents are framed: the text in a string of a document is returned unchanged.

A repair may remove bytes before a document or after it, and join the lines that one is written on; it may not
look into one. Expected is what the same documents give where they are handed over decoded.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.strategies import cut, examples
from streamkit import Accumulator, unstructure
from streamkit.errors import RemoteError

BOM = b"\xef\xbb\xbf"
DONE = b"data: [DONE]\n\n"
NASTY = "if (a) { b[0] = data: {x} }  [y]"
WORDS = [
    *(
        NASTY,
        "data: {}",
        'data: {"',
        "data:",
        "data: [DONE]",
        "[DONE]",
        "{}",
        "}{",
        "[",
        "]",
        '"',
        '\\"',
        "\\",
        "  ",
        " {",
    ),
    *(
        "\n",
        "\n\n",
        "\r\n",
        "\ndata: ",
        "\nerror: ",
        "\n{}\n",
        "\t",
        "\0",
        "\ufeff",
        "\u2028",
        "é",
        "😀",
        "\\ud83d",
        "NaN",
    ),
    *('{"choices":[{"delta":{"content":"x"}}]}', "<think>", "id: 1", ": c", "a,b,c"),
]
texts = st.lists(
    st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=6
).map("".join)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    } | more


def call(arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": "call", "function": {"name": "f", "arguments": arguments}}]}


deltas = st.one_of(
    texts.map(lambda text: {"content": text}),
    texts.map(lambda text: {"reasoning_content": text}),
    texts.map(call),
    texts.map(lambda text: {"odd": [{"text": text}, text]}),
)
documents = st.lists(deltas.map(chunk), min_size=1, max_size=4)

# How one document is written: on one line, or on many.
SPELLINGS: list[dict[str, Any]] = [
    {"ensure_ascii": True, "separators": (",", ":")},
    {"ensure_ascii": False},
    {"ensure_ascii": False, "indent": 1},
]


def framed(lines: list[bytes], prefix: bytes = b"data: ") -> bytes:
    return b"".join(prefix + line + b"\n" for line in lines)


def first_only(lines: list[bytes]) -> bytes:
    return framed(lines[:1]) + framed(lines[1:], b"")


def flat(docs: list[list[bytes]]) -> list[bytes]:
    return [line for lines in docs for line in lines]


# How one event is framed, by the documents in it, each as its lines.
FRAMES: dict[str, Any] = {
    "each in an event": lambda docs: b"".join(framed(lines) + b"\n" for lines in docs),
    "without data:": lambda docs: b"".join(framed(lines, b"") + b"\n" for lines in docs),
    "one after the other, without data: and blank lines": lambda docs: framed(flat(docs), b"") + b"\n",
    "one after the other, without blank lines": lambda docs: framed(flat(docs)) + b"\n",
    "a blank before data:": lambda docs: b"".join(framed(lines, b" data: ") + b"\n" for lines in docs),
    "Data:": lambda docs: b"".join(framed(lines, b"Data: ") + b"\n" for lines in docs),
    "a mark before data:": lambda docs: b"".join(framed(lines, BOM + b"data: ") + b"\n" for lines in docs),
    "data: twice": lambda docs: b"".join(framed([b"data: " + lines[0], *lines[1:]]) + b"\n" for lines in docs),
    "a mark before the JSON": lambda docs: b"".join(framed([BOM + lines[0], *lines[1:]]) + b"\n" for lines in docs),
    "a NUL before the JSON": lambda docs: b"".join(framed([b"\0" + lines[0], *lines[1:]]) + b"\n" for lines in docs),
    "data: on the first line": lambda docs: b"".join(first_only(lines) + b"\n" for lines in docs),
    "data: inside": lambda docs: framed(b"data: ".join(b"\n".join(lines) for lines in docs).split(b"\n")) + b"\n",
    "nothing between": lambda docs: framed(b"".join(b"\n".join(lines) for lines in docs).split(b"\n")) + b"\n",
    "nothing between, without data:": lambda docs: b"".join(b"\n".join(lines) for lines in docs) + b"\n\n",
    "by turns with data: and without": lambda docs: (
        b"".join(framed(lines, (b"data: ", b"")[at % 2]) for at, lines in enumerate(docs)) + b"\n"
    ),
    "by turns without data: and with": lambda docs: (
        b"".join(framed(lines, (b"", b"data: ")[at % 2]) for at, lines in enumerate(docs)) + b"\n"
    ),
}


def written(docs: list[dict[str, Any]], spelling: dict[str, Any]) -> list[list[bytes]]:
    return [json.dumps(doc, **spelling).encode().split(b"\n") for doc in docs]


def handed_over(docs: list[dict[str, Any]]) -> Any:
    accumulator = Accumulator()
    for doc in docs:
        accumulator.add(doc)
    accumulator.close()
    return unstructure(accumulator.snapshot())


def fed(blocks: list[bytes], **options: Any) -> Any:
    accumulator = Accumulator(**options)
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()
    response = accumulator.snapshot()
    return None if response is None else unstructure(response)


@pytest.mark.parametrize("frame", FRAMES)
@examples(25)
@given(
    docs=documents,
    spelling=st.sampled_from(SPELLINGS),
    where=st.sampled_from(["amid", "first", "last"]),
    data=st.data(),
)
def test_any_text_in_any_string_is_returned_equal(
    frame: str, docs: list[dict[str, Any]], spelling: dict[str, Any], where: str, data: st.DataObject
) -> None:
    finish = chunk({}, "stop")
    event = FRAMES[frame](written(docs, spelling))
    plain = framed([json.dumps(finish).encode()]) + b"\n" + DONE
    if where == "amid":
        wire, docs = framed([json.dumps(chunk({"role": "assistant"})).encode()]) + b"\n" + event + plain, docs
        docs = [chunk({"role": "assistant"}), *docs, finish]
    elif where == "first":
        wire, docs = event + plain, [*docs, finish]
    else:  # and its blank line is missing
        wire = framed([json.dumps(chunk({"role": "assistant"})).encode()]) + b"\n" + event.rstrip(b"\n")
        docs = [chunk({"role": "assistant"}), *docs]
    expected = handed_over(docs)
    assert expected == fed([wire])
    assert expected == fed(data.draw(cut(wire)))
    assert expected == fed(data.draw(cut(wire)), fast=False)


@examples(60)
@given(texts, st.sampled_from(list(FRAMES)), st.sampled_from(SPELLINGS))
@example(NASTY, "data: twice", SPELLINGS[0])
def test_what_an_error_says_is_returned_equal(text: str, frame: str, spelling: dict[str, Any]) -> None:
    message = f"m{text}"  # an error that says nothing, "" or "0" or "ok", is none
    accumulator = Accumulator()
    accumulator.feed(framed([json.dumps(chunk({"content": "a"})).encode()]) + b"\n")
    accumulator.feed(FRAMES[frame](written([{"error": {"message": message}}], spelling)))
    error = accumulator.close().error
    assert isinstance(error, RemoteError)
    assert message == error.message


@pytest.mark.parametrize("junk", [b"x", b"}", b"]", b" trailing", b'"'])
@examples(20)
@given(text=texts)
def test_junk_after_a_document_takes_nothing_from_it(junk: bytes, text: str) -> None:
    doc = chunk({"content": text})
    assert handed_over([doc]) == fed([b"data: " + json.dumps(doc).encode() + junk + b"\n\n"])


@pytest.mark.parametrize(
    "torn", [b'{"id":"c","cho', b'{"id":"c","choices":[{"delta":{"content":"a b', b"{", b'{"a":1,']
)
@examples(20)
@given(text=texts)
def test_a_document_that_follows_a_torn_one_is_read_whole(torn: bytes, text: str) -> None:
    doc = chunk({"content": text})
    written = json.dumps(doc).encode()
    assert handed_over([doc]) == fed([b"data: " + torn + b"\ndata: " + written + b"\n\n"])
    assert handed_over([doc]) == fed([b"data: " + torn + b"data: " + written + b"\n\n"])


@examples(60)
@given(texts, st.sampled_from([b'"n":NaN', b'"t":"\xff"', b'"t":"\\ud83d"', b'"t":"a\tb"', b'"n":1e999']))
def test_what_is_odd_elsewhere_in_a_document_changes_no_text(text: str, odd: bytes) -> None:
    for ascii in (True, False):
        doc = json.dumps(chunk({"content": text}), ensure_ascii=ascii).encode()
        response = fed([b"data: " + doc[:-1] + b"," + odd + b"}\n\n"])
        assert text == (response["choices"][0]["message"].get("content") or "")


def test_tool_arguments_that_look_like_data_lines_are_what_was_sent() -> None:
    arguments = json.dumps({"code": NASTY})
    doc = json.dumps(chunk(call(arguments), "tool_calls")).encode()
    accumulator = Accumulator()
    accumulator.feed(doc + b"\n" + doc[:0] + b'{"choices":[]}\n\ndata: [DONE]\n\n')
    accumulator.close()
    response = accumulator.snapshot()
    assert response is not None
    (made,) = response.choices[0].message.tool_calls or []
    assert arguments == made.function.arguments
    assert made.complete


def test_an_empty_object_in_the_text_of_a_torn_document_is_not_a_document() -> None:
    assert fed([b'data: {"choices":[{"delta":{"content":"see data: {} and\n\n']) is None
