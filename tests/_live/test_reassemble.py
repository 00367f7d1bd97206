"""Blocks out of whatever holds a stream, and the response out of them, all at once."""

from __future__ import annotations

import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from helpers.wire import DONE, delta, each_byte, sse
from streamkit import (
    ChatStream,
    FormatError,
    MisuseError,
    RemoteError,
    SourceError,
    TruncatedError,
    loads,
    reassemble,
)
from streamkit._live.reassemble import blocks_of
from streamkit.errors import SenderError
from streamkit.testing import FakeSource
from streamkit.trace import Block, Trace, write_trace
from streamkit.types import CreateChatCompletionStreamResponse

STREAM = sse(delta('{"content":"Grü"}'), delta('{"content":"ße"}', "stop")) + DONE


def content(source: Any) -> str | None:
    return reassemble(source).choices[0].message.content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "stream.sse").write_bytes(STREAM)
    return tmp_path / "stream.sse"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_bytes_are_a_stream(kind: Any) -> None:
    assert "Grüße" == content(kind(STREAM))


def test_a_path_names_a_file_of_bytes(path: Path) -> None:
    assert ("Grüße", "Grüße") == (content(path), content(str(path)))


def test_an_open_file_is_read_from_where_it_stands(path: Path) -> None:
    with path.open("rb") as file:
        file.readline()
        assert "ße" == content(file)
    with path.open("rb", buffering=0) as file:
        assert "Grüße" == content(file)
    assert "Grüße" == content(io.BytesIO(STREAM))


@pytest.mark.parametrize(
    "blocks",
    [
        each_byte(STREAM),
        tuple(each_byte(STREAM)),
        iter(each_byte(STREAM)),
        [b"", STREAM[:30], b"", STREAM[30:], b""],
        [bytearray(STREAM[:30]), memoryview(STREAM[30:])],
    ],
    ids=["list", "tuple", "iterator", "empty-blocks", "kinds-of-bytes"],
)
def test_an_iterable_gives_blocks(blocks: Any) -> None:
    assert "Grüße" == content(blocks)


def test_a_trace_file_is_read_as_the_stream_that_it_records(tmp_path: Path) -> None:
    trace = Trace(sender="s", case="c", blocks=tuple(Block(float(at), one) for at, one in enumerate(each_byte(STREAM))))
    write_trace(trace, tmp_path / "c.trace.jsonl")
    assert "Grüße" == content(tmp_path / "c.trace.jsonl")
    assert each_byte(STREAM) == list(blocks_of(tmp_path / "c.trace.jsonl"))


def test_a_file_that_is_no_trace_says_so(tmp_path: Path) -> None:
    (tmp_path / "c.trace.jsonl").write_bytes(STREAM)
    with pytest.raises(FormatError, match="line 1"):
        reassemble(tmp_path / "c.trace.jsonl")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reassemble(tmp_path / "nothing.sse")
    with pytest.raises(FileNotFoundError, match=r"'stream\.ss'") as told:  # at once, not by the first read
        ChatStream("stream.ss")
    assert ["A str is treated as a path: pass bytes if it is the body of a response."] == told.value.__notes__


def test_a_pipe_gives_its_blocks_as_they_come() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        blocks = blocks_of(reader)
        for block in (STREAM[:30], STREAM[30:31], STREAM[31:]):
            writer.write(block)
            assert block == next(blocks)
        writer.close()
        assert [] == list(blocks)


def test_a_file_is_not_read_before_its_blocks_are_wanted(path: Path) -> None:
    with path.open("rb") as file:
        blocks_of(file)
        assert 0 == file.tell()


def test_blocks_are_taken_one_at_a_time() -> None:
    taken = []

    def blocks() -> Any:
        for block in (STREAM[:30], STREAM[30:]):
            taken.append(block)
            yield block

    found = blocks_of(blocks())
    assert [] == taken
    assert STREAM[:30] == next(found)
    assert [STREAM[:30]] == taken


@pytest.mark.parametrize("chunks", [list, iter], ids=["list", "iterator"])
def test_chunks_that_somebody_else_decoded_are_a_source(chunks: Any) -> None:
    documents = [delta('{"content":"Grü"}'), delta('{"content":"ße"}', "stop")]
    assert "Grüße" == content(chunks([json.loads(one) for one in documents]))
    ours = [loads(one, CreateChatCompletionStreamResponse) for one in documents]
    assert "Grüße" == content(chunks(ours))


