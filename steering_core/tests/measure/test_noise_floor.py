"""The noise floor: what harmless changes move, what they may not hide, and the three words of a judgment."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.compare import Difference, compare
from steering_core.errors import ArtifactProblem, EmptyMeasurement, UsageProblem
from steering_core.measure.noise_floor import (
    EXTRA_PADDING,
    Change,
    NoiseFloor,
    measure_floor,
    other_attention,
    read_reference,
    smaller_batches,
    widened,
)
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, pad
from steering_core.tests.random_models import random_model
from steering_core.tools.adapters.hooks import Hooks

SITE = Site("resid_post", 1)
CHANGES = {"repeat", "batch composition", "amount of padding", "side of padding", "prompt order"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """With several threads tiny sums may be split differently from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows(count: int = 10) -> list[list[int]]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(3, 97, (3 + index % 7,), generator=generator).tolist() for index in range(count)]


def counted(calls: list[TokenBatch]) -> Any:
    def read(model: LoadedModel, batch: TokenBatch, site: Site) -> Tensor:
        calls.append(batch)
        return read_reference(model, batch, site)

    return read


@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_harmless_changes_move_little_and_a_repeat_nothing(family: str, dtype: torch.dtype) -> None:
    floor = measure_floor(random_model(family, dtype), rows(), SITE)
    attention = set() if family == "gemma2" else {"attention implementation"}
    assert set(floor.changes) == CHANGES | attention
    assert floor.changes["repeat"] == Change(0.0, 0.0, 0.0)
    assert floor.one_minus_cosine < (1e-11 if dtype == torch.float32 else 1e-3)
    assert floor.direction_one_minus_cosine < (1e-11 if dtype == torch.float32 else 1e-3)
    assert (floor.dtype, floor.site, floor.device) == (str(dtype)[6:], "resid_post@1", "cpu")


def test_half_precision_has_the_higher_floor() -> None:
    wide, narrow = (
        measure_floor(random_model("qwen2", dtype), rows(), SITE) for dtype in (torch.float32, torch.bfloat16)
    )
    assert 0 < 1000 * wide.max_abs < narrow.max_abs
    assert narrow.max_abs == narrow.changes[narrow.worst_change].max_abs


def test_twelve_forwards_at_most_and_each_change_is_the_one_it_says() -> None:
    for count in (2, 3, 10, 30):
        calls: list[TokenBatch] = []
        measure_floor(random_model("qwen2"), rows(count), SITE, read=counted(calls))
        assert len(calls) <= 12
    base, repeat, *smaller, padded, right, order, attention = calls
    assert base.digest == repeat.digest == attention.digest
    assert [len(batch.ids) for batch in smaller] == [1, 7, 7, 7, 7, 1]
    assert padded.ids.shape[1] == base.ids.shape[1] + EXTRA_PADDING
    assert (right.side, right.ids.shape) == ("right", base.ids.shape)
    assert torch.equal(order.ids.flip(0), base.ids)


def test_smaller_batches_are_singles_and_pairs() -> None:
    groups = smaller_batches(rows(10))
    assert [len(group) for group in groups] == [1, 2, 2, 2, 2, 1]
    assert [row for group in groups for row in group] == rows(10)


@pytest.mark.parametrize("side", ["left", "right"])
def test_widened_adds_padding_alone(side: Any) -> None:
    batch = pad(rows(3), 0, side)
    wide = widened(batch, 0, 4)
    assert [row[kept.bool()].tolist() for row, kept in zip(wide.ids, wide.mask, strict=True)] == rows(3)
    assert wide.at_last(wide.ids[..., None]).flatten().tolist() == [row[-1] for row in rows(3)]
    assert wide.ids.shape[1] == batch.ids.shape[1] + 4


@pytest.mark.parametrize(
    ("disturbed", "moved"),
    [
        (lambda batch, call: call > 0, {"repeat"}),
        (lambda batch, call: len(batch.ids) == 2, {"batch composition"}),
        (lambda batch, call: batch.ids.shape[1] > 9, {"amount of padding"}),
        (lambda batch, call: batch.side == "right", {"side of padding"}),
    ],
    ids=["nondeterminism", "batch", "padding", "side"],
)
def test_a_planted_disturbance_is_found_where_it_is(disturbed: Any, moved: set[str]) -> None:
    calls: list[TokenBatch] = []
    read = counted(calls)

    def noisy(model: LoadedModel, batch: TokenBatch, site: Site) -> Tensor:
        received: Tensor = read(model, batch, site)
        return received + 0.5 * received[:, :1] * bool(disturbed(batch, len(calls) - 1))

    floor = measure_floor(random_model("qwen2"), rows(), SITE, read=noisy)
    shifted = {name for name, change in floor.changes.items() if change.max_abs > 0.01}
    assert moved <= shifted
    assert moved == shifted or moved == {"repeat"}
    assert floor.worst_change in shifted
    assert floor.one_minus_cosine > 1e-4
    assert floor.direction_one_minus_cosine > 1e-6


