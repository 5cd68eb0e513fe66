"""Direction methods against means worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from steering_core.directions import difference_of_means, random_direction
from steering_core.errors import EmptyMeasurement


def test_difference_of_means_points_from_harmless_to_harmful() -> None:
    harmful = torch.tensor([[4.0, 0.0], [6.0, 2.0]])
    harmless = torch.tensor([[1.0, 1.0]])

    found = difference_of_means(harmful, harmless)

    assert found.tolist() == [4.0, 0.0]
    assert found.dtype == torch.float32


def test_means_are_accumulated_in_double() -> None:
    harmful = torch.tensor([[1e8], [1.0], [-1e8]])

    assert difference_of_means(harmful, torch.zeros(1, 1)).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("harmful", "harmless", "words"),
    [
        (torch.ones(0, 2), torch.ones(1, 2), "no prompts"),
        (torch.ones(1, 2), torch.ones(0, 2), "no prompts"),
        (torch.ones(2, 2), torch.ones(1, 2), "same mean"),
        (torch.tensor([[1.0, math.nan]]), torch.ones(1, 2), "NaN or infinite"),
        (torch.tensor([[1.0, math.inf]]), torch.ones(1, 2), "NaN or infinite"),
    ],
)
def test_refuses_what_has_no_direction(harmful: Tensor, harmless: Tensor, words: str) -> None:
    with pytest.raises(EmptyMeasurement, match=words):
        difference_of_means(harmful, harmless)


def test_random_direction_has_the_norm_and_depends_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = random_direction(64, 7.5, seed=1)
    torch.manual_seed(6)

    assert float(first.norm()) == pytest.approx(7.5, rel=1e-6)
    assert torch.equal(first, random_direction(64, 7.5, seed=1))
    assert abs(float(torch.cosine_similarity(first, random_direction(64, 7.5, seed=2), dim=0))) < 0.5
    assert first.dtype == torch.float32
