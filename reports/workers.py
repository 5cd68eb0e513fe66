"""What a controller tells its workers: they read the same command line, and nothing else of the controller."""

from typing import Any

import pytest

TOLD = ("run_dir", "resume", "journal_lines", "request", "meter_started", "spent_before")
"""Options that the controller completed or added."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker; only the controller judges and writes."""
    return hasattr(config, "workerinput")


def tell(node: Any) -> None:
    """On the controller: hand the options to one worker."""
    node.workerinput["parity"] = {name: getattr(node.config.option, name, None) for name in TOLD}


def listen(config: pytest.Config) -> None:
    """On a worker: take them."""
    told: dict[str, Any] = config.workerinput["parity"]  # type: ignore[attr-defined]
    for name, value in told.items():
        setattr(config.option, name, value)
