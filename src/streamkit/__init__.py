"""The stream accumulation and reassembly engine for OpenAI-compatible chat completions.

Bytes of any server-sent-event stream go in; the full `CreateChatCompletionResponse` that the request would have
returned without streaming goes out, while it runs and when it ends. `reassemble` does it all at once, `Accumulator`
step by step and without I/O, `ChatStream` and `AsyncChatStream` from a live source.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, events, sse, types
from .accumulator import Accumulator, Statistics
from .anomalies import CODES, Anomaly
from .dialect import Dialect
from .errors import (
    DeadlineError,
    FormatError,
    LimitError,
    MisuseError,
    RemoteError,
    SenderError,
    SourceError,
    StreamError,
    TruncatedError,
    ValidationError,
)
from .limits import Limits
from .outcome import Outcome
from .rules import RULES, Rule

if TYPE_CHECKING:
    from ._check.report import Report, check_stream
    from ._clean.clean import Clean
    from ._clean.cleaner import Cleaner
    from ._clean.to_events import to_chunks, to_events
    from ._clean.to_events_async import async_to_chunks, async_to_events
    from ._clean.written import AsyncWritten, Written
    from ._live.broadcast import Broadcast, Snapshot, Subscription
    from ._live.broadcast_async import AsyncBroadcast, AsyncSubscription
    from ._live.deadlines import Deadlines
    from ._live.reassemble import reassemble
    from ._live.resuming import ResumePoint, resume_point
    from ._live.stream import ChatStream
    from ._live.stream_async import AsyncChatStream
    from ._live.tee import AsyncTee, Tee, async_tee, tee
    from ._live.timing import Timing, timing_of
    from ._recording.faults import FAULTS, Fault
    from ._recording.hook import recording
    from ._recording.misses import TraceChangedError, TraceMissError
    from ._recording.proxy import RecordingProxy
    from ._recording.record import AsyncRecording, Recording, async_record, record
    from ._recording.recorder import RecordingWarning
    from ._recording.replay import Replay, replay
    from ._recording.replay_transport import AsyncReplayTransport, ReplayTransport
    from ._recording.run import SessionRun
    from ._recording.schedule import Pace, pace
    from ._recording.server import TraceServer
    from ._recording.session import Session
    from ._recording.transports import AsyncRecordingTransport, RecordingTransport
    from ._version import __version__
    from .codec import dumps, loads, structure, unstructure
    from .ended import Ended
    from .partial_json import PartialJSON

__all__ = (
    "CODES",
    "FAULTS",
    "RULES",
    "Accumulator",
    "Anomaly",
    "AsyncBroadcast",
    "AsyncChatStream",
    "AsyncRecording",
    "AsyncRecordingTransport",
    "AsyncReplayTransport",
    "AsyncSubscription",
    "AsyncTee",
    "AsyncWritten",
    "Broadcast",
    "ChatStream",
    "Clean",
    "Cleaner",
    "DeadlineError",
    "Deadlines",
    "Dialect",
    "Ended",
    "Fault",
    "FormatError",
    "LimitError",
    "Limits",
    "MisuseError",
    "Outcome",
    "Pace",
    "PartialJSON",
    "Recording",
    "RecordingProxy",
    "RecordingTransport",
    "RecordingWarning",
    "RemoteError",
    "Replay",
    "ReplayTransport",
    "Report",
    "ResumePoint",
    "Rule",
    "SenderError",
    "Session",
    "SessionRun",
    "Snapshot",
    "SourceError",
    "Statistics",
    "StreamError",
    "Subscription",
    "Tee",
    "Timing",
    "TraceChangedError",
    "TraceMissError",
    "TraceServer",
    "TruncatedError",
    "ValidationError",
    "Written",
    "__version__",
    "async_record",
    "async_tee",
    "async_to_chunks",
    "async_to_events",
    "check_stream",
    "dumps",
    "errors",
    "events",
    "loads",
    "pace",
    "reassemble",
    "record",
    "recording",
    "replay",
    "resume_point",
    "sse",
    "structure",
    "tee",
    "timing_of",
    "to_chunks",
    "to_events",
    "types",
    "unstructure",
)

# Loaded when they are asked for: a caller that only reads bytes must not wait for anyio, cattrs, or the report.
_LATER = {
    "AsyncBroadcast": "_live.broadcast_async",
    "AsyncChatStream": "_live.stream_async",
    "AsyncRecording": "_recording.record",
    "AsyncRecordingTransport": "_recording.transports",
    "AsyncReplayTransport": "_recording.replay_transport",
    "AsyncSubscription": "_live.broadcast_async",
    "AsyncTee": "_live.tee",
    "AsyncWritten": "_clean.written",
    "Broadcast": "_live.broadcast",
    "ChatStream": "_live.stream",
    "Clean": "_clean.clean",
    "Cleaner": "_clean.cleaner",
    "Deadlines": "_live.deadlines",
    "Ended": "ended",
    "FAULTS": "_recording.faults",
    "Fault": "_recording.faults",
    "Pace": "_recording.schedule",
    "PartialJSON": "partial_json",
    "Recording": "_recording.record",
    "RecordingProxy": "_recording.proxy",
    "RecordingTransport": "_recording.transports",
    "RecordingWarning": "_recording.recorder",
    "Replay": "_recording.replay",
    "ReplayTransport": "_recording.replay_transport",
    "Report": "_check.report",
    "ResumePoint": "_live.resuming",
    "Session": "_recording.session",
    "SessionRun": "_recording.run",
    "Snapshot": "_live.broadcast",
    "Subscription": "_live.broadcast",
    "Tee": "_live.tee",
    "Timing": "_live.timing",
    "TraceChangedError": "_recording.misses",
    "TraceMissError": "_recording.misses",
    "TraceServer": "_recording.server",
    "Written": "_clean.written",
    "__version__": "_version",
    "async_record": "_recording.record",
    "async_tee": "_live.tee",
    "async_to_chunks": "_clean.to_events_async",
    "async_to_events": "_clean.to_events_async",
    "check_stream": "_check.report",
    "dumps": "codec",
    "loads": "codec",
    "pace": "_recording.schedule",
    "reassemble": "_live.reassemble",
    "record": "_recording.record",
    "recording": "_recording.hook",
    "replay": "_recording.replay",
    "resume_point": "_live.resuming",
    "structure": "codec",
    "tee": "_live.tee",
    "timing_of": "_live.timing",
    "to_chunks": "_clean.to_events",
    "to_events": "_clean.to_events",
    "unstructure": "codec",
}


if not TYPE_CHECKING:  # a type checker that saw it would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
