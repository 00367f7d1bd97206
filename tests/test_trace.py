"""The trace file keeps every byte, every cut and every time, and says where a bad file is bad."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.errors import FormatError, MisuseError
from streamkit.trace import (
    ENDS,
    Block,
    Ending,
    Head,
    Trace,
    TraceWriter,
    iter_trace,
    read_trace,
    write_trace,
)

TRACES = Path(__file__).parents[1] / "traces"
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


own = {"format", "version", "sender", "sender_version", "case", "recorded", "provenance", "notes", "observed"}
own |= {"method", "path", "request_headers", "request", "request_text", "request_base64"}
pairs = st.lists(st.tuples(anything, anything), max_size=3).map(tuple)


@st.composite
def whole_traces(draw: st.DrawFn) -> Trace:
    """Any trace, ended or torn, of which anything may be unknown."""
    arrived = draw(blocks())
    first, last = (arrived[0].t, arrived[-1].t) if arrived else (0.0, 0.0)
    torn = draw(st.booleans())
    asked = draw(st.sampled_from([{}, {"request": {"a": [None]}}, {"request_body": b"\xff"}, {"request_body": b"a=1"}]))
    asked = {"request": draw(objects)} if draw(st.booleans()) else asked
    status, headers = draw(st.none() | st.integers(100, 599)), draw(pairs)
    return Trace(
        sender=draw(anything),
        case=draw(anything),
        notes=draw(anything),
        observed=draw(st.sampled_from(["transport", "proxy", "reader", "none", "a newer word"])),
        method=draw(st.sampled_from(["", "POST"])),
        path=draw(anything),
        request_headers=draw(pairs),
        **asked,
        status=status,
        headers=headers,
        head_time=draw(st.none() | st.floats(0, first)),
        end="unknown" if torn else draw(st.sampled_from(ENDS)),
        end_time=None if torn else draw(st.none() | st.floats(last, 2e6)),
        error="" if torn else draw(anything),
        torn=torn,
        extra=draw(objects.filter(own.isdisjoint)),
        blocks=arrived,
    )


traces = whole_traces()


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
    def test_every_field_byte_cut_and_time_is_read_back(self, trace: Trace) -> None:
        assert trace == read_trace(io.BytesIO(written(trace)))

    @given(traces)
    def test_what_was_read_is_written_unchanged(self, trace: Trace) -> None:
        assert written(trace) == written(read_trace(io.BytesIO(written(trace))))

    @given(traces)
    def test_the_file_is_one_json_object_a_line_for_any_other_tool(self, trace: Trace) -> None:
        lines = written(trace).decode("utf-8").split("\n")
        assert "" == lines.pop()
        head = trace.status is not None or trace.headers or trace.head_time is not None
        assert 1 + bool(head) + len(trace.blocks) + (not trace.torn) == len(lines)
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
    def test_text_is_readable_and_a_cut_character_as_base64(self) -> None:
        face = "😀".encode()
        lines = written(small(blocks=(Block(0.5, b"data: \xe6\x97\xa5\n"), Block(1, face[:2]), Block(1, face[2:]))))
        assert [
            '{"t":0.5,"text":"data: 日\\n"}',
            '{"t":1,"base64":"8J8="}',
            '{"t":1,"base64":"mIA="}',
            '{"end":"unknown"}',
        ] == lines.decode().splitlines()[1:]

    def test_header_head_and_ending_are_lines_by_themselves(self) -> None:
        trace = small(
            sender_version="1",
            recorded="2026-11-21",
            provenance="recorded",
            observed="transport",
            method="POST",
            path="/v1/chat/completions?a=1",
            request_headers=(("Accept", "*/*"),),
            request={"stream": True},
            status=200,
            headers=(("Server", "x"), ("server", "y")),
            head_time=0.25,
            blocks=(Block(0.5, b": 1"),),
            end="reset",
            end_time=0.75,
            error="ReadError",
            extra={"site": 7},
        )
        assert [
            (
                '{"format":"streamkit-trace","version":2,"sender":"s","sender_version":"1","case":"c",'
                '"recorded":"2026-11-21","provenance":"recorded","observed":"transport","method":"POST",'
                '"path":"/v1/chat/completions?a=1","request_headers":[["Accept","*/*"]],"request":{"stream":true},"site":7}'
            ),
            '{"t":0.25,"status":200,"headers":[["Server","x"],["server","y"]]}',
            '{"t":0.5,"text":": 1"}',
            '{"t":0.75,"end":"reset","error":"ReadError"}',
        ] == written(trace).decode().splitlines()

    @pytest.mark.parametrize(
        ("body", "line"),
        [(b"a=1", '"request_text":"a=1"'), (b"\xff", '"request_base64":"/w=="'), (b"", '"request_text":""')],
    )
    def test_a_request_that_is_not_json_object_is_kept_as_its_bytes(self, body: bytes, line: str) -> None:
        raw = written(small(request_body=body))
        assert line in raw.decode()
        assert body == read_trace(io.BytesIO(raw)).request_body

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


NEW = '{"format":"streamkit-trace","version":2}'


class TestVersionOne:
    def test_what_its_header_says_of_the_response_is_head_and_ending(self) -> None:
        header = HEADER[:-1] + ',"status":200,"headers":[["A","b"]],"end":"eof","timed":false,"request":{"n":1}}'
        expected = small(status=200, headers=(("A", "b"),), end="eof", observed="none", request={"n": 1})
        assert expected == read(header)
        assert not read(header).timed

    def test_it_has_no_ending_and_is_not_torn_for_that(self) -> None:
        assert not read(HEADER, '{"t":0,"text":"x"}').torn

    def test_a_last_line_that_was_cut_is_torn_whatever_the_header_says_of_the_end(self) -> None:
        raw = HEADER[:-1] + ',"end":"eof"}\n{"t":0,"text":"x"}\n{"t":1,"te'
        trace = read_trace(io.BytesIO(raw.encode()))
        assert (b"x", "unknown", True) == (trace.body, trace.end, trace.torn)

    def test_a_field_to_which_version_two_gave_a_meaning_stays_apart_when_it_is_written(self) -> None:
        trace = read(HEADER[:-1] + ',"observed":7,"site":8}')
        assert {"v1.observed": 7, "site": 8} == trace.extra
        assert trace == read_trace(io.BytesIO(written(trace)))


class TestLinesOfOtherTools:
    def test_comments_and_lines_of_unknown_kinds_are_passed_over(self) -> None:
        lines = [
            '{"mark":"first token","t":0.1}',
            "# by hand",
            '{"t":1,"text":"x","color":7}',
            '{"t":2,"end":"eof"}',
            "#",
        ]
        assert (b"x", "eof", 2) == ((trace := read(NEW, *lines)).body, trace.end, trace.end_time)

    def test_a_comment_that_was_cut_tears_nothing(self) -> None:
        assert not read_trace(io.BytesIO(f'{NEW}\n{{"end":"eof"}}\n# by ha'.encode())).torn


class TestTorn:
    @pytest.mark.parametrize(
        "name", ["llama.cpp/one_token", "llama.cpp/unicode", "vllm/bad_request", "vllm/one_token", "litellm/usage"]
    )
    def test_cut_at_any_byte_the_lines_before_the_cut_are_read(self, name: str) -> None:
        raw = (TRACES / f"{name}.trace.jsonl").read_bytes()[:9000]
        whole = [*iter_trace(io.BytesIO(raw))]
        for cut in range(len(raw) - 1):  # without its last LF the ending is whole
            *items, ending = iter_trace(io.BytesIO(raw[:cut]))
            lines = raw[:cut].count(b"\n") + (raw[cut : cut + 1] == b"\n")
            assert items[: max(lines, 1)] == (whole[:lines] if lines else [Trace()])
            assert ending == Ending(torn=True)

    def test_a_file_without_an_ending_is_torn(self) -> None:
        assert (trace := read(NEW, '{"t":1,"text":"x"}')).torn
        assert ("unknown", b"x") == (trace.end, trace.body)

    def test_a_cut_header_is_known_by_its_first_bytes_another_file_is_refused(self) -> None:
        assert read_trace(io.BytesIO(b'{ "format": "streamkit-tr')).torn
        for raw in (b'{"format":"har', b"data: {", b'{"id":'):
            with pytest.raises(FormatError, match="line 1"):
                read_trace(io.BytesIO(raw))

    def test_a_line_that_is_whole_and_wrong_is_not_a_cut(self) -> None:
        with pytest.raises(FormatError, match="line 2"):
            read(NEW, '{"t":1,"te')


class TestWriter:
    def test_each_line_is_in_the_file_before_the_next_thing_happens(self, tmp_path: Path) -> None:
        path = tmp_path / "x.trace.jsonl"
        writer = TraceWriter(path, Trace(method="POST"))
        for number, item in enumerate([Head(0, 200), Block(1, b"a"), Block(2, b"\xff"), Ending(3, "eof")]):
            assert 1 + number == path.read_bytes().count(b"\n")
            assert writer.write(item)
        writer.close()
        expected = Trace(method="POST", status=200, head_time=0, blocks=(Block(1, b"a"), Block(2, b"\xff")), end="eof")
        assert attrs.evolve(expected, end_time=3) == read_trace(path)

    def test_stopped_before_its_ending_it_leaves_a_torn_trace(self, tmp_path: Path) -> None:
        with TraceWriter(tmp_path / "x.jsonl", Trace()) as writer:
            writer.write(Block(1, b"a"))
        assert Trace(blocks=(Block(1, b"a"),), torn=True) == read_trace(tmp_path / "x.jsonl")

    def test_above_max_bytes_the_recording_ends_and_says_so(self) -> None:
        file = io.BytesIO()
        writer = TraceWriter(file, Trace(), max_bytes=3)
        assert [True, True, False, False] == [writer.write(Block(t, b"ab" if t == 1 else b"c")) for t in (1, 2, 3, 4)]
        assert not writer.write(Ending(5, "eof"))
        trace = read_trace(io.BytesIO(file.getvalue()))
        assert (b"abc", "unknown", 3) == (trace.body, trace.end, trace.end_time)
        assert "max_bytes=3" in trace.error

    def test_what_iter_trace_gives_it_takes(self) -> None:
        raw = (TRACES / "llama.cpp/unicode.trace.jsonl").read_bytes()
        header, *items = iter_trace(io.BytesIO(raw))
        file = io.BytesIO()
        assert isinstance(header, Trace)
        writer = TraceWriter(file, header)
        assert all(writer.write(item) for item in items if not isinstance(item, Trace))
        assert raw == file.getvalue()

    def test_a_head_after_a_block_is_misuse(self) -> None:
        writer = TraceWriter(io.BytesIO(), Trace())
        writer.write(Block(0, b""))
        with pytest.raises(MisuseError, match="one head"):
            writer.write(Head(0))

    def test_it_holds_one_line_and_so_does_the_reader(self, tmp_path: Path) -> None:
        block = b"x" * 50_000

        def peak(number: int) -> int:
            path = tmp_path / f"{number}.trace.jsonl"
            tracemalloc.start()
            with TraceWriter(path, Trace()) as writer:
                for t in range(number):
                    writer.write(Block(t, block))
            assert number + 2 == sum(1 for _ in iter_trace(path))
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return used

        peak(1)
        assert peak(40) < 1.5 * peak(10)


class TestCompressed:
    def test_gz_is_read_and_written_by_its_suffix(self, tmp_path: Path) -> None:
        trace = small(blocks=(Block(1, b"x"),), end="eof")
        write_trace(trace, path := tmp_path / "x.trace.jsonl.gz")
        assert written(trace) == gzip.decompress(path.read_bytes())
        assert trace == read_trace(path)

    def test_a_live_recording_is_plain_and_compressed_when_it_is_closed(self, tmp_path: Path) -> None:
        writer = TraceWriter(path := tmp_path / "x.trace.jsonl.gz", Trace())
        writer.write(Block(1, b"x"))
        assert b"x" == read_trace(tmp_path / "x.trace.jsonl").body
        writer.write(Ending(2, "eof"))
        writer.close()
        assert [path] == [*tmp_path.iterdir()]
        assert ("eof", b"x") == ((trace := read_trace(path)).end, trace.body)

    def test_a_compressed_file_that_was_cut_is_torn_and_one_that_is_damaged_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.trace.jsonl.gz"
        write_trace(small(blocks=tuple(Block(t, os.urandom(999)) for t in range(99)), end="eof"), path)
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2])
        trace = read_trace(path)
        assert trace.torn
        assert 10 < len(trace.blocks) < 90
        path.write_bytes(b"no gzip")
        with pytest.raises(FormatError, match="whole compressed file"):
            read_trace(path)

    def test_zst_is_read_and_written_where_there_is_a_library_for_it(self, tmp_path: Path) -> None:
        trace = small(blocks=(Block(1, b"x"),), end="eof")
        path = tmp_path / "x.trace.jsonl.zst"
        if any(importlib.util.find_spec(name) for name in ("compression", "backports")):
            write_trace(trace, path)
            assert trace == read_trace(path)
            return
        for write in (write_trace, lambda trace, path: TraceWriter(path, trace)):
            with pytest.raises(MisuseError, match=r"backports\.zstd"):
                write(trace, path)
        assert [] == [*tmp_path.iterdir()]


BAD_FILES = {
    "an empty file": ([""], 1, "one JSON object"),
    "not JSON": (["data: {}"], 1, "one JSON object"),
    "not UTF-8": ([HEADER.encode().replace(b'"c"', b'"\xff"')], 1, "UTF-8"),
    "a list": (["[]"], 1, "one JSON object"),
    "nesting without end": (["[" * 100_000], 1, "one JSON object"),
    "another format": (['{"format":"har","version":1}'], 1, "streamkit-trace"),
    "another version": ([HEADER.replace("1", "3")], 1, "expected 1 or 2"),
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
    "a block after the ending": ([NEW, '{"end":"eof"}', '{"t":1,"text":"x"}'], 3, "no block after the ending"),
    "two endings": ([NEW, '{"end":"eof"}', '{"end":"eof"}'], 3, "one ending"),
    "a head after a block": ([NEW, '{"t":1,"text":"x"}', '{"t":1,"status":200}'], 3, "one head"),
    "two heads": ([NEW, '{"status":200}', '{"status":200}'], 3, "one head"),
    "a block before the head": ([NEW, '{"t":1,"status":200}', '{"t":0.5,"text":"x"}'], 3, "no less than"),
    "a block without a time": ([NEW, '{"text":"x"}'], 2, '"t"'),
    "a number for an end": ([NEW, '{"end":7}'], 2, "a string"),
    "two requests": ([NEW[:-1] + ',"request":{},"request_text":"x"}'], 1, "one of request"),
    "a list for a request text": ([NEW[:-1] + ',"request_text":[]}'], 1, "a string"),
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
            lambda: small(observed=1),
            lambda: small(headers=[("a", "b")]),
            lambda: small(headers=("ab",)),
            lambda: small(blocks=[]),
            lambda: small(blocks=(b"x",)),
            lambda: small(blocks=(Block(2, b""), Block(1, b""))),
            lambda: small(head_time=2, blocks=(Block(1, b""),)),
            lambda: small(end_time=0.5, blocks=(Block(1, b""),)),
            lambda: small(request={}, request_body=b""),
            lambda: small(torn=1),
            lambda: Head("0"),
            lambda: Head(0, "200"),
            lambda: Head(0, 200, (("a", 1),)),
            lambda: Ending(-1),
            lambda: Ending(0, None),
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
