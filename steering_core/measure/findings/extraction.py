"""Finding F1: every extraction method at every block of one model, judged on held-out prompts.

Rows are read once; methods and random directions only calculate with them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from steering_core.directions import extract, method_names, traits_of
from steering_core.directions.evaluation import Evaluation, evaluate
from steering_core.directions.extraction.traits import Extraction
from steering_core.errors import EmptyMeasurement, SuiteError
from steering_core.measure.findings.chance import RandomDirections, draw_directions
from steering_core.measure.findings.rows import ClassRows, TraitRows, read_rows
from steering_core.measure.findings.traits import Trait

if TYPE_CHECKING:
    from steering_core.models.model import LoadedModel

EXCLUDED = "random_baseline"
"""The method that many random directions stand for."""


@dataclass(frozen=True)
class Judged:
    """One method at one block: its direction, and what it does on held-out rows."""

    layer: int
    extraction: Extraction
    evaluation: Evaluation

    @property
    def method(self) -> str:
        """Its name."""
        return self.extraction.method

    def facts(self) -> dict[str, object]:
        """For a record, as JSON; estimates as [value, low, high]."""
        judged = self.evaluation
        return {
            **self.extraction.described(),
            "layer": self.layer,
            **{name: list(getattr(judged, name)) for name in ("accuracy", "auc", "effect_size")},
            "polarity": judged.polarity,
            "polarity_is_open": judged.polarity_is_open,
        }


@dataclass(frozen=True)
class ExtractionTable:
    """Methods x blocks for one trait. failed: (method, block) -> why there is no direction."""

    rows: TraitRows
    judged: tuple[Judged, ...]
    failed: Mapping[tuple[str, int], str]
    chance: RandomDirections

    @property
    def methods(self) -> tuple[str, ...]:
        """Those with a direction at every block."""
        partial = {method for method, _ in self.failed}
        return tuple(dict.fromkeys(row.method for row in self.judged if row.method not in partial))

    def of(self, method: str) -> list[Judged]:
        """One method at every block, from the first on."""
        return [row for row in self.judged if row.method == method]

    def mean_accuracy(self, method: str) -> float:
        """Over the blocks: the source's measure of a method."""
        return fmean(row.evaluation.accuracy.value for row in self.of(method))

    @property
    def supervised(self) -> tuple[str, ...]:
        """Methods that know the classes and give their direction a sign by them."""
        return tuple(name for name in self.methods if traits_of(name).sign in ("class means", "labels"))

    @property
    def best(self) -> Judged:
        """The most accurate; of equals the largest effect size, then the earliest block."""
        return max(self.judged, key=_merit)


class Extractions:
    """Makes the tables of one model. Its parts are attributes, so that a fault can replace one."""

    def __init__(self, model: "LoadedModel", batch_size: int = 30) -> None:
        self.model, self.batch_size = model, batch_size
        self.read: Callable[[Trait], TraitRows] = lambda trait: read_rows(self.model, trait, self.batch_size)
        self.extract: Callable[[str, ClassRows], Extraction] = _extract
        self.random: Callable[[Mapping[int, ClassRows]], RandomDirections] = draw_directions
        self._rows: dict[str, TraitRows] = {}

    def rows(self, trait: Trait) -> TraitRows:
        """The trait's rows, read once; see `ClassRows.check` for what is refused."""
        if trait.name not in self._rows:
            trait.check()
            rows = self.read(trait)
            for each in rows.layers.values():
                each.check()
            self._rows[trait.name] = rows
        return self._rows[trait.name]

    def table(self, trait: Trait, methods: Sequence[str] = ()) -> ExtractionTable:
        """Every method at every block. A method that gives no direction somewhere is named with its reason."""
        rows, names = self.rows(trait), methods or [name for name in method_names() if name != EXCLUDED]
        # Sharing out matrices as small as these among threads takes longer than one thread takes to calculate with them.
        with threadpool_limits(1, "blas"):
            judged, failed = self._judge(names, rows.layers)
        return ExtractionTable(rows, judged, failed, self.random(rows.layers))

    def _judge(
        self, methods: Sequence[str], layers: Mapping[int, ClassRows]
    ) -> tuple[tuple[Judged, ...], dict[tuple[str, int], str]]:
        """What `ExtractionTable` names judged, and failed."""
        judged, failed = list[Judged](), dict[tuple[str, int], str]()
        for method, (layer, rows) in product(methods, layers.items()):
            try:
                found = self.extract(method, rows)
                held_out = evaluate(found.direction, rows.held_positive, rows.held_negative)
                judged.append(Judged(layer, found, held_out))
            except (SuiteError, EmptyMeasurement) as problem:
                failed[method, layer] = str(problem)
        return tuple(judged), failed


def _merit(row: Judged) -> tuple[float, float, int]:
    return row.evaluation.accuracy.value, row.evaluation.effect_size.value, -row.layer


def _extract(method: str, rows: ClassRows) -> Extraction:
    return extract(method, rows.positive, rows.negative)
