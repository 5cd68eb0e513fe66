"""The noise floor: what harmless changes move, and what must not hide behind them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.errors import EmptyMeasurement, ToolUnsupported
from steering_core.localize.capture import read_sites
from steering_core.measure import noise_floor
from steering_core.measure.noise_floor import (
    EXTRA_PADDING,
    FloorChange,
    NoiseFloor,
    last_rows,
    measure_floor,
    other_attention,
    smaller_batches,
    token_floors,
    widened,
)
from steering_core.models.model import LoadedModel
from steering_core.models.sites import STREAMS, Site
from steering_core.models.tokens import TokenBatch, pad
from steering_core.tests.random_models import random_model
from steering_core.tools.adapters.hooks import Hooks

pytestmark = pytest.mark.usefixtures("one_thread")
SITE = Site("resid_post", 1)
CHANGES = {"repeat", "batch composition", "amount of padding", "side of padding", "prompt order"}


def rows(count: int = 10) -> list[list[int]]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(3, 97, (3 + index % 7,), generator=generator).tolist() for index in range(count)]


def floor_of(model: LoadedModel, count: int = 10) -> NoiseFloor:
    return measure_floor(model, rows(count), SITE, "difference_of_means", count // 2)


def worst_row(floor: NoiseFloor) -> float:
    return max(change.one_minus_cosine for change in floor.changes.values())


@pytest.fixture
def read_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Replace the reads of the noise floor by a function of (model, batch, site)."""
    return lambda read: monkeypatch.setattr(noise_floor, "last_rows", read)


@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_harmless_changes_move_little_and_a_repeat_nothing(family: str, dtype: torch.dtype) -> None:
    floor = floor_of(random_model(family, dtype))
    attention = set() if family == "gemma2" else {"attention implementation"}
    assert set(floor.changes) == CHANGES | attention
    assert floor.changes["repeat"] == FloorChange(0.0, 0.0, 0.0)
    assert worst_row(floor) < (1e-11 if dtype == torch.float32 else 1e-3)
    assert floor.direction_one_minus_cosine < (1e-11 if dtype == torch.float32 else 1e-3)
    assert (floor.dtype, floor.site, floor.device) == (str(dtype)[6:], "resid_post@1", "cpu")


