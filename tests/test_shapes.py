"""The inputs of the benches are what their names say."""

from __future__ import annotations

import json
from typing import Any

import pytest

import shapes

N = 100
EXTRA = 3  # role, finish and usage chunk of a stream with one choice

OF_CALLS = ("tool_arguments", "calls_interleaved")


def decoded(raw: bytes) -> list[dict[str, Any]]:
    """Every chunk of `raw`, by a reader that knows nothing of streamkit."""
    lines = raw.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.startswith("data: {") and "\n" not in line for line in lines[:-2])
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def deltas(raw: bytes) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in decoded(raw) for choice in chunk["choices"]]


def joined(raw: bytes, key: str) -> str:
    return "".join(delta.get(key) or "" for delta in deltas(raw))


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_a_seed_gives_the_same_bytes_each_time_and_another_seed_gives_others(name: str) -> None:
    make: Any = shapes.SHAPES[name]
    assert make(N) == make(N, seed=1)
    assert make(N) != make(N, seed=2)


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_the_envelope_is_constant_and_usage_is_sent_once_without_choices(name: str) -> None:
    all_chunks = decoded(shapes.SHAPES[name](N))
    assert {tuple(chunk[key] for key in shapes.ENVELOPE) for chunk in all_chunks} == {tuple(shapes.ENVELOPE.values())}
    assert [chunk["usage"] is None for chunk in all_chunks] == [True] * (len(all_chunks) - 1) + [False]
    assert [len(chunk["choices"]) for chunk in all_chunks] == [1] * (len(all_chunks) - 1) + [0]
    assert all_chunks[-1]["usage"]["total_tokens"] == 20 + N


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_every_choice_opens_with_its_role_and_finishes_once_at_its_end(name: str) -> None:
    by_index: dict[int, list[dict[str, Any]]] = {}
    for chunk in decoded(shapes.SHAPES[name](N)):
        for choice in chunk["choices"]:
            by_index.setdefault(choice["index"], []).append(choice)
    assert list(range(8 if name == "choices" else 1)) == list(by_index)
    for of_choice in by_index.values():
        assert ["role" in choice["delta"] for choice in of_choice] == [True] + [False] * (len(of_choice) - 1)
        reasons = [choice["finish_reason"] for choice in of_choice]
        assert reasons[:-1] == [None] * (len(reasons) - 1)
        assert reasons[-1] == ("tool_calls" if name in OF_CALLS else "stop")


@pytest.mark.parametrize("name", shapes.SHAPES)
@pytest.mark.parametrize("n", [1, 7, N])
def test_n_chunks_carry_the_shape(name: str, n: int) -> None:
    raw = shapes.SHAPES[name](n)
    around = {**dict.fromkeys(OF_CALLS, EXTRA + 4), "choices": 8 + 8 + 1}.get(name, EXTRA)
    assert n + around == len(decoded(raw)) == shapes.chunks(raw)


@pytest.mark.parametrize("name", ["text", "text_obfuscated", "unicode_text", "logprobs", "choices"])
def test_text_is_in_every_chunk_of_a_text_shape(name: str) -> None:
    assert N == sum(bool(delta.get("content")) for delta in deltas(shapes.SHAPES[name](N)))


def test_obfuscation_pads_every_chunk_of_its_shape_and_of_no_other() -> None:
    assert all(chunk["obfuscation"] for chunk in decoded(shapes.text_obfuscated(N)))
    others = [make for name, make in shapes.SHAPES.items() if name != "text_obfuscated"]
    assert not any(b"obfuscation" in make(N) for make in others)


@pytest.mark.parametrize("name", OF_CALLS)
@pytest.mark.parametrize("calls", [1, 3, 4])
def test_tool_arguments_are_one_json_object_a_call_in_fragments_that_are_never_empty(name: str, calls: int) -> None:
    whole: dict[int, str] = {}
    pieces: list[str] = []
    ids: list[str] = []
    for delta in deltas(getattr(shapes, name)(N, calls)):
        for fragment in delta.get("tool_calls", ()):
            if "id" in fragment:
                ids.append(fragment["id"])
                assert fragment["function"] == {"name": "get_weather", "arguments": ""}
            else:
                pieces.append(fragment["function"]["arguments"])
            whole[fragment["index"]] = whole.get(fragment["index"], "") + fragment["function"]["arguments"]
    assert list(range(calls)) == list(whole)
    assert calls == len(set(ids)) == len(ids)
    assert N == len(pieces)
    assert all(pieces)
    assert all(json.loads(arguments)["stops"] for arguments in whole.values())


@pytest.mark.parametrize("top", [0, 5])
def test_logprobs_stand_beside_their_token(top: int) -> None:
    seen = 0
    for chunk in decoded(shapes.logprobs(N, top)):
        for choice in chunk["choices"]:
            for entry in (choice["logprobs"] or {"content": []})["content"]:
                seen += 1
                assert choice["delta"] == {"content": entry["token"]}
                assert entry["token"] == bytes(entry["bytes"]).decode()
                assert top == len(entry["top_logprobs"])
                assert all(alternative["logprob"] <= 0 for alternative in entry["top_logprobs"])
    assert N == seen


def test_choices_take_turns() -> None:
    indices = [chunk["choices"][0]["index"] for chunk in decoded(shapes.choices(32, 8))[8:-9]]
    assert list(range(8)) * 4 == indices


def test_reasoning_is_first_and_is_half() -> None:
    carried = [key for delta in deltas(shapes.reasoning(N)) for key in delta if key != "role" and delta[key]]
    assert ["reasoning_content"] * (N // 2) + ["content"] * (N // 2) == carried


def test_unicode_text_is_outside_ascii_raw_or_escaped_with_the_same_meaning() -> None:
    raw, escaped = shapes.unicode_text(N), shapes.unicode_text(N, escaped=True)
    assert not raw.isascii()
    assert escaped.isascii()
    assert rb"\ud83d" in escaped
    assert joined(raw, "content") == joined(escaped, "content")
    assert {"\u2028", "\u0085", "😀"} <= set(joined(shapes.unicode_text(2000), "content"))


def test_text_needs_every_kind_of_escape() -> None:
    raw = shapes.text(2000)
    assert all(escape in raw for escape in (rb"\n", rb"\"", rb"\\"))
    assert not raw.isascii()


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_one_huge_event_is_one_event_of_that_size(size: int) -> None:
    raw = shapes.one_huge_event(size)
    assert 1 + EXTRA == len(decoded(raw))
    assert size == len(joined(raw, "content"))


def test_events_and_blocks_lose_nothing() -> None:
    raw = shapes.text(N)
    assert raw == b"".join(shapes.events(raw)) == b"".join(shapes.blocks(raw, 7))
    assert N + EXTRA + 1 == len(shapes.events(raw))
    assert {7} == {len(block) for block in shapes.blocks(raw, 7)[:-1]}


def test_what_a_shape_says_is_the_text_of_each_choice_and_the_arguments_of_each_call() -> None:
    assert [joined(shapes.text(N), "content")] == shapes.said(shapes.text(N))
    assert [1, 4, 8] == [len(shapes.said(make(N))) for make in (shapes.logprobs, shapes.tool_arguments, shapes.choices)]
    assert all("stops" in json.loads(arguments) for arguments in shapes.said(shapes.tool_arguments(N)))
    assert "".join(shapes.said(shapes.choices(N, 2))).count(" ") >= N
