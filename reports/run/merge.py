"""Several runs of one protocol, made on different machines or for different models, joined into one."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reports.run.layout import RECORDS
from reports.run.tensors import list_tensors
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Plan, Record, Run

Named = tuple[str, Run]
SAME = ("repeats", "preset", "random_weights", "gated", "protocol_repeats")
TELLING = ("commit", "gpu", "device", "torch", "transformers", "dtype")


def merge_runs(runs: Sequence[Named]) -> Run:
    """One run with every record of all; what was recorded twice must be the same both times.

    ArtifactProblem when two runs differ in their settings or in the numbers of a cell.
    """
    kept: dict[Cell, tuple[str, Record]] = {}
    for name, run in runs:
        for record in run.records:
            first = kept.setdefault(record.cell, (name, record))
            if not _same(first[1], record):
                raise _conflict(first, (name, record))
    records = tuple(record for _, record in kept.values())
    return Run(plan=_merge_plans(runs), records=records, environment=_merge_environments(runs))


def copy_tensors(sources: Iterable[Path], target: Path) -> None:
    """Copy the tensor files of run directories into a new one; ArtifactProblem when it holds a run or names collide."""
    if (target / RECORDS).exists():
        raise ArtifactProblem("merge-target", f"{target} already holds a run", "name a new directory after --into")
    known: dict[str, str] = {}
    for source in sources:
        for name, digest in list_tensors(source).items() if source.is_dir() else ():
            if known.setdefault(name, digest) != digest:
                raise ArtifactProblem("merge-tensor", f"{plain(name, 120)} differs between the runs", "run them again")
            _copy(source / name, target / name)


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise ArtifactProblem(
            "artifact-unwritable", f"{target} cannot be written: {error.strerror}", "free some space"
        ) from None


def _same(left: Record, right: Record) -> bool:
    """Equal in what was found; time, memory and machine may differ."""
    return (left.outcome, left.measured) == (right.outcome, right.measured)


def _conflict(first: tuple[str, Record], second: tuple[str, Record]) -> ArtifactProblem:
    told = " against ".join(f"{record.outcome} in {_origin(name, record)}" for name, record in (first, second))
    return ArtifactProblem(
        "merge-conflict",
        f"{plain(first[1].cell.id, 100)} was recorded twice and differs: {told}",
        "merge runs of different cells",
    )


def _origin(name: str, record: Record) -> str:
    facts = [f"{key} {record.provenance[key]}" for key in TELLING if record.provenance.get(key)]
    return plain(f"{name} ({', '.join(facts) or 'no provenance'}, {record.started:%Y-%m-%d %H:%M})", 200)


def _merge_plans(runs: Sequence[Named]) -> Plan:
    first_name, first = runs[0][0], runs[0][1].plan
    for name, run in runs[1:]:
        for key in SAME:
            if (mine := getattr(run.plan, key)) != (theirs := getattr(first, key)):
                raise ArtifactProblem(
                    "merge-settings", f"{key} is {theirs} in {plain(first_name, 80)} and {mine} in {plain(name, 80)}",
                    "merge runs with the same settings",
                )  # fmt: skip
    unions = {key: _union(runs, key) for key in ("models", "tools", "required", "planned")}
    shared = tuple(option for option in first.options if all(option in run.plan.options for _, run in runs))
    return first.model_copy(update={**unions, "options": shared})


def _union(runs: Sequence[Named], key: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(value for _, run in runs for value in getattr(run.plan, key)))


def _merge_environments(runs: Sequence[Named]) -> dict[str, Any]:
    """What all runs share as it is; what differs by run."""
    every = [run.environment for _, run in runs]
    keys = dict.fromkeys(key for environment in every for key in environment)
    shared = {key: every[0][key] for key in keys if all(env.get(key, ...) == every[0].get(key) for env in every)}
    differing = {name: {k: v for k, v in run.environment.items() if k not in shared} for name, run in runs}
    return {**shared, "merged_from": differing}
