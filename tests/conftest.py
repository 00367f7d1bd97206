"""How Hypothesis looks for examples: the same ones in every run, so that a change is judged by what it changes.

STREAMKIT_EXAMPLES=n looks n times as long, at other examples each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("others", deadline=None)
settings.load_profile("others" if "STREAMKIT_EXAMPLES" in os.environ else "same")
