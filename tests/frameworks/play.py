"""Run one framework on the scenarios, by the line of its page, and write what was wrong as JSON, a line for each scenario.

    python -m frameworks.play langchain transport [SCENARIO ...]

The last line has the versions. `alone`: the same code, with a transport that touches nothing; `module`: the second way of the
page. Runs in the environment that `frameworks.matrix` has built, with `src` and `tests` on the path.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import os
import re
import signal
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from frameworks.judge import TookTooLong, chain, shorten, wrong
from frameworks.listed import FRAMEWORKS
from frameworks.tools import RAN, RESULT, Seen
from helpers import scenario_server
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import BY_NAME, SCENARIOS, Scenario
from streamkit.integrations.httpx import _transports

ROOT = Path(__file__).parents[2]
SECONDS = 90  # for one scenario; the slowest needs 3, and 20 on a loaded machine
QUIET = {
    "OPENAI_API_KEY": "none",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "AGNO_TELEMETRY": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "OTEL_SDK_DISABLED": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "DO_NOT_TRACK": "1",
}


def code_of(framework: str, mode: str) -> str:
    """Return the code of a page: its first block, or for `module` the one that imports the module."""
    text = (ROOT / "docs" / "frameworks" / f"{framework}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    mark = f"streamkit.integrations.{framework.replace('-', '_')}" if mode == "module" else "cleaning_transport("
    return next(block for block in blocks if mark in block)


def play(framework: str, mode: str, scenario: Scenario, server: ScenarioServer) -> dict[str, Any]:
    """Run one scenario; return what was wrong, and what was raised."""
    os.environ["OPENAI_BASE_URL"] = os.environ["OPENAI_API_BASE"] = server.url(scenario)
    RAN.clear()
    server.asked.clear()
    seen: Seen | None = None
    raised: BaseException | None = None
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        page: dict[str, Any] = {"__name__": "page"}
        exec(compile(code_of(framework, mode), f"{framework}.md", "exec"), page)
        run = importlib.import_module(f"frameworks.agents.{framework.replace('-', '_')}").run
        seen = asyncio.run(run(page)) if inspect.iscoroutinefunction(run) else run(page)
    except (Exception, TookTooLong, BaseExceptionGroup) as error:
        raised = error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = wrong(scenario, seen, raised, server.asked)
    return {
        "scenario": scenario.name,
        "wrong": found,
        "raised": None if raised is None else shorten(chain(raised), 300),
    }


def stop(*_: object) -> None:
    raise TookTooLong


def has_result(body: dict[str, Any]) -> bool:
    """Whether a request brings the result of a tool, in whatever role."""
    return scenario_has_result(body) or RESULT in json.dumps(body["messages"], ensure_ascii=False)


scenario_has_result = scenario_server.has_result


def main(framework: str, mode: str, *names: str) -> None:
    os.environ.update(QUIET)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    out, sys.stdout = sys.stdout, sys.stderr  # frameworks print
    signal.signal(signal.SIGALRM, stop)
    scenario_server.has_result = has_result  # type: ignore[assignment]
    if mode == "alone":
        _transports._is_asked = lambda request: False
    with ScenarioServer() as server:
        for scenario in [BY_NAME[name] for name in names or FRAMEWORKS[framework].only] or SCENARIOS:
            print(json.dumps(play(framework, mode, scenario, server), ensure_ascii=False), file=out, flush=True)
    packages = [*FRAMEWORKS[framework].packages, "openai"]
    print(
        json.dumps({"versions": {name: metadata.version(name) for name in dict.fromkeys(packages)}}),
        file=out,
        flush=True,
    )
    out.flush()
    os._exit(0)  # threads that a framework keeps are nobody's


if __name__ == "__main__":
    main(*sys.argv[1:])
