"""Write docs/senders.md from recorded streams: which sender deviates how, and which clients break on it.

    python docs/make_senders.py                   the part about traces/; what others recorded stays as it is
    python docs/make_senders.py FOLDER ...        that of other recordings too, from these folders
    python docs/make_senders.py --print FOLDER    write nothing; print the tables of your own recordings

In: traces and bodies in folders, like `streamkit check`; the known bugs of clients (`_check/known_client_bugs`); the
matrix of docs/frameworks/README.md, and the streams that it was measured with. Out: the page. A test holds that the page is
what this writes. No text of a stream is written, only codes and counts.

Rule 1  The sender of a trace is what its header says; that of a body is the folder in which it is.
Rule 2  Counted is what has the sender's own bytes: a recording, with ids or names replaced at most. What was framed again,
        dumped by an SDK or written by hand is not, by the provenance in a trace's header, or by `provenance` in `x.json` beside
        `x.sse`. Where nothing says, it is counted.
Rule 3  A stream is counted once for each code, however often it has it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from helpers.scenarios import SCENARIOS  # noqa: E402
from streamkit import CODES, check_stream  # noqa: E402
from streamkit._check.known_client_bugs import CLIENTS, clients_of  # noqa: E402
from streamkit._check.observations import OBSERVATIONS  # noqa: E402
from streamkit._check.report import Report  # noqa: E402
from streamkit._cli.files import files_of  # noqa: E402
from streamkit.outcome import REASONS  # noqa: E402

PAGE = ROOT / "docs" / "senders.md"
MATRIX = ROOT / "docs" / "frameworks" / "README.md"
OWN_BYTES = ("", "recorded", "recorded-sanitized")
SEVERITIES = ("failed", "truncated", "lost", "repaired", "note", "info")
MARK = "<!-- other recordings: from here to the next mark by `python docs/make_senders.py FOLDER ...` -->\n"
END = "<!-- end of other recordings -->\n"

HEAD = """\
# What senders do, and which clients break on it

<!-- Written by docs/make_senders.py from recorded streams and the tables in the code; change those. -->

Each code is explained, with an example, on [the page of anomalies](anomalies.md). A stream counts once for each code, however
often it has it. Of the severities, only `lost`, `repaired` and endings other than complete are faults; `note` is harmless, and
`info` is what the format allows but some clients break on. **A count says what these recordings hold,** not how often a sender
does it, and a sender may have changed since: `streamkit check` looks at yours.

`python docs/make_senders.py` writes this page from [traces/](../traces/README.md); `--print FOLDER` prints the same tables of your
own recordings.
"""


@attrs.define
class Seen:
    """What was counted of one sender."""

    streams: int = 0
    versions: set[str] = attrs.field(factory=set)
    verdicts: Counter[str] = attrs.field(factory=Counter)
    codes: Counter[str] = attrs.field(factory=Counter)
    """Streams with a code, or that end with a reason other than complete."""


@attrs.define
class Tally:
    """What was counted of some folders."""

    senders: dict[str, Seen] = attrs.field(factory=dict)
    left_out: Counter[str] = attrs.field(factory=Counter)
    """Streams that are not the sender's own bytes, by provenance."""

    @property
    def streams(self) -> int:
        return sum(seen.streams for seen in self.senders.values())

    def add(self, report: Report, sender: str) -> None:
        """Count one stream."""
        seen = self.senders.setdefault(sender, Seen())
        seen.streams += 1
        seen.verdicts[report.verdict] += 1
        seen.codes.update(codes_of(report))
        if report.trace is not None and report.trace.sender_version:
            seen.versions.add(report.trace.sender_version)

    def codes(self) -> list[str]:
        """Return every code that was seen: the worst severity first, then the most frequent."""
        total: Counter[str] = Counter()
        for seen in self.senders.values():
            total.update(seen.codes)
        return sorted(total, key=lambda code: (SEVERITIES.index(severity(code)), -total[code], code))

    def named(self) -> list[tuple[str, Seen]]:
        return sorted(self.senders.items())


def codes_of(report: Report) -> set[str]:
    """Return the codes of a stream, and the reason of its ending where it is not complete."""
    ending = set() if report.outcome.ok else {report.outcome.reason}
    return {finding.code for finding in report.findings} | ending


def severity(code: str) -> str:
    """Return the severity of a code; of a reason, the outcome."""
    table: Any = CODES if code in CODES else OBSERVATIONS if code in OBSERVATIONS else REASONS
    return str(table[code][0])


