"""Write docs/command-line.md from the table of commands: `python docs/make_command_line.py`.

In: `streamkit._cli.main.COMMANDS`, from which the parsers are made too. Out: the page. A test holds that the page is what
this writes, so that no option is missing from it and none is left in it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src")]

from streamkit._cli.main import COMMANDS, Command  # noqa: E402

PAGE = ROOT / "docs" / "command-line.md"

HEAD = """\
# The command line

<!-- Written by docs/make_command_line.py from the table of commands; change that. -->

`pip install streamkit-llm` brings the command. Data goes to standard output, everything else to standard error; where standard
output is not a terminal, lists are JSON Lines. `NO_COLOR` is respected. Where a FILE is asked for, `-` is standard input.

```console
$ streamkit check --format lines traces/vllm/plain.trace.jsonl
$ streamkit assemble traces/llama.cpp/tool_parallel.trace.jsonl --compact
```
"""


def page() -> str:
    """Return the whole page."""
    lines = [HEAD, "| command | does |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {cell(command.help)} |" for name, command in COMMANDS.items()]
    for name, command in COMMANDS.items():
        lines += ["", *_section(name, command)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(name: str, command: Command) -> Iterator[str]:
    yield f"## {name}\n"
    yield " ".join((command.run.__doc__ or "").split()) + "\n"
    yield "```console"
    yield from (f"$ {example}" for example in command.examples)
    yield "```\n"
    if command.arguments:
        yield "| argument | means |"
        yield "|---|---|"
        yield from (f"| {_argument(flags, options)} | {_meaning(options)} |" for flags, options in command.arguments)
        yield ""
    if command.takes_command:
        yield "What follows `--` is a command to run.\n"
    yield command.exit_codes[0].upper() + command.exit_codes[1:] + "."


def _argument(flags: tuple[str, ...], options: dict[str, Any]) -> str:
    """Return how an argument is written: `--speed N`, `FILE ...`."""
    value = options.get("metavar")
    if value is None and "choices" in options:
        value = "{" + ",".join(options["choices"]) + "}"
    if not flags[0].startswith("-"):
        more = {"?": "[{}]", "*": "[{} ...]", "+": "{} ..."}.get(options.get("nargs"), "{}")
        return f"`{cell(more.format(value or flags[0].upper()))}`"
    if value is None and options.get("action", "store") in ("store", "append"):
        value = flags[-1].lstrip("-").upper()
    return ", ".join(f"`{cell(flag if value is None else f'{flag} {value}')}`" for flag in flags)


def _meaning(options: dict[str, Any]) -> str:
    text = str(options.get("help", "")) % {"default": options.get("default")}
    text = re.sub(r"(?<![\w`-])--\w[\w-]*", lambda flag: f"`{flag[0]}`", text)
    return cell(text + (" (required)" if options.get("required") else ""))


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
