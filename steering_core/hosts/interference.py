"""Reading beside something else that uses a model: a hook of the user's own, or a second model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from steering_core.hosts.stage import Stage
from steering_core.models.altered_copy import altered_copy
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.tool import Tool


def beside_hook(
    stage: Stage, tool: Tool, batch: TokenBatch, site: Site, block: int, vector: Tensor, first: bool
) -> dict[str, Any]:
    """Two reads while a hook of the user's adds a vector, [hidden], to a block's output. first: it was there before the
    tool first saw the model. values: [batch, seq, width] each. fired: calls of the hook in each. plain: without it."""
    model = stage.untouched()
    plain = tool.read(stage.untouched(), batch, [site])[site].clone()
    calls = 0

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        return with_added(output, vector)

    if not first:
        tool.read(model, batch, [site])
    handle = model.blocks[block].register_forward_hook(hook)
    values, fired = list[Tensor](), list[int]()
    try:
        for _ in range(2):
            values.append(tool.read(model, batch, [site])[site])
            fired.append(calls - sum(fired))
    finally:
        handle.remove()
    return {"values": values, "fired": fired, "plain": plain}


def with_added(output: Any, vector: Tensor) -> Any:
    """A block's output, a tensor or a tuple that begins with it, plus a vector."""
    if isinstance(output, tuple):
        return (output[0] + vector.to(output[0].dtype), *output[1:])
    return output + vector.to(output.dtype)


def beside_model(stage: Stage, tool: Tool, batch: TokenBatch, site: Site, turns: Sequence[int]) -> list[Tensor]:
    """Reads of the model (0) and of another one (1), in turn: [batch, seq, width] each."""
    model = stage.untouched()
    models = (model, replace(model, module=altered_copy(replace(model, module=stage.pristine))))
    return [tool.read(models[number], batch, [site])[site] for number in turns]
