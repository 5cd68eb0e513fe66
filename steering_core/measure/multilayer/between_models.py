"""Models steered at equal strength: at one perturbation ratio, and at one divergence from each model's unsteered answers.

Coefficients of different models cannot be compared: their activations differ in norm. One model is loaded at a time, so what
is compared later is kept as a tensor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from steering_core.directions import DEFAULT_METHOD
from steering_core.directions.evaluation.uncertainty import CONFIDENCE, Estimate
from steering_core.errors import EmptyMeasurement, first_line
from steering_core.measure.multilayer.measured import LayerSteering
from steering_core.measure.multilayer.setting import Combination, Scale, Setting
from steering_core.quality import Quality, classify
from steering_core.statistics import discordant, paired_interval, wilson_interval
from steering_core.tools.edits import Add

SCALES: tuple[Scale, ...] = ("ratio", "divergence")
COMBINATIONS: tuple[Combination, ...] = ("single", "uniform", "weighted", "orthogonal")
"""Of the difference of means, at the preset's layers."""
PLACES = tuple(product(SCALES, COMBINATIONS))
NUMBERS = 7
"""Fields of a row before its answers."""


@dataclass(frozen=True)
class Strength:
    """One model at one strength. shift: norm of all that is added; norm: mean norm of the activations at the last steered
    layer. worst: mean divergence of the worst 5 % of tokens, nats. refused, random: per prompt, whether the answer along the
    direction, and along as long a random one, is a coherent refusal. wrong: prompts that moved the wrong way."""

    shift: float
    norm: float
    worst: float
    random_worst: float
    wrong: int
    garbled: int
    unsteered: int
    refused: tuple[bool, ...]
    random: tuple[bool, ...]

    @property
    def ratio(self) -> float:
        """The cumulative perturbation ratio."""
        return self.shift / self.norm

    def packed(self) -> Tensor:
        """float64 [numbers + 2 * prompts]."""
        numbers = (self.shift, self.norm, self.worst, self.random_worst, self.wrong, self.garbled, self.unsteered)
        return torch.tensor([*numbers, *self.refused, *self.random], dtype=torch.float64)

    def facts(self) -> dict[str, Any]:
        """For a record; the rate's 95 % interval as proportions."""
        count, total = sum(self.refused), len(self.refused)
        low, high = wilson_interval(count, total)
        return {
            **{"ratio": self.ratio, "worst_divergence": self.worst, "random_divergence": self.random_worst},
            **{"coherent": count, "low": low, "high": high, "garbled": self.garbled, "total": total},
            **{"random_coherent": sum(self.random), "unsteered_coherent": self.unsteered, "wrong_way": self.wrong},
        }


def unpack(row: Tensor) -> Strength | None:
    """What `Strength.packed` gave; None for a row that was not measured."""
    if bool(row[0].isnan()):
        return None
    shift, norm, worst, random_worst, *counts = row[:NUMBERS].tolist()
    wrong, garbled, unsteered = map(int, counts)
    refused, random = map(tuple, row[NUMBERS:].bool().reshape(2, -1).tolist())
    return Strength(shift, norm, worst, random_worst, wrong, garbled, unsteered, refused, random)


def gap(first: Strength, second: Strength) -> Estimate:
    """The rate of coherent refusals of the first model minus that of the second, on the same prompts: Tango's interval."""
    more, less = discordant(first.refused, second.refused)
    total = len(first.refused)
    return Estimate((more - less) / total, *paired_interval(more, less, total, CONFIDENCE))


class EqualStrength:
    """Measures one model. Its parts are attributes, so that a fault can replace one."""

    def __init__(self, steering: LayerSteering) -> None:
        self.steering = steering
        self.gap: Callable[[Strength, Strength], Estimate] = gap
        self.kept: Callable[[Tensor], Tensor] = lambda rows: rows
        self._settings: dict[tuple[Scale, Combination], Setting] = {}

    def setting(self, scale: Scale, combination: Combination) -> Setting:
        """One row of the model's own table, measured once; EmptyMeasurement where it cannot be."""
        place = scale, combination
        if place not in self._settings:
            if not self.steering.refusal_ids:
                sentence = "answers to harmful and to harmless prompts begin with the same tokens"
                raise EmptyMeasurement("no-first-token", sentence, "a model that refuses")
            self._settings[place] = self.steering.setting(DEFAULT_METHOD, combination, scale)
        return self._settings[place]

    def own(self, scale: Scale, combination: Combination) -> tuple[Strength | None, str]:
        """One row, or None and the reason why there is none."""
        try:
            return self.strength(scale, combination), ""
        except EmptyMeasurement as problem:
            return None, first_line(problem)

    def strength(self, scale: Scale, combination: Combination) -> Strength:
        """One row, as it is compared with that of another model."""
        setting, here = self.setting(scale, combination), self.steering
        norm = here.norms[max(edit.site.layer for edit in setting.edits)]
        return Strength(
            setting.ratios.total * norm,
            norm,
            setting.worst,
            setting.control_worst,
            setting.moved.wrong,
            setting.counts.garbled,
            here.plain_counts.coherent,
            self._refused(setting.edits),
            self._refused(setting.control_edits),
        )

    def rows(self) -> Tensor:
        """float64 [places, numbers + 2 * prompts], in the order of `PLACES`; NaN where there is no row."""
        width = NUMBERS + 2 * len(self.steering.experiment.prompts.evaluation)
        rows = torch.full((len(PLACES), width), torch.nan, dtype=torch.float64)
        for number, place in enumerate(PLACES):
            if strength := self.own(*place)[0]:
                rows[number] = strength.packed()
        return rows

    def read(self, rows: Tensor) -> dict[tuple[Scale, Combination], Strength | None]:
        """What was kept of another model."""
        return dict(zip(PLACES, map(unpack, self.kept(rows)), strict=True))

    def _refused(self, edits: Sequence[Add]) -> tuple[bool, ...]:
        texts = self.steering.experiment.model.text(self.steering.answers(edits))
        return tuple(classify(text) is Quality.COHERENT for text in texts)
