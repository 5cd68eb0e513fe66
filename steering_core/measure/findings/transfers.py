"""Finding F5 on one model: a direction of another prompt set or another model, what it detects here and what it controls."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property

from torch import Tensor

from steering_core.compare import unit
from steering_core.directions import DEFAULT_METHOD, extract_direction
from steering_core.directions.evaluation.transfer import Cell, Rate, check_directions, control, transfer
from steering_core.measure.experiment import Experiment
from steering_core.measure.findings.extraction import Extractions
from steering_core.measure.findings.rows import ClassRows
from steering_core.measure.findings.sources import TRAIT, Source, direction_of
from steering_core.measure.findings.traits import read_traits
from steering_core.measure.findings.transfer_sets import Matrix, TransferSet
from steering_core.measure.multilayer.preset_ratios import preset_ratios
from steering_core.measure.steering import random_direction
from steering_core.measure.store import digest
from steering_core.quality.markers import shows_trait

Names = tuple[str, str]
"""Of source and target."""
SEED = 1
"""Of the random direction."""


@dataclass(frozen=True)
class Measured:
    """One cell, and how many answers show the trait without any steering. ratios: how strong the steering is beside the
    activations of the prompts that are steered; none where nothing is."""

    cell: Cell
    unsteered: Rate
    ratios: dict[str, float] = field(default_factory=dict)


class Transfers:
    """Directions are differences of means at the tested block, steered at the model's own strength and blocks. Its parts
    are attributes, so that a fault can replace one."""

    def __init__(self, experiment: Experiment, extractions: Extractions) -> None:
        self.experiment, self.extractions = experiment, extractions
        self.rows: Callable[[TransferSet], ClassRows] = cache(self._rows)
        self.direction: Callable[[TransferSet], Tensor] = cache(self._direction)
        self.taken: Callable[[Source], Tensor] = direction_of
        self.random: Callable[[], Tensor] = lambda: random_direction(experiment.model.spec.hidden, 1.0, SEED)
        self.shown: Callable[[TransferSet, Tensor | None], list[bool]] = self._shown
        self.ratios: Callable[[TransferSet, Tensor], dict[str, float]] = self._ratios
        self.between: Callable[[Names, tuple[Tensor, Tensor], TransferSet], Measured] = self._between

    def measure(self, matrix: Matrix, source: str, target: str) -> Measured:
        """One cell. source, target: names of sets of the matrix."""
        taken, used = matrix.sets[source], matrix.sets[target]
        return self.between((source, target), (self.direction(taken), self.direction(used)), used)

    def measure_source(self, source: Source) -> Measured:
        """One cell between models: this one is the target, and its evaluation prompts are steered."""
        names, used = (source.key, self.experiment.model.spec.key), self.own_set
        return self.between(names, (self.taken(source), self.direction(used)), used)

    @cached_property
    def own_set(self) -> TransferSet:
        """The target's prompts of a cell between models."""
        return TransferSet(read_traits()[TRAIT], self.experiment.prompts.evaluation, ())

    @property
    def own_rows(self) -> ClassRows:
        """Their rows."""
        return self.rows(self.own_set)

    def _between(self, names: Names, directions: tuple[Tensor, Tensor], used: TransferSet) -> Measured:
        """directions: of source and target. used: the target's prompts. Nothing is steered where hidden sizes differ."""
        rows, plain = self.rows(used), self.shown(used, None)
        tried = (*directions, self.random())
        steered = None if check_directions(*directions) else control(*(self.shown(used, each) for each in tried))
        cell = transfer(names, directions, (rows.held_positive, rows.held_negative), steered)
        return Measured(cell, Rate(sum(plain), len(plain)), self.ratios(used, directions[1]) if steered else {})

    def _ratios(self, chosen: TransferSet, direction: Tensor) -> dict[str, float]:
        return preset_ratios(self.experiment, direction, chosen.neutral)

    def _rows(self, chosen: TransferSet) -> ClassRows:
        return self.extractions.rows(chosen.trait).layers[self.experiment.settings.layer]

    def _direction(self, chosen: TransferSet) -> Tensor:
        rows = self.rows(chosen)
        return extract_direction(DEFAULT_METHOD, rows.positive, rows.negative)

    def _shown(self, chosen: TransferSet, direction: Tensor | None) -> list[bool]:
        """Per neutral prompt, whether the reference's answer shows the trait; unsteered without a direction."""
        here = self.experiment
        wanted = here.want_plain(chosen.neutral)
        if direction is not None:
            axis = unit(direction).float()
            key = {"what": "answers", "tool": "reference", "direction": digest(axis), "repeat": 0}
            wanted = here.wanted(key, chosen.neutral, here.edits(axis))
        ids = here.planned.get(here.store, wanted)
        return [shows_trait(text, chosen.markers) for text in here.model.text(ids)]
