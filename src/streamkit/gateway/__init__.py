"""A gateway: forwards chat completions of one upstream byte for byte, or clean, and knows what was said.

    app = create_app("http://127.0.0.1:8080", on_end=log)        # a pure ASGI app
    uvicorn.run(app)                                             # or: streamkit gateway --upstream URL --listen HOST:PORT

In: requests below `/v1/`. Out: whatever the upstream answers, as it arrives: a stream, a whole response or an error.
Below `/clean/v1/` (`OpenAI(base_url="http://…/clean/v1")`) a stream is written as OpenAI would write it, and one that broke
off, or was cut off inside a tool call, ends with an error event. `on_end` is called with an `Ended` for each request of a
chat completion that is over, exactly once, also where the client left first. `/metrics` is Prometheus text, where
prometheus-client is installed.

Not a router: one upstream, no keys, no limits of rate, no cache. Install `streamkit-llm[gateway]`.
"""

from __future__ import annotations

try:
    import httpx2  # noqa: F401
except ImportError as error:
    raise ImportError('streamkit.gateway needs httpx2: pip install "streamkit-llm[gateway]"') from error

from ._app import CLEAN, Gateway, create_app

__all__ = ("CLEAN", "Gateway", "create_app")
