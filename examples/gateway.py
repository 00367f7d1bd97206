"""A gateway that logs how each chat completion ended and what it cost.

    UPSTREAM=http://127.0.0.1:8080 uvicorn --factory gateway:create --app-dir examples

`streamkit gateway --upstream http://127.0.0.1:8080 --log usage.jsonl` is the same without code.
"""

from __future__ import annotations

import json
import logging
import os

from streamkit import Ended
from streamkit.gateway import Gateway, create_app

log = logging.getLogger("gateway")


def over(ended: Ended) -> None:
    """Log one request that is over; this is the place for a bill, a span or an alarm."""
    error = ended.outcome.error
    if error is not None:
        log.warning("%s (%s): %s", ended.outcome.name, error.kind, error)
    log.info(json.dumps(ended.row()))  # model, outcome, tokens, times; nothing that anybody wrote


def create() -> Gateway:
    """Return the app; the environment's UPSTREAM is where it forwards to."""
    logging.basicConfig(level=logging.INFO)
    return create_app(os.environ.get("UPSTREAM", "http://127.0.0.1:8080"), on_end=over)
