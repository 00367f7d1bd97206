"""The pictures of traces that a server shows in a browser: drawn when they are asked for, and kept.

In: an entry of the shelf. Out: the page of `streamkit view`. Cost: one is drawn at a time, in a thread; `KEPT` pages of at
most about 1 MB are kept. A trace whose body is larger than `MOST` is refused, since drawing it takes long.
"""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import parse_qsl, quote

import anyio

from .shelf import Entry, Refusal

__all__ = ("Pictures", "link_to", "picture_asked")

KEPT = 8
MOST = 16 * 1024 * 1024  # bytes of a body
_OPTION = "x-streamkit-view"


def link_to(name: str) -> str:
    """Return the address of the picture of a trace, relative to the list of traces."""
    return f"?{_OPTION}={quote(name, safe='')}"


def picture_asked(target: str) -> str:
    """Return the name of the trace whose picture a request asks for, empty if for none."""
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    return next((value for name, value in pairs if name.lower() == _OPTION), "")


class Pictures:
    """`await page(entry)`."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Entry, str] = OrderedDict()
        self._drawing = anyio.CapacityLimiter(1)

    async def page(self, entry: Entry) -> str:
        """Return the page of a trace. Raises `Refusal` for a large one, and what reading it raises."""
        if (found := self._pages.get(entry)) is not None:
            return found
        page = await anyio.to_thread.run_sync(_drawn, entry, limiter=self._drawing)
        self._pages[entry] = page
        if len(self._pages) > KEPT:
            self._pages.popitem(last=False)
        return page


def _drawn(entry: Entry) -> str:
    from .._view.page import view_page  # only a server that is looked at needs it

    trace = entry.read()
    size = sum(len(block.data) for block in trace.blocks)
    if size > MOST:
        words = (
            f"the body of {entry.name} has {size:,} bytes, and at most {MOST:,} are drawn here: use `streamkit view`"
        )
        raise Refusal(413, words, "trace_too_large")
    return view_page([(entry.name, trace)]).decode()
