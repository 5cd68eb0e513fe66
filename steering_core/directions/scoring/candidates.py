"""Candidate directions at positions x layers, and what a selection method asks of whatever runs the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from steering_core.directions.difference_of_means import difference_of_means
from steering_core.directions.scoring.interventions import Intervention, Stream
from steering_core.errors import EmptyMeasurement

if TYPE_CHECKING:
    from torch import Tensor

PromptClass = Literal["harmful", "harmless"]
Place = tuple[int, int]
"""(position, layer): position -1 is the last token of the prompt, layer a 0-based block."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """direction: float64 [hidden], harmful - harmless class mean, norm kept. harmless: float64 [hidden], that mean."""

    position: int
    layer: int
    direction: "Tensor"
    harmless: "Tensor"

    @property
    def place(self) -> Place:
        """(position, layer)."""
        return self.position, self.layer


def make_candidates(
    harmful: "Tensor", harmless: "Tensor", positions: Sequence[int], layers: Sequence[int]
) -> list[Candidate]:
    """One difference of means for each position and layer, by the method that extracts DIM directions.

    harmful, harmless: [prompts, positions, layers, hidden] of the training prompts. Zero differences are left out: the
    embeddings of the template's tokens are the same for both classes. EmptyMeasurement when nothing is left.
    """
    if not len(harmful) or not len(harmless):
        raise EmptyMeasurement("empty-class", "a class has no prompts", "give at least one prompt per class")
    every = _differences(harmful, harmless, positions, layers)
    candidates = [candidate for candidate in every if bool(candidate.direction.any())]
    if not candidates:
        sentence = f"all {len(every)} candidate directions are zero"
        raise EmptyMeasurement("no-candidates", sentence, "at least one position and layer where the classes differ")
    if not all(bool(candidate.direction.isfinite().all()) for candidate in candidates):
        raise EmptyMeasurement("not-finite", "a candidate is NaN or infinite", "use a wider dtype; check the site")
    return candidates


def _differences(
    harmful: "Tensor", harmless: "Tensor", positions: Sequence[int], layers: Sequence[int]
) -> list[Candidate]:
    return [
        Candidate(
            position,
            layer,
            difference_of_means(harmful[:, row, column], harmless[:, row, column]),
            harmless[:, row, column].double().mean(0),
        )
        for row, position in enumerate(positions)
        for column, layer in enumerate(layers)
    ]


@dataclass(frozen=True, eq=False)
class LastTokens:
    """The last token of each prompt: outputs, [prompts, blocks, hidden], what every block returned, before any later
    norm; logits: [prompts, vocabulary]."""

    outputs: "Tensor"
    logits: "Tensor"

    def at(self, layers: Sequence[int]) -> "Tensor":
        """float64 [prompts, layers, hidden]."""
        return self.outputs[:, list(layers)].double()


class ForwardPasses(Protocol):
    """What runs the model. Candidates and the evaluated layers come from training prompts, scores from validation
    prompts.

    depth: number of blocks. refusal_ids: tokens that begin a refusal; only Arditi's selection uses them.
    """

    depth: int

    @property
    def refusal_ids(self) -> Sequence[int]: ...

    def candidates(self, stream: Stream) -> list[Candidate]: ...

    def training(self, prompts: PromptClass) -> LastTokens: ...

    def validation(self, prompts: PromptClass, intervention: Intervention = ()) -> LastTokens: ...


@dataclass(frozen=True, eq=False)
class Selection:
    """What a method chose: candidate.direction keeps its norm. scores: of every scored candidate. notes: settings and
    intermediate results, for the record."""

    method: str
    stream: Stream
    candidate: Candidate
    scores: tuple[Any, ...]
    notes: dict[str, Any]


def at_place(candidates: Sequence[Candidate], place: Place) -> Candidate:
    """The candidate at (position, layer)."""
    return next(candidate for candidate in candidates if candidate.place == place)


def layers_of(candidates: Sequence[Candidate]) -> Iterator[int]:
    """The distinct layers of the candidates, ascending."""
    yield from sorted({candidate.layer for candidate in candidates})
