"""A proxy on the loopback interface that tunnels every connection to one port, and a certificate for a sender over TLS.

with Tunnel(server.port) as proxy: ...          # `proxy.asked`: what each CONNECT named
certificate, key = certificate_for("sender.test", folder)
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from helpers.accepting import Accepting


class Tunnel(Accepting):
    """Answers `CONNECT` to whatever, and carries the bytes to 127.0.0.1 at `port`."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._behind = port
        self.url = f"http://127.0.0.1:{self.port}"

    def accepted(self, near: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        self.asked.append(head.split(b"\r\n")[0].decode())
        far = socket.create_connection(("127.0.0.1", self._behind))
        self._open.append(far)
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self._run(_carry, near, far)
        self._run(_carry, far, near)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def certificate_for(host: str, folder: Path) -> tuple[Path, Path]:
    """Make a certificate for `host` and 127.0.0.1 that signs itself, and its key; skips where there is no openssl."""
    command = shutil.which("openssl")
    if command is None:
        pytest.skip("makes a certificate with the command openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run([command, "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)
    return certificate, key
