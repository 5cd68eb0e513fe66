"""Many conditions of the reference as one batch, in which each row has its own steering vector, strength and blocks.

Under exact arithmetic a row's numbers do not depend on the other rows, so every condition gets the tokens, bit for bit,
that it would get alone. With plain kernels it would not: use this for exact models only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.errors import ToolUnsupported
from steering_core.measure import reference
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, pad
from steering_core.observe.expectation import ColumnCounter, check_editable, expected_tokens
from steering_core.tools.edits import Add, Edit

MOST_ROWS = 480
"""Rows of one forward on a CPU; on a GPU also no more than fit."""
MEMORY_SHARE = 0.25
"""Of a GPU's free memory, what the KV cache of one batch may take: attention copies it, once per layer, in float32."""


@dataclass(frozen=True, eq=False)
class Condition:
    """One steered generation: left-padded prompts, and what is added to their rows; no edits: unsteered."""

    batch: TokenBatch
    edits: Sequence[Edit]


def generate(
    model: LoadedModel, conditions: Sequence[Condition], max_new_tokens: int, most_rows: int = 0
) -> list[Tensor]:
    """Per condition, what `reference.generate` gives for it alone: int64 [rows, <= max_new_tokens].

    most_rows: of one forward; 0: as many as fit. ToolUnsupported for an edit that rows cannot have of their own.
    """
    answers: dict[int, Tensor] = {}
    for group in groups(model, conditions, max_new_tokens, most_rows):
        together = _merged(model, [conditions[number] for number in group], max_new_tokens)
        answers |= dict(zip(group, together, strict=True))
    return [answers[number] for number in range(len(conditions))]


def additions(edits: Sequence[Edit]) -> dict[int, Add]:
    """Block -> what is added to its output; ToolUnsupported for other edits, for ranges, and for several at one block."""
    check_editable(edits, ["resid_post"])
    everywhere = [edit for edit in edits if edit.phase == "both" and edit.positions is None and edit.features is None]
    added = {edit.site.layer: edit for edit in everywhere if isinstance(edit, Add)}
    if len(added) < len(edits):
        sentence = "a row of a batch can have one addition of its own per block, in both phases"
        raise ToolUnsupported("row-edits", sentence, "run other edits with reference.generate")
    return added


def groups(
    model: LoadedModel, conditions: Sequence[Condition], max_new_tokens: int, most_rows: int = 0
) -> Iterator[list[int]]:
    """The numbers of the conditions that share a batch: within the limit of rows, or one condition alone.

    What a checkpoint's own defaults do to tokens may look at padding too: then only equally wide prompts share one.
    """
    alike = bool(reference.processors(model.decoding(max_new_tokens)))
    widths: dict[int, list[int]] = defaultdict(list)
    for number, condition in enumerate(conditions):
        widths[condition.batch.ids.shape[1] if alike else 0].append(number)
    for numbers in widths.values():
        width = max(conditions[number].batch.ids.shape[1] for number in numbers)
        most = most_rows or rows_that_fit(model, width + max_new_tokens)
        group: list[int] = []
        for number in numbers:
            if group and sum(len(conditions[each].batch.ids) for each in [*group, number]) > most:
                yield group
                group = []
            group.append(number)
        yield group


def rows_that_fit(model: LoadedModel, tokens: int) -> int:
    """How many rows of so many tokens one forward may have."""
    if model.device.type != "cuda":
        return MOST_ROWS
    spec, free = model.spec, torch.cuda.mem_get_info(model.device)[0]
    row = 2 * spec.layers * spec.kv_heads * spec.head_dim * tokens * model.dtype.itemsize
    return min(MOST_ROWS, int(free * MEMORY_SHARE / row))


def _merged(model: LoadedModel, conditions: Sequence[Condition], max_new_tokens: int) -> list[Tensor]:
    """Generate them as one batch; each answer is as wide as alone, where decoding ends with the last row."""
    batch = _beside_each_other([condition.batch for condition in conditions])
    ends = reference.end_tokens(model.decoding(max_new_tokens), batch.ids.device)
    with steered_rows(model, conditions, batch.mask):
        ids = reference.decode(model, batch, max_new_tokens)
    parts = ids.split([len(condition.batch.ids) for condition in conditions])
    return [part[:, : _steps(part, ends)] for part in parts]


def _beside_each_other(batches: Sequence[TokenBatch]) -> TokenBatch:
    """One left-padded batch of all rows; a batch alone stays as it is."""
    if len(batches) == 1:
        return batches[0]
    rows = [ids[mask.bool()].tolist() for batch in batches for ids, mask in zip(batch.ids, batch.mask, strict=True)]
    # Padding is masked, but what a checkpoint's defaults do to tokens may see it: keep the value that the batches have.
    padding = next((int(batch.ids[batch.mask == 0][0]) for batch in batches if not bool(batch.mask.all())), 0)
    return pad(rows, padding).to(batches[0].ids.device)


def _steps(ids: Tensor, ends: Tensor) -> int:
    """After how many steps every row has had an end token; all steps if one never has."""
    ended = torch.isin(ids, ends).cumsum(1) > 0
    return min(int((~ended.all(0)).sum()) + 1, ids.shape[1])


@contextmanager
def steered_rows(model: LoadedModel, conditions: Sequence[Condition], mask: Tensor) -> Iterator[None]:
    """Add each condition's vectors to its own rows at the input of the following module; hooks are removed at the end."""
    followers = [*model.blocks][1:] + [model.module_at(model.architecture.final_norm)]
    of_block: dict[int, list[tuple[range, Add]]] = defaultdict(list)
    first = 0
    for condition in conditions:
        rows = range(first, first := first + len(condition.batch.ids))
        for block, edit in additions(condition.edits).items():
            of_block[block].append((rows, edit))
    with ExitStack() as hooks:
        for block, edits in of_block.items():
            hook = _hook(edits, mask, ColumnCounter(model.use_cache))
            hooks.callback(followers[block].register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


def _hook(
    edits: Sequence[tuple[range, Add]], mask: Tensor, counter: ColumnCounter
) -> Callable[[nn.Module, Any, Any], Any]:
    rows = torch.tensor([row for of_edit, _ in edits for row in of_edit], device=mask.device)
    shifts: list[Tensor] = []

    def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        if not shifts:  # the first call shows on which device the block computes, and in which dtype
            shifts.append(_shifts(edits, hidden))
        tokens = expected_tokens(mask, counter.next(hidden.shape[1]), "both")[rows].to(hidden.device)
        own = rows.to(hidden.device)
        moved = torch.where(tokens[..., None], hidden[own] + shifts[0], hidden[own])
        changed = hidden.index_copy(0, own, moved)
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    return hook


def _shifts(edits: Sequence[tuple[range, Add]], hidden: Tensor) -> Tensor:
    """[steered rows, 1, hidden]: what is added to each row, a float32 product rounded once to the model's dtype."""
    shifts = [(edit.vector.to(hidden.device, torch.float32) * edit.coefficient).to(hidden.dtype) for _, edit in edits]
    return torch.cat([shift.expand(len(rows), 1, -1) for (rows, _), shift in zip(edits, shifts, strict=True)])
