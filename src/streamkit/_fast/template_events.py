"""The events that the values in the slots of a template mean; created without `__init__`, as most events of a stream are
these."""

from __future__ import annotations

from .._decode.fast_frozen import unfrozen_twin
from ..events import ContentDelta, Event, LogprobsDelta, ToolCallDelta
from .slot_values import Tokens
from .template import Template

__all__ = ("text_event", "tokens_event")

_new_delta = unfrozen_twin(ContentDelta)
_new_tool_delta = unfrozen_twin(ToolCallDelta)
_new_logprobs_delta = unfrozen_twin(LogprobsDelta)


def tokens_event(template: Template, tokens: Tokens, sequence: int) -> Event:
    """Return the event of log probabilities in an event of this template."""
    event = _new_logprobs_delta()
    event.sequence = sequence
    event.choice = template.state.index
    event.content = list(tokens)
    event.refusal = []
    event.__class__ = LogprobsDelta
    return event  # type: ignore[no-any-return]


def text_event(template: Template, text: str, sequence: int) -> Event:
    """Return the event of a text in an event of this template."""
    call = template.call
    if call is None:
        event = _new_delta()
        event.text = text
    else:
        event = _new_tool_delta()
        event.call = call.position
        event.id = call.id
        event.name = call.name
        event.arguments = text
        event.path_events = ()
    event.sequence = sequence
    event.choice = template.state.index
    event.__class__ = template.event
    return event  # type: ignore[no-any-return]
