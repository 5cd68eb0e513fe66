"""Observing a steered generation: correct tools pass, and each way of steering wrongly is described."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import make_traceable
from steering_core.observe.shifts import ObservedGeneration, observe_generation
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
    assert len(generation.shifts) == NEW * LAYERS
    real, decoded = 7 + 4 + 9, 3 * (NEW - 1)
    assert generation.moved == 2 * (real + decoded), "two blocks, every real token, no padding"
    assert generation.max_abs == 0.0


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
    assert (generation.moved > 0) == bool(edits)


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
        "at block 1 in the prompt: 20 requested tokens not shifted, 0 others",
    ),
    "prompt only": (
        Steering(lambda h, prompt, real: shifted(h, real, 2 * VECTOR) if prompt else h),
        "at block 1 in decode step 1: 3 requested tokens not shifted, 0 others shifted (4 boundaries differ)",
    ),
    "answer only": (
        Steering(lambda h, prompt, real: h if prompt else h + 2 * VECTOR),
        "in the prompt: 20 requested tokens not shifted",
    ),
    "padding also": (Steering(lambda h, prompt, real: h + 2 * VECTOR), "0 requested tokens not shifted, 7 others"),
    "last token only": (Steering(last_token), "in the prompt: 17 requested tokens not shifted"),
    "first row only": (Steering(first_row), "in the prompt: 13 requested tokens not shifted"),
    "other strength": (Steering(times(2.002)), "shifted by the wrong amount"),
    "other sign": (Steering(times(-2)), "shifted by the wrong amount"),
    "NaN": (Steering(times(torch.nan)), "shifted by the wrong amount"),
    "one block too many": (
        Steering(times(2), (0, 1, 2)),
        "at block 0 in the prompt: 0 requested tokens not shifted, 20 others shifted (3 boundaries differ)",
    ),
    "one block too few": (Steering(times(2), (1,)), "at block 2 in the prompt: 20 requested tokens not shifted"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_steering_is_described(name: str) -> None:
    tool, phrase = WRONG[name]

    assert phrase in observed(tool).describe()


def test_only_shifted_tokens_are_counted() -> None:
    assert (observed(WRONG["nothing"][0]).moved, observed(WRONG["one block too few"][0]).moved) == (0, 26)


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
