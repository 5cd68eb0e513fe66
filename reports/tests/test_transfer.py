"""Transfer efficiencies of the published files, and the study's rules for controls."""

from typing import Any

import pytest

from reports.__main__ import main
from reports.inputs import read_inputs
from reports.study.transfer import NamedFile, TransferFile, transfers
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


def named(**values: dict[str, Any]) -> list[NamedFile]:
    """Phase 2 files by name."""
    return [NamedFile(name, TransferFile.model_validate(value)) for name, value in values.items()]


def test_a_control_at_another_strength_does_not_count() -> None:
    control = transfer_file("qwen-32b", "qwen-32b") | {"multiplier": 10.0}
    with pytest.raises(ArtifactProblem, match="no self-control of qwen-32b at 15x"):
        transfers(named(transfer=transfer_file(), control=control))


def test_a_control_alone_says_what_is_missing() -> None:
    with pytest.raises(ArtifactProblem, match=r"only self-controls \(of qwen-32b\) and no transfer"):
        transfers(named(control=transfer_file("qwen-32b", "qwen-32b")))


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_two_contradicting_controls_are_both_named(order: tuple[str, str]) -> None:
    controls = {
        "first": transfer_file("qwen-32b", "qwen-32b", coherent=24),
        "second": transfer_file("qwen-32b", "qwen-32b", coherent=15),
    }
    with pytest.raises(ArtifactProblem, match=f"{order[0]} and {order[1]} are self-controls of qwen-32b at 15x"):
        transfers(named(transfer=transfer_file(), **{name: controls[name] for name in order}))


def test_two_equal_controls_are_one() -> None:
    control = transfer_file("qwen-32b", "qwen-32b", coherent=24)
    [row] = transfers(named(transfer=transfer_file(), control=control, again=control))
    assert (row.coherent, row.control) == (30, 24)


def test_a_control_of_the_same_seed_is_preferred() -> None:
    own = transfer_file("qwen-32b", "qwen-32b", coherent=24) | {"seed": 43}
    other = transfer_file("qwen-32b", "qwen-32b", coherent=15)
    [row] = transfers(named(transfer=transfer_file() | {"seed": 43}, other=other, own=own))
    assert row.control == 24
