"""A run is read as it was written; a failed write changes nothing."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from reports.run.artifact import read_run, write_run
from reports.run.layout import CHECKLIST, RECORDS, SCHEMAS, VERDICT
from reports.tests.synthetic_run import agreeing, diverging, hostile, one_fault, replace
from reports.verdicts import Verdict, judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Run

NASTY = '\x00\x1b[31m\u2028\u202e \\ " </script> é'


@pytest.mark.parametrize(
    "run", [agreeing(), one_fault(), diverging(), hostile(NASTY)], ids=["agree", "fault", "diverge", "hostile"]
)
def test_a_run_is_read_as_it_was_written(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path / "new" / "run", run, judge(run))
    assert read_run(tmp_path / "new" / "run") == run
    assert read_run(tmp_path / "new" / "run" / RECORDS) == run


def test_the_directory_holds_the_promised_files(tmp_path: Path) -> None:
    verdict = judge(agreeing())
    write_run(tmp_path, agreeing(), verdict)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([RECORDS, VERDICT, CHECKLIST, SCHEMAS])
    assert Verdict.model_validate_json((tmp_path / VERDICT).read_text()) == verdict
    assert json.loads((tmp_path / SCHEMAS).read_text())[VERDICT]["title"] == "Verdict"


def test_records_are_lines_between_header_and_footer(tmp_path: Path) -> None:
    write_run(tmp_path, agreeing(), judge(agreeing()))
    first, *records, last = map(json.loads, (tmp_path / RECORDS).read_text().splitlines())
    assert (first["kind"], first["schema"], last["kind"]) == ("header", 2, "footer")
    assert last["records"] == len(records) == len(agreeing().records)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_earlier_run(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, agreeing(), judge(agreeing()))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(ArtifactProblem, match=r"cannot be written: No space left on device \(artifact-unwritable\)"):
        write_run(tmp_path, diverging(), judge(diverging()))
    assert read_run(tmp_path) == agreeing()
    assert len(list(tmp_path.iterdir())) == 4


def test_an_unwritable_directory_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactProblem, match="artifact-unwritable"):
        write_run(tmp_path / "file", agreeing(), judge(agreeing()))


def test_a_number_that_is_not_finite_stops_the_write(tmp_path: Path) -> None:
    first = agreeing().records[0].cell
    broken = replace(agreeing(), first, measured={"norms": [float("nan")]})
    with pytest.raises(ArtifactProblem, match=f"the record of {first.id} holds NaN or Infinity"):
        write_run(tmp_path, broken, judge(agreeing()))
    assert list(tmp_path.iterdir()) == []
