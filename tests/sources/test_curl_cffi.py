"""What is different about responses of curl_cffi: what waits for what when one is closed early. What all clients have
in common is in test_clients_sync.py and test_clients_async.py."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from helpers.loopback import EVENTS, PATIENCE, TEXT, Loopback
from helpers.loopback_async import by_curl_cffi as by_curl_cffi_async
from helpers.loopback_sync import by_curl_cffi
from streamkit import AsyncChatStream, ChatStream, MisuseError
from streamkit.sources import async_blocks, blocks


def test_leaving_does_not_wait_for_a_silent_sender() -> None:
    with Loopback() as server, by_curl_cffi(server) as response, ChatStream(response) as stream:
        next(stream)
        stream.close()
        assert not response.stream_task.done()  # so it is here before the sender said anything more
        server.saw(EVENTS[0])  # which it does now
        response.stream_task.result(PATIENCE)


def test_leaving_ends_the_transfer_of_an_async_response() -> None:
    async def main() -> None:
        with Loopback() as server:
            async with by_curl_cffi_async(server) as response:
                async with AsyncChatStream(response) as stream:
                    await anext(stream)
                assert response.astream_task.cancelled()
                assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)

    anyio.run(main)


def test_a_response_that_was_read_already_is_read_again() -> None:
    curl_cffi = pytest.importorskip("curl_cffi")
    with Loopback(body=b"".join(EVENTS)) as server, curl_cffi.Session(trust_env=False) as session:
        response = session.get(server.url)
        assert TEXT == "".join(ChatStream(response).text())
        assert [b"".join(EVENTS)] == list(blocks(response))


def test_a_response_that_was_already_read_is_misuse() -> None:
    with Loopback(body=b"".join(EVENTS)) as server, by_curl_cffi(server) as response:
        assert b"".join(EVENTS) == b"".join(response.iter_content())
        with pytest.raises(MisuseError, match="already read"):
            blocks(response)


def test_the_response_of_the_other_side_is_refused_with_what_to_do() -> None:
    async def main() -> None:
        with Loopback(body=b"".join(EVENTS)) as server:
            async with by_curl_cffi_async(server) as response:
                with pytest.raises(MisuseError, match="AsyncChatStream"):
                    blocks(response)
                assert TEXT == "".join([piece async for piece in AsyncChatStream(response).text()])
        with Loopback(body=b"".join(EVENTS)) as server, by_curl_cffi(server) as other:
            with pytest.raises(MisuseError, match="block the event loop"):
                async_blocks(other)
            assert TEXT == "".join(ChatStream(other).text())

    anyio.run(main)


def test_its_packed_bodies_are_gone_once_it_gives_them() -> None:
    with Loopback(encoding="gzip") as server, by_curl_cffi(server) as response:
        with pytest.raises(MisuseError, match="unpack=False"):
            blocks(response, unpack=False)
        found: list[Any] = []
        for block in blocks(response):
            found.append(block)
            server.saw(block)
        assert list(EVENTS) == found
