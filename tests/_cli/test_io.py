"""What every command reads."""

from __future__ import annotations

import io

import pytest

from helpers.command import (
    HELLO,
)
from streamkit._cli.io import blocks_of_file


@pytest.mark.parametrize("text", [HELLO, b'{"error":\n{"message":"x"}}', b'{"a": 1}', b'{"no": "end', b"", b"{"])
def test_a_body_comes_through_unchanged_while_it_is_asked_whether_it_is_a_trace(text: bytes) -> None:
    class ByteByByte(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    for file in (io.BytesIO(text), ByteByByte(text)):
        assert text == b"".join(blocks_of_file(file, "x"))
