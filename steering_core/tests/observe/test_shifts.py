"""Observing a steered generation: correct tools pass, and each way of steering wrongly is described."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import make_traceable
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.shifts import observe_generation
from steering_core.tests.random_models import LAYERS, prompts, random_model
from steering_core.tools.edits import Ablate, Add, Edit, steering_edits
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
NEW = 3
VECTOR = torch.randn(64, generator=torch.Generator().manual_seed(1))
EDITS = steering_edits(VECTOR, 2.0, [1, 2])
Hook = Callable[[Tensor, bool, Tensor], Tensor]


class Steering:
    """A tool that applies `change(hidden, on_prompt, mask)` to the outputs of some blocks, right or wrong."""

    name = "wrong"

    def __init__(self, change: Hook, blocks: Sequence[int] = (1, 2)) -> None:
        self.change, self.blocks = change, blocks

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """Only new tokens, as from a tool."""
        real = batch.mask.bool().unsqueeze(-1)

        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            return self.change(output, output.shape[1] > 1, real)

        handles = [model.blocks[block].register_forward_hook(hook) for block in self.blocks]
        ids: Tensor = model.module.generate(
            batch.ids, attention_mask=batch.mask, generation_config=model.decoding(new), pad_token_id=0
        )
        for handle in handles:
            handle.remove()
        return ids[:, batch.ids.shape[1] :]


def observed(tool: Any, edits: Sequence[Edit] = EDITS) -> ObservedGeneration:
    model = random_model("qwen2")
    make_traceable(model)
    return observe_generation(tool, model, prompts(3), edits, NEW)


def shifted(hidden: Tensor, real: Tensor, by: Tensor) -> Tensor:
    return torch.where(real, hidden + by, hidden)


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_a_correct_tool_shifts_what_was_requested(name: str) -> None:
    generation = observed(find_tool(name))

    assert (generation.wrong, generation.describe()) == ([], "nowhere")
    assert generation.calls == generation.ids.shape[1] == NEW
    real, decoded = 7 + 4 + 9, 3 * (NEW - 1)
    assert generation.boundaries == LAYERS * (real + decoded), "every real token but the last of each answer"
    assert generation.moved_tokens == 2 * (real + decoded), "two blocks"
    assert (generation.padding, generation.unmatched, generation.missing) == (0, 0, [])
    assert (generation.max_abs, generation.inside) == (0.0, False)


@pytest.mark.parametrize(
    "edits",
    [
        [Add(Site("resid_post", 0), VECTOR, 2.0, "prefill")],
        [Add(Site("resid_post", 0), VECTOR, 2.0, "decode")],
        [Ablate(Site("resid_post", 2), VECTOR)],
        [Add(Site("resid_post", 1), VECTOR, 2.0), Ablate(Site("resid_post", 1), VECTOR)],
        [],
    ],
    ids=["prefill", "decode", "ablation", "composed", "none"],
)
def test_every_kind_of_edit_is_expected_at_its_tokens(edits: list[Edit]) -> None:
    generation = observed(find_tool("hooks"), edits)

    assert generation.wrong == []
    assert (generation.moved_tokens > 0) == bool(edits)


def reaching(hidden: Tensor, real: Tensor) -> Tensor:
    """The mask for this call: the prompt's, or one column for a decode step."""
    return real[:, -hidden.shape[1] :]


def times(factor: float) -> Hook:
    """Correct except for the strength."""
    return lambda h, prompt, real: shifted(h, reaching(h, real), factor * VECTOR)


def first_row(h: Tensor, prompt: bool, real: Tensor) -> Tensor:
    return torch.cat([shifted(h[:1], reaching(h, real)[:1], 2 * VECTOR), h[1:]])


def last_token(h: Tensor, prompt: bool, real: Tensor) -> Tensor:
    return torch.cat([h[:, :-1], h[:, -1:] + 2 * VECTOR], 1)


