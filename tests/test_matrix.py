"""What `.ci/matrix` installs: the requirements of pyproject.toml, flat, and the lower bound of each."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

MATRIX = Path(__file__).parents[1] / ".ci" / "matrix"


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    spec = spec_from_loader("matrix", SourceFileLoader("matrix", str(MATRIX)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_of_every_row_declares_a_lower_bound(matrix: Any) -> None:
    rows = matrix.rows()
    assert {"bounds", "niquests", "bare", "sdist"} < {row.name for row in rows}
    for row in rows:
        names = [matrix.lowest(one).partition("==")[0] for one in matrix.requirements(*row.sets)]
        assert {"attrs", "cattrs", "anyio", "jiter", "pytest", "hypothesis"} <= set(names)


EXTRAS = {
    "dependencies": ["core>=1"],
    "optional-dependencies": {"cli": ["rich>=2"], "test": ["A.Name[cli]", "pytest>=3,<9"], "lint": ["ruff>=4"]},
}
GROUPS = {"test": ["a-name[cli]", {"include-group": "base"}], "base": ["pytest>=3,<9"]}


@pytest.mark.parametrize("groups", [{}, GROUPS], ids=["extras", "groups"])
def test_extras_and_groups_are_read_with_what_they_include(matrix: Any, groups: dict[str, Any]) -> None:
    matrix.PROJECT = {"name": "a-name", **EXTRAS}
    matrix.PYPROJECT = {"dependency-groups": groups}
    assert ["core>=1", "rich>=2", "pytest>=3,<9"] == matrix.requirements("test")
    with pytest.raises(SystemExit, match="neither a dependency group nor an extra named 'docs'"):
        matrix.requirements("docs")


@pytest.mark.parametrize(
    "requirement, expected",
    [
        ("cattrs>=25.1", "cattrs==25.1"),
        ("pytest >= 8.3, < 9", "pytest==8.3"),
        ("httpx[http2]>=0.27", "httpx==0.27"),
        ("tomli~=2.0; python_version < '3.11'", "tomli==2.0; python_version < '3.11'"),
    ],
)
def test_the_lower_bound_is_what_is_installed(matrix: Any, requirement: str, expected: str) -> None:
    assert expected == matrix.lowest(requirement)


def test_a_requirement_without_a_lower_bound_is_refused(matrix: Any) -> None:
    with pytest.raises(SystemExit, match="'attrs' declares no lower bound"):
        matrix.lowest("attrs")


def test_a_row_that_is_not_there_is_misuse(matrix: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == matrix.main(["bonds"])
    assert "no row bonds; there are bounds, " in capsys.readouterr().err
