"""No false alarm: right tools, every family, dtype, padding side and batch size; location, shape and agreement hold."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def batches(checkpoint: LoadedCheckpoint) -> Iterator[Any]:
    """One cycle on one model, with every kind of batch in the place of the extraction prompts."""
    experiment = checkpoint.experiment()
    chosen = checkpoint.prompts.extraction
    for side, size in product(SIDES, SIZES):
        experiment.prompts = replace(checkpoint.prompts, harmful=chosen[:size], harmless=chosen[size:])
        experiment.extraction = experiment.batch(chosen[:size], side)
        yield experiment


def judged(checkpoint: LoadedCheckpoint) -> Iterator[Record]:
    """P1, P3, P5 of every tool and P6 of every pair on every batch; P2, P4 and P10, which make their own, once."""
    for experiment in batches(checkpoint):
        for tool in BUILT_IN:
            yield from run_checks(experiment, tool, lambda check: check.clause in BATCHED)
        for first, second in combinations(BUILT_IN, 2):
            yield from run_checks(experiment, second, lambda check: check.clause == "P6", beside=(first,))
    experiment = checkpoint.experiment()
    for tool in BUILT_IN:
        yield from run_checks(experiment, tool, lambda check: check.clause in ONCE and "tool" in check.arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", KEYS)
def test_right_tools_never_set_off(key: str, dtype: str, folder: Path) -> None:
    records = list(judged(LoadedCheckpoint(key, folder / f"{key}-{dtype}", dtype)))
    library_calls = [
        f"{record.cell.id}: {record.sentence}" for record in records if record.outcome is not Outcome.AGREES
    ]

    assert library_calls == []
    per_batch = len(BUILT_IN) * 4 + 3
    assert len(records) == len(SIDES) * len(SIZES) * per_batch + len(BUILT_IN) * 5
    assert {record.provenance["dtype"] for record in records} == {f"torch.{dtype}"}


def test_every_family_takes_part() -> None:
    assert {TINY[key].family for key in KEYS} == {spec.family for spec in TINY.values()}
