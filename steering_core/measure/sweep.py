"""Conditions of a sweep on one model: a method's direction, added from one block on, at one strength.

DIM directions of all layers come from one pass over the extraction prompts. COSMIC chooses one direction per model,
kept in the store, and it is that one which is added from every swept block on.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from steering_core.compare import cosine
from steering_core.directions.scoring.candidates import PromptClass
from steering_core.directions.scoring.prompt_split import PREFIXES, PromptSplit, unsplit
from steering_core.errors import UsageProblem
from steering_core.measure.experiment import Experiment
from steering_core.measure.keys import model_key
from steering_core.measure.multilayer.preset_ratios import preset_ratios
from steering_core.measure.precision import load_at_precision, quantized_request, refuse_quantized
from steering_core.measure.selection_passes import ModelPasses, divide_prompts, select_direction
from steering_core.measure.store import digest
from steering_core.measure.sweep_steering import ByReference, ByTool
from steering_core.measure.wanted_answers import WantedAnswers
from steering_core.measure.working_band import WorkingBand, find_band
from steering_core.models.model import LoadRequest
from steering_core.prompts import normalized
from steering_core.quality import DEFAULT_CLASSIFIER, Quality, classify
from steering_core.records.thresholds import does_work, is_preserved, quality_band
from steering_core.statistics import wilson_interval

COSMIC = "cosmic:study"
BASE_PROMPTS = 10
"""COSMIC's prompts per class before prefixes: 10 x 5 = 50 (V3 plan, appendix A)."""
SAMPLES = 10
"""Answers that a condition's record quotes, for a reader (V3 plan, section 5.3)."""


@dataclass(frozen=True)
class Measured:
    """The answers of one condition: each distinct prompt counts once. extra: of the direction."""

    method: str
    layer: int
    strength: float
    coherent: int
    garbled: int
    normal: int
    unique: int
    samples: tuple[dict[str, str], ...]
    extra: dict[str, Any]

    @property
    def works(self) -> bool:
        """Whether the share of coherent refusals is that of a condition that works."""
        return does_work(Fraction(self.coherent, self.unique))

    @property
    def sentence(self) -> str:
        """For a record."""
        rates = f"{self.coherent} coherent, {self.garbled} garbled, {self.normal} normal of {self.unique} prompts"
        return f"{self.method} from block {self.layer} on, strength {self.strength:g}: {rates}"

    def facts(self) -> dict[str, Any]:
        """For a record; low, high: 95 % interval of the coherent rate as proportions, on distinct prompts."""
        low, high = wilson_interval(self.coherent, self.unique)
        band = quality_band(Fraction(self.coherent, self.unique), Fraction(self.garbled, self.unique))
        own = {name: value for name, value in asdict(self).items() if name != "extra"}
        return {**own, "samples": list(self.samples), **self.extra, "low": low, "high": high, "band": band}


