"""The documents of an event where one cannot be read as others are: too deep, or with numbers of thousands of digits."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import DONE, Reading, delta, read, sse
from streamkit import Accumulator


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_event_with_a_number_of_thousands_of_digits_is_kept(sign: str) -> None:
    long = sign + "9" * 5000
    reading = read(delta('{"content":"a","x":%s}' % long, "stop", more=f'"usage":{{"total_tokens":{long}}}'))
    assert ("a", float(sign + "inf"), True) == (reading.message["content"], reading_extra(reading), reading.outcome.ok)
    assert "non_finite_number" in reading.codes


def reading_extra(reading: Reading) -> Any:
    response = reading.accumulator.snapshot()
    assert response is not None
    return response.choices[0].message.extra["x"]


@pytest.mark.parametrize("levels", [300, 10_000, 100_000])
def test_an_event_nested_too_deeply_is_left_out_however_deep_it_is(levels: int) -> None:
    deep = '{"choices":[],"odd":' + "[" * levels + "]" * levels + "}"
    accumulator = Accumulator()
    accumulator.absorb(sse(delta('{"content":"a"}'), deep, delta('{"content":"b"}', "stop")) + DONE)
    assert accumulator.close().ok
    response = accumulator.snapshot()
    assert response is not None
    assert ("ab", ["too_deep"]) == (response.choices[0].message.content, [one.code for one in accumulator.anomalies])


@pytest.mark.parametrize("levels", [300, 10_000, 100_000])
def test_a_body_nested_too_deeply_is_not_a_stream_however_deep_it_is(levels: int) -> None:
    accumulator = Accumulator()
    accumulator.absorb(b'{"odd":' + b"[" * levels + b"]" * levels + b"}")
    assert ("failed", "not_a_stream") == (accumulator.close().name, accumulator.close().reason)


def test_an_event_of_too_many_values_that_is_not_deep_is_over_the_limit_as_ever() -> None:
    accumulator = Accumulator()
    accumulator.absorb(sse('{"choices":[],"odd":[' + ",".join(["[]"] * 100_000) + "]}"))
    assert ("failed", "limit") == (accumulator.close().name, accumulator.close().reason)
