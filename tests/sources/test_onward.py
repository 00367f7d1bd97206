"""Without an inner transport requests go where a client without a transport sends them: by the environment's proxies, with
its certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.cleaned import WAYS, Way, environment
from helpers.proxied import Tunnel, certificate_for
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import TEXT
from helpers.wire import read_blocks

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
