"""A field that only one sender has, as objects of a class that you write.

    python examples/typed_citations.py recorded.sse

Perplexity and others list the pages that an answer rests on beside the text (`search_results`). The chat format does not
know that field, so it arrives in `extra`, as plain JSON. A copy of the tolerant converter with one line for the field makes
it a list of `Page`; the same copy reads a response back that was stored as JSON. Text and calls cost what they cost without.
"""

from __future__ import annotations

import json
import sys

import attrs

from streamkit import dumps, reassemble
from streamkit.codec import register_extra, tolerant_converter
from streamkit.types import CreateChatCompletionResponse


@attrs.frozen
class Page:
    """What the answer rests on."""

    url: str
    title: str = ""
    date: str | None = None


converter = tolerant_converter.copy()
register_extra(converter, CreateChatCompletionResponse, "search_results", list[Page])


def pages_of(response: CreateChatCompletionResponse) -> list[Page]:
    """Return the pages; none where the sender named none, or wrote something else there (which is then kept as it was)."""
    found = response.extra.get("search_results")
    return [page for page in found if isinstance(page, Page)] if isinstance(found, list) else []


def main(path: str) -> None:
    """Print the answer and its pages, as they are and as they are read back."""
    response = reassemble(path, converter=converter)
    print(response.choices[0].message.content)
    for number, page in enumerate(pages_of(response), 1):
        print(f"[{number}] {page.title or page.url} ({page.date or 'no date'})")
    stored = dumps(response)
    assert response == converter.structure(json.loads(stored), CreateChatCompletionResponse)


if __name__ == "__main__":
    main(*sys.argv[1:])
