"""One experiment on a small random model: what is computed, from what, how often, and under which key."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from steering_core.compare import one_minus_cosine
from steering_core.hosts.beside import FreshRepeat
from steering_core.measure import timings
from steering_core.measure.experiment import Experiment
from steering_core.measure.run_provenance import count_parameters
from steering_core.measure.steering import SteeringMeasurements
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tests.chat_checkpoint import PROMPTS, SETTINGS
from steering_core.tests.small_experiments import CountingTool, new_experiment
from steering_core.tools.spec import BUILT_IN, find_tool

pytestmark = pytest.mark.usefixtures("one_thread")
SITE = Site("resid_post", 1)


@pytest.fixture
def experiment(loaded: LoadedModel, tmp_path: Path) -> Experiment:
    return new_experiment(loaded, tmp_path)


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

    direction = experiment.direction(find_tool("hooks"), 0)

    assert torch.allclose(direction, rows[:2].mean(0) - rows[2:].mean(0), atol=1e-4)
    assert one_minus_cosine(direction, experiment.true_direction()) < 1e-12, "the same without any tool"


def test_each_repeat_is_read_exactly_once(experiment: Experiment, loaded: LoadedModel, tmp_path: Path) -> None:
    tool, later = CountingTool(), CountingTool()
    for _ in range(2):
        for repeat in range(3):
            experiment.direction(tool, repeat)
    new_experiment(loaded, tmp_path).direction(later, 1)

    assert (tool.reads, later.reads) == (3, 0), "three repeats; nothing is read again, in this process or the next"


class Namesake(CountingTool):
    """Another tool of the same name and version."""


def test_a_direction_is_extracted_once_for_each_thing_it_depends_on(loaded: LoadedModel, tmp_path: Path) -> None:
    tool, newer, namesake, renamed = CountingTool(), CountingTool("2"), Namesake(), CountingTool()
    renamed.name = "another name"
    deeper, prompts = replace(SETTINGS, layer=2, blocks=(2,)), replace(PROMPTS, harmful=("w50", "w51"))

    for changes in ({}, {}, {"weights": "other"}, {"settings": deeper}, {"prompts": prompts}):
        new_experiment(loaded, tmp_path, **changes).direction(tool, 0)
    for other in (newer, namesake, renamed):
        new_experiment(loaded, tmp_path).direction(other, 0)

    assert tool.reads == 4, "only the second is the same measurement as the first"
    assert (newer.reads, namesake.reads, renamed.reads) == (1, 1, 1)


class OwnMethod(CountingTool):
    """A tool with its own direction method."""

    def direction(self, model: LoadedModel, harmful: TokenBatch, harmless: TokenBatch, site: Site) -> Tensor:
        """A vector that depends on every argument."""
        parts = [len(harmful.ids), harmful.ids[0, 1], harmless.ids[0, -2], site.layer]
        return torch.tensor([*parts, *[0] * (model.spec.hidden - len(parts))], dtype=torch.float64)


def test_a_tool_with_its_own_method_extracts_its_direction_itself(experiment: Experiment) -> None:
    tool = OwnMethod()

    direction = experiment.direction(tool, 0)

    assert (direction[:4].tolist(), direction.dtype, tool.reads) == ([2.0, 10.0, 21.0, 1.0], torch.float32, 0)


def test_the_model_is_made_traceable_before_any_tool_can_wrap_it(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traceable: list[LoadedModel] = []
    monkeypatch.setattr("steering_core.measure.experiment.make_traceable", traceable.append)

    new_experiment(loaded, tmp_path)

    assert traceable == [loaded]


def test_preflight_reads_once_per_tool_batch_and_sites(experiment: Experiment) -> None:
    tool = CountingTool()
    left, right = (experiment.batch(PROMPTS.extraction, side) for side in ("left", "right"))

    captured = [experiment.read(tool, batch) for batch in (left, left, right, experiment.extraction)]

    assert tool.reads == 2
    assert captured[0] is captured[1] is captured[3]
    assert set(captured[0]) == {SITE}, "the tested site is asked for alone"
    streams = ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")
    together = experiment.read(tool, left, experiment.preflight_sites)
    assert set(together) == {*(Site(stream, 1) for stream in streams), Site("resid_post", 2)}
    assert tool.reads == 3


def test_the_last_block_is_not_read_twice(loaded: LoadedModel, tmp_path: Path) -> None:
    last = new_experiment(loaded, tmp_path, settings=replace(SETTINGS, layer=2, blocks=(2,)))

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


def test_observed_steering_and_benchmarks_use_the_extraction_prompts(experiment: Experiment) -> None:
    seen = SteeringMeasurements(experiment).steered(find_tool("hooks"), 2)

    assert (seen.wrong, len(seen.ids)) == ([], 4)
    assert timings.generating(experiment, "hooks", 2)().equal(timings.generating(experiment, "reference", 2)())
    assert timings.reading(experiment, "hooks")()[SITE].equal(timings.reading(experiment, "reference")()[2])
    wrong = ("wrong block", "wrong block and token", "half of the features", "no tensor of the model")
    sentences = [timings.naming(experiment, name)().sentence for name in wrong]
    assert ["off by one block" in sentence for sentence in sentences] == [True, True, True, False]


def test_captures_are_the_inputs_of_the_next_module_and_the_suites_own(experiment: Experiment) -> None:
    sites, batch = [Site("v", 0), SITE, Site("resid_post", 2), Site("attn_out", 2)], experiment.some
    attention = []
    hook = experiment.model.blocks[2].self_attn.register_forward_hook(
        lambda m, args, output: attention.append(output[0])
    )

    captures = experiment.captures(batch, sites)
    hook.remove()

    truth = experiment.truth(batch)
    assert set(captures) == {*sites}
    assert torch.equal(captures[SITE], truth[SITE.layer + 1])
    assert torch.equal(captures[sites[2]], truth[3])
    assert torch.equal(captures[sites[3]], attention[0])
    assert experiment.captures(batch, sites[:1]).keys() == {sites[0]}


def test_the_sites_of_a_tool_are_asked_for_once(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = find_tool("hooks")
    sites = experiment.readable(tool)
    monkeypatch.setattr(type(tool), "supports", lambda *_: "no more")

    assert experiment.readable(tool) == sites
    assert len(sites) == 3 * 9 + 1
    assert experiment.readable(find_tool("nnsight"))[0] == Site("resid_pre", 0)


def test_localized_names_the_tensor(experiment: Experiment) -> None:
    earlier = Site("resid_post", 0)
    wrong = find_tool("hooks").read(experiment.model, experiment.extraction, [earlier])[earlier]

    assert "resid_post@0" in experiment.localized(experiment.extraction, SITE, wrong).sentence


REQUIRED = {
    *("model_id", "revision", "weights", "token_ids", "preset", "site", "position", "padding_side", "dtype", "device"),
    *("gpu", "attention", "batch_shape", "method", "unit_direction", "operation", "blocks", "phase", "coefficient"),
    *("generation_config", "classifier", "torch", "transformers", "python", "commit", "dirty", "prompts"),
}


def test_provenance_has_everything_that_the_protocol_requires(experiment: Experiment) -> None:
    provenance = experiment.provenance()

    assert set(provenance) >= REQUIRED
    assert provenance["parameters"] == sum(w.numel() for w in experiment.model.module.parameters())
    assert [name for name in REQUIRED - {"gpu", "model_id"} if provenance[name] in ("", None)] == []
    assert (provenance["site"], provenance["blocks"], provenance["coefficient"]) == ("resid_post@1", [1, 2], 3.0)
    assert (provenance["batch_shape"], provenance["padding_side"]) == ([4, 6], "left")
    assert provenance["method"] == "difference_of_means"
    assert provenance["generation_config"]["do_sample"] is False
    assert provenance["decoding"] == "greedy: no random number is drawn; seed 42 is set before every batch"
    assert json.loads(json.dumps(provenance)) == provenance, "plain values only"
    assert (provenance["weights_verified"], provenance["tokenizer"]) == (False, provenance["origin"])


def test_weights_that_are_packed_count_as_before() -> None:
    module = nn.Linear(3, 5)
    packed = nn.Parameter(torch.zeros(4, dtype=torch.uint8), requires_grad=False)
    packed.quant_state = SimpleNamespace(shape=(5, 7))  # type: ignore[attr-defined]
    module.weight = packed
    assert count_parameters(module) == 5 * 7 + 5


def test_provenance_says_that_seeds_beyond_the_first_are_unused(loaded: LoadedModel, tmp_path: Path) -> None:
    same, different = (new_experiment(loaded, tmp_path, seeds=seeds).provenance() for seeds in ((42, 42), (42, 43)))

    assert same["decoding"] == "greedy: no random number is drawn; seed 42 is set before every batch"
    assert different["decoding"] == f"{same['decoding']}, the preset's other seeds are not used"


def test_provenance_names_a_foreign_tokenizer(loaded: LoadedModel, tmp_path: Path) -> None:
    borrowed = replace(loaded, origin="random weights", tokenizer_origin="owner/name")
    provenance = new_experiment(borrowed, tmp_path).provenance()

    assert (provenance["weights_verified"], provenance["tokenizer"]) == ("random", "owner/name")


def test_the_last_repeat_is_read_by_a_tool_in_a_fresh_process(loaded: LoadedModel, tmp_path: Path) -> None:
    tool, new = CountingTool(), CountingTool()
    experiment = new_experiment(loaded, tmp_path, fresh=FreshRepeat(2, {"counting": new}.__getitem__))

    directions = [experiment.direction(tool, repeat) for repeat in (0, 1, 2)]

    assert (tool.reads, new.reads) == (2, 1)
    assert torch.equal(directions[0], directions[2])
