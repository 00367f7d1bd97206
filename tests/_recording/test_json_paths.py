"""A path names places in a JSON value, and what it names is left out."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit import MisuseError
from streamkit._recording.json_paths import parse, without

VALUE: Any = {"user": "u", "messages": [{"role": "a", "name": "n"}, {"role": "b", "x": {"id": 1}}], "x-id": 1, "id": 2}


@pytest.mark.parametrize(
    "path, left",
    [
        ("$.user", {name: value for name, value in VALUE.items() if name != "user"}),
        ("user", {name: value for name, value in VALUE.items() if name != "user"}),
        ("$.messages[0].name", {**VALUE, "messages": [{"role": "a"}, VALUE["messages"][1]]}),
        ("$.messages[*].role", {**VALUE, "messages": [{"name": "n"}, {"x": {"id": 1}}]}),
        ("$.messages[1]", {**VALUE, "messages": [VALUE["messages"][0], None]}),
        (
            "$..id",
            {
                **{k: v for k, v in VALUE.items() if k != "id"},
                "messages": [VALUE["messages"][0], {"role": "b", "x": {}}],
            },
        ),
        ("$['x-id']", {name: value for name, value in VALUE.items() if name != "x-id"}),
        ("$.x-id", {name: value for name, value in VALUE.items() if name != "x-id"}),
        ("$.*", {}),
        ("$.messages.0", VALUE),
        ("$.none.at.all", VALUE),
    ],
)
def test_a_path_leaves_out_what_it_names(path: str, left: Any) -> None:
    assert left == without(VALUE, [parse(path)])


@pytest.mark.parametrize("path", ["", "$", "$.", "$.a[", "$.a[x]", "a b", "$a", "..", 1, None, b"$.a"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(MisuseError, match="JSON paths"):
        parse(path)
