"""The table of the state is whole: every attribute of every object that an accumulator holds is in it, or is named with
the reason why it is not."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from helpers.corpus import TRACES
from helpers.wire import calls, choice, chunk, delta, sse
from streamkit import Accumulator, Dialect, RemoteError, Rule, events
from streamkit._checkpoint.endings import ERRORS
from streamkit._checkpoint.field_kinds import HOLDERS, RECORDS
from streamkit._checkpoint.records import REQUIRED, Record
from streamkit._checkpoint.states import TABLE
from streamkit._checkpoint.waiting import FIELDS, fields_of
from streamkit._fast.lane import Lane
from streamkit._fold.fields import NoteHalf

EVERY = (*TABLE, *RECORDS.values(), *HOLDERS)

# Objects that an accumulator holds and that have no record.
WITHOUT = {
    Accumulator: "test_every_attribute_of_the_accumulator_itself_is_known",
    Lane: "the fast lane learns again",
    NoteHalf: "follows from the path of its text",
}


def attributes_of(kind: type[Any]) -> set[str]:
    """Every attribute that the source of a class assigns to itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


@pytest.mark.parametrize("record", EVERY, ids=lambda record: record.kind.__name__)
def test_every_attribute_is_in_the_document_or_has_a_reason_not_to_be(record: Record) -> None:
    known = {slot.attribute for slot in record.slots} | record.beside.keys()
    attributes = attributes_of(record.kind)
    assert set() == attributes - known, f"add these to the record of {record.kind.__name__} in _checkpoint"
    assert set() == record.beside.keys() - attributes, "attributes that are not there any more"


def test_every_attribute_of_the_accumulator_itself_is_known() -> None:
    # The reader holds the assembler; `closed` and `overran` are members of the state, `converted` and `path_events` (whether
    # there is something to `follow`) of the options. What is read of growing arguments is read again from the text.
    written = {"_assembler", "_reader", "_closed", "_overran", "_converted"}
    assert written | {"_reducer", "_busy", "_follow", "_growing"} == attributes_of(Accumulator)


def reached(value: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """Every object of ours that is not frozen, from `value` on."""
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type)):
        return
    seen[id(value)] = value
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = list(value)
    elif type(value).__module__.startswith("streamkit.") and not attrs.has(type(value)):
        if isinstance(value, Exception):
            return
        yield value
        if type(value) in WITHOUT and type(value) is not Accumulator:
            return
        names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
        inner = [getattr(value, name, None) for name in (*names, *getattr(value, "__dict__", ()))]
    else:
        return
    for one in inner:
        yield from reached(one, seen)


STREAMS = [
    b"".join(trace.body for trace in TRACES[:1]),
    sse(*calls('{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"x":{"y":1}}')[:1]),
    sse(delta('{"content":"a","x":{"a":"b","n":[1]},"citation":{"title":"a"},"t":"1"}'),
        delta('{"content":"b","x":{"a":"c"},"citation":{"title":"b"},"t":5}')),
    sse(delta('{"reasoning_details":[{"type":"r","index":0,"text":"a"}],"audio":{"data":"QQ=="},"obfuscation":"x"}')),
    sse(delta('{"content":"\\ud83d","function_call":{"name":"f","arguments":"\\ud83d"}}')),
    sse(chunk(choice(more='"logprobs":{"content":[{"token":"a","logprob":0,"bytes":null,"top_logprobs":[]}]}'))),
    sse(chunk(more='"usage":{"prompt_tokens":1}')), b"<html", b"data: {",
]  # fmt: skip


@pytest.mark.parametrize("stream", STREAMS, ids=range(len(STREAMS)))
@pytest.mark.parametrize(
    "options",
    [{}, {"dialect": Dialect(cumulative_text=True, think_tags=True, doubled_arguments=True)}, {"strict": True}],
    ids=["plain", "dialect", "strict"],
)
def test_every_object_that_an_accumulator_holds_has_a_record(stream: bytes, options: dict[str, Any]) -> None:
    accumulator = Accumulator(**options)
    try:
        accumulator.feed(stream)
    except Exception:
        assert options.get("strict")
    kinds = {record.kind for record in EVERY} | WITHOUT.keys()
    found = {type(one) for one in reached(accumulator, {})}
    found = {kind for kind in found if not issubclass(kind, Rule)}
    assert set() == {kind.__name__ for kind in found - kinds}


def test_a_slot_left_out_has_the_value_of_a_new_object() -> None:
    # What is blank in the table is what the class sets, or a restored object would differ where nothing is written.
    objects = {type(one): one for one in reached(Accumulator(), {})}
    checked = set()
    for record in EVERY:
        new = objects.get(record.kind)
        for slot in record.slots if new is not None else ():
            if slot.blank is not REQUIRED and slot.get is None:
                checked.add(record.kind)
                assert slot.blank == getattr(new, slot.attribute), f"{record.kind.__name__}.{slot.attribute}"
    assert len(checked) > 8


def test_every_field_of_an_event_has_a_shape() -> None:
    classes = [getattr(events, name) for name in events.__all__ if isinstance(getattr(events, name), type)]
    assert {name for kind in classes for name in fields_of(kind)} == FIELDS.keys()


def test_every_class_of_error_is_written_as_itself_or_as_its_base() -> None:
    from streamkit import errors

    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.StreamError)]
    assert {"ValidationError"} == {kind.__name__ for kind in classes} - ERRORS.keys()
    written = {slot.attribute for slot in ERRORS["RemoteError"].slots}
    assert {"partial"} == vars(RemoteError("x")).keys() - written  # built again from the state
    assert {"status"} == written - vars(RemoteError("x")).keys()
