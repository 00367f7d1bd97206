"""`streamkit check`: reports on streams, as columns for people or as JSON for machines.

In: the names of files. Out: the reports on standard output, what could not be read on standard error, an exit code.

Rule 1  0: every stream passes. 1: one does not. 2: a file could not be read; the others are reported all the same.
Rule 2  Nothing is wider than the terminal, but for addresses, which nobody could follow in two halves.
Rule 3  Every word that has a colour says the same without it.
Rule 4  What a sender wrote stands on one line and steers no terminal.
Rule 5  The JSON is one document, a list with one object a stream: `Report.as_json`.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._check.known_client_bugs import Client
from .._check.report import Finding, Report, check_stream
from ..errors import MisuseError
from ..outcome import REASONS
from .io import MISUSE, contents_of_file, opened, say, stdout, write
from .terminal import clipped, columns, has_colours, json_bytes, one_line, painted, width_of, wrapped

__all__ = ("check_files", "render")

_COLOURS = {"lost": "31", "faulty": "31", "repaired": "33", "notes": "36", "note": "36", "clean": "32", "info": "2"}
_NARROW = 44  # columns: the heads of the table, with a code of twelve letters
_FACTS = 17  # columns of the names of facts
_DETAIL = 10  # columns that what belongs to a finding is set in
_LONG = 500  # columns of what a sender wrote: an error can be pages
_MANY = 20  # unknown fields that are listed; JSON has them all


def check_files(names: Sequence[str], *, json: bool, strict: bool, quiet: bool, verbose: bool) -> int:
    """Report on each file in turn; the exit code (rule 1)."""
    if names.count("-") > 1:
        raise MisuseError("-: standard input can be read once only")
    out = stdout()
    colour, width = has_colours(out), max(columns(), _NARROW)
    told: list[dict[str, Any]] = []
    verdicts: dict[str, int] = {"clean": 0, "notes": 0, "faulty": 0}
    failed = unread = 0
    for name in names:
        try:
            with opened(name) as file:
                shown = "standard input" if name == "-" else name
                report = check_stream(contents_of_file(file, shown), name=shown)
        except MisuseError as error:
            say(str(error))
            unread += 1
            continue
        verdicts[report.verdict] += 1
        passes = report.passes(strict=strict)
        failed += not passes
        if quiet and passes:
            continue
        if json:
            told.append(report.as_json())
        else:
            lines = render(report, width=width, colour=colour, verbose=verbose)
            write(out, "".join(f"{line}\n" for line in [*lines, ""]).encode("utf-8", "replace"))
    if json:
        write(out, json_bytes(jsonlib.dumps(told, indent=2, ensure_ascii=False)))
    elif len(names) > 1:
        write(out, f"{_summary(verdicts, unread)}\n".encode())
    return MISUSE if unread else int(failed > 0)


def _summary(verdicts: dict[str, int], unread: int) -> str:
    words = [f"{verdicts['clean']} clean", f"{verdicts['notes']} with notes", f"{verdicts['faulty']} faulty"]
    words += [f"{unread} not read"] if unread else []
    return f"{_counted(sum(verdicts.values()) + unread, 'stream')}: {', '.join(words)}"


def render(report: Report, *, width: int, colour: bool = False, verbose: bool = False) -> Iterator[str]:
    """The lines of a report, none of more than `width` columns (at least 44) but for addresses."""
    paint = _in_colour if colour else _plain
    room = width - len(report.verdict) - 2
    yield f"{clipped(report.name, room)}: {paint(report.verdict, report.verdict)}"
    for name, text in _facts(report):
        yield from wrapped(text, width, f"  {name:<{_FACTS - 2}}", " " * _FACTS)
        if name == "outcome":
            yield from _breaks(report.clients, width, _FACTS, verbose=verbose)
    if report.findings:
        yield ""
        yield from _table(report.findings, width, paint, verbose=verbose)
    if fields := report.statistics.unknown_fields:
        yield ""
        text = "Fields that the format does not know (kept; no fault), and in how many chunks:"
        yield from wrapped(text, width, "  ", "  ")
        for path, count in list(fields.items())[:_MANY]:
            yield f"{count:>9}  {clipped(path, width - 11)}"
        if len(fields) > _MANY:
            yield f"{'':>9}  and {len(fields) - _MANY} more"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    outcome, s, trace = report.outcome, report.statistics, report.trace
    error = "" if outcome.error is None else outcome.error.message
    sentence = REASONS[outcome.reason][1]
    told = (
        f" The sender: {clipped(error, _LONG)}"
        if error and outcome.reason in ("remote_error", "finish_error", "error_body")
        else ""
    )
    yield "outcome", f"{outcome.name} ({outcome.reason}): {sentence}.{told}"
    counts = [_counted(s.events, "event"), _counted(s.chunks, "chunk"), _counted(len(report.finish_reasons), "choice")]
    counts += [_counted(report.tool_calls, "tool call")] if report.tool_calls else []
    counts += [_counted(s.comments, "comment")] if s.comments else []
    yield "counts", f"{', '.join(counts)}; {_counted(s.bytes, 'byte')} in {_counted(s.blocks, 'block')}"
    if report.model:
        yield "model", clipped(report.model, _LONG)
    if report.finish_reasons:
        one = len(report.finish_reasons) == 1
        reasons = (f"{'' if one else f'{index}: '}{reason or 'none'}" for index, reason in report.finish_reasons)
        yield "finish reason", clipped(", ".join(reasons), _LONG)
    usage = report.usage
    figures = (
        usage and f"{usage.prompt_tokens} prompt, {usage.completion_tokens} completion, {usage.total_tokens} total"
    )
    yield "usage", figures or "none"
    yield "[DONE]", "yes" if report.done else "no"
    if trace is not None:
        words = [f"{trace.sender} {trace.sender_version}".strip(), trace.case]
        words += [f"HTTP {trace.status}"] if trace.status is not None else []
        words += [report.content_type or "no content type"] if trace.headers else []
        yield "trace", ", ".join([*words, f"end: {trace.end}"])


def _table(findings: Sequence[Finding], width: int, paint: Any, *, verbose: bool) -> Iterator[str]:
    code = min(max(len(finding.code) for finding in findings), width - 32)
    yield f"  {'SEVERITY':<8}  {'CODE':<{code}}  {'EVENT':>5}  {'TIMES':>5}  PATH"
    for finding in findings:
        # A row that the terminal has no room for ends early; the path is then on a line of its own.
        row = f"{clipped(finding.code, code):<{code}}  {finding.event or '-':>5}  {finding.count:>5}"
        room = width - len(row) - 14
        short = finding.path == "$" or width_of(one_line(finding.path)) <= room
        yield f"  {paint(finding.severity, f'{finding.severity:<8}')}  {row}{f'  {one_line(finding.path)}' if short else ''}"
        if not short:
            yield f"{' ' * _DETAIL}  {clipped(finding.path, width - _DETAIL - 2)}"
        yield from wrapped(f"{finding.message} {finding.action}", width, " " * (_DETAIL + 2), " " * (_DETAIL + 2))
        if finding.excerpt is not None:
            yield f"{' ' * (_DETAIL + 2)}seen: {clipped(finding.excerpt, width - _DETAIL - 8)}"
        yield from _breaks(finding.clients, width, _DETAIL + 2, verbose=verbose)


def _breaks(clients: Iterable[Client], width: int, indent: int, *, verbose: bool) -> Iterator[str]:
    """Who breaks on it: those who do the same together."""
    together: dict[str, dict[str, None]] = {}  # by effect; the names in order, each once
    sources: dict[str, None] = {}
    for client in clients:
        together.setdefault(client.effect, {})[f"{client.name} {client.version}".strip()] = None
        if client.source is not None:
            sources[client.source] = None
    if together:
        text = "; ".join(f"{', '.join(names)} ({effect})" for effect, names in together.items())
        yield from wrapped(f"breaks: {text}", width, " " * indent, " " * (indent + 2))
    for source in sources if verbose else ():
        yield f"{' ' * (indent + 2)}{source}"


def _plain(_: str, text: str) -> str:
    return text


def _in_colour(word: str, text: str) -> str:
    return painted(text, _COLOURS[word])


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
