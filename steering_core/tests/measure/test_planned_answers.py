"""What a run will want of the reference: under exact arithmetic generated as one batch, and stored as if it had not been."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement
from steering_core.exact import exact_arithmetic
from steering_core.measure import reference, row_batches
from steering_core.measure.experiment import Experiment
from steering_core.measure.wanted_answers import in_batches
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, encode
from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS
from steering_core.tests.small_experiments import new_experiment

HIDDEN = 48


def direction(seed: int) -> Tensor:
    return torch.randn(HIDDEN, generator=torch.Generator().manual_seed(seed))


def ask(experiment: Experiment) -> dict[str, Tensor]:
    """Steered along three directions, one of them twice, and unsteered."""
    steered = {f"{seed}/{draw}": experiment.reference_answers(direction(seed), draw) for seed, draw in DRAWS}
    return {**steered, "plain": experiment.plain_answers(PROMPTS.evaluation)}


DRAWS = ((1, 0), (1, 1), (2, 0), (3, 0))


def each_alone(experiment: Experiment) -> dict[str, Tensor]:
    """The same by the reference, one batch of three or two prompts after the other."""
    steered = {f"{seed}/{draw}": experiment.want_steered(direction(seed), draw) for seed, draw in DRAWS}
    wanted = {**steered, "plain": experiment.want_plain(PROMPTS.evaluation)}
    return {name: in_batches(each, reference.generate) for name, each in wanted.items()}


def planned(experiment: Experiment) -> Experiment:
    """Everything that `ask` asks for is planned."""
    along = [lambda seed=seed, draw=draw: experiment.want_steered(direction(seed), draw) for seed, draw in DRAWS]
    experiment.planned.sources += [*along, lambda: experiment.want_plain(PROMPTS.evaluation)]
    return experiment


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every generation of the reference."""
    rows, decode = list[int](), reference.decode

    def counting(model: LoadedModel, batch: TokenBatch, new: int) -> Tensor:
        rows.append(len(batch.ids))
        return decode(model, batch, new)

    monkeypatch.setattr(reference, "decode", counting)
    return rows


@pytest.fixture
def exact(loaded: LoadedModel) -> Iterator[LoadedModel]:
    """One that ends the unsteered answers after two tokens."""
    batch = encode(loaded.tokenizer, PROMPTS.evaluation)
    with exact_arithmetic(loaded):
        ends = reference.generate(loaded, batch, [], 2)[:, 1]
        loaded.module.generation_config.eos_token_id = ends.tolist()
        yield replace(loaded, exact=True)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}


def test_the_store_is_the_same_with_fewer_generations(exact: LoadedModel, tmp_path: Path, decoded: list[int]) -> None:
    """Its files are equal byte for byte, key and padding included: five prompts, three at a time."""
    expected = each_alone(new_experiment(exact, tmp_path))
    decoded.clear()
    alone = ask(new_experiment(exact, tmp_path / "alone"))
    separately = [*decoded]
    decoded.clear()
    together = ask(planned(new_experiment(exact, tmp_path / "together")))

    assert separately == [5] * 5
    assert decoded == [25]
    assert all(torch.equal(expected[name], ids) for name, ids in [*alone.items(), *together.items()])
    assert files(tmp_path / "alone") == files(tmp_path / "together")
    assert len(files(tmp_path / "alone")) == 5
    assert together["plain"].shape[1] <= 2 < max(ids.shape[1] for ids in together.values()), (
        "an answer that ends early has a width of its own"
    )


def test_without_exact_arithmetic_nothing_is_planned(loaded: LoadedModel, tmp_path: Path, decoded: list[int]) -> None:
    planned(new_experiment(loaded, tmp_path)).reference_answers(direction(1), 0)

    assert decoded == [3, 2]
    assert len(files(tmp_path)) == 1


def test_what_is_stored_is_not_generated_again(exact: LoadedModel, tmp_path: Path, decoded: list[int]) -> None:
    new_experiment(exact, tmp_path).reference_answers(direction(2), 0)
    decoded.clear()
    experiment = planned(new_experiment(exact, tmp_path))

    ask(experiment)
    ask(experiment)

    assert decoded == [20], "four of five conditions"
    assert experiment.planned._missing(experiment.store, experiment.want_plain(PROMPTS.evaluation[:1]))[1:] == []
    assert experiment.planned.sources == [], "nothing is looked up for ever"


def test_one_forward_has_what_fits_and_the_rest_waits(
    exact: LoadedModel, tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run has what the forwards before it gave."""
    monkeypatch.setattr(row_batches, "MOST_ROWS", 12)
    experiment = planned(new_experiment(exact, tmp_path))

    experiment.reference_answers(direction(1), 0)
    assert decoded == [10]
    assert len(files(tmp_path)) == 2
    ask(experiment)

    assert decoded == [10, 10, 5]


def test_what_is_not_known_or_fails_is_left_to_who_wants_it(
    exact: LoadedModel, tmp_path: Path, decoded: list[int]
) -> None:
    experiment = new_experiment(exact, tmp_path)

    def zero() -> None:
        experiment.want_steered(torch.zeros(HIDDEN), 0)

    later: list[Callable[[], None]] = [zero, lambda: None]
    experiment.planned.sources += later

    experiment.reference_answers(direction(1), 0)

    assert decoded == [5]
    assert experiment.planned.sources == later, "it may be known next time"
    with pytest.raises(EmptyMeasurement, match="no direction"):
        experiment.reference_answers(torch.zeros(HIDDEN), 0)


def test_another_model_or_length_has_a_batch_of_its_own(exact: LoadedModel, tmp_path: Path, decoded: list[int]) -> None:
    experiment = planned(new_experiment(exact, tmp_path))
    others = [
        replace(experiment, settings=replace(SETTINGS, max_new_tokens=2)),
        replace(experiment, model=replace(exact)),
    ]

    for other in others:
        other.reference_answers(direction(4), 0)

    assert decoded == [5, 5]


def test_other_blocks_and_strengths_share_the_batch(exact: LoadedModel, tmp_path: Path, decoded: list[int]) -> None:
    """As the conditions of a sweep do, each with settings of its own."""
    experiment = new_experiment(exact, tmp_path / "together")
    settings = [
        replace(SETTINGS, strength=strength, blocks=blocks) for strength, blocks in ((1.0, (0,)), (9.0, (1, 2)))
    ]
    swept = [replace(experiment, settings=each) for each in settings]
    experiment.planned.sources += [lambda each=each: each.want_steered(direction(1), 0) for each in swept]
    together = [each.reference_answers(direction(1), 0) for each in swept]
    assert decoded == [10]

    alone = [
        new_experiment(exact, tmp_path / "alone", settings=each).reference_answers(direction(1), 0) for each in settings
    ]

    assert all(map(torch.equal, together, alone))
    assert not torch.equal(*alone)
    assert files(tmp_path / "alone") == files(tmp_path / "together")
