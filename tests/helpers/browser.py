"""A real browser for tests: Chromium, spoken to over pipes, without a driver and without a port.

    with Browser() as browser, browser.page("file:///…", width=390) as page:
        page.press("ArrowRight"); page.value("document.title"); page.requests; page.errors

Its protocol is JSON objects that end in NUL, on file descriptors 3 and 4 (`--remote-debugging-pipe`). Nothing is loaded
before `page` listens, so that every request and message of the console is seen.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ("CHROMIUM", "Browser", "Page", "needs_browser")

PATIENCE = 60.0  # seconds until a browser that hangs fails a test
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (path := shutil.which(name))), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None or os.name != "posix", reason="there is no Chromium")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
)
_KEYS = {"+": 187, "-": 189, "0": 48, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
_KEYS |= {"Home": 36, "End": 35, "Tab": 9}


class Browser:
    """One process. `page` opens a page in it."""

    def __enter__(self) -> Browser:
        assert CHROMIUM is not None
        self._folder = tempfile.mkdtemp(prefix="streamkit-browser-")
        # The read end of what it is sent is its 3, the write end of what it answers its 4: by way of a shell, since
        # a function between fork and exec is not safe beside threads; of bash, since others take descriptors of one digit.
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        command = [CHROMIUM, *_FLAGS.split(), f"--user-data-dir={self._folder}"]
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command], pass_fds=(theirs_in, theirs_out), start_new_session=True, **quiet
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest = b""
        self._number = 0
        self.heard: deque[dict[str, Any]] = deque()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._folder, ignore_errors=True)

    def call(self, method: str, session: str | None = None, **params: object) -> Any:
        """Return what a method of the protocol answers; what is heard meanwhile is kept."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = memoryview(json.dumps(message).encode() + b"\0")
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            found = self.hear()
            if found.get("id") == self._number:
                assert "error" not in found, f"{method}: {found['error']}"
                return found["result"]
            self.heard.append(found)

    def hear(self) -> dict[str, Any]:
        """Return the next message."""
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(until - time.monotonic(), 0))
            assert ready, "the browser says nothing"
            block = os.read(self._from, 1 << 20)
            assert block, "the browser has ended"
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)  # type: ignore[no-any-return]

    @contextmanager
    def page(self, url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> Iterator[Page]:
        """Open a page in a window of that size and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.heard.clear()
        page = Page(self, session)
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        phone = width < 700
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.navigate", url=url)
        page.until("Page.loadEventFired")
        yield page
        self.call("Target.closeTarget", targetId=target)


class Page:
    """A page that is open."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **params: object) -> Any:
        """Return what a method answers for this page."""
        return self._browser.call(method, self._session, **params)

    def until(self, method: str) -> None:
        """Wait for a message of that name which has not been waited for."""
        heard = self._browser.heard
        while (
            found := next((one for one in heard if one.get("method") == method and "waited" not in one), None)
        ) is None:
            heard.append(self._browser.hear())
        found["waited"] = True

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript; a promise is awaited."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys, one after the other."""
        for key in keys:
            facts: dict[str, object] = {"key": key, "windowsVirtualKeyCode": _KEYS[key], "modifiers": 8 if shift else 0}
            self.call("Input.dispatchKeyEvent", type="rawKeyDown", **facts)
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    @property
    def requests(self) -> list[str]:
        """What the page asked the network for, itself among it."""
        return [
            one["params"]["request"]["url"]
            for one in self._browser.heard
            if one.get("method") == "Network.requestWillBeSent"
        ]

    @property
    def errors(self) -> list[str]:
        """What its console says, and what went wrong in its script."""
        wrong = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(one["params"]) for one in self._browser.heard if one.get("method") in wrong]

    def shot(self, *, whole: bool = False) -> bytes:
        """Return a picture of the window, or of the whole page, as PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        return base64.b64decode(found["data"])

    def _clip(self, whole: bool) -> dict[str, object]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
