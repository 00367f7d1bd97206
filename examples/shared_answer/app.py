"""One answer in many tabs: ask in one, open its address in another, reload either in mid-sentence.

    UPSTREAM=http://127.0.0.1:8080 uvicorn --factory app:create --app-dir examples/shared_answer
    REDIS=redis://127.0.0.1:6379 … --workers 4        any worker serves any tab

The page (page.html, no library) asks by `POST /v1/chat/completions`, and follows `/v1/streams/KEY` with an `EventSource`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from streamkit.gateway import RedisStore, SharedStreams, create_shared_app

PAGE = Path(__file__).with_name("page.html").read_bytes()


def create() -> Any:
    """Return the app; the environment's UPSTREAM is asked, and REDIS has the streams, if it is set."""
    address = os.environ.get("REDIS")
    streams = SharedStreams(RedisStore(address) if address else None)
    gateway = create_shared_app(os.environ.get("UPSTREAM", "http://127.0.0.1:8080"), streams)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/":
            headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(PAGE))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": PAGE})
        else:
            await gateway(scope, receive, send)

    return app
