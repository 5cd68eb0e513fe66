"""Real runs that start in a fraction of a second: each is forked from a process that has imported the libraries.

As a program, this file is that process. It reads one request per line (JSON), forks a child that runs pytest or another
module with it, prints the child's process id (also its process group id), and, when the child ends, its exit status; a negative status
is a signal number.
"""

import gc
import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARIES = ["torch", "transformers.models.qwen2.modeling_qwen2", "transformers.models.auto.tokenization_auto"]
LIBRARIES += ["nnsight", "scipy.stats", "rich.console", "pydantic", "safetensors.torch", "filelock", "jinja2"]
LIBRARIES += ["matplotlib.figure", "matplotlib.backends.backend_svg", "syrupy", "pytest_benchmark.plugin"]
SUITE = ["steering_core.judges", "steering_core.quality", "steering_core.measure.experiment"]
SUITE += [
    "steering_core.measure.findings.findings",
    "steering_core.measure.sweep",
    "steering_core.measure.program_runs",
]
SUITE += [
    "reports.following",
    "reports.ledger",
    "reports.page",
    "reports.study",
    "reports.terminal",
    "reports.verdicts",
]
"""Modules of this suite whose import takes time; none is a plugin, whose assertions pytest rewrites when it imports them.
Nor is xdist imported here, which keeps the path of modules as it is then for its workers."""
SETTINGS = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
TIMEOUT = 120.0
CRASHED = 70
IGNORED = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


class ForkedRuns:
    """Starts runs of the suite, or of a copy of it, one at a time; a context manager.

    settings: further environment variables of all runs, and of the tools' processes. shared: the variables by which a run
    that is started otherwise forks its tools' processes from the same server.
    """

    def __init__(self, **settings: str) -> None:
        self.settings = {**SETTINGS, **settings}
        self.environment = {**os.environ, **self.settings}

    def __enter__(self) -> "ForkedRuns":
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        # Not above: as a program, this file first says where the suite is.
        from steering_core.hosts.starting import FRESH_SERVER, SERVER, ForkServer

        self.server = ForkServer(["qwen2", "gemma2"], ["nnsight", "pyvene"], **self.settings)
        self.shared = dict.fromkeys((SERVER, FRESH_SERVER), self.server.address)
        environment = {**self.environment, **self.shared}
        self.process = subprocess.Popen([sys.executable, __file__], cwd=ROOT, env=environment, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.server.close()

    def start(
        self,
        *arguments: str,
        log: Path,
        limit: int = 0,
        plugins: Path | None = None,
        tree: Path = ROOT,
        module: str = "pytest",
        variables: Mapping[str, str] | None = None,
    ) -> int:
        """Start a run that prints to `log`; the id of its process and process group.

        limit: bytes that a file may have (0: no limit). plugins: where the run and its workers find further plugins.
        tree: the suite, or a copy of it. module: what is run instead of pytest, without arguments. variables: further
        environment variables of this run, which the servers of tools' processes do not have.
        """
        request: dict[str, Any] = {"arguments": arguments, "log": log, "limit": limit, "plugins": plugins or ""}
        request |= {"tree": tree, "module": module, "variables": {**(variables or {})}}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        return self._receive()

    def wait(self, seconds: float | None = None) -> int:
        """The exit status of the run; TimeoutError when it has not ended after so many seconds."""
        assert self.process.stdout
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise TimeoutError(f"the run has not ended within {seconds:.0f} s")
        return self._receive()

    def run(self, *arguments: str, log: Path, **settings: Any) -> int:
        """Start a run as `start` does, and wait for its exit status."""
        self.start(*arguments, log=log, **settings)
        return self.wait()

    def kill(self, run: int) -> int:
        """End a run and its children as `kill -9` does; its exit status."""
        with suppress(ProcessLookupError):  # it has just ended: the status tells how
            os.killpg(run, signal.SIGKILL)
        return self.wait()

    def _receive(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())


def wait_for(condition: Callable[[], bool], run: int) -> bool:
    """Wait until a condition holds (True) or the run has ended without it (False)."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if condition():
            return True
        if Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.002)
    raise TimeoutError(f"the run did not get that far within {TIMEOUT:g} s")


def serve() -> None:
    """The program: fork a process group per line."""
    sys.path[0] = str(ROOT)  # instead of the folder of this file
    for name in [*LIBRARIES, *SUITE]:
        __import__(name)
    gc.collect()
    gc.freeze()  # the collector of a run then leaves the imported libraries alone, and their memory stays shared
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            run(json.loads(line))
        os.setpgid(child, child)
        print(child, flush=True)
        status = os.waitpid(child, os.WUNTRACED)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(request: dict[str, Any]) -> None:
    """In the fork: run pytest or the module, print to the log, and exit."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(stream, target)
    if limit := request["limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if request["tree"] != str(ROOT):
        leave_this_suite()
    os.environ.update(request["variables"])
    os.chdir(request["tree"])
    sys.path[0] = request["tree"]
    if request["plugins"]:
        sys.path.insert(0, request["plugins"])
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (request["plugins"], os.environ.get("PYTHONPATH"))))
    status = CRASHED
    try:
        status = run_module(request["module"], request["arguments"])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def leave_this_suite() -> None:
    """For a run of a copy: the modules, and the servers that tools' processes are forked from, are this suite's."""
    for name in [name for name in sys.modules if name.partition(".")[0] in {one.partition(".")[0] for one in SUITE}]:
        del sys.modules[name]
    for name in [name for name in os.environ if name.endswith("FORK_SERVER")]:
        del os.environ[name]


def run_module(module: str, arguments: list[str]) -> int:
    """The exit status of `python -m module` in this process."""
    if module == "pytest":
        import pytest

        return int(pytest.main(["-p", "no:anyio", "-W", IGNORED, *arguments]))
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    serve()
