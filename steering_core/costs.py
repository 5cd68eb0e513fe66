"""What is timed by the benchmarks: each a call that ends when its last value is there, on a GPU too."""

from collections.abc import Callable
from typing import Any

import torch

from steering_core import reference
from steering_core.cycle import Cycle
from steering_core.localize import localise
from steering_core.sites import Site
from steering_core.tools import find_tool
from steering_core.witness import boundary_inputs

Call = Callable[[], Any]


def finished(cycle: Cycle, call: Call) -> Call:
    """The call, and the wait for what it has asked of the GPU."""

    def whole() -> Any:
        result = call()
        if cycle.model.device.type == "cuda":
            torch.cuda.synchronize()
        return result

    return whole


def reading(cycle: Cycle, name: str) -> Call:
    """Reads the tested site once, by a tool or by the witness ("reference")."""
    if name == "reference":
        return lambda: boundary_inputs(cycle.model, cycle.extraction.inputs(), {cycle.settings.layer + 1})
    tool = find_tool(name)
    return lambda: tool.read(cycle.model, cycle.extraction, [cycle.site])


def generating(cycle: Cycle, name: str, new_tokens: int) -> Call:
    """Steers along the true direction, by a tool or by the reference."""
    generate = reference.generate if name == "reference" else find_tool(name).generate
    edits = cycle.edits(cycle.true_direction())
    return lambda: generate(cycle.model, cycle.extraction, edits, new_tokens)


def naming(cycle: Cycle, name: str) -> Call:
    """Says which tensor was returned for the tested site; name: what is wrong with it, or "a forward" without any."""
    if name == "a forward":
        return lambda: cycle.model.forward(cycle.extraction.inputs())
    before = Site("resid_post", cycle.settings.layer - 1)
    early = find_tool("hooks").read(cycle.model, cycle.extraction, [before])[before]
    returned = {
        "wrong block": early,
        "wrong block and token": early.roll(1, 1),
        "half of the features": early[..., : early.shape[-1] // 2],
        "no tensor of the model": torch.randn_like(early),
    }[name]
    return lambda: localise(cycle.model, cycle.extraction, cycle.site, returned)
