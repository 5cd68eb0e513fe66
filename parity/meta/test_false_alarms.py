"""No false alarms: correct tools pass on every family, dtype, padding side and batch size."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from parity.meta.shares import in_part
from parity.plugin.harness import LoadedCheckpoint, run_checks
from steering_core.models.registry import DTYPES, read_registry
from steering_core.places import FIXTURES
from steering_core.records.record import Outcome, Record
from steering_core.tools.spec import BUILT_IN

TINY = {key: spec for key, spec in read_registry(FIXTURES / "models.toml").items() if spec.tiny}
KEYS = sorted({spec.family: key for key, spec in reversed(TINY.items())}.values())
"""One tiny checkpoint per family."""
SIDES, SIZES = ("left", "right"), (1, 3, 10)
BATCHED = {"P1", "P3", "P5"}
ONCE = {"P2", "P4", "P10"}
SHARED = [
    pytest.param(key, dtype, marks=in_part(row + column, 6))
    for (row, key), (column, dtype) in product(enumerate(KEYS), enumerate(DTYPES))
]
"""Every dtype every day, and every family in half of them or more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def batches(checkpoint: LoadedCheckpoint) -> Iterator[Any]:
    """One experiment, with every padding side and size of batch in place of the extraction prompts."""
    experiment = checkpoint.experiment()
    chosen = checkpoint.prompts.extraction
    for side, size in product(SIDES, SIZES):
        experiment.prompts = replace(checkpoint.prompts, harmful=chosen[:size], harmless=chosen[size:])
        experiment.extraction = experiment.batch(chosen[:size], side)
        yield experiment


def judged(checkpoint: LoadedCheckpoint) -> Iterator[Record]:
    """P1, P3, P5 per tool and P6 per pair on every batch; P2, P4, P10, which create their own batches, once per tool."""
    for experiment in batches(checkpoint):
        for tool in BUILT_IN:
            yield from run_checks(experiment, tool, lambda check: check.clause in BATCHED)
        for first, second in combinations(BUILT_IN, 2):
            yield from run_checks(experiment, second, lambda check: check.clause == "P6", beside=(first,))
    experiment = checkpoint.experiment()
    for tool in BUILT_IN:
        yield from run_checks(experiment, tool, lambda check: check.clause in ONCE and "tool" in check.arguments)


@pytest.mark.parametrize(("key", "dtype"), SHARED)
def test_correct_tools_fail_no_check(key: str, dtype: str, folder: Path) -> None:
    records = list(judged(LoadedCheckpoint(key, folder / f"{key}-{dtype}", dtype)))
    bad = (record for record in records if record.outcome is not Outcome.AGREES and not record.declared)
    failures = [f"{record.cell.id}: {record.sentence}" for record in bad]

    assert failures == []
    per_batch = len(BUILT_IN) * 5 + 3
    assert len(records) == len(SIDES) * len(SIZES) * per_batch + len(BUILT_IN) * 7
    assert {record.provenance["dtype"] for record in records} == {f"torch.{dtype}"}


def test_every_family_is_tested() -> None:
    assert {TINY[key].family for key in KEYS} == {spec.family for spec in TINY.values()}
