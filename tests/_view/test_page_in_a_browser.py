"""The pages in a real browser: nothing is loaded, nothing goes wrong, keys move the cursor, a phone is wide enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.browser import Browser, Page, needs_browser
from helpers.command import TRACES
from streamkit import check_stream
from streamkit._view.check_page import CheckPage
from streamkit._view.page import view_page
from streamkit.trace import Block, Trace, read_trace

pytestmark = needs_browser

TOOLS = read_trace(TRACES / "vllm-reasoning/reasoning_tool.trace.jsonl")
PLAIN = read_trace(TRACES / "vllm/plain.trace.jsonl")
PHONE = 390


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one page of each sort."""
    folder = tmp_path_factory.mktemp("pages")
    body = PLAIN.body.replace(b"sea", "<img src=x onerror=alert(1)>\u202e".encode() * 9)
    report = CheckPage()
    for name in ("llama.cpp/killed", "vllm/bad_request", "litellm/n3"):
        trace = read_trace(TRACES / f"{name}.trace.jsonl")
        report.add(check_stream(trace, name=name), trace.body)
    made = {
        "one": view_page([("reasoning_tool", TOOLS)]),
        "two": view_page([("a" * 120, TOOLS), ("b", PLAIN)]),
        "flag": view_page([("plain", read_trace(TRACES / "llama.cpp/plain.trace.jsonl"))]),
        "untimed": view_page([("body", Trace(observed="none", blocks=(Block(0.0, body),)))]),
        "empty": view_page([("empty", Trace(status=200, end="eof"))]),
        "check": report.page(),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_bytes(page)
    return folder


def readout(page: Page) -> str:
    found = page.value("document.getElementById('readout').innerText")
    assert isinstance(found, str)
    return found


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", ["one", "two", "untimed", "empty", "check"])
@pytest.mark.parametrize("width, dark", [(1200, False), (PHONE, True)])
def test_nothing_is_loaded_nothing_is_said_and_nothing_is_too_wide(
    browser: Browser, pages: Path, name: str, width: int, dark: bool
) -> None:
    address = (pages / f"{name}.html").as_uri()
    with browser.page(address, width=width, dark=dark) as page:
        for key in ("ArrowRight", "+", "ArrowDown", "End", "-", "0"):
            page.value("document.querySelector('.row[tabindex]')?.focus()")
            page.press(key)
        assert ([], [address]) == (page.errors, page.requests)
        assert width == page.value("document.documentElement.scrollWidth")
        background = page.value("getComputedStyle(document.body).backgroundColor")
        assert ("rgb(15, 19, 24)" if dark else "rgb(255, 255, 255)") == background


def test_arrow_keys_move_the_cursor_along_a_lane_and_from_lane_to_lane(browser: Browser, pages: Path) -> None:
    with browser.page((pages / "one.html").as_uri()) as page:
        page.value("document.querySelector('.row[tabindex]').focus()")
        page.press("ArrowRight")
        assert readout(page).startswith("174 ms · block 1 of 30, 257 bytes, event 1")
        page.press("ArrowDown", "ArrowRight")
        assert "choice 0 ass" in readout(page)
        page.press("End")
        assert "block 9 of 30" in readout(page)  # the last in this lane
        page.press("ArrowDown", "ArrowLeft")
        assert "block 9 of 30" in readout(page)  # nothing in this lane is before
        page.press("Home")
        assert "choice 0 call 0" in readout(page)
        page.press("ArrowRight", shift=True)
        assert "block 22 of 30" in readout(page)
        assert "choice 0 call 0" == page.value("document.activeElement.querySelector('b').textContent")


def test_plus_zooms_in_at_the_cursor_and_0_shows_all_again(browser: Browser, pages: Path) -> None:
    box = "document.querySelector('svg.z').getAttribute('viewBox')"
    ticks = "[...document.querySelectorAll('#axis text')].map((one) => one.textContent)"
    with browser.page((pages / "one.html").as_uri()) as page:
        assert "0 0 4000 28" == page.value(box)
        before = page.value(ticks)
        page.value("document.querySelector('.row[tabindex]').focus()")
        page.press("ArrowRight", "+", "+")
        assert "0 0 1000 28" == page.value(box)
        assert before != page.value(ticks)
        page.press("End")  # the view follows the cursor
        assert "3000 0 1000 28" == page.value(box)
        inside = "(() => { const c = document.querySelector('.cursor'); return !c.hidden; })()"
        assert page.value(inside)
        page.press("0")
        assert ("0 0 4000 28", before) == (page.value(box), page.value(ticks))


def test_the_script_writes_the_axis_as_the_page_has_it_without_script(browser: Browser, pages: Path) -> None:
    ticks = "[...document.querySelectorAll('#axis text')].map((one) => one.textContent)"
    for name in ("one", "untimed"):
        address = (pages / f"{name}.html").as_uri()
        with browser.page(address) as page:
            with_script = page.value(ticks)
            page.call("Emulation.setScriptExecutionDisabled", value=True)
            page.call("Page.navigate", url=address)
            page.until("Page.loadEventFired")
            assert page.value(ticks) == with_script


def test_the_cursor_reads_both_traces_and_follows_the_pointer(browser: Browser, pages: Path) -> None:
    with browser.page((pages / "two.html").as_uri(), height=1200) as page:
        place = page.value(
            "(() => { const box = document.querySelectorAll('.blocks .track')[1].getBoundingClientRect();"
            " return [box.left + box.width / 2, box.top + 10]; })()"
        )
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
        lines = readout(page).split("\n")
        assert ["A: block", "B: block"] == [line[:8] for line in lines[1:]]


def test_tab_stops_once_in_the_drawing_at_the_lane_that_had_the_focus_last(browser: Browser, pages: Path) -> None:
    stops = "[...document.querySelectorAll('.row[tabindex]')].map((row) => row.tabIndex)"
    with browser.page((pages / "one.html").as_uri()) as page:
        assert [0, -1, -1] == page.value(stops)
        page.value("document.querySelector('.row[tabindex]').focus()")
        page.press("ArrowDown")
        assert [-1, 0, -1] == page.value(stops)


def test_an_anomaly_in_the_drawing_leads_to_its_event_and_the_cursor_goes_there(browser: Browser, pages: Path) -> None:
    with browser.page((pages / "flag.html").as_uri()) as page:
        page.value("document.querySelector('.flags a').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        assert "#a-event-40" == page.value("location.hash")
        assert "block 39 of 50" in readout(page)


def test_a_number_in_the_table_of_codes_opens_its_code(browser: Browser, pages: Path) -> None:
    with browser.page((pages / "check.html").as_uri()) as page:
        assert page.value("document.querySelectorAll('details[open]').length") == 0
        page.value("document.querySelector('.matrix td a').click()")
        assert page.value(
            "new Promise((done) => requestAnimationFrame(() => done(document.querySelectorAll('details[open]').length)))"
        )


def test_the_page_reads_without_script(browser: Browser, pages: Path) -> None:
    address = (pages / "one.html").as_uri()
    with browser.page("about:blank") as page:
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.call("Page.navigate", url=address)
        page.until("Page.loadEventFired")
        # The protocol evaluates all the same; the page's own script has not run.
        assert page.value("document.getElementById('tools').hidden")
        assert page.value("document.querySelectorAll('#axis text').length") > 3
        assert page.value("document.querySelector('.cursor') === null")
