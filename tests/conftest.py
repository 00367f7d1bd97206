"""How many examples Hypothesis looks for (helpers/tier.py), and tests on trio where that is not installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from helpers import tier

tier.load()

pytest_plugins = ["pytester"]  # runs of pytest in a test of our plugin for it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip each test with "trio" among its parameters if trio is not installed, whatever the parameter's name."""
    if find_spec("trio") is not None:
        return
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is not None and any(isinstance(one, str) and one == "trio" for one in parameters.params.values()):
            item.add_marker(pytest.mark.skip(reason="trio is not installed"))
