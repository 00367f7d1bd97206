"""Structured output while it arrives: the growing value, and each element as soon as it is whole."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable
from typing import Any, TypedDict

import attrs
import pytest

from helpers.streams import ERROR, FINISH, both
from helpers.wire import DONE, choice, chunk, delta, sse
from streamkit import (
    AsyncChatStream,
    ChatStream,
    FormatError,
    MisuseError,
    RemoteError,
    TruncatedError,
    ValidationError,
    codec,
)
from streamkit.testing import AsyncFakeSource, FakeSource

pytestmark = pytest.mark.anyio

END = FINISH + DONE


def content(*pieces: str, index: int = 0) -> list[bytes]:
    """One block for each piece of content."""
    return [sse(delta(f'{{"content":{json.dumps(piece)}}}', index=index)) for piece in pieces]


CITIES = ['{"items": [{"city": "Ber', 'lin", "size": 36', '00}, {"city": "Rome", "si', 'ze": 28}]', ', "n": 2}']
BERLIN, ROME = {"city": "Berlin", "size": 3600}, {"city": "Rome", "size": 28}


# --- the value so far


async def test_the_value_so_far_is_yielded_each_time_that_more_can_be_said() -> None:
    seen = await both([*content(*CITIES), END], lambda stream: stream.partial())
    assert [
        {"items": [{"city": "Ber"}]},
        {"items": [{"city": "Berlin"}]},
        {"items": [BERLIN, {"city": "Rome"}]},
        {"items": [BERLIN, ROME]},
        {"items": [BERLIN, ROME], "n": 2},
    ] == seen.pieces
    assert seen.raised is None
    assert ("complete", "done") == seen.ending


async def test_pieces_in_one_block_are_yielded_one_by_one() -> None:
    seen = await both([b"".join([*content(*CITIES), END])], lambda stream: stream.partial())
    assert 5 == len(seen.pieces)


async def test_a_piece_that_adds_nothing_to_say_yields_nothing() -> None:
    seen = await both([*content("[", "1", "2", ' , "', "", "x", '"', "]", "\n"), END], lambda stream: stream.partial())
    assert [[], [12, ""], [12, "x"]] == seen.pieces


@pytest.mark.parametrize(("value", "text"), [(12, "12"), (None, "null"), ("ab", '"ab"'), (True, "true")])
async def test_a_document_that_is_one_scalar_is_yielded_too(value: Any, text: str) -> None:
    seen = await both([*content(text), END], lambda stream: stream.partial())
    assert ([value], None) == (seen.pieces, seen.raised)


async def test_each_choice_has_its_own_content() -> None:
    blocks = [
        *content('{"a"', index=0),
        *content('{"b"', index=1),
        *content(": 1}", index=1),
        *content(": 2}", index=0),
    ]
    end = sse(chunk(choice(finish="stop") + "," + choice(finish="stop", index=1))) + DONE
    for index, value in enumerate(({"a": 2}, {"b": 1})):
        seen = await both([*blocks, end], lambda stream, index=index: stream.partial(index))
        assert [{}, value] == seen.pieces


async def test_text_around_the_json_is_skipped_where_asked_for() -> None:
    blocks = [*content("Sure {here} it is:\n``", "`json\n{", '"a": ', "1}\n", "```\nEnjoy!"), END]
    seen = await both(blocks, lambda stream: stream.partial(skip_around=True))
    assert ([{"a": 1}], None) == (seen.pieces, seen.raised)
    refused = await both(blocks, lambda stream: stream.partial())
    assert [] == refused.pieces
    do = "skip_around=True skips text before and after the JSON"
    assert f"the content of choice 0 stops being JSON: expected a value after 0 characters; {do} ($): 'S'" == str(
        refused.raised
    )
    after = await both([*content("{}\n", "Enjoy!"), END], lambda stream: stream.partial())
    assert f"expected nothing after the JSON after 3 characters; {do} ($): 'E'" in str(after.raised)
    inside = await both([*content("{x}"), END], lambda stream: stream.partial(skip_around=True))
    assert do not in str(inside.raised)


@pytest.mark.parametrize(
    "before", [lambda s: next(s.text()), lambda s: list(s.text()), lambda s: s.until_done(), lambda s: s.response]
)
def test_it_begins_with_the_first_character_also_if_that_has_passed(before: Callable[[Any], Any]) -> None:
    stream = ChatStream(FakeSource([*content(*CITIES), END]))
    before(stream)
    assert json.loads("".join(CITIES)) == list(stream.partial())[-1]
    assert [BERLIN, ROME] == list(stream.items("$.items[*]"))


def test_two_ways_of_reading_see_the_same_json() -> None:
    stream = ChatStream(FakeSource([*content(*CITIES), END]))
    values, items = stream.partial(), stream.items("$.items[*]")
    assert {"items": [{"city": "Ber"}]} == next(values)
    assert [BERLIN, ROME] == list(items)
    assert {"items": [BERLIN, ROME], "n": 2} == list(values)[-1]


def test_what_was_yielded_does_not_change() -> None:
    stream = ChatStream(FakeSource([*content(*CITIES), END]))
    first = next(stream.partial())
    stream.until_done()
    assert {"items": [{"city": "Ber"}]} == first


async def test_a_choice_without_content_yields_nothing() -> None:
    seen = await both([sse(delta('{"refusal":"no"}')), END], lambda stream: stream.partial())
    assert ([], None) == (seen.pieces, seen.raised)


# --- how it ends


async def test_a_stream_that_breaks_off_raises_its_own_error_after_what_arrived() -> None:
    seen = await both(content(*CITIES[:3]), lambda stream: stream.items("$.items[*]"))
    assert [BERLIN] == seen.pieces
    assert isinstance(seen.raised, TruncatedError)
    assert "".join(CITIES[:3]) == seen.raised.partial.choices[0].message.content  # type: ignore[union-attr]


async def test_the_error_of_a_sender_is_raised_after_what_arrived() -> None:
    seen = await both([*content(*CITIES[:1]), ERROR], lambda stream: stream.partial())
    assert [{"items": [{"city": "Ber"}]}] == seen.pieces
    assert isinstance(seen.raised, RemoteError)


async def test_content_that_ends_before_its_json_raises_with_the_place_and_the_finish_reason() -> None:
    cut = sse(delta(finish="length")) + DONE
    seen = await both([*content(*CITIES[:2]), cut], lambda stream: stream.partial())
    assert {"items": [{"city": "Berlin"}]} == seen.pieces[-1]
    message = "the content of choice 0 is not whole JSON: the text ended in the middle after 40 characters; its finish reason is"
    assert f"{message} length ($.items[0].size)" == str(seen.raised)
    assert isinstance(seen.raised, FormatError)
    assert seen.raised.partial is not None
    assert seen.raised.emitted


async def test_content_that_stops_being_json_raises_after_what_arrived_and_only_once() -> None:
    blocks = [*content('[1, 2, x, "y"]', ", 3]"), END]
    seen = await both(blocks, lambda stream: stream.items("$[*]"))
    assert [1, 2] == seen.pieces
    assert "the content of choice 0 stops being JSON: expected a value after 7 characters ($[2]): 'x'" == str(
        seen.raised
    )
    stream = ChatStream(FakeSource(blocks))
    items = stream.items("$[*]")
    assert [1, 2] == [next(items), next(items)]
    with pytest.raises(FormatError, match="stops being JSON"):
        next(items)
    assert [] == list(items)
    assert "complete" == stream.until_done().name


async def test_a_choice_that_is_not_there_is_reported() -> None:
    seen = await both([*content("[]"), END], lambda stream: stream.partial(1))
    assert isinstance(seen.raised, MisuseError)
    assert "this stream has no choice 1" in str(seen.raised)


def test_after_leaving_there_is_no_more() -> None:
    stream = ChatStream(FakeSource([*content(*CITIES), END]))
    items = stream.items("$.items[*]")
    stream.close()
    with pytest.raises(MisuseError, match="was closed before it ended"):
        next(items)


# --- elements


@attrs.frozen
class City:
    city: str
    size: int


@dataclasses.dataclass
class DataCity:
    city: str
    size: int


class TypedCity(TypedDict):
    city: str
    size: int


@pytest.mark.parametrize("into", [City, DataCity, TypedCity, dict[str, Any], None])
async def test_each_element_is_made_as_soon_as_it_is_whole(into: Any) -> None:
    made = (lambda **fields: fields) if into is None else into
    seen = await both([*content(*CITIES), END], lambda stream: stream.items("$.items[*]", into=into))
    assert ([made(**BERLIN), made(**ROME)], None) == (seen.pieces, seen.raised)
    source = FakeSource([*content(*CITIES), END])
    assert made(**BERLIN) == next(ChatStream(source).items("$.items[*]", into=into))
    assert 3 == source.reads


async def test_a_pydantic_model_is_made_too() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("City", city=str, size=int)
    seen = await both([*content(*CITIES), END], lambda stream: stream.items("$.items[*]", into=model))
    assert [model(**BERLIN), model(**ROME)] == seen.pieces
    refused = await both([*content('[{"city": "Rome", "size": "x"}]'), END], lambda s: s.items("$[*]", into=model))
    assert isinstance(refused.raised, ValidationError)
    assert (1, "$[0].size") == (refused.raised.item, refused.raised.problems[0].path)
    assert str(refused.raised).startswith("item 1 is not a City: invalid value, expected a valid integer")


@pytest.mark.parametrize(
    ("expected", "path"),
    [
        (["Berlin", "Rome"], "$.items[*].city"),
        ([ROME], "$.items[1]"),
        ([3600, 28], "$.items[*].size"),
        ([[BERLIN, ROME]], "$.items"),
        (["Berlin", 3600], "$.items[0].*"),
        ([], "$.other[*]"),
    ],
)
async def test_any_path_can_be_asked_for(expected: list[Any], path: str) -> None:
    seen = await both([*content(*CITIES), END], lambda stream: stream.items(path))
    assert expected == seen.pieces


async def test_an_element_may_be_null() -> None:
    seen = await both([*content("[null, 1, null]"), END], lambda stream: stream.items("$[*]"))
    assert [None, 1, None] == seen.pieces


def test_an_element_that_does_not_match_is_named_and_the_next_one_follows() -> None:
    stream = ChatStream(FakeSource([*content('{"a": [{"city": "X"}, ', '{"city": "Rome", "size": 28}]}'), END]))
    items = stream.items("$.a[*]", into=City)
    with pytest.raises(ValidationError) as caught:
        next(items)
    assert "item 1 is not a City: invalid value, expected int @ $.a[0].size, got nothing" == str(caught.value)
    assert (1, "$.a[0].size") == (caught.value.item, caught.value.problems[0].path)
    assert [City("Rome", 28)] == list(items)


def test_a_class_that_raises_by_itself_takes_no_other_element_with_it() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Even(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        n: int

        def model_post_init(self, _: Any) -> None:
            if self.n % 2:
                raise TypeError("odd")

    stream = ChatStream(FakeSource([*content('[{"n": 1}, {"n": 2}, {"n": 3}]'), END]))
    items = stream.items("$[*]", into=Even)
    with pytest.raises(TypeError, match="odd"):
        next(items)
    assert 2 == next(items).n


async def test_an_async_iteration_continues_after_an_element_that_does_not_match_too() -> None:
    async with AsyncChatStream(
        AsyncFakeSource([*content('[{"city": 1, "size": 1}, {"city": "Rome", "size": 28}]'), END])
    ) as stream:
        items = stream.items("$[*]", into=City)
        with pytest.raises(ValidationError, match=r"expected str @ \$\[0\]\.city, got 1"):
            await anext(items)
        assert [City("Rome", 28)] == [city async for city in items]


class Unknown:
    pass


@dataclasses.dataclass
class Dated:
    city: str
    founded: Unknown | None = None


@dataclasses.dataclass
class Holding:
    inside: Unknown


def test_an_element_that_does_not_match_says_that_some_of_the_answer_was_received() -> None:
    stream = ChatStream(FakeSource([*content('[{"city": "Rome", "size": 28}, {"city": "X"}]'), END]))
    items = stream.items("$[*]", into=City)
    assert City("Rome", 28) == next(items)
    with pytest.raises(ValidationError) as caught:
        next(items)
    assert (True, None) == (caught.value.emitted, caught.value.partial)


@pytest.mark.parametrize(("element", "got"), [("7", "7"), ("null", "null"), ("[]", "a list of 0"), ('"x"', '"x"')])
@pytest.mark.parametrize("into", [City, DataCity, TypedCity, Dated])
def test_an_element_that_is_not_an_object_is_shown(into: Any, element: str, got: str) -> None:
    items = ChatStream(FakeSource([*content(f"[{element}]"), END])).items("$[*]", into=into)
    with pytest.raises(ValidationError) as caught:
        next(items)
    name = into.__name__
    assert f"item 1 is not a {name}: invalid value, expected {name} @ $[0], got {got}" == str(caught.value)


def test_a_class_that_cattrs_does_not_know_is_named_with_what_to_do() -> None:
    do = "register one, by streamkit.codec.converter.register_structure_hook, or take a pydantic model for the whole"
    with pytest.raises(MisuseError) as caught:
        ChatStream(FakeSource([])).items("$[*]", into=Holding)
    assert str(caught.value).endswith(f"Holding'>: cattrs has no hook for {Unknown!r}: {do}")
    blocks = [*content('[{"city": "A"}, {"city": "B", "founded": "1237-10-28"}, {"city": "C"}]'), END]
    items = ChatStream(FakeSource(blocks)).items("$[*]", into=Dated)
    assert Dated("A") == next(items)  # cattrs looks for the hook of an optional field when it has a value
    with pytest.raises(MisuseError) as caught:
        next(items)
    assert f"Dated cannot be structured: cattrs has no hook for {Unknown!r}: {do}" == str(caught.value)


def test_a_hook_of_the_callers_makes_what_cattrs_does_not_know() -> None:
    @dataclasses.dataclass
    class When:
        day: datetime.time

    codec.converter.register_structure_hook(datetime.time, lambda value, _: datetime.time.fromisoformat(value))
    items = ChatStream(FakeSource([*content('[{"day": "10:30"}, {"day": "noon"}]'), END])).items("$[*]", into=When)
    assert When(datetime.time(10, 30)) == next(items)
    with pytest.raises(ValidationError, match=r"expected time @ \$\[1\]\.day, got ValueError: Invalid isoformat"):
        next(items)


async def test_what_pydantic_says_is_a_sentence() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Even(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        n: int

        @pydantic.field_validator("n")  # type: ignore[untyped-decorator]
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("odd")
            return value

    for text, said in (
        ('[{"n": 1}]', "expected what Even accepts (Value error, odd) @ $[0].n, got 1"),
        ("[{}]", "expected a value @ $[0].n, got nothing"),
    ):
        refused = await both([*content(text), END], lambda stream: stream.items("$[*]", into=Even))
        assert f"item 1 is not a Even: invalid value, {said}" == str(refused.raised)


def test_a_long_key_of_a_sender_makes_no_long_message() -> None:
    stream = ChatStream(FakeSource([*content(json.dumps({"k" * 5000: {"city": 1, "size": 1}})), END]))
    with pytest.raises(ValidationError) as caught:
        next(stream.items("$.*", into=City))
    assert len(str(caught.value)) < 400
    assert "$." + "k" * 5000 + ".city" == caught.value.problems[0].path
    stream = ChatStream(FakeSource([*content('{"' + "k" * 5000 + '": x'), END]))
    with pytest.raises(FormatError) as broken:
        list(stream.partial())
    assert len(str(broken.value)) < 500
    assert "$." + "k" * 5000 == broken.value.path


@pytest.mark.parametrize("into", [5, "City", City("a", 1), object(), lambda value: value])
def test_what_is_not_a_type_is_refused_before_anything_is_read(into: Any) -> None:
    source = FakeSource([*content(*CITIES), END])
    with pytest.raises(
        MisuseError, match=r"into= takes a type: an attrs class, a dataclass, a TypedDict, a pydantic model"
    ):
        ChatStream(source).items("$[*]", into=into)
    assert 0 == source.reads


@pytest.mark.parametrize("arguments", [{"path": "items"}, {"path": "$", "choice": -1}, {"path": "$", "skip_around": 1}])
def test_an_argument_that_cannot_be_is_refused_before_anything_is_read(arguments: Any) -> None:
    source = FakeSource([*content(*CITIES), END])
    with pytest.raises(MisuseError, match=r"(path|choice|skip_around)= takes "):
        ChatStream(source).items(**arguments)
    assert 0 == source.reads


# --- peeking


async def test_the_arguments_of_a_call_can_be_peeked_at_while_the_stream_is_read() -> None:
    def call(piece: str) -> bytes:
        opening = '"id":"c","type":"function",'
        return sse(
            delta(
                f'{{"tool_calls":[{{"index":0,{opening}"function":{{"name":"f","arguments":{json.dumps(piece)}}}}}]}}'
            )
        )

    script = [call('{"city": "Ber'), call('lin"}'), sse(delta(finish="tool_calls")) + DONE]
    seen: list[Any] = []
    stream = ChatStream(FakeSource(script))
    for _ in stream:
        seen.append(stream.peek())
    assert [{"city": "Ber"}, {"city": "Berlin"}] == [value for at, value in enumerate(seen) if value not in seen[:at]]
    async with AsyncChatStream(AsyncFakeSource(script)) as other:
        await anext(other)
        assert {"city": "Ber"} == other.peek()
