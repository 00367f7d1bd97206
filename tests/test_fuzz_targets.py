"""The fuzzing harness itself: its targets pass on what they begin with, and its bounds notice what they are for.

Fuzzing needs atheris and time (`make fuzz`); this needs neither, so that a change that breaks a target is noticed at
once. What fuzzing found stands as tests beside the modules that were wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("resource", reason="limits on CPU time and memory are those of POSIX")

import bounds
import fuzz_codec
import fuzz_decoder
import fuzz_growth
import fuzz_text
import mutate
import readings
import replay
import seeds
import targets

SEEDS = 10_000 if "STREAMKIT_EXAMPLES" in os.environ else 40  # of each target; all of them take half a minute
TARGETS = [name for name in targets.TARGETS if name != "growth"]


def some(name: str) -> list[bytes]:
    """Seeds of a target from all over."""
    found = list(targets.TARGETS[name].seeds())
    return found[:: max(1, len(found) // SEEDS)]


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_passes_on_its_seeds(name: str) -> None:
    for data in some(name):
        targets.TARGETS[name].check(data)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds_are_the_same_each_time_and_not_too_long(name: str) -> None:
    target = targets.TARGETS[name]
    found = list(target.seeds())
    assert found == list(target.seeds())
    assert target.SIZE >= max(map(len, found))


@pytest.mark.parametrize("name", [name for name in targets.TARGETS if name != "growth"])
@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 9, b"\x00\x00\x00\x01data: {"])
def test_a_target_takes_any_bytes(name: str, data: bytes) -> None:
    targets.run(name, data)


def test_every_public_type_has_seeds_that_are_read_as_it() -> None:
    read = set()
    for data in fuzz_codec.seeds():
        name, target = fuzz_codec.TYPES[data[0]]
        try:
            fuzz_codec.streamkit.loads(data[1:], target)
        except fuzz_codec.ValidationError:
            continue
        read.add(name)
    assert {name for name, _ in fuzz_codec.TYPES} == read


def test_framings_are_read_at_all() -> None:
    """But for a few, which the target passes over until they are."""
    documents = fuzz_text._documents("ok", "content", 0, 1)
    unread = {
        name for name, frame in fuzz_text.FRAMINGS.items() if "ok" != fuzz_text._read([frame(documents)], "content")
    }
    assert {"twice the field", "lines after an event", "split before the brace"} >= unread


def test_changes_depend_on_their_number_alone_and_keep_to_the_size() -> None:
    data = next(iter(targets.TARGETS["accumulator"].seeds()))
    for number in range(300):
        changed = mutate.mutated(data, 1000, Random(number))
        assert changed == mutate.mutated(data, 1000, Random(number))
        assert len(changed) <= 1000


def test_every_cut_is_the_same_bytes() -> None:
    raw = b"data: a\r\n\r\ndata: b\n\n"
    for number in range(50):
        assert raw == b"".join(readings.split(raw, number))


# --- what the harness is for


def test_values_that_differ_are_reported_with_the_place() -> None:
    with pytest.raises(AssertionError, match="in cuts"):
        readings.same(("a", 1), ("a", 2), "in cuts")
    readings.same((float("nan"),), (float("nan"),), "written alike")


def test_what_takes_too_much_cpu_time_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def for_ever(_: bytes) -> None:
        while True:
            pass

    monkeypatch.setattr(bounds, "CPU", 0.02)
    with pytest.raises(AssertionError, match="CPU time for 3 bytes"):
        bounds.judged(for_ever, b"abc")


def test_an_input_that_took_long_is_stretched_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(bounds, "LONG", -1.0)
    bounds.judged(lambda _: None, b"\1\2\3\4{ \xff" + b" " * 9 + b"x", seen.append)
    assert [b"\0\0\xff{ ?" + b" " * 9 + b"x\xff", b"\0\0{ ?\xff \xffx"] == seen


def quadratic(blocks: list[bytes]) -> None:
    """Visit everything that arrived before with each event."""
    seen: list[bytes] = []
    for event in b"".join(blocks).split(b"\n\n"):
        seen.append(event)
        for one in seen:
            one.startswith(b"data")


@pytest.mark.parametrize("way", ["feed", "feed, fast=False", "Cleaner", "check_stream"])
def test_calls_that_grow_with_what_arrived_before_are_suspect_and_others_are_not(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = fuzz_growth.Shape(way, 16384, (b"", fuzz_growth.UNITS[0], b""))
    assert not fuzz_growth._by_calls(shape)
    monkeypatch.setitem(fuzz_growth.WAYS, way, quadratic)
    assert fuzz_growth._by_calls(shape)


def test_a_look_that_takes_too_long_itself_is_a_matter_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def for_ever(_: list[bytes]) -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz_growth, "LOOK", 0.02)
    monkeypatch.setitem(fuzz_growth.WAYS, "feed", for_ever)
    assert ["time"] == fuzz_growth.suspicions_of(fuzz_growth.Shape("feed", 16384, (b"", b"x", b"")))


def test_a_shape_is_as_long_as_asked_for_with_its_numbers_and_turns() -> None:
    shape = fuzz_growth.Shape.of(b"\0\1a\xff<\xfe\xfd>\xffb")
    assert ("feed", 64) == (shape.way, shape.block)
    assert [b"a<0a><1b><2a>b"] == shape.made(12)
    assert [64, 64] == [len(block) for block in shape.made(1000)][:2]


def test_the_plain_decoder_is_right_about_the_example_of_the_standard() -> None:
    raw = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event"
    assert [("message", b"first event", "1"), ("message", b"second event", ""), ("message", b" third event", "")] == (
        fuzz_decoder.by_the_standard(raw)
    )


# --- without atheris


def replayed(*arguments: str) -> int:
    """Run `python fuzz/replay.py` with these arguments; return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["replay.py", *arguments])
        return replay.main()


def test_files_and_literals_are_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "decoder-1").write_bytes(b"\0\0\0\0data: a\n\n")
    (tmp_path / "trace-2").write_bytes(b"{}")
    assert 0 == replayed(str(tmp_path))
    assert 0 == replayed("text", repr(b"\0\0\0\0a"), str(tmp_path / "trace-2"))
    assert "2 inputs, 0 wrong\n2 inputs, 0 wrong\n" == capsys.readouterr().out


def test_what_is_wrong_is_printed_as_a_literal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(_: Any) -> None:
        raise AssertionError("in cuts: other events")

    monkeypatch.setattr(targets.TARGETS["trace"], "check", wrong)
    assert 1 == replayed("trace", repr(b"\x00abc"))
    out = capsys.readouterr().out
    assert "in cuts: other events\n  b'\\x00abc'\n" in out


def test_a_replay_of_nothing_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == replayed()
    assert 2 == replayed(repr(b"no target"))
    assert "there are accumulator, decoder" in capsys.readouterr().err


def test_the_literals_of_the_tests_are_seeds() -> None:
    assert any(b"first event" in one for one in seeds.literals(3000))
