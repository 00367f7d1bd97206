"""What is read: a dump or a trace, from a file or a pipe, recognised by what it holds."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from helpers.command import HELLO, TRACES, assemble, content, delta, one_line, sse
from streamkit._cli import main as cli
from streamkit._cli.io import blocks_of_file


def test_a_dump_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "answer.sse").write_bytes(HELLO)
    done = assemble(tmp_path / "answer.sse")
    assert (0, "Héllo 👋") == (done.returncode, content(done.stdout))


def test_a_trace_is_read_from_a_file_from_standard_input_and_under_any_name(tmp_path: Path) -> None:
    trace = TRACES / "llama.cpp" / "unicode.trace.jsonl"
    shutil.copy(trace, tmp_path / "nameless")
    by_name, by_content, piped = (
        assemble(trace),
        assemble(tmp_path / "nameless"),
        assemble("-", stdin=trace.read_bytes()),
    )
    assert by_name.stdout == by_content.stdout == piped.stdout
    assert content((trace.parent / "unicode.json").read_bytes()) == content(by_name.stdout)
    assert [0, 0, 0] == [by_name.returncode, by_content.returncode, piped.returncode]


def test_a_full_response_in_place_of_a_stream_is_no_trace() -> None:
    body = b'{\n "id": "c1", "object": "chat.completion", "created": 1, "model": "m",\n "choices": [{"index": 0, '
    body += b'"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]\n}'
    assert "whole" == content(assemble("-", stdin=body).stdout)


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("body.jsonl", HELLO, "not a trace, line 1: expected one JSON object in UTF-8: 'data: {"),
        ("empty.jsonl", b"", "not a trace, line 1: expected one JSON object"),
        ("cut", b'{"format":"streamkit-trace","version":1,"sender":"s","case":"c"}\n{"t":0,"te', "not a trace, line 2"),
        (
            "new",
            b'{"format":"streamkit-trace","version":2,"sender":"s","case":"c"}\n',
            "line 1: expected 1 ($.version)",
        ),
    ],
)
def test_a_file_that_promises_a_trace_and_is_none_is_misuse(tmp_path: Path, name: str, text: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(text)
    done = assemble(tmp_path / name)
    assert (2, b"") == (done.returncode, done.stdout)
    assert said in one_line(done.stderr)


def test_a_file_that_breaks_off_under_the_reader_still_gives_what_was_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.RawIOBase):
        blocks = iter([sse(delta("Hel"))])

        def read(self, size: int = -1) -> bytes:
            for block in self.blocks:
                return block
            raise OSError(5, "Input/output error")

    class Standard:
        buffer = Broken()

    monkeypatch.setattr(sys, "stdin", Standard)
    assert 2 == cli.main(["assemble", "-"])
    out, err = capsys.readouterr()
    assert "Hel" == content(out.encode())
    assert "streamkit: standard input: Input/output error\n" == err


@pytest.mark.parametrize("text", [HELLO, b'{"error":\n{"message":"x"}}', b'{"a": 1}', b'{"no": "end', b"", b"{"])
def test_a_body_comes_through_unchanged_while_it_is_asked_whether_it_is_a_trace(text: bytes) -> None:
    class ByteByByte(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    for file in (io.BytesIO(text), ByteByByte(text)):
        assert text == b"".join(blocks_of_file(file, "x"))
