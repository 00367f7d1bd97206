"""The streams that every client and framework is tried with: each comes to what it says, and the server sends it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from helpers.scenario_server import ScenarioServer
from helpers.scenarios import ANSWER, DONE_TEXT, SCENARIOS, Scenario
from helpers.wire import Reading, each_byte, read, read_blocks

ENDINGS = {
    None: ("complete", None),
    "sender": ("failed", "remote_error"),
    "truncated": ("truncated", None),
    "reset": ("truncated", None),
    "length": ("complete", None),
}


def read_scenario(scenario: Scenario) -> Reading:
    return read(*scenario.events, done=False)


def test_there_are_thirty_four_of_different_names() -> None:
    assert 34 == len(SCENARIOS) == len({scenario.name for scenario in SCENARIOS})


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_scenario_ends_as_it_expects(scenario: Scenario) -> None:
    expected, found = scenario.expected, read_scenario(scenario)
    name, reason = ENDINGS[expected.error]
    assert name == found.outcome.name
    assert reason is None or reason == found.outcome.reason
    choices: list[Any] = [] if found.response is None else found.response["choices"]
    assert list(expected.texts) == ([choice["message"].get("content") or "" for choice in choices] or [""])
    message: dict[str, Any] = choices[0]["message"] if choices else {}
    assert expected.reasoning == message.get("reasoning_content", "")
    assert expected.refusal == (message.get("refusal") or "")
    calls = message.get("tool_calls") or []
    bodies = [call["function"] if "function" in call else call["custom"] for call in calls]
    told = [(body["name"], body.get("arguments", body.get("input"))) for body in bodies]
    assert list(expected.calls) == told[: len(expected.calls)]
    assert (expected.error == "length") == (len(told) > len(expected.calls))
    if expected.usage is not None:
        usage = found.response["usage"]
        assert expected.usage == (usage["prompt_tokens"], usage["completion_tokens"])


def test_the_second_turn_is_answered_by_one_word() -> None:
    assert DONE_TEXT == read_blocks(each_byte(b"".join(ANSWER))).message["content"]


def test_the_server_sends_a_scenario_and_then_the_second_turn() -> None:
    def ask(url: str, **body: Any) -> bytes:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            return bytes(response.read())

    scenario = SCENARIOS[1]
    with ScenarioServer() as server:
        url = f"{server.url(scenario)}/chat/completions"
        assert scenario.body == ask(url, stream=True, messages=[])
        assert b"".join(ANSWER) == ask(url, stream=True, messages=[{"role": "tool"}])
        assert (2, 1) == (len(server.asked), server.turns)
