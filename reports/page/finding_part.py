"""How a finding is shown: its sentences, and tables that readers can take with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from reports.page.exports import Table
from reports.verdicts.findings.section import list_measured
from reports.verdicts.measured import Measurement
from steering_core.records.record import Cell, Outcome, Record

Finite = Annotated[float, Field(allow_inf_nan=False)]
Interval = Annotated[list[Finite], Field(min_length=3, max_length=3)]
"""[value, low, high] in a record."""


@dataclass(frozen=True)
class FindingView:
    """lines: plain text, which templates escape."""

    clause: str
    heading: str
    about: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]


def merge_tools(records: Sequence[Record]) -> list[str]:
    """Every sentence of the records once, with the tools that share it: `F2 qwen7b hooks, nnsight refusal: ...`."""
    tools: dict[tuple[Cell, str], list[str]] = {}
    for record, each in zip(records, list_measured(records), strict=True):
        for text in (each.sentence, *each.statements):
            cell = record.cell.model_copy(update={"tool": None})
            text = text.removeprefix(f"{cell.variant}: ")  # which the name of the cell says
            tools.setdefault((cell, text), []).extend(filter(None, [record.cell.tool]))
    named = {key: ", ".join(dict.fromkeys(names)) or None for key, names in tools.items()}
    return [f"{cell.model_copy(update={'tool': names}).id}: {text}" for (cell, text), names in named.items()]


@dataclass(frozen=True)
class Part:
    """clause: `F1`. heading, about: for a reader who has not seen the suite. tables: of the clause's records that hold.
    measured: what such a record holds in its field `measured`."""

    clause: str
    heading: str
    about: str
    tables: Callable[[Sequence[Record]], Sequence[Table]]
    measured: type[Measurement]

    def view(self, records: Sequence[Record]) -> FindingView:
        """records: of this clause, measured. A refuted one gives its sentence alone."""
        holding = [record for record in records if record.outcome is Outcome.AGREES]
        lines = merge_tools(holding)
        refuted = [f"{record.cell.id} does not hold: {record.sentence}" for record in records if record not in holding]
        tables = tuple(table for table in self.tables(holding) if table.rows)
        return FindingView(self.clause, self.heading, self.about, (*refuted, *lines), tables)
