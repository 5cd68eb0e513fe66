"""`--snapshot-update` in a copy of the suite: what it writes, what it leaves unchanged, and when it refuses."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from fixtures.faults import FAULTS
from parity.meta.copied_suite import copy_suite
from parity.meta.forked_runs import ForkedRuns
from parity.plugin.canonical import sorted_header
from steering_core.places import ROOT, snapshot_path

WHOLE = ("-k", "preflight or canonical")
"""Selects all of preflight, and the canonical direction."""
WRONG = next(fault.spec for fault in FAULTS if fault.name == "OneBlockEarly")


class SuiteCopy:
    """A committed copy of the suite, and two models' canonical directions in it."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.number = folder / "suite", 0
        copy_suite(self.tree)
        keys = ("tiny_qwen2", "tiny_gemma2")
        self.selected, self.deselected = (
            self.tree / snapshot_path(key, "cpu-float32").relative_to(ROOT) for key in keys
        )

    def update(self, runs: ForkedRuns, *more: str) -> str:
        """Run the checks of only tiny_qwen2 with --snapshot-update; what the run printed."""
        self.number += 1
        log = self.tree.parent / f"{self.number}.log"
        update = ("parity", "-m", "tiny_qwen2", "-q", "--repeats", "1", "--snapshot-update", "--run-dir", f"{log}.run")
        runs.run(
            *update,
            "--in-process",
            *(() if "--tools" in more else ("--tools", "hooks")),
            *more,
            log=log,
            tree=self.tree,
        )
        return log.read_text()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> SuiteCopy:
    return SuiteCopy(tmp_path_factory.mktemp("locking"))


@pytest.fixture(scope="module")
def locked(copy: SuiteCopy, runs: ForkedRuns) -> bytes:
    """The canonical direction of tiny_qwen2, as a clean commit writes it after a complete preflight."""
    copy.selected.unlink(missing_ok=True)
    copy.deselected.write_bytes(stored(np.ones(64)))
    printed = copy.update(runs, *WHOLE)
    assert copy.selected.is_file(), printed
    return copy.selected.read_bytes()


@pytest.fixture(autouse=True)
def as_locked(copy: SuiteCopy, locked: bytes) -> None:
    """Start every test with the locked file."""
    copy.selected.write_bytes(locked)


def stored(direction: object) -> bytes:
    """A direction as a snapshot file, with metadata of its own."""
    return sorted_header(
        save({"direction": np.asarray(direction, dtype=np.float32)}, metadata={"written": "by a test"})
    )


def test_the_file_of_a_deselected_model_is_unchanged(copy: SuiteCopy) -> None:
    assert copy.deselected.read_bytes() == stored(np.ones(64)), "although it agrees with no computed direction"


def test_an_agreeing_file_is_not_rewritten(copy: SuiteCopy, runs: ForkedRuns, locked: bytes) -> None:
    near = stored(load(locked)["direction"] * (1 + 1e-6))
    copy.selected.write_bytes(near)
    modified = copy.selected.stat().st_mtime_ns

    printed = copy.update(runs, *WHOLE)

    assert copy.selected.read_bytes() == near, printed
    assert copy.selected.stat().st_mtime_ns == modified


def test_a_differing_file_is_replaced(copy: SuiteCopy, runs: ForkedRuns, locked: bytes) -> None:
    copy.selected.write_bytes(stored(-load(locked)["direction"]))

    printed = copy.update(runs, *WHOLE)

    assert copy.selected.read_bytes() == locked, printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-k", "canonical"), "ran and passed"),
        (("-k", "preflight_site or canonical"), "ran and passed"),
        ((*WHOLE, "--tools", f"hooks,{WRONG}", "--no-gate"), "ran and passed"),
        ((*WHOLE, "--layer", "3"), "a canonical direction is of block 4, not 3"),
    ],
    ids=["no preflight", "part of it", "a failed one", "another block"],
)
def test_nothing_is_locked_without_a_complete_preflight(
    options: tuple[str, ...], message: str, copy: SuiteCopy, runs: ForkedRuns
) -> None:
    copy.selected.unlink()

    printed = copy.update(runs, *options)

    assert not copy.selected.exists()
    assert message in printed


def test_a_failed_preflight_leaves_the_file_unchanged(copy: SuiteCopy, runs: ForkedRuns, locked: bytes) -> None:
    printed = copy.update(runs, *WHOLE, "--tools", f"hooks,{WRONG}")

    assert copy.selected.read_bytes() == locked, printed


def test_uncommitted_source_locks_only_with_force_snapshot(copy: SuiteCopy, runs: ForkedRuns) -> None:
    source = copy.tree / "steering_core" / "unit.py"
    source.write_text('"""Not committed."""\n')
    copy.selected.unlink()
    try:
        refused, written = copy.update(runs, *WHOLE), copy.selected.exists()
        forced = copy.update(runs, *WHOLE, "--force-snapshot")
    finally:
        source.unlink()

    assert not written
    assert "ERROR: --snapshot-update: the suite's source is not a clean commit" in refused
    assert "passed" not in refused, "refused before any check runs"
    assert copy.selected.exists(), forced
