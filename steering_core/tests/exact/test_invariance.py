"""Every family under exact arithmetic: a prompt's bits do not depend on the batch, the padding, the order or its neighbors."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from steering_core.exact import exact_arithmetic
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, pad
from steering_core.tests.random_models import FAMILIES, VOCAB, every_site, random_model
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
LENGTHS = (7, 19, 4, 9, 12, 5, 23, 16, 11, 6)
PADDED = 40


def prompts(seed: int = 5) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCAB, (length,), generator=generator).tolist() for length in LENGTHS]


def wide(rows: Sequence[Sequence[int]], side: str) -> TokenBatch:
    """The prompts padded to 40 tokens."""
    ids, mask = torch.zeros(len(rows), PADDED, dtype=torch.long), torch.zeros(len(rows), PADDED, dtype=torch.long)
    starts = [PADDED - len(row) if side == "left" else 0 for row in rows]
    for index, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[index, start : start + len(row)], mask[index, start : start + len(row)] = torch.tensor(row), 1
    last = torch.tensor([start + len(row) - 1 for row, start in zip(rows, starts, strict=True)])
    return TokenBatch(ids, mask, last, side)  # type: ignore[arg-type]


def read(model: LoadedModel, *batches: TokenBatch) -> list[Tensor]:
    """Per prompt, every stream of every block at its real tokens, side by side: [tokens, all widths]."""
    return [
        torch.cat([hidden[row][mask] for hidden in values.values()], dim=-1)
        for batch in batches
        for values in [Hooks().read(model, batch, every_site(model))]
        for row, mask in enumerate(batch.mask.bool())
    ]


def batched(model: LoadedModel, rows: list[list[int]]) -> Iterator[tuple[str, list[Tensor]]]:
    """The prompts' activations in every arrangement, in the order of `rows`."""
    half = len(rows) // 2
    others = [[*rows[:half], *prompts(seed)[half:]] for seed in (6, 7)]
    yield "in a batch", read(model, pad(rows, 0))
    yield "in halves", read(model, pad(rows[:half], 0), pad(rows[half:], 0))
    yield "reversed", read(model, pad(rows[::-1], 0))[::-1]
    yield "padded on the left", read(model, wide(rows, "left"))
    yield "padded on the right", read(model, wide(rows, "right"))
    for number, batch in enumerate(others):
        yield f"beside other rows {number}", read(model, pad(batch, 0))[:half]


def changed(model: LoadedModel) -> dict[str, int]:
    """{arrangement: prompts whose activations are not those of the prompt alone}."""
    rows = prompts()
    alone = read(model, *(pad([row], 0) for row in rows))
    return {name: sum(not torch.equal(*pair) for pair in zip(alone, values)) for name, values in batched(model, rows)}  # noqa: B905


@DTYPES
@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_is_computed_as_if_it_were_alone(family: str, dtype: torch.dtype) -> None:
    model = random_model(family, dtype)
    with exact_arithmetic(model):
        counts = changed(model)
    assert len(counts) == 7
    assert set(counts.values()) == {0}, counts


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "gemma2"])
def test_the_eager_attention_is_exact_too(family: str) -> None:
    model = random_model(family)
    model.module.set_attn_implementation("eager")
    with exact_arithmetic(model):
        assert set(changed(model).values()) == {0}


def test_plain_arithmetic_is_not_exact() -> None:
    """Otherwise the tests above could not fail."""
    assert sum(changed(random_model("qwen2")).values()) > 20
    assert sum(changed(random_model("qwen2", torch.bfloat16)).values()) > 20


@DTYPES
@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_and_a_batch_change_no_logit(family: str, dtype: torch.dtype) -> None:
    """Logits of the last tokens, step by step with a cache in a batch, against one forward of the whole row alone."""
    model = random_model(family, dtype)
    rows = prompts()[:3]
    tail = torch.tensor([row[-3:] for row in rows])
    batch = pad([row[:-3] for row in rows], 0)
    mask, position, cache = batch.mask, batch.last[:, None] * 0 + batch.mask.sum(1, keepdim=True), None
    ids, positions, steps = batch.ids, batch.position_ids, []
    with exact_arithmetic(model), torch.no_grad():
        for step in range(4):
            output = model.module(
                ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
            )
            steps.append(output.logits[:, -1])
            cache, ids, positions = output.past_key_values, tail[:, step : step + 1], position + step
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        for index, row in enumerate(rows):
            whole = model.module(**pad([row], 0).inputs(), use_cache=False).logits[0, -4:]
            assert torch.equal(whole, torch.stack(steps)[:, index]), index


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_tool_reads_the_same_bits_alone_and_in_a_batch(name: str) -> None:
    model, tool = random_model("qwen2"), find_tool(name)
    rows, site = prompts()[:4], every_site(random_model("qwen2"))[6]
    with exact_arithmetic(model):
        together = tool.read(model, pad(rows, 0), [site])[site]
        expected = Hooks().read(model, pad(rows, 0), [site])[site]
        for index, row in enumerate(rows):
            alone = tool.read(model, pad([row], 0), [site])[site]
            assert torch.equal(alone[0], together[index, -len(row) :])
    assert torch.equal(together, expected)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_tool_steers_to_the_same_tokens_alone_and_in_a_batch(name: str) -> None:
    from steering_core.models.sites import Site
    from steering_core.tools.edits import Ablate, Add

    model, tool, rows = random_model("qwen2"), find_tool(name), prompts()[:4]
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(2))
    edits = [Add(Site("resid_post", 0), vector, 2.0), Ablate(Site("resid_post", 1), vector)]
    edits = edits if tool.supports(model.spec, edits[1].site, "ablate") is None else edits[:1]
    with exact_arithmetic(model):
        together = tool.generate(model, pad(rows, 0), edits, 8)
        alone = torch.cat([tool.generate(model, pad([row], 0), edits, 8) for row in rows])
    assert torch.equal(together, alone)
