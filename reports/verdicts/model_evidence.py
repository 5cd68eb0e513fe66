"""The inputs of the decision rules for one model: its worst cosines, its widest gap, and which tools pass."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.verdicts.failures import list_passing
from reports.verdicts.measured import read_one_minus_cosine
from reports.verdicts.metrics import list_metrics
from reports.verdicts.numbers import WorstCosine, cross_cosine, rate_gap, relate, within_cosine
from reports.verdicts.rates import Gap, Rate, list_gaps, pool_percents, read_rate, same_tokens, widest_gap
from reports.verdicts.run_index import RunIndex
from reports.verdicts.verdict import ModelNumbers
from steering_core.records.record import Record


@dataclass(frozen=True)
class ModelEvidence:
    """What the rules know of one model. gaps: every two tools' rates that were compared, gap: those furthest apart.

    within_sentence: the sentence of the worst within-tool check.
    """

    model: str
    numbers: ModelNumbers
    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]
    within_sentence: str

    @property
    def gap(self) -> Gap | None:
        """None where nothing was compared."""
        return widest_gap(self.gaps)

    @property
    def stable(self) -> bool:
        """Whether every tool repeats its direction."""
        return self.numbers.within_cosine is not None and self.numbers.within_cosine.band == "stable"

    @property
    def diverges(self) -> bool:
        """Whether directions and behavior both diverge."""
        return self.numbers.relation == "diverges"

    @property
    def agrees(self) -> bool:
        """Whether directions and behavior both agree."""
        return self.numbers.relation == "agrees"


def weigh(index: RunIndex, model: str) -> ModelEvidence:
    """The evidence on one model, from its measured D1, D2 and B1 cells and its preflight."""
    rates = tuple(read_rate(record) for record in index.measured("B1", model))
    within, cross = _worst(index.measured("D1", model)), _worst(index.measured("D2", model))
    gaps = tuple(list_gaps(rates))
    gap = widest_gap(gaps)
    cosine, points = cross_cosine(cross) if cross else None, rate_gap(gap) if gap else None
    relation, between = relate(model, cosine, points)
    numbers = ModelNumbers(
        model=model,
        within_cosine=within_cosine(within) if within else None,
        cross_cosine=cosine,
        rate_gap_pp=points,
        relation=relation,
        between_thresholds=between,
        rates={tool: float(rate) for tool, rate in pool_percents(rates).items()},
        passing=list_passing(index, model),
        token_identical=same_tokens(rates),
        metrics=list_metrics(index, model, rates),
    )
    return ModelEvidence(model, numbers, rates, gaps, within.sentence if within else "")


def _worst(records: Iterable[Record]) -> WorstCosine | None:
    cosines = [WorstCosine(read_one_minus_cosine(record), _place(record), record.sentence) for record in records]
    return max(cosines, key=lambda cosine: cosine.one_minus_cosine, default=None)


def _place(record: Record) -> str:
    return record.cell.tools if record.cell.repeat is None else f"{record.cell.tools}, repeat {record.cell.repeat}"
