"""A server that answers with recorded exchanges: for clients in any language, over a real connection.

    with streamkit.TraceServer("traces/", speed=0) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any")

In: traces, and how they are played. Out: a server on a free port, what it was asked, and what its clients did. Costs a thread. Which
trace answers which request is at the head of `shelf.py`, what goes over the wire at that of `on_the_wire.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from .._arguments import check_bool, whole
from ..errors import MisuseError, shown
from .faults import Faults
from .listening import address_of
from .playing import Playing
from .proxy import base_urls
from .recut import Recut
from .running import Running
from .schedule import Pace
from .session import Match, Session
from .shelf import Shelf, Source

if TYPE_CHECKING:
    from .verdict import ServedRequest, Verdict

__all__ = ("TraceServer",)


class TraceServer(Running):
    """A server that answers with recorded exchanges.

        with streamkit.TraceServer("traces/", faults="reset@0.5") as server:
            client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any")

    `source`: a directory of traces, at any depth; a `Session`; one trace for all requests; or a list with one for each request
    in turn. Of a directory a request gets the trace that its header `x-streamkit-trace` or its `model` names
    ("llama.cpp/plain" is llama.cpp/plain.trace.jsonl), else the one that was recorded for the same request. `match`: "order"
    for the next one instead, or a function of two headers; `ignore`: JSON paths that are not compared; `repeat`: whether the
    last of equal ones is played again.

    `speed`, `ttft`, `max_gap`, `pace`, `recut`, `faults`, `seed`: as in `replay`; a trace without times is played at once.
    `fault_times`: how many answers the faults strike, None for all. A request may say otherwise: `x-streamkit-fault: reset@0.5`,
    as a header or in its query, and so `-speed`, `-ttft`, `-max-gap`, `-recut`, `-seed`.

    `listen`: HOST:PORT, by default a free port of this machine. `api_key`: refuses requests without it. `max_body`: bytes of
    a request.

    `with` and `async with` start and close it, like `start()` and `close()` or `aclose()`. `url`: where it listens;
    `environment`: the variables by which SDKs find it. Install `streamkit-llm[serve]`. Raises `MisuseError` for wrong
    arguments, and for an address that is taken.
    """

    def __init__(
        self,
        source: Source,
        *,
        speed: float = 1,
        ttft: float | None = None,
        max_gap: float | None = None,
        pace: Pace | None = None,
        recut: Recut | None = None,
        faults: Faults | None = None,
        fault_times: int | None = None,
        seed: int = 0,
        match: Match = None,
        ignore: Sequence[str] = (),
        repeat: bool = True,
        listen: str = "127.0.0.1:0",
        api_key: str | None = None,
        max_body: int = 64 * 1024 * 1024,
    ) -> None:
        playing = Playing(speed=speed, ttft=ttft, max_gap=max_gap, pace=pace, recut=recut, faults=faults, seed=seed)
        playing.check()
        _check_times(fault_times)
        if api_key is not None and (not isinstance(api_key, str) or not api_key):
            raise MisuseError(f"api_key= takes the key that clients have to send, or None, not {shown(api_key)}")
        if not whole(max_body, 0):
            raise MisuseError(f"max_body= takes a number of bytes, not {shown(max_body)}")
        check_bool("repeat=", repeat)
        address_of(listen)
        shelf = Shelf(source, match=match, ignore=ignore, repeat=repeat)
        try:
            from .server_app import ServerApp
        except ImportError as error:
            raise MisuseError(
                f'a TraceServer needs uvicorn and h11 ({error}): pip install "streamkit-llm[serve]"'
            ) from None
        self._served: Any = ServerApp(shelf, playing, times=fault_times, api_key=api_key, max_body=max_body)
        super().__init__(self._served, listen, date=True)

    def __repr__(self) -> str:
        return f"<TraceServer {self.url or 'not started'} traces={len(self._served.shelf.entries)}>"

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a program that is to use this server; any key is taken unless `api_key` is set."""
        return dict(base_urls(self.url))

    @property
    def session(self) -> Session | None:
        """The session whose exchanges are played: which were, and what was missed. None for traces passed one by one."""
        return self._served.shelf.session  # type: ignore[no-any-return]

    @property
    def traces(self) -> tuple[str, ...]:
        """The names of the traces, which are models, too."""
        return tuple(one.name for one in self._served.shelf.entries)

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """What was asked, in the order of arrival, and how each answer ended. The last 10,000."""
        return self._served.served.requests()  # type: ignore[no-any-return]

    def verdict(self) -> tuple[Verdict, ...]:
        """Return what the clients did after each answer that failed: sent again or not, how long after, and whether before the
        time that `Retry-After` had asked for. `str()` of one is a line."""
        return self._served.served.verdict()  # type: ignore[no-any-return]

    @property
    def lags(self) -> tuple[float, ...]:
        """By how many seconds each of the last 100,000 blocks was sent after it was due."""
        return tuple(self._served.lags)

    def strike(self, faults: Faults | None, times: int | None = None) -> None:
        """Let faults strike the answers from now on, in place of those before; None: none. `times`: how many answers."""
        playing = attrs.evolve(self._served.playing, faults=faults)
        _check_times(times)
        self._served.playing, self._served.times = playing, times


def _check_times(times: object) -> None:
    if times is not None and not whole(times, 0):
        raise MisuseError(f"fault_times= takes how many answers the faults strike, or None, not {shown(times)}")
