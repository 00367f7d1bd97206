"""The pictures of the trace server: each name in its list leads to the page of the trace."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

import streamkit
from helpers.browser import Browser, needs_browser
from helpers.command import TRACES
from helpers.loopback import CLIENT
from helpers.pages import classed, parsed, text_of
from streamkit.trace import Block, Trace

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")
from streamkit._recording import pictures  # noqa: E402
from streamkit._recording.pictures import KEPT, link_to, picture_asked  # noqa: E402

TraceServer: Any = streamkit.TraceServer


def trace(**more: Any) -> Trace:
    return Trace(status=200, observed="none", blocks=(Block(0.0, b"data: [DONE]\n\n"),), end="eof", **more)


def test_each_name_in_the_list_leads_to_its_picture() -> None:
    with TraceServer(TRACES / "llama.cpp") as server, httpx2.Client(base_url=server.url, **CLIENT) as client:
        links = [unescape(one) for one in re.findall(r'<a href="([^"]*)"', client.get("/").text)]
        assert len(server.traces) == len(links)
        page = client.get(f"/{links[server.traces.index('plain')]}")
        assert "text/html; charset=utf-8" == page.headers["content-type"]
        assert "plain" == text_of(classed(parsed(page.content), "which")[0])
        assert page.content == client.get(f"/{link_to('plain')}").content
        assert () == server.requests


@pytest.mark.parametrize("name", ["llama.cpp/plain", "<b>&", "a b+c%?#é", 'x"y'])
def test_a_link_names_any_trace(name: str) -> None:
    assert name == picture_asked(f"/{link_to(name)}")
    assert "" == picture_asked("/")
    with TraceServer(trace(case=name)) as server:
        assert 200 == httpx2.get(f"{server.url}/{link_to(name)}", **CLIENT).status_code


def test_an_unknown_name_and_a_large_trace_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 10)
    with TraceServer(trace(case="x")) as server:
        missing = httpx2.get(f"{server.url}/{link_to('y')}", **CLIENT)
        large = httpx2.get(f"{server.url}/{link_to('x')}", **CLIENT)
    assert (404, "trace_not_found") == (missing.status_code, missing.json()["error"]["code"])
    assert (413, "trace_too_large") == (large.status_code, large.json()["error"]["code"])
    assert "14 bytes, and at most 10 are drawn here: use `streamkit view`" in large.json()["error"]["message"]


def test_where_a_key_is_asked_for_a_picture_needs_it_and_the_list_has_no_links() -> None:
    with TraceServer(trace(case="x"), api_key="k") as server:
        assert "<a " not in httpx2.get(server.url, **CLIENT).text
        address = f"{server.url}/{link_to('x')}"
        assert 401 == httpx2.get(address, **CLIENT).status_code
        assert 200 == httpx2.get(address, headers={"authorization": "Bearer k"}, **CLIENT).status_code


def test_a_few_pictures_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def page(entry: Any) -> str:
        drawn.append(entry.name)
        return entry.name  # type: ignore[no-any-return]

    monkeypatch.setattr(pictures, "_drawn", page)
    names = [f"n{number}" for number in range(KEPT + 1)]
    with TraceServer([trace(case=name) for name in names]) as server, httpx2.Client(**CLIENT) as client:
        for name in (*names, names[-1], names[0]):
            assert name == client.get(f"{server.url}/{link_to(name)}").text
    assert [*names, names[0]] == drawn


@needs_browser
def test_a_browser_goes_from_the_list_to_a_picture_and_asks_for_nothing_else() -> None:
    with TraceServer(TRACES / "llama.cpp") as server, Browser() as browser:
        with browser.page(f"{server.url}/", width=1000) as page:
            picture = page.value("document.querySelector('a').href")
            assert ([], {f"{server.url}/"}) == (page.errors, set(page.requests) - {"data:,"})
        with browser.page(picture) as page:
            assert ([], [picture]) == (page.errors, page.requests)
            assert f"{server.traces[0]} – streamkit" == page.value("document.title")
        assert () == server.requests