def test_a_nondeterministic_model_moves_the_repeat() -> None:
    model = random_model("qwen2")
    model.blocks[0].register_forward_hook(lambda module, args, output: output + 1e-3 * torch.randn_like(output))
    floor = measure_floor(model, rows(), SITE)
    assert floor.changes["repeat"].max_abs > 1e-4


def test_the_reference_read_is_what_the_hooks_read() -> None:
    model, batch = random_model("gemma2", torch.bfloat16), pad(rows(3), 0)
    for layer in range(3):
        site = Site("resid_post", layer)
        assert torch.equal(read_reference(model, batch, site), batch.at_last(Hooks().read(model, batch, [site])[site]))


def test_judgment_at_its_boundaries() -> None:
    floor = NoiseFloor(
        "m", "float32", "cpu", "resid_post@1", {"repeat": Change(0, 0, 0), "order": Change(0.5, 1e-6, 1e-7)}
    )
    assert floor.judge(Difference(0.0, (0,), True)) == "bit-equal"
    assert floor.judge(Difference(0.0, (0,), False)) == "within floor"
    assert floor.judge(Difference(0.5, (0,), False)) == "within floor"
    assert floor.judge(Difference(0.5000001, (0,), False)) == "beyond floor"
    assert floor.judge(Difference(float("inf"), (0,), False)) == "beyond floor"
    assert floor.judge(compare(torch.ones(2), torch.tensor([1.0, float("nan")]))) == "beyond floor"
    assert (floor.worst_change, floor.one_minus_cosine, floor.direction_one_minus_cosine) == ("order", 1e-6, 1e-7)


def test_no_change_is_worst_when_nothing_moved() -> None:
    assert NoiseFloor("m", "float32", "cpu", "resid_post@1", {"repeat": Change(0, 0, 0)}).worst_change == "none"


@pytest.mark.parametrize("before", ["sdpa", "eager"])
def test_the_attention_implementation_is_switched_and_restored(before: str) -> None:
    model = random_model("qwen2")
    model.module.set_attn_implementation(before)
    with other_attention(model) as name:
        assert name == model.module.config._attn_implementation == ({"sdpa", "eager"} - {before}).pop()
    assert model.module.config._attn_implementation == before


def test_the_attention_implementation_is_restored_after_a_failure() -> None:
    model = random_model("qwen2")

    def fail(*call: Any) -> Tensor:
        if model.module.config._attn_implementation == "eager":
            raise RuntimeError("on purpose")
        return read_reference(*call)

    with pytest.raises(RuntimeError, match="on purpose"):
        measure_floor(model, rows(), SITE, read=fail)
    assert model.module.config._attn_implementation == "sdpa"


def test_a_stored_floor_comes_back_the_same() -> None:
    floor = measure_floor(random_model("qwen2"), rows(4), SITE)
    assert NoiseFloor.from_dict(json.loads(json.dumps(floor.to_dict()))) == floor


@pytest.mark.parametrize(
    "data",
    [{}, {"changes": {}}, {"changes": 3}, {"changes": {"repeat": {"max_abs": 0}}}, "stored"],
    ids=["empty", "no changes", "a number", "half a change", "a text"],
)
def test_a_damaged_floor_is_refused(data: Any) -> None:
    with pytest.raises(ArtifactProblem):
        NoiseFloor.from_dict(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "large", None])
def test_a_floor_that_would_excuse_anything_is_refused(value: Any) -> None:
    stored = NoiseFloor("m", "float32", "cpu", "resid_post@1", {"repeat": Change(value, 0, 0)}).to_dict()
    with pytest.raises(ArtifactProblem):
        NoiseFloor.from_dict(stored)


@pytest.mark.parametrize(("count", "harmful"), [(0, None), (1, None), (4, 4), (4, 0)])
def test_both_classes_are_needed(count: int, harmful: int | None) -> None:
    with pytest.raises(EmptyMeasurement, match="both classes"):
        measure_floor(random_model("qwen2"), rows(count), SITE, harmful=harmful)


def test_the_reference_refuses_a_stream_that_it_does_not_read() -> None:
    with pytest.raises(UsageProblem, match="resid_post"):
        measure_floor(random_model("qwen2"), rows(4), Site("resid_mid", 1))
