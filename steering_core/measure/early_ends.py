"""End tokens with which the rows of a short generation end at different steps, whatever ends the model's own answers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from steering_core.compare import unit
from steering_core.measure.experiment import Experiment
from steering_core.measure.reference_draws import ReferenceDraws
from steering_core.models.tokens import TokenBatch
from steering_core.observe.shifts import end_tokens
from steering_core.tools.edits import Edit, steering_edits

SHARES = (1.0, 0.5, 0.25, 0.125)
"""Of the preset's strength, tried in turn: strong steering may give every prompt the same answer."""


@dataclass(frozen=True)
class EarlyEnds:
    """A generation of the reference. tokens: the model's own end tokens, and one that its answers have. steps: how many
    tokens each row has with them, its end token included; a row that does not end has all."""

    edits: Sequence[Edit]
    tokens: Sequence[int]
    steps: Sequence[int]

    @property
    def differ(self) -> bool:
        """Whether a row ends while another one continues: only then is anything padded."""
        return len(set(self.steps)) > 1


def ending_early(
    experiment: Experiment, draws: ReferenceDraws, batch: TokenBatch, tried: Iterable[Sequence[Edit]], new_tokens: int
) -> EarlyEnds:
    """The first of the tried edits under which rows end at different steps; of none, the last ones. draws: keeps the
    answers, which are the same for every tool."""
    model = replace(experiment.model, module=experiment.pristine)
    own, padding = end_tokens(model), model.decoding(1).pad_token_id
    for edits in tried:
        answers: list[list[int]] = draws.get(model, batch, edits, new_tokens)[0].tolist()
        early = EarlyEnds(edits, *early_end(answers, own, padding))
        if early.differ:
            break
    return early


def weaker(experiment: Experiment) -> Iterator[list[Edit]]:
    """The preset's steering along the true direction, and the same with ever smaller coefficients."""
    settings, direction = experiment.settings, unit(experiment.true_direction()).float()
    for share in SHARES:
        yield steering_edits(direction, settings.strength * share, settings.blocks)


def early_end(answers: Sequence[Sequence[int]], own: Sequence[int], padding: int | None) -> tuple[list[int], list[int]]:
    """(end tokens, tokens of each row with them): the own ones, and that token of the answers with which rows end at the
    most different steps; of several the first to come, from the second step on, so that a step follows the prompt's."""
    lengths = _lengths(answers, own)
    rows = [row[:length] for row, length in zip(answers, lengths, strict=True)]
    steps = [*range(1, max(lengths)), 0]
    tokens = dict.fromkeys(row[step] for step in steps for row in rows if step < len(row))
    choices = [[*own, token] for token in tokens if token not in (*own, padding)] or [[*own]]
    best = max(choices, key=lambda ends: len(set(_lengths(rows, ends))))
    return best, _lengths(rows, best)


def _lengths(rows: Iterable[Sequence[int]], ends: Sequence[int]) -> list[int]:
    """Tokens of each row up to and including its first end token."""
    return [next((step for step, token in enumerate(row, 1) if token in ends), len(row)) for row in rows]
