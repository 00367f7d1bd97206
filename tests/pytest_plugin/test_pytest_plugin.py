"""Tests with the marker `trace`, run by pytest itself: what is played, recorded, refused and reported."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import streamkit.pytest_plugin  # noqa: F401  # once, and not in each inner run again
from helpers.loopback import PATIENCE
from helpers.sender import Answer, Sender, said
from helpers.tier import TIER
from streamkit.trace import read_trace

httpx = pytest.importorskip("httpx")

ASK = """
import os, httpx, pytest
OPTIONS = {"trust_env": False, "verify": False, "timeout": 60}
def ask(content="hello", **more):
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    with httpx.Client(**OPTIONS) as client:
        answer = client.post(os.environ["SENDER"] + "/chat/completions", json=body).json()
    return answer["choices"][0]["message"]["content"]
"""
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    with Sender() as one:
        monkeypatch.setenv("SENDER", one.url)
        yield one


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest over a test file with this text, in this process, with our plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("STREAMKIT_MODE", "STREAMKIT_TRACES"):
        monkeypatch.delenv(name, raising=False)

    def run(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=ASK + text)
        return pytester.runpytest_inprocess(
            "-p", "_streamkit_pytest", "-p", "no:cacheprovider", "-W", "default", *arguments
        )

    return run


MARKED = """
@pytest.mark.trace
def test_a():
    assert "you said hello" == ask()
"""


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in (folder / "traces").rglob("*.jsonl"))


# --- how it is loaded


@pytest.mark.quick(1)
@pytest.mark.parametrize("before", [(), ("-p", "_streamkit_pytest")])
def test_the_public_name_loads_it_too(
    pytester: pytest.Pytester, sender: Sender, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_it=ASK + MARKED)
    named = (*before, "-p", "streamkit.pytest_plugin", "-p", "no:cacheprovider")
    pytester.runpytest_inprocess(*named, "--streamkit=once").assert_outcomes(passed=1)
    assert 1 == len(files(pytester.path))


def test_a_conftest_may_name_it(pytester: pytest.Pytester, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest('pytest_plugins = ["streamkit.pytest_plugin"]')
    pytester.makepyfile(test_it=ASK + MARKED)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "--streamkit=once").assert_outcomes(passed=1)


# --- how a miss is shown


def test_the_traceback_of_a_miss_has_the_frames_of_the_test_and_no_others(run: Run, sender: Sender) -> None:
    result = run(MARKED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert*ask()*", "*client.post(*", "*TraceMissError: no recording in *"])
    result.stdout.no_fnmatch_line("*_client.py*")
    result.stdout.no_fnmatch_line("*session.py*")
    shown = run(MARKED, "--full-trace")
    shown.stdout.fnmatch_lines(["*_client.py*", "*session.py*"])


def test_the_traceback_of_any_other_error_is_whole(run: Run, sender: Sender) -> None:
    result = run("""
@pytest.mark.trace(unplayed="ignore")
def test_a():
    httpx.URL(5)
