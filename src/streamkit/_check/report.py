"""How well a sender's stream keeps to the format: a report on one stream, as a value.

In: a stream, from whatever holds it. Out: a `Report`: how it ended, what went through, every deviation with how often
and where, what was made of it, and which clients are known to break on it. Cost: two readings of the stream, one by an
accumulator (anomalies), one for what hinders no reading (observations).

Rule 1  Faulty is a stream with an outcome other than complete, or with an anomaly worse than a note. What the format
        allows (`info`) and fields that it does not know are reported and are never a fault.
Rule 2  Whatever the cut into blocks, the same report, but for the number of blocks in it.
Rule 3  The keys of `Report.as_json` are stable: some may be added, none is renamed or leaves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

import attrs

from .._arguments import check_bool, check_kind
from .._field_docs import show_fields
from .._live.reassemble import Source, blocks_of
from .._live.timing import Timing, timing_of
from ..accumulator import Accumulator, Statistics
from ..anomalies import CODES, Anomaly
from ..errors import LimitError, RemoteError, excerpt
from ..limits import DEFAULT_LIMITS, Limits
from ..outcome import REASONS, Outcome
from ..trace import Trace, is_trace_name, read_trace
from ..types import CompletionUsage
from .known_client_bugs import Client, clients_of
from .observations import OBSERVATIONS, Finding, Observations

__all__ = ("Finding", "Report", "Verdict", "check_stream")

Verdict = Literal["clean", "notes", "faulty"]
"""The worst that was found: nothing (or what the format allows), notes, or worse."""

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

_RANK = {"lost": 0, "repaired": 1, "note": 2, "info": 3}


@attrs.frozen(kw_only=True)
class Report:
    """The report of `check_stream` on one stream: how it ended, and everything that deviates from the format."""

    name: str
    """What the caller calls it; of a file, its path."""
    outcome: Outcome
    """How it ended."""
    statistics: Statistics
    """What went through; `unknown_fields` among it."""
    findings: tuple[Finding, ...]
    """Everything that deviates or is worth knowing: the worst first, then by event."""
    clients: tuple[Client, ...]
    """Clients that are known to misread a stream that ends like this; of a complete one, none."""
    finish_reasons: tuple[tuple[int, str | None], ...]
    """Index and finish reason of each choice."""
    tool_calls: int
    """Tool calls, of all choices together."""
    done: bool
    """Whether `[DONE]` arrived."""
    usage: CompletionUsage | None
    """What the sender says it cost; None where it does not say."""
    model: str
    """The model that the sender names; empty where it names none."""
    trace: Trace | None = attrs.field(default=None, repr=False)
    """The trace that it was read from: its sender, status and headers, and the blocks; None of anything else."""
    timing: Timing | None = attrs.field(default=None, repr=False)
    """When what arrived, where a trace recorded that; None where it did not (`Trace.timed`)."""

    @property
    def verdict(self) -> Verdict:
        """`clean`, `notes` or `faulty` (rule 1)."""
        worst = min((_RANK[finding.severity] for finding in self.findings), default=_RANK["info"])
        if not self.outcome.ok or worst < _RANK["note"]:
            return "faulty"
        return "notes" if worst == _RANK["note"] else "clean"

    def passes(self, *, strict: bool = False) -> bool:
        """Return whether nothing worse than a note was found; `strict`: not even a note."""
        check_bool("strict=", strict)
        return self.verdict == "clean" or (self.verdict == "notes" and not strict)

    @property
    def content_type(self) -> str | None:
        """The media type of the response, as the sender wrote it; None where it is not known."""
        return None if self.trace is None else _content_type(self.trace)

    @property
    def seconds(self) -> dict[str, float | None] | None:
        """The figures of `timing` that a report shows, in seconds since the request was sent; None where none are known.

        `first_byte`, `first_output`, `last_output`, `last_byte`, and `longest_gap`: the longest silence between two blocks.
        """
        if self.timing is None or self.trace is None:
            return None
        times = [block.t for block in self.trace.blocks]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        figures = {
            "first_byte": self.timing.time_to_first_byte,
            "first_output": self.timing.ttft,
            "last_output": self.timing.latency,
            "last_byte": times[-1] if times else None,
            "longest_gap": max(gaps, default=None),
        }
        return {name: None if figure is None else round(figure, 6) for name, figure in figures.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values for `json.dumps`. An object with these keys, always all of them:

        - `name`, `model`: strings
        - `verdict`: `clean`, `notes` or `faulty`
        - `outcome`: `name`, `reason`, `sentence` and `error`: null, or an object of `message`, `type`, `code` (of a limit,
          its name), `event` and `excerpt`, each of them null where it is not known
        - `counts`: `bytes`, `blocks`, `events`, `comments`, `chunks`, `choices`, `tool_calls`
        - `done`: whether `[DONE]` arrived
        - `finish_reasons`: a list of `choice` (its index) and `finish_reason` (null where there is none)
        - `usage`: `prompt_tokens`, `completion_tokens`, `total_tokens`; null where there is none
        - `trace`: null, or `sender`, `sender_version`, `case`, `end`, `status`, `content_type` and `timing` of the
          recording: null where it has no times, or the seconds `first_byte`, `first_output`, `last_output` and `last_byte` since
          the request was sent, and `longest_gap` between two blocks; each null where there is none
        - `findings`: a list of `code`, `severity` (`info`, `note`, `repaired`, `lost`), `message`, `action`, `path`,
          `event` (0: none), `count`, `excerpt` (null where there is none) and `clients`
        - `clients`: those that misread a stream which ends like this, as in findings: a list of `name`, `version`
          (empty where it is not known), `effect`, `source` (an address, or null)
        - `unknown_fields`: a list of `path` and `chunks` (how many have it)
        """
        counts = {name: getattr(self.statistics, name) for name in ("bytes", "blocks", "events", "comments", "chunks")}
        return {
            "name": self.name,
            "verdict": self.verdict,
            "outcome": _outcome(self.outcome),
            "counts": {**counts, "choices": len(self.finish_reasons), "tool_calls": self.tool_calls},
            "model": self.model,
            "done": self.done,
            "finish_reasons": [
                {"choice": index, "finish_reason": reason and str(reason)} for index, reason in self.finish_reasons
            ],
            "usage": None if self.usage is None else {name: getattr(self.usage, name) for name in COUNTS},
            "trace": self.trace
            and {
                **{name: getattr(self.trace, name) for name in ("sender", "sender_version", "case", "end", "status")},
                "content_type": self.content_type,
                "timing": self.seconds,
            },
            "findings": [
                {**attrs.asdict(finding, recurse=False), "clients": list(map(attrs.asdict, finding.clients))}
                for finding in self.findings
            ],
            "clients": list(map(attrs.asdict, self.clients)),
            "unknown_fields": [
                {"path": path, "chunks": count} for path, count in self.statistics.unknown_fields.items()
            ],
        }


