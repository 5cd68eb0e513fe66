"""A standard output that cannot be written (a full disk, a closed pipe) ends the run in one line on standard error.

The run stops after the current check. Its directory keeps what was measured, and the verdict on it.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from reports.untrusted import SafeStream, harmless

STATUS = pytest.ExitCode.INTERNAL_ERROR


class StandardOutput(SafeStream):
    """Where pytest prints. lost: the first error; what is written after it is dropped."""

    def __init__(self, stream: TextIO, colors: bool) -> None:
        super().__init__(stream, colors)
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """As a stream does; no OSError."""
        if self.lost is None:
            try:
                return super().write(text)
            except OSError as error:
                self.lost = error
        return len(text)

    def flush(self) -> None:
        """As a stream does; no OSError."""
        if self.lost is None:
            try:
                self.stream.flush()
            except OSError as error:
                self.lost = error


class StopWhenLost:
    """A pytest plugin object of the reporting process: no further check starts once nobody can read the results."""

    def __init__(self, output: StandardOutput) -> None:
        self.output = output

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Called once, before the first check."""
        self._stop()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        """Called after each phase of a test, when its record is in the journal."""
        self._stop()

    def _stop(self) -> None:
        if self.output.lost is not None:
            pytest.exit(STATUS.name, returncode=STATUS)


def flush_output(config: pytest.Config) -> None:
    """Write out what standard output still holds; the OSError that ended it, if one did."""
    plugin = config.pluginmanager.get_plugin("parity-standard-output")
    if plugin and plugin.output.lost is not None:
        raise plugin.output.lost
    sys.stdout.flush()


def report_loss(error: OSError, folder: str | None) -> pytest.ExitCode:
    """Say it in one line; the exit status. What standard output still holds must not be tried once more at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    kept = f"; the run is in {folder}: --resume it" if folder and Path(folder).exists() else ""
    with suppress(OSError):
        line = f"ERROR: standard output cannot be written: {error.strerror} (output-lost){kept}"
        print(harmless(line), file=sys.stderr, flush=True)
    return STATUS
