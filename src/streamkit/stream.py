"""A living source, read as events, text, chunks or tool calls, and the response when it is over.

    with ChatStream(http_response) as stream:
        for text in stream.text(): ...
    stream.response

`ChatStream` and `AsyncChatStream` are siblings: the same names mean the same. What they share is in `session.py`; each reads
its source, and closes it.

Rule 1  Reading is lazy: the source is asked when a piece is wanted that has not come yet, and never after its end.
Rule 2  `[DONE]`, a failure, a deadline or the last byte end the stream, and the source is closed before the last events
        are given; but a response that said `[DONE]` is first read on, when all was given and more is asked for, or on
        leaving: for at most `grace` seconds and never to another outcome, so that its client can use the connection
        once more (`sources_rest.py`). Leaving earlier closes it, drains nothing, and ends the stream as cancelled with
        what had come. Who iterates after that is told by a `MisuseError`; where another task or thread leaves while one
        waits, the iteration of that one just ends.
Rule 3  Iterating events raises nothing for what the sender did: `End`, always last, has the outcome. What came from
        outside of the bytes (the source's exception, a deadline) is raised behind it, as the outcome's error. `text`,
        `chunks` and `tool_calls` show no `End`: they raise the error of every outcome that has one. Every such error
        has the response so far in `partial`.
Rule 4  Only misuse, and the first anomaly under `strict=True`, raise in the midst of it; the source is closed then too.
Rule 5  Async, no cancel scope is open while the caller runs: each read has its own. Cancelled at any await, the source is
        closed (shielded, for at most 5 seconds) and the stream has ended as cancelled.
"""

from __future__ import annotations

from .stream_async import AsyncChatStream, AsyncPieces
from .stream_sync import ChatStream, Pieces

__all__ = ("AsyncChatStream", "AsyncPieces", "ChatStream", "Pieces")
