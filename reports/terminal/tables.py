"""The two small tables of the terminal: each model's numbers and checks, and what the steered models answered."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from reports.page.measured import count_in, number_in
from reports.run.cell_grid import DECLARED, SYMBOLS, build_cell_grid, worst
from reports.run.selected import RATES as RATES_FROM
from reports.run.selected import selected_clauses
from reports.untrusted import plain
from reports.verdicts import ModelNumbers, Quantity, Verdict
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome, Record, Run

NUMBERS = ("model", "1 − cos\nwithin-tool", "1 − cos\ncross-tool", "rate\ngap", "counts as")
STAGES = (Stage.PREFLIGHT, Stage.DIRECTIONS, Stage.STEERING, Stage.BEHAVIOR)
FILLED_BY = dict(zip(NUMBERS[1:], ({"D1"}, {"D2"}, RATES_FROM, {"D2"} | RATES_FROM), strict=True))
"""Column -> the clauses that its numbers come from: without a check of these in the plan it is left out."""
SIGNS = "= holds  d known deviation  o not offered  x differs  ! crashed  - unsupported  ? not measured"
RATES = "; rates: coherent/garbled/normal % [95 % interval of coherent]"
GAP = 2
"""Columns between two columns of a table."""
FEW = 3
"""Tools that are named even if the same is said of all."""
STYLES = {Outcome.AGREES: "green", Outcome.DIFFERS: "red", Outcome.ERRORED: "magenta", Outcome.UNSUPPORTED: "yellow"}


def legend(stages: Sequence[Stage], with_rates: bool) -> Text:
    """What the signs and rates mean. stages: one sign each."""
    names = f"; in {', '.join(stages)}" if stages else ""
    return Text(SIGNS + names + (RATES if with_rates else ""), style="dim")


class ModelTables:
    """The rows of both tables, found once for every layout that is tried; what exceeds `rows` is counted.

    A tool has a column, unless that is wider than the terminal: then tools of which the same is said share a row.
    """

    def __init__(self, run: Run, verdict: Verdict, width: int) -> None:
        self._tools, self._width = run.plan.tools, width
        clauses = selected_clauses(run)
        self._left = [name for name in NUMBERS if name not in FILLED_BY or clauses & FILLED_BY[name]]
        self.stages = [stage for stage in STAGES if any(CLAUSES[clause].stage is stage for clause in clauses)]
        self._numbers = self._numbers_rows(run, verdict)
        self._rates = _rates_rows(run)

    def numbers(self, rows: int) -> list[Table]:
        """One row per model: cosines as 1 - cos, the gap in points, the relation, and four signs per tool.

        Models that do not agree come first.
        """
        columns, left = (*self._left, *self._tools), len(self._left)
        if _width(columns, self._numbers[:rows]) <= self._width:
            return [small_table(columns, self._numbers, rows)]
        signs = [[row[0], *row[-2:]] for row in self._by_tools(self._numbers[:rows], left)]
        checks = small_table(("model", "checks", "tools"), signs, len(signs), len(self._numbers) - rows)
        return [*([small_table(self._left, [row[:left] for row in self._numbers], rows)] if left > 1 else []), checks]

    def rates(self, rows: int) -> Table | None:
        """Coherent / garbled / normal in percent with the Wilson interval of coherent; arms that agree share a row."""
        columns = ("rates", "arm", *self._tools)
        if not self._rates or _width(columns, self._rates[:rows]) <= self._width:
            return small_table(columns, self._rates, rows) if self._rates else None
        cells = self._by_tools(self._rates[:rows], 2)
        return small_table(("rates", "arm", "", "tools"), cells, len(cells), len(self._rates) - rows)

    def _numbers_rows(self, run: Run, verdict: Verdict) -> list[list[Text]]:
        grid = build_cell_grid(run)
        rows = []
        for model in sorted(verdict.numbers, key=lambda numbers: numbers.relation == "agrees"):
            numbers = dict(zip(NUMBERS, _numbers(model), strict=True))
            signs = (_signs(grid[model.model, tool], self.stages) for tool in run.plan.tools)
            rows.append([*(numbers[name] for name in self._left), *signs])
        return rows

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


def _signs(records_of: dict[Stage, list[Record]], stages: Sequence[Stage]) -> Text:
    signs = Text()
    for stage in stages:
        records = records_of.get(stage, [])
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
