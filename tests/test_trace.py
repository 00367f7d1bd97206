"""The trace file keeps every byte, every cut and every time, and says where a bad file is bad."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.errors import FormatError, MisuseError
from streamkit.trace import Block, Trace, read_trace, write_trace

HEADER = '{"format":"streamkit-trace","version":1,"sender":"s","case":"c"}'

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
# Every string that JSON can hold, half surrogate pairs and U+2028 too: a request may hold any of them.
anything = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["\ud83d", "\ude00\ud83d", "\u2028", "\r\n"]
)
anything = anything.filter(lambda s: s == json.loads(json.dumps(s)))
objects = st.dictionaries(
    anything,
    st.recursive(
        scalars | anything, lambda s: st.lists(s, max_size=3) | st.dictionaries(anything, s, max_size=3), max_leaves=6
    ),
    max_size=4,
)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Block, ...]:
    """Any bytes (often text with characters of several bytes), under any cuts, at any times."""
    body = draw(st.binary(max_size=60) | st.text(max_size=30).map(lambda s: s.encode("utf-8", "replace")))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    times = sorted(draw(st.lists(st.floats(0, 1e6), min_size=len(cuts) + 1, max_size=len(cuts) + 1)))
    ends = [0, *cuts, len(body)]
    return tuple(Block(t, body[a:b]) for t, a, b in zip(times, ends, ends[1:], strict=False))


own = {field.name for field in attrs.fields(Trace)} | {"format", "version"}
traces = st.builds(
    Trace,
    sender=anything,
    case=anything,
    notes=anything,
    request=st.none() | objects,
    status=st.none() | st.integers(100, 599),
    headers=st.lists(st.tuples(anything, anything), max_size=3).map(tuple),
    end=st.sampled_from(["eof", "incomplete", "reset"]),
    timed=st.booleans(),
    extra=objects.filter(own.isdisjoint),
    blocks=blocks(),
)


def written(trace: Trace) -> bytes:
    file = io.BytesIO()
    write_trace(trace, file)
    return file.getvalue()


def read(*lines: str | bytes, end: bytes = b"\n") -> Trace:
    return read_trace(io.BytesIO(b"".join((x.encode() if isinstance(x, str) else x) + end for x in lines)))


def small(**fields: Any) -> Trace:
    return Trace(**{"sender": "s", "case": "c", "blocks": (), **fields})


class TestRoundTrip:
    @given(traces)
    def test_every_field_byte_cut_and_time_comes_back(self, trace: Trace) -> None:
        assert trace == read_trace(io.BytesIO(written(trace)))

    @given(traces)
    def test_what_was_read_is_written_as_it_stood(self, trace: Trace) -> None:
        assert written(trace) == written(read_trace(io.BytesIO(written(trace))))

    @given(traces)
    def test_the_file_is_one_json_object_a_line_for_any_other_tool(self, trace: Trace) -> None:
        lines = written(trace).decode("utf-8").split("\n")
        assert "" == lines.pop()
        assert 1 + len(trace.blocks) == len(lines)
        assert all(isinstance(json.loads(line), dict) for line in lines)

    @given(traces)
    def test_a_path_does_what_a_file_does(self, trace: Trace) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "c.trace.jsonl"
            write_trace(trace, path)
            assert written(trace) == path.read_bytes()
            assert trace == read_trace(path) == read_trace(str(path))

    @given(traces)
    def test_line_ends_of_windows_change_nothing(self, trace: Trace) -> None:
        assert trace == read_trace(io.BytesIO(written(trace).replace(b"\n", b"\r\n")))


class TestWhatIsWritten:
    def test_text_stands_readable_and_a_cut_character_as_base64(self) -> None:
        face = "😀".encode()
        lines = written(small(blocks=(Block(0.5, b"data: \xe6\x97\xa5\n"), Block(1, face[:2]), Block(1, face[2:]))))
        assert [
            '{"t":0.5,"text":"data: 日\\n"}',
            '{"t":1,"base64":"8J8="}',
            '{"t":1,"base64":"mIA="}',
        ] == lines.decode().splitlines()[1:]

    def test_the_header_comes_first_and_whole(self) -> None:
        trace = small(
            sender_version="1",
            recorded="2026-11-21",
            provenance="recorded",
            request={"stream": True},
            status=200,
            headers=(("Server", "x"), ("server", "y")),
            end="eof",
            extra={"site": 7},
        )
        expected = (
            '{"format":"streamkit-trace","version":1,"sender":"s","sender_version":"1","case":"c",'
            '"recorded":"2026-11-21","provenance":"recorded","notes":"","request":{"stream":true},'
            '"status":200,"headers":[["Server","x"],["server","y"]],"end":"eof","timed":true,"site":7}\n'
        )
        assert expected == written(trace).decode()

    def test_the_body_is_the_blocks_joined(self) -> None:
        assert b"data: 1\n\n" == small(blocks=(Block(0, b"data"), Block(0, b""), Block(2, b": 1\n\n"))).body
        assert b"" == small().body


class TestWhatIsRead:
    def test_sender_and_case_are_enough(self) -> None:
        assert small() == read(HEADER)
        assert small(blocks=(Block(0, b"x"),)) == read(HEADER, '{"t":0,"text":"x"}')

    def test_the_last_line_may_lack_its_end(self) -> None:
        assert b"x" == read_trace(io.BytesIO(f'{HEADER}\n{{"t":0,"text":"x"}}'.encode())).body

    def test_a_line_separator_inside_text_ends_no_line(self) -> None:
        assert "a\u2028b\u0085c".encode() == read(HEADER, '{"t":0,"text":"a\u2028b\u0085c"}').body

    def test_a_header_field_of_a_newer_tool_is_kept(self) -> None:
        trace = read(HEADER[:-1] + ',"clock":"monotonic"}')
        assert {"clock": "monotonic"} == trace.extra
        assert b'"clock":"monotonic"' in written(trace)


BAD_FILES = {
    "an empty file": ([""], 1, "one JSON object"),
    "not JSON": (["data: {}"], 1, "one JSON object"),
    "not UTF-8": ([HEADER.encode().replace(b'"c"', b'"\xff"')], 1, "UTF-8"),
    "a list": (["[]"], 1, "one JSON object"),
    "nesting without end": (["[" * 100_000], 1, "one JSON object"),
    "another format": (['{"format":"har","version":1}'], 1, "streamkit-trace"),
    "another version": ([HEADER.replace("1", "2")], 1, "expected 1"),
    "a version that only equals one": ([HEADER.replace("1", "true")], 1, "expected 1"),
    "no sender": (['{"format":"streamkit-trace","version":1,"case":"c"}'], 1, "a string"),
    "a number for a case": ([HEADER.replace('"c"', "7")], 1, "a string"),
    "a list for a request": ([HEADER[:-1] + ',"request":[]}'], 1, "an object or null"),
    "true for a status": ([HEADER[:-1] + ',"status":true}'], 1, "an integer or null"),
    "an object for headers": ([HEADER[:-1] + ',"headers":{"a":"b"}}'], 1, "list"),
    "a header of three": ([HEADER[:-1] + ',"headers":[["a","b","c"]]}'], 1, "pair of strings"),
    "a header with a number": ([HEADER[:-1] + ',"headers":[["a",1]]}'], 1, "pair of strings"),
    "a cut line": ([HEADER, '{"t":0,"text":"x"}', '{"t":0,"te'], 3, "one JSON object"),
    "a blank line": ([HEADER, "", '{"t":0,"text":"x"}'], 2, "one JSON object"),
    "no time": ([HEADER, '{"text":"x"}'], 2, '"t"'),
    "neither text nor base64": ([HEADER, '{"t":0}'], 2, '"text" and "base64"'),
    "text and base64": ([HEADER, '{"t":0,"text":"x","base64":"eA=="}'], 2, "one of"),
    "null for text": ([HEADER, '{"t":0,"text":null}'], 2, "one of"),
    "a number for base64": ([HEADER, '{"t":0,"base64":7}'], 2, "one of"),
    "base64 without its padding": ([HEADER, '{"t":0,"base64":"eA"}'], 2, "expected bytes"),
    "base64 with other characters": ([HEADER, '{"t":0,"base64":"e A=="}'], 2, "expected bytes"),
    "half a surrogate pair": ([HEADER, '{"t":0,"text":"\\ud83d"}'], 2, "expected bytes"),
    "a time that is a string": ([HEADER, '{"t":"0","text":"x"}'], 2, "seconds"),
    "a time that is true": ([HEADER, '{"t":true,"text":"x"}'], 2, "seconds"),
    "a time before the request": ([HEADER, '{"t":-1,"text":"x"}'], 2, "seconds"),
    "a time without end": ([HEADER, '{"t":1e999,"text":"x"}'], 2, "seconds"),
    "a time that no float holds": ([HEADER, f'{{"t":1{"0" * 400},"text":"x"}}'], 2, "seconds"),
    "a time that is no number": ([HEADER, '{"t":NaN,"text":"x"}'], 2, "seconds"),
    "a clock that runs backwards": (
        [HEADER, '{"t":1,"text":"x"}', '{"t":2,"text":"x"}', '{"t":1.5,"text":"x"}', '{"t":3,"text":"x"}'],
        4,
        "no less than",
    ),
}


class TestBadFiles:
    @pytest.mark.parametrize(("lines", "number", "expected"), BAD_FILES.values(), ids=BAD_FILES)
    def test_the_error_says_line_and_expectation(self, lines: list[str], number: int, expected: str) -> None:
        with pytest.raises(FormatError) as caught:
            read(*lines)
        assert f"trace, line {number}: " in str(caught.value)
        assert expected in caught.value.message
        assert "trace" == caught.value.code

    def test_the_error_says_which_file(self, tmp_path: Path) -> None:
        path = tmp_path / "odd.trace.jsonl"
        path.write_text("{}\n", encoding="utf-8")
        with pytest.raises(FormatError, match=r"odd\.trace\.jsonl, line 1: "):
            read_trace(path)

    @given(traces, st.data())
    def test_a_damaged_file_is_read_or_refused_never_a_crash(self, trace: Trace, data: st.DataObject) -> None:
        raw = bytearray(written(trace))
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        del raw[data.draw(st.integers(0, len(raw))) :]
        try:
            read_trace(io.BytesIO(bytes(raw)))
        except FormatError:
            pass

    def test_a_missing_file_is_an_oserror_as_everywhere(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_trace(tmp_path / "none")


class TestMisuse:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: Block("0", b""),
            lambda: Block(True, b""),
            lambda: Block(-1, b""),
            lambda: Block(float("inf"), b""),
            lambda: Block(float("nan"), b""),
            lambda: Block(0, "text"),
            lambda: Block(0, bytearray(b"may change later")),
            lambda: small(sender=None),
            lambda: small(status="200"),
            lambda: small(timed=1),
            lambda: small(headers=[("a", "b")]),
            lambda: small(headers=("ab",)),
            lambda: small(blocks=[]),
            lambda: small(blocks=(b"x",)),
            lambda: small(blocks=(Block(2, b""), Block(1, b""))),
        ],
    )
    def test_a_value_that_no_file_could_hold_is_refused_when_it_is_made(self, make: Any) -> None:
        with pytest.raises(MisuseError, match="expected"):
            make()

    @pytest.mark.parametrize("target", [io.StringIO(HEADER), b"bytes", None, 7])
    def test_only_paths_and_binary_files_are_taken(self, target: Any) -> None:
        with pytest.raises(MisuseError, match="binary"):
            read_trace(target)
        with pytest.raises(MisuseError, match="binary"):
            write_trace(small(), target)

    def test_a_file_opened_as_text_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "c.trace.jsonl"
        with path.open("w+") as file:
            with pytest.raises(MisuseError, match="binary"):
                write_trace(small(), file)  # type: ignore[arg-type]
            with pytest.raises(MisuseError, match="binary"):
                read_trace(file)  # type: ignore[arg-type]

    @pytest.mark.parametrize("request_", [{"x": b""}, {"x": float("nan")}, {"x": {1, 2}}])
    def test_a_request_that_is_not_json_leaves_the_old_file_alone(self, request_: Any, tmp_path: Path) -> None:
        path = tmp_path / "c.trace.jsonl"
        path.write_bytes(b"old")
        with pytest.raises(MisuseError, match="JSON"):
            write_trace(small(request=request_), path)
        assert b"old" == path.read_bytes()

    def test_an_extra_field_cannot_stand_in_for_a_known_one(self) -> None:
        with pytest.raises(MisuseError, match="names"):
            write_trace(small(extra={"version": 2}), io.BytesIO())

    def test_a_trace_does_not_change(self) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            small().end = "eof"  # type: ignore[misc]


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"], ids=["gzip", "zstd"])
def test_a_trace_that_is_still_compressed_is_named_as_that(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "case.trace.jsonl"
    path.write_bytes(start + b"\n" * 9)
    with pytest.raises(FormatError, match=r"case\.trace\.jsonl: this file is still compressed"):
        read_trace(path)