""")
    result.stdout.fnmatch_lines(["*_urls.py*"])


# --- modes


def test_by_default_a_test_plays_and_a_miss_says_what_records(
    run: Run, sender: Sender, pytester: pytest.Pytester
) -> None:
    result = run(MARKED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*TraceMissError: no recording in *traces/test_it/test_a answers POST /v1/chat/completions*",
            "*to record it: pytest test_it.py::test_a --streamkit=new_episodes",
        ]
    )
    assert [] == sender.requests
    run(MARKED, "--streamkit=new_episodes").assert_outcomes(passed=1)
    assert 1 == len(sender.requests)
    assert ["traces/test_it/test_a/001-"] == [name[:26] for name in files(pytester.path)]
    run(MARKED).assert_outcomes(passed=1)
    assert 1 == len(sender.requests)


@pytest.mark.parametrize(
    "mode, sent", [("none", 1), ("once", 1), ("new_episodes", 1), ("rewrite", 2), ("verify", 2), ("off", 2)]
)
def test_each_mode_passes_over_what_is_recorded(
    mode: str, sent: int, run: Run, sender: Sender, pytester: pytest.Pytester
) -> None:
    run(MARKED, "--streamkit=once").assert_outcomes(passed=1)
    recorded = files(pytester.path)
    run(MARKED, f"--streamkit={mode}").assert_outcomes(passed=1)
    assert sent == len(sender.requests)
    assert recorded == files(pytester.path)


def test_the_mode_is_said_on_the_line_in_the_environment_by_the_marker_or_in_the_ini_file(
    run: Run, sender: Sender, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = MARKED.replace("trace\n", 'trace(mode="once")\n') + "def test_b(traces): assert traces.mode == {!r}\n"
    run(marked.format("none")).assert_outcomes(passed=2)
    pytester.makeini("[pytest]\nstreamkit_mode = off\n")
    run(marked.format("off")).assert_outcomes(passed=2)
    monkeypatch.setenv("STREAMKIT_MODE", "verify")
    run(marked.format("verify")).assert_outcomes(passed=2)
    run(marked.format("rewrite"), "--streamkit=rewrite", "-k", "test_b", "-W", "ignore").assert_outcomes(
        passed=1, deselected=1
    )
    assert 2 == len(sender.requests)  # the marker's "once", and "verify"
    monkeypatch.setenv("STREAMKIT_MODE", "all")
    run(MARKED).stdout.fnmatch_lines(["*takes one of none, once, new_episodes, rewrite, verify, off, not 'all'*"])


def test_verify_fails_where_the_shape_of_an_answer_has_changed(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(body: dict[str, Any], number: int) -> Answer:
        if number == 1:
            return said("you said hello", stream=False)
        value = json.loads(said("you said hello", stream=False).blocks[0])
        value["mood"] = "good"
        return Answer((json.dumps(value).encode(),), headers=(("content-type", "application/json"),))

    with Sender(other) as sender:
        monkeypatch.setenv("SENDER", sender.url)
        run(MARKED, "--streamkit=once").assert_outcomes(passed=1)
        result = run(MARKED, "--streamkit=verify")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*001-*.jsonl: $.mood: is new, text", "*to record them again: pytest test_it.py::test_a --streamkit=rewrite"]
    )


def test_a_test_that_fails_while_it_is_rewritten_keeps_what_was_recorded(
    run: Run, sender: Sender, pytester: pytest.Pytester
) -> None:
    run(MARKED, "--streamkit=once").assert_outcomes(passed=1)
    recorded = files(pytester.path)
    run(MARKED.replace("ask()", "ask('bye')"), "--streamkit=rewrite").assert_outcomes(failed=1)
    assert recorded == [name for name in files(pytester.path) if ".rewrite" not in name]
    run(MARKED).assert_outcomes(passed=1)


# --- directories


def test_directories_are_named_by_the_test_or_by_the_marker(
    run: Run, sender: Sender, pytester: pytest.Pytester
) -> None:
    text = """
class TestOne:
    @pytest.mark.trace
    @pytest.mark.parametrize("content", ["a", "a/b", "a_b"])
    def test_a(self, content): ask(content)
@pytest.mark.trace("by/name")
def test_b(): ask()
"""
    run(text, "--streamkit=once").assert_outcomes(passed=4)
    folders = sorted({name.rpartition("/")[0] for name in files(pytester.path)})
    assert ["traces/by/name", "traces/test_it/TestOne/test_a-a", "traces/test_it/TestOne/test_a-a_b"] == folders[:3]
    assert folders[3].startswith("traces/test_it/TestOne/test_a-a_b-")
    run(text).assert_outcomes(passed=4)


@pytest.mark.parametrize("by", ["environment", "ini"])
def test_the_root_of_all_traces_may_be_said(
    by: str, run: Run, sender: Sender, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "ini":
        pytester.makeini("[pytest]\nstreamkit_traces = recorded\n")
    else:
        monkeypatch.setenv("STREAMKIT_TRACES", "recorded")
    run(MARKED, "--streamkit=once").assert_outcomes(passed=1)
    assert 1 == len([*(pytester.path / "recorded/test_it/test_a").glob("001-*.jsonl")])


# --- fixtures


def test_the_fixture_traces_is_the_run_with_or_without_a_marker(run: Run, sender: Sender) -> None:
    text = """
