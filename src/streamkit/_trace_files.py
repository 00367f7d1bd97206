"""Trace files on disk: opened by their suffix, read line by line, written so that a crash leaves what was there.

In: a path, or a file opened in binary mode. Out: its lines, or a place to write them. Holds one line, and what the
compressor holds.

Rule 1  `.gz` and `.zst` are what the name says; the bytes of a file object are never compressed or unpacked. zstd needs
        Python 3.14 or backports.zstd.
Rule 2  A file that is being recorded is plain: a compressor holds bytes back that a crash would lose. It is under its
        name without `.gz`, and is compressed into its place when it is closed.
Rule 3  A compressed file that was cut is read up to the cut, like a plain one.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

from .errors import FormatError, MisuseError

__all__ = ("SUFFIXES", "check_file", "compress", "each_line", "file_name", "is_trace_name", "opened", "plain_name")

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
"""How the name of a trace ends."""
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # how gzip and zstd begin
_READ = 65536  # bytes


def is_trace_name(name: str) -> bool:
    """Return whether a name promises a trace."""
    return name.endswith(SUFFIXES)


def file_name(file: object) -> object:
    """Return what messages call a file."""
    return file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", "trace")


def check_file(file: object, mode: str) -> None:
    """Raise `MisuseError` where `file` is neither a path nor a binary file that can be read ("rb"), or written ("wb")."""
    if isinstance(file, (str, os.PathLike)):
        return
    if hasattr(file, "read" if mode == "rb" else "write") and not hasattr(file, "encoding"):  # text files have one
        return
    raise MisuseError(f"expected a path or a file opened in binary mode, got {type(file).__name__}")


def opened(file: Any, mode: str) -> AbstractContextManager[IO[bytes]]:
    """Open a path as its suffix says; a file is taken as it is, and left open."""
    check_file(file, mode)
    if not isinstance(file, (str, os.PathLike)):
        return nullcontext(file)
    name = os.fsdecode(file)
    if name.endswith(".gz"):
        import gzip

        return gzip.open(name, mode)  # type: ignore[return-value]
    if name.endswith(".zst"):
        return _zstd().open(name, mode)  # type: ignore[no-any-return]
    return open(file, mode)


def plain_name(name: str) -> str:
    """Return the name that a file has while it is recorded (Rule 2)."""
    if name.endswith(".zst"):
        _zstd()  # where it is missing, that is known before anything is recorded
    return name.removesuffix(".gz").removesuffix(".zst")


def compress(name: str) -> None:
    """Put the compressed file in the place of the plain one."""
    import shutil

    plain = plain_name(name)
    with open(plain, "rb") as source, opened(name, "wb") as target:
        shutil.copyfileobj(source, target)
    os.remove(plain)


def each_line(file: IO[bytes], name: object) -> Iterator[tuple[bytes, bool]]:
    """Yield each line without its LF, and whether it had one. Not by `readline`: all that is asked of a file is `read`."""
    held: list[bytes] = []
    first = True
    while block := _read(file):
        if first and block.startswith(_COMPRESSED):
            raise FormatError(f"{name}: this file is still compressed: decompress it first", code="trace")
        first = False
        lines = block.split(b"\n")  # not splitlines(): a lone CR ends no line here
        for line in lines[:-1]:
            yield b"".join([*held, line]), True
            held = []
        if lines[-1]:
            held.append(lines[-1])
    if held:
        yield b"".join(held), False


def _read(file: IO[bytes]) -> bytes:
    try:
        return file.read(_READ)
    except EOFError:  # a compressed file that was cut
        return b""
    except OSError as error:
        if error.errno is not None:
            raise
        raise MisuseError(f"expected a whole compressed file: {error}") from None  # gzip.BadGzipFile
    except Exception as error:
        if type(error).__name__ not in ("error", "ZstdError"):  # zlib.error, ZstdError
            raise
        raise MisuseError(f"expected a whole compressed file: {error}") from None


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MisuseError("a .zst file needs Python 3.14 or backports.zstd: pip install backports.zstd, or name it .gz")
