"""Finding F5 between models: what is kept of the model that a direction is taken from, so that both need not be loaded."""

from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.directions import DEFAULT_METHOD, extract_direction
from steering_core.directions.extraction.class_rows import check_rows
from steering_core.errors import EmptyMeasurement
from steering_core.measure.experiment import Experiment
from steering_core.measure.findings.rows import read_rows
from steering_core.measure.findings.traits import Trait
from steering_core.models.relations import Relation

TRAIT = "refusal"
"""The trait whose directions are transferred: every tuned model shows it."""


@dataclass(frozen=True, eq=False)
class Source:
    """rows: of the trait's training prompts at the source's tested block, float32 [2, pairs, hidden], positive ones first.
    weights: their digest. relation: of its model to the target's."""

    key: str
    layer: int
    weights: str
    rows: Tensor
    relation: Relation


@dataclass(frozen=True, eq=False)
class Beside:
    """rows: what was kept of a model that another one is compared with. weights: their digest."""

    key: str
    weights: str
    rows: Tensor


def source_rows(experiment: Experiment, trait: Trait) -> Tensor:
    """As `Source.rows`; EmptyMeasurement or SuiteError for rows that give no direction."""
    trait.check()
    rows = read_rows(experiment.model, trait, experiment.batch_size).layers[experiment.settings.layer]
    rows.check()
    return torch.stack([rows.positive, rows.negative])


def direction_of(source: Source) -> Tensor:
    """The difference of means of its rows, [hidden]; EmptyMeasurement, naming the source, for an empty class and for values
    that are not finite."""
    try:
        check_rows(*source.rows)
    except EmptyMeasurement as problem:
        raise EmptyMeasurement(problem.code, f"source {source.key}: {problem.sentence}", problem.hint) from None
    return extract_direction(DEFAULT_METHOD, *source.rows)
