"""A Sphinx extension: links of pages that leave docs/ lead to the repository, and must lead to something there.

In: `[the gateway](../examples/gateway.py)`, which GitHub shows as it is. Out: the same with the address of the repository,
which pyproject.toml has. What is a page of the site under another name leads to that page (`ELSEWHERE`).
"""

from __future__ import annotations

import os
import re
import time
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOME = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Homepage"]
LINK = re.compile(r"(\]\()([^()\s#]+)((?:#[^()\s]*)?\))")
# Files of the repository that a page of the site includes.
ELSEWHERE = {"SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}

BEGAN = time.monotonic()

log = logging.getLogger(__name__)


def led_out(text: str, page: Path) -> str:
    """Return the text of `page` with links into the repository where they leave docs/."""

    def led(found: re.Match[str]) -> str:
        before, target, after = found.groups()
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = Path(os.path.normpath(page.parent / target))
        if path.is_relative_to(DOCS) and path.suffix in (".md", ".svg"):
            return found[0]
        name = path.relative_to(ROOT).as_posix()
        if name in ELSEWHERE:
            return f"{before}{os.path.relpath(DOCS / ELSEWHERE[name], page.parent)}{after}"
        if not path.exists():
            log.warning("a link leads to %s, which is not there", name, location=str(page))
        return f"{before}{HOME}/blob/main/{name}{after}"

    return LINK.sub(led, text)


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change the text of a page as it is read."""
    path = Path(app.env.doc2path(docname))
    source[0] = led_out(source[0], path)
    if path.name == "README.md":  # GitHub shows the folder, the site has to be asked
        source[0] += "\n\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"


def read_included(app: Sphinx, path: Path, docname: str, source: list[str]) -> None:
    """Change the text of a file that a page includes: its links are written from where the file is."""
    source[0] = led_out(source[0], ROOT / path)


def inline_drawings(app: Sphinx, doctree: nodes.document) -> None:
    """Put drawings into the page instead of beside it, so that they take its colours; dark or light is a choice there."""
    for image in list(doctree.findall(nodes.image)):
        if image["uri"].endswith(".svg") and "_site/drawings/" in image["uri"]:
            svg = (DOCS / image["uri"].lstrip("/")).read_text("utf-8")
            image.replace_self(nodes.raw("", f'<figure class="drawing">{svg}</figure>', format="html"))


def say(app: Sphinx, error: Exception | None) -> None:
    """Say what was built, and in which time."""
    if error is None:
        fences = [re.findall(r"^```python$", page.read_text("utf-8"), re.MULTILINE) for page in DOCS.rglob("*.md")]
        made = f"{len(app.env.found_docs)} pages with {sum(map(len, fences))} examples in Python"
        print(f"{os.path.relpath(app.outdir)}/index.html: {made}, in {time.monotonic() - BEGAN:.0f} s")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register them."""
    app.connect("source-read", read_page)
    app.connect("include-read", read_included)
    app.connect("doctree-read", inline_drawings)
    app.connect("build-finished", say)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
