"""The arguments of what writes clean streams: the same ones everywhere, each named where `help()` shows it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import streamkit
import streamkit.testing
from streamkit._clean.to_events import ChunkWriter
from streamkit._clean.write_options import EventOptions, WriteOptions

READING = {"deadlines", "clock", "sent"}  # what is asked of whoever reads a live source, and not of the one who writes


@pytest.mark.parametrize(
    ("options", "takes_them"),
    [
        (EventOptions, streamkit.Cleaner),
        (EventOptions, streamkit.to_events),
        (WriteOptions, streamkit.to_chunks),
        (WriteOptions, ChunkWriter),
    ],
)
def test_every_option_is_an_argument_with_the_default_of_the_cleaner(
    options: type[Any], takes_them: Callable[..., Any]
) -> None:
    cleaner = inspect.signature(streamkit.Cleaner).parameters
    named = inspect.signature(takes_them).parameters
    keywords = {name: one for name, one in named.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}
    assert options.__annotations__.keys() == keywords.keys() - READING
    assert [cleaner[name].default for name in options.__annotations__] == [
        keywords[name].default for name in options.__annotations__
    ]


@pytest.mark.parametrize("function", ["async_to_events", "async_to_chunks"])
def test_the_help_of_an_async_sibling_names_every_option(function: str) -> None:
    options = EventOptions if function == "async_to_events" else WriteOptions
    text = inspect.getdoc(getattr(streamkit, function)) or ""
    assert [] == [name for name in options.__annotations__ if f"`{name}`" not in text]


@pytest.mark.parametrize("function", ["async_to_events", "async_to_chunks"])
@pytest.mark.parametrize("source", [[b"data: [DONE]\n\n"], "a response"])
def test_an_async_sibling_refuses_what_is_no_option(function: str, source: Any) -> None:
    if source == "a response":
        source = streamkit.testing.response()
    with pytest.raises(TypeError, match="size"):
        getattr(streamkit, function)(source, size=4)
