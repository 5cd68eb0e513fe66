"""Watching a steered generation: right tools pass, and each way of steering wrongly is told apart."""

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
from steering_core.observe.shifts import ObservedGeneration, watch
from steering_core.tests.random_models import LAYERS, prompts, random_model
from steering_core.tools.edits import Ablate, Add, Edit, steering_edits
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
NEW = 3
VECTOR = torch.randn(64, generator=torch.Generator().manual_seed(1))
EDITS = steering_edits(VECTOR, 2.0, [1, 2])
Hook = Callable[[Tensor, bool, Tensor], Tensor]


class Steering:
    """A tool that changes the output of one block with `change(hidden, on_prompt, mask)`, however wrong that is."""

    name = "wrong"

    def __init__(self, change: Hook, blocks: Sequence[int] = (1, 2)) -> None:
        self.change, self.chosen = change, blocks

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """As a tool's: only new tokens."""
        real = batch.mask.bool().unsqueeze(-1)

        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            return self.change(output, output.shape[1] > 1, real)

        handles = [model.blocks[block].register_forward_hook(hook) for block in self.chosen]
        ids: Tensor = model.module.generate(
            batch.ids, attention_mask=batch.mask, generation_config=model.decoding(new), pad_token_id=0
        )
        for handle in handles:
            handle.remove()
        return ids[:, batch.ids.shape[1] :]


def seen_of(tool: Any, edits: Sequence[Edit] = EDITS) -> ObservedGeneration:
    model = random_model("qwen2")
    make_traceable(model)
    return watch(tool, model, prompts(3), edits, NEW)


def shifted(hidden: Tensor, real: Tensor, by: Tensor) -> Tensor:
    return torch.where(real, hidden + by, hidden)


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_a_right_tool_moves_what_was_asked(name: str) -> None:
    seen = seen_of(find_tool(name))

    assert (seen.wrong, seen.words) == ([], "nowhere")
    assert seen.calls == seen.ids.shape[1] == NEW
    assert len(seen.shifts) == NEW * LAYERS
    real, decoded = 7 + 4 + 9, 3 * (NEW - 1)
    assert seen.moved == 2 * (real + decoded), "two blocks, every real token, no padding"
    assert seen.max_abs == 0.0


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
def test_every_kind_of_edit_is_expected_where_it_belongs(edits: list[Edit]) -> None:
    seen = seen_of(find_tool("hooks"), edits)

    assert seen.wrong == []
    assert (seen.moved > 0) == bool(edits)


def reaching(hidden: Tensor, real: Tensor) -> Tensor:
    """The mask of this call: of the prompt, or one column for a decode step."""
    return real[:, -hidden.shape[1] :]


def times(factor: float) -> Hook:
    """Right but for the strength."""
    return lambda h, prompt, real: shifted(h, reaching(h, real), factor * VECTOR)


def first_row(h: Tensor, prompt: bool, real: Tensor) -> Tensor:
    return torch.cat([shifted(h[:1], reaching(h, real)[:1], 2 * VECTOR), h[1:]])


def last_token(h: Tensor, prompt: bool, real: Tensor) -> Tensor:
    return torch.cat([h[:, :-1], h[:, -1:] + 2 * VECTOR], 1)


WRONG: dict[str, tuple[Steering, str]] = {
    "nothing": (Steering(lambda h, prompt, real: h), "at block 1 in the prompt: 20 asked tokens not moved, 0 others"),
    "prompt alone": (
        Steering(lambda h, prompt, real: shifted(h, real, 2 * VECTOR) if prompt else h),
        "at block 1 in decode step 1: 3 asked tokens not moved, 0 others moved (4 boundaries differ)",
    ),
    "answer alone": (
        Steering(lambda h, prompt, real: h if prompt else h + 2 * VECTOR),
        "in the prompt: 20 asked tokens not moved",
    ),
    "padding too": (Steering(lambda h, prompt, real: h + 2 * VECTOR), "0 asked tokens not moved, 7 others"),
    "last token alone": (Steering(last_token), "in the prompt: 17 asked tokens not moved"),
    "first row alone": (Steering(first_row), "in the prompt: 13 asked tokens not moved"),
    "other strength": (Steering(times(2.002)), "moved by the wrong amount"),
    "other sign": (Steering(times(-2)), "moved by the wrong amount"),
    "no number": (Steering(times(torch.nan)), "moved by the wrong amount"),
    "one block more": (
        Steering(times(2), (0, 1, 2)),
        "at block 0 in the prompt: 0 asked tokens not moved, 20 others moved (3 boundaries differ)",
    ),
    "one block less": (Steering(times(2), (1,)), "at block 2 in the prompt: 20 asked tokens not moved"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_steering_is_told(name: str) -> None:
    tool, words = WRONG[name]

    assert words in seen_of(tool).words


def test_what_moved_is_counted_and_not_what_was_asked_to() -> None:
    assert (seen_of(WRONG["nothing"][0]).moved, seen_of(WRONG["one block less"][0]).moved) == (0, 26)


def test_the_answer_of_a_right_hand_made_tool_passes() -> None:
    """The zoo above is wrong in one thing only: without its defect the same code is right."""
    assert seen_of(Steering(times(2))).wrong == []


class Canned:
    """A tool whose answers do not come from the model that it was given."""

    name = "canned"

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """The same answer to everything."""
        return torch.ones(len(batch.ids), new, dtype=torch.long)


def test_a_run_that_nobody_saw_is_no_measurement() -> None:
    with pytest.raises(EmptyMeasurement, match="canned generated without running the model's blocks"):
        seen_of(Canned())
