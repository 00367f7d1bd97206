"""The vocabulary of faults: what each takes, its text form, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.tier import some
from streamkit import FAULTS, Fault, MisuseError, replay
from streamkit._recording.faults import fault_list
from streamkit.trace import read_trace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("truncate", Fault("truncate")),
        ("stall=2", Fault("stall", 2)),
        ("error_event=429", Fault("error_event", "429")),
        ("stall=2@event:5", Fault("stall", 2, at="event:5")),
        ("stall=seconds=0.5@0.25", Fault("stall", seconds=0.5, at=0.25)),
        (" reset@head ", Fault("reset", at="head")),
        ("status=503,retry_after=1.5", Fault("status", 503, retry_after=1.5)),
        ("corrupt=4,seed=7@block:-1", Fault("corrupt", 4, seed=7, at="block:-1")),
        (
            "error_event=overloaded,message=Try%20again%2C%20later",
            Fault("error_event", "overloaded", message="Try again, later"),
        ),
    ],
)
def test_a_fault_is_read_from_its_text(text: str, fault: Fault) -> None:
    assert fault == Fault.parse(text)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_written_as_it_is_read(name: str) -> None:
    assert name == str(Fault(name))
    assert Fault(name, seed=3) == Fault.parse(str(Fault(name, seed=3)))


def test_the_text_needs_no_quoting_in_a_query_or_a_header() -> None:
    text = str(Fault("error_event", "a b", message="ü, @; =", seed=7, at="event:-1"))
    assert "error_event=a%20b,%C3%BC%2C%20%40%3B%20%3D,seed=7@event:-1" == text
    assert text == quote(text, safe="=,@:%-._~")
    assert Fault("error_event", "a b", message="ü, @; =", seed=7, at="event:-1") == Fault.parse(text)


def test_several_faults_are_one_text_or_a_list() -> None:
    both = (Fault("delay", 1), Fault("reset", at=0.8))
    assert both == fault_list("delay=1;reset@0.8") == fault_list("delay=1 reset@0.8")
    assert both == fault_list(["delay=1", both[1]]) == fault_list(both)
    assert () == fault_list(None) == fault_list("")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stal", "no fault is called 'stal': did you mean 'stall'? There are delay, stall, truncate"),
        ("", "no fault is called '': there are delay"),
        ("drop=3", "drop takes no options, not '3' too"),
        ("stall=x", "stall: seconds takes seconds, finite and not negative, not 'x'"),
        ("stall=2,seconds=3", "stall was given seconds twice"),
        ("stall=seconds=3,2", "write values without a name before those with one"),
        ("stall=at=3", "stall takes seconds; it has no option 'at'"),
        ("stall=name=3", "stall takes seconds; it has no option 'name'"),
        ("stall=nan", "stall: seconds takes seconds, finite and not negative, not nan"),
        ("corrupt=0", "corrupt: count takes a whole number from 1 on, not 0"),
        ("corrupt=1,seed=x", "corrupt: seed takes a whole number from 0 on, not 'x'"),
        ("status=700", "status: code takes an HTTP status from 200 to 599, not 700"),
        ("bandwidth=0", "bandwidth: bytes_per_second takes bytes, more than 0, not 0"),
        ("reset@nowhere", 'at takes "head", "block:3"'),
        (
            "drop@head",
            "drop cannot strike at the head, before any of the body: delay, stall, disconnect, reset, status can",
        ),
        ("empty@0.5", "empty has its own place: leave out at"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused_with_what_does(text: str, words: str) -> None:
    with pytest.raises(MisuseError) as caught:
        Fault.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("faults", [3, [3], b"stall", {"stall": 2}, [["stall"]]])
def test_what_is_no_fault_is_refused(faults: Any) -> None:
    with pytest.raises(MisuseError, match=r'^(faults takes a text such as "stall=2@event:5"|no fault is called)'):
        fault_list(faults)


def test_a_place_that_a_stream_does_not_have_is_refused_with_the_fault() -> None:
    with pytest.raises(
        MisuseError, match=r"""^fault 'drop@event:900': at "event:900": this stream has 51 events: name one"""
    ):
        replay(ROOT / "traces/llama.cpp/plain.trace.jsonl", faults="drop@event:900")


# --- seeds

AT_RANDOM = [f"{name}@random" for name, kind in FAULTS.items() if not kind.fixed] + ["corrupt=5", "corrupt=3@block:1"]


@each(some([one for one in TRACES if one.body]))  # an empty one has no block to corrupt
def test_two_runs_with_one_seed_are_equal_byte_for_byte_and_instant_for_instant(recorded: Recorded) -> None:
    trace = read_trace(ROOT / f"traces/{recorded.name}.trace.jsonl")
    for text in [*FAULTS, *AT_RANDOM]:
        one, other = (replay(trace, speed=0, faults=text, recut="random", seed=5) for _ in range(2))
        assert one.plan == other.plan, text


def test_another_seed_is_another_fault() -> None:
    trace = ROOT / "traces/llama.cpp/plain.trace.jsonl"
    for text in AT_RANDOM:
        assert 1 < len({replay(trace, faults=text, seed=seed).plan for seed in range(8)}), text


def test_a_seed_of_a_fault_stands_in_place_of_the_replay_s() -> None:
    trace = ROOT / "traces/llama.cpp/plain.trace.jsonl"
    assert 1 == len({replay(trace, faults="corrupt=5,seed=1", seed=seed).plan for seed in range(8)})


def test_the_cuts_do_not_change_what_a_fault_does() -> None:
    trace = read_trace(ROOT / "traces/llama.cpp/unicode.trace.jsonl")
    for text in [*FAULTS, *AT_RANDOM]:
        found = {
            (r.plan.body, r.plan.end)
            for cut in (None, "bytes", "one", 7, "characters")
            for r in [replay(trace, faults=text, recut=cut)]
        }  # type: ignore[arg-type]
        assert 1 == len(found), text


def test_every_fault_says_what_it_does_and_stands_in_the_documentation() -> None:
    page = (ROOT / "docs/record-and-replay.md").read_text("utf-8")
    rows = [f"| `{name}` | {kind.does} |" for name, kind in FAULTS.items()]
    assert [] == [row for row in rows if row not in page]
