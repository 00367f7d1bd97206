"""A real server on the loopback interface that plays `SCENARIOS`, each under a base URL by itself, and counts.

    with ScenarioServer() as server:
        client = openai.OpenAI(base_url=server.url("tools"), ...)

`POST /<scenario>/v1/chat/completions` is answered with the events of that scenario, each a chunk of HTTP; a request with the
result of a tool (`"role": "tool"` among its messages) with `DONE_TEXT`. Connections are kept, as every sender keeps them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any

import attrs

from helpers.loopback import PATIENCE, reset
from helpers.scenarios import ANSWER, BY_NAME, Scenario


@attrs.frozen
class Asked:
    """One request: its path, its headers in lower case, and its JSON."""

    path: str
    headers: dict[str, str] = attrs.field(repr=False)
    body: dict[str, Any] = attrs.field(repr=False)


class ScenarioServer:
    """Answers any number of requests, on any number of connections. `connections`: how many there were; `asked`: each
    request; `turns`: how many of them brought the result of a tool. `tls`: speaks TLS."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.asked: list[Asked] = []
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def turns(self) -> int:
        return sum(has_result(one.body) for one in self.asked)

    def url(self, scenario: str | Scenario) -> str:
        """The base URL of a scenario, `/v1` included."""
        name = scenario if isinstance(scenario, str) else scenario.name
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def __enter__(self) -> ScenarioServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._server.server_close()  # waits for the threads
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    owner: ScenarioServer

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients leave as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.opened(self.connection)

    def finish(self) -> None:
        self.server.owner.closed(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(data)
        self.server.owner.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        scenario = BY_NAME.get(self.path.split("/")[1])
        if (
            scenario is None
            or not self.path.partition("?")[0].endswith("/chat/completions")
            or body.get("stream") is not True
        ):
            self._refuse()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        answer = ANSWER if has_result(body) else scenario.events
        for event in answer:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        if scenario.reset and answer is not ANSWER:
            reset(self.connection)
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self) -> None:
        text = b'{"error":{"message":"POST /<scenario>/v1/chat/completions with \\"stream\\": true","type":"invalid_request_error"}}'
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def has_result(body: dict[str, Any]) -> bool:
    """Whether a request brings the result of a tool."""
    return any(message.get("role") == "tool" for message in body.get("messages", []))
