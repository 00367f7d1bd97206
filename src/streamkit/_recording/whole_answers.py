"""The answer to a request that did not ask for a stream, out of a recorded one.

In: a trace whose body is a stream of chunks. Out: a trace whose body is the response that the same request would have had
without streaming, in one block, at the time at which the stream ended.

Rule 1  What was recorded without streaming, and what is not a stream of chat completions, is sent as recorded.
Rule 2  A stream in which the sender reported an error is that error, with its status. One that broke off is a connection that
        breaks before the response begins, as such a server would do.
"""

from __future__ import annotations

import json

import attrs

from ..accumulator import Accumulator
from ..codec import dumps
from ..errors import RemoteError
from ..forwarding import api_error
from ..trace import Block, Trace
from .plan import unpacked_trace

__all__ = ("is_stream_of_chunks", "whole_answer")

_NOT_THIS_BODY = ("content-type", "content-length", "transfer-encoding", "x-accel-buffering", "connection")
_BROKEN = ("incomplete", "reset", "timeout")


def is_stream_of_chunks(trace: Trace) -> bool:
    """Return whether a trace is a stream that this library understands, by its head and its path."""
    kinds = [value for name, value in trace.headers if name.lower() == "content-type"]
    event_stream = not kinds or kinds[0].startswith("text/event-stream")
    path = trace.path.partition("?")[0]
    return event_stream and trace.status in (None, 200) and (not path or path.endswith("/chat/completions"))


def whole_answer(trace: Trace) -> Trace:
    """Return the trace of the answer without streaming; `trace` itself where it is not a stream of chunks."""
    if not is_stream_of_chunks(trace):
        return trace
    accumulator = Accumulator()
    accumulator.absorb(unpacked_trace(trace).body)
    outcome = accumulator.close()
    last = trace.blocks[-1].t if trace.blocks else 0.0
    end = last if trace.end_time is None else trace.end_time
    if trace.end in _BROKEN and outcome.name != "complete":
        return attrs.evolve(trace, status=None, headers=(), head_time=None, blocks=(), end_time=end, torn=False)
    response = accumulator.snapshot()
    if outcome.name == "failed" or response is None:
        status, body = _failed(outcome.error)
    else:
        status, body = 200, dumps(response)
    headers = tuple(pair for pair in trace.headers if pair[0].lower() not in (*_NOT_THIS_BODY, "content-encoding"))
    return attrs.evolve(
        trace,
        status=status,
        headers=(*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))),
        head_time=end,
        blocks=(Block(end, body),),
        end="eof",
        end_time=end,
        error="",
        torn=False,
    )


def _failed(error: BaseException | None) -> tuple[int, bytes]:
    """Return status and body of an error that was reported in a stream: its own words where it is an object."""
    if not isinstance(error, RemoteError):
        return 500, api_error(500, str(error or "the recorded stream is empty")).encode()
    known = (one for one in (error.status, error.code) if type(one) is int and 400 <= one <= 599)
    status = next(known, 500)
    if isinstance(error.body, dict) and isinstance(error.body.get("error"), dict):
        return status, json.dumps(error.body).encode()
    return status, api_error(status, error.message).encode()
