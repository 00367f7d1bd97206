"""What the gateway logs: one line for each request that is over. No content, no header, no query."""

from __future__ import annotations

import logging
from contextvars import ContextVar

from streamkit import Ended

__all__ = ("log", "on_purpose", "quiet", "report")

log = logging.getLogger("streamkit.gateway")


_LINE = "model=%s outcome=%s reason=%s status=%s kind=%s prompt_tokens=%s completion_tokens=%s ttft=%s"
_NO_LAST_BLOCK = "ASGI callable returned without completing response."
_on_purpose: ContextVar[bool] = ContextVar("streamkit_gateway_broke_off", default=False)


def report(ended: Ended) -> None:
    """Log one request that is over."""
    row = ended.row()
    ttft = None if ended.timing.ttft is None else round(ended.timing.ttft, 4)
    names = ("outcome", "reason", "status", "kind", "prompt_tokens", "completion_tokens")
    log.info(_LINE, row["model"] or row["asked"], *(row[name] for name in names), ttft)


def on_purpose() -> None:
    """Note that the answer of this request ends without its last block, so that the client knows that it broke off. That
    is all an app can do, and uvicorn logs it as a fault of the app."""
    _on_purpose.set(True)  # uvicorn runs each request in a task, so this is known of one request


def not_on_purpose(record: logging.LogRecord) -> bool:
    """Keep that line of uvicorn's out of the log where `on_purpose` was called."""
    return not (_on_purpose.get() and record.msg == _NO_LAST_BLOCK)


def without_query(record: logging.LogRecord) -> bool:
    """Keep queries out of the log: some clients send their key there. A filter for loggers that log whole URLs."""
    if isinstance(record.args, tuple):
        record.args = tuple(one if isinstance(one, int) else str(one).partition("?")[0] for one in record.args)
    return True


def quiet() -> None:
    """Keep queries out of what the client library and the server log, and faults that are none. Doing it again changes
    nothing."""
    logging.getLogger("uvicorn.error").addFilter(not_on_purpose)
    for name in ("httpx2", "uvicorn.access"):
        logging.getLogger(name).addFilter(without_query)