class Sweep:
    """Measures conditions; answers are kept in the experiment's store, so a repeated condition costs nothing. by: who
    steers, and extracts the directions of difference of means."""

    def __init__(self, experiment: Experiment, by: ByReference | ByTool | None = None) -> None:
        self.experiment, self.by = experiment, by or ByReference()
        self.layers, self.layer = experiment.model.spec.layers, experiment.settings.layer
        self.strength = experiment.settings.strength
        self.request: LoadRequest | None = None
        self.batch_dependent = ""
        self._precisions: dict[str, Sweep] = {"": self}
        self._experiments: dict[tuple[int, float], Experiment] = {}

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """Distinct evaluation prompts, as many as the preset takes."""
        distinct = {normalized(prompt): prompt for prompt in reversed(self.experiment.prompts.evaluation)}
        return tuple(reversed(distinct.values()))[: self.experiment.settings.unique_prompts]

    @property
    def parameters(self) -> int:
        """How many weights the model has."""
        return sum(weight.numel() for weight in self.experiment.model.module.parameters())

    @cached_property
    def dim(self) -> dict[int, Tensor]:
        """Layer -> raw difference of means at the block's output, last token: float32 [hidden]."""
        return self._extract()

    def _extract(self) -> dict[int, Tensor]:
        prompts: dict[PromptClass, PromptSplit] = {
            "harmful": unsplit(self.experiment.prompts.harmful),
            "harmless": unsplit(self.experiment.prompts.harmless),
        }
        passes = ModelPasses(self.experiment.model, prompts, positions=(-1,))
        return {each.layer: each.direction.float() for each in passes.candidates("resid_post")}

    def timed_direction(self) -> tuple[Tensor, float]:
        """The DIM direction at the model's own block, extracted anew, and the seconds that it took."""
        began = time.perf_counter()
        direction = self.by.extract(self.experiment_at(self.layer, self.strength))
        direction = self._extract()[self.layer] if direction is None else direction
        return direction, time.perf_counter() - began

    @cached_property
    def _selection(self) -> tuple[dict[str, Any], Tensor]:
        """(what was chosen and how, the direction), from the store if it is there."""
        experiment = self.experiment
        texts = [(*kind, *more)[:BASE_PROMPTS] for kind, more in self._base_prompts()]
        key = {**model_key(experiment.model, experiment.weights), "what": "selection", "method": COSMIC, "texts": texts}
        notes: dict[str, Any] = {}

        def compute() -> Tensor:
            prompts = divide_prompts(COSMIC, texts[0], texts[1], PREFIXES)
            chosen = select_direction(COSMIC, ModelPasses(experiment.model, prompts))
            best = max(score.total for score in chosen.scores)
            notes.update(position=chosen.candidate.position, chosen_layer=chosen.candidate.layer, score=best)
            notes.update({name: chosen.notes[name] for name in ("evaluated_layers", "forwards", "shared_prompts")})
            text = torch.tensor(list(json.dumps(notes).encode()), dtype=torch.float64)
            return torch.cat([torch.tensor([float(len(text))]).double(), text, chosen.candidate.direction])

        stored = experiment.store.get(key, compute)
        end = 1 + int(stored[0])
        return json.loads(bytes(stored[1:end].byte().tolist())), stored[end:].float()

    def _base_prompts(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        prompts = self.experiment.prompts
        return (prompts.harmful, prompts.to_refuse()), (prompts.harmless, prompts.premise.harmless)

    def direction(self, method: str, layer: int) -> Tensor:
        """Raw direction: DIM's at this layer, or the one that COSMIC chose for the model."""
        if method not in ("dim", "cosmic"):
            raise UsageProblem("sweep-method", f"unknown method {method!r} of a sweep", "known: dim, cosmic")
        if method == "cosmic":
            return self._selection[1]
        extracted = self.by.extract(self.experiment_at(layer, self.strength))
        return self.dim[layer] if extracted is None else extracted

    def condition(self, method: str, layer: int, strength: float, direction: Tensor | None = None) -> Measured:
        """Answers to the distinct evaluation prompts. direction: instead of the method's."""
        direction = self.direction(method, layer) if direction is None else direction
        here = self.experiment_at(layer, strength)
        ids = self.by.answers(here, direction)
        texts = self.experiment.model.text(ids)
        classes = [classify(text) for text in texts]
        count = Counter(classes)
        extra: dict[str, Any] = {"direction_norm": float(direction.norm()), "classifier": DEFAULT_CLASSIFIER}
        extra |= {"cosine_to_dim": cosine(direction, self.dim[layer]), "unscored": count[Quality.UNSCORED]}
        extra |= {"prompt_repeats": self.experiment.settings.prompt_repeats, **preset_ratios(here, direction)}
        extra |= {"steered_by": self.by.name, "answers": digest(ids), "direction": digest(direction)}
        if method == "cosmic":
            extra |= self._selection[0]
        rows = zip(self.prompts, texts, classes, strict=True)
        samples = tuple({"prompt": prompt, "text": text, "class": kind.value} for prompt, text, kind in rows)
        return Measured(
            method,
            layer,
            strength,
            coherent=count[Quality.COHERENT],
            garbled=count[Quality.GARBLED],
            normal=count[Quality.NORMAL],
            unique=len(texts),
            samples=samples[:SAMPLES],
            extra=extra,
        )

    def plan(self, conditions: Iterable[tuple[str, int, float]]) -> None:
        """Tell the experiment which conditions, (method, layer, strength), will be measured."""
        self.experiment.planned.sources += [partial(self._wanted, *condition) for condition in conditions]

    def _wanted(self, method: str, layer: int, strength: float) -> WantedAnswers:
        return self.experiment_at(layer, strength).want_steered(self.direction(method, layer), 0)

    def validated(self, layers: Sequence[int]) -> tuple[list[Measured], Measured]:
        """(DIM at each of these layers, the best of them: most coherent, then least garbled, then the earliest)."""
        each = [self.condition("dim", layer, self.strength) for layer in layers]
        return each, max(each, key=lambda condition: (condition.coherent, -condition.garbled, -condition.layer))

    def band(self, method: str, grid: Mapping[float, float], resolution: float) -> WorkingBand:
        """The strengths that work at the model's own block. grid: what a strength is called -> the strength."""
        scale = next(strength / name for name, strength in grid.items())

        def measure(name: float) -> tuple[int, int, int]:
            """(coherent, garbled, all answers)."""
            measured = self.condition(method, self.layer, name * scale)
            return measured.coherent, measured.garbled, measured.unique

        return find_band(measure, list(grid), resolution)

    def experiment_at(self, layer: int, strength: float) -> Experiment:
        """The experiment that measures one condition; made once, because each copies the model's modules."""
        if (layer, strength) not in self._experiments:
            self._experiments[layer, strength] = self._made_at(layer, strength)
        return self._experiments[layer, strength]

    def _made_at(self, layer: int, strength: float) -> Experiment:
        settings = self.experiment.settings
        onward = settings.blocks == tuple(range(settings.layer, self.layers))
        blocks = tuple(range(layer, self.layers)) if onward else (layer,)
        settings = replace(settings, layer=layer, strength=strength, blocks=blocks)
        prompts = replace(self.experiment.prompts, evaluation=self.prompts)
        return replace(self.experiment, settings=settings, prompts=prompts)

    def provenance_at(self, measured: Measured) -> dict[str, Any]:
        """Where a condition's numbers come from."""
        return self.experiment_at(measured.layer, measured.strength).provenance()

    def at_precision(self, quantize: str) -> "Sweep":
        """The same sweep on the model loaded in another precision, "int8" or "nf4"; "" is this one. One is kept."""
        refuse_quantized(self.experiment.model)
        if quantize not in self._precisions:
            self._precisions = {"": self}
            request = quantized_request(self.experiment.model, quantize)
            experiment, batch_dependent = load_at_precision(self.experiment, request)
            here = self._precisions[quantize] = Sweep(experiment, self.by)
            here.request, here.batch_dependent = request, batch_dependent
        return self._precisions[quantize]

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Around what a tool does on a model of `at_precision`: meanwhile the tool has that model open."""
        with self.by.opened(self.request, self.experiment.model) if self.request else nullcontext():
            yield

    def compared(self, full: Tensor, direction: Tensor) -> dict[str, Any]:
        """Its direction beside that of the full precision."""
        similar = cosine(direction, full)
        return {"cosine_to_full": similar, "preserved": is_preserved(similar), "own_norm": float(direction.norm())}
