"""The page of one recorded stream, or of two on one axis: one file without a network.

In: traces and what to call them. Out: HTML as bytes, the same for the same traces. Cost: a few readings of each stream; at
most about 1 MB, whatever the number of blocks.

Rule 1  Nothing is loaded and nothing is sent: the policy of the page allows the style and the script in it, by their
        digests, and nothing else. No attribute holds style or script.
Rule 2  Without script all is there to read; with it a cursor reads out blocks, and the drawing can be zoomed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from ..errors import MisuseError
from ..trace import Trace
from .answer import answer_section, request_section
from .charts import gaps_section
from .data import data_element
from .markup import Html, Node, clipped, el, joined, raw
from .reading import has_times, read
from .tables import anomalies_section, facts_section, lanes_section, summary, timing_section
from .timeline import axis_of, timeline

__all__ = ("document", "view_page")


def view_page(traces: Sequence[tuple[str, Trace]]) -> bytes:
    """Return the page of one trace, or of two for comparison, each with its name."""
    if not 1 <= len(traces) <= 2:
        raise MisuseError(f"a page shows one trace, or two on one axis, not {len(traces)}")
    by_time = all(has_times(trace) for _, trace in traces)
    readings = [read(trace, name, by_time=by_time) for name, trace in traces]
    axis = axis_of(readings)
    title = " and ".join(clipped(one.name, 120) for one in readings)
    body = joined(
        (
            summary(readings),
            timeline(readings, axis),
            gaps_section(readings),
            timing_section(readings),
            anomalies_section(readings),
            answer_section(readings),
            lanes_section(readings),
            facts_section(readings),
            request_section(readings),
            data_element(readings, axis),
        )
    )
    heading = "Two streams on one axis" if len(readings) > 1 else "A stream"
    return document(title, heading, body, script="view.js")


def document(title: str, heading: str, body: Html, *, script: str | None = None) -> bytes:
    """Return a whole document with the style of this package, and one of its scripts."""
    style, code = _resource("style.css"), None if script is None else _resource(script)
    policy = f"default-src 'none'; style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    policy += "" if code is None else f"; script-src '{_digest(code)}'"
    head: list[Node] = [
        el("meta", {"charset": "utf-8"}),
        el("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        el("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        el("meta", {"name": "color-scheme", "content": "light dark"}),
        el("meta", {"name": "referrer", "content": "no-referrer"}),
        el("title", {}, f"{title} – streamkit"),
        el("style", {}, raw(style)),
    ]
    main = el("main", {}, el("h1", {}, heading), _PATTERNS, body)
    end = el("script", {}, raw(code)) if code is not None else None
    page = el("html", {"lang": "en"}, el("head", {}, *head), el("body", {}, main, end))
    return f"<!DOCTYPE html>\n{page}\n".encode()


def _pattern(key: str, path: str, size: int) -> Html:
    box = {"id": key, "width": size, "height": size, "patternUnits": "userSpaceOnUse"}
    return el("pattern", box, el("path", {"d": path, "class": f"p-{key}"}))


_PATTERNS = el(
    "svg",
    {"width": 0, "height": 0, "class": "defs", "aria-hidden": "true"},
    el("defs", {}, _pattern("hatch", "M0 8L8 0M-2 2L2 -2M6 10L10 6", 8), _pattern("second", "M0 4L4 0M-1 1L1 -1M3 5L5 3", 4)),
)  # fmt: skip


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
