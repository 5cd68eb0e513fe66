"""What the workers of pytest-xdist are busy with: each writes it to a file of its own, which the reporting process reads;
and the command line that they read."""

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steering_core.activity import under_way

FOLDER = ".activity"
"""Of these files, in the run directory: what a killed run leaves there goes when the run is continued."""
SECONDS = 1.0
"""Between two looks at what a worker is busy with."""
PATHS = ("--run-dir", "--resume", "--history", "--prompts", "--program", "--model", "--tool-python")
"""Options whose value may be a path."""
SHOWN = 2
LONGEST = 1000


class WorkerActivity:
    """A pytest plugin object of the reporting process. folder: a file per worker; None without workers."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def __str__(self) -> str:
        """`loading qwen7b: 4.2 of 15.2 GB (28 %) in gw0, loading gemma9b in gw1 and 2 more`; "" for nothing."""
        told = [f"{text} in {worker}" for worker, text in self.told().items()]
        return ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")

    def told(self) -> dict[str, str]:
        """Worker -> what it is busy with; workers that are busy with nothing are left out."""
        texts: dict[str, str] = {}
        for file in sorted(self.folder.glob("gw*")) if self.folder else ():
            try:
                with file.open(encoding="utf-8") as stream:
                    texts[file.name] = stream.read(LONGEST)
            except (OSError, ValueError):
                continue  # its worker has just ended
        return {worker: text for worker, text in texts.items() if text}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, config: pytest.Config) -> None:
        """Called by xdist before its workers start: makes the folder. Until pytest has found its configuration it takes the
        value of an option that it does not know yet for a path to tests, if there is one, and searches for the
        configuration there."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
        config.invocation_params = replace(config.invocation_params, args=joined(config.invocation_params.args))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Called by xdist when a worker has ended, also by a crash: it is busy with nothing any more."""
        if self.folder:
            (self.folder / node.gateway.id).unlink(missing_ok=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Called when the process is about to end, before the run directory is released."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def joined(arguments: Sequence[str]) -> tuple[str, ...]:
    """`--run-dir DIR` as `--run-dir=DIR`, and so for every path."""
    result: list[str] = []
    for argument in map(str, arguments):
        if result and result[-1] in PATHS:
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return tuple(result)


def watch_workers(config: pytest.Config) -> WorkerActivity:
    """On the controller: a folder for its workers' files, which appears with the first of them and is removed at the end."""
    if not config.getoption("numprocesses", None):
        return WorkerActivity()
    folder = Path(config.option.run_dir) / FOLDER
    config.option.activity_folder = str(folder)
    return WorkerActivity(folder)


def tell_controller(folder: str | None, worker: str) -> None:
    """In a worker: from now until it ends, a thread writes what it is busy with."""
    if folder and Path(folder).is_dir():  # a worker on another machine has no such folder
        threading.Thread(target=partial(write_changes, Path(folder) / worker), daemon=True).start()


def write_changes(file: Path, ended: threading.Event | None = None) -> None:
    """Write the activity into a file whenever it has changed, until `ended` or the folder is gone."""
    ended, before = ended or threading.Event(), ""
    while not ended.wait(SECONDS):
        if (text := under_way()) != before:
            try:
                new = file.with_name(f".{file.name}")
                new.write_text(text, encoding="utf-8")
                new.replace(file)
            except OSError:
                return
            before = text
