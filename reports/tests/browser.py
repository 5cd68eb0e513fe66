"""A headless Chromium driven over its debugging pipe, with the standard library alone."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", *QUIET, "--remote-debugging-pipe", "--hide-scrollbars")
PATIENCE = 60.0


def find_chromium() -> str | None:
    """The first browser on PATH that these tests can drive."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def find_axe() -> Path | None:
    """axe.min.js of the installed axe-core-python, whose own code is not imported because it needs a browser driver."""
    spec = find_spec("axe_core_python")
    return Path(*(spec.submodule_search_locations or []), "axe.min.js") if spec else None


class Tab:
    """One page. events: everything that the browser reported, in order."""

    def __init__(self, send: int, receive: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._send, self._receive, self._buffer, self._count, self._session = send, receive, b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; RuntimeError if the browser refuses it."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._count:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def show(self, file: Path, width: int, dark: bool) -> None:
        """Open a file at a width, as a phone if it is narrow, in light or dark mode."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=file.resolve().as_uri())
        deadline = time.monotonic() + PATIENCE
        while self.evaluate("document.readyState") != "complete" and time.monotonic() < deadline:
            time.sleep(0.05)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:400])
        return answer["result"].get("value")

    def requested(self) -> list[str]:
        """Every address that the page requested."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Console output, dialogs and errors of any kind."""
        loud = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")
        return [json.dumps(event["params"])[:400] for event in self.events if event.get("method") in loud]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._receive], [], [], PATIENCE)[0]:
                raise TimeoutError("the browser does not answer")
            self._buffer += os.read(self._receive, 1 << 16)
        line, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(line))


@contextmanager
def open_tab(binary: str, profile: Path) -> Iterator[Tab]:
    """A browser with an empty profile; it reads commands on descriptor 3, answers on 4, and ends with the block."""
    commands, answers = os.pipe(), os.pipe()
    inherited = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands[0], answers[1])]
    shell = f'exec "$0" "$@" 3<&{inherited[0]} 4>&{inherited[1]}'
    command = ["/bin/bash", "-c", shell, binary, *FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(command, pass_fds=inherited, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (commands[0], answers[1], *inherited):
        os.close(end)
    try:
        yield Tab(commands[1], answers[0])
    finally:
        process.terminate()
        process.wait(PATIENCE)
        for end in (commands[1], answers[0]):
            os.close(end)
