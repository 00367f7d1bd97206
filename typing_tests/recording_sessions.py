"""Code that records and plays sessions, as users write it: every line must pass strict type checkers."""

from typing import assert_type

import streamkit
from streamkit.trace import Trace
from streamkit.types import CreateChatCompletionResponse


class BaseTransport:
    """Stands for that of httpx and of httpx2."""


class Client:
    def __init__(self, transport: BaseTransport | None = None) -> None: ...


def blocks() -> None:
    with streamkit.recording("traces/weather", mode="once", ignore=("$.seed",), match="order") as run:
        assert_type(run, streamkit.SessionRun)
        run.faults = "reset@0.5"
        run.let_through("127.0.0.1:8000")
    assert_type(run.requests, tuple[Trace, ...])
    assert_type(run.responses, tuple[CreateChatCompletionResponse | None, ...])
    assert_type(run.recorded, tuple[str, ...])
    assert_type(run.misses, tuple[streamkit.TraceMissError, ...])


def sessions() -> None:
    def same_model(sent: Trace, recorded: Trace) -> bool:
        return sent.request == recorded.request

    session = streamkit.Session("traces/weather", match=same_model, repeat=True)
    Client(transport=streamkit.ReplayTransport(session, speed=0))
    Client(transport=streamkit.RecordingTransport(into=session))
    try:
        assert_type(session.take(Trace(method="GET", path="/v1/models")).read(), Trace)
    except streamkit.TraceMissError as miss:
        assert_type(miss.path, str | None)