def count(folders: Iterable[Path]) -> Tally:
    """Read every stream in these folders."""
    tally = Tally()
    for folder in folders:
        for name in files_of([str(folder)], lambda line: print(line, file=sys.stderr)):
            report = check_stream(name)
            provenance = _provenance(Path(name), report)
            if provenance in OWN_BYTES:
                tally.add(report, (report.trace and report.trace.sender) or Path(name).parent.name)
            else:
                tally.left_out[provenance] += 1
    return tally


def _provenance(path: Path, report: Report) -> str:
    if report.trace is not None:
        return report.trace.provenance
    beside = path.with_suffix(".json")
    about = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    return str(about.get("provenance") or "") if isinstance(about, dict) else ""


# --- the tables


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    titles = list(head)
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def linked(code: str) -> str:
    """Return a code with a link to its section; reasons that no client is known to misread have none."""
    return (
        f"[`{code}`](anomalies.md#{code})" if code in CODES or code in OBSERVATIONS or clients_of(code) else f"`{code}`"
    )


def broken(code: str) -> str:
    """Return the clients that are known to break: those that were run, by name, and how many others are reported."""
    run = dict.fromkeys(client.name for client in clients_of(code) if "/" not in client.name)
    reported = len({client.name for client in clients_of(code) if "/" in client.name})
    return "; ".join([*filter(None, [", ".join(run)]), *([f"{reported} reported"] if reported else [])])


def by_sender(tally: Tally) -> Iterator[str]:
    """Yield a row for each sender: how many streams of which verdict, and its deviations that are more than `info`."""
    order = {code: place for place, code in enumerate(tally.codes())}
    rows: list[list[Any]] = []
    for name, seen in tally.named():
        deviations = sorted((code for code in seen.codes if severity(code) != "info"), key=order.__getitem__)
        verdicts = [seen.verdicts[verdict] or "" for verdict in ("clean", "notes", "faulty")]
        rows.append([name, seen.streams, *verdicts, ", ".join(f"`{code}` {seen.codes[code]}" for code in deviations)])
    yield from table(
        ["sender", "streams", "clean", "with notes", "faulty", "deviations, and in how many streams"], rows
    )


def by_code(tally: Tally) -> Iterator[str]:
    """Yield a row for each code: in how many streams of which senders, and which clients break on it."""
    rows: list[list[Any]] = []
    for code in tally.codes():
        counts = Counter({name: seen.codes[code] for name, seen in tally.named() if seen.codes[code]})
        senders = ", ".join(f"{name} {number}" for name, number in counts.most_common())
        rows.append([linked(code), severity(code), counts.total(), senders, broken(code)])
    yield from table(["code", "severity", "streams", "senders", "clients that break on it"], rows)


def grid(tally: Tally) -> Iterator[str]:
    """Yield codes by sender, each with its number of streams, and which clients break on it; for a few senders."""
    senders = tally.named()
    rows = (
        [linked(code), severity(code), *(seen.codes[code] or "" for _, seen in senders), broken(code)]
        for code in tally.codes()
    )
    titles = [f"{name} ({seen.streams})" for name, seen in senders]
    yield from table(["code", "severity", *titles, "clients that break on it"], rows)


def of_clients(tally: Tally) -> Iterator[str]:
    """Yield a row for each client that was run: in how many of these streams is something that it breaks on."""
    versions: dict[str, str] = {}
    codes: dict[str, list[str]] = {}
    for code, clients in CLIENTS.items():
        for client in clients:
            if "/" not in client.name:
                versions[client.name] = versions.get(client.name) or client.version
                codes.setdefault(client.name, []).append(code)
    order = sorted(codes, key=lambda name: (-len(set(codes[name])), name))
    seen_codes = set(tally.codes())
    rows: list[list[Any]] = []
    for name in order:
        here = sorted(seen_codes.intersection(codes[name]))
        rows.append([f"{name} {versions[name]}".strip(), len(set(codes[name])), ", ".join(map(linked, here))])
    yield from table(["client", "codes that it breaks on", "of these, seen in the recordings of this repository"], rows)


# --- frameworks


def matrix(text: str, way: int) -> dict[str, dict[str, str]]:
    """Return what each framework did with each scenario, from the second table of the page: `+`, `s`, `e` or `·`.

    `way`: 0 alone, 1 with streamkit.
    """
    lines = text.partition("| scenario |")[2].splitlines()
    names = [name.strip() for name in lines[0].strip(" |").split("|")]
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != len(names) + 1:
            break
        for name, cell in zip(names, cells[1:], strict=True):
            found[name][cells[0]] = cell.split()[way]
    return found


