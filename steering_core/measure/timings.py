"""What the benchmarks time: calls that end when their result is complete, on a GPU too."""

from collections.abc import Callable
from typing import Any

import torch

from steering_core.localize import localize_tensor
from steering_core.measure import reference
from steering_core.measure.experiment import Experiment
from steering_core.models.sites import Site
from steering_core.observe.forward_trace import block_inputs
from steering_core.tools.spec import find_tool

Call = Callable[[], Any]


def finished(experiment: Experiment, call: Call) -> Call:
    """The call, including the wait for the GPU work that it started."""

    def synchronized() -> Any:
        result = call()
        if experiment.model.device.type == "cuda":
            torch.cuda.synchronize()
        return result

    return synchronized


def reading(experiment: Experiment, name: str) -> Call:
    """Reads the tested site once, by a tool or by the independent trace ("reference")."""
    if name == "reference":
        return lambda: block_inputs(experiment.model, experiment.extraction.inputs(), {experiment.settings.layer + 1})
    tool = find_tool(name)
    return lambda: tool.read(experiment.model, experiment.extraction, [experiment.site])


def generating(experiment: Experiment, name: str, new_tokens: int) -> Call:
    """Steers along the true direction, by a tool or by the reference."""
    generate = reference.generate if name == "reference" else find_tool(name).generate
    edits = experiment.edits(experiment.true_direction())
    return lambda: generate(experiment.model, experiment.extraction, edits, new_tokens)


def naming(experiment: Experiment, name: str) -> Call:
    """Names a wrong tensor; name: what is wrong with it, or "a forward" for one plain forward."""
    if name == "a forward":
        return lambda: experiment.model.forward(experiment.extraction.inputs())
    before = Site("resid_post", experiment.settings.layer - 1)
    early = find_tool("hooks").read(experiment.model, experiment.extraction, [before])[before]
    returned = {
        "wrong block": early,
        "wrong block and token": early.roll(1, 1),
        "half of the features": early[..., : early.shape[-1] // 2],
        "no tensor of the model": torch.randn_like(early),
    }[name]
    return lambda: localize_tensor(experiment.model, experiment.extraction, experiment.site, returned)
