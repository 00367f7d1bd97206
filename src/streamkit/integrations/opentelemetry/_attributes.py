"""What is known of a stream in the names of the conventions. Pure.

Names: github.com/open-telemetry/semantic-conventions-genai (status: development), as opentelemetry-semantic-conventions
0.66b2 has them. `streamkit.*` is what they have no name for. What is not known is left out, never empty or 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from streamkit import Outcome, RemoteError
from streamkit.ended import Ended

__all__ = ("error_type", "metric_attributes", "span_attributes")

_OPERATION = "gen_ai.operation.name"
_REQUEST = {
    "model": "gen_ai.request.model",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "service_tier": "openai.request.service_tier",
}
_OUTPUT = {"text": "text", "json_object": "json", "json_schema": "json"}


def error_type(outcome: Outcome) -> str | None:
    """Return a word for what went wrong, of few: the kind of an error that the sender reported, else the outcome's reason;
    None where nothing did, and where the reader left."""
    if outcome.name not in ("failed", "truncated"):
        return None
    return outcome.error.kind if isinstance(outcome.error, RemoteError) else outcome.reason


def metric_attributes(ended: Ended, provider: str) -> dict[str, Any]:
    """Return what every metric of a request is kept apart by."""
    found: dict[str, Any] = {_OPERATION: "chat", "gen_ai.provider.name": provider}
    _put(found, "gen_ai.request.model", _text(ended.request.get("model")))
    _put(found, "gen_ai.response.model", None if ended.response is None else ended.response.model)
    try:
        parts = urlsplit(ended.url or "")
        host, port = parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # no URL, or none with a port that is a number
        return found
    if host:
        _put(found, "server.address", host)
        _put(found, "server.port", port)
    return found


def span_attributes(ended: Ended, provider: str) -> dict[str, Any]:
    """Return the attributes of the span, without content."""
    found = {**metric_attributes(ended, provider), "gen_ai.request.stream": True}
    _of_request(found, ended.request)
    _of_response(found, ended)
    _put(found, "error.type", error_type(ended.outcome))
    found["streamkit.outcome"] = ended.outcome.name
    found["streamkit.reason"] = ended.outcome.reason
    _put(found, "streamkit.time_to_first_output", ended.timing.ttft)
    _put(found, "streamkit.anomalies", tuple(dict.fromkeys(one.code for one in ended.anomalies)) or None)
    return found


def _of_request(found: dict[str, Any], request: Mapping[str, Any]) -> None:
    for field, name in _REQUEST.items():
        value = request.get(field)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            found[name] = value
    stop = request.get("stop")
    stops = [stop] if isinstance(stop, str) else stop
    if isinstance(stops, (list, tuple)) and stops and all(isinstance(one, str) for one in stops):
        found["gen_ai.request.stop_sequences"] = tuple(stops)
    count = request.get("n")
    if isinstance(count, int) and not isinstance(count, bool) and count != 1:
        found["gen_ai.request.choice.count"] = count
    form = request.get("response_format")
    _put(found, "gen_ai.output.type", _OUTPUT.get(str(form.get("type"))) if isinstance(form, Mapping) else None)


def _of_response(found: dict[str, Any], ended: Ended) -> None:
    response, usage = ended.response, ended.usage
    if response is not None:
        _put(found, "gen_ai.response.id", response.id or None)
        reasons = tuple(str(one.finish_reason) for one in response.choices if one.finish_reason is not None)
        _put(found, "gen_ai.response.finish_reasons", reasons or None)
        _put(found, "openai.response.service_tier", response.service_tier and str(response.service_tier))
        _put(found, "openai.response.system_fingerprint", response.system_fingerprint or None)
    _put(found, "gen_ai.response.time_to_first_chunk", ended.timing.time_to_first_chunk)
    if usage is not None:
        _put(found, "gen_ai.usage.input_tokens", usage.prompt_tokens)
        _put(found, "gen_ai.usage.output_tokens", usage.completion_tokens)
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        _put(found, "gen_ai.usage.cache_read.input_tokens", prompt and prompt.cached_tokens)
        _put(found, "gen_ai.usage.reasoning.output_tokens", completion and completion.reasoning_tokens)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        found[name] = value
