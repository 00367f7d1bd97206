"""Shared streams kept in Redis: any worker process writes, any worker serves readers. Redis 6.2 or newer; the extra `redis`.

    store = RedisStore("redis://127.0.0.1:6379/0")

For each log three keys: `PREFIX:{KEY}:log` (a hash: its name, the last number ...), `:entries` (a
Redis stream, whose ids are the numbers) and `:lease` (which Redis lets expire). What belongs together is one script, so that
no reader and no crash sees a half of it. A change is published; each process listens on one connection for all its readers.
A message that is lost there costs a reader a few seconds, and no entry: it reads again when its keep-alive is due.

Cost: one round trip an append, one a read; readers in one process that are at the same place share it. Bytes of a log as `Store` has them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from streamkit import MisuseError

from ._memory import EXPIRY, PAGE, check_seconds
from ._store import Claim, Entry, Lease, LeaseLostError, Page, Wait

__all__ = ("RedisStore",)

_NEEDS = 'RedisStore needs redis: pip install "streamkit-llm[redis]"'
_AGAIN = 1.0  # seconds before a lost connection for changes is made again

# Returns the log's name, token (0: not taken), last number, milliseconds of another's lease, entries.
_CLAIM = """
local h = redis.call('HMGET', KEYS[1], 'log', 'last', 'base', 'over')
if not h[1] then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'log', ARGV[1], 'token', 0, 'last', 0, 'first', 1, 'base', 0, 'over', 0)
  h = {ARGV[1], '0', '0', '0'}
