"""The counters of one gateway as Prometheus text, where prometheus-client is installed.

Every label is of a closed list: nothing that a client or a model writes becomes a time series.
"""

from __future__ import annotations

from streamkit import Ended

__all__ = ("Metrics", "metrics_if_installed")

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)


class Metrics:
    """Counts each request that is over. Needs prometheus-client."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry()
        self._streams = Counter(
            "streamkit_streams", "Chat completions that are over.", ("form", "outcome", "reason"), registry=registry
        )
        self._errors = Counter("streamkit_errors", "Chat completions that failed.", ("kind",), registry=registry)
        self._tokens = Counter("streamkit_tokens", "Tokens, as the upstream counts.", ("type",), registry=registry)
        self._anomalies = Counter(
            "streamkit_anomalies", "Streams that deviate from the format.", ("code",), registry=registry
        )
        self._open = Gauge("streamkit_open_requests", "Chat completions under way.", registry=registry)
        self._first = Histogram(
            "streamkit_time_to_first_output_seconds", "From the request.", buckets=_SECONDS, registry=registry
        )
        self._duration = Histogram(
            "streamkit_duration_seconds", "From the request to the end.", buckets=_SECONDS, registry=registry
        )

    def began(self) -> None:
        """Count a request that begins."""
        self._open.inc()

    def over(self, ended: Ended, form: str) -> None:
        """Count a request that is over. `form`: `raw` or `clean`."""
        self._open.dec()
        outcome, usage = ended.outcome, ended.usage
        self._streams.labels(form, outcome.name, outcome.reason).inc()
        if outcome.error is not None:
            self._errors.labels(outcome.error.kind).inc()
        for code in {one.code for one in ended.anomalies}:
            self._anomalies.labels(code).inc()
        for kind, count in (
            () if usage is None else (("input", usage.prompt_tokens), ("output", usage.completion_tokens))
        ):
            self._tokens.labels(kind).inc(count or 0)
        for histogram, seconds in ((self._first, ended.timing.ttft), (self._duration, ended.timing.duration)):
            if seconds is not None:
                histogram.observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """Return the text of all counters, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def metrics_if_installed() -> Metrics | None:
    """Return new counters; None where prometheus-client is not installed."""
    try:
        return Metrics()
    except ImportError:
        return None
