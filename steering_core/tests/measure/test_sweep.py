"""Conditions of a sweep, on a tiny checkpoint that refuses along its direction."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steering_core.compare import cosine
from steering_core.directions import extract_direction
from steering_core.errors import UsageProblem
from steering_core.exact import exact_arithmetic
from steering_core.localize.capture import read_sites
from steering_core.measure.experiment import Experiment
from steering_core.measure.precision import quantized_request
from steering_core.measure.selection_passes import ModelPasses
from steering_core.measure.steering import random_direction
from steering_core.measure.store import Store
from steering_core.measure.sweep import Sweep
from steering_core.models.load import load
from steering_core.models.registry import Settings, read_presets, resolve
from steering_core.models.sites import Site
from steering_core.models.tokens import encode
from steering_core.places import PRESETS, PROMPTS
from steering_core.prompts import PromptSet, read_prompts
from steering_core.records.provenance import RANDOM_ORIGIN

KEY = "tiny_qwen2"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def experiment(store: Path, one_thread: None) -> Experiment:
    model = load(KEY)
    settings = resolve(model.spec, read_presets(PRESETS)["fixture"])
    prompts = read_prompts(PROMPTS)
    prompts = replace(prompts, evaluation=prompts.evaluation[:10])
    return Experiment(model, settings, prompts, Store(store), "tiny")


def test_dim_of_a_layer_is_the_difference_of_its_rows(experiment: Experiment) -> None:
    prompts, site = experiment.prompts, Site("resid_post", 2)
    batches = [encode(experiment.model.tokenizer, texts) for texts in (prompts.harmful, prompts.harmless)]
    rows = [batch.at_last(read_sites(experiment.model, batch, [site])[site]) for batch in batches]

    direction = Sweep(experiment).direction("dim", 2)

    assert torch.equal(direction, extract_direction("difference_of_means", *rows))


def test_the_true_direction_works_and_a_random_one_works_nowhere(experiment: Experiment) -> None:
    sweep = Sweep(experiment)
    control = random_direction(experiment.model.spec.hidden, float(sweep.dim[sweep.layer].norm()), seed=1)

    true = sweep.condition("dim", sweep.layer, sweep.strength)
    wrong = [sweep.condition("dim", layer, strength, control) for layer in (2, 4, 6) for strength in (5.0, 14.5, 50.0)]

    assert true.coherent >= 8
    assert true.facts()["band"] == "coherent"
    assert max(each.coherent for each in wrong) <= 2
    assert wrong[2].garbled >= 8, "strong enough, a random direction breaks the model"
    assert abs(wrong[0].extra["cosine_to_dim"]) < 0.5


def test_a_condition_is_steered_at_its_own_block_and_strength(experiment: Experiment) -> None:
    sweep = Sweep(experiment)

    measured = sweep.condition("dim", 6, 7.0)
    origin = sweep.provenance_at(measured)

    assert (origin["site"], origin["coefficient"], origin["blocks"]) == ("resid_post@6", 7.0, [6, 7])
    assert measured.facts()["samples"][0]["prompt"] == experiment.prompts.evaluation[0]
    assert measured.coherent + measured.garbled + measured.normal + measured.extra["unscored"] == measured.unique == 10


def test_a_rate_stands_beside_the_ratio_of_its_strength(experiment: Experiment) -> None:
    """Of unit vectors at blocks 6 and 7, beside the norms at the last tokens of the evaluation prompts."""
    model, prompts = experiment.model, experiment.prompts.evaluation
    batch = encode(model.tokenizer, prompts)
    hidden = read_sites(model, batch, [Site("resid_post", layer) for layer in (6, 7)])
    six, seven = (float(batch.at_last(rows).norm(dim=-1).mean()) for rows in hidden.values())

    facts = Sweep(experiment).condition("dim", 6, 7.0).facts()

    assert facts["ratio"] == pytest.approx(7 / six, rel=1e-4)
    assert facts["cumulative_ratio"] == pytest.approx(14 / seven, rel=1e-4)


def test_a_preset_of_one_block_stays_at_one_block(experiment: Experiment) -> None:
    settings: Settings = replace(experiment.settings, blocks=(experiment.settings.layer,))
    sweep = Sweep(replace(experiment, settings=settings))

    assert sweep.provenance_at(sweep.condition("dim", 6, 7.0))["blocks"] == [6]


def test_a_repeated_prompt_counts_once(experiment: Experiment) -> None:
    evaluation = experiment.prompts.evaluation
    repeated: PromptSet = replace(experiment.prompts, evaluation=evaluation[:2] * 5 + evaluation[2:])
    settings = replace(experiment.settings, unique_prompts=4, prompt_repeats=5)
    sweep = Sweep(replace(experiment, prompts=repeated, settings=settings))

    measured = sweep.condition("dim", sweep.layer, sweep.strength).facts()

    assert sweep.prompts == evaluation[:4]
    assert (measured["unique"], measured["prompt_repeats"]) == (4, 5)
    assert measured["high"] - measured["low"] > 0.3, "an interval on 4 prompts, not on 20"


def test_cosmic_is_chosen_once_and_read_from_the_store_later(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 50 + 50 prompts, 10 x 5 prefixes, shared by extraction and scoring as in the study."""
    first = Sweep(experiment).condition("cosmic", 4, 14.5)
    monkeypatch.setattr(ModelPasses, "validation", None)
    sweep = Sweep(experiment)

    again = sweep.condition("cosmic", 4, 14.5)

    assert again == first
    assert torch.equal(sweep.direction("cosmic", 4), sweep.direction("cosmic", 6)), "one direction, at every depth"
    assert first.extra["position"] in range(-5, 0)
    assert first.extra["shared_prompts"] is True
    assert first.extra["forwards"] >= 2 * 2, "50 prompts of a class are two batches"
    assert first.extra["cosine_to_dim"] > 0.7


