"""34 streams that senders write, and what a client that reads them right comes to; for clients, SDKs and agent frameworks.

    for scenario in SCENARIOS:
        with ScenarioServer() as server:
            seen = agent(base_url=server.url_of(scenario))      # two tools, see TOOLS; "Done." once they have been called
            assert scenario.expected.calls == seen.calls

Each is as well written as its one fault allows. `Expected` says what stands in the stream, or that it must not pass for
whole: a client is right where it comes to that, or raises where `error` says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import attrs

from helpers.wire import DONE, choice, chunk, delta, sse

Broken = Literal["sender", "truncated", "reset", "length"]

DONE_TEXT = "Done."
"""What every request with the result of a tool is answered with."""

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": about,
            "parameters": {
                "type": "object",
                "properties": {argument: {"type": "string"}},
                "required": [argument],
                "additionalProperties": False,
            },
        },
    }
    for name, argument, about in (
        ("get_weather", "city", "Report the weather in a city."),
        ("get_time", "zone", "Report the time in a time zone."),
    )
]
"""The two tools of every scenario that calls any."""

CUSTOM_TOOL: dict[str, Any] = {
    "type": "custom",
    "custom": {"name": "run_sql", "description": "Run a query."},
}
"""The tool of the scenario `custom`."""


@attrs.frozen(kw_only=True)
class Expected:
    """What a client that reads right comes to."""

    texts: tuple[str, ...] = ("",)
    """The text of each choice."""
    calls: tuple[tuple[str, str], ...] = ()
    """Each call of choice 0: its name, and its arguments as JSON (of a custom tool: its input)."""
    reasoning: str = ""
    refusal: str = ""
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the answer, as the sender counted them at last."""
    error: Broken | None = None
    """Why it must not pass for whole: the sender reported an error, the body ended early, the connection was reset, or the
    arguments of a call were cut by the limit of tokens. What stands above is then what had arrived."""

    @property
    def text(self) -> str:
        """The text of choice 0."""
        return self.texts[0]


@attrs.frozen
class Scenario:
    """One stream: its name, the bytes of each event as they are sent, and what they come to."""

    name: str
    events: tuple[bytes, ...] = attrs.field(repr=False)
    expected: Expected
    reset: bool = False
    """Whether the connection is reset after the last event, in place of an end of the body."""

    @property
    def body(self) -> bytes:
        """All bytes of the stream."""
        return b"".join(self.events)


PIECES = ("Grüß", " Gott,", " 世界", " 🌍", " und mehr.")
TEXT = "".join(PIECES)
LOUD = tuple(piece.upper() for piece in PIECES[:3])
THOUGHTS = ("Erst", " überlegen", " … 🤔")
CITY, ZONE = '{"city":"Zürich"}', '{"zone":"Asia/Tōkyō"}'
CALLS = (("get_weather", CITY), ("get_time", ZONE))
SQL = "select 'Ø' from dual"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _content(*pieces: str, first: bool = True) -> list[str]:
    """A chunk for each piece of text, the role in one before."""
    role = [delta('{"role":"assistant","content":""}')] if first else []
    return [*role, *(delta(f'{{"content":{_quoted(piece)}}}') for piece in pieces)]


