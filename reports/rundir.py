"""The run directory: one per run, never written over."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from steering_core.errors import UsageProblem

ROOT = Path(__file__).resolve().parent


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker; only the controller judges and writes."""
    return hasattr(config, "workerinput")


def choose_run_dir(config: pytest.Config) -> None:
    """Set --run-dir to an absolute path; workers inherit it. The directory appears with the first plan."""
    asked = config.getoption("run_dir")
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder = Path(asked).resolve() if asked else ROOT / "runs" / stamp
    if (folder / "records.jsonl").exists():
        raise UsageProblem("run-dir", f"{folder} already holds a run", "choose another --run-dir")
    if folder.exists() and not folder.is_dir():
        raise UsageProblem("run-dir", f"{folder} is not a directory", "choose another --run-dir")
    config.option.run_dir = str(folder)
