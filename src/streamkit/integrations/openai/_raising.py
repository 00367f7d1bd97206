"""What the SDK would raise, for what ended a stream: code that catches `openai.APIError` catches this.

In: an error of ours. Out: one of the SDK's, with ours as its cause.
"""

from __future__ import annotations

from typing import Any

import openai

from streamkit import DeadlineError, RemoteError, StreamError

__all__ = ("in_words_of_the_sdk",)


def in_words_of_the_sdk(error: StreamError, request: Any = None) -> Exception:
    """Return what the SDK raises: `APIError` for what the sender reported, `APITimeoutError` for a deadline or a timeout,
    `APIConnectionError` for a stream that broke off."""
    raised: openai.APIError
    if isinstance(error, RemoteError):
        raised = openai.APIError(error.message, request, body=error.body)
    elif isinstance(error, DeadlineError) or "Timeout" in type(error.__cause__).__name__:
        raised = openai.APITimeoutError(request=request)
    else:
        raised = openai.APIConnectionError(message=str(error), request=request)
    raised.__cause__ = error
    return raised