def test_a(traces):
    ask("one"), ask("two")
    assert ["one", "two"] == [one.request["messages"][0]["content"] for one in traces.requests]
    assert ["you said one", "you said two"] == [one.choices[0].message.content for one in traces.responses]
    assert traces.mode == os.environ.get("MODE", "none")
@pytest.mark.trace("b")
def test_faults(traces):
    assert "you said hello" == ask()
    if traces.mode == "none":
        assert 1 == len(traces.replays)
@pytest.mark.trace("b", unplayed="ignore")
def test_more(traces):
    traces.faults = "reset@head"
    if traces.mode == "none":
        with pytest.raises(httpx.ReadError):
            ask()
    assert "you said hello" == ask()
"""
    run(text, "--streamkit=once", "-k", "a or faults")
    run(text).assert_outcomes(passed=3)


def test_fixtures_of_the_test_may_ask_too(run: Run, sender: Sender) -> None:
    text = """
@pytest.fixture
def asked():
    yield ask("set up")
@pytest.mark.trace
def test_a(asked):
    assert "you said set up" == asked
"""
    run(text, "--streamkit=once").assert_outcomes(passed=1)
    run(text).assert_outcomes(passed=1)
    assert 1 == len(sender.requests)


def test_a_server_plays_the_traces_to_any_program(run: Run, sender: Sender) -> None:
    pytest.importorskip("uvicorn")
    text = """
import json, urllib.request
@pytest.mark.trace("a")
def test_a():
    ask()
@pytest.mark.trace("a")
def test_b(trace_server, traces):
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    for send in (
        lambda url: urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})).read(),
    ):
        answer = send(os.environ["OPENAI_BASE_URL"] + "/chat/completions")
        assert "you said hello" == json.loads(answer)["choices"][0]["message"]["content"]
    assert 1 == len(trace_server.requests)
    assert () == traces.unplayed
