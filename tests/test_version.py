"""The version: that of the installed distribution, looked up when it is asked for."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import streamkit

SRC = Path(__file__).resolve().parent.parent / "src"


def test_the_version_is_that_of_the_distribution() -> None:
    assert metadata.version("streamkit-llm") == streamkit.__version__
    assert re.fullmatch(r"\d+\.\d+.*", streamkit.__version__)
    assert "__version__" in dir(streamkit)


def test_a_source_tree_without_metadata_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    assert "0+unknown" == runpy.run_path(str(SRC / "streamkit" / "_version.py"))["__version__"]


def test_importing_streamkit_does_not_look_the_version_up() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(SRC)!r}); import streamkit\n"
        "before = 'importlib.metadata' in sys.modules\n"
        "streamkit.__version__\n"
        "print(before, 'importlib.metadata' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ("False True\n", "") == (run.stdout, run.stderr)
