"""One cycle on a small random model: what is computed, from what, how often, and under which key."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.compare import one_minus_cosine
from steering_core.errors import EmptyMeasurement
from steering_core.measure import timings as costs
from steering_core.measure.experiment import Experiment
from steering_core.measure.steering import SteeringMeasurements
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS
from steering_core.tests.small_experiments import Counting, anew
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
SITE = Site("resid_post", 1)


@pytest.fixture
def experiment(loaded: LoadedModel, tmp_path: Path) -> Experiment:
    return anew(loaded, tmp_path)


def expected_rows(loaded: LoadedModel) -> Tensor:
    """Last-token output of block 1, one prompt at a time: no padding, no batch."""
    rows = []
    for prompt in PROMPTS.extraction:
        ids = torch.tensor([loaded.chat_ids(prompt)])
        rows.append(loaded.module(ids, output_hidden_states=True).hidden_states[2][0, -1])
    return torch.stack(rows)


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_rows_are_the_last_tokens_at_the_tested_site(experiment: Experiment, loaded: LoadedModel, name: str) -> None:
    tool = find_tool(name)
    rows = experiment.extraction.at_last(
        tool.read(experiment.model, experiment.extraction, [experiment.site])[experiment.site]
    )

    assert torch.allclose(rows, expected_rows(loaded), atol=1e-4)
    assert rows.shape == (4, 48)


def test_the_direction_points_from_harmless_to_harmful(experiment: Experiment, loaded: LoadedModel) -> None:
    rows = expected_rows(loaded)

    found = experiment.direction(find_tool("hooks"), 0)

    assert torch.allclose(found, rows[:2].mean(0) - rows[2:].mean(0), atol=1e-4)
    assert one_minus_cosine(found, experiment.true_direction()) < 1e-12, "the same without any tool"


def test_each_repeat_is_read_anew_and_only_once(experiment: Experiment, loaded: LoadedModel, tmp_path: Path) -> None:
    tool, again = Counting(), Counting()
    for _ in range(2):
        for repeat in range(3):
            experiment.direction(tool, repeat)
    anew(loaded, tmp_path).direction(again, 1)

    assert (tool.reads, again.reads) == (3, 0), "three repeats; nothing is read again, in this process or the next"


class Impostor(Counting):
    """Another tool of the same name and version."""


def test_a_direction_is_extracted_once_for_each_thing_it_depends_on(loaded: LoadedModel, tmp_path: Path) -> None:
    tool, newer, impostor, named = Counting(), Counting("2"), Impostor(), Counting()
    named.name = "another name"
    deeper, other = replace(SETTINGS, layer=2, blocks=(2,)), replace(PROMPTS, harmful=("w50", "w51"))

    for experiment in (
        anew(loaded, tmp_path), anew(loaded, tmp_path), anew(loaded, tmp_path, weights="other"),
        anew(loaded, tmp_path, settings=deeper), anew(loaded, tmp_path, prompts=other),
    ):  # fmt: skip
        experiment.direction(tool, 0)
    for who in (newer, impostor, named):
        anew(loaded, tmp_path).direction(who, 0)

    assert tool.reads == 4, "only the second is the same measurement as the first"
    assert (newer.reads, impostor.reads, named.reads) == (1, 1, 1)


class OwnMethod(Counting):
    """A tool with a direction method of its own."""

    def direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """Something that tells its arguments apart."""
        return torch.tensor([len(harmful.ids), harmful.ids[0, 1], harmless.ids[0, -2], site.layer], dtype=torch.float64)


def test_a_tool_with_a_method_of_its_own_is_asked_for_its_direction(experiment: Experiment) -> None:
    tool = OwnMethod()

    found = experiment.direction(tool, 0)

    assert (found.tolist(), found.dtype, tool.reads) == ([2.0, 10.0, 21.0, 1.0], torch.float32, 0)


def test_the_witness_is_posted_before_any_tool_can_wrap_the_model(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[LoadedModel] = []
    monkeypatch.setattr("steering_core.measure.experiment.make_traceable", posted.append)

    anew(loaded, tmp_path)

    assert posted == [loaded]


def test_preflight_reads_once_per_tool_and_batch(experiment: Experiment) -> None:
    tool = Counting()
    left, right = (experiment.batch(PROMPTS.extraction, side) for side in ("left", "right"))

    captured = [experiment.read(tool, batch) for batch in (left, left, right, experiment.extraction)]

    assert tool.reads == 2
    assert captured[0] is captured[1] is captured[3]
    assert set(captured[0]) == {
        *(Site(stream, 1) for stream in ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")),
        Site("resid_post", 2),
    }  # fmt: skip


def test_the_last_block_is_not_read_twice(loaded: LoadedModel, tmp_path: Path) -> None:
    last = anew(loaded, tmp_path, settings=replace(SETTINGS, layer=2, blocks=(2,)))

    assert len(last.preflight_sites) == len(set(last.preflight_sites)) == 4
    assert sorted(last.truth(last.extraction)) == [3]


def test_the_truth_is_what_the_next_module_received(experiment: Experiment) -> None:
    seen = []
    hook = experiment.model.blocks[2].register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))

    truth = experiment.truth(experiment.extraction)
    hook.remove()

    assert sorted(truth) == [2, 3]
    assert torch.equal(truth[2], seen[0])
    assert experiment.truth(experiment.extraction) is truth


def test_watch_and_benchmarks_use_the_extraction_prompts(experiment: Experiment) -> None:
    seen = SteeringMeasurements(experiment).steered(find_tool("hooks"), 2)

    assert (seen.wrong, len(seen.ids)) == ([], 4)
    assert costs.generating(experiment, "hooks", 2)().equal(costs.generating(experiment, "reference", 2)())
    assert costs.reading(experiment, "hooks")()[SITE].equal(costs.reading(experiment, "reference")()[2])
    wrong = ("wrong block", "wrong block and token", "half of the features", "no tensor of the model")
    said = [costs.naming(experiment, name)().sentence for name in wrong]
    assert ["off by one block" in sentence for sentence in said] == [True, True, True, False]


def test_localized_names_the_tensor(experiment: Experiment) -> None:
    wrong = find_tool("hooks").read(experiment.model, experiment.extraction, [Site("resid_post", 0)])[
        Site("resid_post", 0)
    ]

    assert "resid_post@0" in experiment.localized(experiment.extraction, SITE, wrong)


REQUIRED = {
    "model_id", "revision", "weights", "token_ids", "preset", "site", "position", "padding_side", "dtype", "device",
    "gpu", "attention", "batch_shape", "unit_direction", "operation", "blocks", "phase", "coefficient",
    "generation_config", "classifier", "torch", "transformers", "python", "commit", "dirty", "prompts",
}  # fmt: skip


def test_provenance_says_everything_the_protocol_asks_for(experiment: Experiment) -> None:
    found = experiment.provenance()

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

    here.direction(tool, 0)
    with pytest.raises(EmptyMeasurement, match="left no direction of counting: counting: it broke"):
        here.direction(tool, 2)
    anew(loaded, tmp_path).direction(tool, 2)

    assert torch.equal(here.direction(tool, 2), here.direction(tool, 0))
    assert (fresh.waited, tool.reads) == (2, 2)
