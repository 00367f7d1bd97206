"""What every source of blocks has to do, as a check.

A check takes a function that makes a source out of an iterable of blocks, and makes one for each sentence; it raises
AssertionError with the sentence that does not hold. Everything is read through `blocks` and `async_blocks`, so whatever
these take can be checked.

A source may iterate what it is made of in the thread that checks, as a generator around it does, or in another one: a
server that sends each block as soon as it has it, and a client of it for the source. Then each block is sent only when the
one before has been read, so that a client which holds anything back is found out, and what the server does about an
exception (it breaks the connection) has to be raised by the client as one of its exceptions.

    def source(given):
        server = stack.enter_context(serve(given))  # yours: a thread that writes each block of `given` to its client
        return stack.enter_context(httpx.stream("GET", server.url))

    with ExitStack() as stack:
        check_source(source)
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import MisuseError
from ..sources import async_blocks, blocks

__all__ = ("check_async_source", "check_source")

_PATIENCE = 10.0  # seconds, in another thread, for a reader that says nothing: it holds something back
_BLOCKS = (b"data: {", b'"choices":[]}\n\n', b": \xf0\x9f", b"\x98\x80\n", b"\n", b"data: [DONE]\n\n")
_LAZY = "a source reads when a block is asked for, not when it is made"
_LIVE = "a block is returned before the next one is there: nothing is held back"


class _Lost(Exception):
    """The connection of a check has gone."""


class _Feed:
    """What a source under check reads from: counts, waits for its reader in another thread, fails where `fail` says so.

    `given`: blocks so far. `elsewhere`: whether they are asked for in another thread than the check runs in.
    """

    def __init__(self, fail: bool = False) -> None:
        self.given = 0
        self.elsewhere = False
        self.held = False  # by a reader that had all of a block and did not give it
        self._fail = fail
        self._thread = threading.get_ident()
        self._news = threading.Condition()
        self._seen = 0  # bytes
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        self.elsewhere = threading.get_ident() != self._thread
        sent = 0
        for block in _BLOCKS:
            if not self._read_up_to(sent):
                return
            self.given += 1
            sent += len(block)
            yield block
        if self._fail and self._read_up_to(sent):
            raise _Lost("the connection has gone")

    def _read_up_to(self, sent: int) -> bool:
        """Wait until the check has that many bytes; return whether to continue."""
        if self.elsewhere and not self.held:
            with self._news:
                self.held = not self._news.wait_for(lambda: self._over or self._seen >= sent, _PATIENCE)
        return not self._over

    def saw(self, block: Any) -> Any:
        """Note that the check has this block, and return it."""
        with self._news:
            self._seen += len(block or b"")
            self._news.notify()
        return block

    def stop(self) -> None:
        """Stop: nothing more is read from here."""
        with self._news:
            self._over = True
            self._news.notify()

    def check_first(self, first: object, boundaries: bool) -> None:
        assert first, "the first block arrives, and is not empty"
        assert type(first) is bytes, f"a block is bytes, not {type(first).__name__}"
        assert self.elsewhere or not boundaries or self.given <= 1, _LIVE

    def check_all(self, came: list[bytes], boundaries: bool) -> None:
        assert b"".join(came) == b"".join(_BLOCKS), "every byte arrives, in order and unchanged"
        assert not self.held, _LIVE
        assert all(came), "no block is empty"
        assert not boundaries or came == list(_BLOCKS), "every block arrives as it was"

    def check_lost(self, error: Exception | None) -> None:
        # Over a network, the client has its own words for a connection that broke.
        lost = (
            isinstance(error, Exception) and not isinstance(error, MisuseError) if self.elsewhere else _is_lost(error)
        )
        assert lost, "a connection that breaks is an error, not an end"


def check_source(make_source: Callable[[Iterable[bytes]], Any], *, boundaries: bool = True) -> None:
    """Check that a source returns what it is made of, as a source of blocks has to; raise `AssertionError` otherwise.

    `make_source(given)`: a new source over the blocks of `given`. `boundaries`: whether each block must arrive as it is;
    False for sources that cut the bytes again, such as one that unpacks gzip.
    """
    feed = _Feed()
    found = blocks(make_source(feed))
    try:
        first = feed.saw(next(found, None))
        feed.check_first(first, boundaries)
        feed.check_all([first, *(feed.saw(block) for block in found)], boundaries)
        assert next(found, None) is None, "what has ended stays ended"
    finally:
        feed.stop()
        found.close()
    found.close()

    feed, came, error = _Feed(fail=True), [], None
    try:
        found = blocks(make_source(feed))
    except Exception as raised:  # it could be made before, so this is the connection that broke
        feed.stop()
        raise AssertionError(_LAZY) from raised
    try:
        for block in found:
            came.append(feed.saw(block))
    except Exception as raised:
        error = raised
    finally:
        feed.stop()
        found.close()
    feed.check_lost(error)
    feed.check_all(came, boundaries)

    feed = _Feed()
    found = blocks(make_source(feed))
    try:
        next(found)
        given = feed.given
        found.close()
        assert feed.given == given, "closing drains nothing"
        assert next(found, None) is None, "what was closed has ended"
    finally:
        feed.stop()


async def check_async_source(make_source: Callable[[Iterable[bytes]], Any], *, boundaries: bool = True) -> None:
    """Check an async source, like `check_source`; `given` is a plain iterable all the same. `make_source` may be async."""
    feed = _Feed()
    found = async_blocks(await _made(make_source(feed)))
    try:
        first = feed.saw(await anext(found, None))
        feed.check_first(first, boundaries)
        feed.check_all([first, *[feed.saw(block) async for block in found]], boundaries)
        assert await anext(found, None) is None, "what has ended stays ended"
    finally:
        feed.stop()
        await found.aclose()
    await found.aclose()

    feed, came, error = _Feed(fail=True), [], None
    try:
        found = async_blocks(await _made(make_source(feed)))
    except Exception as raised:  # it could be made before, so this is the connection that broke
        feed.stop()
        raise AssertionError(_LAZY) from raised
    try:
        async for block in found:
            came.append(feed.saw(block))
    except Exception as raised:
        error = raised
    finally:
        feed.stop()
        await found.aclose()
    feed.check_lost(error)
    feed.check_all(came, boundaries)

    feed = _Feed()
    found = async_blocks(await _made(make_source(feed)))
    try:
        await anext(found)
        given = feed.given
        await found.aclose()
        assert feed.given == given, "closing drains nothing"
        assert await anext(found, None) is None, "what was closed has ended"
    finally:
        feed.stop()


async def _made(source: Any) -> Any:
    return await source if inspect.iscoroutine(source) else source


def _is_lost(error: BaseException | None) -> bool:
    """Return whether an error is, or comes from, the one that broke the connection."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, _Lost):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
