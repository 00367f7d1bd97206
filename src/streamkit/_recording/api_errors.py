"""Errors in the shapes that the SDKs of these APIs read: OpenAI's, and Anthropic's below `/v1/messages`.

In: a status and what happened. Out: a body as JSON text.
"""

from __future__ import annotations

import json

__all__ = ("api_error",)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
}
# OpenAI calls these so; for the others it has the same words.
_OPENAI = {404: "invalid_request_error", 413: "invalid_request_error", 500: "server_error", 502: "server_error"}


def api_error(status: int, message: str, *, code: str | None = None, path: str = "") -> str:
    """Return the body of an error. `code`: OpenAI's, such as `model_not_found`. `path`: of the request."""
    kind = _TYPES.get(status, "api_error")
    if "/messages" in path.partition("?")[0]:
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}}, ensure_ascii=False)
    error = {"message": message, "type": _OPENAI.get(status, kind), "param": None, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False)
