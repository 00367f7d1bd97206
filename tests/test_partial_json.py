"""What is shown of JSON that is growing: the rules at the head of the module, at every cut."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import jiter
import pytest

from helpers.json_texts import json_text, spoiled
from helpers.measure import best
from helpers.tier import FACTOR, scaled
from streamkit import FormatError, MisuseError
from streamkit.partial_json import NotJSON, PartialJSON, Path, PathEvent, StringDelta, ValueDone, ValueStarted

SEED = 0 if FACTOR <= 1 else random.randrange(10**9)


def drawn(count: int) -> Iterator[random.Random]:
    """One source of randomness for each example: the same ones in every run, until more than all are asked for."""
    return (random.Random(SEED + number) for number in range(scaled(count)))


def read(text: str, size: int | None = None, **options: Any) -> tuple[PartialJSON, list[PathEvent]]:
    """Feed all of `text`, in pieces of `size` characters, and close."""
    growing = PartialJSON(**options)
    size = size or len(text) or 1
    events = [event for at in range(0, len(text), size) for event in growing.feed(text[at : at + size])]
    return growing, events + growing.close()


# --- at every cut


def test_what_is_shown_at_every_cut_is_what_jiter_reads_of_the_text_so_far_but_for_a_number_that_is_not_whole() -> None:
    # STREAMKIT_EXAMPLES=50 looks at 100,000 documents
    if jiter.from_json(b'["a\\', partial_mode="trailing-strings") != ["a"]:
        pytest.skip("this jiter drops a string that is cut in an escape")
    for draw in drawn(2000):
        text = json_text(draw)
        growing, numbers = PartialJSON(), PartialJSON(unfinished_numbers=True)
        for end, character in enumerate(text, 1):
            growing.feed(character)
            numbers.absorb(character)
            so_far = text[:end]
            assert from_scratch(so_far, r"-?[0-9][-+0-9.eE]*\Z") == growing.value, so_far
            assert from_scratch(so_far, r"(?<=[0-9])(\.|[eE][+-]?)\Z") == numbers.value, so_far
            assert growing.snapshot() == growing.value
            assert growing.error is numbers.error is None
        growing.close()
        assert growing.complete
        assert same(json.loads(text), growing.value)


def from_scratch(text: str, tail: str) -> Any:
    """What jiter reads of a text that was cut, without the part of a number at its end that fits `tail`."""
    if re.fullmatch(r'(?:[^"]|"(?:[^"\\]|\\.)*+")*+', text, re.DOTALL):  # the end is not in a string
        text = re.sub(tail, "", text)
    if not text.strip():
        return None
    return jiter.from_json(text.encode(), partial_mode="trailing-strings") if is_more_than_a_word(text) else None


def is_more_than_a_word(text: str) -> bool:
    """Jiter refuses a document of which nothing can be shown: `-`, `tru`."""
    return text.strip() not in {
        word[:end] for word in ("true", "false", "null", "-") for end in range(1, len(word))
    } | {"-"}


def same(one: Any, other: Any) -> bool:
    """Equal, in the same order, and of the same types: 1 is not 1.0."""
    return json.dumps(one) == json.dumps(other)


def test_the_events_are_the_same_whatever_the_cut_and_make_the_document() -> None:
    for draw in drawn(1000):
        text = json_text(draw)
        whole, events = read(text)
        assert same(json.loads(text), whole.value)
        assert same(json.loads(text), rebuilt(events))
        for size in (1, 2, 3, 7):
            cut, pieces = read(text, size)
            assert same(whole.value, cut.value)
            assert joined(events) == joined(pieces)


def rebuilt(events: list[PathEvent]) -> Any:
    """The document, made of what began and grew, and of numbers and literals; checked against what was whole."""
    root: list[Any] = []

    def put(path: Path, value: Any) -> None:
        into: Any = root
        *outer, last = (0, *path.parts)
        for part in outer:
            into = into[part]
        if isinstance(into, list):
            into[last:] = [value]  # type: ignore[misc]
        else:
            into[last] = value

    def at(path: Path) -> Any:
        value: Any = root
        for part in (0, *path.parts):
            value = value[part]
        return value

    open_strings: set[Path] = set()
    for event in events:
        match event:
            case ValueStarted(path, kind):
                put(path, {"object": {}, "array": [], "string": ""}[kind])
                open_strings |= {path} if kind == "string" else set()
            case StringDelta(path, text):
                assert text
                put(path, at(path) + text)
            case ValueDone(path, value) if isinstance(value, (str, dict, list)):
                assert value == at(path)
                open_strings -= {path}
            case ValueDone(path, value):
                put(path, value)
    assert set() == open_strings
    return root[0]


def joined(events: list[PathEvent]) -> list[PathEvent]:
    """The events, with consecutive pieces of a string as one."""
    row: list[PathEvent] = []
    for event in events:
        if isinstance(event, StringDelta) and row and isinstance(last := row[-1], StringDelta):
            row[-1] = StringDelta(event.path, last.text + event.text)
        else:
            row.append(event)
    return row


def test_what_is_json_and_what_is_not_is_what_json_says_and_the_place_is_the_same_whatever_the_cut() -> None:
    refused = 0
    for draw in drawn(3000):
        text = spoiled(draw, json_text(draw))
        growing, _ = read(text)
        cut, _ = read(text, 1)
        assert growing.error == cut.error
        assert same(growing.value, cut.value)
        assert growing.complete == cut.complete == is_json(text), text
        assert growing.complete != (growing.error is not None)
        if growing.error is not None:
            refused += 1
            before, _ = read(text[: growing.error.offset])
            assert before.error is None or "the text ended" in before.error.reason
    assert refused > scaled(500)


def is_json(text: str) -> bool:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


# --- events and values, one by one


def test_a_document_in_pieces_is_reported_value_by_value() -> None:
    growing = PartialJSON()
    assert [ValueStarted(path("$"), "object"), ValueStarted(path("$", "items"), "array")] == growing.feed('{"items": [')
    city = path("$", "items", 0, "city")
    started = [ValueStarted(path("$", "items", 0), "object"), ValueStarted(city, "string"), StringDelta(city, "Ber")]
    assert started == growing.feed('{"city": "Ber')
    assert {"items": [{"city": "Ber"}]} == growing.value
    assert [StringDelta(city, "lin"), ValueDone(city, "Berlin")] == growing.feed('lin", "si')
    assert [] == growing.feed('ze": 36')
    assert {"items": [{"city": "Berlin"}]} == growing.value
    done = growing.feed("00}]}")
    assert ["$.items[0].size", "$.items[0]", "$.items", "$"] == [str(event.path) for event in done]
    assert ValueDone(path("$", "items", 0, "size"), 3600) == done[0]
    assert ([], True, None) == (growing.close(), growing.complete, growing.error)


def test_events_are_values() -> None:
    _, events = read('{"a": ["x", 1], "b": "x"}')
    _, again = read('{"a": ["x", 1], "b": "x"}')
    assert events == again
    assert set(events) == set(again)
    assert len(events) == len(set(events))
    with pytest.raises(AttributeError):
        events[0].kind = "array"  # type: ignore[misc, union-attr]


def path(_: str, *parts: str | int) -> Path:
    """The path of these parts, found by reading a document that has it."""
    text, end = "", ""
    for part in parts:
        text += f'{{"{part}":' if isinstance(part, str) else "[" + "0," * part
        end = ("}" if isinstance(part, str) else "]") + end
    _, events = read(text + "0" + end)
    (found,) = [event.path for event in events if isinstance(event, ValueDone) and event.path.parts == parts]
    return found


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ({}, '{"a'),
        ({}, '{"a"'),
        ({}, '{"a": '),
        ({"a": ""}, '{"a": "'),
        ({"a": []}, '{"a": ['),
        ({}, '{"a": 1'),
        ({"a": 1}, '{"a": 1 '),
        ({"a": 1}, '{"a": 1,'),
        ({"a": 1}, '{"a": 1, "a": 2'),
        ({"a": "x"}, '{"a": 1, "a": "x'),
        ([], "[tru"),
        ([True], "[true"),
        (["x"], '["x\\'),
        (["x"], '["x\\u004'),
        (["xA"], '["x\\u0041'),
        (["x"], '["x\\ud83d'),
        (["x"], '["x\\ud83d\\ude0'),
        (["x😀"], '["x\\ud83d\\ude00'),
        (None, ""),
        (None, " "),
        (None, "12"),
        (12, "12 "),
        ("x", '"x'),
    ],
)
def test_what_is_shown_of_what_is_not_whole(shown: Any, text: str) -> None:
    whole, cut = PartialJSON(), PartialJSON()
    whole.feed(text)
    for character in text:
        cut.feed(character)
        assert cut.snapshot() == cut.value
    assert (shown, shown) == (whole.value, cut.value)
    assert (shown is not None) == whole.started


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ([], "[-"),
        ([0], "[0"),
        ([12], "[12"),
        ([12], "[12."),
        ([12.5], "[12.5"),
        ([12.5], "[12.5e+"),
        ({"a": -1}, '{"a":-1'),
    ],
)
def test_a_number_that_is_not_whole_is_shown_where_asked_for(shown: Any, text: str) -> None:
    growing = PartialJSON(unfinished_numbers=True)
    for character in text:
        growing.feed(character)
        _ = growing.value
    assert shown == growing.value == growing.snapshot()


@pytest.mark.parametrize(
    ("shown", "text"),
    [(12, "[12.x]"), (12, "[12."), (12.5, "[12.5e]"), (int("9" * 4300), "[" + "9" * 4400 + "]")],
    ids=["no fraction", "cut", "no exponent", "too long"],
)
def test_what_is_shown_of_a_number_that_is_not_one_does_not_depend_on_the_cut(shown: float, text: str) -> None:
    for size in (None, 1):
        growing = PartialJSON(unfinished_numbers=True)
        for piece in [text[at : at + (size or len(text))] for at in range(0, len(text), size or len(text))]:
            growing.feed(piece)
            _ = growing.value
        growing.close()
        assert ([shown], False) == (growing.value, growing.complete)


def test_a_document_that_is_a_number_is_whole_at_the_end_of_the_text() -> None:
    growing = PartialJSON()
    growing.feed("12")
    assert not growing.complete
    assert [ValueDone(path("$"), 12)] == growing.close()
    assert (12, True) == (growing.value, growing.complete)
    assert [] == growing.close()


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("\ufffd", r'"\ud83d"'),
        ("\ufffdx", r'"\ud83dx"'),
        ("\ufffd", r'"\ude00"'),
        ("\ufffd😀", r'"\ud83d\ud83d\ude00"'),
        ("😀", '"\ud83d\ude00"'),
        ("\ufffd", '"\ude00"'),
        ({"\ufffd": 1}, r'{"\ud83d": 1}'),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced_wherever_the_text_is_cut(shown: Any, text: str) -> None:
    assert [shown] * 2 == [read(text, size)[0].value for size in (None, 1)]


def test_the_value_is_the_growing_one_and_a_snapshot_stays_as_it_is() -> None:
    growing = PartialJSON()
    growing.feed('{"done": [1], "items": [{"name": "a')
    live, kept = growing.value, growing.snapshot()
    growing.feed('b"}, {"name": "c"')
    assert {"done": [1], "items": [{"name": "a"}]} == kept
    assert {"done": [1], "items": [{"name": "ab"}, {"name": "c"}]} == growing.value
    assert live is growing.value
    assert kept["done"] is growing.value["done"]  # what is whole is shared


def test_a_string_that_the_caller_keeps_does_not_grow() -> None:
    growing = PartialJSON()
    growing.feed('{"text": "')
    kept = []
    for character in "growing":
        growing.feed(character)
        kept.append(growing.value["text"])
    assert ["g", "gr", "gro", "grow", "growi", "growin", "growing"] == kept


def test_absorbing_reads_the_same_and_creates_no_events() -> None:
    growing = PartialJSON()
    growing.absorb('{"a": [1, "x')
    assert {"a": [1, "x"]} == growing.value
    assert [StringDelta(path("$", "a", 1), "y"), ValueDone(path("$", "a", 1), "xy")] == growing.feed('y"')


def test_infinities_and_nan_are_read_where_asked_for() -> None:
    text = "[NaN, Infinity, -Infinity, -1]"
    assert "expected a value" == error_of(read(text)[0]).reason
    for size in (None, 1):
        assert "[nan, inf, -inf, -1]" == repr(read(text, size, allow_nan=True)[0].value)
    assert "[nan]" == repr(read("[NaN]", 1, allow_nan=True)[0].value)


# --- what is not JSON


@pytest.mark.parametrize(
    ("shown", "offset", "where", "reason", "text"),
    [
        ([1], 3, "$[1]", "expected a value", "[1,]"),
        ([1], 3, "$", "expected , or ] after a value", "[1 2]"),
        ([0], 2, "$", "expected , or ] after a value", "[01]"),
        ([], 2, "$[0]", "expected a digit", "[-]"),
        ([], 3, "$[0]", "expected a digit", "[1.]"),
        ({}, 5, "$", "expected : after a key", '{"a" 1}'),
        ({"a": 1}, 7, "$", "expected a key in double quotes", '{"a":1,}'),
        ({"a": 1}, 7, "$", "expected , or } after a value", '{"a": 1]'),
        ({}, 1, "$", "expected a key in double quotes, or }", "{a: 1}"),
        ({"a": [{}]}, 13, "$.a[0].b", "expected true", '{"a":[{"b":trie}]}'),
        (["x"], 3, "$[0]", "expected an escape of JSON", '["x\\x41"]'),
        (["x"], 3, "$[0]", "expected an escape of JSON", '["x\\u00g0"]'),
        (["x"], 3, "$[0]", "expected no control character in a string, but its escape", '["x\n"]'),
        ({"a": 1}, 9, "$", "expected nothing after the JSON", '{"a": 1} x'),
        (None, 0, "$", "the text ended before the JSON began", ""),
        (None, 2, "$", "the text ended before the JSON began", "  "),
        ({"a": ["x"]}, 8, "$.a[0]", "the text ended in the middle", '{"a":["x'),
    ],
)
def test_the_place_at_which_the_text_stops_being_json_is_named_and_what_arrived_stays(
    shown: Any, offset: int, where: str, reason: str, text: str
) -> None:
    for size in (None, 1):
        growing, _ = read(text, size)
        error = error_of(growing)
        assert (shown, False) == (growing.value, growing.complete)
        assert (offset, where, reason) == (error.offset, str(error.path), error.reason)
        assert text[offset : offset + 1] == error.found
        assert f"(character {offset}, {error.path})" in str(error)


def error_of(growing: PartialJSON) -> NotJSON:
    assert growing.error is not None
    return growing.error


def test_after_an_error_the_rest_is_ignored() -> None:
    growing = PartialJSON()
    assert [ValueStarted(path("$"), "array"), ValueDone(path("$", 0), 1)] == growing.feed("[1, x")
    error = growing.error
    assert ([], [], [1]) == (growing.feed(', 2, "a'), growing.close(), growing.value)
    assert error is growing.error


def test_strict_raises_where_the_text_stops_being_json() -> None:
    growing = PartialJSON(strict=True)
    growing.feed('{"a": ["x", ')
    with pytest.raises(FormatError, match=r"not JSON: expected a value after 12 characters \(\$\.a\[1\]\): ']'"):
        growing.feed("]")
    assert ({"a": ["x"]}, []) == (growing.value, growing.feed("]"))
    with pytest.raises(FormatError, match="the text ended in the middle"):
        read('{"a": ["x"', strict=True)


def test_limits_stop_it_and_what_arrived_stays() -> None:
    assert "expected at most 2 levels" == error_of(read("[[[1]]]", 1, max_depth=2)[0]).reason
    assert read("[[1]]", 1, max_depth=2)[0].complete
    many = read("[1,2,3,4]", 1, max_values=3)[0]
    assert ([1, 2, 3], "expected at most 3 values") == (many.value, error_of(many).reason)
    for size in (None, 1):
        digits = read('{"a": ' + "9" * 4301 + "}", size)[0]
        assert (6, "$.a") == (error_of(digits).offset, str(error_of(digits).path))
        assert read('{"a": -' + "9" * 4300 + "}", size)[0].complete


def test_nothing_is_read_after_close() -> None:
    growing, _ = read("[1]")
    assert [] == growing.feed("")
    with pytest.raises(MisuseError, match="create a new one for the next"):
        growing.feed(" ")


def test_bytes_are_refused_with_what_to_do() -> None:
    with pytest.raises(MisuseError, match="as str, not bytes: decode bytes across pieces first"):
        PartialJSON().feed(b"{}")  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["skip_around", "unfinished_numbers", "allow_nan", "strict"])
def test_an_option_takes_true_or_false(option: str) -> None:
    with pytest.raises(MisuseError, match=f"{option}= takes True or False, not 'no'"):
        PartialJSON(**{option: "no"})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["max_depth", "max_values"])
def test_a_limit_is_a_whole_number(option: str) -> None:
    with pytest.raises(MisuseError, match=f"{option}= takes a whole number from 1, not 0"):
        PartialJSON(**{option: 0})  # type: ignore[arg-type]


def test_it_shows_its_state() -> None:
    growing = PartialJSON()
    assert "<PartialJSON empty characters=0 values=0>" == repr(growing)
    growing.feed("[1, ")
    assert "<PartialJSON running characters=4 values=2>" == repr(growing)
    growing.feed("2]")
    assert "<PartialJSON complete characters=6 values=3>" == repr(growing)
    growing.feed("x")
    assert "<PartialJSON failed characters=7 values=3>" == repr(growing)
    assert "<PartialJSON not ready>" == repr(PartialJSON.__new__(PartialJSON))


# --- text around the document


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ({"a": [1]}, 'Here you are:\n```json\n{"a": [1]}\n```\nAnything else? {"b": 2} ]'),
        ({"a": "b"}, 'use {name}, [x], [[ or { "name" } like this: {"a": "b"}'),
        ([{"a": 1}], '<think>{? no: {x}</think> [{"a": 1}]'),
        ([], "an empty list: []."),
        ([1], "a citation [1] is an array, and wins: {}"),
        ({"a": None}, '[trie] {"a": null}'),
    ],
)
def test_text_around_the_document_is_skipped_where_asked_for(shown: Any, text: str) -> None:
    whole, events = read(text, skip_around=True)
    cut, pieces = read(text, 1, skip_around=True)
    assert (shown, shown) == (whole.value, cut.value)
    assert whole.complete
    assert cut.complete
    assert joined(events) == joined(pieces)
    assert shown == rebuilt(events)
    assert not read(text)[0].complete


def test_nothing_is_shown_of_what_may_be_prose() -> None:
    growing = PartialJSON(skip_around=True)
    assert ([], None, None, False) == (growing.feed("see {["), growing.value, growing.snapshot(), growing.started)
    assert ["$", "$.a"] == [str(event.path) for event in growing.feed('. {"a": "b')][:2]
    assert ({"a": "b"}, True) == (growing.value, growing.started)


@pytest.mark.parametrize(
    ("shown", "offset", "text"),
    [
        ({"a": 1}, 15, 'Here: {"a": 1, b} {"a": 2}'),
        ({"a": {}}, 20, '{"a": "", "a": {"b":, "c": 1}}'),  # a key that is written twice: its first value was shown
    ],
)
def test_a_document_of_which_something_was_shown_is_not_taken_for_prose(shown: Any, offset: int, text: str) -> None:
    for size in (None, 1):
        growing, _ = read(text, size, skip_around=True)
        assert (shown, offset) == (growing.value, error_of(growing).offset)


def test_the_document_that_is_found_in_any_text_is_the_same_whatever_the_cut() -> None:
    for draw in drawn(500):
        text = "".join(draw.choices(["{", "}", "[", "]", '"', "a", ":", ",", "1", " ", "true", "tr", "\\"], k=12))
        text += spoiled(draw, json_text(draw, 2))
        whole, events = read(text, skip_around=True)
        cut, pieces = read(text, 1, skip_around=True)
        assert (whole.error, whole.value, joined(events)) == (cut.error, cut.value, joined(pieces))


def test_text_without_json_has_none() -> None:
    growing, events = read("I cannot do that.", skip_around=True)
    assert ([], None, "the text ended before the JSON began") == (events, growing.value, error_of(growing).reason)


# --- cost


def in_pieces(text: str) -> Any:
    return [text[at : at + 16] for at in range(0, len(text), 16)]


HOSTILE: dict[str, Callable[[int], str]] = {
    "one string": lambda n: '{"a": "' + "x" * n,
    "escapes": lambda n: '["' + '\\n\\"' * (n // 4),
    "halves": lambda n: '["' + "\\ud83d" * (n // 6),
    "a key": lambda n: '{"' + "k\\t" * (n // 3),
    "a number": lambda n: "[0." + "1" * n,
    "members": lambda n: "{" + "".join(f'"k{at}":{at},' for at in range(n // 12)),
    "items": lambda n: "[" + '{"a":"b"},' * (n // 10),
    "levels": lambda n: "[" * n,
    "blanks": lambda n: "[" + " " * n,
    "prose": lambda n: "[{" * (n // 2),
    "not JSON": lambda n: "[x" * (n // 2),
    "no keys": lambda n: '{"a\x01' * (n // 4),
}


AROUND = (
    "levels",
    "prose",
    "not JSON",
    "no keys",
)  # those that go another way where text around the document is skipped


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    ("shape", "skip_around"), [*((shape, False) for shape in HOSTILE), *((shape, True) for shape in AROUND)]
)
def test_four_times_the_text_costs_four_times_as_much(shape: str, skip_around: bool) -> None:
    def consume(pieces: Any) -> None:
        growing = PartialJSON(
            skip_around=skip_around, max_depth=10**6 if shape == "levels" and not skip_around else 200
        )
        for piece in pieces:
            growing.feed(piece)
            _ = growing.value

    text = HOSTILE[shape]
    once, four_times = best(consume, in_pieces(text(4_000)), in_pieces(text(16_000)), enough=6)
    assert four_times < 8 * once
