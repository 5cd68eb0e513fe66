"""Finding F7: what a coefficient and a layer do in one tuning stage, so that two stages can be compared.

Every stage is steered along its own directions. Coefficients are the same in all stages, so that a later stage that takes
a larger one resists; the perturbation ratios beside them say whether its activations are only larger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

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
from steering_core.measure.multilayer.preset_ratios import prompt_norms
from steering_core.measure.multilayer.ratios import perturbation_ratios
from steering_core.measure.steering import random_direction
from steering_core.models.registry import ModelSpec, Settings
from steering_core.models.sites import Site
from steering_core.tools.edits import Add

STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Coefficients of the curve, as multiples of the later stage's strength."""
MOST_LAYERS = 8
"""Layers that are steered from, evenly spaced, beside the tested one."""
SEED = 1
"""Of the random direction."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What was measured of one stage. counts: int64 [coefficients + layers, 3], answers that refuse, that are not garbled,
    and all; the coefficients are those at the tested layer, the layers are steered at the stage's own strength. ratios:
    cumulative perturbation ratio of each. random: int64 [coefficients, 3], along a random direction of equal norm."""

    counts: Tensor
    ratios: tuple[float, ...]
    random: Tensor

    @classmethod
    def unpack(cls, kept: Tensor, coefficients: int) -> "Stage":
        """kept: as `StageCurves.measure` gives it for so many coefficients."""
        steered, random = kept[: len(kept) - coefficients], kept[len(kept) - coefficients :]
        return cls(steered[:, :3].long(), tuple(steered[:, 3].tolist()), random[:, :3].long())


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
        self.random: Callable[[], Tensor] = lambda: random_direction(experiment.model.spec.hidden, 1.0, SEED)
        self.edited: Callable[[int, float], list[Add]] = self._edited
        self.counted: Callable[[Sequence[Add]], Counts] = self._counted
        self.ratio: Callable[[Sequence[Add]], float] = self._ratio
        self._rows: TraitRows | None = None

    def measure(self, coefficients: Sequence[float], layers: Sequence[int]) -> Tensor:
        """float64 [coefficients + layers + coefficients, 4]: the counts and the ratio of each point of a `Stage`, and the
        same along a random direction."""
        here = self.experiment.settings
        asked = [(here.layer, each) for each in coefficients] + [(each, here.strength) for each in layers]
        edits = [self.edited(layer, coefficient) for layer, coefficient in asked]
        random = self.random()
        edits += [self._along(random, here.layer, coefficient) for coefficient in coefficients]
        return torch.tensor([self._point(each) for each in edits], dtype=torch.float64)

    def _point(self, edits: Sequence[Add]) -> list[float]:
        counts = self.counted(edits)
        return [counts.coherent, counts.total - counts.garbled, counts.total, self.ratio(edits)]

    def _read(self) -> TraitRows:
        if self._rows is None:
            self._rows = read_rows(self.experiment.model, read_traits()[TRAIT], self.experiment.batch_size)
        return self._rows

    def _edited(self, layer: int, coefficient: float) -> list[Add]:
        """The preset's steering along the stage's own direction, from another layer; nothing at coefficient 0."""
        rows = self.read().layers[layer]
        rows.check()
        return self._along(
            unit(extract_direction(DEFAULT_METHOD, rows.positive, rows.negative)).float(), layer, coefficient
        )

    def _along(self, vector: Tensor, layer: int, coefficient: float) -> list[Add]:
        here = self.experiment
        last = layer + 1 if len(here.settings.blocks) == 1 else here.model.spec.layers
        return [Add(Site("resid_post", block), vector, coefficient) for block in range(layer, last) if coefficient]

    def _ratio(self, edits: Sequence[Add]) -> float:
        """Cumulative, at the last steered block, beside the activations of the evaluation prompts."""
        return perturbation_ratios(edits, self._norms).total if edits else 0.0

    @cached_property
    def _norms(self) -> dict[int, float]:
        """Of every block: each point of the curves is compared with one of them."""
        here = self.experiment
        return prompt_norms(here, range(here.model.spec.layers), here.prompts.evaluation)

    def _counted(self, edits: Sequence[Add]) -> Counts:
        return count(self.experiment.model.text(answers(self.experiment, edits)))


def curve_of(coefficients: Sequence[float], counts: Tensor) -> list[Point]:
    """counts: of a `Stage`."""
    rows = counts[: len(coefficients)].tolist()
    return [
        Point(each, Rate(row[0], row[2]), Rate(row[1], row[2])) for each, row in zip(coefficients, rows, strict=True)
    ]


def layers_of(layers: Sequence[int], counts: Tensor) -> dict[int, Rate]:
    """counts: of a `Stage`; the last rows are those of the layers."""
    rows = counts[len(counts) - len(layers) :].tolist()
    return {layer: Rate(row[0], row[2]) for layer, row in zip(layers, rows, strict=True)}
