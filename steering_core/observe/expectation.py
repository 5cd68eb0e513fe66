"""What steering must do to the residual stream, computed from the prompt mask, the absolute positions, the vectors and
the coefficients alone.

Nothing here is shared with the tools: a defect in what they share must not move the expected value too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.models.transfers import onto
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

INSIDE = ("attn_out", "mlp_out", "attn_contrib", "mlp_contrib")
"""Streams inside a block: what its attention and its MLP return, and what of it is added to the residual stream."""
EDITABLE = ("resid_post", *INSIDE)
"""Streams whose edits the suite can judge. An edit of another one, such as k, moves other tokens of the same block too."""


@dataclass(eq=False)
class ColumnCounter:
    """Which columns of the padded sequence each forward call of one generation carries.

    cached: a call brings the columns after those of the calls before it; otherwise every call begins at column 0.
    """

    cached: bool
    seen: int = 0

    def next(self, width: int) -> range:
        """The columns of the next call, which carries `width` tokens a row."""
        first = self.seen if self.cached else 0
        self.seen = first + width
        return range(first, self.seen)


def check_editable(edits: Sequence[Edit], streams: Sequence[str] = EDITABLE) -> None:
    """ToolUnsupported unless every edit is of one of these streams."""
    if other := [edit.site for edit in edits if edit.site.stream not in streams]:
        raise ToolUnsupported("edit-site", f"the reference cannot edit {other[0]}", f"edit {', '.join(streams)}")


def expected_stream(hidden: Tensor, edits: Sequence[Edit], mask: Tensor, columns: range) -> Tensor:
    """hidden: [batch, width, hidden], a block's own output in a call that carries `columns` -> the same shape, after the
    edits of that block, in order.

    mask: int64 [batch, prompt], 1 at real tokens.
    """
    return edited(hidden, edits, lambda edit: expected_tokens(mask, columns, edit.phase, edit.positions))


def on_device(edit: Edit, device: torch.device) -> Edit:
    """The edit with its vectors on a device, so that they are moved there once, without waiting for it, and not at every
    call."""
    values = {part.name: getattr(edit, part.name) for part in fields(edit)}
    moved: dict[str, Any] = {name: onto(value, device) for name, value in values.items() if isinstance(value, Tensor)}
    return replace(edit, **moved)


def edited(hidden: Tensor, edits: Sequence[Edit], tokens_of: Callable[[Edit], Tensor]) -> Tensor:
    """hidden: [batch, width, hidden] -> the same shape, edited in order, each edit at its tokens: bool [batch, width]."""
    for edit in edits:
        tokens = tokens_of(edit).to(hidden.device)
        hidden = torch.where(tokens[..., None], expected_output(hidden, edit), hidden)
    return hidden


def expected_tokens(mask: Tensor, columns: range, phase: str, positions: Span | None = None) -> Tensor:
    """Where an edit applies: bool [batch, width]. The real tokens of the prompt belong to the phase "prefill", every
    later token to "decode"; both belong to "both". positions: only those of each row."""
    prompt = mask != 0 if phase in {"both", "prefill"} else torch.zeros_like(mask, dtype=torch.bool)
    later = max(0, columns.stop - mask.shape[1])
    answer = torch.full((len(mask), later), phase in {"both", "decode"}, device=mask.device)
    tokens = torch.cat([prompt, answer], 1)
    if positions is not None:
        padding, prompts = (mask == 0).sum(1, keepdim=True), (mask != 0).sum(1, keepdim=True)
        before = torch.cat([torch.zeros_like(prompts), (mask != 0).long().cumsum(1)], 1)[:, : mask.shape[1]]
        after = torch.arange(mask.shape[1], mask.shape[1] + later, device=mask.device) - padding
        tokens = tokens & within(positions, torch.cat([before, after], 1), prompts)
    return tokens[:, columns.start : columns.stop]


def within(positions: Span, absolute: Tensor, prompts: Tensor) -> Tensor:
    """Whether absolute positions lie in a half-open range, whose negative bounds count from the end of the prompt.

    absolute: int64, the positions; prompts: int64, broadcast against them, the length of each token's prompt.
    """
    first, stop = positions.start, positions.stop
    early = absolute - prompts < first if first < 0 else absolute < first
    if stop is None:
        return ~early
    return ~early & ~(absolute - prompts >= stop if stop < 0 else absolute >= stop)


def expected_output(hidden: Tensor, edit: Edit) -> Tensor:
    """hidden: [..., hidden] -> the same shape and dtype, edited at every token, in the features of the edit.

    Add: the product in float32, rounded once to the model's dtype, added in that dtype. All others: in float32, the result
    rounded once.
    """
    result = hidden + shift_of(edit, hidden) if isinstance(edit, Add) else wide_output(hidden.float(), edit)
    if edit.features is None:
        return result.to(hidden.dtype)
    kept, chosen = hidden.clone(), slice(edit.features.start, edit.features.stop)
    kept[..., chosen] = result[..., chosen].to(hidden.dtype)
    return kept


def shift_of(edit: Add, hidden: Tensor) -> Tensor:
    """What is added to every token: [hidden], in the dtype of the model."""
    return (edit.vector.to(hidden.device, torch.float32) * edit.coefficient).to(hidden.dtype)


def wide_output(wide: Tensor, edit: Ablate | Set | Scale | Interpolate | Affine) -> Tensor:
    """wide: float32 [..., hidden] -> float32, the same shape, edited at every token and in every feature.

    Ablate: the projection on the unit vector is removed. Set: the vector. Scale: times the coefficient. Interpolate:
    (1 - coefficient) of the token plus coefficient of the vector. Affine: the projection of the token minus the reference
    is removed, and the vector times the coefficient added.
    """
    if isinstance(edit, Scale):
        return wide * edit.coefficient
    vector = edit.vector.to(wide.device, torch.float32)
    if isinstance(edit, Set):
        return torch.zeros_like(wide) + vector
    if isinstance(edit, Interpolate):
        return (1 - edit.coefficient) * wide + edit.coefficient * vector
    direction = vector / vector.norm(dim=-1)
    if isinstance(edit, Affine):
        off = (wide - edit.reference.to(wide.device, torch.float32)) @ direction
        return wide - off[..., None] * direction + edit.coefficient * vector
    return wide - (wide @ direction)[..., None] * direction
