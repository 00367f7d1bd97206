"""What other tools recorded, as traces: nothing made up, nothing lost that they kept."""

from __future__ import annotations

import gzip
import io
import json
import sys

import pytest

from streamkit import Accumulator, FormatError, MisuseError
from streamkit._recording.importing import imported
from streamkit.trace import Block, Trace, write_trace

BODY = (
    'data: {"choices":[{"index":0,"delta":{"content":"Grüße"},"finish_reason":"stop"}]}\n\n: ping\n\ndata: [DONE]\n\n'
).encode()
KEY = "sk-proj-Ab0_dE1fGh2iJk3lMn4oPq5r"


def yaml_needed() -> None:
    pytest.importorskip("yaml")


def text_of(trace: Trace) -> str:
    accumulator = Accumulator()
    accumulator.feed(trace.body)
    assert accumulator.close().ok
    response = accumulator.snapshot()
    assert response is not None
    return response.choices[0].message.content or ""


def test_a_body_is_cut_into_its_paragraphs_without_times() -> None:
    (trace,) = imported(BODY, "answer.sse")
    assert BODY == trace.body
    assert ["none", False] == [trace.observed, trace.timed]
    assert [0.0, 0.0, 0.0] == [block.t for block in trace.blocks]
    assert b": ping\n\n" == trace.blocks[1].data


@pytest.mark.parametrize("name", ["a.chunks.txt", "a.ndjson", "a.jsonl", "whatever"])
def test_lines_of_chunks_are_events_again(name: str) -> None:
    lines = b'{"choices":[{"index":0,"delta":{"content":"Hi"}}]}\r\n\n {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    (trace,) = imported(lines, name)
    assert "Hi" == text_of(trace)
    assert 2 == len(trace.blocks)
    assert b"[DONE]" not in trace.body  # where none stood
    (again,) = imported(lines + b"\n[DONE]\n", name)
    assert b"data: [DONE]\n\n" == again.blocks[-1].data


@pytest.mark.parametrize("name", ["a.trace.jsonl", "a.ndjson", "standard input"])
def test_a_trace_is_no_lines_of_chunks(name: str) -> None:
    file = io.BytesIO()
    write_trace(Trace(blocks=(Block(0, BODY),), end="eof"), file)
    with pytest.raises(FormatError, match=f"^{name}: this is a trace already"):
        imported(file.getvalue(), name)


VCRPY = f"""
interactions:
- request:
    body: '{{"model":"m","messages":[{{"content":"my key: {KEY}"}}]}}'
    headers:
      authorization: [Bearer {KEY}]
      content-type: [application/json]
    method: POST
    uri: https://api.test/v1/chat/completions?key=abc
  response:
    body:
      string: "data: {{\\"choices\\":[{{\\"index\\":0,\\"delta\\":{{\\"content\\":\\"Gr\\xFC\\xDFe\\"}},\\"finish_reason\\":\\"stop\\"}}]}}\\n\\n: ping\\n\\ndata:
        [DONE]\\n\\n"
    headers:
      content-type: [text/event-stream]
      set-cookie: [a=b, c=d]
      x-two: ['1', '2']
    status: {{code: 200, message: OK}}
- request: {{body: !!binary "/wA=", headers: {{}}, method: POST, uri: 'https://api.test'}}
  response: {{body: {{string: !!binary "//4AYWJj"}}, headers: {{}}, status: {{code: 500, message: no}}}}
version: 1
"""


def test_a_cassette_of_vcrpy_is_its_exchanges_in_order_without_its_credentials() -> None:
    yaml_needed()
    first, second = imported(VCRPY.encode(), "c.yaml")
    assert BODY == first.body
    assert "Grüße" == text_of(first)
    assert ("POST", "/v1/chat/completions?key=xxx", 200) == (first.method, first.path, first.status)
    assert {"model": "m", "messages": [{"content": "my key: " + "x" * len(KEY)}]} == first.request
    assert (("content-type", "application/json"),) == first.request_headers
    assert (("content-type", "text/event-stream"), ("x-two", "1"), ("x-two", "2")) == first.headers
    assert "imported from a cassette-sanitized" == first.provenance
    assert (b"\xff\x00", b"\xff\xfe\x00abc", 500, "/") == (second.request_body, second.body, second.status, second.path)


