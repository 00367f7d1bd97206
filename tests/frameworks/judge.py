"""What is wrong with what an agent came to.

In: a scenario, what was seen, what was raised, and the requests that the server got. Out: a sentence, or None.

Rule 1  Where the stream holds an error, anything that is raised is right: nothing passes for whole.
Rule 2  Calls are judged by what ran, in any order, since frameworks run them side by side; their ids by the request that brings
        the results back.
Rule 3  A refusal is right as the text, or in an error that names it.
Rule 4  Of several choices the first counts, which is what an agent takes.
"""

from __future__ import annotations

import json
from typing import Any

from frameworks.tools import RAN, Seen
from helpers.scenario_server import Asked
from helpers.scenarios import DONE_TEXT, Scenario


class TookTooLong(BaseException):
    """The agent was stopped; a BaseException, so that no framework takes it for an error of a tool."""


def wrong(scenario: Scenario, seen: Seen | None, raised: BaseException | None, asked: list[Asked]) -> str | None:
    """Return what is wrong; None where the agent is right."""
    expected = scenario.expected
    if isinstance(raised, TookTooLong):
        return f"does not end: {len(asked)} requests"
    if expected.error is not None:
        return None if raised is not None else f"silent: ran {len(RAN)} calls, then {_text(seen)!r}"
    if raised is not None:
        if expected.refusal and expected.refusal in chain(raised):
            return None
        return f"raises {type(raised).__name__}: {shorten(str(raised))}"
    assert seen is not None
    if _calls(expected.calls) != _calls(RAN):
        return "no call, silently" if not RAN else f"ran {shorten(str(RAN))}"
    if expected.calls and (found := _ids(asked)) is not None:
        return found
    text = DONE_TEXT if expected.calls else expected.refusal or expected.text
    if _text(seen) != text:
        return f"text {shorten(repr(_text(seen)))}" if _text(seen) else "no text, silently"
    if expected.usage is not None and seen.usage not in (None, expected.usage):
        return f"usage {seen.usage}"
    if seen.reasoning is not None and seen.reasoning != expected.reasoning:
        return f"reasoning {shorten(repr(seen.reasoning))}"
    return None


def chain(error: BaseException) -> str:
    """Return the words of an error and of those that caused it."""
    words, at = [], error
    while at is not None and len(words) < 9:
        words.append(f"{type(at).__name__}: {at}")
        at = at.__cause__ or at.__context__  # type: ignore[assignment]
    return " < ".join(words)


def shorten(text: str, most: int = 90) -> str:
    """Return one line of it."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"


def _text(seen: Seen | None) -> str:
    return (seen.text or "") if seen is not None else ""


def _calls(calls: Any) -> list[tuple[str, Any]]:
    return sorted(((name, json.loads(given) if given[:1] in '{"' else given) for name, given in calls), key=repr)


def _ids(asked: list[Asked]) -> str | None:
    """What is wrong with the ids of the calls in the last request."""
    messages = asked[-1].body["messages"]
    called = [one["id"] for message in messages for one in message.get("tool_calls") or ()]
    answered = [message["tool_call_id"] for message in messages if message.get("role") == "tool"]
    if len(set(called)) != len(called) or (answered and sorted(answered) != sorted(called)):
        return f"ids {called}, of the results {answered}"
    return None
