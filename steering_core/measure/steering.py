"""Steering by one model's tools, observed independently: other ways of feeding the model, planted directions, controls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from steering_core.compare import compare, first_difference, unit
from steering_core.directions import DEFAULT_METHOD, extract_direction
from steering_core.hosts.stage import Feeding, fed
from steering_core.measure.arithmetic import arrival_in_numbers, requested_change
from steering_core.measure.edit_modes import ablations_of, edits_in_mode, edits_inside
from steering_core.measure.experiment import Experiment
from steering_core.measure.keys import identity
from steering_core.measure.noise_floor import NoiseFloor, measure_floor
from steering_core.measure.reference_draws import ReferenceDraws
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.arrival import Arrival
from steering_core.observe.forward_trace import block_inputs
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.tools.edits import Add, Edit
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class SteeringMeasurements:
    """Measurements beyond the plain experiment; steered generations are kept, because several checks look at them. draws:
    the reference's answers."""

    experiment: Experiment
    _observed: dict[tuple[str, ...], ObservedGeneration] = field(default_factory=dict, init=False)
    draws: ReferenceDraws = field(default_factory=ReferenceDraws, init=False)

    def fed(self, feeding: Feeding) -> LoadedModel:
        """The model, generating with its KV cache, without, or with the prompt in chunks."""
        return fed(self.experiment.model, feeding)

    def watch(
        self, tool: Tool, edits: Sequence[Edit], new_tokens: int, feeding: Feeding = "cache"
    ) -> ObservedGeneration:
        """The tool's short steered generation from the extraction prompts, observed beneath the tool."""
        arguments: dict[str, Any] = {"batch": self.experiment.extraction, "edits": list(edits)}
        arguments["max_new_tokens"] = new_tokens
        observed: ObservedGeneration = self.experiment.perform(tool, "observe", self.fed(feeding), **arguments)
        return observed

    def steered(self, tool: Tool, new_tokens: int, feeding: Feeding = "cache") -> ObservedGeneration:
        """The preset's steering along the true direction, observed once per tool and feeding."""
        key = (*identity(tool).values(), feeding)
        if key not in self._observed:
            self._observed[key] = self.watch(tool, self._true_edits(), new_tokens, feeding)
        return self._observed[key]

    def watched_inside(self, tool: Tool, inner: str, new_tokens: int, feeding: Feeding = "cache") -> ObservedGeneration:
        """Steering inside blocks, observed once per tool and feeding; inner: as in `inside`."""
        key = (*identity(tool).values(), feeding, inner)
        if key not in self._observed:
            self._observed[key] = self.watch(tool, self.inside(inner), new_tokens, feeding)
        return self._observed[key]

    def _true_edits(self) -> list[Edit]:
        return self.experiment.edits(self.experiment.true_direction())

    def zero(self) -> list[Edit]:
        """Steering at the preset's strength along a zero vector."""
        zero = torch.zeros(self.experiment.model.spec.hidden)
        return [Add(self.experiment.site, zero, self.experiment.settings.strength)]

    def doubled(self) -> list[Edit]:
        """The preset's steering, and at its first block a second vector during prefill and a third while decoding."""
        edits = self._true_edits()
        site = edits[0].site
        return [*edits, replace(self._extra(site, 2), phase="prefill"), replace(self._extra(site, 3), phase="decode")]

    def ends(self) -> list[Edit]:
        """The preset's vector at the first block of the model, and a second one at the last."""
        first = replace(self._true_edits()[0], site=Site("resid_post", 0))
        return [first, self._extra(Site("resid_post", self.experiment.model.spec.layers - 1), 2)]

    def _extra(self, site: Site, seed: int) -> Add:
        """A random unit vector at half the preset's strength."""
        vector = random_direction(self.experiment.model.spec.hidden, 1.0, seed)
        return Add(site, vector, self.experiment.settings.strength / 2)

    def ablations(self, kind: str = "ablate") -> list[Edit]:
        """Directional ablation of the true direction at every block that the preset steers; kind: as in `ablations_of`."""
        settings = self.experiment.settings
        sites = [Site("resid_post", block) for block in settings.blocks]
        direction = unit(self.experiment.true_direction()).float()
        return ablations_of(kind, sites, direction, random_direction(len(direction), abs(settings.strength), 4))

    def in_mode(self, mode: str) -> list[Edit]:
        """The edits that ask for a mode, or for a range, at the first and last of the steered blocks."""
        settings = self.experiment.settings
        sites = [Site("resid_post", block) for block in sorted(settings.blocks)]
        direction = unit(self.experiment.true_direction()).float() * settings.strength
        return edits_in_mode(mode, sites, direction, random_direction(len(direction), abs(settings.strength), 4))

    def inside(self, inner: str) -> list[Edit]:
        """Edits of a stream inside the first and the last of the steered blocks. inner: kind and stream, as in
        "add-attn_out"."""
        kind, _, stream = inner.partition("-")
        settings = self.experiment.settings
        sites = [Site(stream, block) for block in sorted(settings.blocks)]
        direction = unit(self.experiment.true_direction()).float()
        return edits_inside(kind, sites, direction, random_direction(len(direction), 1.0, 5), settings.strength)

    def reference_ids(self, edits: Sequence[Edit], new_tokens: int, feeding: Feeding = "cache") -> Tensor:
        """What the reference generates from the extraction prompts: the same for every tool that is asked for these edits."""
        return self.draws.get(self.fed(feeding), self.experiment.extraction, edits, new_tokens)[0]

    def realized(self, tool: Tool) -> dict[str, Any]:
        """How the requested shift arrives at the first steered block, as in `arrival_in_numbers`, and request_error: the
        distance of the requested vector from the unit direction at the preset's strength, as a share of that strength."""
        edit = self._true_edits()[0]
        assert isinstance(edit, Add)
        requested = edit.vector.double() * self.experiment.settings.strength
        error = self._request_error(requested.to(self.experiment.model.device))
        return {**arrival_in_numbers(self._arrival(tool, edit), requested.cpu()), "request_error": error}

    def realized_in_mode(self, tool: Tool, mode: str) -> dict[str, Any]:
        """How the first of the edits of another mode arrives, during prefill."""
        edit = self.in_mode(mode)[0]
        arrived = self._arrival(tool, edit)
        return arrival_in_numbers(arrived, requested_change(arrived.before.cpu(), edit))

    def _arrival(self, tool: Tool, edit: Edit) -> Arrival:
        arrived: Arrival = self.experiment.perform(tool, "arrival", batch=self.experiment.extraction, edit=edit)
        return arrived

    def _request_error(self, requested: Tensor) -> float:
        """How far a requested shift, float64 [hidden], is from the true direction at the preset's strength; relative."""
        raw, strength = (
            self.experiment.true_direction().double().to(requested.device),
            self.experiment.settings.strength,
        )
        expected = raw * strength / raw.square().sum().sqrt()
        return float((requested - expected).norm() / abs(strength))

    def repeat_floor(self, direction: Tensor) -> list[int] | None:
        """[row, step] of the earliest step at which three draws of the reference differ; None if never."""
        answers = [self.experiment.reference_answers(direction, draw) for draw in (0, -1, -2)]
        return earliest(first_difference(answers[0], other) for other in answers[1:])

    def draws_floor(self, edits: Sequence[Edit], new_tokens: int) -> list[int] | None:
        """[row, step] of the earliest step at which three generations of the reference from the extraction prompts differ;
        None if never."""
        draws = self.draws.get(self.fed("cache"), self.experiment.extraction, edits, new_tokens, count=3)
        return earliest(first_difference(draws[0], other) for other in draws[1:])

    def cache_floor(self, new_tokens: int, edits: Sequence[Edit] | None = None) -> list[int] | None:
        """[row, step] at which the reference with cache departs from the reference without, under these edits or the
        preset's; None if never."""
        edits = self._true_edits() if edits is None else edits
        return first_difference(
            self.reference_ids(edits, new_tokens), self.reference_ids(edits, new_tokens, "no-cache")
        )

    def rows_alone(self, tool: Tool) -> Tensor:
        """Last-token rows of the extraction prompts, each read by itself: [prompts, hidden]."""
        model, site = self.experiment.model, self.experiment.site
        return self._alone(lambda batch: tool.read(model, batch, [site])[site])

    def _alone(self, read: Callable[[TokenBatch], Tensor]) -> Tensor:
        batches = [self.experiment.batch((prompt,)) for prompt in self.experiment.prompts.extraction]
        return torch.cat([batch.at_last(read(batch)) for batch in batches])

    def rows_together(self, tool: Tool) -> Tensor:
        """The same rows, read as one batch."""
        batch = self.experiment.extraction
        return batch.at_last(self.experiment.read(tool, batch)[self.experiment.site])

    @cached_property
    def alone_floor(self) -> float:
        """Largest difference that reading each extraction prompt alone makes to the reference's own rows."""
        experiment, after = self.experiment, self.experiment.settings.layer + 1
        alone = self._alone(lambda batch: block_inputs(experiment.model, batch.inputs(), {after})[after])
        together = experiment.extraction.at_last(experiment.truth(experiment.extraction)[after])
        return compare(together, alone).max_abs

    @cached_property
    def floor(self) -> NoiseFloor:
        """How far harmless changes move this model's rows and direction."""
        experiment, prompts = self.experiment, self.experiment.prompts
        rows = experiment.model.chat_rows(prompts.extraction)
        return measure_floor(experiment.model, rows, experiment.site, experiment.settings.method, len(prompts.harmful))

    def planted(self, tool: Tool) -> tuple[Tensor, Tensor]:
        """(what the tool's direction should gain, what it gained): both float32 [hidden].

        A random vector as long as the difference of means is added to the tested block's output, for harmful prompts only.
        """
        experiment = self.experiment
        rows, pairs = experiment.true_rows(), len(experiment.prompts.harmful)
        norm = float(extract_direction(DEFAULT_METHOD, rows[:pairs], rows[pairs:]).norm())
        vector = random_direction(experiment.model.spec.hidden, norm, seed=1)
        plant: dict[str, Any] = {"block": experiment.settings.layer, "vector": vector}
        plant["prompts"] = experiment.batch(experiment.prompts.harmful)

        def perform(operation: str, **arguments: Any) -> Any:
            return experiment.perform(tool, "planted", **plant, inner=operation, arguments=arguments)

        own = callable(getattr(tool, "direction", None))
        expected = vector if own else self._expected_gain(vector, rows[:pairs], rows[pairs:])
        return expected, experiment.extract(tool, perform) - experiment.extract(tool)

    def _expected_gain(self, vector: Tensor, harmful: Tensor, harmless: Tensor) -> Tensor:
        """What the method gains when the vector is added to every harmful row; of the difference of means the vector
        itself."""
        method = self.experiment.settings.method
        if method == DEFAULT_METHOD:
            return vector
        with_plant, without = (extract_direction(method, rows, harmless) for rows in (harmful + vector, harmful))
        return with_plant - without

    def random_answers(self, seed: int) -> list[str]:
        """Answers to the evaluation prompts, steered by the reference along a random direction of the same norm."""
        return self._answers(self.random_like_true(seed))

    def true_answers(self) -> list[str]:
        """Answers steered by the reference along the true direction."""
        return self._answers(self.experiment.true_direction())

    def _answers(self, direction: Tensor) -> list[str]:
        return self.experiment.model.text(self.experiment.reference_answers(direction, 0))

    def random_like_true(self, seed: int) -> Tensor:
        """A random direction as long as the true one: float32 [hidden]."""
        norm = float(self.experiment.true_direction().norm())
        return random_direction(self.experiment.model.spec.hidden, norm, seed)


def random_direction(hidden: int, norm: float, seed: int) -> Tensor:
    """N(0, I) scaled to `norm`: float32 [hidden], the same for the same seed on every device. A control, not a method:
    any steering result must beat it."""
    vector = torch.randn(hidden, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (vector * norm / vector.norm()).float()


def earliest(places: Iterable[list[int] | None]) -> list[int] | None:
    """The [row, step] with the smallest step."""
    return min((place for place in places if place), key=lambda place: place[1], default=None)
