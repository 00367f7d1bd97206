"""Secrets out of traces that are written already, and only where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamkit._recording.scrub_trace import scrub_file, scrubbed
from streamkit.errors import FormatError
from streamkit.trace import Block, Trace, read_trace, write_trace

KEY = "a-key-that-has-no-known-shape"
DIRTY = Trace(
    provenance="recorded-unscrubbed",
    path=f"/v1?key={KEY}",
    request_headers=(("Authorization", f"Bearer {KEY}"), ("Accept", "*/*")),
    request={"user": KEY},
    headers=(("Set-Cookie", "a=b"), ("X-Echo", KEY)),
    status=200,
    head_time=0.5,
    blocks=(Block(1, f'data: "{KEY[:9]}'.encode()), Block(2, f'{KEY[9:]}"\n\n'.encode())),
    end="reset",
    error=f"{KEY} is no key",
    end_time=3,
    extra={"site": 1},
)
X = "x" * len(KEY)
CLEAN = Trace(
    provenance="recorded-sanitized",
    path=f"/v1?key={X}",
    request_headers=(("Accept", "*/*"),),
    request={"user": X},
    headers=(("X-Echo", X),),
    status=200,
    head_time=0.5,
    blocks=(Block(1, f'data: "{X[:9]}'.encode()), Block(2, f'{X[9:]}"\n\n'.encode())),
    end="reset",
    error=f"{X} is no key",
    end_time=3,
    extra={"site": 1},
)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GPG_KEY", "STREAMKIT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_what_a_recorder_would_not_have_written_goes() -> None:
    trace, finding = scrubbed(DIRTY)
    assert trace == CLEAN
    assert finding.secrets


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_file_is_replaced_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.trace{suffix}"
    write_trace(DIRTY, path)
    before = path.read_bytes()
    assert scrub_file(str(path), write=False)
    assert before == path.read_bytes()
    assert scrub_file(str(path))
    assert [path] == [*tmp_path.iterdir()]
    assert CLEAN == read_trace(path)
    before = path.read_bytes()
    assert not scrub_file(str(path))
    assert before == path.read_bytes()


def test_a_torn_file_stays_torn_and_a_bad_one_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_trace(Trace(blocks=(Block(0, b"hf_" + b"a1" * 17 + b"\n"),), torn=True), path)
    assert scrub_file(str(path))
    assert (b"x" * 37 + b"\n", True) == ((trace := read_trace(path)).body, trace.torn)
    path.write_bytes(b"no trace\n")
    with pytest.raises(FormatError):
        scrub_file(str(path))
    assert (b"no trace\n", [path]) == (path.read_bytes(), [*tmp_path.iterdir()])


def test_a_body_that_is_encoded_is_a_finding_that_nothing_here_mends(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_trace(Trace(headers=(("Content-Encoding", "gzip"),), blocks=(Block(0, b"\x1f\x8b"),)), path)
    finding = scrub_file(str(path))
    assert ("gzip", False) == (finding.encoded, finding.secrets)
    assert finding


def test_the_recorded_streams_of_this_repository_hold_no_credentials() -> None:
    for path in (Path(__file__).parents[2] / "traces").glob("*/*.trace.jsonl"):
        trace, _ = scrubbed(read_trace(path))
        assert read_trace(path).blocks == trace.blocks
        assert read_trace(path).request == trace.request
