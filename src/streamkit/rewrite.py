"""Back to bytes: a response, or a dirty stream, written as the clean stream that OpenAI would have sent.

In: a response, an accumulator, or blocks. Out: the chunks, or the bytes of each event. Cost: linear; a response is
written twice, once to see that it can be said, and that before anything of it goes out.

Rule 1  What is read from the events is what was written: `reassemble(b"".join(to_events(r))) == r` for every response
        that `reassemble` gives. What is not compared there is not kept either: which ids were made up.
Rule 2  Never an invented ending. `[DONE]` stands behind a response, and behind a stream only if that was complete; a
        failed one ends with its error, one that broke off or still runs with nothing.
Rule 3  What cannot be said in a stream is a `MisuseError` before the first chunk: two choices of one index, an id of ""
        for a call, a field that changed its type on the way (its values are then listed, one level deeper than they
        came) and was nested as deep as a reader allows already. These are read back as something else, and lost then:
        an empty list of calls is none, choices come by index, a number that is not finite is null (as `dumps` has it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import attrs
import jiter

from .accumulator import Accumulator
from .codec import dumps
from .dialect import read_chunk
from .errors import MisuseError, RemoteError, StreamError, ValidationError
from .limits import Limits
from .rewrite_documents import Cut, Spread, documents
from .types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

__all__ = ("TextCut", "to_chunks", "to_events")

TextCut: TypeAlias = int | Callable[[str], Iterable[str]] | None
"""How text is cut: pieces of so many characters; a function to the pieces, which add up to the text; or not at all."""

_LARGEST = 1024 * 1024  # characters in an event at most: readers' limits begin there (httpx2; ours is 16 MiB)
_UNLIMITED = Limits(max_event_bytes=2**40, max_response_bytes=2**40, max_choices=2**32, max_tool_calls=2**32)


def to_events(
    source: CreateChatCompletionResponse | Accumulator | bytes | Iterable[bytes],
    *,
    text: TextCut = None,
    logprobs: Spread = "spread",
    done: bool = True,
) -> Iterator[bytes]:
    """A response as the bytes of a clean stream, one event after the other: `data: {…}`, blank line.

    `source`: a response; or a stream, as an accumulator, its bytes, or an iterable of its blocks (read to the end
    first). `text`: how content, reasoning, refusal, transcript and arguments are cut: a size in characters, a function,
    or None for one piece (one a token, where log probabilities say how). `logprobs`: each `"spread"` to the piece that
    has its token, or the `"whole"` list with the last piece. `done`: whether `[DONE]` stands behind a complete stream.

    A stream that failed ends with its error as an event, one that broke off ends with neither error nor `[DONE]`.
    `MisuseError` at the first event for a response that no stream can say, and where `text` loses some of a text.
    """
    response, error, ended = _read(source)
    if response is not None:
        for document in _documents(response, text, logprobs):
            yield _event(document)
    if isinstance(error, RemoteError):
        facts = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        yield _event({"error": facts})
    if done and ended:
        yield b"data: [DONE]\n\n"


def to_chunks(
    source: CreateChatCompletionResponse | Accumulator | bytes | Iterable[bytes],
    *,
    text: TextCut = None,
    logprobs: Spread = "spread",
) -> Iterator[CreateChatCompletionStreamResponse]:
    """A response as clean chunks; arguments and errors as those of `to_events`.

    Behind the chunks of a stream that failed or broke off its error is raised, as any stream of chunks does.
    """
    response, error, _ = _read(source)
    if response is not None:
        for document in _documents(response, text, logprobs):
            yield read_chunk(jiter.from_json(dumps(document)), _ignore)
    if error is not None:
        raise error


def _read(source: Any) -> tuple[CreateChatCompletionResponse | None, StreamError | None, bool]:
    """The response, what its stream failed with, and whether it ended as it should."""
    if isinstance(source, CreateChatCompletionResponse):
        return _checked(source), None, True
    if isinstance(source, Accumulator):
        accumulator = source
    else:
        accumulator = Accumulator()
        if not isinstance(source, Iterable) or isinstance(source, str):
            raise MisuseError(
                f"to_events takes a response, an Accumulator, or blocks of bytes, not {type(source).__name__}"
            )
        for block in [source] if isinstance(source, (bytes, bytearray, memoryview)) else source:
            accumulator.absorb(block)
        accumulator.close()
    outcome = accumulator.outcome
    if outcome is None:
        return accumulator.snapshot(), None, False
    return accumulator.snapshot(), outcome.error, outcome.ok


def _documents(response: CreateChatCompletionResponse, text: TextCut, logprobs: Spread) -> Iterator[dict[str, Any]]:
    if logprobs not in ("spread", "whole"):
        raise MisuseError(f'logprobs is "spread" or "whole", not {logprobs!r}')
    return documents(response, _cut(text), logprobs, text if isinstance(text, int) and text >= 4 else _LARGEST)


def _cut(text: TextCut) -> Cut | None:
    if text is None:
        return None
    if callable(text):
        return lambda whole: _asked(whole, text)
    if isinstance(text, bool) or not isinstance(text, int) or text < 1:
        raise MisuseError(f"text is a number of characters from 1, a function, or None, not {text!r}")
    return lambda whole: [whole[at : at + text] for at in range(0, len(whole), text)]


def _asked(whole: str, cut: Callable[[str], Iterable[str]]) -> list[str]:
    pieces = [piece for piece in cut(whole) if piece]
    if "".join(pieces) != whole:
        raise MisuseError("the pieces that text=… gives do not add up to the text", excerpt=whole[:120])
    return pieces


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + dumps(document) + b"\n\n"


# --- whether it can be said


def _checked(response: CreateChatCompletionResponse) -> CreateChatCompletionResponse:
    """`response` as a stream says it; `MisuseError` where it would be read back as something else."""
    choices = [
        attrs.evolve(one, message=attrs.evolve(one.message, tool_calls=one.message.tool_calls or None))
        for one in sorted(response.choices, key=lambda one: one.index)
    ]
    meant = attrs.evolve(response, choices=choices, object="chat.completion")
    accumulator = Accumulator(limits=_UNLIMITED)
    try:
        for document in documents(meant, None, "whole", _LARGEST):
            accumulator.absorb(_event(document))
    except ValidationError as error:
        raise MisuseError(f"no stream can say this response: {error}") from None
    accumulator.absorb(b"data: [DONE]\n\n")
    outcome, found = accumulator.close(), accumulator.snapshot()
    if outcome.error is not None:
        raise MisuseError(f"no stream can say this response: it would be read as failed, {outcome.error}")
    if found != meant:
        path = _difference(jiter.from_json(dumps(meant)), jiter.from_json(dumps(found)))
        if path is not None:
            raise MisuseError("no stream can say this response: it would be read as another", path=path)
    return meant


def _difference(one: Any, other: Any, path: str = "$") -> str | None:
    """Where two JSON values differ first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            if name not in one or name not in other:
                return f"{path}.{name}"
            if found := _difference(one[name], other[name], f"{path}.{name}"):
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        each = enumerate(zip(one, other, strict=True))
        return next((found for at, pair in each if (found := _difference(*pair, f"{path}[{at}]"))), None)
    return None if one == other else path


def _ignore(code: str, path: str = "$", found: object = None) -> None:
    """For what a sender's oddities, kept in `extra`, are called: whoever asked for the chunks asked for those."""
