"""Where a stream is not exactly as requested: what counts as rounding, what cannot be told, what moved otherwise."""

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from steering_core.errors import EmptyMeasurement
from steering_core.models.sites import Site
from steering_core.observe.arrival import observe_arrival
from steering_core.observe.forward_trace import make_traceable, trace_forward
from steering_core.observe.judgment import Judgment, Verdict, where_asked
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.reference_judgment import edits_inside
from steering_core.observe.shifts import observe_generation
from steering_core.tests.observe.test_tool_styles import NEW, edits_for, observed, rows
from steering_core.tests.random_models import random_model
from steering_core.tests.steering_styles import STYLES, Style
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Add, Edit, Set, Span

pytestmark = pytest.mark.usefixtures("one_thread")


def half_precision(style: str, inside: bool, strength: float, fault: str = "", floor: float | None = None) -> Any:
    """A bfloat16 model, steered with `strength` times the vector."""
    model = random_model("qwen2", torch.bfloat16)
    make_traceable(model)
    edits: list[Edit] = [replace(edit, coefficient=strength) for edit in edits_for(model)]  # type: ignore[call-arg]
    tool: Any = Style(style, STYLES[style], inside, fault)
    return observe_generation(tool, model, rows(), edits, NEW, floor=floor)


def test_an_edit_inside_a_block_counts_only_within_the_floor() -> None:
    model = random_model("qwen2")
    make_traceable(model)
    tool: Any = Style("row by row", STYLES["row by row"], inside=True)

    exact, loose = (
        observe_generation(tool, model, rows(), edits_for(model), NEW, floor=floor) for floor in (0.0, 1e-2)
    )

    assert exact.wrong
    assert (loose.wrong, loose.inside) == ([], True)
    assert 0 < loose.max_abs < 1e-2


def test_what_is_set_inside_a_block_was_requested() -> None:
    """The block then returns what it was to be set to, and nothing is left to change. [1 boundary, 1 row, 3 tokens, 2 features]"""
    site, vector = Site("resid_post", 0), torch.tensor([1.0, 2.0])
    stream, first = vector.expand(1, 1, 3, 2), torch.tensor([[True, False, False]])

    def asked(edit: Edit) -> list[list[list[bool]]]:
        return where_asked(stream, stream, lambda _: first, [[edit]]).tolist()

    assert asked(Set(site, vector)) == [[[True, False, False]]]
    assert asked(Add(site, vector, 0.0)) == [[[False, False, False]]]
    assert where_asked(stream, stream + 1, lambda _: first, [[]]).tolist() == [[[True, True, True]]]


@pytest.mark.parametrize("missed", [False, True])
def test_a_value_that_was_there_already_is_not_missing(missed: bool) -> None:
    """A feature of every token is set to what it already is at one of them."""
    model, site = random_model("qwen2"), Site("resid_post", 1)
    make_traceable(model)
    with trace_forward(model) as trace:
        Hooks().generate(model, rows(), [], 1)
    row, column = 0, int(rows().mask[0].argmax())
    there = trace.returned[0][site.layer][row, column, 0]
    edits: list[Edit] = [Set(site, torch.full((model.spec.hidden,), float(there)), features=Span(0, 1))]
    edits.append(Add(site, torch.ones(model.spec.hidden), 2.0, positions=Span(1)))

    generation = observe_generation(Hooks(), model, rows(), edits[missed:], NEW, expected=edits)

    assert bool(generation.wrong) is missed
    assert (site.layer, row, 0) in generation.where({Verdict.UNTOLD})


def test_a_shift_that_rounding_could_hide_cannot_be_told() -> None:
    for fault in ("", "nothing"):
        generation = half_precision("generate", inside=True, strength=0.1, fault=fault)
        assert (generation.wrong, generation.moved_tokens) == ([], 0)
        with pytest.raises(EmptyMeasurement, match="requested at block 1 cannot be told from rounding"):
            generation.check_complete()


def test_in_half_precision_an_edit_between_blocks_is_still_judged_exactly() -> None:
    right, missed, weak = (
        half_precision("row by row", False, 2.0, fault) for fault in ("", "last prompt token", "strength")
    )

    assert right.wrong == []
    assert {position for _, row, position in missed.wrong if row == 0} == {int(rows().mask[0].sum()) - 1}
    assert weak.wrong


def test_the_first_difference_is_named_and_its_consequences_are_not() -> None:
    """A tool that edits inside a block: one block too early, and without the last prompt token."""
    early, missed = (observed("generate", "inside", fault) for fault in ("block", "last prompt token"))

    assert early.describe().startswith("at block 0 in the prompts: 0 requested tokens not shifted, 50 others shifted")
    last = {(row, int(mask.sum()) - 1) for row, mask in enumerate(rows().mask)}
    assert {(block, (row, position)) for block, row, position in missed.wrong} == {(1, place) for place in last}
    assert bool((missed.verdicts == Verdict.DOWNSTREAM).any())
    assert missed.unsteered_ends([1, 2]) == [1]


def test_the_wrong_amount_inside_a_block_is_called_that() -> None:
    generation = observed("row by row", "inside", "strength")

    assert "50 tokens shifted by the wrong amount, off by up to" in generation.describe()
    assert (bool(generation.wrong), generation.misplaced) == (True, []), "every shift was where it had to be"


