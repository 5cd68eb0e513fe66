"""Finding F7: what a coefficient and a layer do in one tuning stage, so that two stages can be compared.

Every stage is steered along its own directions. Coefficients are the same in all stages, so that a later stage that takes
a larger one resists.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from steering_core.compare import unit
from steering_core.directions import DEFAULT_METHOD, extract_direction
from steering_core.directions.evaluation.stages import Point
from steering_core.directions.evaluation.transfer import Rate
from steering_core.measure.experiment import Experiment
from steering_core.measure.findings.rows import TraitRows, read_rows
from steering_core.measure.findings.sources import TRAIT
from steering_core.measure.findings.traits import read_traits
from steering_core.measure.multilayer.answers import Counts, answers, count
from steering_core.models.registry import ModelSpec, Settings
from steering_core.models.sites import Site
from steering_core.tools.edits import Add

STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Coefficients of the curve, as multiples of the later stage's strength."""
MOST_LAYERS = 8
"""Layers that are steered from, evenly spaced, beside the tested one."""


def asked_of(spec: ModelSpec, later: Settings) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """(coefficients, layers) at which a stage and those before it are compared. spec: of any, they have one shape."""
    spaced = np.linspace(0, spec.layers - 1, min(MOST_LAYERS, spec.layers))
    layers = {later.layer, *(round(place) for place in spaced)}
    return tuple(step * later.strength for step in STEPS), tuple(sorted(layers))


class StageCurves:
    """Counts the evaluation prompts' answers of one stage. Its parts are attributes, so that a fault can replace one."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.read: Callable[[], TraitRows] = self._read
        self.edited: Callable[[int, float], list[Add]] = self._edited
        self.counted: Callable[[Sequence[Add]], Counts] = self._counted
        self._rows: TraitRows | None = None

    def measure(self, coefficients: Sequence[float], layers: Sequence[int]) -> Tensor:
        """int64 [coefficients + layers, 3]: answers that refuse, that are not garbled, and all. The coefficients are those at
        the tested layer; the layers are steered at the stage's own strength."""
        here = self.experiment.settings
        asked = [(here.layer, each) for each in coefficients] + [(each, here.strength) for each in layers]
        counts = [self.counted(self.edited(layer, coefficient)) for layer, coefficient in asked]
        return torch.tensor([[each.coherent, each.total - each.garbled, each.total] for each in counts])

    def _read(self) -> TraitRows:
        if self._rows is None:
            self._rows = read_rows(self.experiment.model, read_traits()[TRAIT], self.experiment.batch_size)
        return self._rows

    def _edited(self, layer: int, coefficient: float) -> list[Add]:
        """The preset's steering along the stage's own direction, from another layer; nothing at coefficient 0."""
        rows, here = self.read().layers[layer], self.experiment
        rows.check()
        vector = unit(extract_direction(DEFAULT_METHOD, rows.positive, rows.negative)).float()
        last = layer + 1 if len(here.settings.blocks) == 1 else here.model.spec.layers
        return [Add(Site("resid_post", block), vector, coefficient) for block in range(layer, last) if coefficient]

    def _counted(self, edits: Sequence[Add]) -> Counts:
        return count(self.experiment.model.text(answers(self.experiment, edits)))


def curve_of(coefficients: Sequence[float], counts: Tensor) -> list[Point]:
    """counts: the first rows of `StageCurves.measure`."""
    rows = counts[: len(coefficients)].tolist()
    return [
        Point(each, Rate(row[0], row[2]), Rate(row[1], row[2])) for each, row in zip(coefficients, rows, strict=True)
    ]


def layers_of(layers: Sequence[int], counts: Tensor) -> dict[int, Rate]:
    """counts: as `StageCurves.measure`; the last rows are those of the layers."""
    rows = counts[len(counts) - len(layers) :].tolist()
    return {layer: Rate(row[0], row[2]) for layer, row in zip(layers, rows, strict=True)}
