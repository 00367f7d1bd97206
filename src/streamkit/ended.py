"""A finished request for a stream: one value that every hook receives when a stream has ended.

In: a stream that has ended, and the request that asked for it. Out: a frozen `Ended`. Transports and the gateway call
their `on_end` with it exactly once for each request, also if the reader left first; `Ended.of(stream)` creates one by
hand. `Times` records the arrival times for them if no events are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ._field_docs import show_fields
from ._live.times import Times
from ._live.timing import Timing
from .accumulator import Accumulator
from .anomalies import Anomaly
from .errors import MisuseError, shown
from .outcome import Outcome
from .sources import end_stream
from .types import CompletionUsage, CreateChatCompletionResponse

__all__ = ("Ended", "Times")


@attrs.frozen
class Ended:
    """A request for a stream that has ended: the request, the outcome, the response and the times."""

    request: Mapping[str, Any] = attrs.field(repr=False)
    """The JSON of the request, as sent; empty if unknown."""
    outcome: Outcome
    """How the stream ended; `.error` is set if it failed or was cut off, with its `kind`."""
    response: CreateChatCompletionResponse | None = attrs.field(default=None, repr=False)
    """The response as it had arrived by then; None without a chunk."""
    anomalies: tuple[Anomaly, ...] = attrs.field(default=(), repr=False)
    """The deviations of the sender from the format."""
    timing: Timing = attrs.field(factory=Timing, repr=False)
    """Arrival times; an unknown figure is None."""
    usage: CompletionUsage | None = None
    """Token counts reported by the sender; None if it reported none."""
    url: str | None = attrs.field(default=None, kw_only=True)
    """The URL of the request, without query and credentials; None if unknown."""
    status: int | None = attrs.field(default=None, kw_only=True)
    """The HTTP status of the response; None if there was none."""

    def row(self) -> dict[str, str | int | float | bool | None]:
        """Return the facts that a log or a bill needs as one flat dict, always with the same keys: a line of JSON, or a
        row of a table. It has no text of the request, of the response or of an error. `asked` is the model that the request
        names, `model` the one that answered, which may have another name; `ttft` and `duration` are in seconds; `lost`
        counts what of the stream could not be used. What is not known is None.
        """
        error, usage = self.outcome.error, self.usage
        asked, stream = self.request.get("model"), self.request.get("stream", False if self.request else None)
        return {
            "url": self.url,
            "status": self.status,
            "stream": stream if isinstance(stream, bool) else None,
            "asked": asked if isinstance(asked, str) else None,
            "model": None if self.response is None else self.response.model or None,
            "outcome": self.outcome.name,
            "reason": self.outcome.reason,
            "kind": None if error is None else error.kind,
            "retryable": None if error is None else error.retryable,
            "prompt_tokens": None if usage is None else usage.prompt_tokens,
            "completion_tokens": None if usage is None else usage.completion_tokens,
            "ttft": self.timing.ttft,
            "duration": self.timing.duration,
            "lost": sum(anomaly.count for anomaly in self.anomalies if anomaly.severity == "lost"),
        }

    @classmethod
    def of(cls, stream: Any, *, request: Mapping[str, Any] | None = None, url: str | None = None) -> Ended:
        """Return the `Ended` of `stream`: a `ChatStream` or its async sibling, a tee, a `Cleaner` or an `Accumulator`.
        `request`: the JSON that asked for it. Raises `MisuseError` if the stream has not ended: close it first.
        """
        accumulator = getattr(stream, "accumulator", stream)
        outcome = getattr(stream, "outcome", None)
        if not isinstance(outcome, Outcome):
            raise MisuseError(f"Ended.of() takes a stream that has ended, not {shown(stream)}: close() it first")
        response = stream.snapshot() if hasattr(stream, "snapshot") else stream.response
        timing = getattr(stream, "timing", None)
        return cls(
            {} if request is None else request,
            outcome,
            response,
            _deviations(accumulator.anomalies, request),
            timing if isinstance(timing, Timing) else Timing(),
            None if response is None else response.usage,
            url=url,
            status=getattr(stream, "status", None),
        )

    @classmethod
    def without_response(
        cls, error: Exception, *, request: Mapping[str, Any] | None = None, url: str | None = None
    ) -> Ended:
        """Return the `Ended` of a request that got no response: `error` is what the client raised when it sent it. The
        outcome is failed with a `SourceError`, or with a `RemoteError` if the sender refused and an SDK said so."""
        if not isinstance(error, Exception):
            raise MisuseError(f"Ended.without_response() takes the exception of a client, not {shown(error)}")
        accumulator = Accumulator()
        end_stream(accumulator, error)
        return cls.of(accumulator, request=request, url=url)


def _deviations(anomalies: Iterable[Anomaly], request: Mapping[str, Any] | None) -> tuple[Anomaly, ...]:
    """Return the anomalies, without the one that a full response is to a `request` that asked for no stream."""
    whole = request is not None and bool(request) and not request.get("stream")
    return tuple(one for one in anomalies if not (whole and one.code == "full_body"))


show_fields(__name__)
