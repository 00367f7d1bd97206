"""The error tree: one family, split by whose fault it was, each error with its facts."""

from __future__ import annotations

import pytest

from helpers.wire import delta, read, sse
from streamkit import Accumulator, Limits, errors
from streamkit.errors import (
    FormatError,
    LimitError,
    MisuseError,
    Problem,
    RemoteError,
    SenderError,
    SourceError,
    StreamError,
    TruncatedError,
    ValidationError,
    counted,
    excerpt,
)

HALF = sse(delta('{"content":"Hel"}'))


def failure(stream: bytes, **options: object) -> StreamError:
    error = read(stream, done=False, **options).outcome.error
    assert error is not None
    return error


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.endswith("Error")])
def test_everything_that_streamkit_raises_is_a_stream_error(name: str) -> None:
    assert issubclass(getattr(errors, name), StreamError)


@pytest.mark.parametrize("kind", [RemoteError, FormatError, TruncatedError, LimitError])
def test_what_the_sender_or_the_network_did_is_a_sender_error(kind: type[StreamError]) -> None:
    assert issubclass(kind, SenderError)


@pytest.mark.parametrize("kind", [MisuseError, ValidationError])
def test_what_the_caller_did_is_not_a_sender_error(kind: type[StreamError]) -> None:
    assert not issubclass(kind, SenderError)


def test_a_validation_error_is_a_value_error_too() -> None:
    assert issubclass(ValidationError, ValueError)


def test_a_validation_error_lists_every_problem_in_order() -> None:
    problems = (Problem("$.id", "a string", "1"), Problem("$.created", "a whole number", "null"))
    error = ValidationError(problems, type_name="Thing")
    assert problems == error.problems
    assert (
        "not a Thing: invalid value, expected a string @ $.id, got 1;"
        " invalid value, expected a whole number @ $.created, got null"
    ) == str(error)


@pytest.mark.parametrize(
    "facts, text",
    [
        pytest.param({}, "it broke", id="none"),
        pytest.param({"event": 3}, "it broke (event 3)", id="event"),
        pytest.param({"path": "$.id"}, "it broke ($.id)", id="path"),
        pytest.param({"event": 3, "path": "$.id"}, "it broke (event 3, $.id)", id="event-and-path"),
        pytest.param({"excerpt": "<html>"}, "it broke: '<html>'", id="excerpt"),
    ],
)
def test_an_error_says_where_it_happened_and_what_was_found_there(facts: dict[str, object], text: str) -> None:
    assert text == str(StreamError("it broke", **facts))


def test_an_error_without_facts_has_nothing_partial_and_nothing_emitted() -> None:
    error = StreamError("it broke")
    assert (None, None, None, None, False) == (error.event, error.path, error.excerpt, error.partial, error.emitted)


@pytest.mark.parametrize(
    "stream, kind, options",
    [
        pytest.param(HALF, TruncatedError, {}, id="truncated"),
        pytest.param(HALF + sse('{"error":"boom"}'), RemoteError, {}, id="remote"),
        pytest.param(HALF + sse(delta(index=1)), LimitError, {"limits": Limits(max_choices=1)}, id="limit"),
    ],
)
def test_every_way_to_fail_keeps_what_had_arrived_and_says_that_it_was_shown(
    stream: bytes, kind: type[StreamError], options: dict[str, object]
) -> None:
    error = failure(stream, **options)
    assert kind is type(error)
    assert error.partial is not None
    assert "Hel" == error.partial.choices[0].message.content
    assert error.emitted


def test_nothing_counts_as_emitted_before_there_was_any_output() -> None:
    error = failure(sse(delta('{"role":"assistant","content":""}')))
    assert error.partial is not None
    assert "" == error.partial.choices[0].message.content
    assert not error.emitted


def test_a_stream_without_a_chunk_has_nothing_partial() -> None:
    error = failure(b"upstream connect error")
    assert (RemoteError, None, False) == (type(error), error.partial, error.emitted)


def test_misuse_in_the_middle_of_a_stream_carries_the_response_so_far() -> None:
    accumulator = Accumulator()
    accumulator.feed(HALF)
    with pytest.raises(MisuseError) as caught:
        accumulator.feed("text")  # type: ignore[arg-type]
    assert caught.value.partial is not None
    assert "Hel" == caught.value.partial.choices[0].message.content
    assert caught.value.emitted


