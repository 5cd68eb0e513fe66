"""The parts that selection methods share, against values worked out by hand."""

import math

import pytest
import torch

from steering_core.directions.scoring.candidates import make_candidates
from steering_core.directions.scoring.cosines import layer_similarities, lowest_layers, similarity
from steering_core.directions.scoring.interventions import ablation, addition, affine
from steering_core.directions.scoring.next_token import divergences, refusal_scores
from steering_core.directions.scoring.prompt_split import split_prompts, unsplit, with_prefixes
from steering_core.errors import EmptyMeasurement, UsageProblem

LEFT = torch.tensor([[[1.0, 0.0]], [[0.0, 3.0]]])
RIGHT = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
"""Two prompts at one layer: pairs at 0 and 90 degrees; means (0.5, 1.5) and (1, 0)."""


def test_mean_then_cosine_and_pairwise_are_different_numbers() -> None:
    assert similarity(LEFT, RIGHT, "mean_then_cosine") == pytest.approx(0.5 / math.sqrt(2.5))
    assert similarity(LEFT, RIGHT, "pairwise") == pytest.approx(0.5)
    assert layer_similarities(LEFT, RIGHT, "mean_then_cosine").tolist() == pytest.approx([0.5 / math.sqrt(2.5)])
    assert layer_similarities(LEFT, RIGHT, "pairwise").tolist() == pytest.approx([0.5])


def test_similarity_means_over_prompts_and_layers_before_the_one_cosine() -> None:
    left = torch.tensor([[[3.0, 0.0], [0.0, 1.0]]])
    right = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])

    assert similarity(left, right, "mean_then_cosine") == pytest.approx(3 / math.sqrt(10))
    assert similarity(left, right, "pairwise") == pytest.approx(0.5)


def test_pairwise_cosines_need_pairs() -> None:
    with pytest.raises(UsageProblem, match="pairwise cosines of 2 and 1 prompts"):
        similarity(LEFT, RIGHT[:1], "pairwise")


@pytest.mark.parametrize(("layers", "expected"), [(8, (3,)), (10, (3,)), (19, (3,)), (20, (3, 7)), (36, (3, 7, 0))])
def test_a_tenth_of_the_layers_is_evaluated_and_at_least_one(layers: int, expected: tuple[int, ...]) -> None:
    similarities = torch.full((layers,), 0.9)
    similarities[[3, min(7, layers - 1)]] = torch.tensor([-0.5, 0.1])

    assert lowest_layers(similarities) == expected


def test_refusal_score_is_the_log_odds_of_the_refusal_tokens() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]).log()

    assert refusal_scores(logits, [0, 1]).tolist() == pytest.approx([math.log(4), math.log(0.25)], rel=1e-6)
    assert refusal_scores(torch.tensor([[1e4, 0.0]]), [1]).item() == pytest.approx(math.log(1e-8), rel=1e-6)
    with pytest.raises(UsageProblem, match="no token"):
        refusal_scores(logits, [])


def test_divergence_is_of_the_unedited_distribution_from_the_edited() -> None:
    before, after = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.9, 0.1]]).log()

    assert divergences(before, after).item() == pytest.approx(0.5 * math.log(0.25 / 0.09), rel=1e-4)
    assert divergences(before, before).item() == 0


def test_candidates_are_differences_of_means_with_their_norm() -> None:
    harmful = torch.tensor([[[[2.0, 0.0], [4.0, 4.0]]], [[[2.0, 2.0], [0.0, 4.0]]]])
    harmless = torch.tensor([[[[2.0, 1.0], [1.0, 0.0]]]])

    candidates = make_candidates(harmful, harmless, [-1], [3, 5])

    assert [(each.place, each.direction.tolist()) for each in candidates] == [((-1, 5), [1.0, 4.0])], "zero: left out"
    assert candidates[0].harmless.tolist() == [1.0, 0.0]
    assert candidates[0].direction.dtype == torch.float64


@pytest.mark.parametrize(
    ("harmful", "harmless", "message"),
    [
        (torch.ones(0, 1, 1, 2), torch.ones(1, 1, 1, 2), "no prompts"),
        (torch.ones(2, 1, 1, 2), torch.ones(1, 1, 1, 2), "all 1 candidate directions are zero"),
        (torch.full((1, 1, 1, 2), math.nan), torch.ones(1, 1, 1, 2), "NaN or infinite"),
    ],
)
def test_classes_without_candidates_are_refused(harmful: torch.Tensor, harmless: torch.Tensor, message: str) -> None:
    with pytest.raises(EmptyMeasurement, match=message):
        make_candidates(harmful, harmless, [-1], [0])


def test_interventions_name_their_sites() -> None:
    vector = torch.ones(2)

    def sites(scope: str) -> list[tuple[str, str, tuple[int, ...]]]:
        steps = ablation(vector, scope, 3, ("resid_post", 1))  # type: ignore[arg-type]
        return [(step.action, step.stream, step.layers) for step in steps]

    every = (0, 1, 2)
    assert sites("every_write") == [("ablate", stream, every) for stream in ("resid_pre", "attn_out", "mlp_out")]
    assert sites("stream") == [("ablate", "resid_pre", (0,)), ("ablate", "resid_post", every)]
    assert sites("own_layer") == [("ablate", "resid_post", (1,))]
    (added,) = addition(vector, "resid_pre", 2)
    assert (added.action, added.stream, added.layers, added.vector) == ("add", "resid_pre", (2,), vector)


def test_affine_editing_recenters_on_the_harmless_mean() -> None:
    """Along r = (0, 2): h loses its part, gains that of the harmless mean, and, to induce, r itself."""
    vector, harmless = torch.tensor([0.0, 2.0]), torch.tensor([5.0, 3.0])

    removed, induced = (affine(vector, harmless, "resid_pre", 0, induce=induce) for induce in (False, True))

    assert [step.action for step in removed] == ["ablate", "add"]
    assert removed[1].vector.tolist() == [0.0, 3.0]
    assert induced[1].vector.tolist() == [0.0, 5.0]


def test_variations_of_one_prompt_never_fall_on_both_sides() -> None:
    prompts = [f"prompt {number}" for number in range(10)]

    split = split_prompts(prompts, prefixes=("", "Please: ", "Now: ", "So: ", "Well: "))

    assert (len(split.training), len(split.validation)) == (30, 20)
    assert with_prefixes(["a", "b"], ("", "x ")) == ("a", "x a", "b", "x b")
    sides = [
        {prompt for prompt in prompts if any(text.endswith(prompt) for text in side)}
        for side in (split.training, split.validation)
    ]
    assert not sides[0] & sides[1]
    assert not split.shared
    assert unsplit(prompts).shared


def test_the_split_has_the_shares_of_the_published_one() -> None:
    assert len(split_prompts([str(number) for number in range(280)]).validation) == 100
    assert len(split_prompts(["a", "b"]).validation) == 1


@pytest.mark.parametrize("prompts", [[], ["a"], ["a", "a"]])
def test_prompts_that_cannot_be_split_are_refused(prompts: list[str]) -> None:
    with pytest.raises(UsageProblem, match="cannot be split"):
        split_prompts(prompts)
