"""The reference generation against transformers' `generate`, which it does not use, and against plain hooks."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.measure import reference
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import trace_forward
from steering_core.tests.random_models import FAMILIES, LAYERS, prompts, random_model
from steering_core.tools.edits import Ablate, Add, Edit, Phase
from steering_core.tools.spec import find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
NEW = 8


def by_transformers(model: LoadedModel, batch: TokenBatch) -> Tensor:
    ids: Tensor = model.module.generate(
        batch.ids, attention_mask=batch.mask, generation_config=model.decoding(NEW), pad_token_id=0
    )
    return ids[:, batch.ids.shape[1] :]


def vector(seed: int) -> Tensor:
    return torch.randn(64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_unsteered_is_greedy_decoding(family: str, rows: int) -> None:
    model, batch = random_model(family), prompts(rows)
    expected = by_transformers(model, batch)

    assert torch.equal(reference.generate(model, batch, [], NEW), expected)
    assert len(set(expected.flatten().tolist())) > 1, "a model that repeats one token would agree with anything"


def test_finished_rows_are_padded_and_the_last_one_ends_the_run() -> None:
    model, batch = random_model("qwen2"), prompts(3)
    free = reference.generate(model, batch, [], NEW)
    ends = [int(free[0, 1]), int(free[1, 3]), int(free[2, 2])]
    model.module.generation_config.eos_token_id = ends

    ids = reference.generate(model, batch, [], NEW)

    assert torch.equal(ids, by_transformers(model, batch))
    assert ids.shape[1] < NEW
    assert ids[0, 2:].eq(0).all()


@pytest.mark.parametrize("family", ["qwen2", "gpt2"])
def test_without_a_cache_each_forward_is_given_all_tokens_at_their_positions(family: str) -> None:
    """Row 1 has padding on its left."""
    model, batch = random_model(family), prompts(2)

    with trace_forward(model) as seen:
        ids = reference.generate(replace(model, use_cache=False), batch, [], 3)

    last = seen.calls[-1]
    assert last.ids is not None
    assert torch.equal(last.ids, torch.cat([batch.ids, ids[:, :2]], 1))
    assert last.positions is not None
    assert last.positions.tolist() == [[*range(9)], [0] * 3 + [*range(6)]]
    assert torch.equal(ids, reference.generate(model, batch, [], 3))


def test_a_single_end_token_works_like_a_list() -> None:
    model, batch = random_model("qwen2"), prompts(1)
    free = reference.generate(model, batch, [], NEW)
    model.module.generation_config.eos_token_id = int(free[0, 2])

    assert reference.generate(model, batch, [], NEW).shape[1] <= 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Add(Site("resid_post", 1), vector(1), 2.0)],
        lambda: [Add(Site("resid_post", block), vector(1), 1.5) for block in range(LAYERS)],
        lambda: [Add(Site("resid_post", 0), vector(1), 2.0), Add(Site("resid_post", 0), vector(2), 2.0)],
        lambda: [Ablate(Site("resid_post", 1), vector(1))],
        lambda: [Add(Site("resid_post", 1), vector(1), 2.0, "prefill")],
        lambda: [Add(Site("resid_post", 1), vector(1), 2.0, "decode")],
    ],
    ids=["one block", "all blocks", "two at one", "ablation", "prefill", "decode"],
)
@pytest.mark.parametrize("family", ["qwen2", "phi3"])
def test_steered_answers_are_those_of_plain_hooks(family: str, make: Callable[[], list[Edit]]) -> None:
    model, batch, edits = random_model(family), prompts(3), make()
    plain = reference.generate(model, batch, [], NEW)

    steered = reference.generate(model, batch, edits, NEW)

    assert torch.equal(steered, find_tool("hooks").generate(model, batch, edits, NEW))
    assert not torch.equal(steered, plain), "an edit without effect proves nothing"
    assert torch.equal(reference.generate(model, batch, [], NEW), plain), "hooks were left behind"


@pytest.mark.parametrize(("phase", "calls"), [("both", [9, 1, 1]), ("prefill", [9, 0, 0]), ("decode", [0, 1, 1])])
def test_moves_each_real_token_of_its_phase_and_no_padding(phase: Phase, calls: list[int]) -> None:
    model, batch = random_model("qwen2"), prompts(3)

    with trace_forward(model) as seen:
        reference.generate(model, batch, [Add(Site("resid_post", 1), vector(1), 2.0, phase)], 3)

    moved = [(got[2] != gave[1]).any(-1) for got, gave in zip(seen.received, seen.returned, strict=True)]
    assert [int(call.sum(-1).max()) for call in moved] == calls
    assert torch.equal(moved[0], batch.mask.bool()) or phase == "decode"


def test_a_prompt_of_one_token_counts_as_prefill() -> None:
    model = random_model("qwen2")
    batch = prompts(1)
    short = TokenBatch(batch.ids[:, :1], batch.mask[:, :1], torch.zeros(1, dtype=torch.long), "left")
    edits: list[Edit] = [Add(Site("resid_post", 1), vector(1), 4.0, "prefill")]

    assert torch.equal(
        reference.generate(model, short, edits, NEW), find_tool("hooks").generate(model, short, edits, NEW)
    )


@pytest.mark.parametrize("penalty", [1.5, 2.0])
def test_inherits_the_repetition_penalty_on_request(penalty: float) -> None:
    """Qwen-2.5 checkpoints carry 1.05, which changes greedy answers; only the as_run preset keeps it."""
    model, batch = random_model("qwen2"), prompts(3)
    plain = reference.generate(model, batch, [], NEW)
    model.module.generation_config.repetition_penalty = penalty
    inheriting = replace(model, inherit_defaults=True)

    penalized = reference.generate(inheriting, batch, [], NEW)

    assert torch.equal(penalized, by_transformers(inheriting, batch))
    assert not torch.equal(penalized, plain)
    assert torch.equal(reference.generate(model, batch, [], NEW), plain)


def test_refuses_to_edit_what_it_only_reads() -> None:
    model = random_model("qwen2")

    with pytest.raises(ToolUnsupported, match="cannot edit k@1"):
        reference.generate(model, prompts(1), [Add(Site("k", 1), vector(1), 1.0)], 2)


def test_an_error_inside_leaves_no_hook_behind() -> None:
    model = random_model("qwen2")
    hooks = [dict(module._forward_pre_hooks) for module in model.module.modules()]
    wrong = Add(Site("resid_post", 1), torch.ones(5), 1.0)

    with pytest.raises(RuntimeError):
        reference.generate(model, prompts(1), [Add(Site("resid_post", 0), vector(1), 1.0), wrong], 2)
    assert [dict(module._forward_pre_hooks) for module in model.module.modules()] == hooks
