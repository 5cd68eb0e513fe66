"""The records of a run by cell: what was planned, what was measured, and what an earlier failure excuses."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from reports.verdicts.measured import was_measured
from steering_core.errors import ArtifactProblem, EmptyMeasurement
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)
GATES = "B3"
"""The premise gates like a preflight clause, although it is a behavior clause."""


@dataclass(frozen=True)
class RunIndex:
    """A run's plan, and its records by cell."""

    plan: Plan
    records: dict[Cell, Record]

    @cached_property
    def preflight_only(self) -> bool:
        """Whether behavior was not planned, or can mean nothing: such a run never gives an Outcome."""
        return self.plan.random_weights or not any(cell.clause == "B1" for cell in self.plan.planned)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell that the verdict accounts for: required (except in a preflight-only run), planned or recorded."""
        required = () if self.preflight_only else self.plan.required
        return tuple(dict.fromkeys((*required, *self.plan.planned, *self.records)))

    @cached_property
    def planned(self) -> frozenset[Cell]:
        """The cells that were selected for this run."""
        return frozenset(self.plan.planned)

    def measured(self, clause: str, model: str) -> Iterator[Record]:
        """The records of one clause on one model that carry numbers."""
        return filter(was_measured, self._by_clause.get((clause, model), ()))

    def of_model(self, model: str) -> Sequence[Record]:
        """The records of one model, in the run's order."""
        return self._by_model.get(model, ())

    def cells_of(self, model: str) -> Sequence[Cell]:
        """Those of `cells` that are of one model."""
        return self._cells_by_model.get(model, ())

    def stands(self, cell: Cell) -> bool:
        """Whether the cell was measured and holds, or differs as declared; a cell without a record does not."""
        record = self.records.get(cell)
        return record is not None and (record.outcome is Outcome.AGREES or record.declared)

    def is_offered(self, cell: Cell) -> bool:
        """Whether the tools of the cell offer what it is about, as far as its record says."""
        record = self.records.get(cell)
        return record is None or record.outcome is not Outcome.NOT_OFFERED

    @cached_property
    def failed(self) -> tuple[Cell, ...]:
        """The planned cells that were measured and do not hold, in the plan's order."""
        differ = (self.records.get(cell) for cell in self.plan.planned)
        return tuple(r.cell for r in differ if r and r.outcome is Outcome.DIFFERS and not r.declared)

    @cached_property
    def _by_model(self) -> dict[str, list[Record]]:
        return _group(self.records.values(), lambda record: record.cell.model)

    @cached_property
    def _by_clause(self) -> dict[tuple[str, str], list[Record]]:
        return _group(self.records.values(), lambda record: (record.cell.clause, record.cell.model))

    @cached_property
    def _cells_by_model(self) -> dict[str, list[Cell]]:
        return _group(self.cells, lambda cell: cell.model)

    @cached_property
    def _by_id(self) -> dict[str, Record]:
        return {cell.id: record for cell, record in self.records.items()}

    def is_excused(self, record: Record) -> bool:
        """Whether a failed gate explains why this cell was not measured. In an ungated run nothing does."""
        # blocked_by is the blocker's id, alone or followed by its sentence.
        blocker = self._by_id.get((record.blocked_by or "").partition(": ")[0])
        closed = blocker is not None and is_gate(blocker.cell) and not self.stands(blocker.cell)
        return self.plan.gated and record.outcome is Outcome.ABSENT and closed


def _group(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Looked up once for every model, so that the work grows with the records and not with their square."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def is_preflight(cell: Cell) -> bool:
    """Whether the cell belongs to the preflight stage."""
    return CLAUSES[cell.clause].stage is Stage.PREFLIGHT


def is_gate(cell: Cell) -> bool:
    """Whether a failure of this cell makes a gated run invalid."""
    return is_preflight(cell) or cell.clause == GATES


def index_run(run: Run) -> RunIndex:
    """The run by cell. EmptyMeasurement when nothing was planned; ArtifactProblem when records contradict the plan."""
    if not run.plan.planned:
        raise EmptyMeasurement("nothing-planned", "the run planned no check", "select at least one check")
    for cell in (*run.plan.required, *run.plan.planned):
        _check_clause(cell)
    records: dict[Cell, Record] = {}
    for record in run.records:
        _check_belongs(run.plan, record)
        if record.cell in records:
            raise ArtifactProblem("duplicate-record", f"{record.cell.id} has two records", "a check has one record")
        records[record.cell] = record
    _check_versions(run)
    return RunIndex(run.plan, records)


def presets_of(plan: Plan) -> tuple[str, ...]:
    """The presets of a run; `fixture+phase1` is two, for models of different kinds."""
    return tuple(plan.preset.split("+"))


def _check_belongs(plan: Plan, record: Record) -> None:
    cell = record.cell
    _check_clause(cell)
    if cell.model not in plan.models or (cell.tool is not None and cell.tool not in plan.tools):
        hint = f"models: {', '.join(plan.models)}; tools: {', '.join(plan.tools)}"
        raise ArtifactProblem("foreign-record", f"{cell.id} is not of this run", hint)
    preset = record.provenance.get("preset")
    if isinstance(preset, str) and preset not in presets_of(plan):
        sentence = f"{cell.id} was measured under preset {preset}"
        raise ArtifactProblem("mixed-presets", sentence, f"the run uses {plan.preset}")


def _check_versions(run: Run) -> None:
    """On one model, every check of a tool has measured the same version of it."""
    versions: dict[tuple[str, str], str] = {}
    for record in run.records:
        tools = record.provenance.get("tools")
        for tool, origin in tools.items() if isinstance(tools, dict) else ():
            version = origin.get("version") if isinstance(origin, dict) else None
            if not isinstance(version, str):
                continue
            if (first := versions.setdefault((record.cell.model, tool), version)) != version:
                sentence = f"{record.cell.id} was measured with {tool} {version}, an earlier check with {tool} {first}"
                raise ArtifactProblem("mixed-versions", sentence, "measure a model with one version of each tool")


def _check_clause(cell: Cell) -> None:
    if cell.clause not in CLAUSES:
        raise ArtifactProblem("unknown-clause", f"{cell.id} has no known clause", f"known: {', '.join(CLAUSES)}")
