"""A sender on loopback that answers chat completions by what was asked, streamed or not, in as many requests as are made.

    with Sender() as sender:
        openai.OpenAI(api_key="any", base_url=sender.url).chat.completions.create(...)
    sender.requests     # the bodies

`answer`: from the body of a request and its number (from 1) to an `Answer`; by default the last message comes back as text.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

from helpers.wire import DONE, delta, sse

__all__ = ("Answer", "Sender", "echo", "said")


@attrs.frozen
class Answer:
    """A response: its blocks are sent as HTTP chunks, one by one."""

    blocks: tuple[bytes, ...]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/event-stream"),)
    whole: bool = True
    """False: the connection is closed without the last HTTP chunk."""


def said(text: str, *, stream: bool = True) -> Answer:
    """Return an answer that says `text`, a word in each event."""
    if not stream:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return Answer((json.dumps(body).encode(),), headers=(("content-type", "application/json"),))
    words = [sse(delta(json.dumps({"content": word}))) for word in text.split(" ")]
    return Answer((sse(delta('{"role":"assistant","content":""}')), *words, sse(delta("{}", "stop")), DONE))


def echo(body: dict[str, Any], number: int) -> Answer:
    return said(f"you said {body['messages'][-1]['content']}", stream=body.get("stream", False))


class Sender:
    def __init__(self, answer: Callable[[dict[str, Any], int], Answer] = echo) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answer = answer
        self._lock = threading.Lock()
        sender = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with sender._lock:
                    sender.requests.append(body)
                    number = len(sender.requests)
                answer = sender._answer(body, number)
                self.send_response_only(answer.status)
                for name, value in (*answer.headers, ("transfer-encoding", "chunked")):
                    self.send_header(name, value)
                self.end_headers()
                for block in answer.blocks:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
                if answer.whole:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