def test_blocks_are_bytes_where_bytes_are_asked_for() -> None:
    with pytest.raises(MisuseError, match="block 0 of the source is dict"):
        list(blocks_of([{"choices": []}]))


async def no_blocks() -> AsyncIterator[bytes]:
    yield STREAM


@pytest.mark.parametrize(
    "source, message",
    [
        (None, "NoneType"),
        (7, "int"),
        ({"choices": []}, "dict"),
        ([1, 2], "block 0 of the source is int"),
        ([STREAM, "text"], "block 1 of the source is str"),
        (["text"], "block 0 of the source is str"),
        (io.StringIO("data: {}\n\n"), "binary"),
        (STREAM.decode(), "pass the bytes"),
        ('data: {"choices":[]}', "pass the bytes"),
        ('{"choices":[]}', "pass the bytes"),
        (no_blocks(), "feed an Accumulator"),
    ],
    ids=["none", "number", "mapping", "numbers", "mixed", "texts", "text-file", "text", "event", "json", "async"],
)
def test_what_cannot_be_a_source_is_misuse_and_says_what_to_do(source: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        reassemble(source)


def test_a_file_opened_as_text_is_misuse(path: Path) -> None:
    with path.open() as file, pytest.raises(MisuseError, match="'rb'"):
        reassemble(file)


@pytest.mark.parametrize(
    "stream, kind",
    [
        (sse(delta('{"content":"a"}')), TruncatedError),
        (sse(delta('{"content":"a"}'), '{"error":"boom"}'), RemoteError),
    ],
    ids=["truncated", "error"],
)
def test_a_stream_that_is_not_complete_raises_with_what_had_come(stream: bytes, kind: Any) -> None:
    with pytest.raises(kind) as caught:
        reassemble(stream)
    assert "a" == caught.value.partial.choices[0].message.content
    assert caught.value.emitted


@pytest.mark.parametrize("stream", [b"", [], DONE, b"<html>", b'{"hello":1}'])
def test_what_is_no_stream_raises(stream: Any) -> None:
    with pytest.raises(SenderError) as caught:
        reassemble(stream)
    assert None is caught.value.partial


@pytest.mark.parametrize("before", [b"", b": ping\n\n", sse('{"type":"ping"}')], ids=["nothing", "comment", "ping"])
def test_a_source_that_breaks_before_any_chunk_is_told_from_an_empty_body(before: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        reassemble(FakeSource([before, ConnectionResetError("reset")]))
    assert isinstance(caught.value.__cause__, ConnectionResetError)


def test_what_reading_a_path_raises_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        reassemble(tmp_path)


def test_what_a_client_raises_in_the_senders_words_is_the_senders_error() -> None:
    class APIError(Exception):
        message, body, code = "overloaded", {"message": "overloaded"}, 529

    for before in ([], [sse(delta('{"content":"Hel"}'))]):
        with pytest.raises(RemoteError, match="overloaded") as caught:
            reassemble(FakeSource([*before, APIError()]))
        assert isinstance(caught.value.__cause__, APIError)
        assert (caught.value.partial is None) == (not before)


def test_what_had_come_is_not_lost_when_the_source_breaks() -> None:
    broken = ConnectionResetError("by peer")
    with pytest.raises(TruncatedError) as caught:
        reassemble(FakeSource([sse(delta('{"content":"Hel"}')), broken]))
    assert "Hel" == caught.value.partial.choices[0].message.content
    assert broken is caught.value.__cause__
    with pytest.raises(SourceError) as early:
        reassemble(FakeSource([STREAM[:30], broken]))
    assert STREAM[:30].decode() == early.value.excerpt
    with pytest.raises(RemoteError, match="boom") as told:
        reassemble(FakeSource([b'{"error":{"message":"boom"}}', broken]))
    assert broken is told.value.__cause__


def test_the_options_of_an_accumulator_are_passed_on() -> None:
    with pytest.raises(FormatError, match="not JSON"):
        reassemble(sse("nonsense", delta('{"content":"a"}', "stop")), strict=True)
    with pytest.raises(RemoteError, match="boom"):
        reassemble(b'{"error":{"message":"boom"}}', strict=True)
