"""`--snapshot-update` in a copy of the suite: what it writes, what it leaves alone, and when it refuses."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from fixtures.faults import FAULTS
from parity.meta.forked_runs import ForkedRuns
from parity.plugin.canonical import sorted_header
from steering_core.places import ROOT, snapshot_path

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "runs", "build", "dist", "*.egg-info")
WHOLE = ("-k", "preflight or canonical")
WRONG = next(fault.spec for fault in FAULTS if fault.name == "OneBlockEarly")


def git(tree: Path, *words: str) -> None:
    """A git command by nobody in particular."""
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(tree), *who, *words], check=True, capture_output=True)


class Copy:
    """A committed copy of the suite, and the files of two models' canonical directions in it."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.number = folder / "suite", 0
        shutil.copytree(ROOT, self.tree, ignore=LEFT_OUT)
        shutil.copy(ROOT / ".gitignore", self.tree)
        git(self.tree, "init", "--quiet")
        git(self.tree, "add", "--all")
        git(self.tree, "commit", "--quiet", "-m", "a copy")
        keys = ("tiny_qwen2", "tiny_gemma2")
        self.own, self.other = (self.tree / snapshot_path(key, "cpu-float32").relative_to(ROOT) for key in keys)

    def update(self, runs: ForkedRuns, *more: str) -> str:
        """Run the checks of tiny_qwen2 alone with --snapshot-update; what the run printed."""
        self.number += 1
        log = self.tree.parent / f"{self.number}.log"
        given = ("parity", "-m", "tiny_qwen2", "-q", "--repeats", "1", "--snapshot-update", "--run-dir", f"{log}.run")
        runs.run(*given, *(() if "--tools" in more else ("--tools", "hooks")), *more, log=log, tree=self.tree)
        return log.read_text()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("locking"))


@pytest.fixture(scope="module")
def locked(copy: Copy, runs: ForkedRuns) -> bytes:
    """The canonical direction of tiny_qwen2, as a clean commit with a whole preflight writes it."""
    copy.own.unlink(missing_ok=True)
    copy.other.write_bytes(stored(np.ones(64)))
    said = copy.update(runs, *WHOLE)
    assert copy.own.is_file(), said
    return copy.own.read_bytes()


@pytest.fixture(autouse=True)
def as_locked(copy: Copy, locked: bytes) -> None:
    """Every test starts from the locked file."""
    copy.own.write_bytes(locked)


def stored(direction: object) -> bytes:
    """A direction as a snapshot file, with no metadata but its own."""
    return sorted_header(save({"direction": np.asarray(direction, dtype=np.float32)}, metadata={"said": "by a test"}))


def test_a_deselected_models_file_is_never_touched(copy: Copy) -> None:
    assert copy.other.read_bytes() == stored(np.ones(64)), "though it agrees with nothing"


def test_an_agreeing_file_stays_as_it_is(copy: Copy, runs: ForkedRuns, locked: bytes) -> None:
    near = stored(load(locked)["direction"] * (1 + 1e-6))
    copy.own.write_bytes(near)
    before = copy.own.stat().st_mtime_ns

    said = copy.update(runs, *WHOLE)

    assert copy.own.read_bytes() == near, said
    assert copy.own.stat().st_mtime_ns == before


def test_a_differing_file_is_locked_anew(copy: Copy, runs: ForkedRuns, locked: bytes) -> None:
    copy.own.write_bytes(stored(-load(locked)["direction"]))

    said = copy.update(runs, *WHOLE)

    assert copy.own.read_bytes() == locked, said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("-k", "canonical"), "ran and passed"),
        (("-k", "preflight_site or canonical"), "ran and passed"),
        ((*WHOLE, "--tools", f"hooks,{WRONG}", "--no-gate"), "ran and passed"),
        ((*WHOLE, "--layer", "3"), "a canonical direction is of block 4, not 3"),
    ],
    ids=["no preflight", "part of it", "a failed one", "another block"],
)
def test_nothing_is_locked_without_a_whole_preflight(
    more: tuple[str, ...], words: str, copy: Copy, runs: ForkedRuns
) -> None:
    copy.own.unlink()

    said = copy.update(runs, *more)

    assert not copy.own.exists()
    assert words in said


def test_a_failed_preflight_keeps_the_file(copy: Copy, runs: ForkedRuns, locked: bytes) -> None:
    said = copy.update(runs, *WHOLE, "--tools", f"hooks,{WRONG}")

    assert copy.own.read_bytes() == locked, said


def test_a_changed_source_locks_only_when_forced(copy: Copy, runs: ForkedRuns) -> None:
    source = copy.tree / "steering_core" / "unit.py"
    source.write_text('"""Not committed."""\n')
    copy.own.unlink()
    try:
        refused, there = copy.update(runs, *WHOLE), copy.own.exists()
        forced = copy.update(runs, *WHOLE, "--force-snapshot")
    finally:
        source.unlink()

    assert not there
    assert "not a clean commit" in refused
    assert copy.own.exists(), forced
