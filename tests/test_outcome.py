"""How a stream ended: four outcomes, each with its reason, and never an invented ending."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helpers.wire import DONE, calls, choice, chunk, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, Limits, Outcome
from streamkit.errors import FormatError, LimitError, RemoteError, StreamError, TruncatedError
from streamkit.events import ErrorSeen
from streamkit.outcome import REASONS
from streamkit.types import (
    ChatChoiceStream,
    ChatCompletionStreamResponseDelta,
    CreateChatCompletionStreamResponse,
    FinishReason,
)

TEXT = delta('{"content":"a"}')
FINISH = delta("{}", "stop")
USAGE = chunk(more='"usage":{"total_tokens":1}')
BODY = (
    b'{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}'
)

# the bytes -> (name, reason)
ENDINGS: dict[str, tuple[bytes, tuple[str, str]]] = {
    "finish and [DONE]": (sse(TEXT, FINISH) + DONE, ("complete", "done")),
    "finish with the text, and [DONE]": (sse(delta('{"content":"a"}', "length")) + DONE, ("complete", "done")),
    "finish, usage and [DONE]": (sse(TEXT, FINISH, USAGE) + DONE, ("complete", "done")),
    "no content at all, but a finish": (sse(FINISH) + DONE, ("complete", "done")),
    "[DONE] without a finish": (sse(TEXT) + DONE, ("complete", "done_without_finish")),
    "[DONE] with one finish of two": (
        sse(TEXT, delta('{"content":"b"}', index=1), FINISH) + DONE,
        ("complete", "done_without_finish"),
    ),
    "[DONE] behind usage alone": (sse(USAGE) + DONE, ("failed", "empty")),
    "[DONE] behind a role alone": (sse(delta('{"role":"assistant","content":""}')) + DONE, ("failed", "empty")),
    "[DONE] without a blank line": (sse(TEXT, FINISH) + b"data: [DONE]", ("complete", "done")),
    "[DONE] without a space": (sse(TEXT, FINISH) + b"data:[DONE]\n\n", ("complete", "done")),
    "[DONE] with space around it": (sse(TEXT, FINISH) + b"data:  [DONE] \n\n", ("complete", "done")),
    "an empty finish reason is none": (sse(TEXT, delta("{}", "")) + DONE, ("complete", "done_without_finish")),
    "finish without [DONE]": (sse(TEXT, FINISH), ("complete", "finish_without_done")),
    "finish and usage without [DONE]": (sse(TEXT, FINISH, USAGE), ("complete", "finish_without_done")),
    "all finishes without [DONE]": (
        sse(TEXT, delta('{"content":"b"}', "stop", 1), FINISH),
        ("complete", "finish_without_done"),
    ),
    "finish without its blank line": (sse(TEXT) + sse(FINISH)[:-2], ("complete", "finish_without_done")),
    "finish, then torn": (sse(TEXT, FINISH) + b"data: [DO", ("complete", "finish_without_done")),
    "an unknown finish reason": (sse(TEXT, delta("{}", "end_turn")), ("complete", "finish_without_done")),
    "a full body": (BODY, ("complete", "full_body")),
    "a full body behind a mark and space": (b"\xef\xbb\xbf \r\n" + BODY, ("complete", "full_body")),
    "a finish reason that says so": (sse(TEXT, delta("{}", "network_error")) + DONE, ("failed", "finish_error")),
    "the same without [DONE]": (sse(TEXT, delta("{}", "error")), ("failed", "finish_error")),
    "the same without a word": (sse(delta("{}", "ABORT")) + DONE, ("failed", "finish_error")),
    "the same for one choice of two": (
        sse(TEXT, delta("{}", "timeout", 1)),
        ("failed", "finish_error"),
    ),
    "the same in a full body": (BODY.replace(b"stop", b"server_error"), ("failed", "finish_error")),
    "the same, taken back": (sse(TEXT, delta("{}", "error"), FINISH) + DONE, ("complete", "done")),
    "the same behind an error": (sse('{"error":"boom"}', delta("{}", "error")) + DONE, ("failed", "remote_error")),
    "the finish reason null, as a word": (sse(TEXT, delta("{}", "null")), ("truncated", "no_finish")),
    "the finish reason null, and [DONE]": (sse(TEXT, delta("{}", "NULL")) + DONE, ("complete", "done_without_finish")),
    "text only": (sse(TEXT), ("truncated", "no_finish")),
    "text without its blank line": (sse(TEXT)[:-2], ("truncated", "no_finish")),
    "a role only": (sse(delta('{"role":"assistant","content":""}')), ("truncated", "no_finish")),
    "usage does not make an end": (sse(TEXT, USAGE), ("truncated", "no_finish")),
    "usage alone does not either": (sse(USAGE), ("truncated", "no_finish")),
    "one finish of two": (sse(TEXT, delta('{"content":"b"}', index=1), FINISH), ("truncated", "no_finish")),
    "one finish of two, the other empty": (
        sse(chunk(choice("{}", "stop") + "," + choice("{}", "", 1))),
        ("truncated", "no_finish"),
    ),
    "cut inside an event": (sse(TEXT) + sse(FINISH)[:30], ("truncated", "mid_event")),
    "cut inside [DONE]": (sse(TEXT) + b"data: [DON", ("truncated", "mid_event")),
    "an error": (sse(TEXT, '{"error":{"message":"boom"}}'), ("failed", "remote_error")),
    "an error and [DONE]": (sse(TEXT, '{"error":{"message":"boom"}}') + DONE, ("failed", "remote_error")),
    "an error behind the finish": (sse(TEXT, FINISH, '{"error":"boom"}') + DONE, ("failed", "remote_error")),
    "an error before anything": (sse('{"error":"boom"}') + DONE, ("failed", "remote_error")),
    "an error, then more": (sse('{"error":"boom"}', TEXT, FINISH) + DONE, ("failed", "remote_error")),
    "an error body": (b'{"error":{"message":"boom","code":401}}', ("failed", "error_body")),
    "an error body in a list": (b'[{"error":{"message":"boom","code":401}}]', ("failed", "error_body")),
    "an error body without an error": (b'{"detail":"Not Found"}', ("failed", "error_body")),
    "a web page": (b"<!DOCTYPE html><html>Bad Gateway</html>", ("failed", "not_a_stream")),
    "other JSON": (b'{"hello":"world"}', ("failed", "not_a_stream")),
    "JSON that breaks off": (b'{"choices":[{"index":0,"mess', ("failed", "not_a_stream")),
    "a list": (b"[1,2]", ("failed", "not_a_stream")),
    "text": (b"upstream connect error", ("failed", "not_a_stream")),
    "text in events": (sse("upstream connect error"), ("failed", "not_a_stream")),
    "nothing at all": (b"", ("failed", "empty")),
    "blank lines": (b"\r\n\n \n", ("failed", "empty")),
    "[DONE] alone": (DONE, ("failed", "empty")),
    "[DONE] behind comments": (b": ping\n\n: ping\n\n" + DONE, ("failed", "empty")),
    "comments alone": (b": ping\n\n", ("failed", "empty")),
    "pings alone": (sse('{"type":"ping"}', '{"type":"ping"}'), ("failed", "empty")),
    "pings and [DONE]": (sse('{"type":"ping"}') + DONE, ("failed", "empty")),
    "fields without data": (b"retry: 3000\n\n", ("failed", "empty")),
}


@pytest.mark.parametrize("stream, ending", ENDINGS.values(), ids=list(ENDINGS))
def test_an_outcome_says_how_the_stream_ended_and_which_case_it_was(stream: bytes, ending: tuple[str, str]) -> None:
    assert ending == read(stream, done=False).ending


@pytest.mark.parametrize("stream, ending", ENDINGS.values(), ids=list(ENDINGS))
def test_a_truncated_or_failed_outcome_has_an_error_and_a_complete_one_has_none(
    stream: bytes, ending: tuple[str, str]
) -> None:
    reading = read(stream, done=False)
    error = reading.outcome.error
    assert (ending[0] == "complete") == reading.outcome.ok == (error is None)
    if error is not None:
        kinds: dict[str, tuple[type[StreamError], ...]] = {
            "no_finish": (TruncatedError,),
            "mid_event": (TruncatedError,),
            "remote_error": (RemoteError,),
            "error_body": (RemoteError,),
            "finish_error": (RemoteError,),
            "not_a_stream": (RemoteError, FormatError),
            "empty": (FormatError,),
        }
        assert type(error) in kinds[ending[1]]
        assert error.partial == reading.accumulator.snapshot()
        assert error.emitted == reading.accumulator.emitted


@pytest.mark.parametrize("stream, ending", ENDINGS.values(), ids=list(ENDINGS))
def test_with_an_outcome_the_stream_is_done(stream: bytes, ending: tuple[str, str]) -> None:
    accumulator = read(stream, done=False).accumulator
    assert accumulator.done
    assert accumulator.outcome is not None
    assert ending == (accumulator.outcome.name, accumulator.outcome.reason)


@pytest.mark.parametrize(
    "stream, kind",
    [
        (b"<html><title>502 Bad Gateway</title></html>", RemoteError),
        (b'{"hello":"world"}', RemoteError),
        (b"upstream connect error", RemoteError),
        (b'"Internal error"', RemoteError),
        (b"null", RemoteError),
        (b"\x00\x01", FormatError),
        (sse("upstream connect error"), FormatError),
        (b'{"choices":[{"index":0,"mess', FormatError),
    ],
    ids=[
        "web-page",
        "other-json",
        "text",
        "text-as-json",
        "null",
        "bytes-of-no-kind",
        "text-in-events",
        "json-that-breaks-off",
    ],
)
def test_what_is_not_a_stream_is_the_senders_word_or_not_the_format(stream: bytes, kind: type[StreamError]) -> None:
    assert kind is type(read(stream, done=False).outcome.error)


@pytest.mark.parametrize(
    "body", [b"upstream\n timed out", b' "upstream timed out"\n', b"upstream timed out" + b" " * 9999]
)
def test_a_text_is_the_senders_message(body: bytes) -> None:
    error = read(body, done=False).outcome.error
    assert isinstance(error, RemoteError)
    assert "upstream timed out" == error.message == " ".join(error.body.split())


def test_a_web_page_says_its_title() -> None:
    error = read(b"<!DOCTYPE html><html><title>502\n Bad Gateway</title></html>", done=False).outcome.error
    assert "502 Bad Gateway" == error.message


def test_there_is_an_ending_for_every_reason() -> None:
    elsewhere = {
        "limit",
        "anomaly",
        "cancelled",
        "source_error",
        *(reason for reason in REASONS if reason.startswith("deadline_")),
    }
    assert set(REASONS) - elsewhere == {reason for _, (_, reason) in ENDINGS.values()}


@pytest.mark.parametrize("stream, ending", ENDINGS.values(), ids=list(ENDINGS))
def test_the_table_says_which_outcome_a_reason_belongs_to(stream: bytes, ending: tuple[str, str]) -> None:
    assert ending[0] == REASONS[ending[1]][0]


def test_over_a_limit_a_stream_has_failed() -> None:
    reading = read(TEXT, delta(index=1), limits=Limits(max_choices=1))
    assert ("failed", "limit") == reading.ending
    assert isinstance(reading.outcome.error, LimitError)


def test_under_strict_an_anomaly_is_a_failure() -> None:
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError) as caught:
        accumulator.feed(sse(TEXT, "keepalive"))
    outcome = accumulator.close()
    assert ("failed", "anomaly") == (outcome.name, outcome.reason)
    assert caught.value is outcome.error


def test_the_first_error_decides() -> None:
    reading = read(
        TEXT,
        '{"error":{"message":"first"}}',
        '{"error":{"message":"second"}}',
        delta(index=1),
        limits=Limits(max_choices=1),
    )
    assert ("failed", "remote_error") == reading.ending
    assert "first" == reading.outcome.error.message


def test_a_caller_that_leaves_first_has_cancelled() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(TEXT))
    outcome = accumulator.cancel()
    assert ("cancelled", "cancelled", None) == (outcome.name, outcome.reason, outcome.error)
    assert not outcome.ok
    assert "a" == accumulator.snapshot().choices[0].message.content


@pytest.mark.parametrize(
    "stream, ending",
    [
        (sse(TEXT, FINISH) + DONE, ("complete", "done")),
        (sse(TEXT, '{"error":"boom"}'), ("failed", "remote_error")),
        (sse(TEXT), ("cancelled", "cancelled")),
        (b"", ("cancelled", "cancelled")),
        (b'{"error":', ("cancelled", "cancelled")),
    ],
    ids=["done", "failed", "running", "nothing", "body"],
)
def test_leaving_is_a_cancellation_only_of_what_has_not_ended(stream: bytes, ending: tuple[str, str]) -> None:
    accumulator = Accumulator()
    accumulator.feed(stream)
    outcome = accumulator.cancel()
    assert ending == (outcome.name, outcome.reason)


def test_cancelling_ends_with_an_end_and_leaves_parts_open() -> None:
    accumulator = Accumulator()
    told = accumulator.feed(sse(TEXT))
    outcome = accumulator.cancel()
    assert ["End"] == [type(event).__name__ for event in outcome.events]
    assert len(told) == outcome.events[0].sequence


@pytest.mark.parametrize("first", ["close", "cancel"])
@pytest.mark.parametrize("second", ["close", "cancel"])
def test_ending_again_gives_the_same_outcome(first: str, second: str) -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(TEXT))
    outcome = getattr(accumulator, first)()
    assert outcome is getattr(accumulator, second)()


def test_an_outcome_is_known_as_soon_as_the_stream_has_ended() -> None:
    accumulator = Accumulator()
    assert (None, False) == (accumulator.outcome, accumulator.done)
    accumulator.feed(sse(TEXT, FINISH))
    assert (None, False) == (accumulator.outcome, accumulator.done)
    accumulator.feed(DONE)
    assert (Outcome("complete", "done"), True) == (accumulator.outcome, accumulator.done)


def test_an_outcome_can_be_compared_by_name_and_reason() -> None:
    assert Outcome("failed", "limit", StreamError("a")) == Outcome("failed", "limit")
    assert Outcome("failed", "limit") != Outcome("failed", "empty")


@pytest.mark.parametrize("word", REASONS)
def test_every_reason_is_a_word_with_an_explanation(word: str) -> None:
    name, sentence = REASONS[word]
    assert name in ("complete", "truncated", "failed", "cancelled")
    assert sentence


@pytest.mark.parametrize(
    "piece",
    ['{"content":"c"}', '{"refusal":"c"}', '{"function_call":{"arguments":"{"}}', '{"reasoning":"c"}'],
)
def test_a_choice_that_continues_after_its_second_finish_reason_is_unfinished_again(piece: str) -> None:
    again = [delta('{"content":"a"}', "stop"), delta('{"content":"b"}', "stop")]
    assert ("complete", "finish_without_done") == read(*again, done=False).ending
    assert ("truncated", "no_finish") == read(*again, delta(piece), done=False).ending


# Finish reasons that say that the sender failed.


@pytest.mark.parametrize("word", FinishReason.__failures__)
@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title])
def test_a_sender_that_says_it_failed_has_failed_and_its_text_and_word_are_kept(
    word: str, spelled: Callable[[str], str]
) -> None:
    stream = sse(TEXT, delta("{}", spelled(word))) + DONE
    for reading in (read(stream, done=False), read_blocks(each_byte(stream))):
        error = reading.outcome.error
        assert ("failed", "finish_error") == reading.ending
        assert ("a", spelled(word)) == (reading.message["content"], reading.response["choices"][0]["finish_reason"])
        assert isinstance(error, RemoteError)
        assert (spelled(word), 2 + 1, "$.choices[0].finish_reason") == (error.type, error.event, error.path)
        assert f"the sender ended choice 0 with the finish reason '{spelled(word)}'" == error.message
        assert [error.message] == [event.error.message for event in reading.of(ErrorSeen)]
        assert spelled(word) == error.partial.choices[0].effective_finish_reason


@pytest.mark.parametrize("source", FinishReason.__failures__.values())
def test_every_word_that_says_so_has_a_public_source(source: str) -> None:
    assert source.startswith("https://")


@pytest.mark.parametrize(
    "word", ["end_turn", "eos", "sensitive", "STOP", "failed", "network", "error_", "xerror", "none"]
)
def test_any_other_word_is_kept_and_changes_nothing(word: str) -> None:
    reading = read(TEXT, delta("{}", word))
    assert ("complete", "done") == reading.ending
    assert word == reading.response["choices"][0]["finish_reason"]


def test_a_call_that_the_sender_failed_in_is_not_complete() -> None:
    (call,) = read(
        *calls('{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}')[:-1], delta("{}", "ABORT")
    ).calls
    assert ("x", "f", "{}") == call
    accumulator = Accumulator()
    accumulator.absorb(
        sse(*calls('{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}')[:-1], delta("{}", "ABORT"))
    )
    response = accumulator.snapshot()
    assert response is not None
    assert [False] == [one.complete for one in response.choices[0].message.tool_calls or ()]


def test_leaving_first_cancels_whatever_the_finish_reason() -> None:
    accumulator = Accumulator()
    accumulator.absorb(sse(TEXT, delta("{}", "error")))
    assert ("cancelled", "cancelled") == (accumulator.cancel().name, accumulator.cancel().reason)


def test_a_reason_that_is_none_is_none_in_a_chunk_that_was_decoded_elsewhere() -> None:
    accumulator = Accumulator()
    content = ChatCompletionStreamResponseDelta(content="a")
    accumulator.add(CreateChatCompletionStreamResponse("c1", [ChatChoiceStream(0, content, "null")], 7, "m"))
    assert ("truncated", "no_finish") == (accumulator.close().name, accumulator.close().reason)
