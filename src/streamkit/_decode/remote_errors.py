"""Recognise errors and read them: every shape in which senders report one, in one table.

In: a decoded object, and the name of its event, or "body" for a whole body. Out: a `RemoteError`, or None.

Strategy: `SHAPES` is tried from the top, and the first row whose test matches decides. A strong shape is an error
as soon as it arrives. A weak one (`{"message":"boom"}`, `{"code":500,"msg":"boom"}`) is also used by some senders as a
keep-alive, so that only the end of the stream shows which it was: `find_weak_error` returns a candidate, and the
assembler decides. Nothing follows a whole body: there a weak shape is an error like any other.

Rule 1  An empty report is not an error: `"error":null`, `{"message":"","code":0}`, `{"code":200,"message":"Success"}`.
Rule 2  An object with choices is a chunk. It is an error only by fields that cannot be part of one: `error`,
        `base_resp`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import RemoteError, excerpt
from ..types import CreateChatCompletionStreamResponse
from ..types._base import wire_names

__all__ = ("SHAPES", "Shape", "find_error", "find_weak_error", "is_bare", "may_report")

Value = dict[str, Any]
Found = tuple[Any, str]
"""The value that reports an error, and its path."""

# Words in the place of a code or a message that mean success, or work in progress.
_GOOD = frozenset(
    {"", "0", "200", "ok", "success", "succeeded", "processing", "pending", "queued", "running", "inprogress", "null", "none"}
)  # fmt: skip
# A text that is only a keep-alive: `{"message":"keep-alive"}`.
_ALIVE = _GOOD | {"ping", "pong", "keepalive", "heartbeat", "alive", "connected", "waiting"}
_PINGS = frozenset({"ping", "pong", "keepalive", "heartbeat"})
_IDS = frozenset({"requestid", "xrequestid", "traceid"})

_BARE = wire_names(CreateChatCompletionStreamResponse) | {"obfuscation", "prompt_filter_results"}

_CODES = ("code", "status", "ret")
_MESSAGES = ("message", "msg")
# The fields with the facts of an error in the object that reports it, in the order in which they are tried.
_MESSAGE_IN = (
    "message", "msg", "error_message", "error_msg", "errorMessage", "detail", "exception", "err", "status_msg",
    "text", "reason", "description", "title",
)  # fmt: skip
_CODE_IN = ("code", "status_code", "error_code", "errorCode", "status", "ret")
_TYPE_IN = ("type", "error_type")


class Shape(NamedTuple):
    """A way in which senders report an error."""

    name: str
    test: Callable[[Value, str], Found | None]
    """Test an object, and the name of its event: return what reports the error, and its path; None: another shape."""
    facts: Callable[[Any, Value], Value]
    """From what reports the error, and the object: return the fields with message, code and type."""
    weak: bool = False
    """True if only the end of the stream shows that it was an error."""


def find_error(value: Value, kind: str = "message") -> RemoteError | None:
    """Return the error that `value` reports for certain, or None. `kind`: the event's type, or "body" for a whole
    body."""
    return _first(_STRONG, value, kind) or (_first(_WEAK, value, kind) if kind == "body" else None)


def find_weak_error(value: Value, kind: str = "message") -> RemoteError | None:
    """Return the error that `value` reports if no output follows it, or None."""
    return _first(_WEAK, value, kind)


def may_report(value: Value) -> bool:
    """Return False if an object is a chunk with choices that contains no error: a quick check, done for every chunk."""
    choices = value.get("choices")
    if type(choices) is not list or not choices or "error" in value:
        return True
    if "base_resp" in value or "x_groq" in value or "data" in value or "response" in value:
        return True
    for choice in choices:
        if type(choice) is not dict or "error" in choice:
            return True
        delta = choice.get("delta")
        if type(delta) is dict and "error" in delta:
            return True
    return False


def is_bare(value: Value) -> bool:
    """Return True if an object is a chunk without choices that has only fields of the format: the report of usage at
    the end, most often. No shape matches it."""
    return not value.get("choices") and value.get("object") == "chat.completion.chunk" and value.keys() <= _BARE


def _first(shapes: tuple[Shape, ...], value: Value, kind: str) -> RemoteError | None:
    for shape in shapes:
        found = shape.test(value, kind)
        if found is not None:
            said, path = found
            return _error(shape.facts(said, value), value, path)
    return None


# --- tests


def _field(name: str) -> Callable[[Value, str], Found | None]:
    """Return a test: `name` is not empty, whatever else there is."""

    def test(value: Value, kind: str) -> Found | None:
        return (value[name], f"$.{name}") if _says(value.get(name)) else None

    return test


def _field_without_choices(*names: str) -> Callable[[Value, str], Found | None]:
    """Return a test: one of `names` is not empty, and there are no choices, or an empty list."""

    def test(value: Value, kind: str) -> Found | None:
        return None if value.get("choices") or not any(_says(value.get(name)) for name in names) else (value, "$")

    return test


def _field_within(outer: str) -> Callable[[Value, str], Found | None]:
    """Return a test: `error` in the object `outer` is not empty."""

    def test(value: Value, kind: str) -> Found | None:
        inner = value.get(outer)
        error = inner.get("error") if isinstance(inner, dict) else None
        return (error, f"$.{outer}.error") if _says(error) else None

    return test


def _in_choice(value: Value, kind: str) -> Found | None:
    choices = value.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            delta = choice.get("delta")
            for where, place in (("", choice), (".delta", delta if isinstance(delta, dict) else {})):
                if _says(place.get("error")):
                    return place["error"], f"$.choices[{position}]{where}.error"
    return None


def _errors(value: Value, kind: str) -> Found | None:
    errors = value.get("errors")
    there = isinstance(errors, list) and not value.get("choices") and _says(errors)
    return (errors[0], "$.errors[0]") if there and isinstance(errors, list) else None


def _base_resp(value: Value, kind: str) -> Found | None:
    base = value.get("base_resp")
    return (base, "$.base_resp") if isinstance(base, dict) and not _is_good(base.get("status_code")) else None


def _named(value: Value, kind: str) -> Found | None:
    return (value, "$") if "error" in _names(value, kind) and not value.get("choices") else None


def _detail(value: Value, kind: str) -> Found | None:
    detail = value.get("detail")
    if value.get("choices") is not None or not isinstance(detail, (str, list, dict)) or not _says(detail):
        return None
    return (detail, "$.detail") if not _is_ping(value, kind) and not _is_well(value) else None


def _unsuccessful(value: Value, kind: str) -> Found | None:
    return (value, "$") if value.get("success") is False and value.get("choices") is None else None


def _message_and_code(value: Value, kind: str) -> Found | None:
    if value.get("choices") is not None or _is_ping(value, kind) or value.get("success") is True:
        return None
    message = any(isinstance(value.get(name, ()), (str, type(None))) for name in _MESSAGES)
    return (value, "$") if message and any(not _is_good(value.get(name)) for name in _CODES) else None


def _message_alone(value: Value, kind: str) -> Found | None:
    if not _is_text(value.get("message")) or _is_ping(value, kind):
        return None
    for name, other in value.items():
        bare_type = name == "type" and isinstance(other, str) and _plain(other).endswith("error")  # OpenAI's, unwrapped
        if not (name == "message" or _plain(name) in _IDS or bare_type or other in (None, "")):
            return None
    return value, "$.message"


def _msg_of_body(value: Value, kind: str) -> Found | None:
    """Match next to any other field: for a body that is not a response, one word is enough."""
    if kind == "body" and "choices" not in value and not _is_well(value):
        for name in _MESSAGES:
            if _is_text(value.get(name)):
                return value, f"$.{name}"
    return None


def _says(error: Any) -> bool:
    """Return True if the value in the place of an error is not empty (rule 1)."""
    if isinstance(error, dict):
        if _is_good(error.get("code")) and (message := error.get("message", error.get("msg"))) and _is_good(message):
            return False
        return any(map(_says, error.values()))
    if isinstance(error, list):
        return any(map(_says, error))
    return not _is_good(error)


def _is_good(word: Any) -> bool:
    """Return True if a code or a text is absent, or means success: 0, 200, `ok`."""
    if isinstance(word, str):
        return _plain(word) in _GOOD
    return word is None or word is False or (isinstance(word, (int, float)) and word in (0, 200) and word is not True)


def _is_well(value: Value) -> bool:
    """Return True if there is a code, and it means success."""
    return value.get("success") is True or any(_is_good(value[name]) for name in _CODES if value.get(name) is not None)


def _is_ping(value: Value, kind: str) -> bool:
    return not _PINGS.isdisjoint(_names(value, kind))


def _names(value: Value, kind: str) -> list[str]:
    """Return the names that an event has: its type and fields."""
    names = (kind, value.get("type"), value.get("event"), value.get("object"))
    return [_plain(name) for name in names if isinstance(name, str)]


def _is_text(message: Any) -> bool:
    return isinstance(message, str) and _plain(message) not in _ALIVE


def _plain(word: str) -> str:
    """Return `Keep-Alive` as `keepalive`; a long text is cut off."""
    return word[:64].strip().lower().replace("-", "").replace("_", "").replace(" ", "").rstrip(".!")


# --- facts


def _of_part(said: Any, value: Value) -> Value:
    """Return the part that reports the error; for `"error":true`, the object around it, which has the rest."""
    if isinstance(said, dict):
        return said
    return {**value, "error": None} if said is True else {"message": said}


def _of_whole(said: Any, value: Value) -> Value:
    return value


SHAPES: tuple[Shape, ...] = (
    # OpenAI, vLLM, LiteLLM: an object; others a string, or `true` with a separate message
    Shape("error", _field("error"), _of_part),
    # Cloudflare, GraphQL
    Shape("errors", _errors, _of_part),
    # OpenRouter; `error` in the delta is LiteLLM's and Open WebUI's
    Shape("error in a choice", _in_choice, _of_part),
    # MiniMax
    Shape("base_resp", _base_resp, _of_part),
    # Groq, which ends a stream like this
    Shape("x_groq.error", _field_within("x_groq"), _of_part),
    # relays that wrap each event
    Shape("data.error", _field_within("data"), _of_part),
    # OpenAI's Responses API: `{"type":"response.failed","response":{"error":…}}`
    Shape("response.error", _field_within("response"), _of_part),
    # DeepInfra, next to null choices
    Shape("error_message", _field_without_choices("error_message", "error_type"), _of_whole),
    # Baidu Qianfan
    Shape("error_code", _field_without_choices("error_code", "error_msg"), _of_whole),
    # AWS Lambda
    Shape("errorMessage", _field_without_choices("errorMessage"), _of_whole),
    Shape("exception", _field_without_choices("exception"), _of_whole),
    Shape("err", _field_without_choices("err"), _of_whole),
    # Anthropic, FastChat (`object`), and every object under `event: error`
    Shape("named error", _named, _of_whole),
    # FastAPI: a text, or a list of mismatches; RFC 9457
    Shape("detail", _detail, _of_part),
    Shape("success false", _unsuccessful, _of_whole),
    # SiliconFlow, iFlytek Spark, NeMo; Kong and AWS gateways: the message alone
    Shape("message and code", _message_and_code, _of_whole, weak=True),
    Shape("message alone", _message_alone, _of_whole, weak=True),
    Shape("message of a body", _msg_of_body, _of_whole, weak=True),
)
"""Every shape, in the order in which they are tried."""

_STRONG = tuple(shape for shape in SHAPES if not shape.weak)
_WEAK = tuple(shape for shape in SHAPES if shape.weak)


def _error(facts: Value, body: Any, path: str) -> RemoteError:
    message = next((facts[name] for name in _MESSAGE_IN if _says(facts.get(name))), None)
    codes = (facts.get(name) for name in _CODE_IN)
    code = next((one for one in codes if isinstance(one, (str, int, float)) and one != "" and one is not True), None)
    kind = next((facts[name] for name in _TYPE_IN if isinstance(facts.get(name), str)), None)
    return RemoteError(
        "the sender reported an error without a message" if message is None else _text(message),
        code=code,
        type=kind,
        param=facts.get("param"),
        body=body,
        path=path,
    )


def _text(message: Any) -> str:
    """Return a message as text: some senders nest an object with the message, FastAPI a list of those."""
    if isinstance(message, dict):
        inner = next((message[name] for name in _MESSAGE_IN if isinstance(message.get(name), str)), None)
        return inner or excerpt(json.dumps(message, ensure_ascii=False))
    if isinstance(message, list):
        return "; ".join(map(_text, message[:8]))
    return message if isinstance(message, str) else excerpt(json.dumps(message))
