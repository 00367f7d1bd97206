"""The version of the distribution that is installed, from its metadata: written once, in pyproject.toml.

Loaded when `streamkit.__version__` is read, since `importlib.metadata` takes about as long as all of streamkit's core.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ("__version__",)

try:
    __version__ = version("streamkit-llm")
    """The version of the installed distribution."""
except PackageNotFoundError:  # a source tree on the path, not installed
    __version__ = "0+unknown"
