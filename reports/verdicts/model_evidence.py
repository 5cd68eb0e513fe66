"""The inputs of the decision rules for one model: its worst cosines, its widest gap, and which tools pass."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.verdicts.failures import list_passing
from reports.verdicts.measured import read_one_minus_cosine
from reports.verdicts.rates import Gap, Rate, read_rate, same_tokens, widest_gap
from reports.verdicts.run_index import RunIndex
from steering_core.records.record import Record
from steering_core.records.thresholds import band_of_cosine, band_of_gap, is_stable


@dataclass(frozen=True)
class WorstCosine:
    """A worst cosine as 1 - cos, the cell that gave it, and that cell's own words."""

    one_minus_cosine: float
    where: str
    sentence: str


@dataclass(frozen=True)
class ModelEvidence:
    """What the rules know of one model: w, c and g as `within`, `across`, `gap`; None where nothing was measured."""

    model: str
    within: WorstCosine | None
    across: WorstCosine | None
    gap: Gap | None
    rates: tuple[Rate, ...]
    passing: tuple[str, ...]

    @property
    def stable(self) -> bool:
        """w > 0.999."""
        return self.within is not None and is_stable(self.within.one_minus_cosine)

    @property
    def bands(self) -> tuple[str, str] | None:
        """agrees | between | diverges, of the directions and of the behavior."""
        if self.across is None or self.gap is None:
            return None
        return band_of_cosine(self.across.one_minus_cosine), band_of_gap(self.gap.points)

    @property
    def diverges(self) -> bool:
        """c < 0.95 and g > 20 pp."""
        return self.bands == ("diverges", "diverges")

    @property
    def agrees(self) -> bool:
        """c > 0.99 and g <= 5 pp."""
        return self.bands == ("agrees", "agrees")

    @property
    def token_identical(self) -> bool:
        """Within each arm every tool generated the same ids: the gap is 0 by construction."""
        return same_tokens(self.rates)


def weigh(index: RunIndex, model: str) -> ModelEvidence:
    """w, c and g of one model from its measured D1, D2 and B1 cells."""
    rates = tuple(read_rate(record) for record in index.measured("B1", model))
    return ModelEvidence(
        model=model,
        within=_worst(index.measured("D1", model)),
        across=_worst(index.measured("D2", model)),
        gap=widest_gap(rates),
        rates=rates,
        passing=list_passing(index, model),
    )


def _worst(records: Iterable[Record]) -> WorstCosine | None:
    angles = [WorstCosine(read_one_minus_cosine(record), _say_cell(record), record.sentence) for record in records]
    return max(angles, key=lambda angle: angle.one_minus_cosine, default=None)


def _say_cell(record: Record) -> str:
    return record.cell.tools if record.cell.repeat is None else f"{record.cell.tools}, repeat {record.cell.repeat}"
