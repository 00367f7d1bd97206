"""A report on one stream as columns for people: its facts, its findings, and the fields that the format does not know.

In: a `Report`, and how wide the terminal is. Out: lines. Nothing is read or written here.

Rule 1  No line is wider than `width`, but for addresses, and the name where it is wanted whole.
Rule 2  A code is never cut off: where the table has no room for the longest one, a finding has its figures on a second
        line. 40 columns are enough for every code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from .._check.known_client_bugs import Client
from .._check.report import COUNTS, Finding, Report
from ..errors import LimitError, RemoteError, counted
from ..outcome import REASONS
from .terminal import clipped, one_line, painted, width_of, wrapped

__all__ = ("COLOURS", "Paint", "in_colour", "plain", "render", "seconds")

COLOURS = {"lost": "31", "faulty": "31", "repaired": "33", "notes": "36", "note": "36", "clean": "32", "info": "2"}
_FACTS = 17  # columns of the names of facts
_DETAIL = 10  # columns that what belongs to a finding is set in
_NARROW = 56  # columns; below, findings and facts are set in less
_LONG = 500  # columns of what a sender wrote: an error can be pages
_MANY = 20  # unknown fields that are listed; JSON has them all

Paint = Callable[[str, str], str]


def plain(_: str, text: str) -> str:
    """Return `text` as it is."""
    return text


def in_colour(word: str, text: str) -> str:
    """Return `text` in the colour of a severity or verdict."""
    return painted(text, COLOURS[word])


def seconds(value: float | None) -> str:
    """Return a time for a column: `0.123 s`, `-` where there is none."""
    return "-" if value is None else f"{value:.3f} s"


def render(
    report: Report, *, width: int, colour: bool = False, verbose: bool = False, whole_name: bool = False
) -> Iterator[str]:
    """Yield the lines of a report, none of more than `width` columns (at least 40) but for addresses.

    `whole_name`: the name of the stream is not cut off either.
    """
    paint = in_colour if colour else plain
    name = one_line(report.name) if whole_name else clipped(report.name, width - len(report.verdict) - 2)
    yield f"{name}: {paint(report.verdict, report.verdict)}"
    indent = _FACTS if width >= _NARROW else 4
    for name, text in _facts(report):
        if width >= _NARROW:
            yield from wrapped(text, width, f"  {name:<{_FACTS - 2}}", " " * _FACTS)
        else:
            yield from wrapped(text, width, f"  {name}: ", " " * indent)
        if name == "outcome":
            yield from _breaks(report.clients, width, indent, verbose=verbose)
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
    yield "outcome", f"{outcome.name} ({outcome.reason}): {REASONS[outcome.reason][1]}.{_error(report)}"
    counts = [("event", s.events), ("chunk", s.chunks), ("choice", len(report.finish_reasons))]
    counts += [(what, number) for what, number in (("tool call", report.tool_calls), ("comment", s.comments)) if number]
    told = ", ".join(counted(number, what, ",") for what, number in counts)
    yield "counts", f"{told}; {counted(s.bytes, 'byte', ',')} in {counted(s.blocks, 'block', ',')}"
    if report.model:
        yield "model", clipped(report.model, _LONG)
    if report.finish_reasons:
        one = len(report.finish_reasons) == 1
        reasons = (f"{'' if one else f'{index}: '}{reason or 'none'}" for index, reason in report.finish_reasons)
        yield "finish reason", clipped(", ".join(reasons), _LONG)
    figures = ((name.removesuffix("_tokens"), getattr(report.usage, name, None)) for name in COUNTS)
    yield "usage", ", ".join(f"{figure} {name}" for name, figure in figures if isinstance(figure, int)) or "none"
    yield "[DONE]", "yes" if report.done else "no"
    if trace is not None:
        words = [f"{trace.sender} {trace.sender_version}".strip(), trace.case]
        words += [f"HTTP {trace.status}"] if trace.status is not None else []
        words += [report.content_type or "no content type"] if trace.headers else []
        yield "trace", clipped(", ".join([*words, f"end: {trace.end}"]), _LONG)
    if (times := report.seconds) is not None:
        yield "seconds", ", ".join(f"{name.replace('_', ' ')} {seconds(time)}" for name, time in times.items())


def _error(report: Report) -> str:
    """Return what the error of a stream says more than that there is one: the sender's words, which limit, which encoding."""
    error, sentence = report.outcome.error, REASONS[report.outcome.reason][1]
    if error is None or error.message == sentence:
        return ""
    said = clipped(error.message.removeprefix(f"{sentence}: "), _LONG)
    if isinstance(error, LimitError):
        return f" {_sentence(said)} (`Limits({error.limit}={error.maximum})`)"
    if isinstance(error, RemoteError) and report.outcome.reason in ("remote_error", "finish_error", "error_body"):
        facts = [str(fact) for fact in (error.type, error.code) if fact is not None]
        known = f" ({clipped(', '.join(facts), _LONG)})" if facts else ""
        return f" The sender: {said}{known}"
    return f" {_sentence(said)}."


def _sentence(text: str) -> str:
    return (text[:1].upper() + text[1:]).removesuffix(".")


def _table(findings: Sequence[Finding], width: int, paint: Paint, *, verbose: bool) -> Iterator[str]:
    code = max(len(finding.code) for finding in findings)
    short = width < 28 + code + len("PATH")  # rule 2
    indent = 4 if short else _DETAIL + 2
    yield "  SEVERITY  CODE" if short else f"  {'SEVERITY':<8}  {'CODE':<{code}}  {'EVENT':>5}  {'TIMES':>5}  PATH"
    for finding in findings:
        severity = paint(finding.severity, f"{finding.severity:<8}")
        if short:
            yield f"  {severity}  {finding.code}"
            where = [f"event {finding.event}"] if finding.event else []
            where += [counted(finding.count, "time"), finding.path]
            yield f"{' ' * indent}{clipped(', '.join(where), width - indent)}"
        else:
            yield from _row(finding, code, width, severity)
        yield from wrapped(f"{finding.message} {finding.action}", width, " " * indent, " " * indent)
        if finding.excerpt is not None:
            yield f"{' ' * indent}seen: {clipped(finding.excerpt, width - indent - 6)}"
        yield from _breaks(finding.clients, width, indent, verbose=verbose)


def _row(finding: Finding, code: int, width: int, severity: str) -> Iterator[str]:
    # A row that the terminal has no room for ends early; the path is then on a separate line.
    row = f"{finding.code:<{code}}  {finding.event or '-':>5}  {finding.count:>5}"
    room = width - len(row) - 14
    fits = finding.path == "$" or width_of(one_line(finding.path)) <= room
    yield f"  {severity}  {row}{f'  {one_line(finding.path)}' if fits else ''}"
    if not fits:
        yield f"{' ' * _DETAIL}  {clipped(finding.path, width - _DETAIL - 2)}"


def _breaks(clients: Iterable[Client], width: int, indent: int, *, verbose: bool) -> Iterator[str]:
    """Yield who breaks on it: those who do the same together."""
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