WRONG: dict[str, tuple[Steering, str]] = {
    "nothing": (
        Steering(lambda h, prompt, real: h),
        "at block 1 in the prompts: 20 requested tokens not shifted, 0 others shifted, first prompt token 0 of row 0",
    ),
    "prompt only": (
        Steering(lambda h, prompt, real: shifted(h, real, 2 * VECTOR) if prompt else h),
        "at block 1 in the answers: 6 requested tokens not shifted, 0 others shifted, "
        "first generated token 0 of row 0 (position 7) (12 (row, position, block) places differ, at blocks [1, 2])",
    ),
    "answer only": (
        Steering(lambda h, prompt, real: h if prompt else h + 2 * VECTOR),
        "in the prompts: 20 requested tokens not shifted",
    ),
    "last token only": (Steering(last_token), "in the prompts: 17 requested tokens not shifted"),
    "first row only": (
        Steering(first_row),
        "13 requested tokens not shifted, 0 others shifted, first prompt token 0 of row 1, all in rows [1, 2]",
    ),
    "other strength": (Steering(times(2.002)), "20 tokens shifted by the wrong amount, off by up to 0.00666"),
    "other sign": (Steering(times(-2)), "20 tokens shifted by the wrong amount, off by up to 13.3"),
    "NaN": (Steering(times(torch.nan)), "20 tokens shifted by the wrong amount, off by up to inf"),
    "one block too many": (
        Steering(times(2), (0, 1, 2)),
        "at block 0 in the prompts: 0 requested tokens not shifted, 20 others shifted",
    ),
    "one block too few": (Steering(times(2), (1,)), "at block 2 in the prompts: 20 requested tokens not shifted"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_steering_is_described(name: str) -> None:
    tool, phrase = WRONG[name]

    assert phrase in observed(tool).describe()


def test_only_shifted_tokens_are_counted() -> None:
    nothing, one_block = observed(WRONG["nothing"][0]), observed(WRONG["one block too few"][0])

    assert (nothing.moved_tokens, one_block.moved_tokens) == (0, 26)
    assert nothing.describe_still() == "steering changed nothing"


def test_moved_padding_has_its_own_words() -> None:
    """It is no wrong place: nothing that an answer needs was touched."""
    generation = observed(Steering(lambda h, prompt, real: h + 2 * VECTOR))

    assert generation.wrong == []
    assert generation.describe_padding() == "7 padding tokens were steered; every requested token was right"


def test_padding_of_the_right_side_and_of_later_calls_is_counted_once() -> None:
    model = replace(random_model("qwen2"), use_cache=False)
    make_traceable(model)
    everywhere: Any = Steering(lambda h, prompt, real: h + 2 * VECTOR)

    assert observe_generation(everywhere, model, prompts(3), EDITS, NEW).padding == 7


def test_the_last_prompt_token_is_judged_by_itself() -> None:
    all_but_last = Steering(
        lambda h, prompt, real: torch.cat([shifted(h, real, 2 * VECTOR)[:, :-1], h[:, -1:]], 1) if prompt else h
    )

    assert observed(Steering(times(2))).unsteered_ends([1, 2]) == []
    assert observed(all_but_last).unsteered_ends([1, 2]) == [1, 2]
    assert observed(Steering(times(2), (2,))).unsteered_ends([1, 2]) == [1]


def test_equal_runs_arrive_alike_and_others_do_not() -> None:
    right, again, wrong = (observed(Steering(times(factor))).arrivals() for factor in (2, 2, 2.002))

    assert right == again != wrong


class Truncated(Steering):
    """Answers one row less than it has prompts."""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """All rows but the last."""
        return super().generate(model, batch, edits, new)[:-1]


def test_a_row_without_an_answer_is_judged_by_what_continued_its_prompt() -> None:
    right, wrong = (observed(Truncated(times(factor))) for factor in (2, 3))

    assert (right.wrong, right.missing, right.moved_tokens) == ([], [], 52)
    assert {row for _, row, _ in wrong.wrong} == {0, 1, 2}


class Half(Steering):
    """Computes only the first prompts, and answers the others with the same."""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """The first row's answer, for every row."""
        first = TokenBatch(batch.ids[:1], batch.mask[:1], batch.last[:1], batch.side)
        return super().generate(model, first, edits, new).expand(len(batch.ids), -1)


def test_a_token_that_was_never_computed_is_named() -> None:
    generation = observed(Half(times(2)))

    assert generation.wrong == []
    assert generation.missing[0] == (1, 0)
    with pytest.raises(EmptyMeasurement, match=r"prompt token 0 of row 1 was never computed .*, nor 16 other tokens"):
        generation.check_complete()


def test_the_same_tool_without_a_defect_passes() -> None:
    """Each tool above has one defect: without it the same code is correct."""
    assert observed(Steering(times(2))).wrong == []


class Canned:
    """A tool that does not run the model it is given."""

    name = "canned"

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """The same answer to every prompt."""
        return torch.ones(len(batch.ids), new, dtype=torch.long)


def test_a_generation_without_a_forward_is_an_empty_measurement() -> None:
    with pytest.raises(EmptyMeasurement, match="canned generated without running the model's blocks"):
        observed(Canned())