def test_not_scrubbing_is_asked_for() -> None:
    yaml_needed()
    first, _ = imported(VCRPY.encode(), "c.yaml", scrub=False)
    assert ("authorization", f"Bearer {KEY}") in first.request_headers


def test_a_body_that_vcrpy_kept_encoded_is_unpacked() -> None:
    yaml = pytest.importorskip("yaml")
    for string in (gzip.compress(BODY), BODY):  # or unpacked it itself, and left the header
        response = {
            "body": {"string": string},
            "headers": {"content-encoding": ["gzip"], "content-length": ["9"], "server": ["x"]},
            "status": {"code": 200},
        }
        request = {"body": None, "headers": {}, "method": "GET", "uri": "http://x.test/"}
        (trace,) = imported(
            yaml.safe_dump({"interactions": [{"request": request, "response": response}]}).encode(), "c.yml"
        )
        assert (BODY, (("server", "x"),), "") == (trace.body, trace.headers, trace.encoding)


CASSETTER = """version: 1
interactions:
- request:
    method: POST
    uri: http://127.0.0.1:43233/v1/plain?key=abc
    headers: {content-type: [application/json]}
    body: {type: json, content: {model: m, stream: true}}
  response:
    status: 200
    headers: {content-type: [text/event-stream]}
    body:
      type: text
      content: |+
        data: {"choices":[{"index":0,"delta":{"content":"Grüße"},"finish_reason":"stop"}]}

        : ping

        data: [DONE]

  recorded_at: 2026-11-28T05:48:15.719122+00:00
- request: {method: GET, uri: 'http://x.test/', headers: {}, body: {type: empty}}
  response: {status: 200, headers: {}, body: {type: binary, content: fffe00616263}}
- request: {uri: 'ws://x.test/'}
  response: {}
"""


def test_a_cassette_of_cassetter_is_its_exchanges() -> None:
    yaml_needed()
    first, second = imported(CASSETTER.encode(), "c.yaml")
    assert BODY == first.body
    assert {"model": "m", "stream": True} == first.request
    assert first.recorded.startswith("2026-11-28")
    assert (b"\xff\xfe\x00abc", None) == (second.body, second.request_body)


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        (b'{"a":1}\nnot json\n', "a.ndjson", "line 2: expected one chunk"),
        (b"a: [", "a.yaml", "not YAML"),
        (b"a: 1", "a.yaml", "list of interactions"),
        (b"interactions: [{request: {method: GET}}]", "a.yaml", "interaction 1"),
        (b"interactions: [1]", "a.yaml", "interaction 1"),
        (b"interactions: [{request: {method: GET, uri: 7}, response: {status: 1}}]", "a.yaml", "interaction 1"),
        (b"!!python/object/apply:os.system [echo]", "a.yaml", "not YAML"),
    ],
)
def test_what_is_no_such_file_is_refused_with_where_and_why(data: bytes, name: str, text: str) -> None:
    if name.endswith("yaml"):
        yaml_needed()
    with pytest.raises(FormatError, match=text) as caught:
        imported(data, name)
    assert name in str(caught.value)


def test_without_pyyaml_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MisuseError, match=r"streamkit-llm\[recording\]"):
        imported(b"interactions: []", "a.yaml")


def test_a_secret_that_lines_of_chunks_hold_goes_too() -> None:
    line = json.dumps({"choices": [{"index": 0, "delta": {"content": KEY}, "finish_reason": "stop"}]}).encode()
    (trace,) = imported(line, "a.ndjson")
    assert "x" * len(KEY) == text_of(trace)
    assert all(isinstance(block, Block) for block in trace.blocks)
