"""The command line in processes that are forked from one which has loaded it: 10 ms each instead of 180.

    Forks.shared().run(["assemble", "-"], stdin=b"...", env={...}, patience=60)

In: arguments, the bytes of standard input, the environment. Out: what `subprocess.run` returns. Each command is a separate
process, with real pipes, in the folder of the caller; only the interpreter and the package are there already. What they read
when they start (`PYTHONUTF8`, a locale) is therefore not to be changed: `command.run` starts a new interpreter for that, and for
everything in the whole tier.

Linux: a socket that keeps messages apart, and passes files on.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

__all__ = ("Forks",)

_MOST = 128 * 1024  # bytes of a request: arguments and environment


class Forks:
    """The process that forks; one for each process of tests, which ends with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-W", "error", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        atexit.register(self._end)

    def _end(self) -> None:
        self._ours.close()
        self._process.wait()

    @staticmethod
    @cache
    def shared() -> Forks:
        return Forks()

    def run(
        self, command: list[str], *, stdin: bytes, env: Mapping[str, str], patience: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `streamkit` with these arguments."""
        (its_in, our_in), (our_out, its_out), (our_err, its_err) = (os.pipe() for _ in range(3))
        request = json.dumps({"command": command, "env": dict(env), "folder": os.getcwd()}).encode()
        shown: dict[int, bytes] = {}

        def put() -> None:
            try:
                with open(our_in, "wb", buffering=0) as file:
                    left = memoryview(stdin)
                    while left:
                        left = left[file.write(left) :]
            except BrokenPipeError:
                pass  # it did not read to the end

        def take(number: int) -> None:
            with open(number, "rb") as file:
                shown[number] = file.read()

        with self._lock:
            self._ours.settimeout(patience)
            socket.send_fds(self._ours, [request], [its_in, its_out, its_err])
            for number in (its_in, its_out, its_err):
                os.close(number)
            threads = [threading.Thread(target=put)]
            threads += [threading.Thread(target=take, args=(number,)) for number in (our_out, our_err)]
            for thread in threads:
                thread.start()
            code = int(self._ours.recv(64))
        for thread in threads:
            thread.join(patience)
        return subprocess.CompletedProcess(command, code, shown[our_out], shown[our_err])


def serve(messages: socket.socket) -> None:
    """Fork for each request until the other side has ended."""
    import streamkit._cli.main  # noqa: F401  # loaded once, for all

    gc.freeze()
    while True:
        request, files, _, _ = socket.recv_fds(messages, _MOST, 3)
        if not request:
            return
        if (child := os.fork()) == 0:
            messages.close()
            be(json.loads(request), files)
        for number in files:
            os.close(number)
        _, status = os.waitpid(child, 0)
        messages.send(str(os.waitstatus_to_exitcode(status)).encode())


def be(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Be the command: with its files, environment and folder."""
    from streamkit._cli.main import main

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.argv = ["streamkit", *request["command"]]
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    code: object = 1
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
