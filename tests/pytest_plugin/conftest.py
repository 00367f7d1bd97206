"""What a run of pytest inside of a test imports first stays imported."""

from __future__ import annotations

import sys

import pytest
from _pytest.pytester import SysModulesSnapshot


@pytest.fixture(autouse=True)
def one_copy_of_each_library(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the libraries that an inner run is the first to import; pytest forgets them after it.

    Imported again by a later test, in the same process, such a library would be there twice: httpx maps the exceptions of the
    first httpcore that it sees, and lets those of another one through.
    """
    restore, folder = SysModulesSnapshot.restore, str(tmp_path_factory.getbasetemp())

    def keeping(self: SysModulesSnapshot) -> None:
        there = dict(sys.modules)
        restore(self)
        for name, module in there.items():
            if not (getattr(module, "__file__", None) or "").startswith(folder):  # the tests of the inner run
                sys.modules.setdefault(name, module)

    monkeypatch.setattr(SysModulesSnapshot, "restore", keeping)
