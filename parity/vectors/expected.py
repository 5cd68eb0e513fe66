"""What is true of one call: by the independent capture, or by the reference that edits with pre-hooks; no tool takes part."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from parity.vectors.format import LOGITS, TOKENS, shift_name
from parity.vectors.recording import Recording, edited_sites, outer
from steering_core.errors import EmptyMeasurement
from steering_core.localize.capture import read_sites
from steering_core.measure import reference
from steering_core.models.generation_defaults import generation_defaults
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.programs.building import build_edits, build_sites
from steering_core.programs.program import Generate, Read
from steering_core.records.thresholds import REFERENCE_ULPS

ROUNDINGS, READ_ULPS = 4.0, 4
"""Of a read: the tolerance, in times of the largest error against float64 and rows without padding, and the least one, in
spacings of float32 at the largest norm of a token. Every engine reads what this forward computes; only kernels differ."""
CLEAR = 3.0
"""A token is in a vector only if its logit leads by more than this many tolerances, so that rounding chooses no token."""
Values = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Expected:
    """values: by their names in an answer, on the CPU. tolerances: of those that are compared by size."""

    values: Values
    tolerances: dict[str, float]


def expect_read(model: LoadedModel, batch: TokenBatch, call: Read) -> Expected:
    """{site: float32 [batch, seq, width]}, zero at padding."""
    values = read_values(model, batch, call)
    real, exact = batch.mask.bool(), exact_rows(model, batch, call)
    tolerances = {
        site: max(ROUNDINGS * float((exact[site] - value[real]).abs().max()), READ_ULPS * spacing(value[real]))
        for site, value in values.items()
    }
    return Expected({site: value.where(real[..., None], 0.0) for site, value in values.items()}, tolerances)


def spacing(values: Tensor) -> float:
    """The spacing of float32 at the largest norm of a token; values: [..., width]."""
    return float(torch.finfo(torch.float32).eps * values.double().norm(dim=-1).max())


def exact_rows(model: LoadedModel, batch: TokenBatch, call: Read) -> Values:
    """{site: float64 [tokens, width]} at the real tokens, from each row by itself without padding."""
    wide, rows = replace(model, module=deepcopy(model.module).double()), list[Values]()
    for ids, mask in zip(batch.ids, batch.mask.bool(), strict=True):
        own = ids[mask][None]
        one = TokenBatch(own, torch.ones_like(own), torch.tensor([own.shape[1] - 1]), batch.side)
        rows.append(read_values(wide, one, call))
    return {site: torch.cat([row[site][0] for row in rows]) for site in rows[0]}


def read_values(model: LoadedModel, batch: TokenBatch, call: Read) -> Values:
    """{site: [batch, seq, width]}, on the CPU, by the independent capture."""
    return {str(site): value.cpu() for site, value in read_sites(model, batch, build_sites(call)).items()}


def expect_generation(
    model: LoadedModel, batch: TokenBatch, call: Generate, defaults: Mapping[str, Any], logit_ids: Tensor
) -> Expected:
    """tokens: int64 [batch, new], `lengths`: int64 [batch], logits: float32 [batch, new, ids], and of each edited
    site its shift: float32 [batch, columns, hidden]. EmptyMeasurement where rounding could choose another token."""
    edits = build_edits(model, call.steps)
    sites = edited_sites(edits)
    fed = replace(model, use_cache=call.cache, prefill_chunk=None)
    recording = Recording()
    with generation_defaults(model.module, defaults), outer(fed, sites, recording, edited=False):
        with reference.steered(fed, edits, batch.mask), outer(fed, sites, recording, edited=True):
            tokens = reference.decode(fed, batch, call.new_tokens)
        ends = reference.end_tokens(fed.decoding(call.new_tokens), tokens.device)
    lengths, logits = answer_lengths(tokens, ends), recording.steps(tokens.shape[1])
    tolerance = REFERENCE_ULPS * spacing(logits)
    check_clear(logits, lengths, tolerance)
    values = {TOKENS: tokens, "lengths": lengths, LOGITS: logits[..., logit_ids].contiguous()}
    tolerances = {LOGITS: tolerance}
    for site in sites:
        name = shift_name(site)
        values[name] = recording.shift(site, cached=call.cache)
        streams = (stream for kept in (recording.before, recording.after) for stream in kept[site])
        tolerances[name] = REFERENCE_ULPS * max(map(spacing, streams))
    return Expected(values, tolerances)


def answer_lengths(tokens: Tensor, ends: Tensor) -> Tensor:
    """int64 [batch]: tokens of each answer, up to and including its first end token; tokens: int64 [batch, new]."""
    ended = torch.isin(tokens, ends)
    return torch.where(ended.any(-1), ended.int().argmax(-1) + 1, tokens.shape[1])


def check_clear(logits: Tensor, lengths: Tensor, tolerance: float) -> None:
    """EmptyMeasurement if a token of an answer is nearly tied; logits: [batch, new, vocabulary]."""
    first, second = logits.topk(2, dim=-1).values.unbind(-1)
    inside = torch.arange(logits.shape[1]) < lengths[:, None]
    lead = float((first - second)[inside].min())
    if lead <= CLEAR * tolerance:
        sentence = f"a token leads by {lead:.3g} only, with a tolerance of {tolerance:.3g}"
        raise EmptyMeasurement("tie", sentence, "choose other prompts for the program")
