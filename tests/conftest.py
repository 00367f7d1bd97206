"""What holds for every test: how many examples Hypothesis looks for (helpers/tier.py), and a heap left out of collections."""

from __future__ import annotations

import gc

import pytest

from helpers import tier

tier.load()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what collecting made, which lives until the end, out of every later garbage collection."""
    gc.collect()
    gc.freeze()