def test_feeding_after_the_end_carries_the_response_too() -> None:
    accumulator = Accumulator()
    accumulator.feed(HALF)
    accumulator.close()
    with pytest.raises(MisuseError, match="after close") as caught:
        accumulator.feed(HALF)
    assert caught.value.partial == accumulator.snapshot()


def test_a_remote_error_carries_what_the_sender_wrote() -> None:
    body = '{"error":{"message":"overloaded","type":"server_error","param":"n","code":503}}'
    error = failure(HALF + sse(body))
    assert isinstance(error, RemoteError)
    assert ("overloaded", "server_error", "n", 503) == (error.message, error.type, error.param, error.code)
    assert {"error": {"message": "overloaded", "type": "server_error", "param": "n", "code": 503}} == error.body
    assert (2, "$.error") == (error.event, error.path)


def test_a_limit_error_names_the_limit_its_value_and_the_event() -> None:
    error = failure(HALF + sse(delta(index=1)), limits=Limits(max_choices=1))
    assert isinstance(error, LimitError)
    assert ("max_choices", 1, 2) == (error.limit, error.maximum, error.event)


def test_a_strict_format_error_names_the_anomaly_its_event_and_its_path() -> None:
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError) as caught:
        accumulator.feed(HALF + sse(chunk_with_string_index()))
    error = caught.value
    assert ("index_type", 2, "$.choices[0].index", "0") == (error.code, error.event, error.path, error.excerpt)


def chunk_with_string_index() -> str:
    return delta('{"content":"lo"}', index='"0"')


def test_an_excerpt_is_short_whatever_the_sender_wrote() -> None:
    error = failure(b"<html>" + b"x" * 100_000)
    assert error.excerpt is not None
    assert error.excerpt.startswith("<html>xxx")
    assert len(error.excerpt) <= 120


def test_an_excerpt_of_any_bytes_can_be_printed() -> None:
    error = failure(b"<\xff\xfe\xf0\x9f\x98")
    assert error.excerpt is not None
    assert "<\ufffd\ufffd\ufffd" == error.excerpt.encode().decode()


# --- words


def test_an_excerpt_shows_a_value_as_the_json_that_it_was() -> None:
    assert '{"a":null,"b":[true,1.5,"ü"]}' == excerpt({"a": None, "b": [True, 1.5, "ü"]})
    assert ("null", "false", "a", "a") == (excerpt(None), excerpt(False), excerpt("a"), excerpt(b"a"))


@pytest.mark.parametrize(
    "message, cause, text",
    [
        ("the source broke", OSError("reset"), "the source broke <- OSError: reset"),
        ("the source broke: OSError: reset", OSError("reset"), "the source broke: OSError: reset"),
        ("the source broke: reset", OSError("reset"), "the source broke: reset <- OSError"),
        ("the source broke", OSError(), "the source broke <- OSError"),
    ],
)
def test_the_text_of_a_cause_is_in_an_error_once(message: str, cause: Exception, text: str) -> None:
    error = SourceError(message)
    error.__cause__ = cause
    assert text == str(error)


def test_one_of_a_thing_is_written_in_the_singular() -> None:
    assert ("1 block", "0 blocks", "2 blocks") == (counted(1, "block"), counted(0, "block"), counted(2, "block"))
    assert "1,000 bytes" == counted(1000, "byte", ",")
    assert "more than 1 choice" == failure(HALF + sse(delta(index=1)), limits=Limits(max_choices=1)).message


def raised_for(ours: StreamError | None, *, explicit: bool) -> BaseException:
    """What an SDK raises that caught what its client raised for `ours`."""
    try:
        try:
            raise OSError("reset") from ours
        except OSError as error:
            if explicit:
                raise RuntimeError("Connection error.") from error
            raise RuntimeError("Connection error.")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("explicit", [True, False])
def test_our_error_is_found_beneath_that_of_an_sdk(explicit: bool) -> None:
    ours = TruncatedError("cut off")
    assert ours is errors.beneath(raised_for(ours, explicit=explicit))
    assert ours is errors.beneath(ours)
    assert None is errors.beneath(raised_for(None, explicit=explicit))


def test_causes_that_go_round_end() -> None:
    one, other = OSError(), RuntimeError()
    one.__cause__, other.__cause__ = other, one
    assert None is errors.beneath(one)