"""
    run(text, "--streamkit=once", "-k", "test_a").assert_outcomes(passed=1, deselected=1)
    run(text).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "mode, said",
    [
        ("none", "*trace_server has nothing to play: there is no recording in *test_a"),
        ("verify", "*the mode is verify"),
    ],
)
def test_a_server_without_a_recording_says_how_to_record(run: Run, mode: str, said: str) -> None:
    pytest.importorskip("uvicorn")
    result = run("def test_a(trace_server): pass", f"--streamkit={mode}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said, "  to record it: streamkit record --upstream URL *test_a -- COMMAND"])
    result.stdout.no_fnmatch_line("*pytest_plugin/__init__.py*")


# --- what a test that passed is held to


def test_recordings_that_no_request_asked_for_fail_a_test_that_passed(
    run: Run, sender: Sender, pytester: pytest.Pytester
) -> None:
    text = '@pytest.mark.trace("a"{})\ndef test_a():\n    ask("one")\n    if os.environ.get("BOTH"): ask("two")\n'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTH", "1")
        run(text.format(""), "--streamkit=once").assert_outcomes(passed=1)
        patch.delenv("BOTH")
        result = run(text.format(""))
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "*no request of this test asked for 002-*.trace.jsonl in *",
                "*anew: pytest test_it.py::test_a --streamkit=rewrite",
            ]
        )
        run(text.format(', unplayed="warn"')).assert_outcomes(passed=1, warnings=1)
        run(text.format(', unplayed="ignore"')).assert_outcomes(passed=1)
        pytester.makeini("[pytest]\nstreamkit_unplayed = ignore\n")
        run(text.format("")).assert_outcomes(passed=1)
        run(text.format("") + "    assert not 'this'").stdout.fnmatch_lines(["*assert not 'this'*"])


def test_recordings_that_are_too_old_warn_or_fail(run: Run, sender: Sender, pytester: pytest.Pytester) -> None:
    run(MARKED, "--streamkit=once").assert_outcomes(passed=1)
    (path,) = (pytester.path / "traces").rglob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(read_trace(path).recorded.encode(), b"2020-02-02"))
    run(MARKED).assert_outcomes(passed=1)
    run(MARKED.replace("trace\n", "trace(max_age=30)\n")).assert_outcomes(passed=1, warnings=1)
    pytester.makeini("[pytest]\nstreamkit_max_age = 4w fail\n")
    result = run(MARKED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*recordings older than 28 days: 001-*"])
    run(MARKED.replace("trace\n", "trace(max_age='9999999d')\n")).stdout.fnmatch_lines(["*max_age= takes days*"])


def test_traces_of_no_collected_test_are_listed(run: Run, sender: Sender, pytester: pytest.Pytester) -> None:
    both = MARKED + MARKED.replace("test_a", "test_b")
    run(both, "--streamkit=once").assert_outcomes(passed=2)
    for arguments in ((), ("--collect-only",)):
        result = run(MARKED, "--streamkit-orphans", *arguments)
        result.stdout.fnmatch_lines(
            ["*traces that no test uses*", "traces/test_it/test_b/001-*.trace.jsonl", "1 of them"]
        )
    run(both, "--streamkit-orphans", "-k", "test_a").stdout.fnmatch_lines(["*traces that no test uses*", "none"])


# --- the guard


GUARDED = """
import socket, asyncio
@pytest.mark.trace
def test_name():
    socket.create_connection(("api.example.com", 443))
@pytest.mark.trace
def test_swallowed():
    try:
        socket.create_connection(("api.example.com", 443))
    except Exception:
        pass
@pytest.mark.trace
def test_address():
    with socket.socket() as sock:
        sock.connect(("192.0.2.1", 443))
@pytest.mark.trace
def test_async():
    asyncio.run(asyncio.open_connection("api.example.com", 443))
"""


def test_a_test_that_plays_connects_to_nothing_but_loopback(
    run: Run, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = socket.getaddrinfo

    def local_lookup(host: Any, *rest: Any) -> Any:
        if "example" in str(host):
            raise OSError("nothing looks this up")
        return lookup(host, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", local_lookup)
    result = run(GUARDED)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        ["*a connection to api.example.com:443 was refused*"] * 2
        + ["*a connection to 192.0.2.1:443 was refused*", "*a connection to api.example.com:443 was refused*"]
    )
    text = f"""
import socket
@pytest.mark.trace
def test_loopback():
    socket.create_connection(("localhost", {sender.host.partition(":")[2]})).close()
    socket.getaddrinfo("192.0.2.1", 80), socket.getaddrinfo(socket.gethostname(), 80)
@pytest.mark.trace(let_through=("*.example.com",))
def test_let_through():
    with pytest.raises(OSError, match="nothing looks this up"):
        socket.getaddrinfo("api.example.com", 443)
def test_unmarked():
    with pytest.raises(OSError, match="nothing looks this up"):
        socket.getaddrinfo("api.example.com", 443)
"""
    run(text).assert_outcomes(passed=3)


def test_aiohttp_in_a_test_that_plays_fails_with_the_name_of_the_host(run: Run) -> None:
    pytest.importorskip("aiohttp")
    text = """
import aiohttp, asyncio
async def post():
    async with aiohttp.ClientSession() as session:
        try:
            await session.post("https://api.example.com/v1/chat/completions", json={})
        except Exception:  # as clients do, to send again
            pass