end
local over = h[4] == '1'
local left = redis.call('PTTL', KEYS[3])
if left > 0 and not over then return {h[1], 0, tonumber(h[2]), left, {}} end
local token = 0
if not over then
  token = redis.call('HINCRBY', KEYS[1], 'token', 1)
  redis.call('SET', KEYS[3], token, 'PX', ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {h[1], token, tonumber(h[2]), 0, redis.call('XRANGE', KEYS[2], math.max(tonumber(h[3]), 1) .. '-0', '+')}
"""

# Returns the new last number; -1 where the lease was lost. ARGV: log, token, after, lease, expiry, channel, entries.
_APPEND = """
local h = redis.call('HMGET', KEYS[1], 'log', 'token', 'last', 'first', 'base', 'over')
if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return -1 end
local last, first, base, over = tonumber(h[3]), tonumber(h[4]), tonumber(h[5]), 0
local count = (#ARGV - 6) / 3
if count > 0 and last == tonumber(ARGV[3]) + count then return last end
if (count > 0 and last ~= tonumber(ARGV[3])) or h[6] == '1' then return -1 end
for at = 7, #ARGV, 3 do
  last = last + 1
  local kind = ARGV[at]
  redis.call('XADD', KEYS[2], last .. '-0', 'k', kind, 'd', ARGV[at + 1], 'c', ARGV[at + 2])
  if kind == 'base' or kind == 'snapshot' then
    if base > 0 then
      redis.call('XTRIM', KEYS[2], 'MINID', base .. '-0')
      first = base
    end
    base = last
  end
  if kind == 'end' then over = 1 end
end
redis.call('HSET', KEYS[1], 'last', last, 'first', first, 'base', base, 'over', over)
if over == 1 then redis.call('DEL', KEYS[3]) else redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[4]) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if count > 0 then redis.call('PUBLISH', ARGV[6], last) end
return last
"""

# Returns whether the lease was held. ARGV: log, token, channel.
_RELEASE = """
local h = redis.call('HMGET', KEYS[1], 'log', 'token')
if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('PUBLISH', ARGV[3], 0)
return 1
"""

# Returns the log's name, last number, whether fresh, milliseconds of the lease, entries, whether over. ARGV: log, after, most.
_READ = """
local h = redis.call('HMGET', KEYS[1], 'log', 'last', 'first', 'base', 'over')
if not h[1] then return false end
local after, last = tonumber(ARGV[2]), tonumber(h[2])
local fresh = (h[1] ~= ARGV[1] or after < tonumber(h[3]) - 1 or after > last) and 1 or 0
local from = fresh == 1 and math.max(tonumber(h[4]), 1) or after + 1
local entries = from > last and {} or redis.call('XRANGE', KEYS[2], from .. '-0', '+', 'COUNT', ARGV[3])
return {h[1], last, fresh, math.max(redis.call('PTTL', KEYS[3]), 0), entries, tonumber(h[5])}
"""


class RedisStore:
    """Keeps logs in Redis. `redis`: a URL, or a client of `redis.asyncio`, which stays the caller's to close. `prefix`: begins
    the names of all keys. `expiry`: seconds for which a log is kept after its last change (an hour).

    Belongs to the event loop (asyncio) in which it is used first.
    """

    def __init__(self, redis: Any, *, prefix: str = "streamkit", expiry: float = EXPIRY) -> None:
        try:
            from redis import asyncio as library
        except ImportError as error:
            raise ImportError(_NEEDS) from error
        check_seconds("expiry", expiry)
        if not isinstance(prefix, str) or not prefix:
            raise MisuseError(f"prefix= takes a text that begins the names of keys, not {prefix!r}")
        self._own = isinstance(redis, str)
        if isinstance(redis, str):
            try:
                redis = library.from_url(redis)
            except ValueError as error:
                raise MisuseError(
                    f"RedisStore takes a URL like redis://127.0.0.1:6379/0, not {redis!r}: {error}"
                ) from None
        elif not isinstance(redis, library.Redis):
            raise MisuseError(f"RedisStore takes a URL or a client of redis.asyncio, not {type(redis).__name__}")
        if redis.connection_pool.connection_kwargs.get("decode_responses"):
            raise MisuseError("RedisStore takes a client that returns bytes: make it without decode_responses=True")
        self._redis = redis
        self._prefix, self._expiry = prefix, _milliseconds(expiry)
        self._claim, self._append = redis.register_script(_CLAIM), redis.register_script(_APPEND)
        self._release, self._read = redis.register_script(_RELEASE), redis.register_script(_READ)
        self._asked: dict[tuple[str, str, int], asyncio.Task[Page | None]] = {}  # reads that are not sent yet
        self._asking: set[asyncio.Task[Page | None]] = set()  # all that are under way: the loop keeps no task alive
        self._bells = _Bells(redis, f"{prefix}:listening")

    def __repr__(self) -> str:
        return f"<RedisStore prefix={self._prefix!r}>"

    async def claim(self, key: str, seconds: float) -> Claim:
        """Take the lease on the log of `key`, see `Store.claim`."""
        arguments = (secrets.token_hex(6), _milliseconds(seconds), self._expiry)
        name, token, last, left, rows = await self._claim(keys=self._keys(key), args=arguments)
        lease = Lease(key, name.decode(), token) if token else None
        return Claim(lease, last, _entries(rows), left / 1000)

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keep the lease, see `Store.renew`."""
        await self.append(lease, 0, (), seconds)

    async def append(self, lease: Lease, after: int, entries: Sequence[Entry], seconds: float) -> int:
        """Append entries, see `Store.append`."""
        key = lease.key
        head = (lease.log, lease.token, after, _milliseconds(seconds), self._expiry, self._channel(key))
        rows = [part for entry in entries for part in (entry.kind, entry.data, entry.checkpoint)]
        last = int(await self._append(keys=self._keys(key), args=[*head, *rows]))
        if last < 0:
            raise LeaseLostError(f"another writer has the lease on {key!r}, or the log is gone")
        return last

    async def release(self, lease: Lease) -> None:
        """Give the lease back, see `Store.release`."""
        arguments = (lease.log, lease.token, self._channel(lease.key))
        await self._release(keys=self._keys(lease.key), args=arguments)

    async def read(self, key: str, log: str, after: int) -> Page | None:
        """Return what follows, see `Store.read`. Readers that one change wakes ask the same: they share the answer."""
        asked = (key, log, after)
        task = self._asked.get(asked)
        if task is None:
            task = self._asked[asked] = asyncio.create_task(self._ask(asked))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return await asyncio.shield(task)  # one of them may leave

    async def _ask(self, asked: tuple[str, str, int]) -> Page | None:
        del self._asked[asked]  # a change may have been heard of since
        key, log, after = asked
        found = await self._read(keys=self._keys(key), args=(log, after, PAGE))
        if found is None:
            return None
        name, last, fresh, left, rows, over = found
        return Page(name.decode(), last, _entries(rows), bool(fresh), left / 1000, bool(over))

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[Wait]:
        """Notice changes, see `Store.watch`."""
        channel = self._channel(key)
        bell = await self._bells.hang(channel)

        async def wait(seconds: float) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await bell.wait()
            bell.clear()

        try:
            yield wait
        finally:
            await self._bells.take_down(channel, bell)

    async def aclose(self) -> None:
        """Stop listening, and close the client if a URL was passed."""
        await self._bells.aclose()
        if self._own:
            await self._redis.aclose()

    def _keys(self, key: str) -> tuple[str, str, str]:
        begin = f"{self._prefix}:{{{key}}}"
        return f"{begin}:log", f"{begin}:entries", f"{begin}:lease"

    def _channel(self, key: str) -> str:
        return f"{self._prefix}:{{{key}}}:changed"


class _Bells:
    """One connection for all channels that someone in this process waits for, and a bell for each who does."""

    def __init__(self, redis: Any, always: str) -> None:
        self._redis, self._always = redis, always  # a channel that keeps the connection waiting where there is no other
        self._bells: dict[bytes, set[asyncio.Event]] = {}
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()  # one command at a time on that connection

    async def hang(self, channel: str) -> asyncio.Event:
        """Return a bell that rings at each message; the channel is subscribed to when this returns or soon after."""
        bell = asyncio.Event()
        name = channel.encode()
        self._bells.setdefault(name, set()).add(bell)
        try:
            async with self._lock:
                if self._pubsub is None:
                    self._pubsub = self._redis.pubsub()
                    await self._pubsub.subscribe(self._always)
                await self._pubsub.subscribe(name)
                if self._task is None:
                    self._task = asyncio.create_task(self._listen())
        except BaseException:
            self._forget(name, bell)
            raise
        return bell

    async def take_down(self, channel: str, bell: asyncio.Event) -> None:
        """Forget a bell; leave the channel with the last one."""
        name = channel.encode()
        if self._forget(name, bell):
            with suppress(Exception):  # a connection that is lost is subscribed to nothing
                async with self._lock:
                    if name not in self._bells and self._pubsub is not None:
                        await self._pubsub.unsubscribe(name)

    def _forget(self, name: bytes, bell: asyncio.Event) -> bool:
        bells = self._bells.get(name, set())
        bells.discard(bell)
        if bells:
            return False
        self._bells.pop(name, None)
        return True

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=None)
                # A subscription rings too: what was published before it is to be read.
                for bell in self._bells.get(message["channel"], ()) if message else ():
                    bell.set()
            except Exception:  # the connection is lost: it is made again, with its channels, by the next look
                await asyncio.sleep(_AGAIN)
                for bell in [one for bells in self._bells.values() for one in bells]:
                    bell.set()

    async def aclose(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            await pubsub.aclose()


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)


def _entries(rows: Any) -> tuple[Entry, ...]:
    made = []
    for id, fields in rows:
        pairs = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
        number = int(id.partition(b"-")[0])
        made.append(Entry(pairs[b"k"].decode(), pairs[b"d"], pairs[b"c"], number))
    return tuple(made)
