"""A model spread over several devices: edits follow the blocks, reads return to the embedding's device.

The devices are simulated: tensors without data, which refuse to mix across devices as real ones do.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch import nn
from torch._subclasses import FakeTensorMode
from transformers import AutoModelForCausalLM

from steering_core.measure import reference
from steering_core.models.model import LoadedModel
from steering_core.models.shapes import random_config
from steering_core.models.sites import Site
from steering_core.observe.forward_trace import trace_forward
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.adapters.pyvene import _intervention
from steering_core.tools.edits import Ablate, Add, Edit
from steering_core.tools.positions import ScheduledEdits
from steering_core.tools.preparation import edits_by_module

HERE, THERE = torch.device("cpu"), torch.device("cpu:1")
SITE = Site("resid_post", 1)
BATCH = prompts(2)


@pytest.fixture
def spread() -> Iterator[LoadedModel]:
    """The embedding and block 0 on one device, blocks 1 and 2 and the final norm on another."""
    model = random_model("llama")
    with FakeTensorMode(allow_non_fake_inputs=True):
        module = AutoModelForCausalLM.from_config(random_config(model.spec), attn_implementation="eager").eval()
        module.config.use_cache = False  # a cache starts from an empty tensor, created on the real device
        for part in (module.model.layers[1], module.model.layers[2], module.model.norm):
            place(part, THERE)
        add_hook_to_module(module.lm_head, AlignDevicesHook(execution_device=HERE))
        yield replace(model, module=module)


def place(part: nn.Module, device: torch.device) -> None:
    for inner in part.modules():
        for name, weight in list(inner.named_parameters(recurse=False)):
            setattr(inner, name, nn.Parameter(torch.empty_like(weight, device=device)))
    add_hook_to_module(part, AlignDevicesHook(execution_device=device))


@pytest.fixture(params=[Add(SITE, torch.ones(48), 2.0), Ablate(SITE, torch.ones(48))], ids=["add", "ablate"])
def edit(request: pytest.FixtureRequest) -> Edit:
    param: Edit = request.param
    return param


def test_the_simulated_devices_are_distinct(spread: LoadedModel) -> None:
    assert spread.device_at("model.layers.0") == spread.device == HERE
    assert spread.device_at("model.layers.1") == THERE
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2, device=HERE) + torch.ones(2, device=THERE)


def test_reads_return_to_the_device_of_the_embedding(spread: LoadedModel) -> None:
    sites = [Site("resid_pre", 0), SITE, Site("mlp_out", 2)]

    values = Hooks().read(spread, BATCH, sites)

    assert {value.device for value in values.values()} == {HERE}


def test_the_reference_edits_and_the_trace_work_across_devices(spread: LoadedModel, edit: Edit) -> None:
    with trace_forward(spread) as seen, reference.steered(spread, [edit], BATCH.mask), torch.no_grad():
        spread.module(**BATCH.inputs())

    assert {value.device for value in (*seen.received[0].values(), *seen.returned[0].values())} == {HERE}


def test_every_tool_edits_where_the_block_is(spread: LoadedModel, edit: Edit) -> None:
    hidden = torch.ones(2, 7, 48, device=THERE)
    (path, (moved,)), *_ = edits_by_module(spread, [edit]).items()

    by_scheduled_edits = ScheduledEdits([moved], BATCH.mask, True).apply_to_output(hidden)  # hooks and nnsight
    by_intervention = _intervention(moved, BATCH.mask, spread)(hidden)

    assert moved.vector.device == THERE
    assert [hidden.device for hidden in (by_scheduled_edits, by_intervention)] == [THERE] * 2
