"""The sweeps of a run on the terminal: a table over depths, then what they show in a few labeled lines."""

from collections.abc import Iterator

from rich.table import Table

from reports.terminal.tables import cell_text, small_table
from reports.verdicts.sweeps.bands import Effect
from reports.verdicts.sweeps.section import SweepSection, SweptCondition, SweptModel

LETTERS = {
    Effect.WORKS: "W",
    Effect.PARTIAL: "P",
    Effect.GARBLES: "G",
    Effect.HALF_GARBLES: "g",
    Effect.NOTHING: "-",
}
LEGEND = "by depth in % of the blocks; coherent/garbled %: W works  P works in part  G garbles  g garbles in part  - does nothing"
Row = tuple[str, str, str, float]


def sweep_table(section: SweepSection, rows: int) -> Table | None:
    """A row per model, tool, method and multiplier, a column per depth; None without a sweep of depths."""
    swept = [condition for condition in section.conditions if condition.clause == "W1"]
    depths = sorted({condition.depth for condition in swept if condition.depth is not None})
    table: dict[Row, dict[int | None, str]] = {}
    for condition in sorted(swept, key=_row):
        table.setdefault(_row(condition), {})[condition.depth] = _rates(condition)
    if len(table) > rows:  # the row of each model's best condition is never cut in favor of another
        best = {_row(swept.best) for swept in section.models}
        table = dict(sorted(table.items(), key=lambda item: item[0] not in best))
    cells = [
        [cell_text(_name(row), 40), *(cell_text(at.get(depth, "")) for depth in depths)] for row, at in table.items()
    ]
    return small_table(("conditions", *(f"{depth} %" for depth in depths)), cells, rows) if cells else None


def models_table(section: SweepSection, rows: int) -> Table | None:
    """Each model's best condition, where there are several models; one is in the headline."""
    cells = [[cell_text(text, 40) for text in _best(swept)] for swept in section.models]
    columns = ("model", "band", "best condition", "coherent [95 %]", "garbled")
    return small_table(columns, cells, rows) if len(cells) > 1 else None


def list_sweep(section: SweepSection) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Label -> texts; decisions that run something come first."""
    yield "Read", section.readings
    yield "Band", section.strengths
    best = {(swept.model, swept.tool, swept.best.method, swept.best.multiplier) for swept in section.models}
    curves = sorted(
        section.curves, key=lambda c: (c.kind != "size", (c.subject, c.tool, c.method, c.multiplier) not in best)
    )
    yield "Curves", tuple(curve.sentence for curve in curves)
    yield "Methods", tuple(row.sentence for row in section.methods)
    yield "Precision", tuple(row.sentence for row in section.precisions)
    yield "Decision", tuple(step.text for step in sorted(section.decisions, key=lambda step: not step.conditions))
    yield "Limits", section.notes


def _row(condition: SweptCondition) -> Row:
    return condition.model, condition.tool, condition.method, condition.multiplier


def _name(row: Row) -> str:
    model, tool, method, multiplier = row
    return f"{model}{f' {tool}' if tool else ''} {method} {multiplier:g}x"


def _best(swept: SweptModel) -> tuple[str, ...]:
    best = swept.best
    coherent = f"{best.coherent}/{best.unique} [{100 * best.low:.1f}, {100 * best.high:.1f}]"
    return f"{swept.model} {swept.tool}".strip(), swept.band, best.place, coherent, f"{best.garbled}/{best.unique}"


def _rates(condition: SweptCondition) -> str:
    coherent, garbled = (100 * count / condition.unique for count in (condition.coherent, condition.garbled))
    return f"{coherent:.0f}/{garbled:.0f} {LETTERS[condition.effect]}"
