"""Readers of clean streams that are stricter than any client: what breaks one of them, in words.

`violations` is ours: what OpenAI's own streams hold to. `openai_python` and `openai_node` are the stream helpers of the
SDKs, which fail by an exception; the second needs node and the package `openai` in the folder that `STREAMKIT_NODE`
names.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.wire import DONE
from streamkit.sse import EventDecoder
from streamkit.types import FinishReason

__all__ = ("node_is_there", "openai_node", "openai_python", "violations")

_CHUNK = {"id": str, "object": str, "created": int, "model": str, "choices": list}
_TEXTS = ("content", "refusal")


def violations(clean: bytes, *, by_index: bool = True) -> list[str]:
    """What is not as OpenAI writes it. `by_index`: whether choices have to begin in that order."""
    return list(_found(clean, by_index))


def _found(clean: bytes, by_index: bool) -> Iterator[str]:
    if not clean.endswith(DONE) or clean.count(DONE) != 1:
        yield "does not end with [DONE]"
    choices: dict[int, _Seen] = {}
    usage = 0
    for event in EventDecoder().feed(clean.removesuffix(DONE)):
        chunk = json.loads(event.data)
        for name, kind in _CHUNK.items():
            if type(chunk.get(name)) is not kind:
                yield f"{name} is {chunk.get(name)!r}"
        if chunk["object"] != "chat.completion.chunk":
            yield f"object is {chunk['object']}"
        if usage:
            yield "a chunk follows the usage"
        if "usage" in chunk:
            usage += 1
            yield from _usage(chunk)
            if not all(seen.finished for seen in choices.values()):
                yield "usage stands before a finish reason"
        if len(chunk["choices"]) > 1:
            yield "several choices in a chunk"
        for choice in chunk["choices"]:
            index = choice["index"]
            if index not in choices:
                if by_index and index != len(choices):
                    yield f"choice {index} begins after {len(choices)} choices"
                choices[index] = _Seen()
            yield from choices[index].take(choice)
    for index, seen in choices.items():
        if not seen.finished:
            yield f"choice {index} has no finish reason"


def _usage(chunk: Any) -> Iterator[str]:
    if chunk["choices"]:
        yield "usage stands beside a choice"
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        if name in chunk["usage"] and type(chunk["usage"][name]) is not int:
            yield f"usage.{name} is {chunk['usage'][name]!r}"
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if not isinstance(chunk["usage"].get(name) or {}, dict):
            yield f"usage.{name} is {chunk['usage'][name]!r}"


class _Seen:
    """What has arrived of a choice."""

    def __init__(self) -> None:
        self.began = self.finished = False
        self.calls: list[dict[str, Any]] = []
        self.listed: dict[str, bool] = {}  # lists of objects in the delta: whether each entry has an index

    def take(self, choice: Any) -> Iterator[str]:
        delta, finish = choice["delta"], choice["finish_reason"]
        if not {"index", "delta", "logprobs", "finish_reason"} <= choice.keys():
            yield f"a choice lacks a field: {list(choice)}"
        if self.finished:
            yield "a choice goes on after its finish reason"
        if ("role" in delta) == self.began:
            yield f"the role stands in {'a later' if self.began else 'no first'} chunk"
        if not self.began and not isinstance(delta.get("role"), str):
            yield f"the role is {delta.get('role')!r}"
        self.began = True
        if finish is not None:
            self.finished = True
            if not isinstance(finish, str) or not finish or FinishReason.is_nothing(finish):
                yield f"the finish reason is {finish!r}"
        for name in _TEXTS:
            if not isinstance(delta.get(name, ""), str) and (delta[name] is not None or "role" not in delta):
                yield f"{name} is {delta[name]!r}"
        logprobs = choice["logprobs"]
        if logprobs is not None and not all(isinstance(logprobs.get(name) or [], list) for name in _TEXTS):
            yield f"logprobs are {logprobs!r}"
        for name, value in delta.items():
            if name not in ("tool_calls", "function_call", "audio"):
                yield from self.value(name, value)
        fragments = delta.get("tool_calls", [])
        if len(fragments) > 1:
            yield "several fragments in a chunk"
        for fragment in fragments:
            yield from self.fragment(fragment)

    def value(self, path: str, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from self.value(f"{path}.{name}", inner)
        if not isinstance(value, list) or not any(isinstance(one, dict) for one in value):
            return
        numbered = all(isinstance(one, dict) and type(one.get("index")) is int for one in value)
        if path in self.listed and not (numbered and self.listed[path]):
            yield f"{path} is a list of objects without an index that comes again"
        self.listed[path] = numbered

    def fragment(self, fragment: Any) -> Iterator[str]:
        index = fragment["index"]
        kind = "custom" if "custom" in fragment else "function"
        inner = fragment.get(kind)
        if not isinstance(inner, dict) or not isinstance(inner.get("input" if kind == "custom" else "arguments"), str):
            yield f"a fragment without a piece of arguments: {fragment}"
            return
        if index == len(self.calls):
            if not (isinstance(fragment.get("id"), str) and fragment["id"] and isinstance(inner.get("name"), str)):
                yield f"a header without an id or a name: {fragment}"
            if not isinstance(fragment.get("type"), str):
                yield f"a header without a type: {fragment}"
            if fragment["id"] in {call["id"] for call in self.calls}:
                yield f"an id comes again: {fragment['id']}"
            self.calls.append(fragment)
        elif index == len(self.calls) - 1:
            if {"id", "type"} & fragment.keys() or "name" in inner:
                yield f"a header comes again: {fragment}"
        else:
            yield f"call {index} goes on, or begins, after {len(self.calls)} calls"


# --- the SDKs


def openai_python(clean: bytes) -> str:
    """What the stream helper of openai-python raises; empty where nothing."""
    chat = pytest.importorskip("openai.types.chat")
    helper = pytest.importorskip("openai.lib.streaming.chat")
    state = helper.ChatCompletionStreamState()
    try:
        for event in EventDecoder().feed(clean.removesuffix(DONE)):
            chunk = json.loads(event.data)
            list(state.handle_chunk(chat.ChatCompletionChunk.construct(**_constructed(chunk, chat))))
        state.get_final_completion()
    except Exception as error:  # whatever it raises
        return f"{type(error).__name__}: {error}"
    return ""


def _constructed(chunk: Any, chat: Any) -> dict[str, Any]:
    made = pytest.importorskip("openai._models").construct_type(type_=chat.ChatCompletionChunk, value=chunk)
    return {name: getattr(made, name) for name in made.model_fields_set}


_SCRIPT = """
const { ChatCompletionStream } = require('openai/lib/ChatCompletionStream');
const lines = require('fs').readFileSync(0, 'utf8').split('\\n').filter((line) => line);
(async () => {
  for (const line of lines) {
    const clean = Buffer.from(line, 'base64').toString('utf8');
    const chunks = clean.split('\\n\\n').filter((one) => one.startsWith('data: {')).map((one) => one.slice(6) + '\\n');
    let said = '';
    try {
      const body = new ReadableStream({
        start(controller) {
          for (const one of chunks) controller.enqueue(new TextEncoder().encode(one));
          controller.close();
        },
      });
      const stream = ChatCompletionStream.fromReadableStream(body);
      await stream.finalChatCompletion();
    } catch (error) { said = `${error.constructor.name}: ${error.message}`; }
    console.log(JSON.stringify(said));
  }
})();
"""


def node_folder() -> Path | None:
    """Where `node_modules/openai` is, and node itself; None where one of them is not there."""
    folder = Path(os.environ.get("STREAMKIT_NODE", "."))
    return folder if shutil.which("node") and (folder / "node_modules" / "openai").is_dir() else None


def node_is_there() -> bool:
    """Whether `openai_node` can be asked."""
    return node_folder() is not None


def openai_node(streams: Iterable[bytes]) -> list[str]:
    """What the stream helper of openai-node throws for each stream; empty where nothing."""
    lines = b"\n".join(base64.b64encode(one) for one in streams)
    command = ["node", "-e", _SCRIPT]
    done = subprocess.run(command, input=lines, capture_output=True, cwd=node_folder(), check=True, timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]
