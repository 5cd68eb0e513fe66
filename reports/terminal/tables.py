"""The two small tables of the terminal: each model's numbers and checks, and what the steered models answered."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from reports.page.measured import count_in, number_in
from reports.run.cell_grid import DECLARED, SYMBOLS, build_cell_grid, worst
from reports.untrusted import plain
from reports.verdicts import ModelNumbers, Quantity, Verdict
from steering_core.records.clauses import Stage
from steering_core.records.record import Outcome, Record, Run

NUMBERS = ("model", "1 − cos\nwithin-tool", "1 − cos\ncross-tool", "rate\ngap", "counts as")
STAGES = (Stage.PREFLIGHT, Stage.DIRECTIONS, Stage.STEERING, Stage.BEHAVIOR)
SIGNS = (
    "= holds  d known deviation  o not offered  x differs  ! crashed  - unsupported  ? not measured; "
    "in preflight, directions, steering, behavior"
)
RATES = "; rates: coherent/garbled/normal % [95 % interval of coherent]"
GAP = 2
"""Columns between two columns of a table."""
FEW = 3
"""Tools that are named even if the same is said of all."""
STYLES = {Outcome.AGREES: "green", Outcome.DIFFERS: "red", Outcome.ERRORED: "magenta", Outcome.UNSUPPORTED: "yellow"}


def legend(with_rates: bool) -> Text:
    """What the signs and rates mean."""
    return Text(SIGNS + (RATES if with_rates else ""), style="dim")


class ModelTables:
    """The rows of both tables, found once for every layout that is tried; what exceeds `rows` is counted.

    A tool has a column, unless that is wider than the terminal: then tools of which the same is said share a row.
    """

    def __init__(self, run: Run, verdict: Verdict, width: int) -> None:
        self._tools, self._width = run.plan.tools, width
        self._numbers = _numbers_rows(run, verdict)
        self._rates = _rates_rows(run)

    def numbers(self, rows: int) -> list[Table]:
        """One row per model: cosines as 1 - cos, the gap in points, the relation, and four signs per tool.

        Models that do not agree come first.
        """
        columns = (*NUMBERS, *self._tools)
        if _width(columns, self._numbers[:rows]) <= self._width:
            return [small_table(columns, self._numbers, rows)]
        signs = [[row[0], *row[-2:]] for row in self._by_tools(self._numbers[:rows], len(NUMBERS))]
        return [
            small_table(NUMBERS, [row[: len(NUMBERS)] for row in self._numbers], rows),
            small_table(("model", "checks", "tools"), signs, len(signs), len(self._numbers) - rows),
        ]

    def rates(self, rows: int) -> Table | None:
        """Coherent / garbled / normal in percent with the Wilson interval of coherent; arms that agree share a row."""
        columns = ("rates", "arm", *self._tools)
        if not self._rates or _width(columns, self._rates[:rows]) <= self._width:
            return small_table(columns, self._rates, rows) if self._rates else None
        cells = self._by_tools(self._rates[:rows], 2)
        return small_table(("rates", "arm", "", "tools"), cells, len(cells), len(self._rates) - rows)

    def _by_tools(self, cells: Sequence[Sequence[Text]], left: int) -> list[list[Text]]:
        """Each row, whose first `left` cells are about no tool, as one row for each different cell of a tool."""
        rows = []
        for row in cells:
            groups: dict[str, list[str]] = {}
            for tool, cell in zip(self._tools, row[left:], strict=True):
                groups.setdefault(cell.plain, []).append(tool)
            shown = {cell.plain: cell for cell in row[left:]}
            names = {"".join(groups): ["all"]} if len(groups) == 1 and len(self._tools) > FEW else groups
            rows += [[*row[:left], shown[text], cell_text(", ".join(tools), 1000)] for text, tools in names.items()]
        return rows


def _width(columns: Sequence[str], cells: Sequence[Sequence[Text]]) -> int:
    """Columns of a terminal that a table takes if nothing in it is wrapped."""
    widths = [max(map(cell_len, name.split("\n"))) for name in columns]
    return sum(max([width, *(row[at].cell_len for row in cells)]) + GAP for at, width in enumerate(widths)) - GAP


def _numbers_rows(run: Run, verdict: Verdict) -> list[list[Text]]:
    grid = build_cell_grid(run)
    ordered = sorted(verdict.numbers, key=lambda numbers: numbers.relation == "agrees")
    return [[*_numbers(model), *(_signs(grid[model.model, tool]) for tool in run.plan.tools)] for model in ordered]


def _rates_rows(run: Run) -> list[list[Text]]:
    behavior: dict[str, list[Record]] = {model: [] for model in run.plan.models}
    for record in run.records:
        if record.cell.clause == "B1" and record.cell.model in behavior:
            behavior[record.cell.model].append(record)
    return [row for model, records in behavior.items() for row in _rate_rows(run.plan.tools, model, records)]


def _rate_rows(tools: Sequence[str], model: str, records: Sequence[Record]) -> list[list[Text]]:
    names = dict.fromkeys(record.cell.arm for record in records)
    arms = {arm or "": [_rate(records, tool, arm) for tool in tools] for arm in names}
    if len(arms) > 1 and len({tuple(row) for row in arms.values()}) == 1:
        arms = {"both" if len(arms) == 2 else "all": next(iter(arms.values()))}
    return [[cell_text(model), cell_text(arm, 12), *map(Text, rates)] for arm, rates in arms.items()]


def _rate(records: Sequence[Record], tool: str, arm: str | None) -> str:
    """The repeat with the fewest coherent refusals stands for all of them; `varies` when they differ."""
    repeats = [record for record in records if (record.cell.tool, record.cell.arm) == (tool, arm)]
    offers_none = bool(repeats) and all(record.outcome is Outcome.NOT_OFFERED for record in repeats)
    repeats = [record for record in repeats if record.outcome is Outcome.AGREES and count_in(record, "total")]
    if not repeats:
        return "not offered" if offers_none else "not measured"
    lowest = min(repeats, key=lambda record: count_in(record, "coherent"))
    shares = (100 * count_in(lowest, name) / count_in(lowest, "total") for name in ("coherent", "garbled", "normal"))
    low, high = (100 * (number_in(lowest, name) or 0) for name in ("low", "high"))
    varies = " varies" if len({count_in(record, "coherent") for record in repeats}) > 1 else ""
    return f"{'/'.join(f'{share:.1f}'.removesuffix('.0') for share in shares)} [{low:.0f}, {high:.0f}]{varies}"


def _numbers(numbers: ModelNumbers) -> list[Text]:
    cosines = map(_one_minus_cosine, (numbers.within_cosine, numbers.cross_cosine))
    gap = f"{numbers.rate_gap_pp.value:.1f} pp" if numbers.rate_gap_pp else "–"
    return [cell_text(numbers.model), *map(Text, (*cosines, gap, numbers.relation))]


def _one_minus_cosine(quantity: Quantity | None) -> str:
    if quantity is None or quantity.one_minus_cosine is None:
        return "–"
    return f"{quantity.one_minus_cosine:.1e}" if quantity.one_minus_cosine else "0"


def _signs(stages: dict[Stage, list[Record]]) -> Text:
    signs = Text()
    for stage in STAGES:
        records = stages.get(stage, [])
        undeclared = [record for record in records if not record.declared] or records
        outcome = worst(undeclared)
        if outcome is Outcome.AGREES and len(undeclared) < len(records):
            signs.append(DECLARED, style="cyan")
        else:
            signs.append(SYMBOLS[outcome], style=STYLES.get(outcome, ""))
    return signs


def small_table(columns: Sequence[str], cells: Sequence[Sequence[Text]], rows: int, left_out: int = 0) -> Table:
    """A table of the first rows; the rest is counted, with what the caller left out."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(Text(column) if column in NUMBERS else cell_text(column, 30), overflow="fold")
    for row in cells[:rows]:
        table.add_row(*row)
    if (rest := max(len(cells) - rows, left_out)) > 0:
        table.add_row(f"and {rest} more")
    return table


def cell_text(text: str, limit: int = 24) -> Text:
    """Text of a cell, harmless for a terminal, cut to `limit` characters."""
    return Text(plain(text, limit))
