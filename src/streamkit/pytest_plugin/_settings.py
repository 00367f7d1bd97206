"""What a test says of its session, and what stands for it where it says nothing: one table, from command line to default.

In: a test with its markers, and pytest's configuration. Out: `Settings`. Raises `MisuseError` with what was passed and what
is taken.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from .. import MisuseError

__all__ = ("Settings", "folder_of", "too_old")

_UNPLAYED = ("fail", "warn", "ignore")
_OF_RECORDING = ("match", "ignore", "repeat", "speed", "faults", "scrub", "keep_headers")
_TAKEN = (*_OF_RECORDING, "mode", "unplayed", "max_age", "let_through")
_MODES = ("none", "once", "new_episodes", "rewrite", "verify", "off")
_ODD = re.compile(r"[^\w.=+-]+")
_LONG = 80  # characters of a name: some systems take 255 bytes


@attrs.frozen(kw_only=True)
class Settings:
    """How one test runs."""

    directory: Path
    mode: Any
    command: str
    """What records what is missing."""
    unplayed: str
    max_age: timedelta | None
    max_age_means: str
    """"warn" or "fail"."""
    let_through: tuple[str, ...]
    options: dict[str, Any]
    """What else `streamkit.recording` takes."""

    @classmethod
    def of(cls, item: pytest.Item) -> Settings:
        """Return the settings of a test."""
        config, said = item.config, _said(item)
        mode = (
            config.getoption("--streamkit")
            or os.environ.get("STREAMKIT_MODE")
            or said.get("mode")
            or config.getini("streamkit_mode")
            or "none"
        )
        if mode not in _MODES:
            raise MisuseError(f"mode= (STREAMKIT_MODE, streamkit_mode) takes one of {', '.join(_MODES)}, not {mode!r}")
        unplayed = said.get("unplayed") or config.getini("streamkit_unplayed") or "fail"
        if unplayed not in _UNPLAYED:
            raise MisuseError(f"unplayed= takes one of {', '.join(_UNPLAYED)}, not {unplayed!r}")
        max_age, means = _age(said.get("max_age", config.getini("streamkit_max_age")))
        through = (*config.getini("streamkit_let_through"), *_texts("let_through", said.get("let_through", ())))
        options = {name: said[name] for name in _OF_RECORDING if name in said}
        options["ignore"] = (*config.getini("streamkit_ignore"), *_texts("ignore", options.get("ignore", ())))
        options.setdefault("speed", 0)
        return cls(
            directory=folder_of(item)[0],
            mode=mode,
            command=f"pytest {shlex.quote(item.nodeid)} --streamkit=new_episodes",
            unplayed=unplayed,
            max_age=max_age,
            max_age_means=means,
            let_through=through,
            options={**options, "let_through": through},
        )


def _said(item: pytest.Item) -> dict[str, Any]:
    """Return what the markers of a test say; the nearest counts."""
    said: dict[str, Any] = {}
    for marker in item.iter_markers("trace"):
        unknown = [name for name in marker.kwargs if name not in _TAKEN]
        if unknown or len(marker.args) > 1:
            words = f"a directory and {', '.join(_TAKEN)}"
            raise MisuseError(f"the marker trace takes {words}, not {(unknown or marker.args)!r}")
        said = {**marker.kwargs, **said}
    return said


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise MisuseError(f"{name}= takes texts in a tuple, not {value!r}")


_AGE = re.compile(r"\s*(\d{1,6})\s*([dhw]?)\s*(warn|fail|)\s*")


def _age(value: object) -> tuple[timedelta | None, str]:
    """Return an age and what it means, from `30`, `"30d"`, `"4w fail"` or a timedelta."""
    if value is None or value == "":
        return None, "warn"
    if isinstance(value, timedelta):
        return value, "warn"
    found = _AGE.fullmatch(str(value))
    if found is None:
        raise MisuseError(f'max_age= takes days, or a text such as "30d", "4w fail", not {value!r}')
    hours = int(found[1]) * {"h": 1, "w": 168}.get(found[2], 24)
    return timedelta(hours=hours), found[3] or "warn"


def too_old(exchanges: Iterable[Any], age: timedelta) -> list[str]:
    """Return the names of recordings that are older than `age`; one without a date is of any age."""
    now = datetime.now(UTC)
    old = []
    for one in exchanges:
        try:
            recorded = datetime.fromisoformat(one.header.recorded)
        except ValueError:
            continue
        if now - (recorded if recorded.tzinfo else recorded.replace(tzinfo=UTC)) > age:
            old.append(one.name)
    return old


# --- where the traces of a test are


def folder_of(item: pytest.Item) -> tuple[Path, Path]:
    """Return the directory of a test's session, and that of all sessions beside it."""
    config = item.config
    set_root = os.environ.get("STREAMKIT_TRACES") or config.getini("streamkit_traces")
    if set_root:
        root = config.rootpath / set_root
        relative = item.path.with_suffix("")
        inside = (
            relative.relative_to(config.rootpath).parts
            if relative.is_relative_to(config.rootpath)
            else (relative.name,)
        )
    else:
        root = item.path.parent / "traces"
        inside = (item.path.stem,)
    for marker in item.iter_markers("trace"):
        if marker.args:
            name = marker.args[0]
            if not isinstance(name, (str, os.PathLike)) or not str(name):
                raise MisuseError(f"the marker trace takes the name of a directory, not {name!r}")
            return root / name, root
    names = item.nodeid.split("::")[1:]
    return root.joinpath(*inside, *map(_file_name, names)), root


def _file_name(name: str) -> str:
    """Return the name of a test as that of a directory: what no system takes is replaced, with a digest to tell them apart."""
    plain = _ODD.sub("_", name.replace("[", "-").replace("]", "")).strip("._") or "_"
    if _ODD.search(name.replace("[", "").replace("]", "")) or len(plain) > _LONG:
        return f"{plain[:_LONG]}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"
    return plain