def test_what_moved_otherwise_is_said() -> None:
    """A tenth of the requested shift inside a block arrives nowhere, and yet the stream is not the unsteered one."""
    model = random_model("qwen2")
    make_traceable(model)
    edits = edits_for(model)
    weak: list[Edit] = [replace(edit, coefficient=0.2) for edit in edits]  # type: ignore[call-arg]
    tool: Any = Weak(Style("generate", STYLES["generate"], inside=True), weak)

    still, nothing = observe_generation(tool, model, rows(), edits, NEW), observed("generate", "inside", "nothing")

    assert (still.moved_tokens, nothing.moved_tokens) == (0, 0)
    words = "the requested shift was not applied, but the stream moved at 142 other places, first at block 1, prompt token 0 of row 0"
    assert still.describe_still() == words
    assert nothing.describe_still("ablation") == "ablation changed nothing"


class Weak:
    """A tool that is given other edits than it applies."""

    name = "weak"

    def __init__(self, tool: Any, edits: list[Edit]) -> None:
        self.tool, self.edits = tool, edits

    def generate(self, model: Any, batch: Any, edits: Any, new: int) -> Any:
        """With its own edits."""
        return self.tool.generate(model, batch, self.edits, new)


def test_an_observed_generation_is_plain_data() -> None:
    generation = observed("generate", "inside", "strength")

    for each in fields(ObservedGeneration):
        value = getattr(generation, each.name)
        assert isinstance(value, torch.Tensor | int | list), each.name
        assert not isinstance(value, torch.Tensor) or value.device.type == "cpu"


@pytest.mark.parametrize(
    "style", ["generate", "row by row", "threes, reversed", "prompt cache", "own loop, embeddings"]
)
@pytest.mark.parametrize("inside", [False, True])
def test_what_arrives_of_an_addition(style: str, inside: bool) -> None:
    model = random_model("qwen2")
    make_traceable(model)
    edit = edits_for(model)[0]
    right, wrong = (Style(style, STYLES[style], inside, fault) for fault in ("", "strength"))

    arrived = observe_arrival(right, model, rows(), edit)  # type: ignore[arg-type]

    assert (arrived.inside, arrived.declared) == (inside, True)
    assert torch.allclose(arrived.after - arrived.before, (2 * edit.vector).expand(len(arrived.after), -1), atol=1e-3)
    too_much = observe_arrival(wrong, model, rows(), edit)  # type: ignore[arg-type]
    assert (too_much.inside, too_much.declared) == (inside, False)
    assert torch.allclose(too_much.after - too_much.before, (3 * edit.vector).expand(len(arrived.after), -1), atol=1e-3)


class HalfInside:
    """Adds the vector inside the block, to what its MLP returns, for the first row, and at its output for the others."""

    name = "half inside"

    def generate(self, model: Any, batch: Any, edits: Any, new: int) -> Any:
        """One edit, of the prompt alone."""
        block, shift = model.blocks[edits[0].site.layer], edits[0].vector * edits[0].coefficient
        real, first = batch.mask[..., None].float(), (torch.arange(len(batch.ids)) == 0)[:, None, None]
        handles = [
            module.register_forward_hook(lambda module, args, output, rows=rows: output + real * rows * shift)
            for module, rows in ((block.mlp, first), (block, ~first))
        ]
        ids = model.module.generate(batch.ids, attention_mask=batch.mask, generation_config=model.decoding(new))
        for handle in handles:
            handle.remove()
        return ids[:, batch.ids.shape[1] :]


def test_rows_that_are_steered_between_blocks_are_right_beside_rows_that_are_steered_inside() -> None:
    model = random_model("qwen2")
    make_traceable(model)

    arrived = observe_arrival(HalfInside(), model, rows(), edits_for(model)[0])  # type: ignore[arg-type]

    assert (arrived.inside, arrived.declared) == (True, True)
    assert arrived.max_abs < 1e-4


class SteersTheHead:
    """Changes what the final norm returns: no block sees it."""

    name = "steers the head"

    def generate(self, model: Any, batch: Any, edits: Any, new: int) -> Any:
        """Another answer whenever anything is to be edited."""
        norm = model.module_at(model.architecture.final_norm)
        handle = norm.register_forward_hook(lambda module, args, output: output - 9 * output.flip(-1) * bool(edits))
        ids = model.module.generate(batch.ids, attention_mask=batch.mask, generation_config=model.decoding(new))
        handle.remove()
        return ids[:, batch.ids.shape[1] :]


def test_answers_that_change_without_the_stream_are_said_to() -> None:
    model = random_model("qwen2")
    make_traceable(model)

    generation = observe_generation(SteersTheHead(), model, rows(), edits_for(model), NEW)  # type: ignore[arg-type]

    assert (generation.moved_tokens, generation.strayed, generation.answers_moved) == (0, [], True)
    assert (
        generation.describe_still() == "steering changed the answers without shifting the residual stream at any block"
    )


@pytest.mark.parametrize("told", [True, False])
def test_a_shift_that_cannot_be_told_shows_no_edit_inside_a_block(told: bool) -> None:
    """A second ablation along one direction asks for no more than rounding, and a sum in another order may leave it out."""
    judgment = Judgment.empty(1, 1)
    judgment.requested[0, 0] = True
    judgment.verdicts[0, 0] = Verdict.WITHIN
    compared: Any = [SimpleNamespace(told=torch.tensor([told]), arrived=torch.zeros(1))]
    assert edits_inside(judgment, compared, []) is told
