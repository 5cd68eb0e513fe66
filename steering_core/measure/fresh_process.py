"""The repeat that runs in a fresh process: five reads in one warm process say nothing about reproducibility.

`python -m steering_core.measure.fresh_repeat REQUEST` loads the model again, extracts with every tool, and leaves the
directions in the store under the keys that the waiting process looks for.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field

from steering_core.errors import SuiteError
from steering_core.models.model import LoadRequest
from steering_core.models.registry import Settings
from steering_core.places import ROOT
from steering_core.records.provenance import source_digest


@dataclass(frozen=True)
class FreshRequest:
    """What to extract. prompts, store: paths; tools: by name or spec; repeat: its number.

    source: digest of the suite's code; other code would store its directions under keys that nobody looks for.
    """

    model: LoadRequest
    settings: Settings
    prompts: str
    store: str
    tools: tuple[str, ...]
    repeat: int
    source: str = field(default_factory=source_digest)


class FreshProcess:
    """A started extraction; `wait` is called by whoever needs its directions first."""

    def __init__(self, request: FreshRequest) -> None:
        self.request = request
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        command = [sys.executable, "-m", "steering_core.measure.fresh_repeat", json.dumps(asdict(request))]
        # The working directory is kept: tools and checkpoints may be named relative to it.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=subprocess.STDOUT, text=True)

    def wait(self) -> None:
        """Block until it is done; SuiteError with the last line of its output if it failed."""
        if self.process.wait() == 0:
            return
        self.log.seek(0)
        last = (self.log.read().strip().splitlines() or ["no output"])[-1]
        hint = "run the same tool in a new interpreter by hand"
        raise SuiteError("fresh-process", f"the fresh process failed: {last}", hint)

    def message_about(self, tool: str) -> str:
        """The process's error message about a tool."""
        self.log.seek(0)
        return next((line.strip() for line in self.log if line.startswith(f"{tool}:")), "no message")

    def stop(self) -> None:
        """End it if it is still running."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
