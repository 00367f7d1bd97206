"""A gateway: forwards chat completions of one upstream byte for byte, or clean, and knows what was said.

    app = create_app("http://127.0.0.1:8080", on_end=log)        # a pure ASGI app
    uvicorn.run(app)                                             # or: streamkit gateway --upstream URL --listen HOST:PORT

In: requests below `/v1/`. Out: whatever the upstream answers, as it arrives: a stream, a whole response or an error.
Below `/clean/v1/` (`OpenAI(base_url="http://…/clean/v1")`) a stream is written as OpenAI would write it, and one that broke
off, or was cut off inside a tool call, ends with an error event. `on_end` is called with an `Ended` for each request of a
chat completion that is over, exactly once, also where the client left first. `/metrics` is Prometheus text, where
prometheus-client is installed.

`create_shared_app` and `SharedStreams` serve one stream to many readers as server-sent events with ids, to those that arrive late
or again too, from any worker process: docs/broadcast.md.

Not a router: one upstream, no keys, no limits of rate, no cache. Install `streamkit-llm[gateway]`.
"""

from __future__ import annotations

try:
    import httpx2  # noqa: F401
except ImportError as error:
    raise ImportError('streamkit.gateway needs httpx2: pip install "streamkit-llm[gateway]"') from error

from ._app import CLEAN, Gateway, create_app
from ._memory import MemoryStore
from ._redis import RedisStore
from ._shared import Answer, SharedStreams, new_key
from ._shared_app import SharedGateway, create_shared_app
from ._store import CannotResumeError, Claim, Entry, Lease, LeaseLostError, Page, Store, Wait

__all__ = (
    "CLEAN",
    "Answer",
    "CannotResumeError",
    "Claim",
    "Entry",
    "Gateway",
    "Lease",
    "LeaseLostError",
    "MemoryStore",
    "Page",
    "RedisStore",
    "SharedGateway",
    "SharedStreams",
    "Store",
    "Wait",
    "create_app",
    "create_shared_app",
    "new_key",
)
