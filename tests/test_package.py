"""What `.ci/package` refuses to release, and that what is written about releases says what pyproject.toml says."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
MODULE, STREAM = "src/streamkit/sse.py", "traces/vllm/plain.trace.jsonl"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    spec = spec_from_loader("package", SourceFileLoader("package", str(ROOT / ".ci" / "package")))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel_names(package: Any) -> set[str]:
    """A wheel of one module."""
    recorded = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].values()
    info = "streamkit_llm-0.dist-info/"
    return {"streamkit/sse.py", *recorded, f"{info}METADATA", f"{info}entry_points.txt", f"{info}licenses/LICENSE"}


def test_what_is_tracked_is_in_the_source_distribution_and_nothing_else(package: Any) -> None:
    assert [] == list(package.inside_sdist({MODULE, STREAM, "PKG-INFO"}, [MODULE, STREAM, ".github/x.yml"]))
    assert [
        f"the source distribution lacks {STREAM}",
        "the source distribution holds notes.txt, which is not in the commit",
    ] == list(package.inside_sdist({MODULE, "notes.txt"}, [MODULE, STREAM]))


def test_a_wheel_holds_the_modules_the_recorded_streams_and_nothing_else(package: Any) -> None:
    names = wheel_names(package)
    assert [] == list(package.inside_wheel(names, [MODULE, STREAM]))
    assert ["the wheel lacks streamkit/sse.py"] == list(package.inside_wheel(names - {"streamkit/sse.py"}, [MODULE]))
    (found,) = package.inside_wheel(names | {"tests/test_sse.py"}, [MODULE])
    assert "the wheel holds tests/test_sse.py, which is neither a module nor a recorded stream" == found
    licence = "streamkit_llm-0.dist-info/licenses/LICENSE"
    assert ["the wheel lacks licenses/LICENSE"] == list(package.inside_wheel(names - {licence}, [MODULE]))


def test_what_is_tracked_here_would_be_released(package: Any) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {name for name in tracked.split("\0") if name and not name.startswith(".github/")}
    taken = tuple(one.lstrip("/") for one in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    always = {".gitignore", "LICENSE", "README.md", "pyproject.toml"}
    assert [] == sorted(name for name in names - always if not name.startswith(taken))


def test_two_builds_that_differ_in_one_byte_are_not_released(package: Any, tmp_path: Path) -> None:
    for name, data in {"one": b"a", "same": b"a", "other": b"b"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.whl").write_bytes(data)
    package.same(tmp_path / "one", tmp_path / "same", "differ")
    with pytest.raises(package.Wrong, match=r"differ: x\.whl"):
        package.same(tmp_path / "one", tmp_path / "other", "differ")
    (tmp_path / "none").mkdir()
    with pytest.raises(package.Wrong, match="no file in common"):
        package.same(tmp_path / "one", tmp_path / "none", "differ")


def test_the_tag_the_version_and_the_changelog_must_agree(package: Any) -> None:
    package.VERSION = "1.2.3"
    dated = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-31\n\n### Added\n\n- a\n"
    assert [] == list(package.tagged("v1.2.3", dated))
    assert ["the tag is v1.2, and pyproject.toml has version 1.2.3: tag it v1.2.3, or change the version"] == list(
        package.tagged("v1.2", dated)
    )
    assert ["CHANGELOG.md has no line `## [1.2.3] - YYYY-MM-DD`: date the version"] == list(
        package.tagged("v1.2.3", dated.replace(" - 2026-01-31", ""))
    )
    assert ["CHANGELOG.md has changes under Unreleased: move them under 1.2.3"] == list(
        package.tagged("v1.2.3", dated.replace("[Unreleased]\n", "[Unreleased]\n\n- b\n"))
    )


def test_this_version_is_dated_in_the_changelog(package: Any) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert [] == [one for one in package.tagged(f"v{package.VERSION}", changelog) if "Unreleased" not in one]


def test_a_python_that_is_not_supported_is_misuse(package: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as misuse:
        package.main(["python2.7"])
    assert 2 == misuse.value.code
    assert "pyproject.toml does not name python2.7" in capsys.readouterr().err


def test_the_table_of_extras_says_what_pyproject_says() -> None:
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \|", page, re.MULTILINE)
    assert sorted(EXTRAS.items()) == [(name, re.findall(r"`(.*?)`", brings)) for name, brings in rows]


def test_every_extra_that_an_error_or_a_page_names_is_there() -> None:
    pages = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    named = {extra for page in pages for extra in re.findall(r"streamkit-llm\[([\w,-]+)\]", page.read_text("utf-8"))}
    assert set() == {one for several in named for one in several.split(",")} - EXTRAS.keys()


def test_every_python_that_is_named_is_tried_by_the_workflows() -> None:
    if not (ROOT / ".github").is_dir():
        pytest.skip("the source distribution has no workflows")
    line = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    named = {found[1] for one in PYPROJECT["project"]["classifiers"] if (found := line.fullmatch(one))}
    for name in ("ci", "release"):
        workflow = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8")
        assert set() == named - set(re.findall(r"\b3\.\d+\b", workflow))
