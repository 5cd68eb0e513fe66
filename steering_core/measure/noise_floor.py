"""How far harmless changes move a model's own numbers: the noise floor of one (model, dtype, device).

The same prompts are read again under changes that no tool is to blame for: the same batch once more, smaller batches,
more padding, padding on the other side, another prompt order, another attention implementation. A difference between
tools counts only beyond what these move (protocol, section 3).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from steering_core.compare import Difference, compare, one_minus_cosine
from steering_core.directions import difference_of_means
from steering_core.errors import ArtifactProblem, EmptyMeasurement, UsageProblem
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import Side, TokenBatch, pad, pad_id
from steering_core.observe.forward_trace import block_inputs

Read = Callable[[LoadedModel, TokenBatch, Site], Tensor]
Judgment = Literal["bit-equal", "within floor", "beyond floor"]
EXTRA_PADDING = 8
_SMALLER = 6


@dataclass(frozen=True)
class FloorChange:
    """What one harmless change moved: the largest |difference| of an activation, the worst 1 - cosine of a prompt's
    row, and the 1 - cosine of the difference-of-means direction."""

    max_abs: float
    one_minus_cosine: float
    direction_one_minus_cosine: float


@dataclass(frozen=True)
class NoiseFloor:
    """The noise floor of last-token rows at `site`, by change; a change that the model cannot make is not in it."""

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
    def one_minus_cosine(self) -> float:
        """Worst 1 - cosine of a row under a harmless change."""
        return max(change.one_minus_cosine for change in self.changes.values())

    @property
    def direction_one_minus_cosine(self) -> float:
        """Worst 1 - cosine of the difference-of-means direction under a harmless change."""
        return max(change.direction_one_minus_cosine for change in self.changes.values())

    @property
    def worst_change(self) -> str:
        """The change that moved an activation most, "none" if none did."""
        worst = max(self.changes, key=lambda name: self.changes[name].max_abs)
        return worst if self.changes[worst].max_abs > 0 else "none"

    def judge(self, difference: Difference) -> Judgment:
        """Whether a difference of activations at this site is more than harmless changes make."""
        if difference.bit_equal:
            return "bit-equal"
        return "within floor" if difference.max_abs <= self.max_abs else "beyond floor"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "NoiseFloor":
        """The floor that `to_dict` gave; ArtifactProblem if it is not one."""
        try:
            changes = {name: FloorChange(**change) for name, change in data["changes"].items()}
            floor = cls(**{**data, "changes": changes})
            usable = math.isfinite(floor.max_abs + floor.one_minus_cosine + floor.direction_one_minus_cosine)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactProblem(
                "floor", f"a stored noise floor cannot be read: {error}", "measure it again"
            ) from None
        if not usable:
            raise ArtifactProblem("floor", "a stored noise floor is not finite", "measure it again")
        return floor


def read_reference(model: LoadedModel, batch: TokenBatch, site: Site) -> Tensor:
    """The reference read of `resid_post`: what the next module received, [batch, hidden] at the last real tokens."""
    if site.stream != "resid_post":
        raise UsageProblem("floor-site", f"the reference reads resid_post, not {site}", "pass a `read` for this stream")
    boundary = site.layer + 1
    batch = batch.to(model.device)
    return batch.at_last(block_inputs(model, batch.inputs(), {boundary})[boundary])


def measure_floor(
    model: LoadedModel,
    rows: Sequence[Sequence[int]],
    site: Site,
    read: Read = read_reference,
    harmful: int | None = None,
) -> NoiseFloor:
    """At most 12 forwards over `rows` (token ids of the extraction prompts, harmful ones first).

    harmful: how many of the rows are harmful; half of them unless said. read: [batch, hidden] rows at the site.
    """
    count = len(rows) // 2 if harmful is None else harmful
    if not 0 < count < len(rows):
        raise EmptyMeasurement(
            "floor-prompts", f"a noise floor needs both classes, got {count} harmful of {len(rows)} prompts",
            "give at least one prompt per class, harmful ones first",
        )  # fmt: skip
    base = read(model, pad(rows, pad_id(model.tokenizer)), site)
    changes = {name: _change(base, moved, count) for name, moved in _changed(model, rows, site, read)}
    dtype = str(model.dtype).removeprefix("torch.")
    return NoiseFloor(model.spec.key, dtype, model.device.type, str(site), changes)


def _changed(model: LoadedModel, rows: Sequence[Sequence[int]], site: Site, read: Read) -> Iterator[tuple[str, Tensor]]:
    """Every harmless change with the rows it gives, in the order of `rows`."""

    def again(chosen: Sequence[Sequence[int]], side: Side = "left", extra: int = 0) -> Tensor:
        return read(model, widened(pad(chosen, pad_id(model.tokenizer), side), pad_id(model.tokenizer), extra), site)

    yield "repeat", again(rows)
    yield "batch composition", torch.cat([again(group) for group in smaller_batches(rows)])
    yield "amount of padding", again(rows, extra=EXTRA_PADDING)
    yield "side of padding", again(rows, side="right")
    yield "prompt order", again(rows[::-1]).flip(0)
    with other_attention(model) as name:
        if name:
            yield "attention implementation", again(rows)


def smaller_batches(rows: Sequence[Sequence[int]]) -> list[Sequence[Sequence[int]]]:
    """The first and the last prompt alone, the others in pairs, or in larger groups if that made over six batches."""
    size = max(2, -(-(len(rows) - 2) // (_SMALLER - 2)))
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
    """The model with sdpa instead of another attention implementation, or eager instead of sdpa; then as it was.

    Yields the name in force, "" if there is no other: the model refuses it, or has a soft cap, which sdpa leaves out.
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


def _change(base: Tensor, moved: Tensor, harmful: int) -> FloorChange:
    before = difference_of_means(base[:harmful].float(), base[harmful:].float())
    after = difference_of_means(moved[:harmful].float(), moved[harmful:].float())
    return FloorChange(
        max_abs=compare(base, moved).max_abs,
        one_minus_cosine=max(one_minus_cosine(left, right) for left, right in zip(base, moved, strict=True)),
        direction_one_minus_cosine=one_minus_cosine(before, after),
    )
