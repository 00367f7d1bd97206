"""Workers of the durable agent are killed with `kill -9` in mid-stream; its user reads each character once, in order."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from helpers.loopback import PATIENCE
from helpers.redis_server import redis_server
from helpers.served import served
from helpers.tier import TIER

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "durable_agent.py"
TEXT = (
    "Let me look that up for you, one moment. \n"
    'weather {"city": "Paris", "days": ["Monday", "Tuesday", "Wednesday"], "units": "celsius", "hourly": false}\n'
    "Here is what I found: rain until six in Paris, 18 degrees celsius. Pack an umbrella, and enjoy the evening 🌦.\n"
)
INSIDE_CALL = range(TEXT.index("{") + 1, TEXT.index("}"))
LEASE = "1"

pytest.importorskip("streamkit.gateway", exc_type=ImportError)
pytest.importorskip("uvicorn")


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Workers:
    """Two workers, always; `reading`: the one that read last."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.began: Queue[tuple[subprocess.Popen[str], str]] = Queue()
        self._listeners: list[Thread] = []
        self.running: list[subprocess.Popen[str]] = []
        self.asked: list[str] = []
        self.reading: subprocess.Popen[str] | None = None

    def hire(self) -> None:
        worker = subprocess.Popen(
            [sys.executable, SCRIPT, "work"], stdout=subprocess.PIPE, text=True, env=self._environment
        )
        self.running.append(worker)
        listener = Thread(target=self._listen, args=(worker,), daemon=True)
        self._listeners.append(listener)
        listener.start()

    def _listen(self, worker: subprocess.Popen[str]) -> None:
        assert worker.stdout is not None
        with worker.stdout as lines:
            for line in lines:
                self.began.put((worker, line.strip()))

    def dismiss(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.wait(PATIENCE)
        for listener in self._listeners:
            listener.join(PATIENCE)

    def kill_the_one_that_reads(self) -> None:
        """Kill the reader of the stream, as far as it has said so; the one that was killed before does not read."""
        while not self.began.empty() or self.reading is None or self.reading.poll() is not None:
            self.reading, line = self.began.get(timeout=PATIENCE)
            self.asked.append(line)
        self.reading.kill()
        self.reading.wait(PATIENCE)
        self.running.remove(self.reading)


@contextmanager
def environment(redis: str) -> Iterator[dict[str, str]]:
    with served(loaded("resumable_model").Model(pace=0.01), "off") as upstream:
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT / "src")])
        yield {**os.environ, "REDIS": redis, "UPSTREAM": upstream, "LEASE": LEASE, "PYTHONPATH": path}


def asked_while_workers_die(environment: dict[str, str], deaths: list[int]) -> tuple[str, list[str]]:
    """Return what the user read while the worker that reads was killed after so many characters."""
    workers = Workers(environment)
    workers.hire()
    workers.hire()
    command = [sys.executable, SCRIPT, "ask", "How is the weather in Paris?"]
    user = subprocess.Popen(command, stdout=subprocess.PIPE, env={**environment, "PYTHONUTF8": "1"}, bufsize=0)
    assert user.stdout is not None
    try:
        seen, waiting = b"", list(deaths)
        while block := user.stdout.read(1000):
            seen += block
            if waiting and len(seen.decode("utf-8", "ignore")) >= waiting[0]:
                del waiting[0]
                workers.kill_the_one_that_reads()
                workers.hire()
        assert 0 == user.wait(PATIENCE)
        assert [] == waiting
    finally:
        workers.dismiss()
        user.kill()
        user.communicate()
    while not workers.began.empty():
        workers.asked.append(workers.began.get()[1])
    return seen.decode(), workers.asked


def test_killed_ten_times_in_ten_runs_the_user_reads_each_character_once() -> None:
    """And each is inside the arguments of a tool call, or at two random places, one of them there."""
    if TIER == "quick":
        pytest.skip("STREAMKIT_EXAMPLES=1 kills workers: half a minute of CPU time")
    chance = random.Random(7)
    resumed = 0
    with redis_server() as redis, environment(redis) as where:
        for number in range(10):
            deaths = [chance.choice(INSIDE_CALL)]
            if number % 2:
                deaths = sorted({*deaths, chance.randrange(1, len(TEXT) - 20)})
            seen, asked = asked_while_workers_die(where, deaths)
            assert seen == TEXT, (number, deaths)
            assert len(asked) == 2 + len(deaths), (deaths, asked)
            resumed += sum(not line.endswith("from byte 0") for line in asked)
    assert resumed > 5  # the checkpoint was used