def _fragment(**fields: Any) -> str:
    """One fragment of a call, without the fields that are None."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return json.dumps({**fields, **({"function": function} if function else {})}, ensure_ascii=False)


def _call(*fragments: str) -> str:
    """One chunk with these fragments."""
    return delta(f'{{"tool_calls":[{",".join(fragments)}]}}')


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


_ID = ("call_a", "call_b")
_INDEX: tuple[int | None, ...] = (0, 1)


def _tools(
    index: tuple[int | None, ...] = _INDEX,
    ids: tuple[str | None, ...] = _ID,
    *,
    again: dict[str, Callable[[int], Any]] | None = None,
    whole: bool = False,
    finish: str = "tool_calls",
) -> list[str]:
    """Two calls one after the other: a header, then the arguments in halves. `again`: what each half repeats."""
    chunks: list[str] = []
    for at, (name, arguments) in enumerate(CALLS):
        place = {} if index[at] is None else {"index": index[at]}
        header = {**place, "id": ids[at], "type": "function", "name": name}
        if whole:
            chunks.append(_call(_fragment(**header, arguments=arguments)))
            continue
        chunks.append(_call(_fragment(**header, arguments="")))
        for half in _halves(arguments):
            repeated = {key: of(at) for key, of in (again or {}).items()}
            chunks.append(_call(_fragment(**place, **repeated, arguments=half)))
    return [*chunks, delta(finish=finish)]


def _interleaved() -> list[str]:
    headers = [
        _fragment(index=at, id=_ID[at], type="function", name=name, arguments="") for at, (name, _) in enumerate(CALLS)
    ]
    halves = [_halves(arguments) for _, arguments in CALLS]
    turns = [_call(_fragment(index=at, arguments=halves[at][turn])) for turn in (0, 1) for at in (0, 1)]
    return [_call(*headers), *turns, delta(finish="tool_calls")]


def _objects() -> list[str]:
    fragments = [
        _fragment(index=at, id=_ID[at], type="function", name=name, arguments=json.loads(arguments))
        for at, (name, arguments) in enumerate(CALLS)
    ]
    return [*map(_call, fragments), delta(finish="tool_calls")]


def _custom() -> list[str]:
    first, second = _halves(SQL)
    header = '{"index":0,"id":"call_a","type":"custom","custom":{"name":"run_sql","input":""}}'
    pieces = [f'{{"index":0,"custom":{{"input":{_quoted(piece)}}}}}' for piece in (first, second)]
    return [_call(header), *map(_call, pieces), delta(finish="tool_calls")]


def _reasoning() -> list[str]:
    return [
        delta('{"role":"assistant","content":null}'),
        *(delta(f'{{"reasoning_content":{_quoted(piece)}}}') for piece in THOUGHTS),
    ]


def _usage(prompt: int, completion: int) -> str:
    return f'"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{prompt + completion}}}'


def _usage_each() -> list[str]:
    counted = [delta(f'{{"content":{_quoted(piece)}}}', more=_usage(7, at)) for at, piece in enumerate(PIECES, start=1)]
    return [*counted, delta(finish="stop", more=_usage(7, len(PIECES)))]


def _two_choices() -> list[str]:
    """Both begin in order and run in turns; the second, which is shorter, ends first."""
    first = [delta(f'{{"content":{_quoted(piece)}}}', index=0) for piece in PIECES]
    second = [delta(f'{{"content":{_quoted(piece)}}}', index=1) for piece in LOUD]
    turns = [one for pair in zip(first, second, strict=False) for one in pair]
    rest = first[len(second) :]
    return [*turns, delta(finish="stop", index=1), *rest, delta(finish="stop", index=0)]


def _roles() -> list[str]:
    return [delta(f'{{"role":"assistant","content":{_quoted(piece)}}}') for piece in PIECES]


_WHOLE = f'{{"role":"assistant","content":{_quoted(TEXT)}}}'
_FULL_FINAL = chunk(choice(finish="stop", more=f'"message":{_WHOLE}'))
_FULL_ONLY = (
    '{"id":"c1","object":"chat.completion","created":7,"model":"m",'
    f'"choices":[{{"index":0,"message":{_WHOLE},"finish_reason":"stop"}}]}}'
)
_FILTERED = '{"hate":{"filtered":false,"severity":"safe"}}'
_AZURE = (
    '{"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":'
    f'[{{"prompt_index":0,"content_filter_results":{_FILTERED}}}]}}'
)
_ERROR = '{"error":{"message":"The engine ran out of memory","type":"server_error","code":500}}'
_NO = ("Das", " lehne ich", " ab.")


def _scenario(name: str, *parts: str | bytes, done: bool = True, reset: bool = False, **expected: Any) -> Scenario:
    """A scenario of documents, one event each, and raw bytes; `done`: `[DONE]` after them."""
    events = [part if isinstance(part, bytes) else sse(part) for part in parts]
    return Scenario(name, tuple([*events, DONE] if done else events), Expected(**expected), reset)


def _of_text(name: str, *parts: str | bytes, **more: Any) -> Scenario:
    return _scenario(name, *parts, **{"texts": (TEXT,), **more})


def _of_tools(name: str, chunks: list[str], **more: Any) -> Scenario:
    role = delta('{"role":"assistant","content":null}')
    return _scenario(name, role, *chunks, **{"calls": CALLS, **more})


_STOP = delta(finish="stop")
_START = PIECES[:3]

SCENARIOS: tuple[Scenario, ...] = (
    _of_text("text", *_content(*PIECES), _STOP),
    _of_tools("tools", _tools()),
    _of_tools("tools_interleaved", _interleaved()),
    _of_tools("tools_no_index", _tools((None, None))),
    _of_tools("tools_all_zero", _tools((0, 0))),
    _of_tools("tools_all_zero_whole", _tools((0, 0), whole=True)),
    _of_tools("tools_from_one", _tools((1, 2))),
    _of_tools(
        "tools_repeated",
        _tools(again={"id": lambda at: _ID[at], "type": lambda _: "function", "name": lambda at: CALLS[at][0]}),
    ),
    _of_tools("tools_empty_id", _tools(again={"id": lambda _: "", "name": lambda _: ""})),
    _of_tools("tools_object", _objects()),
    _of_tools("tools_no_id", _tools(ids=(None, None))),
    _of_tools("tools_same_id", _tools(ids=("call_a", "call_a"))),
    _of_text(
        "finish_empty", *(one.replace('"finish_reason":null', '"finish_reason":""') for one in _content(*PIECES)), _STOP
    ),
    _of_tools("finish_stop", _tools(finish="stop")),
    _scenario("error", *_content(*_START), _ERROR, done=False, texts=("".join(_START),), error="sender"),
    _scenario("error_first", _ERROR, done=False, error="sender"),
    _scenario("truncated", *_content(*_START), done=False, texts=("".join(_START),), error="truncated"),
    _of_tools("truncated_tools", _tools()[:3], done=False, calls=CALLS[:1], error="truncated"),
    _scenario("reset", *_content(*_START), done=False, reset=True, texts=("".join(_START),), error="reset"),
    _of_tools("length_in_args", [*_tools()[:5], delta(finish="length")], calls=CALLS[:1], error="length"),
    _of_text("reasoning", *_reasoning(), *_content(*PIECES, first=False), _STOP, reasoning="".join(THOUGHTS)),
    _scenario("reasoning_tools", *_reasoning(), *_tools(), calls=CALLS, reasoning="".join(THOUGHTS)),
    _of_text("usage_each", *_usage_each(), usage=(7, len(PIECES))),
    _scenario("n2", *_two_choices(), texts=(TEXT, "".join(LOUD))),
    _of_text("role_repeated", *_roles(), _STOP),
    _of_text(
        "bom", b"\xef\xbb\xbf" + sse(*_content(PIECES[0], first=False)), *_content(*PIECES[1:], first=False), _STOP
    ),
    _of_text(
        "last_unterminated",
        *_content(*PIECES[:-1]),
        sse(delta(f'{{"content":{_quoted(PIECES[-1])}}}', finish="stop")).rstrip(b"\n"),
        done=False,
    ),
    _of_text("full_final", *_content(*PIECES), _FULL_FINAL),
    _of_text("full_only", _FULL_ONLY),
    _of_text("no_done", *_content(*PIECES), _STOP, done=False),
    _of_text("keep_alive", *(b": still thinking\n\n" + sse(one) for one in _content(*PIECES)), _STOP),
    _of_text("azure_first", _AZURE, *_content(*PIECES), _STOP),
    _scenario(
        "refusal",
        delta('{"role":"assistant"}'),
        *(delta(f'{{"refusal":{_quoted(one)}}}') for one in _NO),
        _STOP,
        refusal="".join(_NO),
    ),
    _of_tools("custom", _custom(), calls=(("run_sql", SQL),)),
)
"""In the order in which issues and reports number them."""

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}

ANSWER: tuple[bytes, ...] = (sse(*_content("Do", "ne.")), sse(_STOP), DONE)
"""The stream that answers a request with the result of a tool: `DONE_TEXT`."""
