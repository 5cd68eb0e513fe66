"""Trials of one model's tools: steering under a witness, other ways of feeding it, planted directions, controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from steering_core.compare import compare, first_difference, unit
from steering_core.directions import random_direction
from steering_core.errors import EmptyMeasurement
from steering_core.measure import reference
from steering_core.measure.experiment import Experiment, identity
from steering_core.measure.noise_floor import NoiseFloor, measure_floor
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.observe.fault_injection import planted_at
from steering_core.observe.forward_trace import block_inputs, trace_forward
from steering_core.observe.shifts import ObservedGeneration, observe_generation
from steering_core.tools.edits import Ablate, Add, Edit
from steering_core.tools.tool import Tool

Feeding = Literal["cache", "no-cache", "chunked"]
CHUNK = 7
"""Tokens per chunk of a chunked prompt: fewer than a prompt has, and no divisor of a usual length."""


@dataclass(eq=False)
class SteeringMeasurements:
    """Measurements beyond the plain cycle; `watched` keeps generations that several checks look at."""

    experiment: Experiment
    watched: dict[tuple[str, ...], ObservedGeneration] = field(default_factory=dict)

    def fed(self, feeding: Feeding) -> LoadedModel:
        """The model, generating with its KV cache, without, or with the prompt in chunks."""
        chunk = CHUNK if feeding == "chunked" else None
        return replace(self.experiment.model, use_cache=feeding != "no-cache", prefill_chunk=chunk)

    def watch(
        self, tool: Tool, edits: Sequence[Edit], new_tokens: int, feeding: Feeding = "cache"
    ) -> ObservedGeneration:
        """A short steered generation of the extraction prompts by the tool, under an independent witness."""
        return observe_generation(tool, self.fed(feeding), self.experiment.extraction, edits, new_tokens)

    def steered(self, tool: Tool, new_tokens: int, feeding: Feeding = "cache") -> ObservedGeneration:
        """The preset's steering along the true direction, watched once per tool and feeding."""
        key = (*identity(tool).values(), feeding)
        if key not in self.watched:
            edits = self.experiment.edits(self.experiment.true_direction())
            self.watched[key] = self.watch(tool, edits, new_tokens, feeding)
        return self.watched[key]

    def zero(self) -> list[Edit]:
        """Steering at the preset's strength along a zero vector."""
        experiment = self.experiment
        return [Add(experiment.site, torch.zeros(experiment.model.spec.hidden), experiment.settings.strength)]

    def doubled(self) -> list[Edit]:
        """The preset's steering, and at the first of its blocks a random unit vector in the prompt."""
        experiment = self.experiment
        edits = experiment.edits(experiment.true_direction())
        return [*edits, replace(self._second(edits[0].site), phase="prefill")]

    def ends(self) -> list[Edit]:
        """The preset's vector at the first block, and at the last a random one of half its strength."""
        experiment = self.experiment
        first = replace(experiment.edits(experiment.true_direction())[0], site=Site("resid_post", 0))
        return [first, self._second(Site("resid_post", experiment.model.spec.layers - 1))]

    def _second(self, site: Site) -> Add:
        """Another vector than the preset's, at half its strength."""
        return Add(
            site,
            random_direction(self.experiment.model.spec.hidden, 1.0, seed=2),
            self.experiment.settings.strength / 2,
        )

    def ablations(self) -> list[Edit]:
        """Directional ablation of the true direction at every block that the preset steers."""
        direction = unit(self.experiment.true_direction()).float()
        return [Ablate(Site("resid_post", block), direction) for block in self.experiment.settings.blocks]

    def reference_ids(self, edits: Sequence[Edit], new_tokens: int, feeding: Feeding = "cache") -> Tensor:
        """What the reference generates from the extraction prompts."""
        return reference.generate(self.fed(feeding), self.experiment.extraction, edits, new_tokens)

    def realized(self, tool: Tool) -> dict[str, Any]:
        """How the asked shift arrives at the first steered block, in the prompt's forward, over real tokens.

        declared: whether it is the float32 product rounded once and added in the model's dtype, bit for bit, at every
        token that moved (which tokens move is S2's and S6's to judge). ratio: the part of the asked shift that arrives
        there (1 in exact arithmetic); unchanged: share of components that did not move.
        """
        experiment = self.experiment
        edit = experiment.edits(experiment.true_direction())[0]
        with trace_forward(experiment.model) as seen:
            tool.generate(experiment.model, experiment.extraction, [edit], 1)
        real, block = experiment.extraction.mask.bool(), edit.site.layer
        before, after = seen.returned[0][block][real], seen.received[0][block + 1][real]
        reached = (after != before).any(-1)
        if not reached.any():
            raise EmptyMeasurement("unmoved", "the steering moved no token of the prompt", "see S2")
        before, after = before[reached], after[reached]
        asked = edit.vector.double().to(before.device) * self.experiment.settings.strength
        moved = after.double() - before.double()
        gap = (after.double() - edit.apply(before).double()).abs().max()
        return {
            "dtype": str(experiment.model.dtype).removeprefix("torch."), "declared": bool(gap == 0), "max_abs": float(gap),
            "ratio": float((moved @ asked).mean() / asked.square().sum()),
            "unchanged": float((moved == 0).double().mean()),
        }  # fmt: skip

    def repeat_floor(self, direction: Tensor) -> list[int] | None:
        """[row, step] of the earliest step at which three draws of the reference differ; None if never."""
        answers = [self.experiment.reference_answers(direction, draw) for draw in (0, -1, -2)]
        return earliest(first_difference(answers[0], other) for other in answers[1:])

    def cache_floor(self, new_tokens: int) -> list[int] | None:
        """[row, step] at which the reference with cache parts from the reference without; None if never."""
        edits = self.experiment.edits(self.experiment.true_direction())
        made = [self.reference_ids(edits, new_tokens, feeding) for feeding in ("cache", "no-cache")]
        return first_difference(*made)

    def rows_alone(self, tool: Tool) -> Tensor:
        """Last-token rows of the extraction prompts, each read by itself: [prompts, hidden]."""
        experiment = self.experiment
        batches = [experiment.batch((prompt,)) for prompt in experiment.prompts.extraction]
        return torch.cat(
            [batch.at_last(tool.read(experiment.model, batch, [experiment.site])[experiment.site]) for batch in batches]
        )

    def rows_together(self, tool: Tool) -> Tensor:
        """The same rows, read as one batch."""
        return self.experiment.extraction.at_last(
            self.experiment.read(tool, self.experiment.extraction)[self.experiment.site]
        )

    @cached_property
    def alone_floor(self) -> float:
        """Largest difference that reading each extraction prompt alone makes to the reference's own rows."""
        experiment, after = self.experiment, self.experiment.settings.layer + 1
        batches = [experiment.batch((prompt,)) for prompt in experiment.prompts.extraction]
        alone = [batch.at_last(block_inputs(experiment.model, batch.inputs(), {after})[after]) for batch in batches]
        return compare(
            experiment.extraction.at_last(experiment.truth(experiment.extraction)[after]), torch.cat(alone)
        ).max_abs

    @cached_property
    def floor(self) -> NoiseFloor:
        """How far harmless changes move this model's rows and direction."""
        experiment = self.experiment
        rows = [experiment.model.chat_ids(prompt) for prompt in experiment.prompts.extraction]
        return measure_floor(experiment.model, rows, experiment.site, harmful=len(experiment.prompts.harmful))

    def planted(self, tool: Tool) -> tuple[Tensor, Tensor]:
        """(what was planted, what the tool's direction gained): both float32 [hidden].

        A random vector as long as the true direction is added to the tested block's output, for harmful prompts only.
        """
        experiment = self.experiment
        norm = float(experiment.true_direction().norm())
        vector = random_direction(experiment.model.spec.hidden, norm, seed=1)
        before = experiment.extract(tool)
        with planted_at(
            experiment.model, experiment.settings.layer, vector, experiment.batch(experiment.prompts.harmful)
        ):
            after = experiment.extract(tool)
        return vector, after - before

    def random_answers(self, seed: int) -> list[str]:
        """Answers to the evaluation prompts, steered by the reference along a random direction of the same norm."""
        experiment = self.experiment
        direction = random_direction(experiment.model.spec.hidden, float(experiment.true_direction().norm()), seed)
        return experiment.model.text(experiment.reference_answers(direction, 0))

    def true_answers(self) -> list[str]:
        """Answers steered by the reference along the true direction."""
        return self.experiment.model.text(self.experiment.reference_answers(self.experiment.true_direction(), 0))


def earliest(places: Iterable[list[int] | None]) -> list[int] | None:
    """The place with the smallest step."""
    return min((place for place in places if place), key=lambda place: place[1], default=None)
