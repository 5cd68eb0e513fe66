"""The two small tables of the terminal: what each model's numbers and cells say, and what the steered models did."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from reports.run.cell_grid import DECLARED, SYMBOLS, build_cell_grid, worst
from reports.untrusted import plain
from reports.verdicts import Verdict
from reports.verdicts.verdict import ModelNumbers, Quantity
from steering_core.records.clauses import Stage
from steering_core.records.record import Outcome, Record, Run

STAGES = (Stage.PREFLIGHT, Stage.DIRECTIONS, Stage.STEERING, Stage.BEHAVIOR)
SIGNS = (
    "= holds  d differs as declared  x differs  ! crashed  - unsupported  ? not measured; "
    "of preflight, directions, steering, behavior"
)
RATES = "; rates: coherent/garbled/normal % [95 % interval of coherent]"
STYLES = {Outcome.AGREES: "green", Outcome.DIFFERS: "red", Outcome.ERRORED: "magenta", Outcome.UNSUPPORTED: "yellow"}


def legend(with_rates: bool) -> Text:
    """What the signs and rates mean."""
    return Text(SIGNS + (RATES if with_rates else ""), style="dim")


def numbers_table(run: Run, verdict: Verdict, rows: int) -> Table:
    """One row per model: w and c as 1 - cos, g in points, how it counts, and four signs per tool.

    Models that do not agree come first; what exceeds `rows` is counted.
    """
    table = _table("model", "1-w within", "1-c between", "gap", "counts as", *run.plan.tools)
    matrix = build_cell_grid(run)
    shown = sorted(verdict.numbers, key=lambda numbers: numbers.relation == "agrees")[:rows]
    for numbers in shown:
        signs = [_signs(matrix[numbers.model, tool]) for tool in run.plan.tools]
        table.add_row(*_numbers(numbers), *signs)
    _add_rest(table, len(verdict.numbers) - len(shown))
    return table


def rates_table(run: Run, rows: int) -> Table | None:
    """Coherent / garbled / normal in percent with the Wilson interval of coherent; arms that agree share a row."""
    every = [row for model in run.plan.models for row in _rate_rows(run, model)]
    if not every:
        return None
    table = _table("rates", "arm", *run.plan.tools)
    for row in every[:rows]:
        table.add_row(*row)
    _add_rest(table, len(every) - rows)
    return table


def _rate_rows(run: Run, model: str) -> list[list[str]]:
    records = [record for record in run.records if record.cell.clause == "B1" and record.cell.model == model]
    arms = {arm: [_rate(records, tool, arm) for tool in run.plan.tools] for arm in _arms(records)}
    if len(arms) > 1 and len({tuple(row) for row in arms.values()}) == 1:
        return [[plain(model, 24), "both" if len(arms) == 2 else "all", *next(iter(arms.values()))]]
    return [[plain(model, 24), arm, *row] for arm, row in arms.items()]


def _arms(records: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(plain(record.cell.arm or "", 12) for record in records))


def _rate(records: Iterable[Record], tool: str, arm: str) -> str:
    """The repeat with the fewest coherent refusals stands for the cell; a spread over repeats is said."""
    own = [record for record in records if (record.cell.tool, record.cell.arm) == (tool, arm) and _measured(record)]
    if not own:
        return "not measured"
    low = min(own, key=lambda record: _number(record, "coherent"))
    shares = "/".join(_percent(low, name) for name in ("coherent", "garbled", "normal"))
    limits = f"[{100 * _number(low, 'low'):.0f}, {100 * _number(low, 'high'):.0f}]"
    varies = " varies" if len({record.measured.get("coherent") for record in own}) > 1 else ""
    return f"{shares} {limits}{varies}"


def _measured(record: Record) -> bool:
    return record.outcome is Outcome.AGREES and _number(record, "total") > 0


def _number(record: Record, name: str) -> float:
    found = record.measured.get(name)
    return float(found) if isinstance(found, int | float) else 0.0


def _percent(record: Record, name: str) -> str:
    return f"{100 * _number(record, name) / _number(record, 'total'):.1f}".removesuffix(".0")


def _numbers(numbers: ModelNumbers) -> list[str]:
    gap = f"{numbers.g.value:.1f} pp" if numbers.g else "–"
    return [plain(numbers.model, 24), _angle(numbers.w), _angle(numbers.c), gap, numbers.relation]


def _angle(quantity: Quantity | None) -> str:
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


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(Text(plain(column, 30)), overflow="fold")
    return table


def _add_rest(table: Table, rest: int) -> None:
    if rest > 0:
        table.add_row(f"and {rest} more")
