"""A report on a stream: what is in it, and what makes it faulty."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from helpers.wire import DONE, calls, chunk, delta, each_byte, sse
from streamkit import FormatError, Limits, MisuseError, Report, check_stream
from streamkit.trace import Block, Trace, read_trace, write_trace

START = delta('{"role":"assistant"}')
HI = delta('{"content":"Hi"}')
STOP = delta("{}", "stop")
USAGE = '"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
CLEAN = sse(START, HI, STOP, chunk(more=USAGE)) + DONE
NOTES = sse(START, HI, STOP, STOP) + DONE
ODD = sse(START, HI, STOP).replace(b'"index":0,', b"") + DONE
CUT = sse(START, HI)
TRACES = sorted((Path(__file__).resolve().parents[2] / "traces").glob("*/*.trace.jsonl"))


def trace(*blocks: bytes, **header: Any) -> Trace:
    return Trace(sender="acme", case="hello", blocks=tuple(Block(0.0, block) for block in blocks), **header)


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


# --- the verdict


@pytest.mark.parametrize(
    "stream, verdict, passes, strictly",
    [
        (CLEAN, "clean", True, True),
        (b": ping\n\n" + CLEAN, "clean", True, True),
        (CLEAN.replace(b'"model"', b'"mood":"good","model"'), "clean", True, True),
        (NOTES, "notes", True, False),
        (ODD, "faulty", False, False),
        (CLEAN.replace(DONE, sse("what?") + DONE), "faulty", False, False),
        (CUT, "faulty", False, False),
        (b"<html>", "faulty", False, False),
        (b"", "faulty", False, False),
    ],
    ids=["clean", "comment", "unknown field", "note", "repaired", "lost", "truncated", "failed", "empty"],
)
def test_faulty_is_what_did_not_end_well_or_was_worse_than_a_note(
    stream: bytes, verdict: str, passes: bool, strictly: bool
) -> None:
    report = check_stream(stream)
    assert (verdict, passes, strictly) == (report.verdict, report.passes(), report.passes(strict=True))


def test_a_clean_stream_has_no_findings_and_its_facts() -> None:
    report = check_stream(CLEAN, name="hello")
    assert ("hello", (), (), True) == (report.name, report.findings, report.clients, report.done)
    assert (((0, "stop"),), 0, "m") == (report.finish_reasons, report.tool_calls, report.model)
    assert report.usage is not None
    assert 3 == report.usage.total_tokens
    assert (5, 4, 0) == (report.statistics.events, report.statistics.chunks, report.statistics.comments)


def test_a_stream_without_usage_and_without_done_says_so() -> None:
    report = check_stream(sse(START, HI, STOP))
    assert (None, False, ["missing_done"]) == (report.usage, report.done, codes(report))


def test_every_choice_has_its_finish_reason() -> None:
    other = [one.replace('"index":0', '"index":1') for one in (START, HI)]
    report = check_stream(sse(START, *other, HI, STOP) + DONE)
    assert ((0, "stop"), (1, None)) == report.finish_reasons


def test_tool_calls_are_counted_over_all_choices() -> None:
    call = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}'
    both = f"{call},{call.replace('0', '1', 1).replace('x', 'y')}"
    assert 2 == check_stream(sse(START, *calls(both)) + DONE).tool_calls


def test_the_worst_comes_first_and_then_what_was_seen_first() -> None:
    stream = b": ping\n\n" + sse(START, HI, STOP).replace(b'"index":0,', b"") + sse("what?", STOP) + DONE
    severities = [finding.severity for finding in check_stream(stream).findings]
    assert sorted(severities, key=["lost", "repaired", "note", "info"].index) == severities
    assert {"lost", "repaired", "note", "info"} == set(severities)


def test_a_finding_says_what_was_done_where_and_who_breaks_on_it() -> None:
    (found,) = check_stream(ODD).findings
    assert ("index_missing", "repaired", 1, 3) == (found.code, found.severity, found.event, found.count)
    assert "$.choices[0].index" == found.path
    assert "A choice has no index. Its position was used." == f"{found.message} {found.action}"
    assert "openai-python" in [client.name for client in found.clients]


def test_an_ending_says_who_misreads_it() -> None:
    assert {"takes it for complete", "reported"} == {client.effect for client in check_stream(CUT).clients}
    assert () == check_stream(CLEAN).clients


def test_what_is_no_stream_has_no_traits() -> None:
    error = json.dumps({"error": {"message": "no such model"}}, indent=1).replace("\n", "\r\n").encode()
    report = check_stream(error)
    assert ("error_body", []) == (report.outcome.reason, codes(report))


def test_a_full_response_in_place_of_a_stream_is_faulty_though_it_can_be_read() -> None:
    body = b'{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    body += b'"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}'
    report = check_stream(body)
    assert ("complete", "faulty", ["full_body"]) == (report.outcome.name, report.verdict, codes(report))


def test_unknown_fields_are_counted_and_no_fault() -> None:
    report = check_stream(sse(START, delta('{"content":"a","mood":"good"}'), STOP) + DONE)
    assert ({"choices[].delta.mood": 1}, "clean") == (dict(report.statistics.unknown_fields), report.verdict)


def test_a_stream_over_a_limit_is_read_no_further() -> None:
    def endless() -> Any:
        yield sse(START)
        while True:
            yield b"data: " + b"a" * 1000

    report = check_stream(endless(), limits=Limits(max_event_bytes=5000))
    assert ("limit", "faulty") == (report.outcome.reason, report.verdict)


# --- where it comes from


def test_a_stream_is_bytes_blocks_a_file_a_path_or_a_trace(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(NOTES)
    write_trace(trace(NOTES), tmp_path / "a.trace.jsonl")
    blocks = [NOTES[:40], NOTES[40:]]
    sources = [NOTES, blocks, io.BytesIO(NOTES), tmp_path / "a.sse", str(tmp_path / "a.trace.jsonl"), trace(NOTES)]
    found = [check_stream(source).findings for source in sources]
    assert [found[0]] * len(sources) == found


def test_a_report_is_named_after_its_file_unless_it_is_given_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(CLEAN)
    assert str(tmp_path / "a.sse") == check_stream(tmp_path / "a.sse").name
    assert "mine" == check_stream(tmp_path / "a.sse", name="mine").name
    assert "" == check_stream(CLEAN).name


def test_what_cannot_hold_a_stream_is_misuse_and_a_broken_trace_an_error(tmp_path: Path) -> None:
    with pytest.raises(MisuseError):
        check_stream(5)  # type: ignore[arg-type]
    (tmp_path / "a.jsonl").write_bytes(CLEAN)
    with pytest.raises(FormatError):
        check_stream(tmp_path / "a.jsonl")
    with pytest.raises(FileNotFoundError):
        check_stream(tmp_path / "nowhere.sse")


def test_a_trace_tells_of_its_sender_and_keeps_its_blocks() -> None:
    report = check_stream(trace(CLEAN, status=200, headers=(("content-TYPE", "text/event-stream; charset=utf-8"),)))
    assert report.trace is not None
    assert ("acme", CLEAN) == (report.trace.sender, report.trace.body)
    assert ("text/event-stream; charset=utf-8", ()) == (report.content_type, report.findings)


def test_a_trace_with_times_has_a_timing_and_one_without_has_none() -> None:
    blocks = tuple(Block(at, data) for at, data in ((0.5, sse(START)), (1.0, sse(HI)), (3.25, sse(STOP) + DONE)))
    report = check_stream(Trace(sender="acme", case="hello", blocks=blocks))
    figures = {"first_byte": 0.5, "first_output": 1.0, "last_output": 1.0, "last_byte": 3.25, "longest_gap": 2.25}
    assert figures == report.seconds
    assert figures == report.as_json()["trace"]["timing"]
    assert report.timing is not None
    assert 1.0 == report.timing.ttft
    untimed = check_stream(trace(CLEAN, observed="none"))
    assert (None, None, None) == (untimed.timing, untimed.seconds, untimed.as_json()["trace"]["timing"])
    assert None is check_stream(CLEAN).seconds


def test_the_json_of_a_failure_says_which_limit_it_was() -> None:
    error = check_stream(CLEAN, limits=Limits(max_event_bytes=50)).as_json()["outcome"]["error"]
    assert ("an event of more than 50 bytes", "max_event_bytes") == (error["message"], error["code"])


@pytest.mark.parametrize(
    "header, seen",
    [
        ({"headers": (("Content-Type", "application/json"),)}, ["content_type"]),
        ({"headers": (("Content-Type", "TEXT/Event-Stream ;charset=utf-8"),)}, []),
        ({"headers": (("Content-Type", "application/json"),), "status": 500}, []),
        ({"headers": (("Server", "acme"),)}, []),
        ({}, []),
    ],
)
def test_a_stream_that_is_not_labelled_as_one_is_told_of(header: dict[str, Any], seen: list[str]) -> None:
    assert seen == codes(check_stream(trace(CLEAN, **header)))


# --- the same whatever the cut


@pytest.mark.parametrize("path", TRACES[::4], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_cut_makes_no_difference(path: Path) -> None:
    body = read_trace(path).body
    whole, cut = check_stream(body), check_stream([body[at : at + 13] for at in range(0, len(body), 13)])
    one_block = attrs.evolve(cut.statistics, blocks=whole.statistics.blocks)
    assert whole == attrs.evolve(cut, statistics=one_block)


def test_byte_by_byte_is_as_good_as_whole() -> None:
    for stream in (CLEAN, NOTES, ODD, CUT):
        assert check_stream(stream).findings == check_stream(each_byte(stream)).findings


# --- as JSON

KEYS = {
    "name": str,
    "verdict": str,
    "outcome": dict,
    "counts": dict,
    "model": str,
    "done": bool,
    "finish_reasons": list,
    "usage": dict,
    "trace": dict,
    "findings": list,
    "clients": list,
    "unknown_fields": list,
}


def test_the_json_has_the_same_keys_whatever_the_stream() -> None:
    for stream in (CLEAN, NOTES, CUT, b"", b"<html>"):
        told = check_stream(stream).as_json()
        assert list(KEYS) == list(told)
        assert told == json.loads(json.dumps(told))
        assert all(told[key] is None or type(told[key]) is kind for key, kind in KEYS.items())
        assert ["name", "reason", "sentence", "error"] == list(told["outcome"])
        assert set(told["counts"]) == {"bytes", "blocks", "events", "comments", "chunks", "choices", "tool_calls"}


def test_every_key_of_the_json_is_explained() -> None:
    report = check_stream(trace(NOTES + b"x", headers=(("Content-Type", "text/html"),)))
    told = check_stream(CUT).as_json() | {"trace": report.as_json()["trace"], "findings": report.as_json()["findings"]}
    nested = [
        told["outcome"],
        told["outcome"]["error"],
        told["counts"],
        told["trace"],
        *told["findings"],
        *told["clients"],
    ]
    explained = Report.as_json.__doc__ or ""
    assert set() == {key for one in [told, *nested] for key in one if f"`{key}`" not in explained}


def test_the_json_says_what_the_report_says() -> None:
    told = check_stream(NOTES, name="n").as_json()
    assert {
        "code": "finish_repeated",
        "severity": "note",
        "message": "A choice got the same finish reason again.",
        "action": "It is taken once.",
        "path": "$.choices[0].finish_reason",
        "event": 4,
        "count": 1,
        "excerpt": "stop",
    } == {key: value for key, value in told["findings"][0].items() if key != "clients"}
    assert {
        "name": "langchain-ai/langchain",
        "version": "",
        "effect": "made it `stopstop`",
        "source": "https://github.com/langchain-ai/langchain/issues/38366",
    } == told["findings"][0]["clients"][0]
    assert [{"choice": 0, "finish_reason": "stop"}] == told["finish_reasons"]


def test_the_json_of_a_failure_has_the_senders_words() -> None:
    stream = sse(START, HI, '{"error":{"message":"overloaded","type":"busy","code":503}}')
    outcome = check_stream(stream).as_json()["outcome"]
    assert ("failed", "remote_error") == (outcome["name"], outcome["reason"])
    assert {"message": "overloaded", "type": "busy", "code": 503, "event": 3, "excerpt": None} == outcome["error"]
