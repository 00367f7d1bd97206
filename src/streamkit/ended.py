"""What is known of a request for a stream when it is over: one value for every hook that is called then.

In: a stream that has ended, and the request that asked for it. Out: a frozen `Ended`. Transports and the gateway call their
`on_end` with it exactly once for each request, also where the reader left first; `Ended.of(stream)` makes one by hand.
`Times` notes for them when what arrived, where no events are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ._field_docs import show_fields
from ._live.times import Times
from ._live.timing import Timing
from .anomalies import Anomaly
from .errors import MisuseError, shown
from .outcome import Outcome
from .types import CompletionUsage, CreateChatCompletionResponse

__all__ = ("Ended", "Times")


@attrs.frozen
class Ended:
    """One request for a stream that is over: what was asked, how it ended, what had arrived."""

    request: Mapping[str, Any] = attrs.field(repr=False)
    """The JSON of the request, as it was sent; empty where it is not known."""
    outcome: Outcome
    """How the stream ended; `.error` for one that failed or broke off, with its `kind`."""
    response: CreateChatCompletionResponse | None = attrs.field(default=None, repr=False)
    """What had arrived by then; None where no chunk had."""
    anomalies: tuple[Anomaly, ...] = attrs.field(default=(), repr=False)
    """What the sender did that the format does not define."""
    timing: Timing = attrs.field(factory=Timing, repr=False)
    """When what arrived; each figure that is not known is None."""
    usage: CompletionUsage | None = None
    """What the sender counted; None where it did not."""
    url: str | None = attrs.field(default=None, kw_only=True)
    """Where the request went, without query and credentials; None where it is not known."""
    status: int | None = attrs.field(default=None, kw_only=True)
    """The HTTP status of the response; None where there was none."""

    @classmethod
    def of(cls, stream: Any, *, request: Mapping[str, Any] | None = None, url: str | None = None) -> Ended:
        """Return what is known of `stream`: a `ChatStream` or its async sibling, a tee, a `Cleaner` or an
        `Accumulator`. `request`: the JSON that asked for it. `MisuseError` where the stream has not ended: close it first.
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
            tuple(accumulator.anomalies),
            timing if isinstance(timing, Timing) else Timing(),
            None if response is None else response.usage,
            url=url,
            status=getattr(stream, "status", None),
        )


show_fields(__name__)