@pytest.mark.trace
def test_a():
    asyncio.run(post())
"""
    result = run(text)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a connection to api.example.com:443 was refused*streamkit record*trace_server*"])


# --- what cannot be


@pytest.mark.parametrize(
    "marker, words",
    [
        ('trace(mode="all")', "takes one of none"),
        ('trace("a", "b")', "takes a directory and match"),
        ("trace(5)", "takes the name of a directory"),
        ('trace(unplayed="no")', "takes one of fail, warn, ignore"),
        ('trace(record_mode="x")', "not ['record_mode']"),
        ('trace(ignore="$.a")', "takes texts in a tuple"),
        ('trace(ignore=("$.",))', "JSON paths"),
        ("trace(speed=-1)", "speed"),
        ('trace(match="best")', "match= takes"),
    ],
)
def test_a_marker_that_means_nothing_is_refused(marker: str, words: str, run: Run) -> None:
    result = run(MARKED.replace("trace\n", f"{marker}\n"))
    result.assert_outcomes(errors=1)
    assert words in result.stdout.str()


# --- beside others


def test_tests_without_the_marker_are_left_alone(run: Run, sender: Sender, pytester: pytest.Pytester) -> None:
    run(MARKED.replace("@pytest.mark.trace\n", "")).assert_outcomes(passed=1)
    assert 1 == len(sender.requests)
    assert [] == files(pytester.path)


@pytest.mark.skipif(TIER == "quick", reason="starts four processes: whole tier (STREAMKIT_EXAMPLES=1)")
def test_workers_of_xdist_play_and_record_side_by_side(run: Run, sender: Sender, pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    text = """
@pytest.mark.trace
@pytest.mark.parametrize("number", range(4))
def test_a(number):
    assert f"you said {number}" == ask(number)
"""
    (pytester.path / "traces/old").mkdir(parents=True)
    (pytester.path / "traces/old/001-a.trace.jsonl").touch()
    workers = ("-p", "xdist.plugin", "-n", "2", "--streamkit-orphans")
    run(text, "--streamkit=once", *workers).assert_outcomes(passed=4)
    result = run(text, *workers)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["traces/old/001-a.trace.jsonl", "1 of them"])
    assert (4, 5) == (len(sender.requests), len(files(pytester.path)))


@pytest.mark.parametrize("scope", ["function", "module"])
def test_async_tests_of_anyio_are_seen_whatever_loop_they_share(scope: str, run: Run, sender: Sender) -> None:
    pytest.importorskip("trio")
    text = f"""
pytestmark = pytest.mark.anyio
@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request): return request.param
@pytest.fixture(scope={scope!r})
async def shared(anyio_backend):
    async with httpx.AsyncClient(**OPTIONS) as client:
        yield client
@pytest.mark.trace
async def test_a(shared):
    body = {{"model": "m", "messages": [{{"role": "user", "content": "hello"}}]}}
    response = await shared.post(os.environ["SENDER"] + "/chat/completions", json=body)
    assert "you said hello" in response.text
"""
    run(text, "-p", "anyio", "--streamkit=once").assert_outcomes(passed=2)
    run(text, "-p", "anyio").assert_outcomes(passed=2)
    assert 2 == len(sender.requests)


def test_it_costs_nothing_where_nothing_uses_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_a(): assert 'streamkit' not in sys.modules")
    command = ["-m", "pytest", "-q", "-p", "_streamkit_pytest", "-p", "no:cacheprovider", "."]
    run = subprocess.run(
        [sys.executable, *command], cwd=pytester.path, capture_output=True, text=True, timeout=PATIENCE,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
    )  # fmt: skip
    assert 0 == run.returncode, run.stdout + run.stderr


def test_a_library_that_an_inner_run_is_the_first_to_import_is_not_imported_again(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    pytester.makepyfile(test_it="import colorsys\ndef test_a(): pass")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    assert "colorsys" in sys.modules
    assert "test_it" not in sys.modules
