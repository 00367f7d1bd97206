"""An ASGI app under uvicorn in a thread, as a context manager, sync and async, on a free port.

In: an app, and where to listen. Out: an object with a `url`, which takes connections from `start` on. `close` ends what is still
under way: streams break off, so that no reader takes one for whole. Costs one thread with an event loop.

The async siblings use the same thread: the loop of a test may be trio's, its clock may stand still, and a server that shared it
would stand still with it.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol, Self

from ..errors import MisuseError
from .listening import listening, url_of

__all__ = ("App", "Running")

_STOPPING = 30.0  # seconds until a thread that hangs is left to itself
_GRACEFUL = 5  # seconds that uvicorn waits for requests that were stopped


class App(Protocol):
    """An ASGI app that can be stopped."""

    def stop(self) -> None:
        """End every request that is still under way. Called in the loop of the app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection's scope."""


class Running:
    """An app that is served. `url`: where, without a path; empty before `start`."""

    url = ""
    _extra = "serve"

    def __init__(self, app: App, listen: str, *, date: bool) -> None:
        self._app, self._listen, self._date = app, listen, date
        self._thread: threading.Thread | None = None
        self._server: Any = None
        self._loop: Any = None
        self._begun = threading.Event()  # the server has started, or will not

    def start(self) -> Self:
        """Listen, and serve in a thread. Raises `MisuseError` where the address is taken, or uvicorn is not installed."""
        if self._thread is not None:
            raise MisuseError(f"this {type(self).__name__} has been started before: make another one")
        try:
            import uvicorn

            from .uvicorn_edge import Protocol
        except ImportError as error:
            raise MisuseError(
                f'a {type(self).__name__} needs uvicorn and h11 ({error}): pip install "streamkit-llm[{self._extra}]"'
            ) from None
        sock = listening(self._listen)
        self.url = url_of(sock)
        config = uvicorn.Config(
            self._app,
            http=Protocol,
            loop="asyncio",
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=self._date,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACEFUL,
        )
        begun = self._begun

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[Any] | None = None) -> None:
                await super().startup(sockets)
                begun.set()

        self._server = Server(config)
        self._thread = threading.Thread(target=self._run, args=(sock,), name=f"streamkit {self.url}", daemon=True)
        self._thread.start()
        return self

    def _run(self, sock: Any) -> None:
        import asyncio

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[sock])

        try:
            with sock:
                asyncio.run(main())
        finally:
            self._begun.set()

    def close(self) -> None:
        """Stop serving, and end what is still under way. May be called again."""
        thread, server = self._thread, self._server
        if thread is None or server is None:
            return
        # A uvicorn that is asked to exit while it starts leaves without ending the app's lifespan, and logs that as an error.
        self._begun.wait(_STOPPING)

        def stop() -> None:
            server.should_exit = True
            self._app.stop()

        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(stop)
        except RuntimeError:  # the loop has ended
            pass
        thread.join(_STOPPING)

    async def aclose(self) -> None:
        """Close it like `close`, without holding up the event loop."""
        import anyio

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.close)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
