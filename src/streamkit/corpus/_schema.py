"""The columns that a row of a corpus gets: one table of names, types and meanings.

Text and bytes have 64-bit offsets (`large_string`, `large_binary`): a batch of compressed bodies unpacks to more than the
2 GiB that 32-bit offsets reach. Every column is null in a row without a body.
"""

from __future__ import annotations

from typing import Any

import attrs
import pyarrow as pa

from .. import Timing
from ..types import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

__all__ = ("COLUMNS", "FIGURES", "INSTANTS", "SCHEMA", "TOKENS", "USAGE")

_TEXT, _BYTES, _COUNT = pa.large_string(), pa.large_binary(), pa.int64()

_UNKNOWN = ("opened", "head", "closed")  # to a recording
INSTANTS = tuple(
    one.name for one in attrs.fields(Timing) if str(one.type) == "float | None" and one.name not in _UNKNOWN
)
TOKENS = ("input_tokens", "output_tokens", "reasoning_tokens")
FIGURES = tuple(
    name
    for name, value in vars(Timing).items()
    if isinstance(value, property) and getattr(value.fget, "__annotations__", {}).get("return") == "float | None"
    if name not in ("duration", "tokens_per_second_overall")  # which end with `closed`
)

USAGE: dict[str, tuple[str, ...]] = {
    **{one.name: (one.name,) for one in attrs.fields(CompletionUsage) if one.name.endswith("_tokens")},
    **{
        f"{short}_{one.name}": (place, one.name)
        for place, short, kind in (
            ("prompt_tokens_details", "prompt", PromptTokensDetails),
            ("completion_tokens_details", "completion", CompletionTokensDetails),
        )
        for one in attrs.fields(kind)
        if one.name.endswith("_tokens")
    },
}
"""Field of the struct `usage` -> where it is in the response's."""

_TOOL_CALL = pa.struct(
    [
        ("choice", _COUNT),
        ("id", _TEXT),
        ("type", _TEXT),
        ("name", _TEXT),
        ("arguments", _TEXT),
        ("complete", pa.bool_()),
        ("synthetic_id", pa.bool_()),
    ]
)
_CHOICE = pa.struct(
    [
        ("index", _COUNT),
        ("finish_reason", _TEXT),
        ("content", _TEXT),
        ("reasoning", _TEXT),
        ("refusal", _TEXT),
        ("extra_json", _TEXT),
    ]
)
_USAGE = pa.struct([*((name, _COUNT) for name in USAGE), ("extra_json", _TEXT)])
_ANOMALY = pa.struct(
    [
        ("code", _TEXT),
        ("severity", _TEXT),
        ("path", _TEXT),
        ("event", _COUNT),
        ("count", _COUNT),
        ("excerpt", _TEXT),
    ]
)
_TIMING = pa.struct(
    [
        *((name, pa.float64()) for name in (*INSTANTS, *FIGURES)),
        *((name, _COUNT) for name in TOKENS),
        ("chunk_times", pa.list_(pa.float64())),
        ("output_times", pa.list_(pa.float64())),
    ]
)

COLUMNS: dict[str, tuple[Any, str]] = {
    "id": (_TEXT, "The response's id; null where no chunk arrived."),
    "model": (_TEXT, "The model that the sender names first."),
    "created": (_COUNT, "When it was begun, in seconds since 1970."),
    "outcome": (_TEXT, "How the stream ended: `complete`, `truncated` or `failed`."),
    "reason": (_TEXT, "Which case of it: a word of `streamkit.outcome.REASONS`."),
    "error": (_TEXT, "What the error says, with where it happened; null where the stream is complete."),
    "error_kind": (_TEXT, "What went wrong, for a program (`StreamError.kind`): `rate_limit`, `context_length` …"),
    "content": (_TEXT, "The text of the first choice, the one with the lowest index."),
    "reasoning": (_TEXT, "The reasoning of the first choice, wherever its sender writes it."),
    "refusal": (_TEXT, "The refusal of the first choice."),
    "tool_calls": (
        pa.list_(_TOOL_CALL),
        (
            "The calls of all choices in order: `choice` (its index), `id`, `type` (`function`, `custom`, `function_call` for"
            " the deprecated kind, which has no id), `name`, `arguments` (of a custom call its input), `complete` (whether the"
            " arguments ended as meant), `synthetic_id` (whether the sender wrote none and it was made up)."
        ),
    ),
    "choices": (
        pa.list_(_CHOICE),
        (
            "All choices by index: `index`, `finish_reason`, `content`, `reasoning`, `refusal`, and `extra_json`: the fields"
            " of the message that the format does not know, as a JSON object, null where there are none."
        ),
    ),
    "finish_reasons": (
        pa.list_(_TEXT),
        "Why each choice stopped, in the order of `choices`; null where there was none.",
    ),
    "usage": (
        _USAGE,
        (
            "The tokens that the sender counts; null where it reports none. Each figure is null where it was never reported,"
            " or is not a count: `prompt_tokens`, `completion_tokens`, `total_tokens`, those of the two details with `prompt_` or"
            " `completion_` in front, and `extra_json`: fields that the format does not know (costs), as a JSON object."
        ),
    ),
    "anomalies": (
        pa.list_(_ANOMALY),
        (
            "What the sender did that the format does not define, once for each code and path: `code`, `severity` (`note`,"
            " `repaired`, `lost`), `path`, `event` (the first, 1-based), `count`, `excerpt`."
        ),
    ),
    "timing": (
        _TIMING,
        (
            "Where arrival times were passed, what `streamkit.timing_of` says of them, in seconds since the request was sent:"
            " its instants, its figures, its token counts, `chunk_times` and `output_times`. Else null."
        ),
    ),
    "n_bytes": (_COUNT, "Bytes of the body, unpacked."),
    "n_events": (_COUNT, "Server-sent events, `[DONE]` included."),
    "n_comments": (_COUNT, "Comments: keep-alives."),
    "n_chunks": (_COUNT, "Chunks folded into the response."),
    "response_json": (
        _BYTES,
        "The whole response as JSON, with every field that any chunk had; null where none arrived.",
    ),
    "extra_json": (_TEXT, "Fields of the response itself that the format does not know, as a JSON object, or null."),
}
"""Column -> its Arrow type and what it holds, in the order of `SCHEMA`."""

SCHEMA = pa.schema([pa.field(name, kind) for name, (kind, _) in COLUMNS.items()])
"""The columns that `reassemble_batch` adds, as an Arrow schema."""
