"""Without an inner transport requests go where a client without a transport sends them: by the environment's proxies, with
its certificates."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from helpers.cleaned import WAYS, Way, environment
from helpers.proxied import Tunnel, certificate_for
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import TEXT
from helpers.wire import read_blocks
from streamkit import AsyncRecordingTransport, AsyncReplayTransport, RecordingTransport, ReplayTransport
from streamkit.integrations.httpx import async_cleaning_transport, cleaning_transport
from streamkit.trace import Block, Trace

HOST = "sender.test"  # which nothing but the proxy knows
ways = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate_for(HOST, tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[ScenarioServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with ScenarioServer(tls) as server:
        yield server


def ask(way: Way, host: str) -> Any:
    url = f"https://{host}/bom/v1/chat/completions"
    found = way.run(lambda: way.ask_with(way.client(way.transport()), url))
    return read_blocks([found.body]).message["content"]


@ways
def test_requests_go_through_the_proxy_that_the_environment_names(
    way: Way, server: ScenarioServer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Tunnel(server.port) as proxy,
        environment(monkeypatch, HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(certificate[0])),
    ):
        assert TEXT == ask(way, HOST)
    assert [f"CONNECT {HOST}:443 HTTP/1.1"] == proxy.asked


@ways
def test_hosts_that_need_no_proxy_are_asked_directly(
    way: Way, server: ScenarioServer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"NO_PROXY": "127.0.0.1", "SSL_CERT_FILE": str(certificate[0])}
    with Tunnel(server.port) as proxy, environment(monkeypatch, HTTPS_PROXY=proxy.url, **names):
        assert TEXT == ask(way, f"127.0.0.1:{server.port}")
    assert [] == proxy.asked


@ways
def test_a_certificate_that_the_environment_does_not_name_is_refused(
    way: Way, server: ScenarioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with environment(monkeypatch), pytest.raises(way.library.ConnectError):
        ask(way, f"127.0.0.1:{server.port}")


@pytest.mark.parametrize("name", ["cleaning", "recording", "replay"])
def test_the_error_of_a_client_of_the_other_kind_names_the_transport_to_pass(name: str, tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    trace = Trace(blocks=(Block(0, b"data: [DONE]\n\n"),), observed="none")
    sync, asynchronous, siblings = {
        "cleaning": (
            cleaning_transport(),
            async_cleaning_transport(),
            ("cleaning_transport()", "async_cleaning_transport()"),
        ),
        "recording": (
            RecordingTransport(into=tmp_path),
            AsyncRecordingTransport(into=tmp_path),
            ("RecordingTransport", "AsyncRecordingTransport"),
        ),
        "replay": (
            ReplayTransport(trace, speed=0),
            AsyncReplayTransport(trace, speed=0),
            ("ReplayTransport", "AsyncReplayTransport"),
        ),
    }[name]

    async def ask() -> None:
        await httpx.AsyncClient(transport=sync, trust_env=False).get("http://x/")

    with pytest.raises(AttributeError, match=f"is for sync clients: pass {re.escape(siblings[1])} to an async one"):
        anyio.run(ask)
    with pytest.raises(AttributeError, match=f"is for async clients: pass {re.escape(siblings[0])} to a sync one"):
        httpx.Client(transport=asynchronous, trust_env=False).get("http://x/")
    with pytest.raises(AttributeError, match="has no attribute 'retries'"):
        _ = sync.retries
