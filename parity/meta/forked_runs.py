"""Real runs that start in a fraction of a second: each is forked from a process that has imported the libraries.

As a program it is that process. It reads one command line per line (JSON), forks a process that runs pytest with it,
prints its process id, which is that of its process group too, and when it has ended its exit status; a negative one is
the signal.
"""

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARIES = (
    "torch", "transformers.models.qwen2.modeling_qwen2", "transformers.models.auto.tokenization_auto", "nnsight",
    "scipy.stats", "rich.console", "pydantic", "safetensors.torch", "filelock", "jinja2", "matplotlib.figure",
    "matplotlib.backends.backend_svg",
)  # fmt: skip
LONGEST = 120.0
CRASHED = 70
KNOWN = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


class ForkedRuns:
    """Starts runs one at a time, of the suite or of a copy of it; a context manager."""

    def __enter__(self) -> "ForkedRuns":
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "TOKENIZERS_PARALLELISM": "false",
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def start(self, *arguments: str, log: Path, largest: int = 0, path: Path | None = None, tree: Path = ROOT) -> int:
        """Begin a run that prints to a file; the id of its process and process group.

        largest: bytes per file. path: where it and its workers find further plugins. tree: the suite, or a copy.
        """
        request = {"arguments": arguments, "log": log, "largest": largest, "path": path or "", "tree": tree}
        self._say(request)
        return int(self._hear())

    def wait(self) -> int:
        """The exit status of the run."""
        return int(self._hear())

    def run(self, *arguments: str, log: Path, **more: Any) -> int:
        """A whole run, started as `start` does."""
        self.start(*arguments, log=log, **more)
        return self.wait()

    def kill(self, run: int) -> int:
        """End a run as kill -9 would, with all its children; what it has become."""
        with suppress(ProcessLookupError):  # it has just ended: the status says how
            os.killpg(run, signal.SIGKILL)
        return self.wait()

    def _say(self, value: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(value, default=str) + "\n")
        self.process.stdin.flush()

    def _hear(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


def wait_for(condition: Callable[[], bool], run: int) -> bool:
    """Until something holds (True), or the run has ended without it (False)."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if condition():
            return True
        if Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.002)
    raise TimeoutError("the run does not get that far")


def serve() -> None:
    """The program: fork a process group per line."""
    for name in LIBRARIES:
        __import__(name)
    gc.collect()
    gc.freeze()  # what was imported is never collected in a run, and so never copied for its sake
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            become(json.loads(line))
        os.setpgid(child, child)
        print(child, flush=True)
        status = os.waitpid(child, os.WUNTRACED)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(request: dict[str, Any]) -> None:
    """In the fork: run pytest, print to the log, and never come back."""
    import pytest

    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(stream, target)
    if largest := request["largest"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    os.chdir(request["tree"])
    sys.path[0] = request["tree"]  # before: the folder of this file
    if request["path"]:
        sys.path.insert(0, request["path"])
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (request["path"], os.environ.get("PYTHONPATH"))))
    status = CRASHED
    try:
        status = int(pytest.main(["-p", "no:anyio", "-W", KNOWN, *request["arguments"]]))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
