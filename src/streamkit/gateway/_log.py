"""What the gateway logs: one line for each request that is over. No content, no header, no query."""

from __future__ import annotations

import logging

from streamkit import Ended

__all__ = ("log", "quiet", "report")

log = logging.getLogger("streamkit.gateway")


def report(ended: Ended) -> None:
    """Log one request that is over."""
    outcome, usage = ended.outcome, ended.usage
    tokens = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    facts = (None if ended.response is None else ended.response.model, outcome.name, outcome.reason, *tokens)
    log.info("model=%s outcome=%s reason=%s prompt_tokens=%s completion_tokens=%s", *facts)


def without_query(record: logging.LogRecord) -> bool:
    """Keep queries out of the log: some clients send their key there. A filter for loggers that log whole URLs."""
    if isinstance(record.args, tuple):
        record.args = tuple(one if isinstance(one, int) else str(one).partition("?")[0] for one in record.args)
    return True


def quiet() -> None:
    """Keep queries out of what the client library and the server log. Doing it again changes nothing."""
    for name in ("httpx2", "uvicorn.access"):
        logging.getLogger(name).addFilter(without_query)
