"""Over the streams of `../shared/traces`: what they say, how they end, and that nothing of them is lost.

What they say was settled by others: `agreed` is what two SDKs of OpenAI make of a stream, where they make the same; the
plain join of the deltas is what anybody would. How they end follows from the facts beside each. That nothing is lost is
asked of every value of every chunk.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

import streamkit
from helpers.corpus import SHARED, TRACES, Recorded, chunks_of, each, shared
from streamkit import Accumulator, Outcome

DIFFERS_FROM_AGREED: dict[str, str] = {}
"""Stream -> why it should say something else than what the SDKs agree on. There is none at present."""


def assembled(recorded: Recorded) -> tuple[dict[str, Any], Outcome, Accumulator]:
    accumulator = Accumulator()
    accumulator.feed(recorded.body)
    outcome = accumulator.close()
    response = accumulator.snapshot()
    return ({"choices": []} if response is None else streamkit.unstructure(response)), outcome, accumulator


# --- what it says


def said(choice: dict[str, Any]) -> dict[str, Any]:
    """What `agreed` says of a choice. "" and null are one here: the SDKs differ in that from each other."""
    message = choice.get("message", choice)
    calls = [
        call if isinstance(call, list) else [call["function"]["name"], call["function"]["arguments"]]
        for call in message.get("tool_calls") or []
    ]
    return {
        "index": choice["index"],
        "content": message.get("content") or None,
        "refusal": message.get("refusal") or None,
        "tool_calls": [[name, arguments or ""] for name, arguments in calls],
        "finish_reason": choice.get("finish_reason"),
    }


@shared
@each(one for one in SHARED if one.facts["agreed"] is not None)
def test_it_says_what_the_sdks_agree_on(recorded: Recorded) -> None:
    expected = [said(choice) for choice in recorded.facts["agreed"]]
    found = [said(choice) for choice in assembled(recorded)[0]["choices"]]
    if recorded.name in DIFFERS_FROM_AGREED:
        assert expected != found
    else:
        assert expected == found


@shared
def test_most_streams_are_agreed_on() -> None:
    assert (386, 281) == (len(SHARED), len([one for one in SHARED if one.facts["agreed"] is not None]))
    assert set(DIFFERS_FROM_AGREED) <= {one.name for one in SHARED}


def plain_join(recorded: Recorded) -> dict[int, str] | None:
    """The content of each choice, joined as anybody would; None where a chunk is not plain."""
    texts: dict[int, str] = defaultdict(str)
    for chunk in chunks_of(recorded.body):
        for choice in chunk.get("choices") or []:
            delta = choice.get("delta")
            if "message" in choice or not isinstance(delta, dict) or isinstance(delta.get("content"), list):
                return None
            texts[choice.get("index", 0)] += delta.get("content") or ""
    return texts


@shared
@each(one for one in SHARED if plain_join(one) is not None)
def test_its_text_is_the_plain_join_of_its_deltas(recorded: Recorded) -> None:
    found = {choice["index"]: choice["message"].get("content") or "" for choice in assembled(recorded)[0]["choices"]}
    assert plain_join(recorded) == found


# --- how it ends

ERROR_NOT_NOTED = {
    "gpustack/rubyllm--chat_with_extended_thinking_gpustack_qwe~eams_thinking_content_when_available-i0": (
        "it breaks off with a line `error: {...}`, which is no event"
    )
}

NOTHING_SAID = {
    "openrouter/reqllm--openrouter-minimax_minimax_m2_free-object_streaming": "`[DONE]` after a role and usage only",
}


def ending(facts: dict[str, Any], name: str) -> tuple[str, str]:
    """Name and reason of the outcome, as the facts have it."""
    finished = bool(facts["finish_reasons"]) and all(facts["finish_reasons"].values())
    if {"error_midstream", "error_first"} & set(facts["features"]) or name in ERROR_NOT_NOTED:
        return "failed", "remote_error"
    if name in NOTHING_SAID:
        return "failed", "empty"
    if facts["has_done"]:
        return "complete", "done" if finished else "done_without_finish"
    return ("complete", "finish_without_done") if finished else ("truncated", "no_finish")


@shared
@each(SHARED)
def test_it_ends_as_the_facts_have_it(recorded: Recorded) -> None:
    response, outcome, accumulator = assembled(recorded)
    facts = recorded.facts
    assert ending(facts, recorded.name) == (outcome.name, outcome.reason)
    # Several reasons of one choice stand in order, with bars between: the last one stands.
    last = {index: reason and reason.split("|")[-1] for index, reason in facts["finish_reasons"].items()}
    assert last == {str(choice["index"]): choice.get("finish_reason") for choice in response["choices"]}
    numbers = accumulator.statistics()
    assert len(recorded.body) == numbers.bytes
    unframed = sum(one.count for one in accumulator.anomalies if one.code == "unframed_json")  # which they pass over
    assert numbers.chunks - unframed in (facts["n_chunks"], facts["n_chunks"] - 1)  # they count an error as a chunk
    if outcome.error is not None:
        assert (accumulator.snapshot(), accumulator.emitted) == (outcome.error.partial, outcome.error.emitted)


# --- nothing is lost

DROPPED = {
    r"(choices\[\]\.)?(obfuscation|p)": "padding against side channels",
    r"choices\[\]\.message\.tool_calls\[\]\.index": "an index belongs to fragments",
    r"object": "each says chat.completion.chunk; the response is chat.completion, where it is one",
}
"""Path -> why it is not part of the response."""

STANDS = {
    r"id|created|model": "first",
    r"(service_tier|system_fingerprint)": "last",
    r"choices\[\]\.finish_reason": "last",
    r"usage(\..+)?": "last",  # a ledger, never a sum
    r"(timings|time_info|sla_metrics|prompt_progress)\..+": "last",  # figures that run
    r"choices\[\]\.message\.token_id": "last",  # a number outside the format, another in each delta
}
"""Path of values that differ from chunk to chunk -> which of them the response has: one, and which."""

REPLACED = {
    "mistral/mistral-vibe--backend-mistral.py-L148": (
        "choices[].message.tool_calls[].id",
        "the id `null`, a word, stands before that of the call; no argument had come",
    )
}
"""Stream -> a path whose value another one replaced, and why."""


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every scalar in `value` with its path; a list's items share one."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path + "[]")
    elif value is not None and value != "":
        yield path, value


def by_place(document: dict[str, Any]) -> Iterator[tuple[tuple[int | None, str], Any]]:
    """The leaves of a chunk or response, those of a choice under its index, a delta's where its message has them."""
    for path, value in leaves({name: item for name, item in document.items() if name != "choices"}, ""):
        yield (None, path), value
    for position, choice in enumerate(document.get("choices") or []):
        delta = choice.get("delta") or {}
        parts = delta.get("content")
        if isinstance(parts, list):  # ours by name: what stood where text should
            delta = {**delta, "content": None, "content_parts": parts}
        flat = {**{name: item for name, item in choice.items() if name != "delta"}, "message": delta or None}
        if "message" in choice:
            flat["message"] = {**delta, **(choice["message"] or {})}
        for path, value in leaves(flat, "choices[]"):
            yield (choice.get("index", position), path), value


