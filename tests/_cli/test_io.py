"""What every command reads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.command import HELLO, assemble, content, one_line
from helpers.interrupting import interrupted_at
from streamkit._cli.io import Interrupts, blocks_of_file
from streamkit.trace import Block, Trace, write_trace


@pytest.mark.parametrize("text", [HELLO, b'{"error":\n{"message":"x"}}', b'{"a": 1}', b'{"no": "end', b"", b"{"])
def test_a_body_comes_through_unchanged_while_it_is_asked_whether_it_is_a_trace(text: bytes) -> None:
    class ByteByByte(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    for file in (io.BytesIO(text), ByteByByte(text)):
        assert text == b"".join(blocks_of_file(file, "x"))


def test_a_compressed_trace_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "hello.trace.jsonl.gz"
    write_trace(Trace(blocks=(Block(0, HELLO),), end="eof"), path)
    assert "Héllo 👋" == content(assemble(path).stdout)
    path.write_bytes(b"no gzip")
    done = assemble(path)
    assert (2, b"") == (done.returncode, done.stdout)
    assert "whole compressed file" in one_line(done.stderr)


def test_an_interrupt_is_noticed_before_the_next_block_wherever_it_arrives() -> None:
    place, reached = 0, True
    while reached:
        interrupts, late = Interrupts(), []

        def blocks(interrupts: Interrupts = interrupts, late: list[int] = late) -> Iterator[bytes]:
            for number in range(3):
                late += [number] * interrupts.stopped  # a sender that is silent would be waited for
                yield b"x"

        reached = interrupted_at(place, lambda: list(interrupts.watch(blocks())), interrupts._handle)  # noqa: B023  at once
        assert ([], reached) == (late, interrupts.stopped), place
        place += 1
    assert place > 20
