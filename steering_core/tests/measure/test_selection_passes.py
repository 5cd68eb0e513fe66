"""Selection methods on models: what the passes read, what they cost, and planted directions that must be chosen."""

from functools import cache

import pytest
import torch
from torch import Tensor

from steering_core.compare import cosine
from steering_core.directions import extract_direction
from steering_core.directions.scoring.candidates import PromptClass
from steering_core.directions.scoring.interventions import ablation, addition
from steering_core.directions.scoring.prompt_split import PromptSplit
from steering_core.directions.scoring.variants import VARIANTS
from steering_core.localize.capture import read_sites
from steering_core.measure import reference
from steering_core.measure.selection_passes import ModelPasses, divide_prompts, select_direction
from steering_core.models.load import load
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, encode
from steering_core.observe.fault_injection import planted_at
from steering_core.places import PROMPTS
from steering_core.prompts import read_prompts
from steering_core.tools.edits import Ablate

TEXTS = read_prompts(PROMPTS)
BLOCK = 3
NO_LIMIT = 1e9
"""Nats. In tiny models the ablation of any direction moves harmless prompts by more than the published 0.1."""


@pytest.fixture(autouse=True)
def _calm(one_thread: None) -> None:
    return


@cache
def tiny(key: str) -> LoadedModel:
    return load(key)


def refusing(key: str, method: str, **options: object) -> ModelPasses:
    """Passes over the premise prompts, which the tiny checkpoints refuse and answer."""
    prompts = divide_prompts(method, TEXTS.premise.harmful, TEXTS.premise.harmless)
    return ModelPasses(tiny(key), prompts, **options)  # type: ignore[arg-type]


def batch_of(model: LoadedModel, prompts: tuple[str, ...]) -> TokenBatch:
    return encode(model.tokenizer, prompts)


@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gemma2", "tiny_gpt2"])
def test_candidates_are_differences_of_independently_read_rows(key: str) -> None:
    """At two positions, in both streams, in batches of five."""
    passes = refusing(key, "cosmic:study", positions=(-2, -1), batch_size=5)
    batches = [batch_of(tiny(key), split.training) for split in passes.prompts.values()]

    for stream, layer in (("resid_pre", 2), ("resid_post", 2), ("resid_post", 7)):
        site = Site(stream, layer)
        hidden = [read_sites(tiny(key), batch, [site])[site] for batch in batches]
        found = {each.place: each.direction for each in passes.candidates(stream)}  # type: ignore[arg-type]
        for position in (-2, -1):
            expected = extract_direction("difference_of_means", *(rows[:, position] for rows in hidden))
            assert torch.allclose(found[position, layer].float(), expected, atol=1e-4), (site, position)


def test_all_candidates_come_from_one_pass_over_the_training_prompts() -> None:
    passes, single = refusing("tiny_qwen2", "arditi"), refusing("tiny_qwen2", "arditi", layers=(4,))

    passes.candidates("resid_pre"), passes.candidates("resid_post"), passes.training("harmful"), passes.refusal_ids
    single.candidates("resid_pre")

    assert passes.forwards == single.forwards == 2, "one batch of each class"


def test_last_tokens_are_those_of_the_edited_forward() -> None:
    """The output of the edited block is shifted by the vector; the last block is read before the final norm."""
    model, passes = tiny("tiny_qwen2"), refusing("tiny_qwen2", "cosmic:paper")
    vector, validation = torch.linspace(-3, 3, model.spec.hidden), passes.prompts["harmless"].validation
    batch, site = batch_of(model, validation), Site("resid_post", model.spec.layers - 1)

    plain, edited = passes.validation("harmless"), passes.validation("harmless", addition(vector, "resid_post", BLOCK))

    assert torch.allclose(
        edited.outputs[:, BLOCK] - plain.outputs[:, BLOCK], vector.expand(len(validation), -1), atol=1e-4
    )
    assert torch.equal(edited.outputs[:, :BLOCK], plain.outputs[:, :BLOCK])
    assert torch.allclose(plain.outputs[:, -1], batch.at_last(read_sites(model, batch, [site])[site]), atol=1e-4)
    with model.inference():
        logits = model.module(**batch.inputs()).logits[:, -1]
    assert torch.allclose(plain.logits, logits, atol=1e-4)
    assert not torch.allclose(edited.logits, logits, atol=1e-2)


@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gpt2", "tiny_qwen2_deep"])
@pytest.mark.parametrize("variant", ["paper", "study"])
def test_cosmic_with_one_candidate_is_dim(key: str, variant: str) -> None:
    model, method = tiny(key), f"cosmic:{variant}"
    layer, stream = model.spec.layer, VARIANTS[variant].stream
    passes = refusing(key, method, positions=(-1,), layers=(layer,))
    site = Site(stream, layer)
    batches = [batch_of(model, split.training) for split in passes.prompts.values()]
    rows = [batch.at_last(read_sites(model, batch, [site])[site]) for batch in batches]

    chosen = select_direction(method, passes).candidate

    assert torch.equal(chosen.direction.float(), extract_direction("difference_of_means", *rows))


