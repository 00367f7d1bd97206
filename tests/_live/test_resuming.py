"""A stream that resumes from a checkpoint: its reader has each event once, wherever its source begins."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.loopback import PATIENCE
from helpers.restoring import ODD, comparable, members_of
from helpers.tier import examples
from helpers.wire import calls, choice, chunk, delta, sse
from streamkit import (
    AsyncChatStream,
    ChatStream,
    Dialect,
    Limits,
    MisuseError,
    RemoteError,
    ValidationError,
    resume_point,
)
from streamkit._live.resuming import Begins
from streamkit.accumulator import Accumulator
from streamkit.events import End
from streamkit.testing import DONE

STREAM = sse(
    delta('{"role":"assistant","content":"Hello"}'),
    delta('{"content":" world","refusal":"no","reasoning":"so","audio":{"data":"QUI=","transcript":"t"}}'),
    delta('{"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}],"function_call":{"name":"g","arguments":"{}"}}'),
    *calls('{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}',
           '{"index":1,"id":"b","type":"custom","custom":{"name":"c","input":"x"}}'),
    chunk(choice('{"content":"b"}', "weird", 1, '"logprobs":{"content":[{"token":"a","logprob":0,"bytes":[97],"top_logprobs":[]}]}')),
    chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2}'),
) + b": alive\n\n" + sse("5", '{"error":{"message":"overloaded"}}')  # fmt: skip


class FakeResponse(list[bytes]):
    """Blocks with the status of a response."""

    def __init__(self, blocks: list[bytes], status: int) -> None:
        super().__init__(blocks)
        self.status_code = status


def blocks_of(stream: bytes, size: int = 700) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def all_of(stream: ChatStream) -> list[Any]:
    return [comparable(event) for event in stream]


@pytest.mark.parametrize("end", [b"", DONE], ids=["an error", "done"])
def test_a_reader_has_each_event_once_wherever_it_is_interrupted(end: bytes) -> None:
    stream = STREAM[: STREAM.index(b'{"error"') - 6] + end if end else STREAM
    expected = all_of(ChatStream(blocks_of(stream)))
    for number in range(len(expected) + 1):
        before = ChatStream(blocks_of(stream))
        had = [comparable(next(before)) for _ in range(number)]
        resumed = ChatStream(blocks_of(stream, 333), resume_from=before.checkpoint())
        assert expected == had + all_of(resumed), number
        assert before.until_done().name == (resumed.outcome.name if resumed.outcome else "")
        assert repr(before.snapshot()) == repr(resumed.snapshot())


def test_the_rest_is_the_same_from_the_start_and_from_the_offset() -> None:
    whole = ChatStream([STREAM])
    expected = all_of(whole)
    before = ChatStream(blocks_of(STREAM))
    had = [comparable(next(before)) for _ in range(4)]
    data = before.checkpoint()
    point = resume_point(data)
    assert 700 == point.offset
    rest = ChatStream([STREAM[point.offset :]], resume_from=data, begins="offset")
    assert expected == had + all_of(rest)
    assert whole.statistics().bytes == rest.statistics().bytes
    assert whole.anomalies == rest.anomalies


def test_a_path_goes_on_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "body.sse"
    path.write_bytes(STREAM[:1000])
    first = ChatStream(path)
    had = [comparable(next(first)) for _ in range(5)]
    data = first.checkpoint()
    path.write_bytes(STREAM)
    assert all_of(ChatStream([STREAM])) == had + all_of(ChatStream(path, resume_from=data))


def test_a_source_of_chunks_skips_chunks() -> None:
    chunks = [
        json.loads(event.removeprefix(b"data: ")) for event in STREAM.split(b"\n\n") if event.startswith(b"data: {")
    ]
    expected = all_of(ChatStream(chunks))
    before = ChatStream(chunks)
    had = [comparable(next(before)) for _ in range(9)]
    data = before.checkpoint()
    assert (0, 2) == (resume_point(data).offset, resume_point(data).events)
    assert expected == had + all_of(ChatStream(chunks, resume_from=data))
    assert expected == had + all_of(ChatStream(chunks[2:], resume_from=data, begins="offset"))
    with pytest.raises(MisuseError, match="whose first 2 chunks were read: pass a source of chunks"):
        list(ChatStream([STREAM], resume_from=data))


def test_a_sender_with_event_ids_repeats_the_event_that_was_open() -> None:
    events = [b"id: %d\ndata: %b\n\n" % (n, delta(f'{{"content":"{n} "}}').encode()) for n in range(9)]
    expected = all_of(ChatStream([b"".join(events), DONE]))
    for cut in range(20, len(b"".join(events)), 17):
        before = Accumulator()
        had = [comparable(event) for event in before.feed(b"".join(events)[:cut])]
        data = before.checkpoint()
        point = resume_point(data)
        if not point.last_event_id:
            assert {} == point.headers
            continue
        assert {"Last-Event-ID": point.last_event_id} == point.headers
        rest = events[int(point.last_event_id) + 1 :]
        resumed = ChatStream([b"\xef\xbb\xbf" + b"".join(rest), DONE], resume_from=data, begins="event")
        assert expected == had + all_of(resumed), cut


def test_text_and_tool_calls_go_on() -> None:
    stream = STREAM[: STREAM.index(b'{"error"') - 6] + DONE
    before = ChatStream(blocks_of(stream, 100))
    text = before.text()
    had = next(text)
    resumed = ChatStream([stream], resume_from=before.checkpoint())
    assert "Hello world" == had + "".join(resumed.text())
    before = ChatStream(stream.partition(b'"weird"')[:1])
    for event in before:
        if type(event).__name__ == "Finish":
            break
    resumed = ChatStream([stream], resume_from=before.checkpoint())
    assert ["a", "b"] == [call.id for call in resumed.tool_calls()]


def test_an_ended_stream_reads_nothing_more() -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("the source was read")
        yield b""

    before = ChatStream([sse(delta('{"content":"a"}', "stop")) + DONE])
    before.until_done()
    data = before.checkpoint()
    assert resume_point(data).done
    resumed = ChatStream(never(), resume_from=data)
    assert [] == list(resumed)
    assert ("complete", before.response) == (resumed.outcome.name if resumed.outcome else "", resumed.response)


def test_timing_counts_the_chunks_of_this_process() -> None:
    before = ChatStream(blocks_of(STREAM, 400))
    next(before)
    resumed = ChatStream([STREAM], resume_from=before.checkpoint())
    resumed.until_done()
    read = before.statistics().chunks
    assert resumed.statistics().chunks - read == len(resumed.timing.chunk_times)


def test_a_source_that_ends_before_the_offset_is_a_misuse() -> None:
    before = ChatStream([STREAM[:900]])
    next(before)
    with pytest.raises(MisuseError, match=r"skips the first 900 bytes, .* and this source ended 400 before that"):
        list(ChatStream([STREAM[:500]], resume_from=before.checkpoint()))


def test_the_options_are_in_the_checkpoint() -> None:
    before = ChatStream([STREAM], dialect=Dialect(think_tags=True), limits=Limits(max_choices=5))
    next(before)
    data = before.checkpoint()
    with pytest.raises(MisuseError, match="resume_from= has the options of its stream: leave out dialect=, strict="):
        ChatStream([STREAM], resume_from=data, strict=True, dialect=Dialect())
    list(ChatStream([STREAM], resume_from=data, limits=Limits()))
    with pytest.raises(MisuseError, match="begins= takes 'start', 'offset' or 'event', not 'middle'"):
        ChatStream([STREAM], resume_from=data, begins="middle")  # type: ignore[arg-type]
    with pytest.raises(MisuseError, match="pass resume_from= too"):
        ChatStream([STREAM], begins="offset")
    with pytest.raises(MisuseError, match="has no event ids"):
        ChatStream([STREAM], resume_from=data, begins="event")
    with pytest.raises(ValidationError, match="not a checkpoint"):
        ChatStream([STREAM], resume_from=b"{}")


def test_an_accumulator_refuses_events_that_nobody_had() -> None:
    before = ChatStream([STREAM])
    next(before)
    with pytest.raises(MisuseError, match="pass it to ChatStream or AsyncChatStream as resume_from="):
        Accumulator.restore(before.checkpoint())


def test_chunks_that_wait_are_a_misuse() -> None:
    before = ChatStream([STREAM])
    next(before.chunks())
    with pytest.raises(MisuseError, match="chunks that the last block brought wait"):
        before.checkpoint()


def test_async_streams_resume_too() -> None:
    async def pieces(size: int) -> Any:
        for block in blocks_of(STREAM, size):
            yield block

    async def read() -> list[Any]:
        before = AsyncChatStream(pieces(700))
        had = [comparable(await anext(before)) for _ in range(6)]
        async with AsyncChatStream(pieces(90), resume_from=before.checkpoint()) as resumed:
            return had + [comparable(event) async for event in resumed]

    assert all_of(ChatStream([STREAM])) == asyncio.run(read())


@pytest.mark.parametrize(
    ("status", "kind", "again"), [(404, "bad_request", False), (429, "rate_limit", True), (503, "overloaded", True)]
)
def test_a_response_that_is_an_error_is_not_the_rest_of_a_stream(status: int, kind: str, again: bool) -> None:
    before = ChatStream([STREAM])
    texts = before.text()
    had = next(texts)
    refusal = FakeResponse([b'{"error":{"message":"no such stream"}}'], status=status)
    with pytest.raises(RemoteError, match=f"refused the rest of the stream.*HTTP {status}") as caught:
        ChatStream(refusal, resume_from=before.checkpoint(), begins="offset")
    error = caught.value
    assert (kind, again, True) == (error.kind, error.retryable, error.emitted)
    assert error.partial is not None
    assert (error.partial.choices[0].message.content or "").startswith(had)


def test_path_events_go_on_with_the_arguments() -> None:
    pieces = ('{\\"city\\":', '\\"Ber', 'lin\\",\\"n\\":[1', ",2]}")
    fragments = [f'{{"index":0,"id":"a","function":{{"name":"f","arguments":"{piece}"}}}}' for piece in pieces]
    stream = sse(*calls(*fragments)) + DONE
    expected = list(ChatStream([stream], path_events=True))
    assert 4 == sum(bool(getattr(event, "path_events", ())) for event in expected)
    for size in (120, 400, 5000):
        for number in range(len(expected)):
            before = ChatStream(blocks_of(stream, size), path_events=True)
            had = [next(before) for _ in range(number)]
            assert expected == [*had, *ChatStream([stream], resume_from=before.checkpoint())]


NUMBERED = b"".join(
    b"id: %d\ndata: %b\n\n" % (number, text.encode())
    for number, text in enumerate([*(delta(f'{{"content":"{n} "}}') for n in range(20)), delta(finish="stop")])
)


class Upstream(BaseHTTPRequestHandler):
    """Sends a stream from a byte or after an event, whichever is asked for, and breaks off after 700 bytes."""

    def do_GET(self) -> None:
        rest = NUMBERED + DONE
        if (after := self.headers["Last-Event-ID"]) is not None:
            rest = rest[rest.index(b"id: %d\n" % (int(after) + 1)) :]
            self.send_response(200)
        elif (span := self.headers["Range"]) is not None:
            rest = rest[int(span.removeprefix("bytes=").removesuffix("-")) :]
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[:700])

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("begins", ["offset", "event"])
def test_a_reader_asks_its_upstream_for_the_rest_until_it_has_all_of_it(begins: Begins) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    had: list[Any] = []
    saved, requests = Accumulator().checkpoint(), 0
    try:
        while not had or not isinstance(had[-1], End):
            point = resume_point(saved)
            headers = {"Range": f"bytes={point.offset}-"} if begins == "offset" and point.offset else point.headers
            request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/", headers=headers)
            asked: Begins = begins if point.events else "start"
            requests += 1
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as http:
                stream = ChatStream(http, resume_from=saved, begins=asked)
                for event in stream:
                    if stream.outcome is not None and not stream.outcome.ok:  # broke off: what follows is its end
                        break
                    had.append(event)
                    saved = stream.checkpoint()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert list(ChatStream([NUMBERED + DONE])) == had
    assert requests > 4


@examples(200)
@given(st.data())
def test_waiting_events_that_somebody_changed_are_refused_or_returned_and_nothing_else(data: st.DataObject) -> None:
    before = ChatStream([STREAM], path_events=True)
    for _ in range(5):
        next(before)
    found = json.loads(before.checkpoint())
    places = members_of(found["stream"])
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        container[key] = data.draw(st.sampled_from(ODD))
    try:
        resumed = ChatStream([STREAM], resume_from=json.dumps(found))
    except ValidationError:
        return
    for event in resumed:
        repr(event)
    with pytest.raises(RemoteError, match="overloaded"):  # that of the stream
        repr(list(resumed.tool_calls()))
