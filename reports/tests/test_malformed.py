"""Every broken artifact is refused by `python -m reports verdict` with one clear line and exit status 2."""

import subprocess
import sys
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.run.records_file import serialize_run
from reports.tests.broken_files import BROKEN
from reports.tests.broken_study_files import BROKEN_STUDY
from reports.tests.synthetic_run import agreeing

ALL = BROKEN | BROKEN_STUDY
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ALL)
def test_a_broken_artifact_is_refused_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, code = ALL[name]
    status = main(["verdict", *map(str, build(tmp_path))])
    out, error = capsys.readouterr()
    assert (status, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert f"({code}); " in error


def test_an_intact_artifact_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "records.jsonl").write_text("".join(serialize_run(agreeing(), {})))
    assert main(["verdict", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("OUTCOME 4: ")


def test_the_command_exits_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes(b"\x80\x04\x95")
    command = [sys.executable, "-m", "reports", "verdict", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: records.jsonl is a pickle or an archive and is never opened (artifact-pickle); "
        "expected records.jsonl, or tensors as safetensors"
    ]


def test_a_full_disk_under_standard_output_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text("".join(serialize_run(agreeing(), {})))
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "reports", "verdict", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"
    assert done.returncode == 2


@pytest.mark.parametrize("command", ["verdict", "render"])
def test_a_run_that_has_not_ended_is_to_be_resumed(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("plan.json", "request.json", "journal.jsonl"):
        (tmp_path / name).write_text("{}")
    assert main([command, str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "holds a run that has not ended (artifact-unfinished); resume it: " in error
    assert error.count("\n") == 1
