"""One cell of the table: what the records say about a column, for one tool in one version on one family."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from reports.compatibility.columns import Column
from reports.compatibility.source import Source
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Cell, Outcome, Record

NOTHING = (Outcome.NOT_OFFERED, Outcome.UNSUPPORTED)
"""Outcomes of a check of what a tool does not offer."""
NAMED = 3
"""Clauses, or records, that a cell names."""


class State(StrEnum):
    """FAILS: a check differs or crashed. NOT_TESTED: a check that belongs to the column has no result. DEVIATES: all
    that differs is a known deviation. NOT_OFFERED: the tool claims none of it."""

    HOLDS = "holds"
    DEVIATES = "deviates"
    NOT_OFFERED = "not offered"
    FAILS = "fails"
    NOT_TESTED = "not tested"


LOOKS = {
    State.HOLDS: "agrees",
    State.DEVIATES: "declared",
    State.NOT_OFFERED: "not-offered",
    State.FAILS: "differs",
    State.NOT_TESTED: "absent",
}
"""The shape and color of the report page."""
MEANINGS = {
    State.HOLDS: "every check was measured and holds, but for what the tool does not offer",
    State.DEVIATES: "differs in a way that is known of this version: neither a pass nor a failure",
    State.NOT_OFFERED: "the tool does not claim to do this, or the model cannot, which the record says",
    State.FAILS: "a check differs from what was requested, or crashed",
    State.NOT_TESTED: "at least one check has no result, or there is none; what was measured holds",
}


@dataclass(frozen=True)
class Evidence:
    """A record and the run that it is from. line: in the run's records file, from 1."""

    record: Record
    source: Source
    line: int


@dataclass(frozen=True)
class Support:
    """missing: checks of the full matrix without a record."""

    column: Column
    evidence: tuple[Evidence, ...]
    missing: tuple[Cell, ...] = ()

    @cached_property
    def state(self) -> State:
        """What holds of the column, the worst first."""
        records = [each.record for each in self.evidence]
        if any(map(fails, records)):
            return State.FAILS
        if self.missing or not records or any(record.outcome is Outcome.ABSENT for record in records):
            return State.NOT_TESTED
        if any(record.declared for record in records):
            return State.DEVIATES
        return State.HOLDS if any(record.outcome is Outcome.AGREES for record in records) else State.NOT_OFFERED

    @property
    def look(self) -> str:
        """The class of its shape in a page."""
        return LOOKS[self.state]

    @property
    def asked(self) -> bool:
        """Whether any check of the column belonged to a run of the row: one that is older than the checks has none."""
        return bool(self.evidence or self.missing)

    @property
    def telling(self) -> tuple[Evidence, ...]:
        """The evidence that makes it what it is: what fails, deviates or was skipped; else all."""
        picks = {
            State.FAILS: fails,
            State.DEVIATES: lambda record: record.declared,
            State.NOT_TESTED: lambda record: record.outcome is Outcome.ABSENT,
        }
        pick = picks.get(self.state, lambda record: True)
        return tuple(each for each in self.evidence if pick(each.record))

    @property
    def what(self) -> str:
        """`P1, S2` where it fails or deviates, `2 of 5` where only some of it was measured; "" otherwise."""
        if self.state in (State.FAILS, State.DEVIATES):
            return _few([each.record.cell for each in self.telling])
        measured = len(self.evidence) - len(self.telling)
        if self.state is State.NOT_TESTED and measured:
            return f"{measured} of {len(self.evidence) + len(self.missing)} measured"
        return ""


def counting(column: Column, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The evidence of a column, without that of checks beside others of which the tool offers none: what they saw is about
    another column."""
    alone = [each for each in evidence if column.asks_alone(each.record.cell)]
    offers_none = bool(alone) and all(each.record.outcome in NOTHING for each in alone)
    return tuple(alone if offers_none else evidence)


def fails(record: Record) -> bool:
    """Whether it differs undeclared, or crashed."""
    return record.outcome in (Outcome.DIFFERS, Outcome.ERRORED) and not record.declared


def named_clauses(cells: Sequence[Cell]) -> list[str]:
    """Their clauses, each once, in the order of the protocol."""
    named = {cell.clause for cell in cells}
    return [clause for clause in CLAUSES if clause in named]


def _few(cells: Sequence[Cell]) -> str:
    names = named_clauses(cells)
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
