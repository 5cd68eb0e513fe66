"""How far harmless changes move a model's own numbers: the noise floor of one (model, dtype, device).

The same prompts are read again under changes that no tool is responsible for: the same batch again, smaller batches,
more padding, padding on the other side, another prompt order, another attention implementation. A difference between
tools counts only beyond this floor (protocol, section 3). `measure_floor` measures rows of last tokens and the direction;
`token_floors` every real token, at any sites.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from steering_core.compare import compare, one_minus_cosine
from steering_core.directions import extract_direction
from steering_core.errors import EmptyMeasurement
from steering_core.localize.capture import read_sites
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, pad, pad_id

EXTRA_PADDING = 8
SMALLER_BATCHES = 6


@dataclass(frozen=True)
class FloorChange:
    """What one harmless change moved: the largest |difference| of an activation, the worst 1 - cosine of a prompt's
    row, and the 1 - cosine of the direction."""

    max_abs: float
    one_minus_cosine: float
    direction_one_minus_cosine: float


@dataclass(frozen=True)
class NoiseFloor:
    """The noise floor of last-token rows at `site`, by change; changes that the model does not allow are missing."""

    model: str
    dtype: str
    device: str
    site: str
    changes: Mapping[str, FloorChange]

    @property
    def max_abs(self) -> float:
        """Largest |difference| that a harmless change made."""
        return max(change.max_abs for change in self.changes.values())

    @property
    def direction_one_minus_cosine(self) -> float:
        """Worst 1 - cosine of the direction under a harmless change."""
        return max(change.direction_one_minus_cosine for change in self.changes.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def measure_floor(
    model: LoadedModel, rows: Sequence[Sequence[int]], site: Site, method: str, harmful: int
) -> NoiseFloor:
    """At most 12 forwards over `rows`, token ids of the extraction prompts, the `harmful` harmful ones first.

    method: how directions are extracted.
    """
    if not 0 < harmful < len(rows):
        sentence = f"a noise floor needs both classes, got {harmful} harmful of {len(rows)} prompts"
        raise EmptyMeasurement("floor-prompts", sentence, "give at least one prompt per class, harmful ones first")
    base = last_rows(model, pad(rows, pad_id(model.tokenizer)), site)
    changes = {}
    for name, batches, backwards in harmless_changes(model, rows):
        moved = torch.cat([last_rows(model, batch, site) for batch in batches])
        changes[name] = _change(base, moved.flip(0) if backwards else moved, method, harmful)
    dtype = str(model.dtype).removeprefix("torch.")
    return NoiseFloor(model.spec.key, dtype, model.device.type, str(site), changes)


def token_floors(model: LoadedModel, rows: Sequence[Sequence[int]], sites: Sequence[Site]) -> dict[Site, float]:
    """At most 12 forwards over `rows`, token ids of prompts -> per site, the largest |difference| that a harmless change
    made at any real token; 0 where the values themselves are not finite, so that nothing hides behind them."""
    base = _real_tokens(model, [pad(rows, pad_id(model.tokenizer))], sites, backwards=False)
    floors = dict.fromkeys(sites, 0.0)
    for _, batches, backwards in harmless_changes(model, rows):
        moved = _real_tokens(model, batches, sites, backwards)
        floors = {site: max(floors[site], compare(base[site], moved[site]).max_abs) for site in sites}
    return {site: floor if math.isfinite(floor) else 0.0 for site, floor in floors.items()}


def _real_tokens(
    model: LoadedModel, batches: Sequence[TokenBatch], sites: Sequence[Site], backwards: bool
) -> dict[Site, Tensor]:
    """{site: [real tokens, width]}, prompt by prompt in their order, which the batches have `backwards`."""
    prompts: dict[Site, list[Tensor]] = {site: [] for site in sites}
    for batch in batches:
        for site, hidden in read_sites(model, batch, sites).items():
            masks = batch.mask.to(hidden.device).bool()
            prompts[site] += [row[mask] for row, mask in zip(hidden, masks, strict=True)]
    return {site: torch.cat(tokens[::-1] if backwards else tokens) for site, tokens in prompts.items()}


def last_rows(model: LoadedModel, batch: TokenBatch, site: Site) -> Tensor:
    """The reference's read of a site at the last real tokens: [batch, width], captured independently of any tool."""
    return batch.at_last(read_sites(model, batch, [site])[site])


def harmless_changes(
    model: LoadedModel, rows: Sequence[Sequence[int]]
) -> Iterator[tuple[str, Sequence[TokenBatch], bool]]:
    """The name of each harmless change, the batches that it makes of `rows`, and whether they hold them backwards.

    The batches of a change are to be run before the next is asked for: the model itself may be changed meanwhile.
    """
    padding = pad_id(model.tokenizer)
    left = pad(rows, padding)
    yield "repeat", [left], False
    yield "batch composition", [pad(group, padding) for group in smaller_batches(rows)], False
    yield "amount of padding", [widened(left, padding, EXTRA_PADDING)], False
    yield "side of padding", [pad(rows, padding, "right")], False
    yield "prompt order", [pad(rows[::-1], padding)], True
    if model.exact:  # another attention implementation is another formula, which exact arithmetic cannot make equal
        return
    with other_attention(model) as name:
        if name:
            yield "attention implementation", [left], False


def smaller_batches(rows: Sequence[Sequence[int]]) -> list[Sequence[Sequence[int]]]:
    """The first and the last prompt alone, the others in pairs, or in larger groups to make at most six batches."""
    if len(rows) < 2:
        return [rows]
    size = max(2, -(-(len(rows) - 2) // (SMALLER_BATCHES - 2)))
    inner = rows[1:-1]
    return [rows[:1], *(inner[start : start + size] for start in range(0, len(inner), size)), rows[-1:]]


def widened(batch: TokenBatch, padding: int, extra: int) -> TokenBatch:
    """The same batch with `extra` more columns of padding on its side."""
    left = extra if batch.side == "left" else 0
    columns = (left, extra - left)
    ids = torch.nn.functional.pad(batch.ids, columns, value=padding)
    return TokenBatch(ids, torch.nn.functional.pad(batch.mask, columns), batch.last + left, batch.side)


@contextmanager
def other_attention(model: LoadedModel) -> Iterator[str]:
    """The model with sdpa instead of another attention implementation, or eager instead of sdpa; restored afterwards.

    Yields the name in force, "" if there is no other: the model refuses it, or has a soft cap, which sdpa ignores.
    """
    config = model.module.config
    before = config._attn_implementation
    if getattr(config, "attn_logit_softcapping", None):
        yield ""
        return
    other = "eager" if before == "sdpa" else "sdpa"
    try:
        yield other if _set_attention(model, other) else ""
    finally:
        _set_attention(model, before)


def _set_attention(model: LoadedModel, name: str) -> bool:
    try:
        model.module.set_attn_implementation(name)
    except (AttributeError, ImportError, ValueError):
        return False
    return bool(model.module.config._attn_implementation == name)


def _change(base: Tensor, moved: Tensor, method: str, harmful: int) -> FloorChange:
    before, after = (
        extract_direction(method, rows[:harmful].float(), rows[harmful:].float()) for rows in (base, moved)
    )
    return FloorChange(
        max_abs=compare(base, moved).max_abs,
        one_minus_cosine=max(one_minus_cosine(left, right) for left, right in zip(base, moved, strict=True)),
        direction_one_minus_cosine=one_minus_cosine(before, after),
    )
