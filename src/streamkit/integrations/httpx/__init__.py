"""Transports of httpx and httpx2 that write every stream of chat completions clean, before an SDK or a framework reads it.

    client = openai.OpenAI(http_client=openai.DefaultHttpxClient(transport=cleaning_transport()))

In: another transport, or none. Out: the same responses, but that a stream is one that OpenAI could have sent, whatever the
sender wrote, and one that broke off raises what the client raises for a broken connection. Requests for anything else pass
byte for byte. Neither library is imported here; install `streamkit-llm[httpx]`, or bring the one that your SDK has.
"""

from __future__ import annotations

from ._making import async_cleaning_transport, cleaning_transport
from ._options import OnEnd
from ._transports import AsyncCleaningTransport, CleaningTransport

__all__ = (
    "AsyncCleaningTransport",
    "CleaningTransport",
    "OnEnd",
    "async_cleaning_transport",
    "cleaning_transport",
)
