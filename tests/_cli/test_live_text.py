"""`streamkit assemble --stream`: the text as it arrives, in a file and on a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.command import (
    COMMAND,
    DONE,
    PATIENCE,
    assemble,
    content,
    delta,
    environment,
    every_trace,
    expect,
    finish,
    posix,
    put,
    running,
    sse,
    stop,
    tool,
)
from streamkit import Accumulator
from streamkit._cli.live_text import View
from streamkit.trace import read_trace


def test_text_is_written_before_the_next_event_is_there(tmp_path: Path) -> None:
    with running("--stream", "-o", tmp_path / "answer.json", "-") as process:
        put(process, sse(delta("Hé")))
        expect(process, "Hé")
        put(process, sse(delta("llo"))[:-1])  # its blank line is not there yet
        put(process, b"\n")
        expect(process, "llo")
        put(process, sse(stop()) + DONE)
        assert (0, b"\n", b"") == finish(process)
    assert "Héllo" == content((tmp_path / "answer.json").read_bytes())


@posix
def test_a_named_pipe_is_read_live_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with running("--stream", tmp_path / "pipe") as process:
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
            pipe.write(sse(delta("Hé")))
            expect(process, "Hé")
            pipe.write(sse(stop()) + DONE)
        assert (0, b"\n", b"") == finish(process)


@posix
def test_an_input_that_has_nothing_yet_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with running("--stream", "-", stdin=reading) as process:
        os.close(reading)
        os.write(writing, sse(delta("Hé")))
        expect(process, "Hé")  # now it reads again, and there is nothing
        os.write(writing, sse(stop()) + DONE)
        os.close(writing)
        assert (0, b"\n", b"") == finish(process)


def test_one_choice_is_shown_at_a_time_and_the_others_under_their_numbers() -> None:
    with running("--stream", "-") as process:
        put(process, sse(delta("a0", 0), delta("a1", 1), delta(" b0", 0), delta(" b1", 1), delta("c2", 2)))
        expect(process, "a0 b0")
        put(process, sse(stop(0)))
        expect(process, "\n[1] a1 b1")
        put(process, sse(delta(" d1", 1)))
        expect(process, " d1")
        assert (3, b"\n[2] c2\n") == finish(process)[:2]


def test_choices_known_from_the_start_are_all_numbered() -> None:
    both = sse(delta("", 0), delta("", 1), delta("x", 0), delta("y", 1), stop(1), stop(0)) + DONE
    assert "[0] x\n[1] y\n" == assemble("-", "--stream", stdin=both).stdout.decode()


def test_a_choice_that_goes_on_after_its_end_is_shown() -> None:
    stream = sse(delta("x", 0), stop(0), delta("y", 0), stop(0)) + DONE
    assert "xy\n" == assemble("-", "--stream", stdin=stream).stdout.decode()


def test_tool_calls_are_shown_as_they_start_with_their_arguments() -> None:
    with running("--stream", "-") as process:
        put(process, sse(delta("Let me look.")))
        expect(process, "Let me look.")
        put(process, sse(tool('{"index":0,"id":"a","type":"function","function":{"name":"get_time","arguments":""}}')))
        expect(process, "\n[tool call 0: get_time] ")
        put(process, sse(tool('{"index":0,"function":{"arguments":"{\\"city\\":"}}')))
        expect(process, '{"city":')
        put(process, sse(tool('{"index":0,"function":{"arguments":"\\"Oslo\\"}"}}')))
        expect(process, '"Oslo"}')
        put(process, sse(tool('{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}')))
        put(process, sse(stop()) + DONE)
        assert (0, b"\n[tool call 1: f] {}\n", b"") == finish(process)


def function(name: str, arguments: str) -> str:
    call = json.dumps({"name": name, "arguments": arguments})
    return f'{{"index":0,"delta":{{"function_call":{call}}},"finish_reason":null}}'


def test_a_function_call_is_shown_as_its_arguments_come() -> None:
    with running("--stream", "-") as process:
        put(process, sse(function("f", '{"a":'), function("", "1")))
        expect(process, '[function call: f] {"a":1')
        put(process, sse(function("", "}")))
        expect(process, "}")
        put(process, sse(stop()) + DONE)
        assert (0, b"\n", b"") == finish(process)


@pytest.mark.parametrize("end", [sse(stop()) + DONE, DONE, b""], ids=["finished", "done", "cut off"])
def test_a_function_call_of_one_piece_is_shown_at_the_end(end: bytes) -> None:
    assert b"[function call: f] {}\n" == assemble("-", "--stream", stdin=sse(function("f", "{}")) + end).stdout


def test_a_call_written_twice_is_shown_once() -> None:
    both = '{"index":0,"delta":{"function_call":{"name":"f","arguments":"%s"},"tool_calls":[{"index":0,"id":"a",'
    both += '"type":"function","function":{"name":"f","arguments":"%s"}}]},"finish_reason":null}'
    stream = sse(*(both % (piece, piece) for piece in "{ }"), stop()) + DONE
    assert b"[tool call 0: f] { }\n" == assemble("-", "--stream", stdin=stream).stdout


def test_reasoning_and_refusal_are_named_where_they_cannot_be_told_by_colour() -> None:
    stream = sse(delta("Hm.", field="reasoning_content"), delta("Yes."), delta("No.", field="refusal"), stop()) + DONE
    assert "[reasoning] Hm.\n[content] Yes.\n[refusal] No.\n" == assemble("-", "--stream", stdin=stream).stdout.decode()


def on_a_terminal(stream: bytes, *options: str, **env: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = os.openpty()
    command = [*COMMAND, "assemble", *(options or ("--stream",)), "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=environment(**env)
    ) as process:
        os.close(theirs)
        process.communicate(stream, timeout=PATIENCE)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:
        pass  # how Linux says that nobody writes to a terminal any more
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


@posix
def test_reasoning_is_dim_on_a_terminal() -> None:
    stream = sse(delta("Hm.", field="reasoning"), delta("Yes."), stop()) + DONE
    assert "\x1b[2mHm.\x1b[22m\nYes.\n" == on_a_terminal(stream)
    assert "\x1b[2mHm.\x1b[22m\nYes.\n" == on_a_terminal(stream, NO_COLOR="")  # empty is as good as unset


@posix
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_is_honoured_on_a_terminal(env: dict[str, str]) -> None:
    stream = sse(delta("Hm.", field="reasoning"), delta("Yes."), stop()) + DONE
    assert "[reasoning] Hm.\n[content] Yes.\n" == on_a_terminal(stream, **env)


@posix
def test_a_sender_cannot_steer_a_terminal() -> None:
    stream = sse(delta("a\x1b[2J\u009b31m\x07\tb\n"), stop()) + DONE
    assert "a␛[2J\ufffd31m␇\tb\n" == on_a_terminal(stream)


CONTROLS = "".join(map(chr, (*range(32), *range(0x7F, 0xA0))))


@posix
@pytest.mark.parametrize(
    "options", [["--stream"], ["--stream", "--verbose", "--output", os.devnull], ["--verbose"], ["--compact"]]
)
def test_no_control_character_of_a_sender_reaches_a_terminal_wherever_it_stands(options: list[str]) -> None:
    function = {"name": CONTROLS, "arguments": CONTROLS}
    calls = [{"index": 0, "id": CONTROLS, "type": "function", "function": function}]
    stream = sse(
        *(delta(each) for each in CONTROLS),  # each in a delta by itself: no sequence is looked for
        delta(CONTROLS, field="reasoning"),
        delta(CONTROLS, field="refusal"),
        json.dumps({"id": "c1", "model": CONTROLS, "choices": [{"index": 0, "delta": {"tool_calls": calls}}]}),
        json.dumps({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": CONTROLS}]}),
        json.dumps({"error": {"message": CONTROLS, "type": CONTROLS, "code": CONTROLS}}),
    )
    shown = on_a_terminal(stream, *options, NO_COLOR="1", TERM="dumb")
    assert [] == [one for one in shown if one in CONTROLS and one not in "\t\n"]
    assert "--output" in options or "--stream" not in options or "␛" in shown


def test_a_file_gets_the_text_as_the_sender_wrote_it_and_the_json_escaped() -> None:
    stream = sse(delta("a\x1b[2J\u009b31m\r\nb"), stop()) + DONE
    assert "a\x1b[2J\u009b31m\r\nb\n".encode() == assemble("-", "--stream", stdin=stream).stdout
    printed = assemble("-", stdin=stream).stdout
    assert b'"a\\u001b[2J\\u009b31m\\r\\nb"' in printed
    assert "a\x1b[2J\u009b31m\r\nb" == content(printed)


def shown(body: bytes, cut: Callable[[bytes], list[bytes]]) -> bytes:
    out, accumulator = io.BytesIO(), Accumulator()
    view = View(out)
    for block in cut(body):
        view.show(accumulator.feed(block))
    view.show(accumulator.close().events)
    return out.getvalue()


@every_trace
def test_the_text_shown_is_the_same_whatever_the_cut_and_leaves_nothing_out(path: Path) -> None:
    trace = read_trace(path)
    whole = shown(trace.body, lambda body: [body])
    assert whole == shown(trace.body, lambda _: [block.data for block in trace.blocks])
    assert whole == shown(trace.body, lambda body: [body[at : at + 1] for at in range(len(body))])
    accumulator = Accumulator()
    accumulator.absorb(trace.body)
    accumulator.close()
    response = accumulator.snapshot()
    for choice in response.choices if response is not None else []:
        assert (choice.message.content or "").encode() in whole
        for call in choice.message.tool_calls or []:
            assert call.function.arguments.encode() in whole  # type: ignore[union-attr]
