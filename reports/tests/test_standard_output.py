"""A standard output that cannot be written is one line on standard error, and never a green run."""

import os
import subprocess
import sys
from argparse import Namespace
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest

from reports.standard_output import StandardOutput, StopWhenLost, flush_output, report_loss
from steering_core.places import ROOT


class Full(StringIO):
    """A stream on a disk that is full: what is written waits until it is flushed."""

    def write(self, text: str) -> int:
        if len(text) > 1000:
            self.flush()
        return len(text)

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def full() -> StandardOutput:
    return StandardOutput(Full(), False)


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("lose", ["x" * 100_000, "x"])
def test_what_cannot_be_written_is_dropped_and_remembered(lose: str) -> None:
    output = full()
    assert output.write(lose) == len(lose)
    output.flush()
    assert output.write("more") == 4
    assert output.lost
    assert output.lost.strerror == "No space left on device"


def test_no_further_check_starts_and_none_is_stopped_without_need() -> None:
    output = full()
    stop = StopWhenLost(output)
    stop.pytest_runtestloop()
    stop.pytest_runtest_logreport()
    output.lost = BrokenPipeError(32, "Broken pipe")
    for hook in (stop.pytest_runtestloop, stop.pytest_runtest_logreport):
        with pytest.raises(pytest.exit.Exception) as caught:
            hook()
        assert caught.value.returncode == pytest.ExitCode.INTERNAL_ERROR


def test_what_was_lost_during_the_session_is_said_at_its_end() -> None:
    output = StandardOutput(StringIO(), False)
    plugins = Namespace(get_plugin=lambda _: StopWhenLost(output))
    config = cast("pytest.Config", Namespace(pluginmanager=plugins))
    flush_output(config)
    output.lost = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space"):
        flush_output(config)


@pytest.mark.parametrize(("folder", "more"), [("", "; the run is in {}: --resume it"), ("none", "")])
def test_the_line_names_the_run_if_there_is_one(
    folder: str, more: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", StringIO())
    place = str(tmp_path / folder)
    assert report_loss(OSError(28, "No space left on device"), place) == pytest.ExitCode.INTERNAL_ERROR
    line = "ERROR: standard output cannot be written: No space left on device (output-lost)"
    assert capfd.readouterr().err == f"{line}{more.format(place)}\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("reports/tests/test_untrusted.py -q", "No space left on device"),
        ("--help", "Broken pipe"),
    ],
)
def test_a_session_without_standard_output_is_one_line_and_red(words: str, reason: str) -> None:
    output = closed_pipe() if reason == "Broken pipe" else os.open("/dev/full", os.O_WRONLY)
    streams: Any = {"stdout": output, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    ended = subprocess.run([sys.executable, "-m", "pytest", *words.split()], check=False, **streams)
    os.close(output)

    line = f"ERROR: standard output cannot be written: {reason} (output-lost)\n"
    assert (ended.returncode, ended.stderr) == (pytest.ExitCode.INTERNAL_ERROR, line)
