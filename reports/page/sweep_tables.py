"""The numbers of the sweeps as tables, one per sweep that was measured."""

from collections.abc import Sequence

from reports.page.exports import Table
from reports.sweeps.measured import Condition, LayerPoint, PrecisionPoint, SizePoint, StrengthBand, read_points
from reports.verdicts.sweeps.section import SweepSection
from steering_core.records.record import Record, Value

RATES = ("coherent %", "low", "high", "garbled %", "normal %", "unscored %", "distinct prompts")
STRENGTH = ("strength", "ratio", "cumulative ratio")
"""ratio: coefficient x norm of the vector / mean norm of the activations at the first steered block."""
WHO = ("model", "through", "method")


def sweep_tables(records: Sequence[Record]) -> list[Table]:
    """Tables with rows, in the order of the clauses; low and high: Wilson 95 % interval of the coherent share."""
    tables = [_layers(records), _bands(records), _sizes(records), _precisions(records)]
    return [table for table in tables if table.rows]


def bands_table(section: SweepSection, clauses: Sequence[str] = ()) -> Table:
    """What the plan calls each condition, both of its tables where they differ, and what a reader said; of some clauses."""
    columns = ("check", "condition", "band", "the plan's two tables, where they differ", "read by a person")
    rows = tuple(
        (each.cell, each.place, each.band.capitalize(), each.tables or "agree", each.by_eye or "not asked for")
        for each in section.conditions
        if not clauses or each.clause in clauses
    )
    return Table("Works, Partial or Fails, by condition", columns, rows)


def _layers(records: Sequence[Record]) -> Table:
    place = ("depth %", "block", "multiplier", *STRENGTH)
    columns = (*WHO, *place, *RATES, "direction norm", "cosine to DIM")
    rows = tuple(
        (*_who(p), p.depth, p.layer, p.multiplier, *_strength(p), *_rates(p), p.direction_norm, p.cosine_to_dim)
        for p in read_points(records, LayerPoint)
    )
    return Table("Rates by depth and multiplier (W1)", columns, rows)


def _sizes(records: Sequence[Record]) -> Table:
    columns = (*WHO, "weights", "block", *STRENGTH, *RATES, "validation: block and coherent, garbled, normal")
    rows = tuple(
        (*_who(p), p.parameters, p.layer, *_strength(p), *_rates(p), {k: list(v) for k, v in p.validation.items()})
        for p in read_points(records, SizePoint)
    )
    return Table("Rates by model size (W2)", columns, rows)


def _precisions(records: Sequence[Record]) -> Table:
    direction = ("norm here", "cosine to full", "preserved", "extraction, s")
    columns = (*WHO, "precision", "direction", "block", *STRENGTH, *RATES, *direction)
    rows = tuple(
        (*_who(p), p.precision, p.origin.replace("_", " "), p.layer, *_strength(p), *_rates(p))
        + (p.own_norm, p.cosine_to_full, p.preserved, p.extraction_seconds)
        for p in read_points(records, PrecisionPoint)
    )
    return Table("Rates by precision (W3)", columns, rows)


def _bands(records: Sequence[Record]) -> Table:
    ends = ("fails below", "works from", "works to", "fails above", "breaks from", "gaps", "ratio from", "ratio to")
    columns = (*WHO, "block", *ends)
    rows = tuple(
        (b.cell.model, b.via, b.method, b.layer, *(b.low or (None, None)), *(b.high or (None, None)))
        + (b.breaks, list(b.gaps), b.ratio_at(b.low and b.low[1]), b.ratio_at(b.high and b.high[0]))
        for b in read_points(records, StrengthBand)
    )
    return Table("Working band of multipliers (W4)", columns, rows)


def _who(point: Condition) -> tuple[Value, ...]:
    return point.cell.model, point.via, point.method


def _strength(point: Condition) -> tuple[Value, ...]:
    return point.strength, point.ratio, point.cumulative_ratio


def _rates(point: Condition) -> tuple[Value, ...]:
    others = (point.percent(name) for name in ("garbled", "normal", "unscored"))
    return point.percent("coherent"), *point.interval("coherent"), *others, point.unique
