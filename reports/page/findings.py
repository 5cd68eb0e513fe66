"""Which cells do not hold, grouped and ordered so that the first is the one to look at first."""

from dataclasses import dataclass

from reports.page.failures import clause_of, failure_of
from reports.page.measured import LOCALISED
from steering_core.records.clauses import CLAUSES, Clause, Stage
from steering_core.records.record import Outcome, Record, Run

_STAGES = list(Stage)
_CLAUSES = list(CLAUSES)


@dataclass(frozen=True)
class Finding:
    """One kind of failure of one tool or pair; its records and models in the order of the plan."""

    clause: Clause
    outcome: Outcome
    models: tuple[str, ...]
    records: tuple[Record, ...]

    @property
    def record(self) -> Record:
        """The cell that speaks for the finding."""
        return self.records[0]

    @property
    def subject(self) -> str:
        """Who it is about: a tool, a pair of tools, or the model itself."""
        return subject_of(self.record)

    @property
    def seen(self) -> str:
        """What the check saw: where a wrong tensor really lives, else its own words."""
        return str(self.record.measured.get(LOCALISED) or self.record.sentence)

    def say(self, field: str) -> str:
        """One of `what`, `why`, `todo` of the failure, with the names filled in."""
        cell = self.record.cell
        names = {"tool": self.subject, "other": cell.other or "", "pair": self.subject, "name": self.clause.name}
        return str(getattr(failure_of(self.clause, self.outcome), field)).format(**names)


def subject_of(record: Record) -> str:
    """`nnsight`, `hooks and nnsight`, or `the model`."""
    cell = record.cell
    return " and ".join(filter(None, (cell.tool, cell.other))) or "the model"


def list_findings(run: Run) -> list[Finding]:
    """Everything that does not agree, except what an earlier failure held back; the first cause comes first.

    The order is the verdict's own for gates: the clause, then the model, then the tool.
    """
    groups: dict[tuple[str, str, Outcome], list[Record]] = {}
    for record in run.records:
        if record.outcome is not Outcome.AGREES and not record.declared and record.blocked_by is None:
            groups.setdefault((record.cell.clause, subject_of(record), record.outcome), []).append(record)
    return sorted((_finding(run, records) for records in groups.values()), key=lambda found: _rank(run, found))


def count_blocked(run: Run) -> int:
    """How many cells did not run because a preflight cell failed before them."""
    return sum(record.blocked_by is not None for record in run.records)


def _finding(run: Run, records: list[Record]) -> Finding:
    ordered = sorted(records, key=lambda record: run.plan.models.index(record.cell.model))
    models, first = dict.fromkeys(record.cell.model for record in ordered), ordered[0]
    return Finding(clause_of(first.cell.clause), first.outcome, tuple(models), tuple(ordered))


def _rank(run: Run, found: Finding) -> tuple[bool, int, int, int]:
    """Measured or crashed before not measured; then the order of the protocol; then that of the tools."""
    unmeasured = found.outcome in (Outcome.UNSUPPORTED, Outcome.ABSENT)
    clause = _CLAUSES.index(found.clause.id) if found.clause.id in CLAUSES else len(_CLAUSES)
    tools, tool = run.plan.tools, found.record.cell.tool
    return unmeasured, _STAGES.index(found.clause.stage), clause, tools.index(tool) if tool in tools else len(tools)
