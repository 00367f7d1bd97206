"""Build what each framework needs, run the line of its page on the scenarios, and print framework by scenario.

    python -m frameworks.matrix                    every framework; `make test-integrations`
    python -m frameworks.matrix openai langchain   these; `make test-integrations FRAMEWORKS="openai langchain"`
    python -m frameworks.matrix --into docs/frameworks/README.md
    python -m frameworks.matrix --kept             without those whose result is kept under rows/: after a run that was cut off

Environments are kept under .venv-integrations/, each a stamp with what was asked for; `INTEGRATIONS` names another folder. A
framework that does not install is skipped with a message. The exit code is 1 where a goal is missed with streamkit: 31
scenarios of 34 right, nothing that broke off taken for whole, and every function call right.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from frameworks.listed import BOUNDS, FRAMEWORKS
from helpers.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("INTEGRATIONS", ROOT / ".venv-integrations"))
BASE = ("attrs>=24.3", "cattrs>=25.1", "anyio>=4.4", "jiter>=0.8", "httpx>=0.27", "httpx2>=2.0")
MINUTES = 15  # for all scenarios of one framework in one way
MARK = "<!-- python -m frameworks.matrix --into docs/frameworks/README.md -->\n"

GOAL = 31
NEVER_SILENT = {one.name for one in SCENARIOS if one.expected.error in ("truncated", "reset", "length")}
CALLED = {
    one.name for one in SCENARIOS if one.name.startswith("tools") or one.name in ("finish_stop", "reasoning_tools")
}


@attrs.frozen
class Row:
    """One framework in one way: what was wrong in each scenario, None for what was right."""

    framework: str
    mode: str
    wrong: dict[str, str | None]
    versions: dict[str, str]

    @property
    def right(self) -> int:
        return sum(found is None for found in self.wrong.values())

    @property
    def missed(self) -> list[str]:
        """Which goals it misses."""
        if not self.versions:
            return ["does not run"]
        goal = GOAL - len(SCENARIOS) + len(self.wrong)
        found = [] if self.right >= goal else [f"{self.right} of {len(self.wrong)} right, not {goal}"]
        return found + [f"{name}: {self.wrong[name]}" for name in sorted(NEVER_SILENT | CALLED) if self.wrong.get(name)]


def environment(name: str) -> Path | None:
    """Return the Python of an environment, built where it is not there yet; None where it does not install."""
    home = HOME / name
    python = home / "bin" / "python"
    needed = {package for one in FRAMEWORKS.values() if one.environment == name for package in one.packages}
    asked = [*BASE, *(BOUNDS.get(package, package) for package in sorted(needed))]
    stamp = home / "installed"
    if stamp.is_file() and stamp.read_text("utf-8") == "\n".join(asked):
        return python
    say(f"{name}: installing {' '.join(sorted(needed))}")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    commands: list[list[Any]] = [
        [sys.executable, "-m", "venv", "--clear", home],
        [*install, "pip>=25.1"],
        [*install, *asked],
    ]
    if any(subprocess.run(command).returncode for command in commands):
        return None
    stamp.write_text("\n".join(asked), "utf-8")
    return python


def rows(names: list[str], kept: bool = False) -> Iterator[Row]:
    """Run these frameworks, in every way that they have; `kept`: without those whose result is kept."""
    for name in names:
        for mode in FRAMEWORKS[name].modes:
            result = HOME / "rows" / f"{name}.{mode}.jsonl"
            if not (kept and result.is_file()):
                python = environment(FRAMEWORKS[name].environment)
                if python is None:
                    say(f"{name}: skipped, it does not install here")
                    break
                result.parent.mkdir(parents=True, exist_ok=True)
                began = time.monotonic()
                result.write_text(run(python, name, mode), "utf-8")
                say(f"{name} {mode}: {time.monotonic() - began:.0f} s")
            row = read(name, mode, result)
            say(
                f"{name} {mode}: {row.right} of {len(row.wrong)} right"
                if row.versions
                else f"{name} {mode}: does not run"
            )
            yield row


def run(python: Path, framework: str, mode: str) -> str:
    """Run one framework in one way; return what it wrote, as far as it came."""
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests")))
    command = [python, "-m", "frameworks.play", framework, mode]
    there = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, env=there, capture_output=True, text=True, timeout=60 * MINUTES, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return ""
    if done.returncode:
        say(done.stderr[-2000:])
    return done.stdout


def read(framework: str, mode: str, result: Path) -> Row:
    """Return the row of a result; one that has nothing right, and is not kept, where it is not whole."""
    try:
        *played, last = map(json.loads, result.read_text("utf-8").splitlines())
        return Row(framework, mode, {one["scenario"]: one["wrong"] for one in played}, last["versions"])
    except (ValueError, KeyError):
        result.unlink()
        return Row(framework, mode, {one.name: "does not run" for one in SCENARIOS}, {})


# --- what is printed

NOT_RUN = "not run"
WAYS = {"alone": "alone", "transport": "the page's line", "module": "the module"}


def table(found: list[Row]) -> str:
    """Return the matrix in Markdown: how many are right by framework, then each scenario."""
    lines = ["| framework | versions | alone | with streamkit | not right with streamkit |", "|---|---|---|---|---|"]
    names = list(dict.fromkeys(row.framework for row in found))
    by = {(row.framework, row.mode): row for row in found}
    for name in names:
        for mode in FRAMEWORKS[name].modes[1:]:
            row, alone = by.get((name, mode)), by.get((name, "alone"))
            if row is None:
                continue
            versions = ", ".join(f"{package} {version}" for package, version in row.versions.items())
            left = "; ".join(f"`{scenario}`: {_cell(words)}" for scenario, words in row.wrong.items() if words)
            shown = f"[{name}]({name}.md)" + (", module" if mode == "module" else "")
            before = f"{alone.right} of {len(alone.wrong)}" if alone else "not run"
            lines.append(f"| {shown} | {versions} | {before} | {row.right} of {len(row.wrong)} | {left or 'nothing'} |")
    lines += [
        "",
        "`+` is right, `s` silently wrong, `e` an error where the stream has none, `·` means nothing to it. First alone, then with streamkit:",
        "",
    ]
    shown = [(name, mode) for name in names for mode in FRAMEWORKS[name].modes if (name, mode) in by]
    lines.append("| scenario | " + " | ".join(names) + " |")
    lines.append("|---|" + "---|" * len(names))
    for scenario in SCENARIOS:
        cells = [
            " ".join(
                _sign(by[name, mode].wrong.get(scenario.name, NOT_RUN))
                for _, mode in (one for one in shown if one[0] == name)
            )
            for name in names
        ]
        lines.append(f"| {scenario.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _sign(words: str | None) -> str:
    if words == NOT_RUN:
        return "·"
    return "+" if words is None else "e" if words.startswith("raises") else "s"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def into(page: Path, text: str) -> None:
    """Write the matrix into a page, in place of what follows its mark."""
    head, mark, _ = page.read_text("utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"{page} has no line {MARK.strip()}: write it where the matrix is to stand")
    page.write_text(f"{head}{mark}\n{text}", "utf-8")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frameworks", nargs="*", default=[], help=f"some of {', '.join(FRAMEWORKS)}; all by default")
    parser.add_argument("--into", type=Path, help="a page with the mark after which the matrix stands")
    parser.add_argument("--kept", action="store_true", help="take the results that are kept, and run the others")
    asked = parser.parse_args()
    if unknown := set(asked.frameworks) - set(FRAMEWORKS):
        parser.error(f"no framework {', '.join(sorted(unknown))}: there are {', '.join(FRAMEWORKS)}")
    found = list(rows(asked.frameworks or list(FRAMEWORKS), asked.kept))
    text = table(found)
    print(text)
    if asked.into is not None:
        into(asked.into, text)
    missed = [
        f"{row.framework} {WAYS[row.mode]}: {goal}" for row in found if row.mode != "alone" for goal in row.missed
    ]
    for goal in missed:
        say(f"missed: {goal}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