def plant(model: LoadedModel) -> Tensor:
    """About as long as the stream there."""
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(BLOCK))
    return vector * 30 / vector.norm()


@pytest.mark.parametrize("variant", ["paper", "repo", "study"])
@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gpt2", "tiny_llama"])
def test_a_planted_direction_is_chosen(key: str, variant: str) -> None:
    """Both classes are benign prompts; the first gets a vector at one block. It is chosen there, or in a later block."""
    model, planted, plain = tiny(key), TEXTS.evaluation[::2], TEXTS.evaluation[1::2]
    vector, method = plant(model), f"cosmic:{variant}"

    with planted_at(model, BLOCK, vector, batch_of(model, planted)):
        passes = ModelPasses(model, divide_prompts(method, planted, plain))
        selection = select_direction(method, passes, kl_limit=NO_LIMIT)

    assert cosine(selection.candidate.direction, vector) > 0.85
    assert selection.candidate.layer - (selection.stream == "resid_pre") >= BLOCK


def test_the_repositorys_ablation_misses_what_gemma_writes_after_its_norms() -> None:
    """A known limit of that variant: there, attention and MLP outputs are not what is added to the stream."""
    model, planted, plain = tiny("tiny_gemma2"), TEXTS.evaluation[::2], TEXTS.evaluation[1::2]
    comply: dict[str, float] = {}
    with planted_at(model, BLOCK, plant(model), batch_of(model, planted)):
        for method in ("cosmic:paper", "cosmic:repo"):
            passes = ModelPasses(model, divide_prompts(method, planted, plain))
            scores = select_direction(method, passes, kl_limit=NO_LIMIT).scores
            comply[method] = max(score.comply for score in scores)

    assert comply["cosmic:paper"] > 0.9
    assert comply["cosmic:repo"] < 0.8


@pytest.mark.parametrize("key", ["tiny_gpt2", "tiny_qwen2_deep"])
def test_what_arditi_chooses_bypasses_refusal(key: str) -> None:
    """Unsteered, at least seven of the nine validation answers begin as refusals of training prompts do; with the chosen
    direction ablated at every block, three fewer do; with a random one, at most one fewer."""
    model, passes = tiny(key), refusing(key, "arditi")
    selection = select_direction("arditi", passes, kl_limit=0.5)
    batch, layers = batch_of(model, passes.prompts["harmful"].validation), range(model.spec.layers)

    def refusals(vector: Tensor | None) -> int:
        edits = [] if vector is None else [Ablate(Site("resid_post", layer), vector.float()) for layer in layers]
        first = reference.generate(model, batch, edits, 1)[:, 0]
        return int(torch.isin(first, torch.tensor(passes.refusal_ids)).sum())

    plain, chosen, control = map(refusals, (None, selection.candidate.direction, plant(model)))
    assert plain >= 7
    assert chosen <= plain - 3
    assert control >= plain - 1
    assert selection.candidate.layer < int(0.8 * model.spec.layers)


def test_the_notes_say_what_a_selection_cost_and_on_what() -> None:
    """Two training batches, two unedited validation batches, then two for each candidate."""
    passes = refusing("tiny_qwen2", "cosmic:study")

    selection = select_direction("cosmic:study", passes)

    assert selection.notes["forwards"] == passes.forwards == 4 + 2 * len(selection.scores)
    assert selection.notes["shared_prompts"] is True
    assert selection.notes["positions"] == [-5, -4, -3, -2, -1]
    assert select_direction("cosmic:paper", refusing("tiny_qwen2", "cosmic:paper")).notes["shared_prompts"] is False


def test_prompts_are_divided_as_the_variant_says() -> None:
    harmful, harmless = ("a", "b", "c", "d"), ("e", "f", "g", "h")
    shared = {name: divide_prompts(f"cosmic:{name}", harmful, harmless)["harmful"].shared for name in VARIANTS}

    assert shared == {"paper": False, "repo": False, "repo_affine": False, "study": True}
    assert not divide_prompts("arditi", harmful, harmless)["harmless"].shared
    assert len(divide_prompts("cosmic:study", harmful, harmless, ("", "x "))["harmful"].training) == 8


def test_batches_do_not_change_what_is_read() -> None:
    model = tiny("tiny_qwen2")
    prompts: dict[PromptClass, PromptSplit] = divide_prompts("arditi", TEXTS.premise.harmful, TEXTS.premise.harmless)
    vector = plant(model)
    without = ablation(vector, "every_write", model.spec.layers, ("resid_pre", 0))

    outputs = [ModelPasses(model, prompts, batch_size=size).validation("harmful", without).outputs for size in (2, 32)]

    assert torch.allclose(*outputs, atol=1e-3)
