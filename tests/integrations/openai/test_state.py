"""`ChatCompletionStreamState` beside the SDK's class of that name: the same on what OpenAI writes, right on the rest."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from typing import Any

import pytest

pytest.importorskip("openai")

import openai
import pydantic
from openai.lib.streaming import chat as sdk
from openai.types import chat
from openai.types.chat import ChatCompletionChunk

from helpers.scenarios import BY_NAME, CALLS, SQL, TEXT
from helpers.wire import choice, chunk, delta
from streamkit import MisuseError, TruncatedError, to_chunks
from streamkit.integrations.openai import ChatCompletionStreamState, CustomInputDelta, CustomInputDone, to_openai

STRICT = [
    {"type": "function", "function": {"name": name, "strict": True, "parameters": {"type": "object"}}}
    for name, _ in CALLS
]


class Answer(pydantic.BaseModel):
    city: str
    degrees: int


def chunks_of(*documents: str) -> list[ChatCompletionChunk]:
    return [ChatCompletionChunk.construct(**json.loads(one)) for one in documents]


def clean_chunks(name: str) -> list[ChatCompletionChunk]:
    """The chunks of a scenario as OpenAI writes them."""
    return [to_openai(one) for one in to_chunks(iter([BY_NAME[name].body]))]


TOKEN = '{"token":"%s","logprob":-0.5,"bytes":null,"top_logprobs":[]}'
PIECES = ('{"city":', '"Zürich",', '"degrees":7}')
ROLE = delta('{"role":"assistant"}')
STRUCTURED = [
    ROLE,
    *(delta(json.dumps({"content": piece})) for piece in PIECES),
    delta(finish="stop"),
]
LOGPROBS = (
    [ROLE]
    + [
        chunk(choice(f'{{"content":"{text}"}}', more=f'"logprobs":{{"content":[{TOKEN % text}],"refusal":null}}'))
        for text in ("a", "b")
    ]
    + [delta(finish="stop")]
)
REFUSAL = [ROLE, delta('{"refusal":"No"}'), delta('{"refusal":"."}'), delta(finish="stop")]
USAGE = [
    ROLE,
    delta('{"content":"a"}'),
    delta(finish="stop"),
    chunk("", '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}'),
]


def both(chunks: Iterable[ChatCompletionChunk], **options: Any) -> tuple[list[Any], list[Any], Any, Any]:
    """The events of both, and both completions."""
    ours, theirs = ChatCompletionStreamState(**options), sdk.ChatCompletionStreamState(**options)
    given, original = [], []
    for one in chunks:
        given += [told(event) for event in ours.handle_chunk(one)]
        original += [told(event) for event in theirs.handle_chunk(one)]
    return given, original, ours.get_final_completion(), theirs.get_final_completion()


def plain(completion: Any) -> Any:
    """A completion as JSON, without the index that the SDK leaves on the calls of a message."""
    data = completion.to_dict(mode="json", exclude_unset=False, exclude_none=True, warnings=False)
    for one in data["choices"]:
        for call in one["message"].get("tool_calls", []):
            call.pop("index", None)
    return data


def told(event: Any) -> dict[str, Any]:
    """The payload of an event, without what only ours has, and without the snapshot of a chunk event, which changes."""
    data = event.model_dump(warnings=False)
    for name in ("choice", "id", "snapshot" if data["type"] == "chunk" else ""):
        data.pop(name, None)
    return data


@pytest.mark.parametrize(
    "chunks, options",
    [
        (chunks_of(*STRUCTURED), {}),
        (chunks_of(*STRUCTURED), {"response_format": Answer}),
        (chunks_of(*LOGPROBS), {}),
        (chunks_of(*REFUSAL), {}),
        (chunks_of(*USAGE), {}),
        (clean_chunks("reasoning"), {}),
    ],
    ids=["text", "parsed", "logprobs", "refusal", "usage", "reasoning"],
)
def test_what_openai_writes_gives_the_events_and_the_completion_of_the_sdk(chunks: Any, options: Any) -> None:
    given, original, ours, theirs = both(chunks, **options)
    assert [one for one in original if one.get("delta") != ""] == given
    assert plain(theirs) == plain(ours)


@pytest.mark.parametrize("options", [{}, {"input_tools": STRICT}], ids=["plain", "strict"])
def test_calls_give_the_events_of_the_sdk_and_are_done_at_the_end(options: Any) -> None:
    given, original, ours, theirs = both(clean_chunks("tools"), **options)

    def kinds(events: list[Any], done: bool) -> list[Any]:
        return [one for one in events if one["type"].endswith(".done") == done]

    assert kinds(original, False) == kinds(given, False)
    assert kinds(original, True) == kinds(given, True)
    assert kinds(given, True) == given[-2:]
    assert plain(theirs) == plain(ours)


def test_events_are_of_the_classes_of_the_sdk_and_say_choice_and_call() -> None:
    state = ChatCompletionStreamState()
    found = [event for one in clean_chunks("tools") for event in state.handle_chunk(one)]
    assert {sdk.ChunkEvent, sdk.FunctionToolCallArgumentsDeltaEvent, sdk.FunctionToolCallArgumentsDoneEvent} == {
        next(base for base in type(event).__mro__ if base.__module__.startswith("openai.lib")) for event in found
    }
    done = [event for event in found if event.type.endswith(".done")]
    assert [(0, 0, "call_a"), (0, 1, "call_b")] == [(one.choice, one.index, one.id) for one in done]


def test_a_text_knows_its_choice() -> None:
    state = ChatCompletionStreamState()
    found = [event for one in clean_chunks("n2") for event in state.handle_chunk(one)]
    texts = {0: "", 1: ""}
    for event in found:
        if event.type == "content.delta":
            texts[event.choice] += event.delta
            assert texts[event.choice] == event.snapshot
    assert BY_NAME["n2"].expected.texts == tuple(texts.values())


def test_what_grows_is_parsed_as_far_as_it_goes() -> None:
    state = ChatCompletionStreamState(response_format=Answer)
    found = [event for one in chunks_of(*STRUCTURED) for event in state.handle_chunk(one)]
    parsed = [event.parsed for event in found if event.type == "content.delta"]
    assert [{}, {"city": "Zürich"}, {"city": "Zürich", "degrees": 7}] == parsed
    assert Answer(city="Zürich", degrees=7) == found[-1].parsed
    assert Answer(city="Zürich", degrees=7) == state.get_final_completion().choices[0].message.parsed


def test_a_tool_of_a_model_gives_its_model() -> None:
    class GetWeather(pydantic.BaseModel):
        city: str

    state = ChatCompletionStreamState(input_tools=[openai.pydantic_function_tool(GetWeather, name="get_weather")])
    found = [event for one in clean_chunks("tools") for event in state.handle_chunk(one)]
    done = [event.parsed_arguments for event in found if event.type.endswith(".done")]
    assert [GetWeather(city="Zürich"), None] == done


def test_a_snapshot_is_what_had_arrived_by_then_however_late_it_is_asked_for() -> None:
    state = ChatCompletionStreamState()
    found = [event for one in clean_chunks("text") for event in state.handle_chunk(one)]
    deltas = [event for event in found if event.type == "content.delta"]
    assert ["Grüß", "Grüß Gott,"] == [event.snapshot for event in deltas[:2]]
    assert TEXT == deltas[-1].snapshot
    assert "Grüß" == pickle.loads(pickle.dumps(deltas[0])).snapshot


@pytest.mark.skipif(
    not hasattr(chat, "ChatCompletionMessageCustomToolCall"), reason="before 1.99 the SDK knows no custom tools"
)
def test_a_custom_tool_has_events_and_stays_in_the_completion() -> None:
    state = ChatCompletionStreamState()
    found = [event for one in clean_chunks("custom") for event in state.handle_chunk(one)]
    deltas = [event for event in found if isinstance(event, CustomInputDelta)]
    (done,) = [event for event in found if isinstance(event, CustomInputDone)]
    assert SQL == "".join(event.input_delta for event in deltas) == done.input == deltas[-1].input
    (call,) = state.get_final_completion().choices[0].message.tool_calls  # type: ignore[misc]
    assert ("run_sql", SQL) == (call.custom.name, call.custom.input)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["tools_no_index", "tools_all_zero_whole", "tools_from_one", "tools_repeated", "tools_object"]
)
def test_chunks_on_which_the_sdk_raises_or_is_wrong_are_read_right(name: str) -> None:
    state = ChatCompletionStreamState()
    documents = [one.partition(b"data: ")[2].decode() for one in BY_NAME[name].events[:-1]]
    for one in chunks_of(*documents):
        state.handle_chunk(one)
    calls = state.get_final_completion().choices[0].message.tool_calls
    assert list(CALLS) == [(call.function.name, call.function.arguments) for call in calls or []]


@pytest.mark.parametrize(
    "reason, error",
    [("length", openai.LengthFinishReasonError), ("content_filter", openai.ContentFilterFinishReasonError)],
)
def test_a_completion_that_was_cut_off_raises_the_error_of_the_sdk(reason: str, error: type[Exception]) -> None:
    first, last = chunks_of(delta('{"content":"{"}'), delta(finish=reason))
    parsing, plain = ChatCompletionStreamState(response_format=Answer), ChatCompletionStreamState()
    parsing.handle_chunk(first)
    with pytest.raises(error):
        parsing.handle_chunk(last)
    for one in (first, last):
        plain.handle_chunk(one)
    with pytest.raises(error):
        plain.get_final_completion()


def test_a_stream_that_broke_off_has_no_final_completion() -> None:
    state = ChatCompletionStreamState()
    for one in chunks_of(delta('{"content":"a"}')):
        state.handle_chunk(one)
    assert "a" == state.current_completion_snapshot.choices[0].message.content
    with pytest.raises(openai.APIConnectionError) as raised:
        state.get_final_completion()
    assert isinstance(raised.value.__cause__, TruncatedError)


def test_before_the_first_chunk_there_is_nothing() -> None:
    with pytest.raises(MisuseError, match="before the first chunk"):
        ChatCompletionStreamState().current_completion_snapshot


def test_an_event_costs_the_same_at_any_place_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ChatCompletionStreamState(response_format=dict)
    asked: list[int] = []
    monkeypatch.setattr(state.accumulator, "snapshot", lambda: asked.append(1))
    for _ in range(100):
        (one,) = chunks_of(delta('{"content":"[1,"}'))
        events = state.handle_chunk(one)
        assert not {"snapshot", "parsed"} & set().union(*(event.__dict__ for event in events))
    assert [] == asked
