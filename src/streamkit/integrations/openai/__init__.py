"""The openai SDK, right for whatever sender: its client, its types, and drop-ins for its stream helpers.

    client = streamkit.integrations.openai.client(openai.OpenAI())           # every stream is read clean
    completion = to_openai(response); response = from_openai(completion)     # lossless, both ways
    with ChatEvents(client.chat.completions.stream(model=…, messages=…)) as stream:
        for event in stream: ...                                             # the SDK's events, right where it raises

In: objects of the SDK. Out: objects of the SDK, or of subclasses of its classes. Install `streamkit-llm[openai]`.
"""

from __future__ import annotations

try:
    import openai  # noqa: F401
except ImportError as error:
    raise ImportError(
        'streamkit.integrations.openai needs the openai SDK: pip install "streamkit-llm[openai]"'
    ) from error

from ._chat_events import AsyncChatEvents, ChatEvents
from ._client import client
from ._convert import from_openai, to_openai
from ._event_classes import CustomInputDelta, CustomInputDone
from ._state import ChatCompletionStreamState

__all__ = (
    "AsyncChatEvents",
    "ChatCompletionStreamState",
    "ChatEvents",
    "CustomInputDelta",
    "CustomInputDone",
    "client",
    "from_openai",
    "to_openai",
)
