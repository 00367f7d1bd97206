"""The kernel: the same rows in the same order, each as an Accumulator reads it, whatever Arrow type holds it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

from helpers.corpus import TRACES, Recorded, each  # noqa: E402
from helpers.rows import BAD, HELLO, digest, table  # noqa: E402
from helpers.tier import some  # noqa: E402
from helpers.wire import DONE, delta, sse  # noqa: E402
from streamkit import Accumulator, Limits, MisuseError, dumps  # noqa: E402
from streamkit.corpus import COLUMNS, SCHEMA, output_schema, reassemble_batch, reassemble_batches  # noqa: E402


def one(body: Any, **options: Any) -> dict[str, Any]:
    """The one row that a body gives."""
    (row,) = reassemble_batch(pa.record_batch({"body": [body]}), **options).to_pylist()
    assert isinstance(row, dict)
    return row


def test_a_body_becomes_a_row() -> None:
    row = one(HELLO)
    assert ("complete", "done", None, None) == tuple(row[name] for name in ("outcome", "reason", "error", "error_kind"))
    assert ("Hello", ["stop"], []) == (row["content"], row["finish_reasons"], row["tool_calls"])
    assert (len(HELLO), 4, 0, 3) == tuple(row[f"n_{what}"] for what in ("bytes", "events", "comments", "chunks"))
    assert list(COLUMNS) == SCHEMA.names == list(row)


@each(some(TRACES))
def test_a_row_is_what_an_accumulator_says_byte_by_byte(recorded: Recorded) -> None:
    accumulator = Accumulator()
    for at in range(len(recorded.body)):
        accumulator.feed(recorded.body[at : at + 1])
    outcome, response, row = accumulator.close(), accumulator.snapshot(), one(recorded.body)
    assert (outcome.name, outcome.reason) == (row["outcome"], row["reason"])
    assert (outcome.error and (str(outcome.error), outcome.error.kind)) == (
        None if row["error"] is None else (row["error"], row["error_kind"])
    )
    assert [(a.code, a.severity, a.path, a.event, a.count, a.excerpt) for a in accumulator.anomalies] == [
        tuple(a.values()) for a in row["anomalies"]
    ]
    if response is None:
        assert (None, None, None) == (row["id"], row["choices"], row["response_json"])
        return
    assert dumps(response) == row["response_json"]
    first = response.choices[0].message if response.choices else None
    assert (first and (first.content, first.reasoning, first.refusal)) == (
        first and (row["content"], row["reasoning"], row["refusal"])
    )
    assert [c.index for c in response.choices] == [c["index"] for c in row["choices"]]
    calls = [call for c in response.choices for call in c.message.tool_calls or ()]
    assert [(c.id, c.function.name, c.function.arguments, c.complete) for c in calls] == [
        (c["id"], c["name"], c["arguments"], c["complete"]) for c in row["tool_calls"] if c["type"] == "function"
    ]
    usage = response.usage
    assert (usage and usage.completion_tokens) == (row["usage"] and row["usage"]["completion_tokens"])


@pytest.mark.parametrize("name", BAD)
def test_an_odd_body_has_an_outcome_and_nothing_is_raised(name: str) -> None:
    body, reason = BAD[name]
    assert reason == one(body)["reason"]


def test_null_in_null_out_and_the_others_stay_in_their_place() -> None:
    batch = pa.record_batch({"n": range(len(BAD) + 1), "body": [*(body for body, _ in BAD.values()), HELLO]})
    rows = reassemble_batch(batch, keep=["n"]).to_pylist()
    assert list(range(len(BAD) + 1)) == [row.pop("n") for row in rows]
    assert [*(reason for _, reason in BAD.values()), "done"] == [row["reason"] for row in rows]
    assert {None} == set(rows[list(BAD).index("null")].values())


def test_a_count_that_is_none_is_null_and_not_made_up() -> None:
    usage = one(BAD["usage not counts"][0])["usage"]
    assert usage is None or {None} == set(usage.values())
    row = one(BAD["large created"][0])
    assert (None, "9" * 400) == (row["created"], str(json.loads(row["extra_json"])["created"]))


def test_every_choice_and_every_kind_of_call_is_in_the_columns() -> None:
    call = '{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}'
    custom = '{"index":1,"id":"b","type":"custom","custom":{"name":"g","input":"x"}}'
    body = (
        sse(
            delta(f'{{"content":"zero","tool_calls":[{call},{custom}]}}', "tool_calls"),
            '{"id":"c","choices":[{"index":1,"delta":{"content":"one","reasoning":"why","mood":1},"finish_reason":"stop"}]}',
            '{"id":"c","choices":[{"index":1,"delta":{"function_call":{"name":"h","arguments":"{}"}}}],"cost":2}',
        )
        + DONE
    )
    row = one(body)
    assert [(0, "function", "f", "{}"), (0, "custom", "g", "x"), (1, "function_call", "h", "{}")] == [
        (c["choice"], c["type"], c["name"], c["arguments"]) for c in row["tool_calls"]
    ]
    assert [("zero", None), ("one", "why")] == [(c["content"], c["reasoning"]) for c in row["choices"]]
    assert {"cost": 2} == json.loads(row["extra_json"])
    assert 1 == json.loads(row["choices"][1]["extra_json"])["mood"]


def types() -> list[Any]:
    names = ("binary", "string", "large_binary", "large_string", "binary_view", "string_view")
    plain = [(name, getattr(pa, name)()) for name in names]
    return [
        pytest.param(kind, id=name) for name, kind in [*plain, ("dictionary", pa.dictionary(pa.int32(), pa.string()))]
    ]


@pytest.mark.parametrize("kind", types())
def test_a_body_of_any_type_gives_the_same_row_in_a_slice_as_well(kind: Any) -> None:
    texts = [None, HELLO.decode(), "x", HELLO.decode(), None]
    column = pa.array(texts).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(texts).cast(kind)
    batch = pa.record_batch({"body": column})
    rows = reassemble_batch(batch).to_pylist()
    assert [None, "done", "not_a_stream", "done", None] == [row["reason"] for row in rows]
    assert rows[1:4] == reassemble_batch(batch.slice(1, 3)).to_pylist()
    assert one(HELLO) == rows[1]


def test_compressed_bodies_show_themselves_or_are_named_by_a_column() -> None:
    packed = [gzip.compress(HELLO), pa.compress(HELLO, "zstd", asbytes=True), HELLO, gzip.compress(HELLO), HELLO]
    words = [None, None, None, "gzip", "identity"]
    batch = pa.record_batch({"body": packed, "packed": words})
    rows = reassemble_batch(batch, encoding="packed").to_pylist()
    assert [one(HELLO)] * 5 == rows
    assert rows == reassemble_batch(batch).to_pylist()


def test_an_encoding_that_is_not_there_is_said_in_the_row() -> None:
    batch = pa.record_batch({"body": [HELLO, HELLO, HELLO], "packed": ["rot13", "gzip", "dcb"]})
    rows = reassemble_batch(batch, encoding="packed").to_pylist()
    assert ["source_error"] * 3 == [row["reason"] for row in rows]
    assert "'rot13' is not known" in rows[0]["error"]


def test_blocks_stand_for_the_body_or_cut_it() -> None:
    blocks = [HELLO[:50], HELLO[50:]]
    whole = one(HELLO)
    apart = pa.record_batch({"blocks": [blocks, None, []]})
    assert [whole, dict.fromkeys(whole), one(b"")] == reassemble_batch(apart, body=None, blocks="blocks").to_pylist()
    lengths = pa.record_batch({"body": [HELLO, None], "sizes": [[50, len(HELLO) - 50], [3]]})
    assert [whole, dict.fromkeys(whole)] == reassemble_batch(lengths, blocks="sizes").to_pylist()


@pytest.mark.parametrize("times", [[1], [5, 4], [-1, 4], [None, 4], None])
def test_arrivals_that_do_not_fit_are_none(times: list[int | None] | None) -> None:
    column = pa.array([times], pa.list_(pa.int64()))
    batch = pa.record_batch({"blocks": [[HELLO[:50], HELLO[50:]]], "at": column})
    (row,) = reassemble_batch(batch, body=None, blocks="blocks", arrival_ns="at").to_pylist()
    assert ("done", None) == (row["reason"], row["timing"])


def test_arrivals_of_a_compressed_body_are_those_of_its_packed_blocks() -> None:
    packed = gzip.compress(HELLO)
    batch = pa.record_batch({"body": [packed], "sizes": [[20, len(packed) - 20]], "at": [[10**9, 2 * 10**9]]})
    (row,) = reassemble_batch(batch, blocks="sizes", arrival_ns="at").to_pylist()
    assert 2.0 == row["timing"]["last_output"]


def test_what_comes_out_is_cut_by_bytes_and_order_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table(40)
    monkeypatch.setattr("streamkit.corpus._kernel.BATCH_BYTES", 20_000)
    batches = list(reassemble_batches(whole.to_batches(), keep=["row_id"]))
    assert len(batches) > 3
    assert all(sum(batch.column("n_bytes").to_pylist()[:-1]) < 20_000 for batch in batches)
    cut = pa.Table.from_batches(batches)
    assert list(range(40)) == cut.column("row_id").to_pylist()
    monkeypatch.undo()
    assert digest(reassemble_batch(whole, keep=["row_id"])) == digest(cut)


def test_a_body_above_the_largest_event_is_cut_and_stays_in_the_fast_lane() -> None:
    event = sse(delta('{"content":"abcdefghij"}'))
    body = event * (20 * 1024 * 1024 // len(event)) + sse(delta("{}", "stop")) + DONE
    row = one(body)
    assert ("done", len(body), 10 * (body.count(b"abcdefghij"))) == (row["reason"], row["n_bytes"], len(row["content"]))


def test_options_are_those_of_an_accumulator() -> None:
    assert "limit" == one(HELLO, limits=Limits(max_event_bytes=20))["reason"]
    assert "anomaly" == one(HELLO.replace(b'"index":0', b'"index":"0"'), strict=True)["reason"]
    with pytest.raises(MisuseError, match="strict= takes True or False"):
        one(HELLO, strict="no")


def test_little_that_unpacks_to_much_ends_at_the_limit() -> None:
    packed = gzip.compress(sse(delta('{"content":"abcdefghij"}')) * 200_000)
    row = one(packed, limits=Limits(max_response_bytes=100_000))
    assert ("limit", True) == (row["reason"], row["n_bytes"] < 400_000)


def test_columns_are_kept_under_their_names_or_new_ones() -> None:
    batch = pa.record_batch({"id": ["mine"], "body": [HELLO], "n": pa.array([1], pa.int8())})
    out = reassemble_batch(batch, keep={"n": "n", "id": "request_id"})
    assert ["n", "request_id", *SCHEMA.names] == out.schema.names
    assert output_schema(batch.schema, keep={"n": "n", "id": "request_id"}) == out.schema
    assert pa.int8() == out.schema.field("n").type


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"body": "text"}, "body='text': no one column has this name: there are n, body"),
        ({"body": "n"}, "body='n': the column is int64, bytes or text is accepted"),
        ({"body": 5}, "body= takes the name of a column, not int"),
        ({"body": None}, "name a column of bodies"),
        ({"blocks": "n"}, "a list of bytes, of text or of lengths is accepted"),
        ({"arrival_ns": "body"}, "a list of whole numbers is accepted"),
        ({"encoding": "n"}, "text is accepted"),
        ({"keep": "n"}, "keep= takes a list of names"),
        ({"keep": [5]}, "which are text"),
        ({"keep": ["m"]}, "keep='m': no one column has this name"),
        ({"keep": {"n": "model"}}, "a column 'model' is there already"),
        ({"keep": {"n": "a", "body": "a"}}, "a column 'a' is there already"),
    ],
)
def test_columns_that_cannot_be_are_misuse(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(MisuseError, match=words):
        reassemble_batch(pa.record_batch({"n": [1], "body": [HELLO]}), **arguments)


def test_what_is_no_batch_is_misuse() -> None:
    with pytest.raises(MisuseError, match="takes a RecordBatch or a Table of pyarrow, not list"):
        reassemble_batch([HELLO])  # type: ignore[type-var]


def test_no_rows_give_no_rows() -> None:
    batch = pa.record_batch({"body": pa.array([], pa.binary())})
    assert (0, SCHEMA) == (len(reassemble_batch(batch)), reassemble_batch(batch).schema)
    assert (0, SCHEMA) == (len(reassemble_batch(pa.table({"body": pa.array([], pa.binary())}))), SCHEMA)