@pytest.mark.parametrize(("quantize", "lowest"), [("int8", 0.999), ("nf4", 0.90)])
def test_a_direction_survives_quantization(experiment: Experiment, quantize: str, lowest: float) -> None:
    pytest.importorskip("bitsandbytes")
    sweep = Sweep(experiment)

    here = sweep.at_precision(quantize)
    direction, seconds = here.timed_direction()
    facts = here.compared(sweep.dim[sweep.layer], direction)

    assert here.experiment.model.quantize == quantize
    assert lowest < facts["cosine_to_full"] < 1 - 1e-9, "close, and another model"
    assert facts["cosine_to_full"] == cosine(direction, sweep.dim[sweep.layer])
    assert facts["preserved"] is True
    assert seconds > 0
    assert here.compared(sweep.dim[sweep.layer], -direction)["preserved"] is False
    with pytest.raises(UsageProblem, match=f"{KEY} is loaded in {quantize} already"):
        here.at_precision("int8")


def test_a_model_built_in_memory_has_nothing_to_quantize(experiment: Experiment) -> None:
    pytest.importorskip("bitsandbytes")
    request = experiment.model.request
    assert request is not None
    built = replace(experiment.model, request=replace(request, random_weights=True))

    with pytest.raises(UsageProblem, match=f"{KEY} was built in memory, and quantization reads a checkpoint"):
        Sweep(replace(experiment, model=built)).at_precision("int8")


def test_a_checkpoint_of_random_weights_is_read_again(experiment: Experiment) -> None:
    pytest.importorskip("bitsandbytes")
    marked = replace(experiment.model, origin=RANDOM_ORIGIN, tokenizer_origin=f"{KEY} (of random weights)")

    again = quantized_request(marked, "nf4")

    assert (again.source, again.quantize, again.random_weights) == (experiment.model.origin, "nf4", False)


def test_an_unknown_method_is_refused(experiment: Experiment) -> None:
    with pytest.raises(UsageProblem, match="unknown method 'arditi' of a sweep"):
        Sweep(experiment).direction("arditi", 1)


@pytest.mark.parametrize(("quantize", "arithmetic"), [("int8", "exact, but batch-dependent"), ("nf4", "exact")])
def test_under_exact_arithmetic_a_precision_is_what_it_keeps_to(
    experiment: Experiment, quantize: str, arithmetic: str
) -> None:
    """int8 layers of bitsandbytes depend on the batch; nf4 is unpacked, and then an ordinary product."""
    pytest.importorskip("bitsandbytes")
    exact = replace(experiment, model=replace(experiment.model, exact=True))
    with exact_arithmetic(exact.model):
        here = Sweep(exact).at_precision(quantize)
        recorded = here.experiment.provenance()["arithmetic"]

    assert here.request is not None
    assert here.request.exact, "a tool that steers computes with the same operators"
    assert (recorded, bool(here.batch_dependent)) == (arithmetic, arithmetic != "exact")
    assert here.batch_dependent.startswith("model.layers.0.") or arithmetic == "exact"
    assert Sweep(experiment).at_precision(quantize).experiment.provenance()["arithmetic"] == "plain"
