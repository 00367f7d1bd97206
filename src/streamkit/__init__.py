"""The stream accumulation and reassembly engine for OpenAI-compatible chat completions.

Bytes of any server-sent-event stream go in; the full `CreateChatCompletionResponse` that the request would have
returned without streaming comes out, while it runs and when it ends. `reassemble` does it all at once, `Accumulator`
step by step and without I/O, `ChatStream` and `AsyncChatStream` from a living source.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, events, sse, types
from .accumulator import Accumulator, Statistics
from .anomalies import CODES, Anomaly
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
from .habits import Dialect
from .limits import Limits
from .outcome import Outcome
from .rules import RULES, Rule

if TYPE_CHECKING:
    from .broadcast import Broadcast, Snapshot, Subscription
    from .broadcast_async import AsyncBroadcast, AsyncSubscription
    from .check import Report, check_stream
    from .cleaner import Cleaner
    from .codec import dumps, loads, structure, unstructure
    from .deadlines import Deadlines
    from .rewrite import to_chunks, to_events
    from .rewrite_async import AsyncWritten, async_to_chunks, async_to_events
    from .sources import reassemble
    from .stream import AsyncChatStream, ChatStream
    from .tees import AsyncTee, Tee, async_tee, tee
    from .timing import Timing

__all__ = (
    "CODES",
    "RULES",
    "Accumulator",
    "Anomaly",
    "AsyncBroadcast",
    "AsyncChatStream",
    "AsyncSubscription",
    "AsyncTee",
    "AsyncWritten",
    "Broadcast",
    "ChatStream",
    "Cleaner",
    "DeadlineError",
    "Deadlines",
    "Dialect",
    "FormatError",
    "LimitError",
    "Limits",
    "MisuseError",
    "Outcome",
    "RemoteError",
    "Report",
    "Rule",
    "SenderError",
    "Snapshot",
    "SourceError",
    "Statistics",
    "StreamError",
    "Subscription",
    "Tee",
    "Timing",
    "TruncatedError",
    "ValidationError",
    "async_tee",
    "async_to_chunks",
    "async_to_events",
    "check_stream",
    "dumps",
    "errors",
    "events",
    "loads",
    "reassemble",
    "sse",
    "structure",
    "tee",
    "to_chunks",
    "to_events",
    "types",
    "unstructure",
)

# Loaded when they are asked for: whoever reads bytes alone shall not wait for anyio, cattrs, or the report.
_LATER = {
    "AsyncBroadcast": "broadcast_async",
    "AsyncChatStream": "stream",
    "AsyncSubscription": "broadcast_async",
    "AsyncTee": "tees",
    "AsyncWritten": "rewrite_async",
    "Broadcast": "broadcast",
    "ChatStream": "stream",
    "Cleaner": "cleaner",
    "Deadlines": "deadlines",
    "Report": "check",
    "Snapshot": "broadcast",
    "Subscription": "broadcast",
    "Tee": "tees",
    "Timing": "timing",
    "async_tee": "tees",
    "async_to_chunks": "rewrite_async",
    "async_to_events": "rewrite_async",
    "check_stream": "check",
    "dumps": "codec",
    "loads": "codec",
    "reassemble": "sources",
    "structure": "codec",
    "tee": "tees",
    "to_chunks": "rewrite",
    "to_events": "rewrite",
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
