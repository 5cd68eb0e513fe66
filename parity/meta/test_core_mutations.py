"""What tools and checks share cannot go wrong unseen: each mutation of the core turns the named parity checks red."""

from pathlib import Path

import pytest

from parity.meta import packed_mutations
from parity.meta.core_mutations import MUTATIONS
from parity.meta.fault_matrix import signs
from parity.meta.shares import in_part
from parity.plugin.harness import Check, LoadedCheckpoint, run_checks

assert packed_mutations  # what it registers is tried with the others
CLAUSES = {clause for mutation in MUTATIONS.values() for clause in mutation.caught_by}

SHARED = [pytest.param(name, marks=in_part(number, 4)) for number, name in enumerate(MUTATIONS)]


@pytest.fixture(scope="module")
def checkpoints() -> dict[str, LoadedCheckpoint]:
    """Models by key, each loaded before anything is mutated."""
    return {mutation.model: LoadedCheckpoint(mutation.model, Path()) for mutation in MUTATIONS.values()}


def outcomes(checkpoint: LoadedCheckpoint, folder: Path, clauses: set[str]) -> dict[str, str]:
    """Clause -> sign, by the checks on the hooks tool; nothing that another core stored is read."""
    checkpoint.folder = folder
    experiment = checkpoint.experiment()

    def wanted(check: Check) -> bool:
        return check.clause in clauses and (check.judges_tools or check.judges_run)

    return signs(run_checks(experiment, "hooks", wanted, gated=False))


@pytest.mark.parametrize("name", SHARED)
def test_a_mutated_core_turns_the_named_checks_red(
    name: str, checkpoints: dict[str, LoadedCheckpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation = MUTATIONS[name]
    mutation.apply(monkeypatch)

    row = outcomes(checkpoints[mutation.model], tmp_path, set(mutation.caught_by))

    assert row == dict.fromkeys(mutation.caught_by, "x")


@pytest.mark.parametrize("key", sorted({mutation.model for mutation in MUTATIONS.values()}))
def test_the_core_as_it_is_turns_none_of_them_red(
    key: str, checkpoints: dict[str, LoadedCheckpoint], tmp_path: Path
) -> None:
    assert outcomes(checkpoints[key], tmp_path, CLAUSES) == dict.fromkeys(CLAUSES, ".")
