"""The page of a stream: structure, hostile text, sizes, determinism. How it works in a browser: test_page_in_a_browser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from helpers.command import TRACES
from helpers.pages import by_id, classed, data_of, parsed, text_of
from helpers.tier import TIER, some
from helpers.wire import DONE, chunk, delta, sse
from streamkit._view import data
from streamkit._view.page import view_page
from streamkit.trace import Block, Trace, read_trace

ALL = sorted(TRACES.glob("*/*.trace.jsonl"))
PLAIN = read_trace(TRACES / "llama.cpp/plain.trace.jsonl")
TOOLS = read_trace(TRACES / "vllm-reasoning/reasoning_tool.trace.jsonl")
STOP = delta("{}", "stop")


def page_of(*traces: Trace) -> Any:
    return parsed(view_page([(one.case or "x", one) for one in traces]))


def said(text: str, field: str = "content") -> str:
    return delta(json.dumps({field: text}))


def stream(*documents: str, **more: Any) -> Trace:
    """A trace with a block for each document, a tenth of a second apart."""
    blocks = [Block(n / 10, sse(one)) for n, one in enumerate(documents, 1)]
    return Trace(observed="transport", status=200, end="eof", blocks=(*blocks, Block(blocks[-1].t, DONE)), **more)


@pytest.mark.parametrize("path", some(ALL, 2), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recorded_stream_has_a_page_that_is_whole_and_the_same_each_time(path: Any) -> None:
    trace = read_trace(path)
    page = view_page([("x", trace)])
    root = parsed(page)
    assert page == view_page([("x", trace)])
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(set(ids)) == len(ids)
    targets = {one.get("href", "") for one in root.iter("a")}
    assert set() == {one for one in targets if not one.startswith("#") or one[1:] not in ids}
    for svg in root.iter("svg"):
        if svg.get("role") == "img":
            assert {"title", "desc"} <= {child.tag for child in svg}


def test_a_lane_stands_for_each_choice_and_call_and_its_kinds_differ_by_shape() -> None:
    root = page_of(TOOLS)
    lanes = classed(root, "lane")
    assert ["choice 0", "choice 0 call 0"] == [text_of(one.findall(".//b")[0]) for one in lanes]
    assert "get_weather" in text_of(lanes[1])
    tops = {
        path.get("class"): re.findall(r" (\d+)V", path.get("d") or "")[0] for one in lanes for path in one.iter("path")
    }
    assert {"k-text": "4", "k-reasoning": "4", "k-arguments": "14"} == tops
    assert b"path.k-reasoning { stroke: var(--reasoning); stroke-dasharray" in view_page([("x", TOOLS)])
    assert 2 == len(classed(classed(root, "blocks")[0], "stall"))
    assert ["0", "0", "0"] == [row.get("tabindex") for row in (*classed(root, "blocks"), *lanes)]


def test_the_summary_and_the_timing_table_have_the_figures_of_stat() -> None:
    root = page_of(PLAIN)
    figures = [text_of(one) for one in classed(root, "tile")]
    assert [
        "outcome complete done",
        "first output 62.1 ms after the request",
        "last byte 357 ms",
        "stalls 0",
    ] == figures[:4]
    timing = text_of(by_id(root, "timing"))
    assert "icl_p99 13.8 ms between two outputs, 99th percentile" in timing
    assert "Not known: itl, tpot" in timing


def test_an_anomaly_is_a_sign_on_the_axis_that_leads_to_the_bytes_of_its_event() -> None:
    root = page_of(PLAIN)
    (link,) = classed(root, "flags")[0].iter("a")
    assert ("#a-event-40", "event 40: created_changed") == (link.get("href"), link.get("aria-label"))
    event = by_id(root, "a-event-40")
    assert 'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" are"}}]' in text_of(event)
    assert "event 40, block 39, 280 ms, byte 10,207, 260 bytes" in text_of(event)


def test_two_traces_are_on_one_axis_with_what_differs() -> None:
    other = read_trace(TRACES / "vllm/plain.trace.jsonl")
    root = page_of(PLAIN, other)
    assert ["0", "0", "1", "1"] == [one.get("data-trace") for one in classed(root, "row") if one.get("tabindex")]
    data = data_of(root)
    assert (other.end_time or other.blocks[-1].t) == pytest.approx(data["end"])
    assert 2 == len(classed(root, "curve"))
    heads = [text_of(one) for one in by_id(root, "timing").iter("th") if one.get("scope") == "col"]
    assert ["figure", "A", "B", "B − A", "definition"] == heads
    assert 2 == len(classed(root, "answer"))


def test_a_trace_without_times_makes_both_be_drawn_by_event() -> None:
    body = Trace(observed="none", blocks=(Block(0.0, PLAIN.body),))
    root = page_of(PLAIN, body)
    assert data_of(root)["timed"] is False
    first, second = (text_of(one) for one in classed(root, "why"))
    assert first.startswith("A: The other trace has no times")
    assert second.startswith("B: The trace has no times")


@pytest.mark.parametrize(
    "trace, words",
    [
        (Trace(status=200, end="eof"), "The body is empty: there is nothing to draw."),
        (Trace(observed="none", blocks=(Block(0.0, sse(said("a"), STOP) + DONE),)), "drawn by the number of the event"),
        (stream(said("a"), STOP), "finish reason: stop"),
        (Trace(observed="proxy", blocks=(Block(1.0, b"\x00\xff<html>"),)), "the body is not a chat completion"),
        (Trace(observed="proxy", status=502, blocks=(Block(1.0, b'{"error":{"message":"no"}}'),)), "error object"),
        (
            Trace(observed="proxy", torn=True, blocks=(Block(1.0, sse(said("a")) + b"data: {"),)),
            "ended inside an event",
        ),
    ],
    ids=["empty", "untimed", "usual", "opaque", "refused", "torn"],
)
def test_whatever_was_recorded_the_page_says_what_it_is(trace: Trace, words: str) -> None:
    assert words in text_of(page_of(trace))


def test_an_answer_that_was_not_streamed_is_drawn_where_it_arrived() -> None:
    message = '{"role":"assistant","content":"Hello"}'
    body = f'{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{message},"finish_reason":"stop"}}]}}'
    root = page_of(Trace(observed="transport", blocks=(Block(1.5, body.encode()),)))
    assert "text 5 characters in 1 piece" in text_of(classed(root, "lane")[0])
    assert "a full response arrived instead of a stream" in text_of(root).lower()


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=x &lt; \u202eevil\u2066 \x00\x1b[31m \ud83d"


@pytest.mark.parametrize(
    "field", ["content", "reasoning_content", "refusal", "name", "arguments", "finish", "model", "case"]
)
def test_hostile_text_stays_text_wherever_it_is(field: str) -> None:
    word = json.dumps(HOSTILE)
    call = {"name": '"name":%s,"arguments":"{}"', "arguments": '"name":"f","arguments":%s'}.get(field)
    if call is not None:
        document = delta(f'{{"tool_calls":[{{"index":0,"id":"a","function":{{{call % word}}}}}]}}')
    elif field == "finish":
        document = f'{{"id":"c","choices":[{{"index":0,"delta":{{"content":"x"}},"finish_reason":{word}}}]}}'
    elif field == "model":
        document = f'{{"id":"c","model":{word},"choices":[{{"index":0,"delta":{{"content":"x"}}}}]}}'
    else:
        document = said(HOSTILE, field)
    facts = {"case": HOSTILE.replace("\ud83d", ""), "notes": HOSTILE.replace("\ud83d", "")} if field == "case" else {}
    page = view_page([("x" + facts.get("case", ""), stream(document, STOP, **facts))])
    root = parsed(page)
    assert 1 == page.count(b"<script>")
    assert 2 == page.count(b"</script>")
    assert ["data"] == [one.get("id") for one in root.iter("script")]
    assert [] == [one for one in root.iter() if one.tag == "img" or any(key.startswith("on") for key in one.attrib)]
    assert [] == re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.decode())
    assert "alert(1)" in text_of(root)


def test_nothing_is_loaded_and_only_our_script_and_style_may_run() -> None:
    page = view_page([("x", PLAIN)])
    root = parsed(page)
    (policy,) = (one.get("content") for one in root.iter("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert [] == [
        one.tag for one in root.iter() if one.get("src") or one.get("style") or one.tag in ("link", "iframe", "img")
    ]
    assert set() == set(re.findall(rb"https?://[^\"' ]*", page)) - {b"http://www.w3.org/2000/svg"}


def long_stream(blocks: int, lanes: int = 1) -> Trace:
    """As many blocks, each with a chunk of a few letters, of choices in turn; all different, so that nothing is shared."""
    documents = [
        chunk(f'{{"index":{n % lanes},"delta":{{"content":" w{n}"}},"finish_reason":null}}') for n in range(blocks)
    ]
    return Trace(
        observed="transport", blocks=tuple(Block(0.5 + n * 0.0137, sse(one)) for n, one in enumerate(documents))
    )


@pytest.mark.parametrize("lanes", [1] if TIER == "quick" else [1, 40, 128])
def test_a_page_of_10000_blocks_is_below_a_megabyte(lanes: int) -> None:
    page = view_page([("x", long_stream(10_000, lanes))])
    assert 1_000_000 > len(page)
    assert 10_000 == len(data_of(parsed(page))["traces"][0]["at"])


def test_many_blocks_are_put_together_so_that_a_page_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BLOCKS", 100)
    trace = long_stream(260)
    found = data_of(page_of(trace))["traces"][0]
    assert (3, 87) == (found["every"], len(found["at"]))
    assert sum(len(block.data) for block in trace.blocks) == sum(found["bytes"])
    assert 260 == sum(found["events"])


def test_text_under_the_cursor_is_shortened_then_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = stream(*(said("a piece of thirty letters, ..") for _ in range(50)), STOP)
    shown = []
    for room in (10_000, 2_200, 1_000):
        monkeypatch.setattr(data, "ROOM", room)
        shown.append(data_of(page_of(trace))["traces"][0]["lanes"][0]["text"][:1])
    assert [["a piece of thirty letters, .."], ["a piece of thir…"], []] == shown
    monkeypatch.setattr(data, "ROOM", 100)
    assert [] == data_of(page_of(trace))["traces"][0]["lanes"]


def test_hostile_text_does_not_make_a_page_larger_than_long_text_does() -> None:
    # Each of these characters takes 12 bytes or 4 as it is shown.
    steering, quoted = json.dumps("\u202e" * 20_000), json.dumps("<&" * 20_000)
    call = f'{{"index":0,"id":{steering},"function":{{"name":{quoted},"arguments":{steering}}}}}'
    trace = stream(
        delta(f'{{"content":{quoted},"reasoning_content":{steering},"tool_calls":[{call}]}}', "\u202e" * 900),
        *(delta("{}", f"<{n}" * 900) for n in range(20)),
        request={"messages": ["\u202e" * 50_000]},
        notes="\u202e" * 50_000,
        sender="<" * 50_000,
    )
    assert 400_000 > len(view_page([("\u202e" * 50_000, trace)]))


def test_long_text_is_shortened_and_says_by_how_much() -> None:
    root = page_of(stream(said("word " * 40_000), STOP))
    assert "… 80,000 characters more" in text_of(by_id(root, "answer"))


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_and_marks_is_legible_in_light_and_in_dark(theme: int) -> None:
    style = view_page([("x", Trace())]).decode().partition("<style>")[2].partition("</style>")[0]
    colours = dict(re.findall(r"--(\w+): (#\w+);", style.split(":root {")[theme + 1].partition("}")[0]))
    assert {"page", "panel", "ink", "soft", "text", "reasoning", "arguments", "refusal", "stall"} <= set(colours)
    for ground in ("page", "panel"):
        for name in set(colours) - {"page", "panel", "line"}:
            light, dark = sorted((luminance(colours[ground]), luminance(colours[name])), reverse=True)
            assert 4.5 <= (light + 0.05) / (dark + 0.05), f"{name} on {ground}"
