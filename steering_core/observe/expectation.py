"""What steering must do to the residual stream, computed from the prompt mask, the absolute positions, the vectors and
the coefficients alone.

Nothing here is shared with the tools: a defect in what they share must not move the expected value too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.tools.edits import Add, Edit


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


def check_editable(edits: Sequence[Edit]) -> None:
    """ToolUnsupported unless every edit is of `resid_post`, the stream that is observed between two blocks."""
    if other := [edit.site for edit in edits if edit.site.stream != "resid_post"]:
        raise ToolUnsupported("edit-site", f"the reference cannot edit {other[0]}", "edit resid_post")


def expected_stream(hidden: Tensor, edits: Sequence[Edit], mask: Tensor, columns: range) -> Tensor:
    """hidden: [batch, width, hidden], a block's own output in a call that carries `columns` -> the same shape, after the
    edits of that block, in order.

    mask: int64 [batch, prompt], 1 at real tokens.
    """
    return edited(hidden, edits, lambda phase: expected_tokens(mask, columns, phase))


def edited(hidden: Tensor, edits: Sequence[Edit], tokens_of: Callable[[str], Tensor]) -> Tensor:
    """hidden: [batch, width, hidden] -> the same shape, edited in order, each edit at the tokens of its phase: bool
    [batch, width]."""
    for edit in edits:
        tokens = tokens_of(edit.phase).to(hidden.device)
        hidden = torch.where(tokens[..., None], expected_output(hidden, edit), hidden)
    return hidden


def expected_tokens(mask: Tensor, columns: range, phase: str) -> Tensor:
    """Where an edit applies: bool [batch, width]. The real tokens of the prompt belong to the phase "prefill", every
    later token to "decode"; both belong to "both"."""
    prompt = mask != 0 if phase in {"both", "prefill"} else torch.zeros_like(mask, dtype=torch.bool)
    later = max(0, columns.stop - mask.shape[1])
    answer = torch.full((len(mask), later), phase in {"both", "decode"}, device=mask.device)
    return torch.cat([prompt, answer], 1)[:, columns.start : columns.stop]


def expected_output(hidden: Tensor, edit: Edit) -> Tensor:
    """hidden: [..., hidden] -> the same shape and dtype, edited at every token.

    Add: the product in float32, rounded once to the model's dtype, added in that dtype. Ablate: the projection on the
    unit vector, removed in float32, the result rounded once.
    """
    vector = edit.vector.to(hidden.device, torch.float32)
    if isinstance(edit, Add):
        return hidden + (vector * edit.coefficient).to(hidden.dtype)
    direction = vector / vector.norm(dim=-1)
    wide = hidden.to(torch.float32)
    return (wide - (wide @ direction)[..., None] * direction).to(hidden.dtype)
