"""What kind of error it is, and whether asking again may help."""

from __future__ import annotations

import json
import pickle
from typing import Any, get_args

import pytest

from helpers.corpus import SHARED, TRACES
from helpers.wire import delta, read, sse
from streamkit import Accumulator, ChatStream, Deadlines, Limits, errors
from streamkit._error_kinds import ROWS, ErrorKind, Facts, judge
from streamkit.errors import DeadlineError, FormatError, MisuseError, RemoteError, SourceError, StreamError
from streamkit.sources import Blocks
from streamkit.testing import FakeClock

HEL = sse(delta('{"content":"Hel"}'))


def told(error: StreamError | None) -> tuple[str, bool, bool]:
    """Kind, whether to ask again, and whether that would repeat what was shown."""
    assert error is not None
    return error.kind, error.retryable, error.emitted


def failed(stream: bytes, **options: Any) -> StreamError | None:
    return read(stream, done=False, **options).outcome.error


@pytest.mark.parametrize(
    "kind, retryable, error",
    [
        # OpenAI
        ("rate_limit", True, {"message": "Slow", "type": "requests", "code": "rate_limit_exceeded"}),
        ("rate_limit", False, {"message": "You exceeded", "type": "insufficient_quota", "code": "insufficient_quota"}),
        ("context_length", False, {"type": "invalid_request_error", "code": "context_length_exceeded"}),
        ("auth", False, {"type": "invalid_request_error", "code": "invalid_api_key", "message": "Incorrect"}),
        ("overloaded", True, {"type": "service_unavailable_error", "code": "server_is_overloaded"}),
        ("sender", True, {"message": "The server had an error", "type": "server_error", "code": None}),
        ("bad_request", False, {"message": "Missing", "type": "invalid_request_error"}),
        # Azure
        ("content_filter", False, {"message": "The response was filtered", "code": "content_filter"}),
        # vLLM
        ("bad_request", False, {"message": "negative", "type": "BadRequestError", "code": 400}),
        ("sender", True, {"message": "EngineCore died", "type": "InternalServerError", "code": 500}),
        ("context_length", False, {"message": "This model's maximum context length is 8", "code": 400}),
        # llama.cpp
        ("context_length", False, {"code": 500, "type": "exceed_context_size_error", "message": "the request"}),
        ("context_length", False, {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}),
        ("overloaded", True, {"code": 503, "message": "Loading model", "type": "unavailable_error"}),
        # LiteLLM
        ("context_length", False, {"message": "litellm.ContextWindowExceededError: x", "code": "400"}),
        ("rate_limit", True, {"message": "litellm.RateLimitError", "type": "throttling_error", "code": "429"}),
        # Anthropic
        ("overloaded", True, {"type": "overloaded_error", "message": "Overloaded"}),
        ("rate_limit", True, {"type": "rate_limit_error", "message": "limit"}),
        ("context_length", False, {"type": "invalid_request_error", "message": "prompt is too long: 2 > 1 maximum"}),
        # OpenRouter
        ("sender", True, {"message": "Provider returned error", "code": 502}),
        ("rate_limit", False, {"message": "Insufficient credits", "code": 402}),
        ("content_filter", False, {"message": "your input was flagged", "code": 403}),
        # Gemini: the same sentence for the quota of a minute
        ("rate_limit", True, {"code": 429, "message": "You exceeded your current quota. Please retry in 53.4s."}),
        # Moonshot
        ("content_filter", False, {"type": "content_filter", "message": "considered high risk"}),
        (
            "context_length",
            False,
            {"type": "invalid_request_error", "message": "Your request exceeded model token limit"},
        ),
        ("overloaded", True, {"type": "engine_overloaded_error", "message": "busy"}),
        # Zhipu
        ("rate_limit", True, {"code": "1302", "message": "too many"}),
        ("rate_limit", False, {"code": "1113", "message": "overdue"}),
        ("content_filter", False, {"code": "1301", "message": "unsafe"}),
        ("context_length", False, {"code": "1261", "message": "Prompt too long"}),
        # Alibaba
        ("rate_limit", True, {"code": "Throttling.RateQuota", "message": "limit"}),
        ("content_filter", False, {"code": "data_inspection_failed", "message": "inappropriate"}),
        ("rate_limit", False, {"code": "Arrearage", "message": "good standing"}),
        # Groq
        ("rate_limit", True, {"message": "Request too large on tokens per minute (TPM)", "code": 413}),
        ("overloaded", True, {"message": "flex", "code": 498}),
        ("sender", True, {"type": "invalid_request_error", "code": "tool_use_failed", "message": "did not match"}),
        # nobody's
        ("bad_request", False, {"message": "a teapot", "code": 418}),
        ("sender", True, {"message": "new", "code": 577}),
        ("unknown", False, {"message": "boom"}),
    ],
)
def test_what_senders_report_in_the_stream_has_a_kind(kind: str, retryable: bool, error: dict[str, Any]) -> None:
    assert (kind, retryable, True) == told(failed(HEL + sse(json.dumps({"error": error}))))


