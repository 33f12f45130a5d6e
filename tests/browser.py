"""A real browser for tests of pages: Chromium, driven over its debugging pipe; no driver needs to be installed."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")
LOCAL = ("file:", "data:", "blob:", "about:")
PATIENCE_S = 60
_GONE = "Inspected target navigated or closed"


def find_browser():
    """The browser's path; without one the test is skipped."""
    path = os.environ.get("AUTODRIVE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    return path


class PageIsGone(Exception):
    """The page was left for another one while it was asked something."""


class Browser:
    """One browser with one page; requests to other places than these files and ``server`` are problems."""

    def __init__(self, downloads, server=None):
        self.downloads = Path(downloads)
        self.local = (*LOCAL, server) if server else LOCAL
        self.problems = []
        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_it, self._out = os.pipe()
        self._in, from_it = os.pipe()
        command = [find_browser(), *OPTIONS, f"--user-data-dir={self._home.name}"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_it} 4>&{from_it}', "bash", *command],
            pass_fds=(to_it, from_it),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_it)
        os.close(from_it)
        self._waiting, self._number, self._session, self._loaded = b"", 0, None, None
        self._tabs = []
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.new_tab()

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self._out)  # it ends with its pipe
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        os.close(self._in)
        self._home.cleanup()

    def ask(self, method, **params):
        """Send one command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if answer.get("error", {}).get("message") == _GONE:
                    raise PageIsGone
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def new_tab(self):
        """Open another page and work on it from now on; returns what :meth:`use` takes to come back to this one."""
        before, self._session = self._session, None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._tabs.append(target)
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        return before

    def use(self, tab):
        """Work on another tab; returns what it takes to come back."""
        before, self._session = self._session, tab
        self.ask("Page.bringToFront")
        return before

    def close_tabs(self):
        """Close all pages; open another with :meth:`new_tab` before anything else."""
        self._session = None
        for target in self._tabs:
            self.ask("Target.closeTarget", targetId=target)
        self._tabs.clear()

    def open(self, page):
        """Open a file, or an address."""
        # By the loader's id: the load event of the page before may still be on its way.
        url = page if isinstance(page, str) else page.as_uri()
        loader = self.ask("Page.navigate", url=url)["loaderId"]
        while self._loaded != loader:
            self._next()

    def at_start(self, script):
        """Run a script in each page of this tab from now on, before the page's own."""
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def run(self, script):
        """The value of an expression of JavaScript."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, condition):
        """Wait until an expression of JavaScript is true, through the loading of pages too; returns its value."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                done = self.ask("Runtime.evaluate", expression=condition, returnByValue=True, awaitPromise=True)
            except PageIsGone:
                continue
            value = None if "exceptionDetails" in done else done["result"].get("value")
            if value not in (None, False, 0, ""):  # an element comes as an empty dictionary, and is something
                return value
            if time.monotonic() > end:
                words = self.ask("Runtime.evaluate", expression="document.body.innerText", returnByValue=True)
                raise AssertionError(f"never {condition}: {words['result'].get('value')}")
            time.sleep(0.05)

    def press(self, *keys):
        """Press keys, by their names as a page hears them."""
        for key in keys:
            text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
            code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                typed = text if kind == "keyDown" else {}
                self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def downloaded(self, name):
        """The content of a file that the page gave, once it is whole."""
        end = time.monotonic() + PATIENCE_S
        while not (self.downloads / name).is_file():
            assert time.monotonic() < end, f"{name} was not saved; there is {list(self.downloads.iterdir())}"
            time.sleep(0.05)
        return (self.downloads / name).read_text(encoding="utf-8")

    def resize(self, width, height=900, scheme="light"):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def _next(self):
        while b"\0" not in self._waiting:
            read = os.read(self._in, 1 << 20)
            assert read, "the browser has ended"
            self._waiting += read
        message, _, self._waiting = self._waiting.partition(b"\0")
        event = json.loads(message)
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded = params["loaderId"]
        elif method == "Runtime.exceptionThrown":
            self.problems.append(params["exceptionDetails"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(params["entry"])
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(self.local):
            self.problems.append(params["request"])
        return event
