"""Every figure that has a goal, beside its goal, and the floors and peers beside it, in one run.

    python benches/ratios.py [SECTION ...] [--rounds 9] [--chunks 1000] [--open 10000] [--gc] [--markdown] [--into FILE]

Without a section, all of them. Every time is the median of its rounds, measured by turns with what it is compared with
(figures.py says how); what is not installed is left out, and the line says so. `--markdown` writes tables for a page;
`--into` puts them into that page, between its two markers. `--help` names the sections; each is a function from a
`Bench` to its figures, and its docstring is the heading.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing litellm asks the network for prices

import goals_peers
import goals_process
import goals_recorded
import goals_transport
import goals_unlucky
import goals_use
from figures import Figure, Measurer, machine, table
from workloads import Bench

SECTIONS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "recorded": goals_recorded.recorded,
    "beginnings": goals_recorded.beginnings,
    "shapes": goals_peers.beside_openai,
    "floors": goals_peers.floors,
    "reducer": goals_peers.reducer,
    "growth": goals_use.growth,
    "memory": goals_process.memory,
    "imports": goals_process.imports,
    "decoder": goals_peers.decoder,
    "ways": goals_use.ways,
    "cleaning": goals_use.cleaning,
    "transport": goals_transport.transport,
    "snapshots": goals_use.snapshots,
    "interleaved": goals_use.interleaved,
    "unlucky": goals_unlucky.unlucky,
}
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main() -> None:
    options = arguments()
    rounds, collector = options.rounds, options.gc
    bench = Bench(Measurer(rounds, collector), options.chunks, options.open)
    out: list[str] = []

    def say(text: str) -> None:
        out.append(text)
        print(text, flush=True)

    state = "on" if collector else "off while it is timed"
    say(machine() + ".\n")
    say(f"Medians of {rounds} rounds by turns, {options.chunks:,} chunks a stream, garbage collector {state}.")
    missed: list[str] = []
    goals = 0
    for name in options.sections or SECTIONS:
        section = SECTIONS[name]
        start = time.perf_counter()
        figures = list(section(bench))
        heading = f"### {name}\n\n{section.__doc__}.\n" if options.markdown else f"== {name}: {section.__doc__}"
        say(f"\n{heading}\n{table(figures, options.markdown)}".replace("\n\n\n", "\n\n"))
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
        goals += sum(figure.met is not None for figure in figures)
        missed += [f"{name}: {figure.name}" for figure in figures if figure.met is False]
    say(f"\n{goals - len(missed)} of {goals} goals met." + "".join(f"\n- not met: {one}" for one in missed))
    if options.into:
        write(options.into, "\n".join(out))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter)
    each = "\n".join(f"{name}: {section.__doc__}" for name, section in SECTIONS.items())
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"which figures (default all)\n{each}")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that each median is of (default 9)")
    parser.add_argument("--chunks", type=int, default=1000, help="chunks that carry the shape (default 1000)")
    parser.add_argument("--open", type=int, default=10_000, help="accumulators open at once, for their memory")
    parser.add_argument("--gc", action="store_true", help="leave the garbage collector on, for all contestants")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--into", type=Path, metavar="FILE", help="a page to put them into, between its markers")
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    if options.into:
        options.markdown = True
        if options.sections:
            parser.error("--into writes all of a page's figures: it takes no section")
        if not (BEGIN in (page := options.into.read_text(encoding="utf-8")) and END in page):
            parser.error(f"{options.into} lacks the markers {BEGIN} and {END}")
    return options


def write(path: Path, figures: str) -> None:
    before, rest = path.read_text(encoding="utf-8").split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
