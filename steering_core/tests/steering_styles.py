"""Steering tools in unusual styles, each correct, and each wrong in the ways that a `Mover` knows."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, pad
from steering_core.tests.steering_mover import Mover, Rows
from steering_core.tools.edits import Edit


@dataclass(frozen=True)
class Style:
    """A tool that generates in the way of `run(model, prompts, mover, new)`, which gives the answers."""

    name: str
    run: Callable[..., Rows]
    inside: bool = False
    fault: str = ""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new: int) -> Tensor:
        """As a tool."""
        with Mover(edits, self.inside, self.fault).on(model) as mover:
            return torch.tensor(self.run(model, rows_of(batch), mover, new))


def rows_of(batch: TokenBatch) -> Rows:
    """The prompts, without padding."""
    return [row[mask.bool()].tolist() for row, mask in zip(batch.ids, batch.mask, strict=True)]


def forward(model: LoadedModel, ids: Tensor, mask: Tensor, cache: Any, cached: bool, embeddings: bool = False) -> Any:
    """One forward; mask: int64 [batch, past + width]."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    given = {"inputs_embeds": model.module.get_input_embeddings()(ids)} if embeddings else {"input_ids": ids}
    return model.module(**given, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=cached)


def greedy(
    model: LoadedModel,
    prompts: Rows,
    mover: Mover,
    new: int,
    chunk: int = 0,
    embeddings: bool = False,
    cache: Any = None,
    prefix: int = 0,
) -> Rows:
    """A greedy loop of one's own with a KV cache. chunk: tokens per forward of the prompts, 0 for all. cache: holds the
    first `prefix` tokens of every row."""
    batch = pad([row[prefix:] for row in prompts], 0)
    mask = torch.cat([torch.ones(len(prompts), prefix, dtype=torch.long), batch.mask], 1)
    for start in range(0, batch.ids.shape[1], chunk or batch.ids.shape[1]):
        ids = batch.ids[:, start : start + (chunk or batch.ids.shape[1])]
        stop = start + ids.shape[1]
        last = torch.arange(start, stop)[None] == batch.last[:, None]
        real = batch.mask[:, start:stop].bool()
        mover.told(real, torch.zeros_like(real), last)
        out = forward(model, ids, mask[:, : prefix + stop], cache, True, embeddings)
        cache = out.past_key_values
    answers = [out.logits[:, -1].argmax(-1, keepdim=True)]
    while len(answers) < new:
        mask = torch.cat([mask, torch.ones_like(answers[-1])], 1)
        real = torch.ones_like(answers[-1]).bool()
        mover.told(real, real, torch.zeros_like(real))
        out = forward(model, answers[-1], mask, cache, True, embeddings)
        answers.append(out.logits[:, -1].argmax(-1, keepdim=True))
    return list(torch.cat(answers, 1).tolist())


def greedy_without_cache(
    model: LoadedModel, prompts: Rows, mover: Mover, new: int, side: Literal["left", "right"] = "left"
) -> Rows:
    """The same without a KV cache: the whole sequence again for every token."""
    sequences = [list(prompt) for prompt in prompts]
    for _ in range(new):
        batch = pad(sequences, 0, side)
        positions = batch.mask.cumsum(1)
        lengths = torch.tensor([len(prompt) for prompt in prompts])[:, None]
        real = batch.mask.bool()
        mover.told(real, real & (positions > lengths), real & (positions == lengths))
        logits = forward(model, batch.ids, batch.mask, None, False).logits
        for row, chosen in zip(sequences, batch.at_last(logits).argmax(-1).tolist(), strict=True):
            row.append(chosen)
    return [row[-new:] for row in sequences]


