"""Sources that do as they are told, and what every source of blocks has to do.

A fake counts what is asked of it: `taken` blocks, whether it was `closed`. A check is given a function that makes a
source out of an iterable of blocks, and makes one for each sentence; it raises AssertionError with the sentence that
does not hold. Everything is read through `blocks` and `async_blocks`, so whatever these take can be checked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from .sources import async_blocks, blocks

__all__ = ("AsyncFakeSource", "FakeSource", "check_async_source", "check_source")

_BLOCKS = (b"data: {", b'"choices":[]}\n\n', b": \xf0\x9f", b"\x98\x80\n", b"\n", b"data: [DONE]\n\n")


class _Lost(Exception):
    """The connection of a check has gone."""


class FakeSource:
    """Blocks that come when they are asked for.

    `fail`: raised after the last block, instead of the end. `taken`: how many blocks were given. `closed`: how often
    it was closed.
    """

    def __init__(self, given: Iterable[bytes], *, fail: BaseException | None = None) -> None:
        self._given = iter(given)
        self._fail = fail
        self.taken = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.closed:
            raise StopIteration
        for block in self._given:
            self.taken += 1
            return block
        if self._fail is not None:
            raise self._fail
        raise StopIteration

    def close(self) -> None:
        """Nothing more will be asked for."""
        self.closed += 1


class AsyncFakeSource:
    """As `FakeSource`, for `async for`; each block is a point where the reader can be cancelled."""

    def __init__(self, given: Iterable[bytes], *, fail: BaseException | None = None) -> None:
        self._source = FakeSource(given, fail=fail)

    @property
    def taken(self) -> int:
        """How many blocks were given."""
        return self._source.taken

    @property
    def closed(self) -> int:
        """How often it was closed."""
        return self._source.closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        from anyio.lowlevel import checkpoint

        await checkpoint()
        try:
            return next(self._source)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Nothing more will be asked for."""
        self._source.close()


class _Feed:
    """What a source under check reads from: counts, notices the end, fails when it is told to."""

    def __init__(self, fail: bool = False) -> None:
        self.given = 0
        self.fail = fail

    def __iter__(self) -> Iterator[bytes]:
        for block in _BLOCKS:
            self.given += 1
            yield block
        if self.fail:
            raise _Lost("the connection has gone")

    def live(self, count: int) -> bool:
        """Whether no more was taken than `count` blocks had to be."""
        return self.given <= count


def check_source(make_source: Callable[[Iterable[bytes]], Any], *, boundaries: bool = True) -> None:
    """Whether a source gives what it is made of as a source of blocks has to.

    `make_source(given)`: a new source that gives the blocks of `given`. `boundaries`: whether each block must come as it
    is; False for sources that cut anew, as a network does.
    """
    feed = _Feed()
    found = blocks(make_source(feed))
    first = next(found, None)
    assert first, "the first block comes, and is not empty"
    assert type(first) is bytes, f"a block is bytes, not {type(first).__name__}"
    assert not boundaries or feed.live(1), "a block comes before the next one is there: nothing is held back"
    rest = list(found)
    _check_all([first, *rest], boundaries)
    assert next(found, None) is None, "what has ended stays ended"
    found.close()
    found.close()

    found = blocks(make_source(_Feed(fail=True)))
    came, lost = [], False
    try:
        for block in found:
            came.append(block)
    except Exception as error:
        lost = _is_lost(error)
    assert lost, "a connection that breaks is an error, not an end"
    _check_all(came, boundaries)
    found.close()

    feed = _Feed()
    found = blocks(make_source(feed))
    next(found)
    given = feed.given
    found.close()
    assert feed.given == given, "closing drains nothing"
    assert next(found, None) is None, "what was closed has ended"


async def check_async_source(make_source: Callable[[Iterable[bytes]], Any], *, boundaries: bool = True) -> None:
    """As `check_source`, for async sources; `given` is a plain iterable all the same."""
    feed = _Feed()
    found = async_blocks(make_source(feed))
    first = await anext(found, None)
    assert first, "the first block comes, and is not empty"
    assert type(first) is bytes, f"a block is bytes, not {type(first).__name__}"
    assert not boundaries or feed.live(1), "a block comes before the next one is there: nothing is held back"
    rest = [block async for block in found]
    _check_all([first, *rest], boundaries)
    assert await anext(found, None) is None, "what has ended stays ended"
    await found.aclose()
    await found.aclose()

    found = async_blocks(make_source(_Feed(fail=True)))
    came, lost = [], False
    try:
        async for block in found:
            came.append(block)
    except Exception as error:
        lost = _is_lost(error)
    assert lost, "a connection that breaks is an error, not an end"
    _check_all(came, boundaries)
    await found.aclose()

    feed = _Feed()
    found = async_blocks(make_source(feed))
    await anext(found)
    given = feed.given
    await found.aclose()
    assert feed.given == given, "closing drains nothing"
    assert await anext(found, None) is None, "what was closed has ended"


def _check_all(came: list[bytes], boundaries: bool) -> None:
    assert b"".join(came) == b"".join(_BLOCKS), "every byte comes, in order and unchanged"
    assert all(came), "no block is empty"
    assert not boundaries or came == list(_BLOCKS), "every block comes as it was"


def _is_lost(error: BaseException | None) -> bool:
    """Whether an error is, or comes from, the one that broke the connection."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, _Lost):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