def check_stream(source: Source | Trace, *, name: str = "", limits: Limits = DEFAULT_LIMITS) -> Report:
    """Return a report on a sender's stream.

    `source`: like that of `reassemble` (bytes, a path to a body or a trace, an open binary file, an iterable of blocks),
    or a `Trace`; only a trace can say what the HTTP headers were. `name`: what the report calls it, by default the path.
    What the sender does wrong is in the report. Raises `MisuseError` for a source that cannot be one, `OSError` where a
    file cannot be read, `FormatError` where a `.jsonl` file is not a trace.
    """
    check_kind("name=", name, str)
    if isinstance(source, (str, os.PathLike)):
        name = name or os.fsdecode(source)
        source = read_trace(source) if is_trace_name(os.fsdecode(source)) else source
    trace = source if isinstance(source, Trace) else None
    blocks: Iterator[bytes] = blocks_of(source)
    accumulator = Accumulator(limits=limits)
    observations = Observations(max_event_bytes=limits.max_event_bytes)
    for block in blocks:
        accumulator.absorb(block)
        observations.feed(block)
        if accumulator.outcome is not None and isinstance(accumulator.outcome.error, LimitError):
            break  # nothing that follows is looked at, and it may never end
    outcome = accumulator.close()
    response, statistics = accumulator.snapshot(), accumulator.statistics()
    seen = observations.close(response, complete=outcome.ok)
    if outcome.reason in ("full_body", "error_body", "not_a_stream", "empty"):
        seen = ()
    label = () if trace is None else _label(trace)
    choices = [] if response is None else response.choices
    return Report(
        name=name,
        outcome=outcome,
        statistics=statistics,
        findings=_findings(accumulator.anomalies, (*label, *seen)),
        clients=() if outcome.ok else clients_of(outcome.reason),
        finish_reasons=tuple((choice.index, choice.finish_reason) for choice in choices),
        tool_calls=sum(len(choice.message.tool_calls or ()) for choice in choices),
        done=observations.done,
        usage=None if response is None else response.usage,
        model="" if response is None else response.model,
        trace=trace,
        timing=None if trace is None or not trace.timed else timing_of(trace),
    )


def _findings(anomalies: Iterable[Anomaly], observations: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the worst first, each with its clients. An observation that is an anomaly as well was noted as that."""
    found = [Finding(*attrs.astuple(one, recurse=False)) for one in anomalies]
    found += (one for one in observations if one.code not in CODES)
    found.sort(key=lambda one: (_RANK[one.severity], one.event, one.code, one.path))
    return tuple(attrs.evolve(one, clients=clients_of(one.code)) for one in found)


def _label(trace: Trace) -> tuple[Finding, ...]:
    """Return whether a response is labelled as an event stream. An error is not, and is none."""
    label = _content_type(trace)
    if label is None or (trace.status or 200) >= 400 or label.partition(";")[0].strip().lower() == "text/event-stream":
        return ()
    return (Finding("content_type", *OBSERVATIONS["content_type"], "$", 0, 1, excerpt(label)),)


def _content_type(trace: Trace) -> str | None:
    return next((value for name, value in trace.headers if name.lower() == "content-type"), None)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    told = None
    if error is not None:
        remote = error if isinstance(error, RemoteError) else None
        told = {
            "message": error.message,
            "type": remote and remote.type,
            "code": error.limit if isinstance(error, LimitError) else remote and remote.code,
            "event": error.event,
            "excerpt": error.excerpt,
        }
    return {"name": outcome.name, "reason": outcome.reason, "sentence": REASONS[outcome.reason][1], "error": told}


show_fields(__name__)
