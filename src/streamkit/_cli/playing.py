"""How the command line says that a trace is to be played: the arguments `PLAYING`, as options of a replay.

In: what argparse made of them. Out: the keywords that `replay` and `TraceServer` take.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from .._recording.schedule import pace

__all__ = ("playing",)


def playing(args: Namespace) -> dict[str, Any]:
    """Return the options of a replay. Raises `MisuseError` for a pace that means nothing."""
    made_up = None
    if args.itl is not None or args.jitter is not None:
        ttft, itl = 0.5 if args.ttft is None else args.ttft, 0.02 if args.itl is None else args.itl
        made_up = pace(ttft, itl, args.jitter or 0.0, args.seed)
    cuts = int(args.recut) if args.recut is not None and args.recut.isdigit() else args.recut
    same = {name: getattr(args, name) for name in ("speed", "ttft", "max_gap", "seed")}
    return {**same, "pace": made_up, "recut": cuts, "faults": args.fault}
