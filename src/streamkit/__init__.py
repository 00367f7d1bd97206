"""The stream accumulation and reassembly engine for OpenAI-compatible chat completions.

Bytes of any server-sent-event stream go in; the full `CreateChatCompletionResponse` that the request would have
returned without streaming comes out, while it runs and when it ends. `reassemble` does it all at once, `Accumulator`
step by step and without I/O.
"""

from . import errors, events, sse, types
from .accumulator import Accumulator, Statistics
from .anomalies import CODES, Anomaly
from .check import Report, check_stream
from .codec import dumps, loads, structure, unstructure
from .errors import (
    FormatError,
    LimitError,
    MisuseError,
    RemoteError,
    SenderError,
    StreamError,
    TruncatedError,
    ValidationError,
)
from .habits import Dialect
from .limits import Limits
from .outcome import Outcome
from .rules import RULES, Rule
from .sources import reassemble

__all__ = (
    "CODES",
    "RULES",
    "Accumulator",
    "Anomaly",
    "Dialect",
    "FormatError",
    "LimitError",
    "Limits",
    "MisuseError",
    "Outcome",
    "RemoteError",
    "Report",
    "Rule",
    "SenderError",
    "Statistics",
    "StreamError",
    "TruncatedError",
    "ValidationError",
    "check_stream",
    "dumps",
    "errors",
    "events",
    "loads",
    "reassemble",
    "sse",
    "structure",
    "types",
    "unstructure",
)
