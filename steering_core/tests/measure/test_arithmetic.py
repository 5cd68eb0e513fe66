"""How an edit arrives in numbers, and the edits that take a direction out: values written out by hand."""

import pytest
import torch
from torch import Tensor

from steering_core.measure.arithmetic import arrival_in_numbers, requested_change
from steering_core.measure.edit_modes import ablations_of
from steering_core.models.sites import Site
from steering_core.observe.arrival import Arrival
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

SITE = Site("resid_post", 1)
BEFORE = torch.tensor([[1.0, 2.0], [0.0, -4.0]])
VECTOR, REFERENCE = torch.tensor([0.0, 2.0]), torch.tensor([3.0, 1.0])


@pytest.mark.parametrize(
    ("edit", "change"),
    [
        (Add(SITE, VECTOR, 0.5), [[0, 1], [0, 1]]),
        (Ablate(SITE, VECTOR), [[0, -2], [0, 4]]),
        (Set(SITE, VECTOR), [[-1, 0], [0, 6]]),
        (Scale(SITE, 1.5), [[0.5, 1], [0, -2]]),
        (Interpolate(SITE, VECTOR, 0.25), [[-0.25, 0], [0, 1.5]]),
        (Affine(SITE, VECTOR, REFERENCE, 2.0), [[0, 3], [0, 9]]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Edit) else "",
)
def test_the_requested_change_of_each_mode(edit: Edit, change: list[list[float]]) -> None:
    assert requested_change(BEFORE, edit).tolist() == change


def test_the_requested_change_is_not_rounded_to_the_models_dtype() -> None:
    before = torch.tensor([[256.0, 1.0]], dtype=torch.bfloat16)

    assert requested_change(before, Add(SITE, torch.tensor([0.25, 0.25]), 1.0)).tolist() == [[0.25, 0.25]]
    assert requested_change(before, Scale(SITE, 1.0625)).tolist() == [[16, 0.0625]]


def arrived(after: list[list[float]], *, declared: bool = True) -> Arrival:
    return Arrival(BEFORE, torch.tensor(after), 0.5, False, declared)


@pytest.mark.parametrize("requested", [torch.tensor([0.0, 2.0]), torch.tensor([[0.0, 2.0], [0.0, 2.0]])])
def test_how_much_of_a_change_arrives(requested: Tensor) -> None:
    whole = arrival_in_numbers(arrived([[1, 4], [0, -2]]), requested.double())
    half = arrival_in_numbers(arrived([[1, 2], [0, -2]], declared=False), requested.double())

    assert (whole["ratio"], whole["unchanged"], whole["declared"]) == (1, 0.5, True)
    assert (half["ratio"], half["unchanged"], half["declared"]) == (0.5, 0.75, False)
    assert (half["dtype"], half["max_abs"], half["inside"]) == ("float32", 0.5, False)


def test_the_edits_that_take_a_direction_out() -> None:
    direction, reference = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0]), torch.arange(8.0)
    sites = [SITE, Site("resid_post", 2)]

    def of(kind: str) -> list[Edit]:
        return ablations_of(kind, sites, direction, reference)

    assert [(type(edit), edit.site) for edit in of("ablate")] == [(Ablate, site) for site in sites]
    assert all(edit.positions is None and edit.features is None for edit in of("ablate"))
    affine = [edit for edit in of("affine") if isinstance(edit, Affine)]
    assert [(edit.site, edit.coefficient) for edit in affine] == [(site, 0.0) for site in sites]
    assert all(edit.vector is direction and edit.reference is reference for edit in affine)
    assert [edit.positions for edit in of("ablate-positions")] == [Span(1, -2), Span(-1)] * 2
    assert [edit.features for edit in of("ablate-features")] == [Span(1, 4)] * 2
    assert [edit.site for edit in of("ablate-positions")] == [site for site in sites for _ in range(2)]
