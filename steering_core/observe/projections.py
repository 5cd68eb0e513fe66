"""Where every token of a generation stands along a direction, layer by layer: h . v with unit v (token dynamics).

The values come from an independent trace of the generation itself, prefill and decode steps, in whatever rows, chunks and
calls a tool feeds the model.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from steering_core.compare import unit
from steering_core.errors import EmptyMeasurement
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.forward_trace import ForwardTrace, trace_forward
from steering_core.observe.model_call import calls_on_cpu
from steering_core.observe.row_matching import known_rows
from steering_core.observe.shifts import end_tokens
from steering_core.observe.tokens_seen import SeenTokens, find_tokens
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool

Projections = dict[int, Tensor]
"""Layer -> float64 [rows, positions], on the CPU: by absolute position, prompt first; NaN where no token was computed."""


def project(hidden: Tensor, direction: Tensor) -> Tensor:
    """hidden: [..., hidden], direction: [hidden], of any length -> float64 [...], on the CPU. Only the direction is
    normalized; EmptyMeasurement if it is zero or not finite, or of another width."""
    if hidden.shape[-1:] != direction.shape:
        sentence = f"activations of shape {list(hidden.shape)} along a direction of shape {list(direction.shape)}"
        raise EmptyMeasurement("other-width", sentence, "a direction as wide as the activations")
    return (hidden.double().cpu() * unit(direction).cpu()).sum(-1)


def observe_projections(
    tool: Tool,
    model: LoadedModel,
    batch: TokenBatch,
    edits: Sequence[Edit],
    new_tokens: int,
    directions: Mapping[int, Tensor],
    untouched: LoadedModel,
) -> tuple[Tensor, Projections]:
    """(the answers, int64 [batch, <= new_tokens]; projections of the prompts and of all of the answers but their last
    tokens, which no forward computes), from one generation for all layers.

    EmptyMeasurement if the tool generates without the model's blocks. untouched: the model in modules of its own.
    """
    with trace_forward(model, {layer + 1 for layer in directions}) as trace:
        ids = tool.generate(model, batch, edits, new_tokens).cpu()
    if not trace.received:
        sentence = f"{tool.name} generated without running the model's blocks"
        raise EmptyMeasurement("unobserved", sentence, "run the model that was given")
    rows = known_rows(batch, ids, end_tokens(model))
    trace.calls[:] = calls_on_cpu(trace.calls)
    seen = find_tokens(untouched, trace.calls, rows)
    shape = (len(rows), max(row.needed for row in rows))
    return ids, {layer: _placed(trace, seen, layer, vector, shape) for layer, vector in directions.items()}


def _placed(trace: ForwardTrace, seen: SeenTokens, layer: int, direction: Tensor, shape: tuple[int, int]) -> Tensor:
    """[rows, positions]: what the module after the layer received, so that what a tool did there is in it."""
    values = torch.full(shape, torch.nan, dtype=torch.float64)
    streams = [
        project(received[layer + 1], direction) if layer + 1 in received else None for received in trace.received
    ]
    for token in seen.tokens:
        stream = streams[token.call]
        for row in token.rows:
            if stream is not None and token.position < shape[1]:
                values[row, token.position] = stream[token.index, token.column]
    return values
