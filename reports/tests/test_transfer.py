"""Transfer efficiencies of the published files, and the study's rules for controls."""

import pytest

from reports.__main__ import main
from reports.inputs import read_inputs
from reports.study.transfer import TransferFile, transfers
from reports.tests.study_like import published, transfer_file
from steering_core.errors import ArtifactProblem

PUBLISHED = {
    ("qwen-14b", "qwen-32b"): (30, 24, 1.250, 1.071, 1.579),
    ("qwen-32b", "qwen-14b"): (29, 29, 1.000, 0.900, 1.111),
    ("qwen-7b", "gemma-9b"): (5, 29, 0.172, 0.036, 0.321),
    ("gemma-9b", "qwen-7b"): (1, 30, 0.033, 0.000, 0.100),
}
"""The study's table: coherent refusals of 30 with the source's direction and with the target's, efficiency, 95 % interval."""


def test_the_four_published_intervals_are_reproduced() -> None:
    table = {
        (row.source, row.target): (row.coherent, row.control, *(round(number, 3) for number in row.efficiency))
        for row in transfers(read_inputs([published("study_phase2")]).transfers)
    }
    assert table == PUBLISHED


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", str(published("study_phase2"))]) == 0
    out = capsys.readouterr().out
    assert "1.250 [1.071, 1.579]" in out
    assert "0.033 [0.000, 0.100]" in out


def test_a_control_at_another_strength_does_not_count() -> None:
    control = transfer_file("qwen-32b", "qwen-32b") | {"multiplier": 10.0}
    files = [TransferFile.model_validate(value) for value in (transfer_file(), control)]
    with pytest.raises(ArtifactProblem, match="no self-control of qwen-32b at 15x"):
        transfers(files)


def test_a_control_alone_is_not_a_transfer() -> None:
    assert transfers([TransferFile.model_validate(transfer_file("qwen-32b", "qwen-32b"))]) == []
