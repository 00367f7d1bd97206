"""A caller's converter: a copy of the tolerant one, with hooks, by which chunks and responses are read."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import cattrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import TRACES, Recorded
from helpers.strategies import examples, mutated, streams, tampered
from helpers.wire import choice, chunk, sse
from streamkit import Accumulator, AsyncChatStream, ChatStream, MisuseError, ValidationError, dumps, reassemble
from streamkit.codec import converter as strict_converter
from streamkit.codec import register_extra, tolerant_converter
from streamkit.types import (
    ChatChoiceStream,
    ChatCompletionMessageToolCall,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionResponseMessage,
    ChatCompletionStreamResponseDelta,
    CompletionUsage,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FunctionCallStream,
    Role,
)


@attrs.frozen
class Page:
    url: str
    title: str = ""


@dataclass
class Price:
    amount: float
    currency: str


ONE, TWO = Page("http://a", "A"), Page("http://b")
STREAM = sse(
    chunk(choice('{"role":"assistant","content":"Hi","pages":[{"url":"http://a","title":"A"}]}')),
    chunk(choice('{"content":" you","pages":[{"url":"http://b"}]}')),
    chunk(choice("{}", "stop"), '"price":{"amount":0.5,"currency":"EUR"}'),
    "[DONE]",
)


def with_pages(cls: Any = ChatCompletionResponseMessage) -> cattrs.Converter:
    made = tolerant_converter.copy()
    register_extra(made, cls, "pages", list[Page])
    return made


# --- an extra field of a class of the caller's


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("size", [1, 7, len(STREAM)])
def test_a_field_of_the_callers_class_arrives_in_the_response(size: int, fast: bool) -> None:
    converter = with_pages()
    register_extra(converter, CreateChatCompletionResponse, "price", Price)
    accumulator = Accumulator(converter=converter, fast=fast)
    for at in range(0, len(STREAM), size):
        accumulator.feed(STREAM[at : at + size])
    accumulator.close()
    response = accumulator.snapshot()
    assert response is not None
    assert [ONE, TWO] == response.choices[0].message.extra["pages"]
    assert Price(0.5, "EUR") == response.extra["price"]
    assert "Hi you" == response.choices[0].message.content


def test_every_reader_takes_the_converter() -> None:
    converter = with_pages()
    with ChatStream([STREAM], converter=converter) as stream:
        assert "Hi you" == "".join(stream.text())
        assert [ONE, TWO] == stream.response.choices[0].message.extra["pages"]
    assert [ONE, TWO] == reassemble([STREAM], converter=converter).choices[0].message.extra["pages"]


@pytest.mark.anyio
async def test_the_async_stream_takes_the_converter() -> None:
    async def blocks() -> Any:
        yield STREAM

    async with AsyncChatStream(blocks(), converter=with_pages()) as stream:
        await stream.until_done()
        assert [ONE, TWO] == stream.response.choices[0].message.extra["pages"]


def test_a_response_of_typed_fields_is_written_and_read_back_equal() -> None:
    converter = with_pages()
    response = reassemble(STREAM, converter=converter)
    plain = dumps(reassemble(STREAM))
    assert json.loads(plain)["choices"][0]["message"]["pages"][0] == {"url": "http://a", "title": "A"}
    assert response == converter.structure(json.loads(dumps(response)), CreateChatCompletionResponse)
    assert response == converter.structure(json.loads(plain), CreateChatCompletionResponse)
    assert [response] == converter.structure([json.loads(plain)], list[CreateChatCompletionResponse])


def test_what_does_not_fit_the_class_stays_as_it_was() -> None:
    stream = sse(chunk(choice('{"content":"a","pages":[{"no":"url"}]}', "stop")), "[DONE]")
    assert [{"no": "url"}] == reassemble(stream, converter=with_pages()).choices[0].message.extra["pages"]


def test_half_a_value_in_mid_stream_stays_plain_until_it_is_whole() -> None:
    converter = tolerant_converter.copy()
    register_extra(converter, ChatCompletionResponseMessage, "price", Price)
    accumulator = Accumulator(converter=converter)
    seen = []
    for piece in ('{"price":{"amount":1.5}}', '{"price":{"currency":"EUR"}}'):
        accumulator.feed(sse(chunk(choice(piece))))
        response = accumulator.snapshot()
        assert response is not None
        seen.append(response.choices[0].message.extra["price"])
    assert [{"amount": 1.5}, Price(1.5, "EUR")] == seen


def test_an_absent_or_null_field_is_let_be() -> None:
    stream = sse(chunk(choice('{"content":"a","pages":null}', "stop")), "[DONE]")
    assert {"pages": None} == reassemble(stream, converter=with_pages()).choices[0].message.extra
    assert {} == reassemble(stream.replace(b',"pages":null', b""), converter=with_pages()).choices[0].message.extra


def test_hooks_for_the_response_leave_the_fast_lane_to_the_chunks() -> None:
    many = sse(*(chunk(choice('{"content":"a"}')) for _ in range(50)))
    one, other = Accumulator(converter=with_pages()), Accumulator()
    hooked = Accumulator(converter=with_pages(ChatCompletionStreamResponseDelta))
    assert other.feed(many) == one.feed(many) == hooked.feed(many)
    assert [True, False] == [one._reader.lane is not None, hooked._reader.lane is not None]


def test_two_fields_of_one_class_are_both_read() -> None:
    converter = with_pages()
    register_extra(converter, ChatCompletionResponseMessage, "price", Price)
    stream = sse(chunk(choice('{"pages":[{"url":"u"}],"price":{"amount":1,"currency":"EUR"}}', "stop")), "[DONE]")
    extra = reassemble(stream, converter=converter).choices[0].message.extra
    assert {"pages": [Page("u")], "price": Price(1.0, "EUR")} == extra


# --- hooks for chunks


def test_chunks_have_the_callers_class_and_the_response_is_folded_from_plain_values() -> None:
    accumulator, seen = Accumulator(converter=with_pages(ChatCompletionStreamResponseDelta)), []
    accumulator.tap(seen.append)
    accumulator.absorb(STREAM)
    accumulator.close()
    assert [[ONE], [TWO], None] == [one.choices[0].delta.extra.get("pages") for one in seen]
    assert reassemble(STREAM) == accumulator.snapshot()


def test_a_hook_can_mend_what_a_sender_writes() -> None:
    converter = tolerant_converter.copy()
    read = converter.get_structure_hook(ChatCompletionStreamResponseDelta)

    def mended(value: Any, cls: Any) -> ChatCompletionStreamResponseDelta:
        delta: ChatCompletionStreamResponseDelta = read(value, cls)
        extra = dict(delta.extra)
        if (thought := extra.pop("inner_voice", None)) is not None:
            extra["reasoning_content"] = thought
        return attrs.evolve(delta, extra=extra)

    converter.register_structure_hook(ChatCompletionStreamResponseDelta, mended)
    stream = sse(chunk(choice('{"inner_voice":"Hm"}')), chunk(choice('{"content":"Yes"}', "stop")), "[DONE]")
    assert "Hm" == reassemble(stream, converter=converter).choices[0].message.reasoning


def test_a_hook_may_return_a_class_of_the_callers_made_from_ours() -> None:
    @attrs.frozen(eq=False)
    class Delta(ChatCompletionStreamResponseDelta):
        pages: list[dict[str, Any]] | None = None

    converter = tolerant_converter.copy()

    def read(value: Any, _: Any) -> Delta:
        names = ("content", "role")
        return Delta(**{name: getattr(value, name) for name in names}, pages=value.extra.get("pages"))

    converter.register_structure_hook(ChatCompletionStreamResponseDelta, read)
    accumulator, seen = Accumulator(converter=converter), []
    accumulator.tap(seen.append)
    accumulator.absorb(STREAM)
    assert [{"url": "http://b"}] == seen[1].choices[0].delta.pages
    response = accumulator.snapshot()
    assert response is not None
    assert 2 == len(response.choices[0].message.extra["pages"])


def test_hooks_are_called_for_each_object_innermost_first() -> None:
    called: list[str] = []
    converter = tolerant_converter.copy()
    classes = (
        CreateChatCompletionStreamResponse,
        ChatChoiceStream,
        ChatCompletionStreamResponseDelta,
        ChatCompletionMessageToolCallChunk,
        FunctionCallStream,
        CompletionUsage,
    )

    def seen(value: Any, cls: type) -> Any:
        called.append(cls.__name__)
        return value

    for cls in classes:
        converter.register_structure_hook(cls, seen)
    call = '{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}'
    Accumulator(converter=converter).feed(sse(chunk(choice(call), '"usage":{"prompt_tokens":1}')))
    expected = [FunctionCallStream, ChatCompletionMessageToolCallChunk, ChatCompletionStreamResponseDelta]
    expected += [ChatChoiceStream, CompletionUsage, CreateChatCompletionStreamResponse]
    assert [cls.__name__ for cls in expected] == called[:6]


def test_the_chunks_of_a_stream_have_the_callers_class() -> None:
    with ChatStream([STREAM], converter=with_pages(ChatCompletionStreamResponseDelta)) as stream:
        assert [ONE] == next(iter(stream.chunks())).choices[0].delta.extra["pages"]


bodies = st.sampled_from([one.body for one in TRACES if len(one.body) < 6000])


def with_hooks_that_change_nothing() -> cattrs.Converter:
    made = tolerant_converter.copy()
    for cls in (CreateChatCompletionStreamResponse, ChatCompletionStreamResponseDelta, ChatCompletionResponseMessage):
        made.register_structure_hook(cls, lambda value, _: value)
    return made


@examples(100)
@given(bodies.flatmap(mutated) | bodies.flatmap(tampered) | streams().map(lambda one: one.wire))
def test_hooks_that_change_nothing_change_nothing_in_any_stream(body: bytes) -> None:
    plain, hooked = Accumulator(), Accumulator(converter=with_hooks_that_change_nothing())
    assert repr(plain.feed(body)) == repr(hooked.feed(body))
    assert repr(plain.close()) == repr(hooked.close())
    assert repr(plain.snapshot()) == repr(hooked.snapshot())
    assert plain.anomalies == hooked.anomalies


def test_a_hook_that_changes_a_chunk_keeps_the_value_in_place_of_a_field() -> None:
    converter = tolerant_converter.copy()
    converter.register_structure_hook(
        ChatCompletionStreamResponseDelta,
        lambda delta, _: delta if delta.content is None else attrs.evolve(delta, content=delta.content.upper()),
    )
    accumulator = Accumulator(converter=converter)
    accumulator.absorb(
        b'data: {"id":"a","created":{"at":1},"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"},'
        b'{"index":1,"delta":[1],"finish_reason":"stop"}]}\n\n'
    )
    response = accumulator.snapshot()
    assert "HI" == response.choices[0].message.content
    assert {"created": {"at": 1}} == response.extra
    assert {"delta": [1]} == response.choices[1].extra


@pytest.mark.parametrize("recorded", TRACES, ids=repr)
def test_hooks_that_change_nothing_change_nothing_in_recorded_streams(recorded: Recorded) -> None:
    plain, hooked = Accumulator(), Accumulator(converter=with_hooks_that_change_nothing())
    assert repr(plain.feed(recorded.body)) == repr(hooked.feed(recorded.body))
    assert repr(plain.close()) == repr(hooked.close())
    assert plain.snapshot() == hooked.snapshot()


# --- what a hook does wrong


def test_a_hook_that_raises_is_the_callers_error_and_the_stream_is_read_all_the_same() -> None:
    converter = tolerant_converter.copy()

    def wrong(value: Any, _: Any) -> Any:
        raise KeyError("oops")

    converter.register_structure_hook(ChatCompletionStreamResponseDelta, wrong)
    accumulator = Accumulator(converter=converter)
    with pytest.raises(MisuseError, match="a hook of the converter raised KeyError: 'oops'") as caught:
        accumulator.feed(STREAM)
    assert isinstance(caught.value.__cause__, KeyError)
    assert accumulator.close().ok
    assert reassemble(STREAM) == accumulator.snapshot()


def test_a_hook_that_raises_in_the_last_event_is_reported_by_close() -> None:
    accumulator = Accumulator()
    accumulator.tap(lambda _: 1 / 0)
    accumulator.feed(sse(chunk(choice('{"content":"a"}', "stop"))).rstrip())
    with pytest.raises(MisuseError, match="tap"):
        accumulator.close()
    assert accumulator.close().ok


def test_a_hook_for_the_response_that_raises_is_raised_where_the_response_is_read() -> None:
    converter = tolerant_converter.copy()

    def wrong(value: Any, _: Any) -> Any:
        raise KeyError("oops")

    converter.register_structure_hook(ChatCompletionResponseMessage, wrong)
    accumulator = Accumulator(converter=converter)
    accumulator.feed(STREAM[: len(STREAM) // 2])
    outcome = accumulator.close()
    assert outcome.error is not None
    assert outcome.error.partial is not None
    assert "Hi" == outcome.error.partial.choices[0].message.content
    with pytest.raises(MisuseError, match="a hook of the converter raised KeyError") as caught:
        accumulator.snapshot()
    assert outcome.error.partial == caught.value.partial


def test_a_hook_must_return_an_object_of_its_class() -> None:
    converter = tolerant_converter.copy()
    converter.register_structure_hook(ChatCompletionStreamResponseDelta, lambda value, _: 5)
    with pytest.raises(MisuseError, match="the hook for ChatCompletionStreamResponseDelta returned 5"):
        Accumulator(converter=converter).feed(STREAM)


@pytest.mark.parametrize("other", [cattrs.Converter(), strict_converter, strict_converter.copy(), 5, "x"])
def test_another_converter_is_refused(other: Any) -> None:
    with pytest.raises(MisuseError, match=r"converter= takes streamkit\.codec\.tolerant_converter"):
        Accumulator(converter=other)


def test_register_extra_takes_a_converter_a_class_and_a_name() -> None:
    for wrong in (
        (5, Role, "x"),
        (tolerant_converter.copy(), Role, "x"),
        (strict_converter.copy(), CompletionUsage, 5),
    ):
        with pytest.raises(MisuseError, match="register_extra"):
            register_extra(*wrong, int)  # type: ignore[arg-type]


# --- the converters themselves


@pytest.mark.parametrize("recorded", TRACES, ids=repr)
def test_the_converter_reads_chunks_as_an_accumulator_does(recorded: Recorded) -> None:
    seen: list[CreateChatCompletionStreamResponse] = []
    accumulator = Accumulator(converter=tolerant_converter.copy())
    accumulator.tap(seen.append)
    accumulator.absorb(recorded.body)
    for one in seen:
        assert one == tolerant_converter.structure(json.loads(dumps(one)), CreateChatCompletionStreamResponse)


def test_the_tolerant_converter_mends_what_the_strict_one_refuses() -> None:
    odd = {"choices": [{"index": "0", "delta": {"content": 5, "odd": 1}, "finish_reason": ""}]}
    read = tolerant_converter.structure(odd, CreateChatCompletionStreamResponse)
    assert (0, "5", {"odd": 1}, None) == (
        read.choices[0].index,
        read.choices[0].delta.content,
        read.choices[0].delta.extra,
        read.choices[0].finish_reason,
    )
    with pytest.raises(ValidationError):
        strict_converter.structure(odd, CreateChatCompletionStreamResponse)
    for value in (5, None, [], "x"):
        with pytest.raises(ValidationError, match="CreateChatCompletionStreamResponse"):
            tolerant_converter.structure(value, CreateChatCompletionStreamResponse)


@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (ChatChoiceStream, {"index": "3"}),
        (ChatCompletionStreamResponseDelta, {"content": 5}),
        (ChatCompletionMessageToolCallChunk, {"index": "0", "function": {"arguments": {"a": 1}}}),
        (FunctionCallStream, {"arguments": {"a": 1}}),
    ],
)
def test_each_class_of_a_chunk_is_read_tolerantly_by_itself(cls: type, value: dict[str, Any]) -> None:
    made = tolerant_converter.structure(value, cls)
    assert isinstance(made, cls)
    assert made is tolerant_converter.structure(made, cls)


def test_a_strict_copy_has_hooks_for_classes_inside_and_refuses_what_does_not_fit() -> None:
    converter = strict_converter.copy()
    register_extra(converter, ChatCompletionResponseMessage, "pages", list[Page])
    body = json.loads(dumps(reassemble(STREAM)))
    response = converter.structure(body, CreateChatCompletionResponse)
    assert [ONE, TWO] == response.choices[0].message.extra["pages"]
    assert dict is type(
        strict_converter.structure(body, CreateChatCompletionResponse).choices[0].message.extra["pages"][0]
    )
    body["choices"][0]["message"]["pages"] = [{"no": "url"}]
    with pytest.raises(ValidationError, match=r"\$\.pages\[0\]"):
        converter.structure(body, CreateChatCompletionResponse)


def test_a_hook_reaches_the_members_of_a_union() -> None:
    converter = tolerant_converter.copy()
    register_extra(converter, ChatCompletionMessageToolCall, "page", Page)
    call = '{"tool_calls":[{"index":0,"id":"x","page":{"url":"u"},"function":{"name":"f","arguments":"{}"}}]}'
    response = reassemble(sse(chunk(choice(call, "tool_calls")), "[DONE]"), converter=converter)
    assert response.choices[0].message.tool_calls is not None
    assert Page("u") == response.choices[0].message.tool_calls[0].extra["page"]


# --- the example


def example() -> tuple[Path, ModuleType]:
    path = Path(__file__).parents[1] / "examples" / "typed_citations.py"
    spec = importlib.util.spec_from_file_location("typed_citations", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return path, module


def test_the_example_prints_the_pages_of_an_answer(tmp_path: Path) -> None:
    path, module = example()
    body = sse(
        chunk(choice('{"content":"Rain"}'), '"search_results":[{"title":"Wet","url":"http://w","date":"2026-01-02"}]'),
        chunk(choice("{}", "stop"), '"search_results":[{"title":"Wet","url":"http://w","date":"2026-01-02"}]'),
        "[DONE]",
    )
    (tmp_path / "answer.sse").write_bytes(body)
    run = subprocess.run(
        [sys.executable, str(path), str(tmp_path / "answer.sse")], capture_output=True, text=True, check=True
    )
    assert "Rain\n[1] Wet (2026-01-02)\n" == run.stdout
    response = reassemble(body, converter=module.converter)
    assert [module.Page("http://w", "Wet", "2026-01-02")] == module.pages_of(response)
    assert [] == module.pages_of(reassemble(STREAM, converter=module.converter))
