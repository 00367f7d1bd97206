"""Find words that readers stumble over, in the prose of this repository; `make lint` runs it.

    python docs/check_words.py                  finds in packages that are done; exits with 1 if there are any
    python docs/check_words.py --all _live      every find, or those of some packages
    python docs/check_words.py --counts         how many finds each package has

In: `docs/words.toml`: the words, what to write instead, uses that are fine, and the packages that have none left: in those, a
find is a failure; in others it is counted. Prose is comments, docstrings and other text of several words in Python files, and everything in Markdown
pages but code. What stands between backticks is code.
"""

from __future__ import annotations

import argparse
import ast
import io
import itertools
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("words.toml")
FEWEST = 3  # words; shorter text is data more often than prose
NOUN = "a docstring that begins with a noun"


class Rule(NamedTuple):
    """One word to avoid."""

    name: str
    pattern: re.Pattern[str]
    fine: tuple[re.Pattern[str], ...]
    instead: str


class Find(NamedTuple):
    """One place where a word stands."""

    package: str
    path: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}: {self.instead}"


class Words:
    """The table of `docs/words.toml`."""

    def __init__(self, table: Path = TABLE) -> None:
        found = tomllib.loads(table.read_text("utf-8"))
        self.rules = tuple(
            Rule(
                row["word"],
                re.compile(row["pattern"]),
                tuple(map(re.compile, row.get("fine", ()))),
                row["instead"],
            )
            for row in found["rule"]
        )
        self.nouns = tuple(found["nouns"])
        self.done = frozenset(found["done"])
        self.skipped: tuple[str, ...] = tuple(found["skip"])
        self.quoted = tuple(re.compile(re.escape(quotation)) for quotation in found["quoted"])

    def finds(self, text: str, line: int = 1) -> Iterator[tuple[int, str, str]]:
        """Yield line, word and replacement for each find in some prose."""
        text = re.sub(r"``?[^`]*``?", lambda code: "`" + "\n" * code[0].count("\n") + "`", text)
        flat = " ".join(text.split())
        for rule in self.rules:
            fine = [span.span() for one in (*rule.fine, *self.quoted) for span in one.finditer(flat)]
            for found in rule.pattern.finditer(flat):
                if not any(start <= found.start() and found.end() <= end for start, end in fine):
                    yield line + line_of_word(text, flat.count(" ", 0, found.end() - 1)), found[0].strip(), rule.instead


def line_of_word(text: str, number: int) -> int:
    """Return the line of a word, both from 0."""
    return text.count("\n", 0, next(itertools.islice(re.finditer(r"\S+", text), number, None)).start())


def prose_of_python(source: str, nouns: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    """Yield line and text of each comment and string of several words, and whether it begins wrongly with a noun."""
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1 and block:  # comments of consecutive lines are one text
                yield first, "\n".join(block), False
                block = []
            first = first if block else token.start[0]
            last = token.start[0]
            block.append(token.string.lstrip("# "))
    if block:
        yield first, "\n".join(block), False
    tree = ast.parse(source)
    wrong = {id(found) for node in ast.walk(tree) if (found := noun_docstring(node, nouns)) is not None}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in wrong or len(node.value.split()) >= FEWEST:
                yield node.lineno, node.value, id(node) in wrong


def noun_docstring(node: ast.AST, nouns: Sequence[str]) -> ast.Constant | None:
    """Return the docstring of a function that begins with one of these words; a property may."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or not node.body:
        return None
    if any("property" in ast.unparse(one) or ast.unparse(one).endswith(".setter") for one in node.decorator_list):
        return None
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        text = first.value.value.rstrip()  # without a full stop at its end it is a title: benches print those
        return first.value if text.split(" ")[0] in nouns and text.endswith(".") else None
    return None


def prose_of_markdown(source: str) -> str:
    """Return a page without its fenced and indented code, with the same number of lines."""
    page = re.sub(r"^```.*?^```$", lambda code: "\n" * code[0].count("\n"), source, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"^(    |\t).*$", "", page, flags=re.MULTILINE)
    return re.sub(r"\]\([^)]*\)|^\[[\w-]+\]: \S+$", "]", page, flags=re.MULTILINE)


def files(words: Words) -> Iterator[tuple[str, Path]]:
    """Yield the package and path of every file with prose to check."""
    for folder, kind in (("src/streamkit", "py"), ("docs", "*"), ("examples", "py"), ("benches", "py"), (".", "md")):
        pattern = f"*.{kind}"
        for path in sorted((ROOT / folder).glob(pattern) if folder == "." else (ROOT / folder).rglob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix not in (".py", ".md") or name in words.skipped:
                continue
            yield package_of(name), path


def package_of(name: str) -> str:
    """Return what a file is counted under: a package or module of src, else its folder, or the page itself."""
    parts = name.split("/")
    if parts[0] == "src":
        return parts[2].removesuffix(".py") if len(parts) > 3 or parts[2].endswith(".py") else parts[2]
    return name if name.endswith(".md") else parts[0]


def all_finds(words: Words) -> Iterator[Find]:
    """Yield every find in the repository."""
    for package, path in files(words):
        name, source = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        if path.suffix == ".md":
            prose: Iterable[tuple[int, str, bool]] = [(1, prose_of_markdown(source), False)]
        else:
            prose = prose_of_python(source, words.nouns)
        for line, text, noun in prose:
            if noun:
                yield Find(package, name, line, text.split(" ")[0], f"{NOUN}: begin with a verb, Return or Yield")
            for at, word, instead in words.finds(text, line):
                yield Find(package, name, at, word, instead)


def main(arguments: Sequence[str] | None = None) -> int:
    """Report the finds; return 1 if there is one where there may be none."""
    parser = argparse.ArgumentParser(description="Find words that readers stumble over.")
    parser.add_argument("packages", nargs="*", help="with --all: only these")
    parser.add_argument("--all", action="store_true", help="list every find, wherever it is")
    parser.add_argument("--counts", action="store_true", help="how many finds each package has")
    options = parser.parse_args(arguments)
    words = Words()
    finds = list(all_finds(words))
    counts = Counter(find.package for find in finds)
    if options.counts:
        print(
            "\n".join(f"{package} = {count}" for package, count in sorted(counts.items())),
            sum(counts.values()),
            sep="\n",
        )
        return 0
    failed = 0
    for find in finds:
        if (not options.packages or find.package in options.packages) if options.all else find.package in words.done:
            print(find)
            failed += not options.all
    others = sum(count for package, count in counts.items() if package not in words.done)
    if not options.all:
        print(f"{failed} words to avoid in packages that are done, {others} in others (docs/words.toml)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