def holds(values: list[Any], value: Any) -> bool:
    if isinstance(value, str):
        return any(isinstance(one, str) and value in one for one in values)
    return any(one == value and isinstance(one, bool) == isinstance(value, bool) for one in values)


def lost(recorded: Recorded) -> dict[str, list[Any]]:
    """What stands in a chunk and not in the response, by path."""
    response, _, accumulator = assembled(recorded)
    found: dict[tuple[int | None, str], list[Any]] = defaultdict(list)
    for place, value in by_place(response):
        found[place].append(value)
    sent: dict[tuple[int | None, str], list[Any]] = defaultdict(list)
    shown = [anomaly.excerpt for anomaly in accumulator.anomalies if anomaly.code in ("not_a_chunk", "error_event")]
    for chunk in chunks_of(recorded.body):
        if "choices" in chunk or not shown:  # what is no chunk is told of, whole, as an anomaly
            for place, value in by_place(chunk):
                sent[place].append(value)
    told = {anomaly.excerpt for anomaly in accumulator.anomalies if anomaly.severity == "repaired"}
    missing: dict[str, list[Any]] = {}
    for (index, path), values in sent.items():
        stands = next((which for pattern, which in STANDS.items() if re.fullmatch(pattern, path)), None)
        if any(re.fullmatch(pattern, path) for pattern in DROPPED) or path == REPLACED.get(recorded.name, ("",))[0]:
            continue
        if stands is not None:  # zero and nothing are no report
            said = [value for value in values if value] or values
            values = [said[0] if stands == "first" else said[-1]]
        gone = [value for value in values if not holds(found[index, path], value) and str(value) not in told]
        if gone:
            missing[path] = gone
    return missing


@shared
@each(SHARED)
def test_every_value_of_a_shared_stream_is_found_in_the_response(recorded: Recorded) -> None:
    assert {} == lost(recorded)


@each(TRACES)
def test_every_value_of_a_trace_is_found_in_the_response(recorded: Recorded) -> None:
    assert {} == lost(recorded)


@pytest.mark.parametrize("table", [DROPPED, STANDS], ids=["dropped", "stands"])
@shared
def test_nothing_is_excused_that_no_stream_does(table: dict[str, str]) -> None:
    paths = {path for one in (*SHARED, *TRACES) for chunk in chunks_of(one.body) for (_, path), _ in by_place(chunk)}
    assert [] == [pattern for pattern in table if not any(re.fullmatch(pattern, path) for path in paths)]
