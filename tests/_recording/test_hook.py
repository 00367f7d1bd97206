"""In a block, what httpx and httpx2 send is recorded or played; beside it, and after it, nothing is."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import streamkit
from helpers.loopback import CLIENT
from helpers.sender import Answer, Sender, said
from streamkit import MisuseError, TraceMissError, recording
from streamkit._recording import hook
from streamkit.trace import read_trace

httpx = pytest.importorskip("httpx")
GONE = "http://127.0.0.1:9/v1"  # the port "discard": nothing listens there
pytestmark = pytest.mark.usefixtures("long_grace")


@pytest.fixture
def sender() -> Iterator[Sender]:
    with Sender() as one:
        yield one


def question(content: str = "hello") -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}], "stream": True}


def by_httpx(url: str, content: str, name: str = "httpx") -> str:
    library = pytest.importorskip(name)
    with (
        library.Client(**CLIENT) as client,
        client.stream("POST", f"{url}/chat/completions", json=question(content)) as response,
    ):
        return text_of(streamkit.reassemble(response))


async def by_httpx_async(url: str, content: str, name: str = "httpx") -> str:
    library = pytest.importorskip(name)
    async with library.AsyncClient(**CLIENT) as client:
        response = await client.post(f"{url}/chat/completions", json=question(content))
        return text_of(streamkit.reassemble(response.content))


def by_openai(url: str, content: str, **options: Any) -> str:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="any", base_url=url, **options) as client:
        stream = client.chat.completions.create(**question(content))
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


async def by_openai_async(url: str, content: str, **options: Any) -> str:
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(api_key="any", base_url=url, **options) as client:
        stream = await client.chat.completions.create(**question(content))
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def by_langchain(url: str, content: str) -> str:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(model="m", api_key="any", base_url=url, streaming=True)
    return "".join(str(chunk.content) for chunk in model.stream(content))


def text_of(response: Any) -> str:
    return "".join(response.choices[0].message.content.split(" "))


Client = Callable[[str, str], str]
CLIENTS: dict[str, Client] = {
    "httpx": by_httpx,
    "httpx2": lambda url, content: by_httpx(url, content, "httpx2"),
    "httpx-async": lambda url, content: asyncio.run(by_httpx_async(url, content)),
    "httpx2-async": lambda url, content: asyncio.run(by_httpx_async(url, content, "httpx2")),
    "openai": by_openai,
    "openai-async": lambda url, content: asyncio.run(by_openai_async(url, content)),
    "langchain": by_langchain,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_is_recorded_and_played_without_a_change_of_its_code(
    client: str, sender: Sender, tmp_path: Path
) -> None:
    with recording(tmp_path / "s") as run:
        assert "yousaidhello" == CLIENTS[client](sender.url, "hello")
    assert 1 == len(sender.requests)
    assert "hello" == run.requests[0].request["messages"][0]["content"]  # type: ignore[index]
    assert [200] == [trace.status for trace in run.traces]
    assert ["yousaidhello"] == [one.choices[0].message.content for one in run.responses if one]
    (path,) = run.recorded
    assert ("eof", "transport", 6) == ((trace := read_trace(path)).end, trace.observed, len(trace.blocks))
    with recording(tmp_path / "s") as run:
        assert "yousaidhello" == CLIENTS[client](GONE, "hello")
    assert ((), (), 1) == (run.recorded, run.unplayed, len(run.replays))
    assert ["yousaidhello"] == [one.choices[0].message.content for one in run.responses if one]


def test_after_the_block_the_libraries_are_as_they_were(tmp_path: Path, sender: Sender) -> None:
    before = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request, threading.Thread.start
    with recording(tmp_path / "s"):
        assert before[0] is not httpx.HTTPTransport.handle_request
        by_httpx(sender.url, "a")
    assert before == (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        threading.Thread.start,
    )
    by_httpx(sender.url, "b")
    assert 2 == len(sender.requests)
    assert 1 == len([*(tmp_path / "s").iterdir()])


# --- modes


def test_none_never_sends(sender: Sender, tmp_path: Path) -> None:
    none = "none at all, and no such directory"
    with recording(tmp_path / "s", mode="none"), pytest.raises(TraceMissError, match=none):
        by_httpx(sender.url, "a")
    assert [] == sender.requests
    assert not (tmp_path / "s").exists()


def test_once_records_into_an_empty_directory_and_then_never_sends(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path, mode="once"):
        by_httpx(sender.url, "a")
        by_httpx(sender.url, "b")
    with recording(tmp_path, mode="once") as run:
        assert "yousaidb" == by_httpx(sender.url, "b")
        with pytest.raises(TraceMissError):
            by_httpx(sender.url, "c")
    assert (2, 1, 1) == (len(sender.requests), len(run.unplayed), len(run.misses))


def test_new_episodes_records_what_it_cannot_play(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path, mode="new_episodes"):
        by_httpx(sender.url, "a")
    with recording(tmp_path, mode="new_episodes") as run:
        for content in "aba":  # the second "a" is a request that was not recorded before
            assert f"yousaid{content}" == by_httpx(sender.url, content)
    assert ["a", "b", "a"] == [body["messages"][0]["content"] for body in sender.requests]
    assert (2, 3) == (len(run.recorded), len(run.traces))
    assert ["001-", "002-", "003-"] == [path.name[:4] for path in sorted(tmp_path.iterdir())]


def test_rewrite_replaces_all_that_was_there_at_the_end(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path):
        by_httpx(sender.url, "a")
        by_httpx(sender.url, "b")
    with recording(tmp_path, mode="rewrite") as run:
        by_httpx(sender.url, "c")
        assert ["eof"] == [trace.end for trace in run.traces]
    assert [*map(Path, run.recorded)] == [*tmp_path.iterdir()]
    assert "c" == read_trace(run.recorded[0]).request["messages"][0]["content"]  # type: ignore[index]


def test_a_rewrite_that_fails_has_replaced_nothing(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path):
        by_httpx(sender.url, "a")
    before = [*tmp_path.glob("*.jsonl")]

    def fails() -> None:
        with recording(tmp_path, mode="rewrite"):
            by_httpx(sender.url, "b")
            raise ZeroDivisionError

    with pytest.warns(streamkit.RecordingWarning, match="as it was"), pytest.raises(ZeroDivisionError):
        fails()
    assert before == [*tmp_path.glob("*.jsonl")]
    assert 1 == len([*tmp_path.glob(".rewrite/*")])
    with recording(tmp_path, mode="rewrite"):
        by_httpx(sender.url, "c")
    assert 1 == len([*tmp_path.iterdir()])


def test_verify_sends_and_passes_where_only_words_have_changed(tmp_path: Path) -> None:
    def words(body: dict[str, Any], number: int) -> Answer:
        return said("one" if number == 1 else "quite another one")

    with Sender(words) as sender:
        with recording(tmp_path):
            assert "one" == by_httpx(sender.url, "a")
        with recording(tmp_path, mode="verify"):
            assert "quiteanotherone" == by_httpx(sender.url, "a")
    assert 2 == len(sender.requests)
    assert 1 == len([*tmp_path.iterdir()])


def test_verify_raises_where_the_shape_of_an_answer_has_changed(tmp_path: Path) -> None:
    def shapes(body: dict[str, Any], number: int) -> Answer:
        if number == 1:
            return said("one")
        return Answer((b'{"error": {"message": "gone"}}',), 410, (("content-type", "application/json"),))

    with Sender(shapes) as sender:
        with recording(tmp_path):
            by_httpx(sender.url, "a")
        with (
            pytest.raises(streamkit.TraceChangedError, match="status: was 200, is 410") as raised,
            recording(tmp_path, mode="verify"),
            pytest.raises(streamkit.RemoteError),
        ):
            by_httpx(sender.url, "a")
    assert 2 == len(raised.value.changes)
    with Sender() as sender, recording(tmp_path, mode="verify"), pytest.raises(TraceMissError):
        by_httpx(sender.url, "never recorded")


def test_off_does_nothing(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path / "s", mode="off") as run:
        assert "yousaida" == by_httpx(sender.url, "a")
    assert not (tmp_path / "s").exists()
    assert ((), ()) == (run.traces, run.unplayed)


def test_a_block_that_recorded_nothing_says_how_others_are_recorded(tmp_path: Path) -> None:
    with pytest.warns(streamkit.RecordingWarning, match="streamkit record"), recording(tmp_path):
        pass


# --- failures, retries, faults


@pytest.mark.parametrize("wrong", ["explode", 5, ["reset@0.5", "explode"]])
def test_what_is_not_a_fault_is_refused_where_it_is_set(tmp_path: Path, wrong: Any) -> None:
    with recording(tmp_path, mode="none", faults="reset@0.5") as run:
        with pytest.raises(MisuseError, match=r"no fault is called 'explode'|faults takes a text"):
            run.faults = wrong
        assert "reset@0.5" == run.faults


def test_the_retry_of_an_sdk_meets_what_came_next(tmp_path: Path) -> None:
    def busy_first(body: dict[str, Any], number: int) -> Answer:
        if number == 1:
            head = (("content-type", "application/json"), ("retry-after-ms", "1"))
            return Answer((b'{"error": {"message": "busy"}}',), 429, head)
        return said("at last")

    with Sender(busy_first) as sender, recording(tmp_path):
        assert "atlast" == by_openai(sender.url, "a")
    with recording(tmp_path, mode="none") as run:
        assert "atlast" == by_openai(GONE, "a")
    assert [429, 200] == [trace.status for trace in run.traces]
    assert () == run.unplayed


def test_a_connection_that_failed_is_played_again_as_what_the_client_raised(tmp_path: Path) -> None:

    def cut(body: dict[str, Any], number: int) -> Answer:
        return Answer(said("one two three").blocks[:2], whole=False)

    with Sender(cut) as sender, recording(tmp_path), pytest.raises(streamkit.TruncatedError):
        by_httpx(sender.url, "a")
    with recording(tmp_path), pytest.raises(httpx.RemoteProtocolError):
        asyncio.run(by_httpx_async(GONE, "a"))


def test_no_sdk_takes_a_miss_for_a_failed_connection(tmp_path: Path) -> None:
    with recording(tmp_path, mode="none") as run:
        with pytest.raises(TraceMissError):
            by_openai(GONE, "a", max_retries=5)
        with pytest.raises(TraceMissError):
            asyncio.run(by_openai_async(GONE, "a", max_retries=5))
        with pytest.raises(TraceMissError):
            by_langchain(GONE, "a")
    assert 3 == len(run.misses)  # each was asked once, not five times again


def test_a_fault_strikes_once_and_the_retry_meets_the_recording(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path):
        by_openai(sender.url, "a")
    with recording(tmp_path, mode="none", faults="status=500@head") as run:
        assert "yousaida" == by_openai(GONE, "a")
    assert [500, 200] == [one.status for one in run.replays]
    assert () == run.unplayed
    with recording(tmp_path, mode="none") as run:
        run.faults = "status=500@head"
        with pytest.raises(Exception, match="500"):
            by_openai(GONE, "a", max_retries=0)


# --- contexts


def test_the_inner_one_of_two_blocks_counts(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path / "outer") as outer:
        by_httpx(sender.url, "a")
        with recording(tmp_path / "inner") as inner:
            by_httpx(sender.url, "b")
        by_httpx(sender.url, "c")
    assert (2, 1) == (len(outer.recorded), len(inner.recorded))


def test_tasks_beside_each_other_have_their_own_sessions(sender: Sender, tmp_path: Path) -> None:

    async def task(name: str) -> None:
        with recording(tmp_path / name) as run:
            for number in range(3):
                await asyncio.sleep(0)
                await by_httpx_async(sender.url, f"{name}{number}")
        contents = [one.request["messages"][0]["content"] for one in run.requests]  # type: ignore[index]
        assert [f"{name}{number}" for number in range(3)] == contents

    async def outside() -> None:
        assert "yousaidoutside" == await by_httpx_async(sender.url, "outside")

    async def main() -> None:
        await asyncio.gather(task("a"), outside(), task("b"))

    asyncio.run(main())
    assert [3, 3] == [len([*(tmp_path / name).iterdir()]) for name in "ab"]


def test_threads_that_are_started_in_the_block_belong_to_it(sender: Sender, tmp_path: Path) -> None:
    before = ThreadPoolExecutor(1)
    before.submit(int).result()  # its thread was there before
    with recording(tmp_path) as run, ThreadPoolExecutor(3) as pool:
        assert 3 == len([*pool.map(lambda content: by_httpx(sender.url, content), "abc")])
        before.submit(by_httpx, sender.url, "d").result()
        thread = threading.Thread(target=by_httpx, args=(sender.url, "e"))
        thread.start()
        thread.join()
    before.shutdown()
    assert (5, 4) == (len(sender.requests), len(run.recorded))


def test_everywhere_is_for_threads_and_loops_that_were_there_before(sender: Sender, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with recording(tmp_path, everywhere=True) as run:
            pool.submit(by_httpx, sender.url, "a").result()
            with pytest.raises(MisuseError, match="one of it at a time"):
                recording(tmp_path, everywhere=True).__enter__()
        pool.submit(by_httpx, sender.url, "b").result()
    assert (2, 1) == (len(sender.requests), len(run.recorded))


def test_a_block_may_be_left_in_another_context(sender: Sender, tmp_path: Path) -> None:

    async def halves() -> None:  # as the two halves of an async fixture
        block = recording(tmp_path)
        await asyncio.create_task(enter(block))
        await asyncio.create_task(leave(block))

    async def enter(block: Any) -> None:
        block.__enter__()

    async def leave(block: Any) -> None:
        block.__exit__(None, None, None)

    with pytest.warns(streamkit.RecordingWarning):
        asyncio.run(halves())
    assert ([], []) == (hook._open, hook._wrapped)


def test_hosts_are_let_through(sender: Sender, tmp_path: Path) -> None:
    with recording(tmp_path, mode="none", let_through=(sender.host,)):
        assert "yousaida" == by_httpx(sender.url, "a")
        with pytest.raises(TraceMissError):
            by_httpx(GONE, "a")
    with recording(tmp_path, mode="none", let_through=("127.*",)):
        assert "yousaidb" == by_httpx(sender.url, "b")


def test_a_tool_that_wraps_the_same_methods_is_left_as_it_was(sender: Sender, tmp_path: Path) -> None:
    original = httpx.HTTPTransport.handle_request
    seen: list[str] = []

    def other(transport: Any, request: Any) -> Any:
        seen.append(request.method)
        return original(transport, request)

    httpx.HTTPTransport.handle_request = other
    try:
        with recording(tmp_path) as run:
            by_httpx(sender.url, "a")
        assert other is httpx.HTTPTransport.handle_request
        block = recording(tmp_path, mode="new_episodes")
        block.__enter__()
        ours, httpx.HTTPTransport.handle_request = (
            httpx.HTTPTransport.handle_request,
            other,
        )  # on top of ours, or instead
        block.close()
        assert other is httpx.HTTPTransport.handle_request
        httpx.HTTPTransport.handle_request = ours  # and put back by the other tool after us
        assert "yousaidb" == by_httpx(sender.url, "b")
    finally:
        httpx.HTTPTransport.handle_request = original
        hook._wrapped.clear()
    assert (["POST", "POST"], 1) == (seen, len(run.recorded))


@pytest.mark.parametrize(
    "option",
    [
        {"mode": "all"},
        {"mode": None},
        {"speed": -1},
        {"faults": "x"},
        {"everywhere": 1},
        {"let_through": "host"},
        {"grace": "1"},
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_recorded(
    option: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(MisuseError):
        recording(tmp_path / "s", **option)
    assert not (tmp_path / "s").exists()


def test_without_either_library_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MisuseError, match="pip install httpx"), recording(tmp_path):
        pass


def test_async_with_does_what_with_does(sender: Sender, tmp_path: Path) -> None:
    async def ask(url: str, failing: bool) -> str:
        async with recording(tmp_path / "s", mode="once") as run:
            text = await by_httpx_async(url, "hello")
            assert not run.closed
            if failing:
                raise MisuseError("of the block")
        assert run.closed
        return text

    assert "yousaidhello" == asyncio.run(ask(sender.url, False)) == asyncio.run(ask(GONE, False))
    with pytest.raises(MisuseError, match=r"^of the block$"):
        asyncio.run(ask(GONE, True))
