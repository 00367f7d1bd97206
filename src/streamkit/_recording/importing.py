"""Recordings of other tools as traces: bodies, lines of chunks, cassettes of vcrpy and cassetter.

In: the bytes of a file, and its name. Out: its exchanges as traces, `observed` "none": these tools keep neither boundaries nor
times, so that a block is a paragraph (an event, or a comment) of the body, and every `t` is 0. Secrets are replaced, as where
traces are recorded. Costs what reading the file costs; all of it is held.

Rule 1  The name decides: `.yaml` and `.yml` are cassettes; `.chunks.txt`, `.ndjson` and `.jsonl` lines of chunks, one JSON
        object a line, as the AI SDK keeps them; anything else is a body (`.sse`), unless its first line is a JSON object.
Rule 2  Nothing is made up: lines of chunks have no `[DONE]` where none was kept, and what a cassette does not say is
        left empty. A body that a cassette keeps encoded is unpacked, and the headers that said so are left out.
Rule 3  A trace is refused: its lines are JSON objects, and would be taken for chunks, `{"format":"streamkit-trace"…}` the first.
Rule 4  YAML is read safely (`yaml.CSafeLoader`): a cassette is data, no program.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs

from .._trace_lines import is_header
from ..errors import FormatError, MisuseError, excerpt, shown
from ..sources import blocks
from ..trace import Block, Trace
from .events_in_body import paragraphs
from .exchanges import body_fields
from .scrub_trace import scrubbed

__all__ = ("KINDS", "imported")

KINDS = ("sse", "chunks", "cassette")
"""The kinds of file that can be imported."""

_ENDINGS = {
    "cassette": (".yaml", ".yml"),
    "chunks": (".chunks.txt", ".ndjson", ".jsonl"),
    "sse": (".sse",),
}
_INSTALL = 'reading YAML needs PyYAML: pip install "streamkit-llm[recording]"'
_UNPACKED = ("content-encoding", "content-length", "transfer-encoding")


def imported(data: bytes, name: str, *, kind: str | None = None, scrub: bool = True) -> list[Trace]:
    """Return the exchanges in a file of another tool, in its order.

    `kind`: one of `KINDS`; by default what the name and the first line say. Raises `FormatError` where the file is not of
    that kind, `MisuseError` where PyYAML is missing.
    """
    if kind is None:
        kind = next((kind for kind, ends in _ENDINGS.items() if name.endswith(ends)), None) or _guess(data)
    traces = _READERS[kind](data, name)
    return [scrubbed(trace)[0] for trace in traces] if scrub else traces


def _guess(data: bytes) -> str:
    first = data.lstrip().split(b"\n", 1)[0]
    if first.startswith(b"{"):
        return "chunks"
    return "cassette" if first.startswith((b"interactions:", b"version:")) else "sse"


def _of_body(data: bytes, name: str) -> list[Trace]:
    return [Trace(observed="none", provenance="imported from a body", blocks=_paragraphs(data), end="eof")]


def _of_chunks(data: bytes, name: str) -> list[Trace]:
    if is_header(data.lstrip().partition(b"\n")[0]):  # Rule 3
        raise FormatError(
            f"{name}: this is a trace already: replay it as it is, or scrub it (streamkit scrub)", code="import"
        )
    found: list[Block] = []
    for number, line in enumerate(data.splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        if text != b"[DONE]" and not _is_object(text):
            raise FormatError(
                f"{name}, line {number}: expected one chunk as JSON", code="import", excerpt=excerpt(text)
            )
        found.append(Block(0.0, b"data: " + text + b"\n\n"))
    return [Trace(observed="none", provenance="imported from lines of chunks", blocks=tuple(found), end="eof")]


def _of_cassette(data: bytes, name: str) -> list[Trace]:
    try:
        import yaml
    except ImportError:
        raise MisuseError(f"{name}: {_INSTALL}") from None
    try:
        value = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatError(f"{name}: not YAML: {excerpt(str(error))}", code="import") from None
    entries = value.get("interactions") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise FormatError(
            f"{name}: expected a cassette of vcrpy or cassetter, with a list of interactions", code="import"
        )
    traces: list[Trace] = []
    for number, entry in enumerate(entries, 1):
        try:
            request, response = entry["request"], entry["response"]
            if "method" in request:  # else a WebSocket, or gRPC
                traces.append(_exchange(request, response, str(entry.get("recorded_at") or "")))
        except (KeyError, TypeError, ValueError, AttributeError, MisuseError) as error:
            text = f"{name}, interaction {number}: expected a request and a response of vcrpy or cassetter: {error}"
            raise FormatError(text, code="import") from None
    return traces


def _exchange(request: dict[str, Any], response: dict[str, Any], recorded: str) -> Trace:
    status = response["status"]
    url = urlsplit(request["uri"])
    trace = Trace(
        observed="none",
        provenance="imported from a cassette",
        recorded=recorded,
        method=request["method"],
        path=(url.path or "/") + (f"?{url.query}" if url.query else ""),
        request_headers=_headers(request.get("headers")),
        **body_fields(_body(request.get("body"))),
        status=status["code"] if isinstance(status, dict) else status,
        headers=_headers(response.get("headers")),
        blocks=(Block(0.0, _body(response.get("body")) or b""),),
        end="eof",
    )
    body = trace.body
    if trace.encoding:
        try:
            body = b"".join(blocks(trace))
        except Exception:  # vcrpy's decode_compressed_response has unpacked it, and left the header
            pass
        kept = tuple(pair for pair in trace.headers if pair[0].lower() not in _UNPACKED)
        trace = attrs.evolve(trace, headers=kept)
    return attrs.evolve(trace, blocks=_paragraphs(body))


def _headers(headers: Any) -> tuple[tuple[str, str], ...]:
    """Return headers, which cassettes keep as lists of values by name."""
    return tuple(
        (str(name), str(value))
        for name, values in (headers or {}).items()
        for value in (values if isinstance(values, list) else [values])
    )


def _body(body: Any) -> bytes | None:
    """Return a body: text or bytes; vcrpy's `string`; cassetter's `type` and `content`."""
    if isinstance(body, dict) and "type" in body:
        content = body.get("content")
        if body["type"] == "json":
            return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return bytes.fromhex(str(content)) if body["type"] == "binary" else _body(content)
    if isinstance(body, dict):
        return _body(body.get("string", body.get("base64_string")))
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    raise ValueError(f"a body is text or bytes, not {shown(body)}")


def _paragraphs(data: bytes) -> tuple[Block, ...]:
    return tuple(Block(0.0, data[begin:end]) for begin, end in paragraphs(data))


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


_READERS: dict[str, Callable[[bytes, str], list[Trace]]] = {
    "sse": _of_body,
    "chunks": _of_chunks,
    "cassette": _of_cassette,
}
