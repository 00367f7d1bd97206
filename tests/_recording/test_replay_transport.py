"""A trace in place of the network, for httpx, httpx2 and the openai SDK: what they get, and what they raise."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import anyio
import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.tier import some
from helpers.wire import DONE, delta, sse
from streamkit import (
    FAULTS,
    AsyncChatStream,
    AsyncReplayTransport,
    ChatStream,
    MisuseError,
    ReplayTransport,
    StreamError,
    reassemble,
    replay,
)
from streamkit.sources import blocks
from streamkit.testing import FakeClock
from streamkit.trace import Block, Trace, read_trace

ROOT = Path(__file__).parents[2]
HI, STOP = sse(delta('{"role":"assistant","content":"Hi"}')), sse(delta("{}", "stop"))
TRACE = Trace(
    sender="x",
    case="y",
    status=200,
    headers=(("Content-Type", "text/event-stream"), ("X-One", "1"), ("X-One", "2")),
    end="eof",
    blocks=(Block(1.0, HI), Block(2.5, STOP), Block(2.5, DONE)),
)
RESPONSE = reassemble(HI + STOP + DONE)
URL = "http://replayed/v1/chat/completions"


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def get(library: Any, trace: Any, *, timeout: float | None = 5.0, **options: Any) -> Any:
    """What a client gets of a streamed response: blocks and status; or what it raises."""
    options = {"clock": FakeClock(), **options}
    blocks: list[bytes] = []
    transport = ReplayTransport(trace, **options)
    try:
        with library.Client(transport=transport, timeout=timeout) as client, client.stream("POST", URL) as response:
            blocks.extend(response.iter_raw())
    except library.HTTPError as error:
        return blocks, type(error).__name__, str(error)
    return blocks, response.status_code


# --- a response


def test_a_client_gets_status_headers_and_blocks_at_their_times(library: Any) -> None:
    clock = FakeClock()
    transport = ReplayTransport(TRACE, clock=clock)
    with library.Client(transport=transport) as client, client.stream("POST", URL, json={"a": 1}) as response:
        assert 1.0 == clock.now  # the head came with the first block
        assert (200, "1, 2") == (response.status_code, response.headers["x-one"])
        found = [(clock.now, block) for block in response.iter_raw()]
    assert [(1.0, HI), (2.5, STOP), (2.5, DONE)] == found
    assert [("POST", b'{"a":1}')] == [(one.method, one.content.replace(b" ", b"")) for one in transport.requests]
    assert [0.0] == [one.lag for one in transport.replays]


def test_a_response_without_a_stream_is_read_as_one(library: Any) -> None:
    with library.Client(transport=ReplayTransport(TRACE, speed=0)) as client:
        assert HI + STOP + DONE == client.post(URL).content


def test_chat_streams_read_its_responses(library: Any) -> None:
    with (
        library.Client(transport=ReplayTransport(TRACE, speed=0, recut="bytes")) as client,
        client.stream("POST", URL) as response,
        ChatStream(response) as stream,
    ):
        assert RESPONSE == stream.response


def test_one_trace_is_for_every_request_and_a_list_has_one_for_each_in_turn(library: Any) -> None:
    with library.Client(transport=ReplayTransport(TRACE, speed=0)) as client:
        assert [200, 200] == [client.post(URL).status_code for _ in range(2)]
    plays = [replay(TRACE, speed=0, faults="status=503"), TRACE]
    with library.Client(transport=ReplayTransport(plays, speed=0)) as client:
        assert [503, 200] == [client.post(URL).status_code for _ in range(2)]
        with pytest.raises(
            MisuseError, match=r"^request 3 \(POST http://replayed/.*this transport has 2 traces, one for each"
        ):
            client.post(URL)


def test_the_path_of_a_trace_is_enough(library: Any) -> None:
    path = ROOT / "traces/llama.cpp/plain.trace.jsonl"
    blocks, status = get(library, path)
    assert ([block.data for block in read_trace(path).blocks], 200) == (blocks, status)
    assert (blocks, status) == get(library, str(path))


def test_a_trace_without_a_head_is_an_event_stream_with_the_status_200(library: Any) -> None:
    bare = Trace(sender="x", case="y", blocks=TRACE.blocks)
    with library.Client(transport=ReplayTransport(bare, speed=0)) as client:
        response = client.post(URL)
    assert (200, "text/event-stream") == (response.status_code, response.headers["content-type"])


def test_an_encoded_body_is_given_as_it_was_recorded_and_the_client_unpacks_it(library: Any) -> None:
    packed = gzip.compress(HI + STOP + DONE)
    trace = Trace(status=200, headers=(("Content-Encoding", "gzip"),), blocks=(Block(0.0, packed),), end="eof")
    assert ([packed], 200) == get(library, trace)
    with library.Client(transport=ReplayTransport(trace)) as client:
        assert HI + STOP + DONE == client.post(URL).content


def test_the_end_of_the_body_is_seen_by_who_stops_at_done_and_a_slow_one_is_not_waited_for(library: Any) -> None:
    def ended(**options: Any) -> Any:
        with (
            library.Client(transport=ReplayTransport(TRACE, clock=FakeClock(), **options)) as client,
            client.stream("POST", URL) as response,
        ):
            found = blocks(response)
            while next(found) != DONE:
                pass
            found.finish(0.5)
            return found.ended

    assert "end" == ended()
    assert "closed" == ended(faults="slow_close=2")


# --- what goes wrong, in the words of the client


INCOMPLETE = "peer closed connection without sending complete message body (incomplete chunked read)"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("disconnect@block:2", ([HI], "RemoteProtocolError", INCOMPLETE)),
        ("half_chunk@block:1", ([HI[: len(HI) // 2]], "RemoteProtocolError", INCOMPLETE)),
        ("reset@block:2", ([HI], "ReadError", "[Errno 104] Connection reset by peer")),
        ("disconnect@head", ([], "RemoteProtocolError", "Server disconnected without sending a response.")),
        ("reset@head", ([], "ReadError", "[Errno 104] Connection reset by peer")),
        ("stall@block:2", ([HI], "ReadTimeout", "timed out")),
        ("stall@head", ([], "ReadTimeout", "timed out")),
        ("stall=5.1@block:2", ([HI], "ReadTimeout", "timed out")),
        ("stall=3@block:2", ([HI, STOP, DONE], 200)),
        ("slow_close=9", ([HI, STOP, DONE], "ReadTimeout", "timed out")),
        ("truncate@block:2", ([HI], 200)),
    ],
)
def test_a_broken_end_is_what_the_client_raises_over_a_network(library: Any, fault: str, expected: Any) -> None:
    assert expected == get(library, TRACE, faults=fault)


def test_the_read_timeout_of_the_client_is_waited_for_and_no_longer(library: Any) -> None:
    clock = FakeClock()
    assert "ReadTimeout" == get(library, TRACE, timeout=0.25, clock=clock)[1]
    assert 0.25 == clock.now
    assert 200 == get(library, TRACE, timeout=None)[1]


@pytest.mark.anyio
async def test_the_async_sibling_does_the_same(library: Any) -> None:
    clock = FakeClock()
    transport = AsyncReplayTransport(TRACE, clock=clock)
    async with library.AsyncClient(transport=transport) as client:
        async with client.stream("POST", URL, json={}) as response:
            assert [(1.0, HI), (2.5, STOP), (2.5, DONE)] == [(clock.now, block) async for block in response.aiter_raw()]
        async with client.stream("POST", URL) as response, AsyncChatStream(response) as stream:
            await stream.until_done()
            assert RESPONSE == stream.snapshot()
    assert (2, [0.0, 0.0]) == (len(transport.requests), [one.lag for one in transport.replays])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("reset@head", "ReadError"),
        ("disconnect", "RemoteProtocolError"),
        ("half_chunk", "RemoteProtocolError"),
        ("stall@head", "ReadTimeout"),
        ("stall", "ReadTimeout"),
    ],
)
async def test_async_clients_raise_the_same(library: Any, fault: str, raised: str) -> None:
    transport = AsyncReplayTransport(TRACE, faults=fault, clock=FakeClock())
    async with library.AsyncClient(transport=transport) as client:
        with pytest.raises(getattr(library, raised)):
            await client.post(URL)


@pytest.mark.anyio
async def test_leaving_ends_a_response_that_waits(library: Any) -> None:
    async with library.AsyncClient(
        transport=AsyncReplayTransport(TRACE, faults="stall@block:2", speed=0), timeout=None
    ) as client:
        with anyio.move_on_after(0.01) as scope:
            await client.post(URL)
    assert scope.cancelled_caught


# --- every fault, every trace, every client: the outcome that the documentation says, and nothing outside the family

# What `ChatStream` says of a stream with a fault: "as without" where the outcome is that of the stream without one.
CHAT: dict[str, tuple[str, ...]] = {
    "delay": ("as without",),
    "stall=1": ("as without",),
    "stall": ("truncated", "failed", "complete"),
    "truncate": ("truncated", "failed", "complete"),
    "disconnect": ("truncated", "failed", "complete"),
    "reset": ("truncated", "failed", "complete"),
    "half_chunk": ("truncated", "failed", "complete"),
    "drop": ("any",),
    "duplicate": ("any",),
    "corrupt": ("any",),
    "malformed": ("any",),
    "error_event": ("failed",),
    "status": ("failed",),
    "bandwidth": ("as without",),
    "slow_close": ("as without",),
    "empty": ("failed",),
}
# What httpx and httpx2 raise; and openai-python, whose iteration wraps what they raise.
HTTPX = {
    "stall": "ReadTimeout",
    "disconnect": "RemoteProtocolError",
    "reset": "ReadError",
    "half_chunk": "RemoteProtocolError",
}
OPENAI = {
    "stall": ("APITimeoutError", "ReadTimeout"),
    "disconnect": ("APIConnectionError", "RemoteProtocolError"),
    "reset": ("APIConnectionError", "ReadError"),
    "half_chunk": ("APIConnectionError", "RemoteProtocolError"),
    "error_event": ("APIError", "BadRequestError"),
    "status": ("RateLimitError",),
}
MAY_RAISE = ("JSONDecodeError", "APIError", "BadRequestError", "APIConnectionError", "UnicodeDecodeError")
"""What openai-python raises on the traces as they are, and on bytes that are no JSON."""


def path_of(recorded: Recorded) -> Path:
    return ROOT / f"traces/{recorded.name}.trace.jsonl"


def test_the_table_has_every_fault_and_is_that_of_the_documentation() -> None:
    assert set(FAULTS) == {name.partition("=")[0] for name in CHAT}
    page = (ROOT / "docs/record-and-replay.md").read_text("utf-8").partition("### What a reader gets")[2]
    rows = [[cell.strip() for cell in line.split(" | ")] for line in page.splitlines() if line.startswith("| `")]
    for fault, outcomes in CHAT.items():
        words = fault.replace("=1", "=2")  # as the page has it
        (row,) = (row for row in rows if f"`{words}`" in row[0])
        assert outcomes[0] in ("any", "as without") or fault == "stall" or row[1].startswith(outcomes[0]), fault
        assert HTTPX.get(fault, "") in row[2], fault
        assert OPENAI.get(fault, ("",))[0] in row[3], fault


@each(TRACES)
def test_every_fault_has_the_outcome_that_is_documented(recorded: Recorded) -> None:
    trace = read_trace(path_of(recorded))

    def outcome(fault: str | None) -> Any:
        clock = FakeClock()
        with ChatStream(replay(trace, speed=0, faults=fault, clock=clock), clock=clock) as stream:
            outcome = stream.until_done()
        assert outcome.error is None or isinstance(outcome.error, StreamError)
        return outcome

    without = outcome(None)
    for fault, expected in CHAT.items():
        found = outcome(fault)
        if expected == ("as without",):
            assert (without.name, without.reason) == (found.name, found.reason), fault
        elif expected != ("any",):
            assert found.name in expected, fault
        if fault in ("stall", "disconnect", "reset", "half_chunk") and found.error is not None:
            assert found.error.__cause__ is not None, fault


@each(TRACES)
def test_every_fault_is_the_exception_of_the_client_that_is_documented(recorded: Recorded, library: Any) -> None:
    trace = read_trace(path_of(recorded))
    whole = get(library, trace, speed=0)
    for fault in CHAT:
        found = get(library, trace, speed=0, faults=fault)
        if fault in HTTPX:
            assert HTTPX[fault] == found[1], fault
        elif trace.end == "eof":
            assert type(found[1]) is int, fault
        if CHAT[fault] == ("as without",):
            assert (b"".join(whole[0]), whole[1:]) == (b"".join(found[0]), found[1:]), fault


def chunks_by_openai(trace: Trace, fault: str | None) -> tuple[int, str | None]:
    openai, httpx = pytest.importorskip("openai"), pytest.importorskip("httpx")
    transport = ReplayTransport(trace, speed=0, faults=fault, clock=FakeClock())
    number = 0
    with openai.OpenAI(
        api_key="any", base_url="http://replayed/v1", max_retries=0, http_client=httpx.Client(transport=transport)
    ) as client:
        try:
            for _ in client.chat.completions.create(model="m", messages=[], stream=True):
                number += 1
        except Exception as error:
            return number, type(error).__name__
    return number, None


@each(some(TRACES))
def test_every_fault_is_what_openai_python_raises(recorded: Recorded) -> None:
    trace = read_trace(path_of(recorded))
    whole = chunks_by_openai(trace, None)
    for fault in CHAT:
        number, raised = chunks_by_openai(trace, fault)
        if fault in OPENAI:
            assert raised in OPENAI[fault], fault
        elif CHAT[fault] == ("as without",):
            assert whole == (number, raised), fault
        else:
            assert raised is None or raised in MAY_RAISE, fault


# The SDK leaves its generators to the garbage collector where it raises in their midst, and trio warns of each.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.anyio
@each(some(TRACES)[::3])
async def test_every_fault_is_what_async_openai_python_raises(recorded: Recorded) -> None:
    openai, httpx = pytest.importorskip("openai"), pytest.importorskip("httpx")
    trace = read_trace(path_of(recorded))
    for fault in CHAT:
        transport = AsyncReplayTransport(trace, speed=0, faults=fault, clock=FakeClock())
        http_client = httpx.AsyncClient(transport=transport)
        number, raised = 0, None
        async with openai.AsyncOpenAI(
            api_key="any", base_url="http://replayed/v1", max_retries=0, http_client=http_client
        ) as client:
            try:
                async for _ in await client.chat.completions.create(model="m", messages=[], stream=True):
                    number += 1
            except Exception as error:
                raised = type(error).__name__
        assert chunks_by_openai(trace, fault) == (number, raised), fault


def test_a_retry_of_the_sdk_meets_what_comes_next() -> None:
    openai, httpx = pytest.importorskip("openai"), pytest.importorskip("httpx")
    plays = [replay(TRACE, speed=0, faults="status=429,retry_after=0.001"), replay(TRACE, speed=0)]
    transport = ReplayTransport(plays)
    client = openai.OpenAI(api_key="any", base_url="http://replayed/v1", http_client=httpx.Client(transport=transport))
    chunks = list(client.chat.completions.create(model="m", messages=[], stream=True))
    assert (2, ["Hi", None]) == (len(transport.requests), [chunk.choices[0].delta.content for chunk in chunks])


def test_openai_reads_it_through_httpx2_as_well() -> None:
    openai, httpx2 = pytest.importorskip("openai"), pytest.importorskip("httpx2")
    transport = ReplayTransport(TRACE, speed=0)
    try:
        client = openai.OpenAI(api_key="any", base_url="http://x/v1", http_client=httpx2.Client(transport=transport))
    except TypeError:
        pytest.skip("this openai-python takes no httpx2 client")
    assert 2 == len(list(client.chat.completions.create(model="m", messages=[], stream=True)))


# --- misuse


@pytest.mark.parametrize("trace", [3, None, [3], b"x"])
def test_what_is_no_trace_is_refused(trace: Any) -> None:
    with pytest.raises(StreamError):
        ReplayTransport(trace)


def test_bad_options_are_refused_when_it_is_made() -> None:
    with pytest.raises(MisuseError, match=r"^no fault is called 'stal'"):
        ReplayTransport(TRACE, faults="stal")
