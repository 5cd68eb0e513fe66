"""Several runs of one protocol, from different machines or of different models, joined into one."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reports.run.layout import RECORDS
from reports.run.problems import refusing
from reports.run.tensors import list_tensors
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Plan, Record, Run

NamedRun = tuple[str, Run]
"""A run and where it came from."""
NamedRecord = tuple[str, Record]
SETTINGS = ("repeats", "preset", "random_weights", "gated", "protocol_repeats")
"""What the plans of merged runs have in common."""
ORIGIN = ("commit", "gpu", "device", "torch", "transformers", "dtype")
"""Provenance that may explain why two runs measured different numbers."""


def merge_runs(runs: Sequence[NamedRun]) -> Run:
    """One run with every record of all; what was recorded twice must be the same both times.

    ArtifactProblem when two runs differ in their settings or in the numbers of a cell.
    """
    records: dict[Cell, NamedRecord] = {}
    for name, run in runs:
        for record in run.records:
            first = records.setdefault(record.cell, (name, record))
            if (first[1].outcome, first[1].measured) != (record.outcome, record.measured):
                raise _conflict(first, (name, record))
    plan, environment = _merge_plans(runs), _merge_environments(runs)
    return Run(plan=plan, records=tuple(record for _, record in records.values()), environment=environment)


def copy_tensors(sources: Iterable[Path], target: Path) -> None:
    """Copy the tensor files of run directories into a new one; ArtifactProblem when it holds a run or names collide."""
    if (target / RECORDS).exists():
        raise ArtifactProblem("merge-target", f"{target} already holds a run", "name a new directory after --into")
    digests: dict[str, str] = {}
    for source in sources:
        for name, digest in list_tensors(source).items() if source.is_dir() else ():
            if digests.setdefault(name, digest) != digest:
                raise ArtifactProblem("merge-tensor", f"{plain(name, 120)} differs between the runs", "run them again")
            copy = target / name
            with refusing("artifact-unwritable", f"{copy} cannot be written", "free some space", OSError):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, copy)


def _conflict(*records: NamedRecord) -> ArtifactProblem:
    outcomes = " against ".join(f"{record.outcome} in {_origin(name, record)}" for name, record in records)
    sentence = f"{plain(records[0][1].cell.id, 100)} was recorded twice and differs: {outcomes}"
    return ArtifactProblem("merge-conflict", sentence, "merge runs of different checks")


def _origin(name: str, record: Record) -> str:
    facts = [f"{key} {record.provenance[key]}" for key in ORIGIN if record.provenance.get(key)]
    return plain(f"{name} ({', '.join(facts) or 'no provenance'}, {record.started:%Y-%m-%d %H:%M})", 200)


def _merge_plans(runs: Sequence[NamedRun]) -> Plan:
    first_name, first = runs[0][0], runs[0][1].plan
    for name, run in runs[1:]:
        for key in SETTINGS:
            value, other = getattr(first, key), getattr(run.plan, key)
            if value != other:
                sentence = f"{key} is {value} in {plain(first_name, 80)} and {other} in {plain(name, 80)}"
                raise ArtifactProblem("merge-settings", sentence, "merge runs with the same settings")
    unions = {key: _union(runs, key) for key in ("models", "tools", "required", "planned")}
    shared = tuple(option for option in first.options if all(option in run.plan.options for _, run in runs))
    return first.model_copy(update={**unions, "options": shared})


def _union(runs: Sequence[NamedRun], key: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(value for _, run in runs for value in getattr(run.plan, key)))


def _merge_environments(runs: Sequence[NamedRun]) -> dict[str, Any]:
    """The facts that hold for all runs, and under `merged_from` those that differ, by run."""
    first = runs[0][1].environment
    rest = [run.environment for _, run in runs[1:]]
    shared = {key: value for key, value in first.items() if all(facts.get(key, ...) == value for facts in rest)}
    differing = {name: {k: v for k, v in run.environment.items() if k not in shared} for name, run in runs}
    return {**shared, "merged_from": differing}
