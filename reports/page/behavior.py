"""How steered models answered: B1 records as rates of coherent, garbled and normal answers."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.page.exports import Table
from reports.page.measured import count_in, number_in
from reports.verdicts import Verdict
from steering_core.quality.classes import Quality
from steering_core.records.record import Record, Run

CLASSES = tuple(map(str, Quality))


@dataclass(frozen=True)
class RateSummary:
    """Shares of answers, in percent, over all repeats of one tool and arm (with its variant) at one strength.

    ratio: perturbation ratio of all steered blocks, at the last one; None in records without it. strength: None when the
    run held it fixed. low, high: the widest Wilson 95 % interval of the coherent rate over the repeats, in percent.
    """

    model: str
    tool: str
    arm: str
    strength: float | None
    shares: dict[str, float]
    low: float | None
    high: float | None
    prompts: int
    repeats: int
    ratio: float | None = None


def list_rates(run: Run) -> list[RateSummary]:
    """One entry per model, tool, arm and strength, in the order of the records."""
    groups: dict[tuple[str, str, str, float | None], list[Record]] = {}
    for record in run.records:
        cell = record.cell
        if cell.clause == "B1" and count_in(record, "total"):
            strength = number_in(record, "strength")
            arm = ", ".join(filter(None, (cell.arm, cell.variant if strength is None else None)))
            groups.setdefault((cell.model, cell.tool or "", arm, strength), []).append(record)
    return [_summarize(*key, records) for key, records in groups.items()]


def sweeps(rates: Iterable[RateSummary]) -> dict[tuple[str, str, str], list[RateSummary]]:
    """Rates by (model, tool, arm) wherever at least two strengths were measured, weakest first."""
    groups: dict[tuple[str, str, str], list[RateSummary]] = {}
    for entry in rates:
        if entry.strength is not None:
            groups.setdefault((entry.model, entry.tool, entry.arm), []).append(entry)
    return {key: sorted(group, key=lambda entry: entry.strength or 0.0) for key, group in groups.items() if group[1:]}


def behavior_table(run: Run) -> Table:
    """One row per model, tool, arm and strength."""
    percents = [f"{name} %" for name in (*CLASSES, "low", "high")]
    columns = ("model", "tool", "arm", "strength", "cumulative ratio", *percents, "prompts", "repeats")
    rows = tuple(
        (r.model, r.tool, r.arm, r.strength, r.ratio, *r.shares.values(), r.low, r.high, r.prompts, r.repeats)
        for r in list_rates(run)
    )
    return Table("Behavior under steering", columns, rows)


def metrics_table(verdict: Verdict) -> Table:
    """One row per model and primary metric: its mean and standard deviation over the repeats."""
    columns = ("model", "metric", "tools", "arm", "unit", "mean", "standard deviation", "values")
    rows = tuple(
        (numbers.model, m.name, m.tools, m.arm, m.unit, m.mean, m.sd, m.count)
        for numbers in verdict.numbers
        for m in numbers.metrics
    )
    return Table("Mean and standard deviation over repeats", columns, rows)


def _summarize(model: str, tool: str, arm: str, strength: float | None, records: list[Record]) -> RateSummary:
    total = sum(count_in(record, "total") for record in records)
    shares = {name: 100 * sum(count_in(record, name) for record in records) / total for name in CLASSES}
    lows = [100 * low for record in records if (low := number_in(record, "low")) is not None]
    highs = [100 * high for record in records if (high := number_in(record, "high")) is not None]
    interval = min(lows, default=None), max(highs, default=None)
    ratio = number_in(records[0], "cumulative_ratio")
    return RateSummary(
        model, tool, arm, strength, shares, *interval, count_in(records[0], "total"), len(records), ratio
    )