@pytest.mark.parametrize(
    "kind, retryable, body",
    [
        ("rate_limit", True, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
        ("auth", False, {"base_resp": {"status_code": 1004, "status_msg": "not authorized"}}),
        ("content_filter", False, {"base_resp": {"status_code": 1027, "status_msg": "sensitive"}}),
        ("rate_limit", True, {"error_code": 18, "error_msg": "Open api qps request limit reached"}),
        ("auth", False, {"error_code": 110, "error_msg": "Access token invalid or no longer valid"}),
        ("bad_request", False, {"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}),
        ("sender", True, {"object": "error", "message": "", "type": "internal_server_error", "code": "1000"}),
    ],
)
def test_shapes_without_error_have_a_kind_too(kind: str, retryable: bool, body: dict[str, Any]) -> None:
    assert (kind, retryable, False) == told(failed(sse(json.dumps(body))))


def test_an_error_that_is_quoted_says_more_than_the_one_that_quotes_it() -> None:
    raw = json.dumps({"error": {"message": "This model's maximum context length is 262144 tokens.", "code": 400}})
    error = {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw, "provider_name": "N"}}
    assert ("context_length", False, False) == told(failed(sse(json.dumps({"error": error}))))


@pytest.mark.parametrize(
    "reason, kind",
    [
        ("error", "sender"),
        ("network_error", "sender"),
        ("timeout", "overloaded"),
        ("insufficient_system_resource", "overloaded"),
        ("MALFORMED_FUNCTION_CALL", "sender"),
    ],
)
def test_a_finish_reason_that_says_that_the_sender_failed_has_a_kind(reason: str, kind: str) -> None:
    stream = HEL + sse('{"choices":[{"index":0,"delta":{},"finish_reason":"%s"}]}' % reason)
    assert (kind, True, True) == told(failed(stream))


def test_every_finish_reason_that_says_so_is_in_the_table() -> None:
    from streamkit.types import FinishReason

    words = FinishReason.__failures__  # type: ignore[attr-defined]
    assert set() == {word for word in words if judge(Facts(finish=word)).kind == "unknown"}


@pytest.mark.parametrize(
    "status, kind, retryable",
    [
        (400, "bad_request", False),
        (401, "auth", False),
        (402, "rate_limit", False),
        (404, "bad_request", False),
        (408, "overloaded", True),
        (429, "rate_limit", True),
        (500, "sender", True),
        (501, "bad_request", False),
        (503, "overloaded", True),
        (529, "overloaded", True),
    ],
)
def test_the_status_counts_where_the_sender_says_no_more(status: int, kind: str, retryable: bool) -> None:
    with ChatStream(Blocks(iter((b'{"detail":"no"}',)), chunks=False, status=status)) as stream:
        outcome = stream.until_done()
    assert (kind, retryable, False) == told(outcome.error)


def test_a_code_in_the_stream_says_more_than_the_status_of_the_response() -> None:
    error = RemoteError("x", code=429)
    error.status = 500
    assert ("rate_limit", True, False) == told(error)


@pytest.mark.parametrize(
    "stream, kind, retryable, emitted",
    [
        (HEL, "network", True, True),  # truncated
        (HEL[:-30], "network", True, False),  # in the first event
        (b"", "sender", True, False),  # empty
        (b"data: [DONE]\n\n", "sender", True, False),
        (b"<html><title>502 Bad Gateway</title></html>", "sender", True, False),
        (b"<html><title>Log in</title></html>", "unknown", False, False),
        (b"\x00\x01\x02\xff\xfe", "sender", False, False),  # no stream, and it will be none the next time
    ],
)
def test_what_ends_a_stream_without_a_word_has_a_kind(stream: bytes, kind: str, retryable: bool, emitted: bool) -> None:
    assert (kind, retryable, emitted) == told(failed(stream))


def test_limits_strictness_and_misuse_are_not_retryable() -> None:
    assert ("sender", False, False) == told(
        failed(sse(delta('{"content":"%s"}' % ("x" * 99))), limits=Limits(max_response_bytes=9))
    )
    with pytest.raises(FormatError) as strict:
        Accumulator(strict=True).feed(sse('{"choices":[{"index":0,"delta":{"content":5}}]}'))
    assert ("sender", False) == (strict.value.kind, strict.value.retryable)
    assert ("unknown", False) == ((misuse := MisuseError("x")).kind, misuse.retryable)


def test_a_source_that_breaks_and_a_deadline_are_the_networks() -> None:
    def broken() -> Any:
        yield b"data: "
        raise ConnectionResetError("reset")

    outcome = ChatStream(broken()).until_done()
    assert isinstance(outcome.error, SourceError)
    assert ("network", True, False) == told(outcome.error)
    clock = FakeClock()

    def slow() -> Any:
        yield HEL
        clock.advance(9)
        yield HEL

    outcome = ChatStream(slow(), deadlines=Deadlines(idle=1), clock=clock).until_done()
    assert isinstance(outcome.error, DeadlineError)
    assert ("network", True, True) == told(outcome.error)


def test_an_error_that_a_client_raised_has_its_status() -> None:
    """A generator that asks when it is read: what the SDK raises then has no code, but a status."""

    class Refused(Exception):
        body = ("no",)
        message = "no"
        status_code = 429

    def asking() -> Any:
        raise Refused
        yield b""

    outcome = ChatStream(asking()).until_done()
    assert outcome.error is not None
    assert (("rate_limit", True, False), 429) == (told(outcome.error), outcome.error.status)


def test_an_error_keeps_its_kind_when_it_is_pickled() -> None:
    error = RemoteError("slow down", code="rate_limit_exceeded")
    assert told(error) == told(pickle.loads(pickle.dumps(error)))


def test_odd_facts_have_a_kind() -> None:
    odd: tuple[Any, ...] = (None, True, [], {}, float("nan"), 10**400, "x" * 10**6, b"429", "４２９")
    for one in odd:
        error = RemoteError(one, code=one, type=one, body={"error": {"metadata": one}}, path=one)
        assert (error.kind, error.retryable) == ("unknown", False)


def test_every_row_names_a_kind_and_is_in_the_form_in_which_it_is_compared() -> None:
    for row in ROWS:
        assert row.kind in get_args(ErrorKind)
        assert row.names == row.names.lower().replace("_", "").replace("-", "").replace(".", "")
        assert row.words == tuple(word.lower() for word in row.words)
        assert row[1:5] != ("", (), (), ""), "a row without a condition decides everything"
    assert "ErrorKind" in errors.__all__


def test_the_kinds_of_the_recorded_streams_are_known() -> None:
    """Each recorded stream that fails says by its error what it failed of."""
    told_of = {}
    for recorded in (*TRACES, *SHARED):
        accumulator = Accumulator()
        accumulator.absorb(recorded.body)
        error = accumulator.close().error
        if error is not None:
            told_of[recorded.name] = error.kind
    assert told_of
    assert [] == [name for name, kind in told_of.items() if kind == "unknown"]
