"""The example of a chat, in front of recorded streams and of ones that break."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from helpers.loopback import PATIENCE
from streamkit import ReplayTransport, TraceServer, replay
from streamkit.testing import traces

httpx = pytest.importorskip("httpx")

ROOT = Path(__file__).parents[1]
Made = Callable[..., tuple[Any, list[str]]]


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("chat", ROOT / "examples" / "chat.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def chat(example: Any) -> Iterator[Made]:
    """A chat whose requests are answered by these traces in turn, each with its fault, and what it shows."""
    clients = []

    def make(*plays: str) -> tuple[Any, list[str]]:
        shown: list[str] = []
        sources = [replay(path(play.partition(" ")[0]), speed=0, faults=play.partition(" ")[2]) for play in plays]
        client = httpx.Client(transport=ReplayTransport(sources))
        clients.append(client)
        return example.Chat(client, "http://replayed/v1/chat/completions", "m", shown.append), shown

    yield make
    for client in clients:
        client.close()


def path(name: str) -> str:
    return str(ROOT / "traces" / f"{name}.trace.jsonl")


def text_of(name: str) -> str:
    (recorded,) = traces(name)
    assert recorded.response is not None
    return recorded.response.choices[0].message.content or ""


PLAIN, TOOLS = "llama.cpp/plain", "llama.cpp/tool_parallel"


def roles(chat: Any) -> list[str]:
    return [message["role"] for message in chat.messages]


def test_tools_are_run_and_the_conversation_continues(chat: Made) -> None:
    made, shown = chat(TOOLS, PLAIN, PLAIN)
    assert None is made.ask("How warm is it in Tokyo?")
    assert ["user", "assistant", "tool", "tool", "assistant"] == roles(made)
    assert text_of(PLAIN) == "".join(shown) == made.messages[-1]["content"]
    assert ["there is no tool get_time", "18 degrees in Tokyo"] == [one["content"] for one in made.messages[2:4]]
    assert None is made.ask("And now?")
    assert ["user", "assistant"] == roles(made)[5:]


@pytest.mark.parametrize(
    "fault, kind, emitted, said",
    [
        ("reset@0.5", "network", True, "[The connection broke. /retry would begin the answer anew.]"),
        ("truncate@0.5", "network", True, "[The connection broke. /retry would begin the answer anew.]"),
        ("error_event@0.5", "sender", True, "[The service failed. /retry would begin the answer anew.]"),
        ("reset@head", "network", False, "[The connection broke. /retry is safe.]"),
        ("status=429,retry_after=3", "rate_limit", False, "[That was too much for now. /retry is safe, in 3 s.]"),
        ("status=401", "auth", False, "[The service does not accept the key. Asking again will not help.]"),
    ],
)
def test_what_arrived_is_kept_and_a_retry_takes_its_place(
    chat: Made, example: Any, fault: str, kind: str, emitted: bool, said: str
) -> None:
    made, shown = chat(f"{PLAIN} {fault}", PLAIN)
    error = made.ask("?")
    assert (kind, emitted) == (error.kind, error.emitted)
    assert said == example.in_words(error, made.wait)
    assert (["user", "assistant"] if emitted else ["user"]) == roles(made)
    if emitted:
        assert text_of(PLAIN).startswith("".join(shown))
        assert made.messages[-1]["content"] == "".join(shown) != ""
    shown.clear()
    assert None is made.retry()
    assert ["user", "assistant"] == roles(made)
    assert text_of(PLAIN) == "".join(shown) == made.messages[-1]["content"]


def test_an_answer_that_is_stopped_is_kept_and_another_turn_follows(chat: Made) -> None:
    made, shown = chat(PLAIN, PLAIN)
    assert not made.stop()
    show, made._show = made._show, lambda text: (show(text), made.stop() if len(shown) == 3 else None)
    assert None is made.ask("?")
    assert {"role": "assistant", "content": "".join(shown)} == made.messages[-1]
    assert 3 == len(shown)
    assert None is made.ask("Go on.")
    assert text_of(PLAIN) == made.messages[-1]["content"]


def test_another_thread_may_stop_an_answer_that_stalls(example: Any) -> None:
    pytest.importorskip("uvicorn")
    began = Event()
    with (
        TraceServer(ROOT / "traces", speed=0, faults="stall@0.5") as server,
        httpx.Client(timeout=PATIENCE, trust_env=False) as client,
    ):
        made = example.Chat(client, f"{server.url}/v1/chat/completions", PLAIN, lambda _: began.set())
        thread = Thread(target=made.ask, args=("?",))
        thread.start()
        assert began.wait(PATIENCE)
        assert made.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert text_of(PLAIN).startswith(made.messages[-1]["content"])
    assert ["user", "assistant"] == roles(made)


def test_a_piece_that_was_lost_is_shown_as_lost(chat: Made) -> None:
    made, shown = chat(f"{PLAIN} malformed@0.5")
    assert None is made.ask("?")
    assert "\n[A piece of this answer could not be read.]" == shown[-1]
