"""The run directory: one per run, never written over; a run in it can be resumed, by one process at a time."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reports.run.layout import RECORDS
from steering_core.errors import UsageProblem
from steering_core.places import RUNS
from steering_core.records.journal import JOURNAL, PLAN, REQUEST


def choose_run_dir(config: pytest.Config) -> None:
    """Set --run-dir and --resume to absolute paths. The directory appears with the first plan."""
    asked, resumed = config.getoption("run_dir"), config.getoption("resume")
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder = Path(resumed or asked or RUNS / stamp).resolve()
    if folder.exists() and not folder.is_dir():
        raise UsageProblem("run-dir", f"{folder} is not a directory", "choose another --run-dir")
    if resumed:
        _check_resumed(folder, asked)
        config.option.resume = str(folder)
    elif (folder / RECORDS).exists():
        raise UsageProblem("run-dir", f"{folder} already holds a run", "choose another --run-dir, or --resume it")
    elif (folder / JOURNAL).exists():
        raise UsageProblem("run-dir", f"{folder} holds a run that did not end", "--resume it, or another --run-dir")
    config.option.run_dir = str(folder)


def _check_resumed(folder: Path, asked: str | None) -> None:
    if asked and Path(asked).resolve() != folder:
        raise UsageProblem("resume", f"--resume {folder} and --run-dir {asked} differ", "give --resume alone")
    for name in (PLAN, REQUEST):
        if not (folder / name).is_file():
            raise UsageProblem(
                "resume", f"--resume {folder}: no {name} there", "the directory of a run that had begun; or --run-dir"
            )
