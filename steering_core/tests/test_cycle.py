"""One cycle on a small random model: what is computed, from what, how often, and under which key."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core import reference
from steering_core.compare import one_minus_cosine
from steering_core.cycle import Cycle
from steering_core.edits import Add, Edit
from steering_core.errors import EmptyMeasurement
from steering_core.models import LoadedModel
from steering_core.sites import Site
from steering_core.store import Store
from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS
from steering_core.tokens import TokenBatch
from steering_core.tools import TOOLS, find_tool
from steering_core.tools.base import ToolVersion

pytestmark = pytest.mark.usefixtures("one_thread")
SITE = Site("resid_post", 1)


@pytest.fixture
def cycle(loaded: LoadedModel, tmp_path: Path) -> Cycle:
    return anew(loaded, tmp_path)


def anew(loaded: LoadedModel, folder: Path, **changes: Any) -> Cycle:
    wanted: dict[str, Any] = {"settings": SETTINGS, "weights": "w", "prompts": PROMPTS, "batch_size": 3} | changes
    return Cycle(loaded, store=Store(folder / "store"), **wanted)


class Counting:
    """The hooks tool, counting its calls."""

    name = "counting"

    def __init__(self, version: str = "1") -> None:
        self.inner: Any = find_tool("hooks")
        self.reads = self.generations = 0
        self.number = version

    def version(self) -> ToolVersion:
        """Its version."""
        return ToolVersion("counting", self.number, "here")

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """As hooks."""
        self.reads += 1
        return dict(self.inner.read(model, batch, sites))

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """As hooks."""
        self.generations += 1
        ids: Tensor = self.inner.generate(model, batch, edits, new)
        return ids


def expected_rows(loaded: LoadedModel) -> Tensor:
    """Last-token output of block 1, one prompt at a time: no padding, no batch."""
    rows = []
    for prompt in PROMPTS.extraction:
        ids = torch.tensor([loaded.chat_ids(prompt)])
        rows.append(loaded.module(ids, output_hidden_states=True).hidden_states[2][0, -1])
    return torch.stack(rows)


@pytest.mark.parametrize("name", list(TOOLS))
def test_rows_are_the_last_tokens_at_the_tested_site(cycle: Cycle, loaded: LoadedModel, name: str) -> None:
    rows = cycle.rows(find_tool(name), 0)

    assert torch.allclose(rows, expected_rows(loaded), atol=1e-4)
    assert rows.shape == (4, 48)


def test_the_direction_points_from_harmless_to_harmful(cycle: Cycle, loaded: LoadedModel) -> None:
    rows = expected_rows(loaded)

    found = cycle.direction(find_tool("hooks"), 0)

    assert torch.allclose(found, rows[:2].mean(0) - rows[2:].mean(0), atol=1e-4)
    assert one_minus_cosine(found, cycle.true_direction()) < 1e-12, "the same without any tool"


def test_each_repeat_is_read_anew_and_only_once(cycle: Cycle, loaded: LoadedModel, tmp_path: Path) -> None:
    tool, again = Counting(), Counting()
    for _ in range(2):
        for repeat in range(3):
            cycle.rows(tool, repeat)
    anew(loaded, tmp_path).rows(again, 1)

    assert (tool.reads, again.reads) == (3, 0), "three repeats; nothing is read again, in this process or the next"


def test_preflight_reads_once_per_tool_and_batch(cycle: Cycle) -> None:
    tool = Counting()
    left, right = (cycle.batch(PROMPTS.extraction, side) for side in ("left", "right"))

    captured = [cycle.read(tool, batch) for batch in (left, left, right, cycle.extraction)]

    assert tool.reads == 2
    assert captured[0] is captured[1] is captured[3]
    assert set(captured[0]) == {
        *(Site(stream, 1) for stream in ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")), Site("resid_post", 2)
    }  # fmt: skip


def test_the_last_block_is_not_read_twice(loaded: LoadedModel, tmp_path: Path) -> None:
    last = anew(loaded, tmp_path, settings=replace(SETTINGS, layer=2, blocks=(2,)))

    assert len(last.preflight_sites) == len(set(last.preflight_sites)) == 4
    assert sorted(last.truth(last.extraction)) == [3]


def test_the_truth_is_what_the_next_module_received(cycle: Cycle) -> None:
    seen = []
    hook = cycle.model.blocks[2].register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))

    truth = cycle.truth(cycle.extraction)
    hook.remove()

    assert sorted(truth) == [2, 3]
    assert torch.equal(truth[2], seen[0])
    assert cycle.truth(cycle.extraction) is truth


def test_steers_along_the_unit_direction_at_the_blocks_of_the_preset(cycle: Cycle) -> None:
    edits = cycle.edits(torch.tensor([3.0, 4.0] + [0.0] * 46))

    assert [edit.site for edit in edits] == [Site("resid_post", 1), Site("resid_post", 2)]
    assert all(isinstance(edit, Add) and edit.coefficient == 3.0 for edit in edits)
    assert edits[0].vector[:2].tolist() == pytest.approx([0.6, 0.8])
    assert cycle.zero_edits()[0].vector.abs().sum() == 0


def test_answers_come_in_batches_and_in_the_order_of_the_prompts(loaded: LoadedModel, tmp_path: Path) -> None:
    small, one = anew(loaded, tmp_path / "a"), anew(loaded, tmp_path / "b", batch_size=1)
    tool = Counting()

    answers = small.answers(tool, small.true_direction(), 0, "native")

    assert tool.generations == 2, "five prompts, three at a time"
    assert answers.shape == (5, 4)
    assert torch.equal(answers, one.answers(tool, one.true_direction(), 0, "native")), "row i answers prompt i"


def test_answers_of_unequal_length_are_padded_to_one_width(loaded: LoadedModel, tmp_path: Path) -> None:
    cycle = anew(loaded, tmp_path, batch_size=1)
    free = cycle.plain_answers(PROMPTS.evaluation)
    loaded.module.generation_config.eos_token_id = int(free[0, 0])

    cut = anew(loaded, tmp_path / "cut", batch_size=1).plain_answers(PROMPTS.evaluation)

    assert cut.shape == free.shape
    assert cut[0].tolist() == [int(free[0, 0]), 0, 0, 0]


@pytest.mark.parametrize("applied_by", ["reference", "native"])
def test_both_arms_apply_the_direction_that_they_are_given(cycle: Cycle, applied_by: Any) -> None:
    direction = cycle.true_direction()
    tool = Counting()

    answers = cycle.answers(tool, direction, 0, applied_by)

    assert not torch.equal(answers, cycle.plain_answers(PROMPTS.evaluation)), "steering without effect proves nothing"
    assert not torch.equal(answers, cycle.answers(tool, -direction, 0, applied_by))
    assert tool.generations == (4 if applied_by == "native" else 0)


def test_the_reference_arm_is_the_reference(cycle: Cycle) -> None:
    direction = cycle.true_direction()
    batch = cycle.batch(PROMPTS.evaluation[:3])
    expected = reference.generate(cycle.model, batch, cycle.edits(direction), SETTINGS.max_new_tokens)

    answers = cycle.answers(Counting(), direction, 0, "reference")

    assert torch.equal(answers[:3], expected)


def test_an_answer_is_generated_once_for_each_thing_it_depends_on(loaded: LoadedModel, tmp_path: Path) -> None:
    cycle, tool = anew(loaded, tmp_path, batch_size=30), Counting()
    direction = cycle.true_direction()
    asked = [
        (cycle, tool, direction, 0), (cycle, tool, direction, 0), (cycle, tool, direction, 1),
        (cycle, tool, -direction, 0),
        (anew(loaded, tmp_path, batch_size=30, settings=replace(SETTINGS, strength=2.0)), tool, direction, 0),
        (anew(loaded, tmp_path, batch_size=30, settings=replace(SETTINGS, max_new_tokens=3)), tool, direction, 0),
        (anew(loaded, tmp_path, batch_size=30, settings=replace(SETTINGS, blocks=(1,))), tool, direction, 0),
        (anew(loaded, tmp_path, batch_size=29), tool, direction, 0),
        (anew(loaded, tmp_path, batch_size=30, weights="other"), tool, direction, 0),
        (anew(loaded, tmp_path, batch_size=30, prompts=replace(PROMPTS, evaluation=("w50",))), tool, direction, 0),
    ]  # fmt: skip

    for where, who, along, repeat in asked:
        where.answers(who, along, repeat, "native")
    newer = Counting("2")
    cycle.answers(newer, direction, 0, "native")

    assert tool.generations == len(asked) - 1, "only the second is the same measurement as the first"
    assert newer.generations == 1, "another version is another tool"


def test_watch_and_benchmarks_use_the_extraction_prompts(cycle: Cycle) -> None:
    seen = cycle.watch(find_tool("hooks"), cycle.edits(cycle.true_direction()), 2)

    assert (seen.wrong, len(seen.ids)) == ([], 4)
    assert cycle.generator("hooks", 2)().equal(cycle.generator("reference", 2)())
    assert cycle.reader("hooks")()[SITE].equal(cycle.reader("reference")()[2])


def test_localised_names_the_tensor(cycle: Cycle) -> None:
    wrong = find_tool("hooks").read(cycle.model, cycle.extraction, [Site("resid_post", 0)])[Site("resid_post", 0)]

    assert "resid_post@0" in cycle.localised(cycle.extraction, SITE, wrong)


REQUIRED = {
    "model_id", "revision", "weights", "token_ids", "preset", "site", "position", "padding_side", "dtype", "device", "gpu",
    "attention", "batch_shape", "unit_direction", "operation", "blocks", "phase", "coefficient", "generation_config",
    "classifier", "torch", "transformers", "python", "commit", "dirty", "prompts",
}  # fmt: skip


def test_provenance_says_everything_the_protocol_asks_for(cycle: Cycle) -> None:
    found = cycle.provenance()

    assert set(found) >= REQUIRED
    assert [name for name in REQUIRED - {"gpu", "model_id"} if found[name] in ("", None)] == []
    assert (found["site"], found["blocks"], found["coefficient"]) == ("resid_post@1", [1, 2], 3.0)
    assert (found["batch_shape"], found["padding_side"]) == ([4, 6], "left")
    assert found["generation_config"]["do_sample"] is False
    assert json.loads(json.dumps(found)) == found, "plain values only"


class Waiting:
    """Stands for the fresh process: the last repeat is its business."""

    class request:  # noqa: N801 - an attribute of the real one
        """What it was asked for."""

        repeat = 2

    def __init__(self) -> None:
        self.waited = 0

    def wait(self) -> None:
        """Counted."""
        self.waited += 1

    def said(self, tool: str) -> str:
        """Its words."""
        return f"{tool}: it broke"


def test_the_last_repeat_is_taken_from_the_fresh_process_alone(loaded: LoadedModel, tmp_path: Path) -> None:
    fresh: Any = Waiting()
    here, tool = anew(loaded, tmp_path, fresh=fresh), Counting()

    here.rows(tool, 0)
    with pytest.raises(EmptyMeasurement, match="left no rows for counting: counting: it broke"):
        here.rows(tool, 2)
    anew(loaded, tmp_path).rows(tool, 2)

    assert torch.equal(here.rows(tool, 2), here.rows(tool, 0))
    assert (fresh.waited, tool.reads) == (2, 2)
