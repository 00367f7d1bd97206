"""One file, or a directory with one file an exchange, named in the order of sending."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from streamkit import MisuseError
from streamkit._recording.targets import Targets, digest_of
from streamkit.trace import Trace


def test_a_directory_is_made_and_numbered_on_from_what_is_there(tmp_path: Path) -> None:
    header = Trace(method="POST", path="/v1", request={"b": 1, "a": 2})
    targets = Targets(tmp_path / "new" / "session")
    first, second = str(targets(header)), str(targets(header))
    name = digest_of(header)
    assert [f"001-{name}.trace.jsonl", f"002-{name}.trace.jsonl"] == [Path(first).name, Path(second).name]
    assert f"003-{name}.trace.jsonl" == Path(str(Targets(tmp_path / "new" / "session")(header))).name


def test_the_digest_is_that_of_the_request_whatever_the_order_of_its_keys() -> None:
    one = Trace(method="POST", path="/v1", request={"a": {"x": 1, "y": 2}, "b": 1})
    other = Trace(method="POST", path="/v1", request={"b": 1, "a": {"y": 2, "x": 1}}, sender="s")
    assert digest_of(one) == digest_of(other)
    assert digest_of(one) != digest_of(Trace(method="POST", path="/v2", request=one.request))
    assert digest_of(one) != digest_of(Trace(method="POST", path="/v1", request_body=b"\xff"))
    digest_of(Trace(request={"half a pair": "\ud83d"}))


@pytest.mark.parametrize("suffix", [".trace.jsonl", ".jsonl", ".trace.jsonl.gz"])
def test_beside_a_file_what_follows_is_numbered(suffix: str, tmp_path: Path) -> None:
    targets = Targets(tmp_path / f"deep/x{suffix}")
    names = [Path(str(targets(Trace()))).name for _ in range(3)]
    assert [f"x{suffix}", f"x-2{suffix}", f"x-3{suffix}"] == names


def test_a_file_object_takes_one_exchange() -> None:
    file = io.BytesIO()
    targets = Targets(file)
    assert file is targets(Trace())
    with pytest.raises(MisuseError, match="second exchange"):
        targets(Trace())


def test_text_files_are_refused() -> None:
    with pytest.raises(MisuseError, match="binary"):
        Targets(io.StringIO())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["answer.sse", "answer.JSON", "x.trace.json", "x.gz"])
def test_a_name_that_ends_like_another_file_makes_no_directory(name: str, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"not '.*': name a trace answer\.trace\.jsonl, or make the directory first"):
        Targets(tmp_path / name)
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    assert str(Targets(tmp_path / name)(Trace())).startswith(str(tmp_path / name))


def test_a_directory_is_listed_again_only_where_somebody_else_has_written_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[object] = []
    listdir = os.listdir

    def counting(path: str) -> list[str]:
        listed.append(path)
        return listdir(path)

    monkeypatch.setattr("streamkit._recording.targets.os.listdir", counting)
    targets = Targets(tmp_path)
    numbers = [Path(str(targets(Trace()))).name[:3] for _ in range(5)]
    (tmp_path / "041-x.trace.jsonl").touch()
    os.utime(tmp_path, (7, 7))  # later than ours by more than the clock of the file system can tell
    numbers += [Path(str(targets(Trace()))).name[:3] for _ in range(5)]
    assert ["001", "002", "003", "004", "005", "042", "043", "044", "045", "046"] == numbers
    assert 2 == len(listed)
