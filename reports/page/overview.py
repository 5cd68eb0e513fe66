"""The run at a glance: how many checks ended how, and a table of models and tools."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from reports.page.grid import look_of
from reports.run.cell_grid import build_cell_grid
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome, Record, Run

NO_RECORD, NO_TOOL = "no-record", "checks"
WORDS = {
    "agrees": "pass",
    "differs": "fail",
    "errored": "crashed",
    "declared": "known deviations",
    "not-offered": "not offered",
    "unsupported": "unsupported",
    "absent": "not measured",
    NO_RECORD: "without a record",
}
"""What is counted, by the look of a check, in the order of the page."""
ONE = {"agrees": "passes", "differs": "fails", "declared": "known deviation"}
WORST_FIRST = ("differs", "errored", "absent", "unsupported", "declared", "agrees", "not-offered")


@dataclass(frozen=True)
class ToolCount:
    """Checks of one tool on one model by look. A pair counts for both tools, a failed one for the tool it is charged to."""

    counts: Counter[str]

    @property
    def total(self) -> int:
        """Checks with a record."""
        return self.counts.total()

    @property
    def look(self) -> str:
        """The worst look among them; `absent` when there is none."""
        return next((look for look in WORST_FIRST if self.counts[look]), "absent")

    @property
    def others(self) -> list[str]:
        """`2 fail`, for every kind that is no pass."""
        return [count_of(look, self.counts[look]) for look in WORST_FIRST if look != "agrees" and self.counts[look]]


@dataclass(frozen=True)
class OverviewRow:
    """One model: its checks by tool, in the order of the columns."""

    model: str
    tools: tuple[ToolCount, ...]


def count_of(look: str, number: int) -> str:
    """`1 known deviation`, `2 fail`."""
    return f"{number} {ONE.get(look, WORDS[look]) if number == 1 else WORDS[look]}"


def count_checks(run: Run) -> list[tuple[str, int, str]]:
    """(look, number, number in words) of every kind of result among the planned and recorded checks; that the records
    are complete (V1-V3) is not counted, unless they are not."""
    counts = count_looks(filter(_is_counted, run.records))
    counts[NO_RECORD] = len(set(run.plan.planned) - {record.cell for record in run.records})
    return [(look, counts[look], count_of(look, counts[look])) for look in WORDS if counts[look]]


def _is_counted(record: Record) -> bool:
    return record.outcome is not Outcome.AGREES or CLAUSES[record.cell.clause].stage is not Stage.EVIDENCE


def columns(run: Run) -> tuple[str, ...]:
    """The tools of the run; where no check is about a tool, such as in findings and sweeps by the reference, one column."""
    cells = chain(run.plan.planned, (record.cell for record in run.records))
    return run.plan.tools if any(cell.tool for cell in cells) else (NO_TOOL,)


def overview(run: Run) -> list[OverviewRow]:
    """A row per model, in the plan's order, with the counts of each column."""
    if columns(run) == (NO_TOOL,):
        counted = [record for record in run.records if _is_counted(record)]
        own = {model: [record for record in counted if record.cell.model == model] for model in run.plan.models}
        return [OverviewRow(model, (ToolCount(count_looks(records)),)) for model, records in own.items()]
    grid = build_cell_grid(run)
    counts = {
        key: ToolCount(count_looks(filter(_is_counted, chain.from_iterable(stages.values()))))
        for key, stages in grid.items()
    }
    return [OverviewRow(model, tuple(counts[model, tool] for tool in run.plan.tools)) for model in run.plan.models]


def count_looks(records: Iterable[Record]) -> Counter[str]:
    """How many records have which look."""
    return Counter(map(look_of, records))
