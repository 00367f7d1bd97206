"""The smallest agent on the openai SDK: it asks, runs the tools that it is asked for, and asks again until there is text.

seen = run(client, scenario, ChatEvents)        # how a stream is read: the SDK's own helper, or a drop-in
assert None is wrong(scenario, seen)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from helpers.loopback_sync import helper
from helpers.scenarios import CUSTOM_TOOL, DONE_TEXT, TOOLS, Scenario

MOST_TURNS = 3


def library_of_sdk(name: str) -> Any:
    """Return httpx or httpx2, whose clients the SDK takes; skips where it does not, as before 3.0."""
    import openai

    library = pytest.importorskip(name)
    try:
        openai.OpenAI(api_key="none", http_client=library.Client(trust_env=False)).close()
    except TypeError:
        pytest.skip(f"this SDK takes no client of {name}")
    return library


@attrs.define
class Seen:
    """What the agent came to."""

    texts: tuple[str, ...] = ()
    """The text of each choice of the last completion."""
    calls: list[tuple[str, str]] = attrs.field(factory=list)
    ids: list[str] = attrs.field(factory=list)
    refusal: str = ""
    usage: Any = None
    turns: int = 0
    events: list[Any] = attrs.field(factory=list, repr=False)
    raised: Exception | None = None


def asked(messages: list[dict[str, Any]], scenario: Scenario) -> dict[str, Any]:
    import openai

    tools = [*TOOLS, CUSTOM_TOOL] if scenario.name == "custom" else TOOLS
    if int(openai.__version__.partition(".")[0]) < 3:  # whose helper takes strict tools only
        tools = [{**tool, "function": {**tool["function"], "strict": True}} for tool in TOOLS]
    return {"model": "m", "messages": messages, "tools": tools}


def run(client: Any, scenario: Scenario, read: Callable[[Any], Any] = lambda manager: manager) -> Seen:
    """Run it. `read`: what makes something with events and a final completion of what `stream()` gives."""
    seen, messages = Seen(), [{"role": "user", "content": "?"}]
    try:
        while seen.turns < MOST_TURNS:
            with read(helper(client)(**asked(messages, scenario))) as stream:
                seen.events += list(stream)
                completion = stream.get_final_completion()
            if not take(seen, completion, messages):
                break
    except Exception as error:
        seen.raised = error
    return seen


async def run_async(client: Any, scenario: Scenario, read: Callable[[Any], Any] = lambda manager: manager) -> Seen:
    """As `run`, with an async client."""
    seen, messages = Seen(), [{"role": "user", "content": "?"}]
    try:
        while seen.turns < MOST_TURNS:
            async with read(helper(client)(**asked(messages, scenario))) as stream:
                seen.events += [event async for event in stream]
                completion = await stream.get_final_completion()
            if not take(seen, completion, messages):
                break
    except Exception as error:
        seen.raised = error
    return seen


def take(seen: Seen, completion: Any, messages: list[dict[str, Any]]) -> bool:
    """Note a completion and run its calls; return whether there were any."""
    seen.turns += 1
    seen.texts = tuple(choice.message.content or "" for choice in completion.choices)
    message = completion.choices[0].message
    seen.refusal, seen.usage = message.refusal or "", completion.usage
    calls = message.tool_calls or []
    if not calls:
        return False
    messages.append({"role": "assistant", "tool_calls": [call.to_dict() for call in calls]})
    for call in calls:
        body = call.custom if call.type == "custom" else call.function
        given = body.input if call.type == "custom" else body.arguments
        if call.type != "custom":
            json.loads(given)
        seen.calls.append((body.name, given))
        seen.ids.append(call.id)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "ok"})
    return True


def wrong(scenario: Scenario, seen: Seen) -> str | None:
    """Return what is wrong with what the agent came to; None where it is right."""
    import openai

    expected = scenario.expected
    if expected.error is not None:
        # Before 3.0 the SDK lets the errors of its client through where a body breaks.
        if isinstance(seen.raised, openai.OpenAIError) or _library_of(seen.raised) in ("httpx", "httpx2"):
            return None
        return f"silent: ran {len(seen.calls)} calls" if seen.raised is None else f"raises {seen.raised!r}"
    if seen.raised is not None:
        return f"raises {type(seen.raised).__name__}: {seen.raised}"
    if list(expected.calls) != seen.calls:
        return f"ran {seen.calls}"
    if len(set(seen.ids)) != len(seen.ids):
        return f"ids {seen.ids}"
    if (texts := (DONE_TEXT,) if expected.calls else expected.texts) != seen.texts:
        return f"text {seen.texts}, not {texts}"
    if expected.refusal != seen.refusal:
        return f"refusal {seen.refusal!r}"
    if expected.usage is not None and expected.usage != (seen.usage.prompt_tokens, seen.usage.completion_tokens):
        return f"usage {seen.usage}"
    return None


def _library_of(error: Exception | None) -> str:
    return type(error).__module__.partition(".")[0]
