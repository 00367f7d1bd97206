"""A Redis for tests: started here, on a socket in a new folder, without anything on disk, and stopped at the end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .loopback import PATIENCE

SERVER = shutil.which("redis-server")


@contextmanager
def redis_server() -> Iterator[str]:
    """Start a redis-server and yield its URL; skip the test where there is none."""
    pytest.importorskip("redis", exc_type=ImportError)
    if SERVER is None:
        pytest.skip("redis-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="redis-"))  # not tmp_path: a socket's path has at most 107 bytes
    address = folder / "socket"
    options = ["--port", "0", "--unixsocket", str(address), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    server = subprocess.Popen([SERVER, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "ready to accept connections" in line.lower():
                break
        else:
            pytest.skip("redis-server does not start here")
        yield f"unix://{address}"
    finally:
        server.kill()
        server.communicate(timeout=PATIENCE)
        shutil.rmtree(folder)
