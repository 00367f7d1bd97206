"""Each exchange of a session is played once, to the request that is the same; a miss says what was nearest."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest

from streamkit import MisuseError
from streamkit._recording.misses import TraceMissError
from streamkit._recording.session import Session
from streamkit._recording.targets import digest_of
from streamkit.trace import Block, Trace, TraceWriter, write_trace


def asked(content: str = "?", **more: Any) -> Trace:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    return Trace(method="POST", path="/v1/chat/completions", request=body)


def recorded(folder: Path, *contents: str, status: int = 200) -> Path:
    folder.mkdir(exist_ok=True)
    for content in contents:
        header = asked(content)
        number = len([*folder.iterdir()]) + 1
        answer = Trace(
            method=header.method, path=header.path, request=header.request, status=status,
            blocks=(Block(0.1, f"answer {number}".encode()),), end="eof",
        )  # fmt: skip
        write_trace(answer, folder / f"{number:03}-{digest_of(header)}.trace.jsonl")
    return folder


def body(session: Session, header: Trace) -> bytes:
    return session.take(header).read().body


def test_each_exchange_is_played_once_and_equal_ones_in_recorded_order(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, "a", "b", "a"))
    assert [b"answer 2", b"answer 1", b"answer 3"] == [body(session, asked(one)) for one in ("b", "a", "a")]
    assert () == session.unplayed
    with pytest.raises(TraceMissError, match=r"every recording of it was played \(001-\w{8}.trace.jsonl, 003-"):
        session.take(asked("a"))
    assert 4 == len(session.requests)
    assert 1 == len(session.misses)


@pytest.mark.parametrize("size", [0, 120])
def test_a_miss_names_the_files_that_were_cut_off(size: int, tmp_path: Path) -> None:
    first, _ = sorted(recorded(tmp_path, "a", "b").iterdir())
    first.write_bytes(first.read_bytes()[:size])
    with pytest.raises(TraceMissError) as caught:
        Session(tmp_path).take(asked("a"))
    *_, torn, how = str(caught.value).splitlines()
    assert f"  passed over, cut off before anything answered: {first.name}" == torn
    assert how.startswith("  to record it: ")
    last = max(tmp_path.iterdir())
    last.unlink()
    with pytest.raises(TraceMissError, match=rf"there are none at all\n  passed over, .*: {first.name}\n"):
        Session(tmp_path).take(asked("a"))


def test_repeat_plays_the_last_of_equal_ones_again(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, "a", "a"), repeat=True)
    assert [b"answer 1", b"answer 2", b"answer 2"] == [body(session, asked("a")) for _ in range(3)]


def test_in_order_the_next_is_taken_whatever_was_asked(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, "a", "b"), match="order")
    assert [b"answer 1", b"answer 2"] == [body(session, asked(one)) for one in ("x", "y")]
    with pytest.raises(TraceMissError, match="was played"):
        session.take(asked("z"))


def test_the_thousandth_comes_after_the_nine_hundred_and_ninety_ninth(tmp_path: Path) -> None:
    for name in ("1000-b", "999-a", "02-c"):
        write_trace(asked(name), tmp_path / f"{name}.trace.jsonl")
    assert ["02-c", "999-a", "1000-b"] == [one.name.partition(".")[0] for one in Session(tmp_path).exchanges]


def test_a_function_may_decide(tmp_path: Path) -> None:
    def first_letter(sent: Trace, recorded: Trace) -> bool:
        contents = [one.request["messages"][0]["content"] for one in (sent, recorded) if one.request]
        return contents[0][0] == contents[1][0]

    session = Session(recorded(tmp_path, "apple", "berry"), match=first_letter)
    assert b"answer 2" == body(session, asked("banana"))
    with pytest.raises(TraceMissError, match=r"nearest: 00\d-"):
        session.take(asked("cherry"))


def test_paths_are_ignored(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, "a"), ignore=("$.messages[*].content",))
    assert b"answer 1" == body(session, asked("b"))


def test_a_miss_names_the_nearest_the_difference_both_values_and_what_records(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, "What is 2 + 2?", "Tell me a joke."), command="make record")
    with pytest.raises(TraceMissError) as raised:
        session.take(asked("What is 2 + 3?"))
    miss = raised.value
    first = session.exchanges[0].name
    assert (first, "$.messages[0].content") == (miss.nearest, miss.path)
    assert ('"What is 2 + 2?"', '"What is 2 + 3?"') == (miss.recorded, miss.sent)
    assert str(miss).splitlines() == [
        f"no recording in {tmp_path} answers POST /v1/chat/completions (request 1)",
        f"  nearest: {first}, which differs at $.messages[0].content",
        '    recorded: "What is 2 + 2?"',
        '    sent:     "What is 2 + 3?"',
        "  to record it: make record",
    ]
    assert miss.request is not None
    assert asked("What is 2 + 3?").request == miss.request.request


def test_a_miss_is_not_an_exception_that_an_sdk_takes_for_a_failed_connection(tmp_path: Path) -> None:
    with pytest.raises(TraceMissError, match="none at all"):
        Session(tmp_path / "absent").take(asked())
    assert not issubclass(TraceMissError, Exception)


@pytest.mark.parametrize("again", [copy.copy, lambda miss: pickle.loads(pickle.dumps(miss))])
def test_a_miss_keeps_its_facts_between_processes(again: Any, tmp_path: Path) -> None:
    with pytest.raises(TraceMissError) as raised:
        Session(recorded(tmp_path, "a")).take(asked("b"))
    assert vars(raised.value) == vars(again(raised.value))
    assert str(raised.value) == str(again(raised.value))


def test_a_request_is_compared_without_its_secrets_whatever_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-proj-" + "A1b2" * 10
    monkeypatch.setenv("SOME_API_KEY", key)
    recorded(tmp_path, f"my key is {'x' * len(key)}")
    assert b"answer 1" == body(Session(tmp_path), asked(f"my key is {key}"))
    with pytest.raises(TraceMissError) as raised:
        Session(tmp_path).take(asked(f"my other key is {key}"))
    assert key not in str(raised.value)
    monkeypatch.setenv("SOME_API_KEY", "another-one-of-24-letters")
    assert b"answer 1" == body(Session(tmp_path), asked("my key is another-one-of-24-letters"))


def test_a_recording_that_nothing_answered_is_no_exchange(tmp_path: Path) -> None:
    TraceWriter(tmp_path / "001-x.trace.jsonl", asked("a")).close()  # its recorder was killed
    (tmp_path / "002-x.trace.jsonl").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    recorded(tmp_path, "b")
    assert 1 == len(Session(tmp_path).exchanges)


def test_folders_below_are_part_of_it_only_where_that_is_asked(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "a")
    recorded(tmp_path / ".hidden", "b")
    assert 0 == len(Session(tmp_path).exchanges)
    assert ["one/001-"] == [one.name[:8] for one in Session(tmp_path, deep=True).exchanges]


def test_what_recorders_write_into_it_is_named_by_the_canonical_request(tmp_path: Path) -> None:
    session = Session(tmp_path, ignore=("$.seed",))
    names = [os.path.basename(str(session.target(asked("a", seed=seed)))) for seed in (1, 2)]
    assert ["001", "002"] == [name[:3] for name in names]
    assert 1 == len({name[3:] for name in names})
    assert 2 == len(session_names(tmp_path))


def session_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_parallel_calls_get_the_same_names_in_every_run(tmp_path: Path) -> None:
    async def call(session: Session, content: str) -> None:
        header = asked(content)
        session.target(header)  # numbered when it is sent, however long it then takes
        for _ in range(random.randrange(5)):
            await asyncio.sleep(0)

    async def run(folder: Path) -> None:
        session = Session(folder)
        await asyncio.gather(*(call(session, content) for content in "dacb"))

    for number in range(5):
        asyncio.run(run(tmp_path / str(number)))
    assert 1 == len({tuple(session_names(tmp_path / str(number))) for number in range(5)})


def test_any_number_of_threads_may_ask(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, *"abc" * 10))
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda content: session.take(asked(content)).name, "abc" * 10)]
    assert 30 == len(set(found))


@pytest.mark.parametrize("path", ["", "x.trace.jsonl", None, 5, "a\0b", b"\xff\0", "\ud800"])
def test_what_is_no_directory_is_refused(path: Any) -> None:
    with pytest.raises(MisuseError, match="directory of traces"):
        Session(path)


@pytest.mark.parametrize(
    "option",
    [{"match": "x"}, {"ignore": "$.a"}, {"ignore": 5}, {"repeat": 1}, {"scrub": 0}, {"deep": None}, {"command": 1}],
)
def test_options_that_mean_nothing_are_refused(option: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(MisuseError):
        Session(tmp_path, **option)


def test_the_digest_is_the_same_in_every_process() -> None:
    code = (
        "from streamkit._recording.targets import digest_of; from streamkit.trace import Trace;"
        "print(digest_of(Trace(method='POST', path='/v1', request={'b': {'d': 1, 'c': [1.0, None]}, 'a': 'é'})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        digest_of(Trace(method="post", path="/v1", request={"a": "é", "b": {"c": [1, None], "d": 1}}))
        == run.stdout.strip()
    )


def test_a_request_that_was_left_before_anything_answered_is_not_an_exchange(tmp_path: Path) -> None:
    write_trace(attrs.evolve(asked("a"), end="cancelled"), tmp_path / "001-a.trace.jsonl")
    session = Session(recorded(tmp_path, "a"))
    assert b"answer 2" == body(session, asked("a"))
    with pytest.raises(TraceMissError, match=r"passed over, cut off before anything answered: 001-a\.trace\.jsonl"):
        session.take(asked("b"))


def test_a_server_that_runs_for_weeks_remembers_the_last_requests_only(tmp_path: Path) -> None:
    session = Session(recorded(tmp_path, "a"), repeat=True, scrub=False)
    for _ in range(1_005):
        session.take(asked("a"))
    assert 1_000 == len(session.requests)
    with pytest.raises(TraceMissError, match=r"\(request 1006\)"):
        session.take(asked("b"))
