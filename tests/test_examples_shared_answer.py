"""Two tabs of a real browser that show one answer, one of them reloaded in mid-sentence."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import pytest

from helpers.loopback import PATIENCE
from helpers.served import served
from helpers.tier import TIER
from streamkit.testing import DONE, chunk, event, fragment

FOLDER = Path(__file__).parents[1] / "examples" / "shared_answer"
CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
WAIT = PATIENCE * 1000  # milliseconds
FIRST, SECOND, THIRD = "Sunlight reaches us ", "through air that scatters blue light ", "more than red 🌅."

pytest.importorskip("streamkit.gateway", exc_type=ImportError)
pytest.importorskip("uvicorn")


class Upstream:
    """A model that says a piece when the test lets it."""

    def __init__(self) -> None:
        self.pieces: Queue[bytes] = Queue()

    def say(self, *chunks: dict[str, Any]) -> None:
        self.pieces.put(b"".join(map(event, chunks)))

    def end(self) -> None:
        self.pieces.put(event(chunk(finish="stop")) + DONE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        said = b""
        while not said.endswith(DONE):
            said = await anyio.to_thread.run_sync(self.pieces.get, abandon_on_cancel=True)
            await send({"type": "http.response.body", "body": said, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.end()


@pytest.fixture
def address(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The example, served in front of the upstream."""
    spec = importlib.util.spec_from_file_location("shared_answer_app", FOLDER / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("REDIS", raising=False)
    with served(upstream, "off") as base:
        monkeypatch.setenv("UPSTREAM", base)
        with served(module.create(), "on") as url:
            yield url


@pytest.fixture
def browser() -> Iterator[Any]:
    """Headless Chromium: two seconds of CPU time, so that the quick tier does without it."""
    if TIER == "quick":
        pytest.skip("STREAMKIT_EXAMPLES=1 drives a browser")
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def test_two_tabs_show_one_answer_and_one_that_is_reloaded_misses_nothing(
    browser: Any, address: str, upstream: Upstream
) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    expect.set_options(timeout=WAIT)
    first, second = browser.new_page(), browser.new_page()
    upstream.say(chunk(FIRST))
    first.goto(address)
    first.get_by_label("Your question").fill("Why?")
    first.get_by_role("button", name="Ask").click()
    expect(first.locator("#text")).to_have_text(FIRST)
    second.goto(first.url)
    expect(second.locator("#text")).to_have_text(FIRST)
    upstream.say(*map(chunk, SECOND))
    second.reload()
    for tab in (first, second):
        expect(tab.locator("#text")).to_have_text(FIRST + SECOND)
        expect(tab.locator("#state")).to_have_text("Answering")
    upstream.say(chunk(delta=fragment('{"city":', id="call_1", name="weather")), chunk(THIRD))
    upstream.say(chunk(delta=fragment('"Paris"}')))
    upstream.end()
    for tab in (first, second):
        expect(tab.locator("#state")).to_have_text("Complete")
        expect(tab.locator("#text")).to_have_text(FIRST + SECOND + THIRD)
        expect(tab.locator("details")).to_have_text('Calls weather{"city":"Paris"}')
    late = browser.new_page()
    late.goto(first.url)
    expect(late.locator("#state")).to_have_text("Complete")
    expect(late.locator("#text")).to_have_text(FIRST + SECOND + THIRD)
    expect(late.locator("#asked")).to_have_text("Why?")


def test_an_event_source_that_nobody_closes_stops_by_itself(browser: Any, address: str, upstream: Upstream) -> None:
    tab = browser.new_page()
    upstream.say(chunk("a"))
    upstream.end()
    tab.goto(address)
    seen = tab.evaluate(
        """async () => {
            const answer = await fetch("v1/chat/completions", {method: "POST", body: "{}"});
            const {events} = await answer.json();
            const source = new EventSource(events);
            const seen = [];
            for (const name of ["open", "snapshot", "chunk", "end"]) source.addEventListener(name, () => seen.push(name));
            await new Promise((over) => {
                source.onerror = () => { if (source.readyState === EventSource.CLOSED) over(); else seen.push("lost"); };
            });
            return seen;
        }"""
    )
    assert ["end", "lost"] == seen[-2:]
    assert 1 == seen.count("open")


def test_a_page_for_an_answer_that_is_gone_says_so(browser: Any, address: str) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    tab = browser.new_page()
    tab.goto(f"{address}#nothing")
    expect(tab.locator("#state")).to_have_text("There is no such answer any more", timeout=WAIT)