def by_generate(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """The model's own generate, on these rows alone."""
    batch = pad(prompts, 0)

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        width = int(kwargs["input_ids"].shape[1])
        prompt, cached = batch.mask.shape[1], width == 1
        mask = torch.nn.functional.pad(batch.mask, (0, max(0, width - prompt)), value=1).bool()
        mask = torch.ones(len(prompts), 1).bool() if cached else mask
        columns = torch.full((1,), prompt) if cached else torch.arange(width)
        mover.told(mask, mask & (columns >= prompt), mask & (columns == prompt - 1))

    handle = model.module.register_forward_pre_hook(before, with_kwargs=True)
    ids = model.module.generate(batch.ids, attention_mask=batch.mask, generation_config=model.decoding(new))
    handle.remove()
    return list(ids[:, batch.ids.shape[1] :].tolist())


def row_by_row(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """One prompt after the other."""
    return [by_generate(model, [prompt], mover, new)[0] for prompt in prompts]


def reversed_in_threes(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """Micro-batches of three, the last prompts first."""
    order = prompts[::-1]
    groups = [order[start : start + 3] for start in range(0, len(order), 3)]
    return [answer for group in groups for answer in by_generate(model, group, mover, new)][::-1]


def sorted_without_duplicates(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """Each different prompt once, by length."""
    different = sorted({tuple(prompt) for prompt in prompts}, key=len)
    answers = greedy(model, [list(prompt) for prompt in different], mover, new)
    return [answers[different.index(tuple(prompt))] for prompt in prompts]


def prompt_cache(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """What all prompts begin with is computed once, and expanded to a batch."""
    prefix, cache = _shared(model, prompts, mover)
    cache.batch_repeat_interleave(len(prompts))
    return greedy(model, prompts, mover, new, cache=cache, prefix=prefix)


def copied_prompt_cache(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """The same, copied for one prompt after the other."""
    prefix, cache = _shared(model, prompts, mover)
    copies = (copy.deepcopy(cache) for _ in prompts)
    return [
        greedy(model, [prompt], mover, new, cache=own, prefix=prefix)[0]
        for prompt, own in zip(prompts, copies, strict=True)
    ]


def _shared(model: LoadedModel, prompts: Rows, mover: Mover) -> tuple[int, Any]:
    shortest = min(map(len, prompts))
    prefix = next((n for n in range(shortest) if len({row[n] for row in prompts}) > 1), shortest - 1)
    ids = torch.tensor([prompts[0][:prefix]])
    real = torch.ones_like(ids).bool()
    mover.told(real, torch.zeros_like(real), torch.zeros_like(real))
    return prefix, forward(model, ids, torch.ones_like(ids), None, True).past_key_values


def interleaved(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """The first token of every row, each alone; then the second of every row, and so on."""
    caches, answers = [None for _ in prompts], [list[int]() for _ in prompts]
    for step in range(new):
        for row, prompt in enumerate(prompts):
            ids = torch.tensor([answers[row][-1:] or prompt])
            real = torch.ones_like(ids).bool()
            last = torch.arange(ids.shape[1])[None] == (len(prompt) - 1 if step == 0 else -1)
            mover.told(real, real & (step > 0), last)
            mask = torch.ones(1, len(prompt) + step, dtype=torch.long)
            out = forward(model, ids, mask, caches[row], True)
            caches[row] = out.past_key_values
            answers[row].append(int(out.logits[0, -1].argmax()))
    return answers


def packed(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
    """All rows one after the other in one, kept apart by a mask of four dimensions; without a cache."""
    sequences = [list(prompt) for prompt in prompts]
    for _ in range(new):
        owners = torch.tensor([number for number, row in enumerate(sequences) for _ in row])
        positions = torch.cat([torch.arange(len(row)) for row in sequences])[None]
        lengths = torch.tensor([len(prompts[number]) for number in owners.tolist()])[None]
        mover.told(positions >= 0, positions >= lengths, positions == lengths - 1)
        ids = torch.tensor([[token for row in sequences for token in row]])
        apart = ((owners[:, None] == owners[None]) & torch.ones(len(owners), len(owners)).tril().bool())[None, None]
        logits = model.module(input_ids=ids, attention_mask=apart, position_ids=positions, use_cache=False).logits
        ends = torch.tensor([len(row) for row in sequences]).cumsum(0) - 1
        for row, chosen in zip(sequences, logits[0, ends].argmax(-1).tolist(), strict=True):
            row.append(chosen)
    return [row[-new:] for row in sequences]


def warmed_up(prompts_of: Callable[[Rows], Rows]) -> Callable[..., Rows]:
    """A run that first runs other prompts, unsteered."""

    def run(model: LoadedModel, prompts: Rows, mover: Mover, new: int) -> Rows:
        batch = pad(prompts_of(prompts), 0)
        mover.told(*(torch.zeros_like(batch.mask).bool() for _ in range(3)))
        forward(model, batch.ids, batch.mask, None, True)
        return by_generate(model, prompts, mover, new)

    return run


STYLES: dict[str, Callable[..., Rows]] = {
    "generate": by_generate,
    "row by row": row_by_row,
    "threes, reversed": reversed_in_threes,
    "sorted, no duplicates": sorted_without_duplicates,
    "own loop, cache": greedy,
    "own loop, chunks": partial(greedy, chunk=4),
    "own loop, embeddings": partial(greedy, embeddings=True),
    "own loop, no cache": greedy_without_cache,
    "own loop, right padding": partial(greedy_without_cache, side="right"),
    "prompt cache": prompt_cache,
    "prompt cache, copied": copied_prompt_cache,
    "interleaved": interleaved,
    "packed": packed,
    "warm-up on another prompt": warmed_up(lambda prompts: [[5, 6, 7]]),
    "warm-up on the first token": warmed_up(lambda prompts: [prompts[0][:1]]),
    "warm-up on the prompts": warmed_up(lambda prompts: prompts),
}
