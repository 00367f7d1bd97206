"""The recording proxy: a reverse proxy for one upstream that writes every exchange as a trace.

    with streamkit.RecordingProxy("https://api.openai.com", "traces/") as proxy:
        subprocess.run(["node", "agent.mjs"], env={**os.environ, **proxy.environment})

In: requests of any program in any language. Out: the answers of the upstream, block for block, and a file an exchange. Boundaries
and times in it are those of the sender (`observed` is "proxy"), whatever the reader does with them. Costs a thread, and a write
a block. How a request is forwarded is at the head of `proxy_app.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .._arguments import check_bool, whole
from ..errors import MisuseError, shown
from ..sources import GRACE
from ..trace import MAX_BYTES
from .listening import address_of
from .record import Into
from .recorder import Options
from .running import Running
from .scrub import Find
from .targets import Targets

__all__ = ("RecordingProxy", "base_urls")


def base_urls(url: str) -> Mapping[str, str]:
    """Return the variables by which SDKs find a server at `url`: OPENAI_BASE_URL and its kin."""
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1", "ANTHROPIC_BASE_URL": url}


class RecordingProxy(Running):
    """A proxy that records: for programs that no hook and no transport reaches (aiohttp, requests, node, curl, Go).

        with streamkit.RecordingProxy("https://api.openai.com", "traces/") as proxy:
            client = openai.OpenAI(base_url=f"{proxy.url}/v1")

    `upstream`: an `http:` or `https:` URL, with or without `/v1`. `into`: a directory, one file an exchange, or a path that
    ends in `.jsonl`. `listen`: HOST:PORT, by default a free port of this machine. `finish`: read a stream to its end for the
    trace, even where the reader left. `max_body`: bytes of a request. All else is as in `RecordingTransport`.

    `with` and `async with` start and close it, like `start()` and `close()` or `aclose()`. `url`: where it listens;
    `environment`: the variables by which SDKs find it. Install `streamkit-llm[serve]`. Raises `MisuseError` for wrong
    arguments, and for an address that is taken.
    """

    def __init__(
        self,
        upstream: str,
        into: Into,
        *,
        listen: str = "127.0.0.1:0",
        finish: bool = False,
        scrub: Find | bool = True,
        keep_headers: tuple[str, ...] = (),
        max_bytes: int = MAX_BYTES,
        allow_encoded: bool = False,
        grace: float = GRACE,
        max_body: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = Options(
            scrub=scrub,
            keep_headers=keep_headers,
            max_bytes=max_bytes,
            allow_encoded=allow_encoded,
            grace=grace,
            clock=clock,
        )
        check_bool("finish=", finish)
        if not whole(max_body, 0):
            raise MisuseError(f"max_body= takes a number of bytes, not {shown(max_body)}")
        address_of(listen)
        targets = Targets(into)
        try:
            from .proxy_app import ProxyApp, upstream_url
        except ImportError as error:
            raise MisuseError(
                f'a RecordingProxy needs uvicorn, h11 and httpx2 ({error}): pip install "streamkit-llm[serve]"'
            ) from None
        base = upstream_url(upstream)
        self.upstream = str(base.copy_with(username=None, password=None)).rstrip("/")
        """Where it forwards to, without credentials."""
        app: Any = ProxyApp(base, targets, options, finish=finish, max_body=max_body)
        super().__init__(app, listen, date=False)

    def __repr__(self) -> str:
        return f"<RecordingProxy {self.url or 'not started'} to {self.upstream}>"

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a program that is to go through this proxy."""
        return dict(base_urls(self.url))
