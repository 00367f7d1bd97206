"""What the sync and the async reader of chat events have in common: the state, and the arguments of the SDK's own helper.

In: a source, and what to parse by. Out: chunks of ours, handed to a `ChatCompletionStreamState`. No I/O.
"""

from __future__ import annotations

from typing import Any

from streamkit import Clean, Dialect, Limits, StreamError

from ._raising import in_words_of_the_sdk
from ._state import ChatCompletionStreamState

__all__ = ("Reading",)

IN_ORDER = Clean(order="index")


class Reading:
    """One stream that is read for the SDK's events."""

    def __init__(
        self,
        source: Any,
        *,
        response_format: Any = None,
        input_tools: Any = None,
        limits: Limits | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self._source, self._manager = source, None
        self._parsing: dict[str, Any] = {"response_format": response_format, "input_tools": input_tools}
        self._reading: dict[str, Any] = {"limits": limits or Limits(), "dialect": dialect or Dialect()}
        self._state = ChatCompletionStreamState(**self._parsing, **self._reading)
        if hasattr(source, "_raw_stream"):
            self._opened(source)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} outcome={self._state.accumulator.outcome}>"

    @property
    def response(self) -> Any:
        """The HTTP response, where the source has one; None before it is opened."""
        return getattr(self._source, "response", None)

    @property
    def current_completion_snapshot(self) -> Any:
        """The completion so far. `MisuseError` before the first chunk."""
        return self._state.current_completion_snapshot

    def _opened(self, helper: Any) -> None:
        """Take what `stream()` returned when it was entered: its stream, and what it parses by."""
        theirs = getattr(helper, "_state", None)
        found = {name: getattr(theirs, f"_{name}", None) for name in self._parsing}
        self._parsing = {name: found[name] if given is None else given for name, given in self._parsing.items()}
        self._state = ChatCompletionStreamState(**self._parsing, **self._reading)
        self._source = getattr(helper, "_raw_stream", helper)  # a private name; without it, the events that it reads

    def _options(self) -> dict[str, Any]:
        return {"clean": IN_ORDER, "raises": self._raised, **self._reading}

    def _raised(self, error: StreamError) -> Exception:
        return in_words_of_the_sdk(error, getattr(self.response, "request", None))
