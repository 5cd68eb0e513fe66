"""What an edit may give in any order of its sums: every float32 arithmetic lies in the range, and no coarser one does."""

import pytest
import torch
from torch import Tensor

from steering_core.models.sites import Site
from steering_core.observe import shifts
from steering_core.observe.arrival import observe_arrival
from steering_core.observe.judgment import Verdict
from steering_core.observe.shifts import observe_generation
from steering_core.observe.sum_order import has_sums, range_of
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

SITE = Site("resid_post", 1)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def drawn(width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """[2, 50, width] tokens, one of them with an outlier, and a direction [width]."""
    generator = torch.Generator().manual_seed(width)
    hidden = 3 * torch.randn(2, 50, width, generator=generator)
    hidden[0, 0, 1] = 400.0
    return hidden.to(dtype), torch.randn(width, generator=generator)


class InAnotherOrder(Ablate):
    """A direct implementation, whose sum is taken in another order than that of a matrix product."""

    share = 1.0

    def transformed(self, hidden: Tensor) -> Tensor:
        """h - share * (h . r) r."""
        wide, unit = hidden.float(), self.vector / self.vector.norm()
        products = torch.stack(list((wide * unit).unbind(-1)))
        return (wide - self.share * sum(products.flip(0))[..., None] * unit).to(hidden.dtype)


class Partial(InAnotherOrder):
    """Takes a ten-thousandth too little."""

    share = 0.9999


def everywhere(hidden: Tensor) -> Tensor:
    return torch.ones(hidden.shape[:2], dtype=torch.bool)


def holds(hidden: Tensor, edits: list[Edit], result: Tensor) -> Tensor:
    """bool [tokens] of the result, all tokens edited."""
    return range_of(hidden, edits, lambda _: everywhere(hidden)).holds(result)


def one_by_one(wide: Tensor, direction: Tensor) -> Tensor:
    """h - (h . r) r with the products added one after the other, in float32."""
    unit = direction / direction.norm()
    total = torch.zeros(wide.shape[:-1])
    for number in range(wide.shape[-1]):
        total = total + wide[..., number] * unit[number]
    return wide - total[..., None] * unit


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("width", [64, 3584])
def test_every_order_of_a_float32_sum_lies_in_the_range(width: int, dtype: torch.dtype) -> None:
    hidden, direction = drawn(width, dtype)
    wide, unit = hidden.float(), direction / direction.norm()
    elementwise = (wide - (wide * unit).sum(-1, keepdim=True) * unit).to(dtype)
    in_order = one_by_one(wide, direction).to(dtype)
    backward = one_by_one(wide.flip(-1), direction.flip(-1)).flip(-1).to(dtype)
    for result in (elementwise, in_order, backward, Ablate(SITE, direction).apply(hidden)):
        assert bool(holds(hidden, [Ablate(SITE, direction)], result).all())
    if dtype is torch.float32:
        assert not in_order.equal(elementwise)


@pytest.mark.parametrize("width", [64, 3584])
def test_a_coarser_arithmetic_does_not(width: int) -> None:
    hidden, direction = drawn(width, torch.float32)
    unit = direction / direction.norm()
    for coarse in (torch.bfloat16, torch.float16):
        projection = (hidden.to(coarse).float() @ unit.to(coarse).float())[..., None]
        assert float(holds(hidden, [Ablate(SITE, direction)], hidden - projection * unit).float().mean()) < 0.1
    further = Ablate(SITE, direction).apply(hidden) - 1e-3 * unit
    assert not bool(holds(hidden, [Ablate(SITE, direction)], further).any())


def test_half_precision_arithmetic_of_a_half_precision_stream_does_not() -> None:
    hidden, direction = drawn(64, torch.bfloat16)
    unit = (direction / direction.norm()).bfloat16()
    result = hidden - (hidden * unit).sum(-1, keepdim=True) * unit
    assert float(holds(hidden, [Ablate(SITE, direction)], result).float().mean()) < 0.5


@pytest.mark.parametrize(
    "after",
    [
        lambda vector: Add(SITE, vector, -2.0),
        lambda vector: Scale(SITE, -1.5),
        lambda vector: Interpolate(SITE, vector, 1.25),
        lambda vector: Affine(SITE, vector, torch.ones(64), 0.5),
        lambda vector: Ablate(SITE, vector.flip(0), features=Span(-20)),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_range_of_several_edits_holds_what_they_make_of_another_order(after: object, dtype: torch.dtype) -> None:
    hidden, direction = drawn(64, dtype)
    assert callable(after)
    later = after(direction)
    result = later.apply(one_by_one(hidden.float(), direction).to(dtype))
    assert bool(holds(hidden, [Ablate(SITE, direction), later], result).all())
    assert not bool(holds(hidden, [Ablate(SITE, direction), later], result + 1.0).any())


def test_another_order_between_blocks_needs_no_second_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference takes as many forwards as the tool itself."""
    monkeypatch.setattr(shifts, "ReferenceStream", lambda *given: pytest.fail("asked a reference"))
    model, batch = random_model("llama"), prompts(3)
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))

    other = observe_generation(
        Hooks(), model, batch, [InAnotherOrder(SITE, vector)], 4, expected=[Ablate(SITE, vector)]
    )

    assert other.where({Verdict.WITHIN})


def test_a_tool_that_sums_in_another_order_is_right_and_one_that_ablates_too_little_is_not() -> None:
    model, batch = random_model("llama"), prompts(3)
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))
    asked = [Ablate(SITE, vector)]
    same = observe_generation(Hooks(), model, batch, asked, 4, floor=0.0)
    other = observe_generation(Hooks(), model, batch, [InAnotherOrder(SITE, vector)], 4, floor=0.0, expected=asked)
    less = observe_generation(Hooks(), model, batch, [Partial(SITE, vector)], 4, floor=0.0, expected=asked)
    assert (same.wrong, same.max_abs) == ([], 0)
    assert other.max_abs > 0, "which is not bit for bit"
    assert other.wrong == []
    assert other.moved_tokens == same.moved_tokens
    assert less.wrong


def test_an_arrival_may_be_summed_in_another_order() -> None:
    model, batch = random_model("llama"), prompts(3)
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))
    other = observe_arrival(Hooks(), model, batch, InAnotherOrder(SITE, vector))
    less = observe_arrival(Hooks(), model, batch, Partial(SITE, vector))
    assert other.max_abs > 0, "which is not bit for bit"
    assert (other.declared, less.declared) == (True, False)


def test_tokens_and_features_that_are_not_asked_for_may_not_move() -> None:
    hidden, direction = drawn(64, torch.float32)
    chosen = torch.zeros(2, 50, dtype=torch.bool)
    chosen[1, 3] = True
    some = range_of(hidden, [Ablate(SITE, direction, features=Span(0, 8))], lambda _: chosen)
    still = ~chosen[..., None] | (torch.arange(64) >= 8)
    assert some.low[still.expand_as(hidden)].equal(hidden[still.expand_as(hidden)])
    assert bool((some.low < some.high)[1, 3, :8].all())


def test_edits_without_a_sum_leave_no_room() -> None:
    edits: list[Edit] = [Add(SITE, torch.ones(64), 1.0), Set(SITE, torch.ones(64)), Scale(SITE, 2.0)]
    assert not has_sums(edits)
    assert has_sums([*edits, Ablate(SITE, torch.ones(64))])
    hidden, _ = drawn(64, torch.float32)
    low, high = range_of(hidden, edits, lambda _: everywhere(hidden))
    assert low.equal(high)
