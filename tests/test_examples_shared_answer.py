"""Two tabs of a real browser that show one answer, one of them reloaded in mid-sentence."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import pytest

from helpers.browser import Browser, Page, needs_browser
from helpers.served import served
from helpers.tier import TIER
from streamkit.testing import DONE, chunk, event, fragment

FOLDER = Path(__file__).parents[1] / "examples" / "shared_answer"
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


def until(page: Page, **shown: str) -> None:
    """Wait until the elements with these ids show these texts, in the tab that the user looks at."""
    page.call("Page.bringToFront")
    wanted = json.dumps(shown)
    page.value(
        f"""new Promise((over) => {{
            const shows = ([id, text]) => document.getElementById(id).textContent === text;
            const look = () => Object.entries({wanted}).every(shows) ? over() : setTimeout(look, 5);
            look();
        }})"""
    )


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser: two seconds of CPU time, so that the quick tier does without it."""
    if TIER == "quick":
        pytest.skip("STREAMKIT_EXAMPLES=1 drives a browser")
    with Browser() as browser:
        yield browser


@needs_browser
def test_two_tabs_show_one_answer_and_one_that_is_reloaded_misses_nothing(
    browser: Browser, address: str, upstream: Upstream
) -> None:
    upstream.say(chunk(FIRST))
    with browser.page(address) as first:
        first.value("question.value = 'Why?'; ask.requestSubmit()")
        until(first, text=FIRST, state="Answering", asked="Why?")
        link = first.value("location.href")
        with browser.page(link) as second:
            until(second, text=FIRST)
            upstream.say(*map(chunk, SECOND))
            second.call("Page.reload")
            second.until("Page.loadEventFired")
            for tab in (first, second):
                until(tab, text=FIRST + SECOND, state="Answering")
            upstream.say(chunk(delta=fragment('{"city":', id="call_1", name="weather")), chunk(THIRD))
            upstream.say(chunk(delta=fragment('"Paris"}')))
            upstream.end()
            for tab in (first, second):
                until(tab, text=FIRST + SECOND + THIRD, state="Complete", calls='Calls weather{"city":"Paris"}')
            assert [] == second.errors
        with browser.page(link) as late:
            until(late, text=FIRST + SECOND + THIRD, state="Complete", asked="Why?")


@needs_browser
def test_an_event_source_that_nobody_closes_stops_by_itself(browser: Browser, address: str, upstream: Upstream) -> None:
    upstream.say(chunk("a"))
    upstream.end()
    with browser.page(address) as tab:
        seen = tab.value(
            """(async () => {
                const answer = await fetch("v1/chat/completions", {method: "POST", body: "{}"});
                const {events} = await answer.json();
                const source = new EventSource(events);
                const seen = [];
                for (const name of ["open", "snapshot", "chunk", "end"]) source.addEventListener(name, () => seen.push(name));
                await new Promise((over) => {
                    source.onerror = () => { if (source.readyState === EventSource.CLOSED) over(); else seen.push("lost"); };
                });
                return seen;
            })()"""
        )
    assert ["end", "lost"] == seen[-2:]
    assert 1 == seen.count("open")


@needs_browser
def test_a_page_for_an_answer_that_is_gone_says_so(browser: Browser, address: str) -> None:
    with browser.page(f"{address}#nothing") as tab:
        until(tab, state="There is no such answer any more")
