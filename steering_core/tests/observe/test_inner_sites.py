"""Edits of what attention and MLP return: judged bit for bit where the stream is handed on, in every family."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering_core.errors import EmptyMeasurement
from steering_core.measure import reference
from steering_core.models.model import LoadedModel
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.expectation import INSIDE
from steering_core.observe.forward_trace import make_traceable
from steering_core.observe.judgment import Verdict
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.shifts import observe_generation
from steering_core.tests.observe.test_tool_styles import NEW, rows
from steering_core.tests.random_models import FAMILIES, random_model
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Ablate, Add, Edit
from steering_core.tools.positions import ScheduledEdits

pytestmark = pytest.mark.usefixtures("one_thread")


class Moved(Hooks):
    """Edits another stream of the block than the requested one."""

    def __init__(self, stream: str) -> None:
        self.stream = stream

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        moved = [replace(edit, site=Site(self.stream, edit.site.layer)) for edit in edits]
        return super().generate(model, batch, moved, max_new_tokens)


class Unused(Hooks):
    """Edits a copy that nobody uses."""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        return super().generate(model, batch, [], max_new_tokens)


class Bridge(nn.Module):
    """Stands in a block's place, and edits what the block returns; whoever looks for a module of the block finds it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.edits = block, list[ScheduledEdits]()

    def __getattr__(self, name: str) -> Any:
        return getattr(super().__getattr__("block"), name) if name != "block" else super().__getattr__(name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = self.block(*args, **kwargs)
        for edits in self.edits:
            output = edits.apply_to_output(output)
        return output


class Bridged(Hooks):
    """Wraps every block in its first call, and leaves it wrapped, as TransformerLens does. Hooks edit inside blocks."""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        for number, block in enumerate(model.blocks):
            bridge = block if isinstance(block, Bridge) else Bridge(block)
            own = [edit for edit in edits if edit.site == Site("resid_post", number)]
            bridge.edits = [ScheduledEdits(own, batch.mask, model.use_cache)]
            model.blocks[number] = bridge
        inner = [edit for edit in edits if edit.site.stream in INSIDE]
        return super().generate(model, batch, inner, max_new_tokens)


def edits_at(stream: str, model: LoadedModel, strength: float = 2.0) -> list[Edit]:
    """An addition in block 0, and an ablation of generated tokens in block 2."""
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))
    return [Add(Site(stream, 0), vector, strength), Ablate(Site(stream, 2), vector, "decode")]


def observed(
    tool: Any, stream: str, family: str = "qwen2", dtype: torch.dtype = torch.float32, strength: float = 2.0
) -> ObservedGeneration:
    model = random_model(family, dtype)
    make_traceable(model)
    return observe_generation(tool, model, rows(), edits_at(stream, model, strength), NEW)


@pytest.mark.parametrize("stream", INSIDE)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_inside_a_block_is_seen_exactly(family: str, stream: str) -> None:
    generation = observed(Hooks(), stream, family)

    prompts, answered = int(rows().mask.sum()), len(rows().ids) * (NEW - 1)
    assert (generation.describe(), generation.max_abs, generation.inside) == ("nowhere", 0.0, False)
    assert generation.moved.sum(1).tolist() == [prompts + answered, 0, answered]
    generation.check_complete()


def test_a_block_that_a_tool_wrapped_in_an_earlier_call_is_judged_as_in_the_first() -> None:
    """An ablation moves nothing in what the wrapper returns, because that is ablated already; beside an edit inside the block,
    it would count as one of the MLP that nobody requested."""
    model = random_model("qwen2")
    make_traceable(model)
    untouched = replace(model, module=sharing_copy(model.module))
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))
    edits: list[Edit] = [Ablate(Site(stream, 0), vector) for stream in ("resid_post", "attn_out")]

    generations = [
        observe_generation(Bridged(), model, rows(), edits, NEW, untouched=untouched) for call in ("first", "second")
    ]

    assert [(one.describe(), one.inside, one.max_abs) for one in generations] == [("nowhere", False, 0.0)] * 2
    assert generations[0].verdicts.equal(generations[1].verdicts)


@pytest.mark.parametrize("stream", ["attn_out", "mlp_out"])
def test_a_small_shift_is_seen_in_half_precision(stream: str) -> None:
    """Far below what a reference generation can tell from rounding in bfloat16."""
    right, unused = (observed(tool, stream, dtype=torch.bfloat16, strength=0.2) for tool in (Hooks(), Unused()))

    assert (right.wrong, right.max_abs) == ([], 0.0)
    right.check_complete()
    with pytest.raises(EmptyMeasurement, match="cannot be told from rounding"):
        unused.check_complete()


@pytest.mark.parametrize(
    ("requested", "actual"),
    [
        ("mlp_out", "attn_out"),
        ("attn_out", "mlp_out"),
        ("attn_out", "resid_post"),
        ("mlp_out", "resid_post"),
        ("mlp_contrib", "mlp_out"),
        ("attn_out", "attn_contrib"),
        ("resid_post", "mlp_out"),
    ],
)
def test_another_stream_than_the_requested_one_is_wrong(requested: str, actual: str) -> None:
    """In a family with a norm between what a module returns and what it contributes."""
    generation = observed(Moved(actual), requested, "gemma2")

    assert {block for block, _, _ in generation.wrong} >= {0}


def test_an_edit_without_effect_is_named() -> None:
    generation = observed(Unused(), "mlp_out")

    assert generation.describe_still("steering mlp_out") == "steering mlp_out changed nothing"
    assert generation.wrong


def test_the_same_stream_by_another_way_counts() -> None:
    """Without a norm behind the MLP, what is added to the stream after it arrives like what is added to its output."""
    model = random_model("qwen2")
    make_traceable(model)
    edits = edits_at("mlp_out", model)[:1]

    generation: ObservedGeneration = observe_generation(Moved("resid_post"), model, rows(), edits, NEW)

    assert generation.wrong == []
    assert set(generation.verdicts[0].tolist()) == {int(Verdict.WITHIN)}


@pytest.mark.parametrize("stream", INSIDE)
@pytest.mark.parametrize("cached", [True, False])
def test_the_reference_steers_inside_blocks_as_a_tool_does(stream: str, cached: bool) -> None:
    model = replace(random_model("gemma2"), use_cache=cached)
    edits = edits_at(stream, model, 20.0)

    steered, plain = (reference.generate(model, rows(), given, NEW) for given in (edits, []))

    assert torch.equal(steered, Hooks().generate(model, rows(), edits, NEW))
    assert not torch.equal(steered, plain)


@pytest.mark.parametrize(
    ("requested", "followed", "is_right"),
    [
        ("mlp_out", "attn_out", True),
        ("mlp_out", "", False),
        ("attn_out", "mlp_out", False),
        ("resid_post", "attn_out", True),
        ("resid_post", "mlp_out", False),
    ],
)
def test_what_was_done_instead_is_judged_inside_blocks_too(requested: str, followed: str, is_right: bool) -> None:
    """A tool that edits what attention returns, whatever was requested, beside other edits than the requested ones."""
    model = random_model("qwen2", torch.float32)
    make_traceable(model)
    expected = edits_at(followed, model) if followed else []
    asked = edits_at(requested, model)
    generation = observe_generation(Moved("attn_out"), model, rows(), asked, NEW, expected=expected)

    assert (generation.wrong == []) is is_right
