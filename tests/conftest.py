"""How many examples Hypothesis looks for: see helpers/tier.py."""

from __future__ import annotations

from helpers import tier

tier.load()
