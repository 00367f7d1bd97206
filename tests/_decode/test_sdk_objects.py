"""Chunks decoded by other libraries: which objects count as one, and their fields."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from streamkit import MisuseError
from streamkit._decode.sdk_objects import as_mapping, can_dump, is_chunk_object
from streamkit.types import CreateChatCompletionStreamResponse

FACTS = {"id": "c1", "choices": []}


class Pydantic2:
    def model_dump(self, *, exclude_unset: bool, warnings: bool) -> dict[str, Any]:
        return {**FACTS, "usage": None} if not exclude_unset or warnings else FACTS


class Pydantic1:
    def dict(self) -> dict[str, Any]:
        return FACTS


class Dataclass:
    def to_dict(self) -> dict[str, Any]:
        return FACTS


@pytest.mark.parametrize("value", [Pydantic2(), Pydantic1(), Dataclass()])
def test_an_object_that_can_dump_itself_is_a_chunk_object(value: Any) -> None:
    assert can_dump(value)
    assert is_chunk_object(value)
    assert FACTS == as_mapping(value)


@pytest.mark.parametrize("value", [FACTS, MappingProxyType(FACTS)])
def test_a_mapping_is_a_chunk_object_and_dumps_nothing(value: Any) -> None:
    assert is_chunk_object(value)
    assert not can_dump(value)
    assert FACTS == as_mapping(value)


def test_a_chunk_of_streamkit_is_a_chunk_object() -> None:
    assert is_chunk_object(CreateChatCompletionStreamResponse(id="c1", choices=[], created=1, model="m"))


@pytest.mark.parametrize("value", [Pydantic2, None, 1, "data", b"data", [], object()])
def test_anything_else_is_none_and_a_class_neither(value: Any) -> None:
    assert not is_chunk_object(value)
    with pytest.raises(MisuseError, match="takes a chunk"):
        as_mapping(value)
