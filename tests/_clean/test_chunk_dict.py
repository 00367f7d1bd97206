"""Clean chunks as plain dicts: which fields the format has, and what stands on the wire."""

from __future__ import annotations

from streamkit._clean.chunk_dict import DONE_EVENT, OF_CHOICE, OF_CHUNK, OF_DELTA, OF_LOGPROBS, choice_dict, event_of
from streamkit._clean.chunk_dict import without as fields_without
from streamkit.testing import DONE


def test_the_fields_of_the_format_are_those_of_its_types() -> None:
    chunk = {"id", "choices", "created", "model", "service_tier", "system_fingerprint", "object", "usage"}
    assert chunk == OF_CHUNK
    assert {"index", "delta", "finish_reason", "logprobs"} == OF_CHOICE
    assert {"content", "function_call", "tool_calls", "role", "refusal", "audio"} == OF_DELTA
    assert {"content", "refusal"} == OF_LOGPROBS


def test_a_chunk_dict_is_written_as_one_event() -> None:
    choice = choice_dict(1, {"content": "é"})
    wire = 'data: {"index":1,"delta":{"content":"é"},"logprobs":null,"finish_reason":null}\n\n'
    assert wire.encode() == event_of(choice)


def test_unknown_fields_are_written_but_for_those_under_a_known_name() -> None:
    assert {"x": 1} == fields_without({"x": 1, "name": 2}, "name")


def test_the_end_of_a_stream_has_one_form() -> None:
    assert b"data: [DONE]\n\n" == DONE_EVENT == DONE
