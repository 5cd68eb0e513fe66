"""How strong the preset's steering is beside the activations of the prompts that it steers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from steering_core.measure.experiment import Experiment
from steering_core.measure.keys import model_key
from steering_core.measure.multilayer.ratios import mean_norms, perturbation_ratios
from steering_core.tools.edits import Add


def preset_ratios(here: Experiment, direction: Tensor, prompts: Sequence[str] = ()) -> dict[str, float]:
    """ratio: at the first steered block; cumulative_ratio: of all steered blocks, at the last one. prompts: those that are
    steered, by default the evaluation prompts."""
    edits = [edit for edit in here.edits(direction) if isinstance(edit, Add)]
    norms = prompt_norms(here, here.settings.blocks, prompts or here.prompts.evaluation)
    ratios = perturbation_ratios(edits, norms)
    return {"ratio": ratios.per_layer[min(ratios.per_layer)], "cumulative_ratio": ratios.total}


def prompt_norms(here: Experiment, layers: Sequence[int], prompts: Sequence[str]) -> dict[int, float]:
    """Layer -> mean norm at the last tokens of some prompts, unsteered; of all layers in one pass, kept in the store."""
    size = here.batch_size
    batches = [here.batch(prompts[start : start + size]) for start in range(0, len(prompts), size)]
    every = range(here.model.spec.layers)
    key = {**model_key(here.model, here.weights), "what": "norms", "prompts": [batch.digest for batch in batches]}
    stored = here.store.get(key, lambda: torch.tensor([*mean_norms(here.model, batches, every).values()]).double())
    return {layer: float(stored[layer]) for layer in layers}
