"""One stream, many readers, in any process: what a writer and the readers of a log do.

    shared = SharedStreams(RedisStore("redis://127.0.0.1:6379"))       # MemoryStore() for one process, the default
    await shared.start(key, response)                                  # reads it to its end, in a task of this worker
    app = shared                                                       # GET /KEY: its events, in any worker

In: a source for each key. Out: server-sent events for any number of readers, see `_wire.py`. A reader that arrives late gets
a snapshot or what was said so far, and one that arrives again, with `Last-Event-ID`, what it missed: each event once, in
order. Cost: a reader holds one page of the log at a time, and nothing is kept for it between two.

Rule 1  The writer reads at the pace of the source, whatever its readers do: one that is slow misses nothing, and gets a
        snapshot where the log has been folded since.
Rule 2  A key is the right to read: make it hard to guess (`new_key`), or check who asks before `serve`.
Rule 3  Where a writer is gone (its lease ran out), a reader waits for `takeover` seconds for another, then ends the log: truncated,
        reason `writer_lost`. So readers never wait for a worker that was killed.
Rule 4  A reader whose `Last-Event-ID` is that of the end gets 204, as does one for a key that is not there any more: this is what
        stops an `EventSource` that nobody closed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import attrs

from streamkit import Accumulator, Dialect, Limits, MisuseError, Outcome, TruncatedError, dumps
from streamkit.forwarding import Receive, Send, refuse, serve_lifespan, until_left
from streamkit.sources import AsyncBlocks, async_blocks, end_stream
from streamkit.types import CreateChatCompletionResponse

from ._log import log as logger
from ._memory import MemoryStore, check_seconds
from ._store import CannotResumeError, Claim, Entry, LeaseLostError, Store
from ._wire import PING, RETRY, frames, parse_id, said_of
from ._writer import LogWriter, folded

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ("Answer", "SharedStreams", "new_key")

LEASE = 15.0  # seconds: three renewals may be late before another worker takes over
KEEP = 64 * 1024  # bytes of chunks, some 300 of them: a reader that was away for some seconds gets what it missed
LONGEST_KEY = 256  # characters
PING_EVERY = 15.0  # seconds: proxies close what was silent for 30 to 60
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx collects 4 kB of an answer otherwise
]

_LOOK = 0.1  # seconds between two looks of a worker whether another one is over
_METHODS = ("claim", "renew", "append", "release", "read", "watch", "aclose")  # of a store

Open = Callable[[int], Awaitable[Any]]


@attrs.frozen
class Answer:
    """A shared stream that is over."""

    outcome: Outcome
    """How it ended. Of one that another worker read, `outcome.error` has the message, `kind` and `retryable`, nothing else."""
    response: CreateChatCompletionResponse | None
    """The response, as far as it arrived; None where nothing did."""


def new_key() -> str:
    """Return a key that nobody guesses: 128 random bits, fit for a path."""
    return secrets.token_urlsafe(16)


class SharedStreams:
    """Serves streams to many readers; an ASGI app that answers `GET …/KEY`.

    `store`: where they are kept; a new `MemoryStore` by default, which only this process sees. `lease`: seconds after which a
    writer that reports nothing is taken for dead (15). `takeover`: seconds for which readers then wait for another writer (0: they
    get the end at once); set it where you call `ensure` in several workers. `keep`: bytes of chunks that are kept for readers
    that return, at least (64 kB). `ping`: seconds between comments while the sender is silent (15). `limits`, `dialect`: as those of
    an `Accumulator`.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        lease: float = LEASE,
        takeover: float = 0.0,
        keep: int = KEEP,
        ping: float = PING_EVERY,
        limits: Limits | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        check_seconds("lease", lease)
        check_seconds("ping", ping)
        if takeover != 0 or isinstance(takeover, bool):
            check_seconds("takeover", takeover)
        if not isinstance(keep, int) or isinstance(keep, bool) or keep < 0:
            raise MisuseError(f"keep= takes a number of bytes, not {keep!r}")
        if store is not None and not all(callable(getattr(store, name, None)) for name in _METHODS):
            raise MisuseError(
                f"store= takes a MemoryStore, a RedisStore or a Store of yours, not {type(store).__name__}"
            )
        self._reading: dict[str, Any] = {
            "limits": Limits() if limits is None else limits,
            "dialect": Dialect() if dialect is None else dialect,
        }
        Accumulator(**self._reading)  # which refuses what is none of these, here instead of in the first stream
        self._store: Store = MemoryStore() if store is None else store
        self._lease, self._takeover, self._keep, self._ping = lease, takeover, keep, ping
        self._tasks: set[asyncio.Task[Answer]] = set()

    def __repr__(self) -> str:
        return f"<SharedStreams in {self._store!r} running={len(self._tasks)}>"

    # --- writing

    async def reserve(self, key: str) -> None:
        """Make a key known before a worker has it: readers find it, and wait for a writer for `takeover` seconds."""
        _check_key(key)
        claim = await self._store.claim(key, self._lease)
        if claim.lease is not None:
            await self._store.release(claim.lease)

    async def publish(self, key: str, source: Any) -> Answer:
        """Read an async source to its end for the readers of a new key; return what it made.

        Raises `MisuseError` for a key that was used before. What the source raises is an outcome, as for an accumulator. Where
        it is cancelled, the stream ends as cancelled.
        """
        return await self._publish(await self._begin(key), source)

    async def start(self, key: str, source: Any) -> asyncio.Task[Answer]:
        """Do what `publish` does, in a task: when this returns readers find the key. Cancel the task to stop the stream. Needs
        asyncio."""
        claim = await self._begin(key)
        task = asyncio.get_running_loop().create_task(self._publish(claim, source))
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    async def ensure(self, key: str, open: Open, *, resumes: bool = True) -> Answer:
        """See that the stream of a key is read to its end, by this worker or by another; return what it made.

        `open`: a coroutine function that is called with a number of bytes, and returns a source that begins after that number of
        bytes of the stream, unpacked. It is called where no other worker reads the stream: at first, and where the one that did is
        gone. Any number of workers may call this for one key, and again when the stream is over, which returns what it made.

        `open` raises `CannotResumeError` where the upstream has the stream no longer: it is called again, with 0. Whatever else it
        raises is the end of the stream, as an error of the source is: one that finds its upstream busy tries again itself.

        `resumes=False`: for an upstream that cannot resume in the middle. `open` is called with 0 and sends the request again.
        Where the second answer differs from the first, readers get a snapshot that replaces what they have.

        Where this is cancelled, the next worker continues at once.
        """
        if not callable(open):
            raise MisuseError(f"open= takes a coroutine function of a number of bytes, not {type(open).__name__}")
        if not isinstance(resumes, bool):
            raise MisuseError(f"resumes= takes True or False, not {resumes!r}")
        _check_key(key)
        async with self._store.watch(key) as changed:
            while True:
                claim = await self._store.claim(key, self._lease)
                if claim.over:
                    return _answer(claim)
                if claim.lease is None:
                    await changed(claim.busy + 0.001)
                    await anyio.sleep(min(_LOOK, self._lease / 10))  # not at each change
                elif (answer := await self._write(claim, open, durable=True, resumes=resumes)) is not None:
                    return answer

    async def aclose(self) -> None:
        """Cancel the tasks of `start`, which ends their streams as cancelled, and close the store. A server's shutdown does so."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:  # which asyncio has
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.aclose()

    async def _begin(self, key: str) -> Claim:
        _check_key(key)
        claim = await self._store.claim(key, self._lease)
        if claim.lease is None or claim.last:
            if claim.lease is not None:
                await self._store.release(claim.lease)
            raise MisuseError(f"the key {key!r} was used before: each stream has a new one, see new_key()")
        return claim

    async def _publish(self, claim: Claim, source: Any) -> Answer:
        async def open(_: int) -> Any:
            return source

        answer = await self._write(claim, open, durable=False, resumes=False)
        if answer is None:
            raise LeaseLostError(
                f"this worker was silent for more than {self._lease} seconds, and a reader ended the stream"
            )
        return answer

    async def _write(self, claim: Claim, open: Open, *, durable: bool, resumes: bool) -> Answer | None:
        """Read what `open` returns into the log; None where the lease was lost."""
        options: dict[str, Any] = {"lease": self._lease, "keep": self._keep, "resumes": resumes}
        writer = LogWriter(self._store, claim, **options, **self._reading)
        lost, failure, done = False, None, False
        try:
            async with anyio.create_task_group() as tasks:

                async def beat() -> None:
                    nonlocal lost
                    while not lost:
                        await anyio.sleep(self._lease / 3)
                        try:
                            await writer.renew()
                        except LeaseLostError:
                            lost = True
                            tasks.cancel_scope.cancel()
                        except Exception as error:  # the store does not answer: the next append says so, if it lasts
                            logger.warning("the lease was not renewed: %s: %s", type(error).__name__, error)

                tasks.start_soon(beat)
                try:
                    await self._read(writer, open)
                    done = True
                except LeaseLostError:
                    lost = True
                except Exception as error:
                    failure = error
                tasks.cancel_scope.cancel()
        finally:
            if not done and not lost:
                with anyio.CancelScope(shield=True):
                    await self._leave(writer, durable)
        if failure is not None:
            raise failure
        outcome = writer.accumulator.outcome
        if lost or outcome is None:
            return None
        return Answer(attrs.evolve(outcome, events=()), writer.response)

    async def _read(self, writer: LogWriter, open: Open) -> None:
        blocks: AsyncBlocks | None = None
        try:
            try:
                blocks = async_blocks(await _opened(writer, open))
                writer.check(blocks)
            except MisuseError:
                raise
            except Exception as error:
                end_stream(writer.accumulator, error)
            accumulator = writer.accumulator
            while accumulator.outcome is None:
                assert blocks is not None
                try:
                    block = await blocks.__anext__()
                except StopAsyncIteration:
                    end_stream(accumulator, status=blocks.status)
                except MisuseError:
                    raise
                except Exception as error:
                    end_stream(accumulator, error, status=blocks.status)
                else:
                    await writer.take(block, blocks.chunks)
            await writer.end(accumulator.close())
        finally:
            if blocks is not None:
                with anyio.CancelScope(shield=True):
                    await blocks.aclose()

    async def _leave(self, writer: LogWriter, durable: bool) -> None:
        """Give the log up: for the next worker, or else as cancelled."""
        try:
            with anyio.move_on_after(self._lease):
                if durable:
                    await self._store.release(writer.lease)
                else:
                    await writer.end(writer.accumulator.cancel())
        except Exception as error:  # the lease runs out by itself
            logger.warning("a log was not given back: %s: %s", type(error).__name__, error)

    def _over(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a shared stream was not read to its end", exc_info=error)

    # --- reading

    async def events(self, key: str, last_event_id: str = "") -> AsyncIterator[bytes]:
        """Yield the server-sent events of a key as bytes, from the one after `last_event_id` on, to the end; nothing for a key that
        is not there. Close it (`aclose`) where you leave it early."""
        _check_key(key)
        log, after = parse_id(last_event_id)
        had, first, alone = bool(log), True, None
        async with self._store.watch(key) as changed:
            while (page := await self._store.read(key, log, after)) is not None:
                said = frames(page, had)
                had = had or bool(page.entries)
                log, after = page.log, page.entries[-1].number if page.entries else page.last
                if said or first:
                    yield RETRY + said if first else said
                first = False
                if after < page.last:
                    continue
                if page.over:
                    return
                left = page.lease
                if not left:
                    now = time.monotonic()
                    alone = now if alone is None else alone
                    left = self._takeover - (now - alone)
                    if left <= 0:
                        await self._abandon(key)
                        continue
                else:
                    alone = None
                until = time.monotonic() + min(left + 0.001, self._ping)
                await changed(min(left + 0.001, self._ping))
                if time.monotonic() >= until:
                    yield PING

    async def _abandon(self, key: str) -> None:
        """End a log whose writer is gone, unless another one has taken it meanwhile."""
        claim = await self._store.claim(key, self._lease)
        if claim.lease is None:
            return
        response, _ = folded(claim.entries)
        error = TruncatedError("the worker that read the stream is gone", partial=response)
        said = said_of(Outcome("truncated", "writer_lost", error))
        whole = b"null" if response is None else dumps(response)
        try:
            await self._store.append(
                claim.lease, claim.last, [Entry("snapshot", whole), Entry("end", said)], self._lease
            )
        except LeaseLostError:
            return

    # --- serving

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve `GET …/KEY`, as ASGI 3 says: mount it below a path of your choice."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.aclose)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["method"] != "GET":
            await refuse(send, 405, "a shared stream is read by GET", headers=[(b"allow", b"GET")])
        else:
            await self.serve(scope["path"].rpartition("/")[2], scope, receive, send)

    async def serve(self, key: str, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request with the events of `key`, as ASGI 3 says. `Last-Event-ID`, or `?last_event_id=` for a page that was
        reloaded, says what the reader has."""
        said = _last_event_id(scope)
        log, after = parse_id(said)
        page = await self._store.read(key, log, after) if _is_key(key) else None
        if page is None:
            if log:
                return await _stop(send)
            return await refuse(send, 404, "there is no such stream, or not any more")
        if page.over and not page.fresh and not page.entries:
            return await _stop(send)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as answering:
                tasks.start_soon(until_left, receive, answering)
                try:
                    await self._send(key, said, send)
                except OSError:  # ASGI 2.4: what a server raises where the client has left
                    logger.debug("a reader left", exc_info=True)
                except Exception as error:  # of the store: the connection breaks off, and the reader returns
                    failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _send(self, key: str, said: str, send: Send) -> None:
        events = self.events(key, said)
        try:
            async for some in events:
                await send({"type": "http.response.body", "body": some, "more_body": True})
        finally:
            with anyio.CancelScope(shield=True):
                await events.aclose()  # type: ignore[attr-defined]
        await send({"type": "http.response.body", "body": b""})

    def response(self, key: str) -> Response:
        """Return the events of a key as a response of Starlette, to be returned by an endpoint of it or of FastAPI."""
        try:
            from starlette.responses import Response
        except ImportError as error:
            raise ImportError("SharedStreams.response needs starlette: pip install starlette") from error
        shared = self

        class Events(Response):
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await shared.serve(key, scope, receive, send)
                if self.background is not None:
                    await self.background()

        return Events(media_type="text/event-stream")


async def _opened(writer: LogWriter, open: Open) -> Any:
    try:
        return await open(writer.offset)
    except CannotResumeError:
        if not writer.offset:
            raise
    writer.begin_again()
    return await open(0)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and key.isprintable()


def _check_key(key: object) -> None:
    if not _is_key(key):
        raise MisuseError(
            f"a key is a text of 1 to {LONGEST_KEY} printable characters, see new_key(), not {key!r:.200}"
        )


def _answer(claim: Claim) -> Answer:
    response, outcome = folded(claim.entries)
    assert outcome is not None
    return Answer(outcome, response)


def _last_event_id(scope: Mapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name.lower() == b"last-event-id":
            return bytes(value).decode("latin-1")
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return str(query.get("last_event_id", [""])[0])


async def _stop(send: Send) -> None:
    """Answer 204, at which an `EventSource` does not connect again (HTML, Section 9.2.3)."""
    await send({"type": "http.response.start", "status": 204, "headers": [(b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": b""})
