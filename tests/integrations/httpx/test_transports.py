"""Which requests a transport touches, and what a client of httpx or httpx2 gets for them, from real servers on loopback."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from typing import Any

import pytest

from helpers.cleaned import ASKED, WAYS, Answer, Way
from helpers.loopback import EVENTS, PATIENCE, Loopback
from helpers.loopback_flow import Served
from helpers.loopback_reuse import Kept
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import BY_NAME, SCENARIOS, TEXT, Scenario
from helpers.wire import Reading, delta, each_byte, read_blocks, sse
from streamkit import Clean, Deadlines, Dialect, Ended, MisuseError, TruncatedError
from streamkit.integrations.httpx import async_cleaning_transport, cleaning_transport
from streamkit.testing import DONE

ways = pytest.mark.parametrize("way", WAYS, ids=str)
# On trio httpx and httpx2 leave their own generators to the collector, with or without a transport of ours.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


def ask(way: Way, server: Any, body: Any = ASKED, path: str = "/chat/completions", **options: Any) -> Answer:
    return way.ask(f"{server.url}{path}", body, **options)


def text_of(answer: Answer) -> str:
    return str(read_blocks([answer.body]).message["content"])


WHOLE = [one for one in SCENARIOS if one.expected.error is None]
FEW = [BY_NAME[name] for name in ("text", "tools_no_index", "bom")]


@pytest.mark.parametrize(
    "way, scenario",
    [*((WAYS[0], one) for one in WHOLE), *((way, one) for way in WAYS[1:] for one in FEW)],
    ids=lambda one: one.name if isinstance(one, Scenario) else str(one),
)
def test_a_stream_is_one_that_openai_could_have_sent(way: Way, scenario: Scenario) -> None:
    with ScenarioServer() as server:
        found = way.ask(f"{server.url(scenario)}/chat/completions")
    assert (200, None) == (found.status, found.raised)
    reading = read_blocks([found.body])
    assert () == reading.anomalies
    assert "complete" == reading.outcome.name
    assert list(scenario.expected.calls) == calls_of(reading)
    assert scenario.expected.text == (reading.message.get("content") or "")


def calls_of(reading: Reading) -> list[tuple[str, str]]:
    bodies = [one.get("function") or one["custom"] for one in reading.message.get("tool_calls") or []]
    return [(one["name"], one.get("arguments", one.get("input"))) for one in bodies]


@ways
@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_stream_that_broke_off_raises_what_the_client_raises_with_ours_as_the_cause(way: Way, end: str) -> None:
    ended: list[Ended] = []
    with Loopback(end=end) as server:
        client = way.client(way.transport(way.inner(), on_end=ended.append))
        found = way.run(lambda: way.ask_with(client, f"{server.url}/chat/completions", read=server.saw))
    assert isinstance(found.raised, way.library.RequestError)
    ours = found.raised.__cause__
    assert isinstance(ours, TruncatedError)
    assert isinstance(ours.__cause__, type(found.raised))
    assert found.raised.request.url == f"{server.url}/chat/completions"
    (one,) = ended
    assert one.outcome.error is ours
    assert "Grüß" == one.response.choices[0].message.content
    assert "Grüß" == read_blocks([found.body]).message["content"]


@ways
def test_a_body_that_ends_too_early_raises_though_its_framing_is_whole(way: Way) -> None:
    ended: list[Ended] = []
    with ScenarioServer() as server:
        found = way.ask(f"{server.url('truncated')}/chat/completions", on_end=ended.append)
    assert isinstance(found.raised, way.library.RemoteProtocolError)
    assert isinstance(found.raised.__cause__, TruncatedError)
    assert str(found.raised) == str(found.raised.__cause__)
    assert ["truncated"] == [one.outcome.name for one in ended]


@ways
def test_the_error_of_a_sender_goes_on_as_an_event(way: Way) -> None:
    ended: list[Ended] = []
    with ScenarioServer() as server:
        found = way.ask(f"{server.url('error')}/chat/completions", on_end=ended.append)
    assert found.raised is None
    assert b'"message":"The engine ran out of memory"' in found.body
    assert DONE not in found.body
    assert [("failed", "remote_error")] == [(one.outcome.name, one.outcome.reason) for one in ended]


def test_what_is_raised_is_the_callers_choice() -> None:
    with ScenarioServer() as server:
        url = f"{server.url('truncated')}/chat/completions"
        sent = WAYS[0].ask(url, clean=Clean(truncated="as_sent"))
        told = WAYS[0].ask(url, clean=Clean(truncated="error"))
        calls = WAYS[0].ask(f"{server.url('length_in_args')}/chat/completions", clean=Clean(incomplete_calls="raise"))
    assert (None, False) == (sent.raised, b'"error"' in sent.body)
    assert (None, True) == (told.raised, b'"error":{' in told.body)
    assert isinstance(calls.raised, WAYS[0].library.RemoteProtocolError)


def test_a_stream_that_was_complete_when_its_connection_broke_is_complete() -> None:
    def given() -> Any:
        yield EVENTS[0]
        yield EVENTS[3]
        raise RuntimeError

    with Served(given()) as server:
        found = ask(WAYS[0], server)
    assert found.raised is None
    assert found.body.endswith(DONE)


@ways
@pytest.mark.parametrize("encoding", ["gzip"])
def test_a_packed_body_arrives_unpacked_and_its_headers_say_so(way: Way, encoding: str) -> None:
    with Loopback(encoding=encoding) as server:
        client = way.client(way.transport(way.inner()))
        found = way.run(lambda: way.ask_with(client, f"{server.url}/chat/completions", read=server.saw))
    assert "Grüße" == text_of(found)
    assert not {"content-encoding", "content-length"} & set(found.headers)


@ways
def test_a_body_that_is_packed_in_a_way_nobody_knows_is_not_taken_for_text(way: Way) -> None:
    ended: list[Ended] = []
    with Loopback(encoding="compress", body=b"\x00\x01") as server:
        server.encoding = "gzip"
        server._head = lambda: Loopback._head(server).replace(b"gzip", b"compress")  # type: ignore[method-assign]
        found = ask(way, server, on_end=ended.append)
    assert isinstance(found.raised, way.library.DecodingError)
    assert "compress" in str(found.raised)
    assert ["failed"] == [one.outcome.name for one in ended]


def test_a_length_of_the_dirty_body_is_not_that_of_the_clean_one() -> None:
    with Loopback("length", body=b"".join(EVENTS[:3]) + EVENTS[3].rstrip(b"\n")) as server:
        found = ask(WAYS[0], server)
    assert "content-length" not in found.headers
    assert "Grüße" == text_of(found)


@ways
def test_each_block_goes_on_when_it_has_arrived(way: Way) -> None:
    with Loopback() as server:  # which waits with each event for the sign that the one before was seen
        client = way.client(way.transport(way.inner()))
        found = way.run(lambda: way.ask_with(client, f"{server.url}/chat/completions", read=server.saw))
    assert "Grüße" == text_of(found)


# --- what is not touched

DIRTY = b"\xef\xbb\xbf" + sse('{"index": 0}') + b"data: [DONE]\n\n"
OTHERS = {
    "an answer that is no stream": ({"model": "m", "messages": []}, "/chat/completions"),
    "stream false": ({**ASKED, "stream": False}, "/chat/completions"),
    "stream as a word": ({**ASKED, "stream": "true"}, "/chat/completions"),
    "another endpoint": ({**ASKED, "input": "?"}, "/responses"),
    "embeddings": ({"model": "m", "input": '"stream": true'}, "/embeddings"),
    "a body that is a list": ([{"stream": True}], "/chat/completions"),
}


@ways
@pytest.mark.parametrize("what", OTHERS)
def test_any_other_request_passes_byte_for_byte(way: Way, what: str) -> None:
    body, path = OTHERS[what]
    ended: list[Ended] = []
    with Loopback("length", body=DIRTY) as server:
        found = ask(way, server, body, path, on_end=ended.append)
    assert DIRTY == found.body
    assert str(len(DIRTY)) == found.headers["content-length"]
    assert [] == ended


REFUSAL = json.dumps({"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}).encode()


@ways
@pytest.mark.parametrize("watched", [False, True], ids=["alone", "watched"])
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_an_answer_with_another_status_passes_byte_for_byte(way: Way, watched: bool, encoding: str | None) -> None:
    ended: list[Ended] = []
    with Loopback(
        status="429 Too Many Requests", content_type="application/json", body=REFUSAL, encoding=encoding
    ) as server:
        alone = way.run(lambda: way.ask_with(way.client(way.inner()), f"{server.url}/chat/completions"))
    with Loopback(
        status="429 Too Many Requests", content_type="application/json", body=REFUSAL, encoding=encoding
    ) as server:
        found = ask(way, server, on_end=ended.append if watched else None)
    assert alone == found
    if watched:
        (one,) = ended
        assert ("failed", 429) == (one.outcome.name, one.status)
        assert ("Slow down", "rate_limit") == (one.outcome.error.message, one.outcome.error.kind)


# --- connections


@ways
@pytest.mark.usefixtures("long_grace")
@pytest.mark.parametrize("ending", ["together", "behind", "told"])
def test_three_streams_take_one_connection(way: Way, ending: str) -> None:
    with Kept(ending) as server:
        server.go.set()
        url = f"{server.url}/chat/completions"
        client = way.client(way.transport(way.inner()))

        def three() -> None:
            with client:
                for _ in range(3):
                    with client.stream("POST", url, json=ASKED) as response:
                        for block in response.iter_raw():
                            if DONE in block:
                                break

        async def async_three() -> None:
            async with client:
                for _ in range(3):
                    async with (
                        client.stream("POST", url, json=ASKED) as response,
                        aclosing(response.aiter_raw()) as blocks,
                    ):
                        async for block in blocks:
                            if DONE in block:
                                break

        way.run(async_three if way.asynchronous else three)
        assert 1 == server.connections


@ways
def test_a_body_may_be_iterated_twice(way: Way) -> None:
    with Kept("behind") as server:
        url = f"{server.url}/chat/completions"
        client = way.client(way.transport(way.inner()))

        def twice() -> list[bytes]:
            with client, client.stream("POST", url, json=ASKED) as response:
                first = iter(response.stream)  # held: httpx2 closes a response whose iterator is thrown away
                return [next(first), *response.stream, *response.stream]

        async def async_twice() -> list[bytes]:
            async with client, client.stream("POST", url, json=ASKED) as response:
                async with aclosing(aiter(response.stream)) as first:
                    blocks = [await anext(first)]
                    for _ in range(2):
                        blocks += [one async for one in response.stream]
                return blocks

        found = way.run(async_twice if way.asynchronous else twice)
        assert "Grüße" == read_blocks(found).message["content"]


@ways
def test_leaving_early_closes_the_upstream(way: Way) -> None:
    ended: list[Ended] = []
    with Loopback() as server:
        url = f"{server.url}/chat/completions"
        client = way.client(way.transport(way.inner(), on_end=ended.append))

        def leave() -> bool:
            with client:
                with client.stream("POST", url, json=ASKED) as response:
                    next(response.iter_raw())
                return server.left.wait(PATIENCE)

        async def async_leave() -> bool:
            async with client:
                async with (
                    client.stream("POST", url, json=ASKED) as response,
                    aclosing(response.aiter_raw()) as blocks,
                ):
                    await anext(blocks)
                return server.left.wait(PATIENCE)

        assert way.run(async_leave if way.asynchronous else leave)
    (one,) = ended
    assert ("cancelled", "Gr") == (one.outcome.name, one.response.choices[0].message.content)


@ways
def test_a_transport_whose_client_was_closed_serves_the_next_one(way: Way) -> None:
    with ScenarioServer() as server:
        url = f"{server.url('text')}/chat/completions"
        transport = way.transport()

        def ask() -> Any:
            return way.ask_with(way.client(transport), url)

        assert [TEXT, TEXT] == [text_of(way.run(ask)) for _ in range(2)]


# --- what is reported


@ways
def test_on_end_is_told_what_was_asked_how_it_ended_and_when(way: Way) -> None:
    ended: list[Ended] = []
    with ScenarioServer() as server:
        way.ask(f"{server.url('usage_each')}/chat/completions?key=secret", on_end=ended.append)
        url = f"{server.url('usage_each')}/chat/completions"
    (one,) = ended
    assert ASKED == one.request
    assert (url, 200) == (one.url, one.status)
    assert "complete" == one.outcome.name
    assert (7, 5) == (one.usage.prompt_tokens, one.usage.completion_tokens)
    assert 6 == len(one.timing.chunk_times)
    assert one.timing.sent <= one.timing.head <= one.timing.first_chunk <= one.timing.closed


@ways
def test_on_end_is_called_for_a_request_that_found_no_connection(way: Way) -> None:
    ended: list[Ended] = []
    with ScenarioServer() as server:
        url = f"{server.url('text')}/chat/completions"
    with pytest.raises(way.library.ConnectError):
        way.ask(url, on_end=ended.append)
    (one,) = ended
    assert ("failed", "source_error", None) == (one.outcome.name, one.outcome.reason, one.status)


def test_anomalies_are_reported_though_the_client_sees_none() -> None:
    ended: list[Ended] = []
    with ScenarioServer() as server:
        WAYS[0].ask(f"{server.url('tools_no_index')}/chat/completions", on_end=ended.append)
    assert "tool_index_missing" in {anomaly.code for anomaly in ended[0].anomalies}


def test_what_on_end_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Ended) -> None:
        raise RuntimeError("oh")

    with caplog.at_level(logging.ERROR), ScenarioServer() as server:
        found = WAYS[0].ask(f"{server.url('text')}/chat/completions", on_end=fail)
    assert TEXT == text_of(found)
    assert ["on_end failed"] == [record.message for record in caplog.records]


# --- arguments


def test_a_dialect_holds() -> None:
    body = sse(delta('{"content":"<think>a</think>b"}'), delta(finish="stop")) + DONE
    with Loopback("length", body=body) as server:
        found = ask(WAYS[0], server, dialect=Dialect(think_tags=True))
    assert "b" == text_of(found)


@ways
def test_a_deadline_raises_the_clients_timeout(way: Way) -> None:
    ended: list[Ended] = []
    with Loopback(patience=0.2) as server:  # which waits in vain for a sign
        found = ask(way, server, deadlines=Deadlines(total=0.05), on_end=ended.append)
    assert isinstance(found.raised, way.library.ReadTimeout)
    assert "deadline_total" == ended[0].outcome.reason


@pytest.mark.parametrize(
    "options, word",
    [
        ({"on_end": 5}, "on_end="),
        ({"deadlines": 5}, "deadlines="),
        ({"clean": "raise"}, "clean"),
        ({"limits": 5}, "limits"),
        ({"dialect": 5}, "dialect"),
        ({"inner": 5}, "inner="),
    ],
)
def test_a_wrong_argument_is_a_misuse_before_the_first_request(options: dict[str, Any], word: str) -> None:
    for make in (cleaning_transport, async_cleaning_transport):
        with pytest.raises(MisuseError, match=word):
            make(**options)


def test_a_transport_around_a_cleaning_one_takes_its_place() -> None:
    inner = WAYS[0].inner()
    assert cleaning_transport(cleaning_transport(inner)).inner is inner


@pytest.mark.parametrize("cut", ["whole", "bytes"])
def test_any_cut_gives_the_same_stream(cut: str) -> None:
    body = BY_NAME["tools_all_zero"].body
    with Served(each_byte(body) if cut == "bytes" else [body]) as server:
        found = ask(WAYS[0], server)
    assert list(BY_NAME["tools_all_zero"].expected.calls) == calls_of(read_blocks([found.body]))
