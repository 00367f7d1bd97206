"""Is this an error, and what does it say: every shape in which senders report one, in one table of tests.

OpenAI, vLLM and LiteLLM write `{"error": {...}}`; others a string there, a bare object under `event: error`, an error in
a choice, `error_type` beside null choices (DeepInfra), or a `base_resp` with a status (MiniMax).
"""

from __future__ import annotations

from typing import Any

from ..errors import RemoteError, excerpt

__all__ = ("find_error", "may_report")


def find_error(value: dict[str, Any], kind: str = "message") -> RemoteError | None:
    """The error that `value` reports, or None. `kind`: the event's type, or "body" for a whole body."""
    error = value.get("error")
    if error:
        return _error(error, value, "$.error")
    errors = value.get("errors")  # Cloudflare, GraphQL
    if isinstance(errors, list) and errors and not value.get("choices"):
        return _error(errors[0], value, "$.errors[0]")
    for position, choice in enumerate(_list(value.get("choices"))):
        if isinstance(choice, dict) and choice.get("error"):
            return _error(choice["error"], value, f"$.choices[{position}].error")
    base = value.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return _error({"message": base.get("status_msg"), "code": base["status_code"]}, value, "$.base_resp")
    if value.get("choices"):
        return None
    if value.get("error_type") or value.get("error_message"):
        return _error(
            {"message": value.get("error_message"), "type": value.get("error_type"), "code": value.get("error_code")},
            value,
            "$",
        )
    bare = kind == "error" or value.get("object") == "error" or value.get("type") == "error"
    if bare or ("message" in value and ("code" in value or "status" in value) and "choices" not in value):
        return _error(value, value, "$")
    if kind == "body" and "choices" not in value:
        for name in ("detail", "message", "msg"):
            if value.get(name):
                return _error({"message": value[name]}, value, f"$.{name}")
    return None


def may_report(chunk: dict[str, Any]) -> bool:
    """Whether a chunk with choices may hold an error all the same: a quick look, for every chunk."""
    choices = chunk["choices"]
    if type(choices) is not list or "base_resp" in chunk or "error_type" in chunk:
        return True
    for choice in choices:  # noqa: SIM110  any() over a generator takes 0.3 us more
        if type(choice) is not dict or "error" in choice:
            return True
    return False


def _error(error: Any, body: Any, path: str) -> RemoteError:
    if not isinstance(error, dict):
        return RemoteError(excerpt(error) if not isinstance(error, str) else error, body=body, path=path)
    message = error.get("message")
    if isinstance(message, dict):
        message = message.get("message") or excerpt(message)
    code = error.get("code", error.get("status_code"))
    kind = error.get("type")
    return RemoteError(
        str(message) if message else "the sender reported an error without a message",
        code=code if isinstance(code, (str, int, float)) else None,
        type=kind if isinstance(kind, str) else None,
        param=error.get("param"),
        body=body,
        path=path,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