def test_half_precision_has_the_higher_floor() -> None:
    wide, narrow = (floor_of(random_model("qwen2", dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert 0 < 1000 * wide.max_abs < narrow.max_abs
    assert narrow.max_abs == max(change.max_abs for change in narrow.changes.values())


def test_takes_at_most_twelve_forwards_each_with_its_named_change(read_by: Callable[[Any], None]) -> None:
    calls: list[TokenBatch] = []

    def counted(model: LoadedModel, batch: TokenBatch, site: Site) -> Tensor:
        calls.append(batch)
        return last_rows(model, batch, site)

    read_by(counted)
    for count in (2, 3, 10, 30):
        calls.clear()
        floor_of(random_model("qwen2"), count)
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
def test_widened_adds_only_padding(side: Any) -> None:
    batch = pad(rows(3), 0, side)
    wide = widened(batch, 0, 4)
    assert [row[mask.bool()].tolist() for row, mask in zip(wide.ids, wide.mask, strict=True)] == rows(3)
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
def test_a_planted_disturbance_shows_under_its_own_change(
    disturbed: Any, moved: set[str], read_by: Callable[[Any], None]
) -> None:
    calls: list[TokenBatch] = []

    def noisy(model: LoadedModel, batch: TokenBatch, site: Site) -> Tensor:
        calls.append(batch)
        received = last_rows(model, batch, site)
        return received + 0.5 * received[:, :1] * bool(disturbed(batch, len(calls) - 1))

    read_by(noisy)
    floor = floor_of(random_model("qwen2"))
    shifted = {name for name, change in floor.changes.items() if change.max_abs > 0.01}
    assert moved <= shifted
    assert moved == shifted or moved == {"repeat"}
    assert floor.max_abs > 0.01
    assert worst_row(floor) > 1e-4
    assert floor.direction_one_minus_cosine > 1e-6


def test_a_nondeterministic_model_moves_the_repeat() -> None:
    model = random_model("qwen2")
    model.blocks[0].register_forward_hook(lambda module, args, output: output + 1e-3 * torch.randn_like(output))
    assert floor_of(model).changes["repeat"].max_abs > 1e-4


def test_the_reference_reads_what_hooks_read() -> None:
    model, batch = random_model("gemma2", torch.bfloat16), pad(rows(3), 0)
    for layer in range(3):
        site = Site("resid_post", layer)
        assert torch.equal(last_rows(model, batch, site), batch.at_last(Hooks().read(model, batch, [site])[site]))


def test_the_floor_is_that_of_its_largest_changes() -> None:
    changes = {"repeat": FloorChange(0, 0, 0), "prompt order": FloorChange(0.5, 1e-6, 1e-7)}
    floor = NoiseFloor("m", "float32", "cpu", "resid_post@1", changes)
    assert (floor.max_abs, floor.direction_one_minus_cosine) == (0.5, 1e-7)
    assert floor.to_dict()["changes"]["prompt order"]["one_minus_cosine"] == 1e-6


@pytest.mark.parametrize("before", ["sdpa", "eager"])
def test_the_attention_implementation_is_switched_and_restored(before: str) -> None:
    model = random_model("qwen2")
    model.module.set_attn_implementation(before)
    with other_attention(model) as name:
        assert name == model.module.config._attn_implementation == ({"sdpa", "eager"} - {before}).pop()
    assert model.module.config._attn_implementation == before


def test_the_attention_implementation_is_restored_after_a_failure(read_by: Callable[[Any], None]) -> None:
    model = random_model("qwen2")

    def fail(*call: Any) -> Tensor:
        if model.module.config._attn_implementation == "eager":
            raise RuntimeError("on purpose")
        return last_rows(*call)

    read_by(fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        floor_of(model)
    assert model.module.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(("count", "harmful"), [(0, 0), (1, 0), (1, 1), (4, 4), (4, 0)])
def test_both_classes_are_needed(count: int, harmful: int) -> None:
    with pytest.raises(EmptyMeasurement, match="both classes"):
        measure_floor(random_model("qwen2"), rows(count), SITE, "difference_of_means", harmful)


SITES = [
    *(Site(stream, 1) for stream in STREAMS if stream != "final_norm"),
    Site("resid_post", 2),
    Site("final_norm", 0),
]


@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gpt2", "phi3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_every_site_has_a_floor_at_every_real_token(family: str, dtype: torch.dtype) -> None:
    model = random_model(family, dtype)
    floors = token_floors(model, rows(), SITES)
    assert set(floors) == set(SITES)
    sizes = {site: float(hidden.abs().max()) for site, hidden in read_sites(model, pad(rows(), 0), SITES).items()}
    share = 1e-5 if dtype == torch.float32 else 0.1
    assert [site for site, floor in floors.items() if not 0 <= floor < share * sizes[site]] == []
    assert floors[SITE] >= floor_of(model).max_abs, "the last tokens are some of all"
    assert floors[SITE] > 0 or family == "gemma2", "its eager attention is exact at this size"


def test_a_planted_disturbance_moves_the_floor_of_its_site_alone() -> None:
    model = random_model("qwen2")
    calls: list[int] = []

    def drift(module: Any, args: Any, output: Tensor) -> Tensor:
        calls.append(1)
        moved = output.clone()
        moved[:, -2] += 0.25 * (len(calls) == 2)
        return moved

    model.blocks[1].get_submodule("mlp").register_forward_hook(drift)
    floors = token_floors(model, rows(), [Site("attn_contrib", 1), Site("mlp_contrib", 1), SITE])
    assert floors[Site("attn_contrib", 1)] < 1e-3
    assert floors[Site("mlp_contrib", 1)] == pytest.approx(0.25, abs=1e-3)
    assert floors[SITE] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_floor_needs_no_more_than_one_prompt(count: int) -> None:
    assert token_floors(random_model("qwen2"), rows(count), [SITE])[SITE] < 1e-4
    assert [row for group in smaller_batches(rows(count)) for row in group] == rows(count)


def test_values_that_are_not_finite_have_no_floor() -> None:
    model = random_model("qwen2")
    model.blocks[1].register_forward_hook(lambda module, args, output: output / 0)
    assert token_floors(model, rows(), [SITE])[SITE] == 0


def test_a_site_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(ToolUnsupported, match="unknown"):
        read_sites(
            replace(random_model("qwen2"), spec=replace(random_model("qwen2").spec, family="unknown")),
            pad(rows(2), 0),
            [SITE],
        )