def of_scenarios(found: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield a row for each stream that some framework gets wrong: its codes, and the frameworks, silent or not."""
    rows: list[list[Any]] = []
    for scenario in SCENARIOS:
        silent, raised = (
            [name for name, marks in found.items() if marks.get(scenario.name) == mark] for mark in ("s", "e")
        )
        if silent or raised:
            codes = sorted(codes_of(check_stream(scenario.body)), key=lambda one: (severity(one), one))
            row = [f"`{scenario.name}`", ", ".join(map(linked, codes))]
            rows.append([*row, f"{len(silent)}: {', '.join(silent)}" if silent else "", ", ".join(raised)])
    rows.sort(key=lambda row: -int(row[2].partition(":")[0] or 0))
    yield from table(["stream", "its codes", "silently wrong alone", "raises alone"], rows)


def of_frameworks(found: dict[str, dict[str, str]]) -> Iterator[str]:
    rows: list[list[Any]] = []
    for name, marks in found.items():
        tally = Counter(marks.values())
        rows.append([f"[{name}](frameworks/{name}.md)", tally["+"], tally["s"], tally["e"], tally["·"] or ""])
    rows.sort(key=lambda row: -int(row[2]))
    yield from table(["framework, alone", "right", "silently wrong", "raises", "does not apply"], rows)


# --- the page


def tables(tally: Tally) -> Iterator[str]:
    """Yield the two tables about some recordings: by sender, and by code."""
    yield from by_sender(tally)
    yield from by_code(tally)


def others(tally: Tally) -> str:
    """Return the part about recordings that are not in this repository."""
    left = ", ".join(f"{number} {provenance}" for provenance, number in sorted(tally.left_out.items()))
    lines = [
        f"{tally.streams} streams of {len(tally.senders)} senders, recorded by others and kept in the tests of public projects. Each is",
        "one model on one day, chosen by somebody for what it shows. The file of a test may have lost the blank line at its end, so",
        "`unterminated_done` and `unterminated_event` are weak evidence here.",
        *([f"Left out are {tally.left_out.total()} whose bytes are not the sender's own: {left}."] if left else []),
        "",
        *tables(tally),
    ]
    return "\n".join(lines)


def page(other: str) -> str:
    """Return the whole page, with this part about other recordings."""
    tally = count([ROOT / "traces"])
    versions = "; ".join(f"{name}: {', '.join(sorted(seen.versions))}" for name, seen in tally.named() if seen.versions)
    found, cleaned = (matrix(MATRIX.read_text("utf-8"), way) for way in (0, 1))
    wrong = Counter(name for marks in cleaned.values() for name, mark in marks.items() if mark in "se")
    left = ", ".join(f"`{name}` in {number} of {len(cleaned)} frameworks" for name, number in wrong.most_common())
    lines = [
        HEAD,
        "## The recordings of this repository\n",
        f"{tally.streams} streams of {len(tally.senders)} senders, among them some that were killed, refused or cut off on purpose.",
        f"Versions: {versions}.\n",
        *by_sender(tally),
        "### Codes by sender\n",
        "In how many streams of each, of how many in all. *Reported*: public threads, linked on the page of anomalies.\n",
        *grid(tally),
        "## Other recordings\n",
        f"{MARK}{other}{END}",
        "## Clients\n",
        "Run on streams with each code; [the page of anomalies](anomalies.md) says what each of them did. A client that is not in",
        "this list was not run.\n",
        *of_clients(tally),
        "## Frameworks\n",
        f"Run alone on {len(SCENARIOS)} streams as senders write them, by [the matrix](frameworks/README.md#the-matrix). Not right with",
        f"streamkit beneath: {left or 'nothing'}.\n",
        *of_frameworks(found),
        "### Streams that frameworks get wrong\n",
        *of_scenarios(found),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def other_part(text: str) -> str:
    """Return the part about other recordings of a page that was written before."""
    return text.partition(MARK)[2].partition(END)[0]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Write docs/senders.md from recorded streams.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="other recordings: traces, or bodies")
    parser.add_argument("--print", action="store_true", help="print the tables of these, and write nothing")
    asked = parser.parse_args(arguments)
    if asked.print:
        print("\n".join(tables(count(asked.folders or [ROOT / "traces"]))))
        return
    before = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    other = others(count(asked.folders)) if asked.folders else other_part(before)
    PAGE.write_text(page(other), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
