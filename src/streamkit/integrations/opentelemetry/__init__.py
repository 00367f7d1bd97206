"""Spans and metrics of OpenTelemetry's conventions for generative AI, for each stream that is over.

    telemetry = Telemetry()                                  # the providers that are set globally
    cleaning_transport(on_end=telemetry)                     # or create_app(upstream, on_end=telemetry)
    with telemetry.watch(ChatStream(response, sent=sent), request=body) as stream: ...

In: an `Ended`. Out: one span, and what the four client histograms are for. Content and tool calls are left out unless they
are asked for. Install `streamkit-llm[opentelemetry]`.
"""

from __future__ import annotations

try:
    import opentelemetry.metrics
    import opentelemetry.trace  # noqa: F401
except ImportError as error:
    raise ImportError(
        'streamkit.integrations.opentelemetry needs opentelemetry-api: pip install "streamkit-llm[opentelemetry]"'
    ) from error

from ._telemetry import Telemetry, Watched

__all__ = ("Telemetry", "Watched")
