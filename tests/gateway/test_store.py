"""Stores keep their promises: numbers without gaps, one writer, bases that bound what is kept, appends that count once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from helpers.loopback import PATIENCE
from streamkit import MisuseError

gateway = pytest.importorskip("streamkit.gateway", exc_type=ImportError)
Entry, Lease, LeaseLostError = gateway.Entry, gateway.Lease, gateway.LeaseLostError
MemoryStore, RedisStore = gateway.MemoryStore, gateway.RedisStore

Test = Callable[[Any], Awaitable[None]]


def run(store: Any, test: Test) -> None:
    async def main() -> None:
        try:
            await test(store)
        finally:
            await store.aclose()

    asyncio.run(main())


def chunk(text: str) -> Any:
    return Entry("chunk", text.encode())


def said(entries: Any) -> list[tuple[int, str, bytes]]:
    return [(one.number, one.kind, one.data) for one in entries]


async def until(seconds: float) -> None:
    """Let a lease run out, which nothing else can."""
    await asyncio.sleep(seconds)


def test_entries_are_numbered_from_1_and_read_after_any_of_them(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        assert 2 == await store.append(lease, 0, [chunk("a"), chunk("b")], 60)
        assert 3 == await store.append(lease, 2, [Entry("end", b"{}")], 60)
        for after in range(4):
            page = await store.read("k", lease.log, after)
            assert [1, 2, 3][after:] == [one.number for one in page.entries]
            assert (False, 3, True, 0) == (page.fresh, page.last, page.over, page.lease)

    run(new_store(), test)


def test_there_is_one_writer_until_it_gives_the_lease_back(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        first = await store.claim("k", 60)
        second = await store.claim("k", 60)
        assert second.lease is None
        assert 0 < second.busy <= 60
        await store.append(first.lease, 0, [chunk("a")], 60)
        await store.release(first.lease)
        third = await store.claim("k", 60)
        assert [(1, "chunk", b"a")] == said(third.entries)
        with pytest.raises(LeaseLostError):
            await store.append(first.lease, 1, [chunk("b")], 60)
        with pytest.raises(LeaseLostError):
            await store.renew(first.lease, 60)
        await store.release(first.lease)  # of one that was lost: nothing
        assert 2 == await store.append(third.lease, 1, [chunk("b")], 60)

    run(new_store(), test)


def test_a_lease_that_ran_out_is_another_writers(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        first = await store.claim("k", 0.02)
        async with asyncio.timeout(PATIENCE):
            while (second := await store.claim("k", 60)).lease is None:
                await until(second.busy)
        assert second.lease.token > first.lease.token
        with pytest.raises(LeaseLostError):
            await store.append(first.lease, 0, [chunk("a")], 60)

    run(new_store(), test)


def test_a_writer_that_was_paused_goes_on_where_nobody_took_its_lease(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 0.02)).lease
        async with asyncio.timeout(PATIENCE):
            while (page := await store.read("k", "", 0)).lease:
                await until(page.lease)
        assert 1 == await store.append(lease, 0, [chunk("a")], 60)
        assert (await store.claim("k", 60)).lease is None

    run(new_store(), test)


def test_a_log_that_ended_has_no_writer_any_more(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        await store.append(lease, 0, [chunk("a"), Entry("end", b"{}")], 60)
        claim = await store.claim("k", 60)
        assert (None, True, 2) == (claim.lease, claim.over, claim.last)
        assert [(1, "chunk", b"a"), (2, "end", b"{}")] == said(claim.entries)
        with pytest.raises(LeaseLostError):
            await store.append(lease, 2, [chunk("b")], 60)

    run(new_store(), test)


def test_what_stands_before_the_last_but_one_base_is_dropped(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        last = 0
        for number in range(1, 4):  # 1 chunk, 2 base, 3 chunk, 4 base, 5 chunk, 6 base
            rows = [chunk(f"c{number}"), Entry("base", f"b{number}".encode(), b"checkpoint")]
            last = await store.append(lease, last, rows, 60)
        last = await store.append(lease, last, [chunk("c4")], 60)
        kept = [(5, "chunk", b"c3"), (6, "base", b"b3"), (7, "chunk", b"c4")]
        page = await store.read("k", lease.log, 4)
        assert (kept, False) == (said(page.entries), page.fresh)
        page = await store.read("k", lease.log, 2)  # 3 is gone: begins again
        assert (kept[1:], True) == (said(page.entries), page.fresh)
        page = await store.read("k", "", 0)
        assert (kept[1:], True) == (said(page.entries), page.fresh)
        await store.release(lease)
        claim = await store.claim("k", 60)
        assert (kept[1:], b"checkpoint", 7) == (said(claim.entries), claim.entries[0].checkpoint, claim.last)

    run(new_store(), test)


@pytest.mark.parametrize("after", [8, 10**15])
def test_a_number_that_is_not_there_yet_begins_again(new_store: Callable[..., Any], after: int) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        await store.append(lease, 0, [chunk("a")], 60)
        page = await store.read("k", lease.log, after)
        assert (True, [1]) == (page.fresh, [one.number for one in page.entries])

    run(new_store(), test)


def test_another_log_under_the_same_key_has_another_name(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        assert lease.log != (await store.claim("other", 60)).lease.log
        page = await store.read("k", "other", 0)
        assert (True, lease.log) == (page.fresh, page.log)
        assert await store.read("nothing", "", 0) is None

    run(new_store(), test)


def test_a_page_is_bounded_and_says_that_there_is_more(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        await store.append(lease, 0, [chunk("x")] * 1000, 60)
        after, sizes = 0, []
        while after < 1000:
            page = await store.read("k", lease.log, after)
            sizes.append(len(page.entries))
            assert list(range(after + 1, after + sizes[-1] + 1)) == [one.number for one in page.entries]
            after += sizes[-1]
        assert [256, 256, 256, 232] == sizes

    run(new_store(), test)


def test_one_who_waits_is_woken_by_an_append_and_by_a_release(new_store: Callable[..., Any]) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        async with store.watch("k") as first, store.watch("k") as second, store.watch("other") as third:
            last = 0
            for step in range(3):
                page = await store.read("k", lease.log, last)
                assert () == page.entries

                async def change(step: int = step, last: int = last) -> None:
                    if step < 2:
                        await store.append(lease, last, [chunk("a")], 60)
                    else:
                        await store.release(lease)

                task = asyncio.create_task(change())
                async with asyncio.timeout(PATIENCE):  # a subscription may wake one for nothing, as it begins
                    while step < 2 and (await store.read("k", lease.log, last)).last == last:
                        await first(PATIENCE)
                        await second(PATIENCE)
                    while step == 2 and (await store.read("k", lease.log, last)).lease:
                        await first(PATIENCE)
                await task
                last += step < 2
            await third(0.01)

    run(new_store(), test)


def test_an_append_whose_reply_was_lost_counts_once(redis_url: str) -> None:
    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        for _ in range(2):
            assert 2 == await store.append(lease, 0, [chunk("a"), chunk("b")], 60)
        assert [(1, "chunk", b"a"), (2, "chunk", b"b")] == said((await store.read("k", "", 0)).entries)
        with pytest.raises(LeaseLostError):
            await store.append(lease, 0, [chunk("a")], 60)

    run(RedisStore(redis_url, prefix="once"), test)


def test_a_connection_for_changes_that_is_cut_is_made_again(redis_url: str) -> None:
    from redis import asyncio as redis

    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        client = redis.from_url(redis_url)
        async with store.watch("k") as changed, client:
            await changed(0.05)
            await client.client_kill_filter(_type="pubsub")
            task = asyncio.create_task(store.append(lease, 0, [chunk("a")], 60))
            async with asyncio.timeout(PATIENCE):
                while not (await store.read("k", lease.log, 0)).entries:
                    await changed(PATIENCE)
            await task

    run(RedisStore(redis_url, prefix="cut"), test)


def test_keys_expire_in_redis(redis_url: str) -> None:
    from redis import asyncio as redis

    async def test(store: Any) -> None:
        lease = (await store.claim("k", 60)).lease
        await store.append(lease, 0, [chunk("a")], 60)
        async with redis.from_url(redis_url) as client:
            keys = await client.keys("expiring:*")
            left = {key: await client.pttl(key) for key in keys}
        assert {b"expiring:{k}:log", b"expiring:{k}:entries", b"expiring:{k}:lease"} == set(left)
        assert all(0 < one <= 60_000 for one in left.values()), left

    run(RedisStore(redis_url, prefix="expiring", expiry=30), test)


def test_logs_in_memory_are_dropped_an_hour_after_their_last_change() -> None:
    now = [0.0]

    async def test(store: Any) -> None:
        await store.append((await store.claim("old", 10)).lease, 0, [Entry("end", b"{}")], 10)
        await store.claim("dead", 10)
        now[0] = 3000.0
        lease = (await store.claim("young", 10)).lease
        now[0] = 3601.0
        await store.claim("another", 10)
        assert [None, None] == [await store.read(key, "", 0) for key in ("old", "dead")]
        assert (await store.read("young", lease.log, 0)).fresh is False

    run(MemoryStore(clock=lambda: now[0]), test)


@pytest.mark.parametrize("value", [None, True, 0, -1, "1", float("nan"), float("inf")])
def test_an_expiry_is_a_number_of_seconds(value: Any) -> None:
    with pytest.raises(MisuseError, match="expiry= takes seconds"):
        MemoryStore(expiry=value)


@pytest.mark.parametrize("value", [None, 5, "127.0.0.1", "http://a", object()])
def test_a_redis_is_a_url_or_a_client(value: Any) -> None:
    pytest.importorskip("redis")
    with pytest.raises(MisuseError, match=r"RedisStore takes a URL"):
        RedisStore(value)


def test_a_client_that_decodes_is_refused() -> None:
    redis = pytest.importorskip("redis.asyncio")
    with pytest.raises(MisuseError, match="decode_responses"):
        RedisStore(redis.from_url("redis://127.0.0.1:1", decode_responses=True))
