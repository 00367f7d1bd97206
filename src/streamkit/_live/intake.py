"""What readers of a live source share: how it ends is decided in `sources/_endings.py`."""

from __future__ import annotations

from ..sources import add_status, error_raised_by_client

__all__ = ("add_status", "error_raised_by_client")
