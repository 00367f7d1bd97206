"""Write the table of columns at the end of docs/corpora.md from `streamkit.corpus.COLUMNS`.

python docs/make_corpora.py
"""

from __future__ import annotations

from pathlib import Path

from streamkit.corpus import COLUMNS

PAGE = Path(__file__).with_name("corpora.md")
HEAD = "## The columns\n"


def page(text: str) -> str:
    """Return the page with its table as it should be."""
    rows = [f"| `{name}` | {kind_of(str(kind))} | {words} |" for name, (kind, words) in COLUMNS.items()]
    return "\n".join([text.partition(HEAD)[0] + HEAD, "| column | type | holds |", "|---|---|---|", *rows, ""])


def kind_of(kind: str) -> str:
    """Return the type in a word or two: the fields of a struct are in the words."""
    short = kind.partition("<")[0]
    return "list of structs" if kind.startswith("list<") and "struct<" in kind else "list" if short == "list" else short


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
