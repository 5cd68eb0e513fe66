"""Tensor files are sealed with the run that lists them."""

import shutil
from pathlib import Path

import pytest

from reports.run.artifact import read_run
from reports.run.tensors import list_tensors
from reports.tests.broken_files import ROWS, tensors
from reports.tests.synthetic_run import agreeing
from steering_core.errors import ArtifactProblem


def test_intact_tensors_are_accepted(tmp_path: Path) -> None:
    tensors(lambda folder: None)(tmp_path)
    assert len(list_tensors(tmp_path)) == 2
    assert read_run(tmp_path) == agreeing()


def test_a_records_file_alone_needs_no_tensors(tmp_path: Path) -> None:
    tensors(lambda folder: None)(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "records.jsonl", alone)
    assert read_run(alone / "records.jsonl") == agreeing()
    with pytest.raises(ArtifactProblem, match="artifact-tensor-missing"):
        read_run(alone)


def test_a_changed_tensor_beside_the_records_is_refused(tmp_path: Path) -> None:
    tensors(lambda folder: (folder / ROWS).write_bytes(b""))(tmp_path)
    with pytest.raises(ArtifactProblem, match="artifact-tensor-digest"):
        read_run(tmp_path / "records.jsonl")
