"""The repeat that runs in a fresh process: five reads of one warm process prove nothing about reproducibility.

`python -m steering_core.measure.fresh_repeat REQUEST` loads the model anew, extracts with every tool, and leaves the
rows in the store under the same keys that the waiting process looks for.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from typing import Any

from steering_core.errors import SuiteError
from steering_core.places import ROOT
from steering_core.records.provenance import source_digest


@dataclass(frozen=True)
class FreshRequest:
    """What to extract: `model` and `settings` as plain dicts, tools by name or spec, one repeat number.

    source: digest of the suite's code; rows made by other code are stored under keys that nobody looks for.
    """

    model: dict[str, Any]
    settings: dict[str, Any]
    prompts: str
    store: str
    tools: tuple[str, ...]
    repeat: int
    source: str = field(default_factory=source_digest)


class FreshProcess:
    """A started extraction; `wait` is called by whoever needs its rows first."""

    def __init__(self, request: FreshRequest) -> None:
        self.request = request
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        command = [
            sys.executable,
            "-m",
            "steering_core.measure.fresh_repeat",
            json.dumps(asdict(request), default=str),
        ]
        # The working directory stays: tools and checkpoints may be named relative to it.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=self.log, stderr=subprocess.STDOUT, text=True
        )

    def wait(self) -> None:
        """Block until it is done; an extraction that failed is an error with its last words."""
        if self.process.wait() == 0:
            return
        self.log.seek(0)
        last = (self.log.read().strip().splitlines() or ["no output"])[-1]
        raise SuiteError(
            "fresh-process", f"the fresh process failed: {last}", "run the same tool in a new interpreter by hand"
        )

    def said(self, tool: str) -> str:
        """What the process printed about a tool."""
        self.log.seek(0)
        return next((line.strip() for line in self.log if line.startswith(f"{tool}:")), "it said nothing")

    def stop(self) -> None:
        """End it if it is still running."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
