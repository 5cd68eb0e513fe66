"""transformers' continuous batching: plain hooks while `generate_batch` runs, in any environment that has it.

As its documentation says: one list of token ids per prompt, no padding. Every forward call carries one row, in which the new
tokens of all prompts follow one another, and attention works on a paged cache. Position ids and cumulative lengths say
which token is which.
https://huggingface.co/docs/transformers/main/en/continuous_batching
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import ContinuousBatchingConfig

from steering_core.errors import ToolUnsupported
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import MODES, Action
from steering_core.tools.edits import Edit
from steering_core.tools.offers import Offers
from steering_core.tools.preparation import check_prompts, check_sites, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed

PAGE = 16
"""Tokens of a page of the cache: without a size, a CPU gives the cache most of its memory, and minutes to fill it."""


class ContinuousBatching:
    """Reads with hooks that copy, steers with hooks that return a new tensor, while `generate_batch` feeds the model."""

    name = "continuous_batching"
    offers = Offers(no_cache=False, chunked_prefill=False, modes=MODES, feature_ranges=True, packed_prompts=True)

    def version(self) -> ToolVersion:
        """transformers' version."""
        return installed("transformers", "transformers")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason why the model has no such site, or why it cannot be edited."""
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """The forward calls of the prompts -> {site: [batch, seq, width]}, in the model's dtype, zero at padding."""
        check_sites(model, sites)
        calls = PackedCalls()
        kept: dict[Site, list[Tensor]] = {site: [] for site in sites}
        with calls.followed(model), ExitStack() as hooks:
            for site in kept:
                hooks.callback(_capture(model, site, kept[site]).remove)
            _answers(model, batch, 1)
        return {site: calls.unpacked(tensors, batch.to(model.device)) for site, tensors in kept.items()}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        _check(model, edits)
        calls = PackedCalls()
        with calls.followed(model), ExitStack() as hooks:
            for path, group in edits_by_module(model, edits).items():

                def steer(module: Any, args: Any, output: Any, group: Sequence[Edit] = group) -> Any:
                    return calls.edited(output, group)

                hooks.callback(model.module_at(path).register_forward_hook(steer).remove)
            answers = _answers(model, batch, max_new_tokens)
        padding = model.decoding(1).pad_token_id
        width = max(map(len, answers))
        rows = [answer + [padding] * (width - len(answer)) for answer in answers]
        return torch.tensor(rows, dtype=torch.long, device=model.device)


@dataclass(frozen=True, eq=False)
class PackedCall:
    """One forward call. ids, positions: int64 [tokens]. ends: where each prompt's tokens end."""

    ids: Tensor
    positions: Tensor
    ends: list[int]

    def runs(self) -> Iterator[slice]:
        """The columns of each prompt."""
        for start, end in zip([0, *self.ends], self.ends, strict=False):
            yield slice(start, end)

    def in_phase(self, phase: str) -> Tensor:
        """bool [tokens]: a run that begins at position 0 is a prompt, which is never split here; others are new tokens."""
        chosen = torch.zeros(len(self.positions), dtype=torch.bool, device=self.positions.device)
        for run in self.runs():
            first = int(self.positions[run][0]) == 0
            chosen[run] = phase == "both" or first == (phase == "prefill")
        return chosen


@dataclass(eq=False)
class PackedCalls:
    """The forward calls of one `generate_batch`, the last of which is under way."""

    calls: list[PackedCall] = field(default_factory=list)

    @contextmanager
    def followed(self, model: LoadedModel) -> Iterator[None]:
        """Keep what each forward call is given. Its tensors are used anew for the next call, and so are copied."""

        def keep(module: Any, args: Any, given: dict[str, Any]) -> None:
            ends = given["cu_seq_lens_q"].tolist()[1:]
            ids, positions = (given[name][0].long().clone() for name in ("input_ids", "position_ids"))
            self.calls.append(PackedCall(ids, positions, ends))

        handle = model.module.base_model.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def edited(self, output: Any, edits: Sequence[Edit]) -> Any:
        """A module's output in the call under way, [1, tokens, hidden] or a tuple that begins with it, edited."""
        hidden = output[0] if isinstance(output, tuple) else output
        for edit in edits:
            chosen = self.calls[-1].in_phase(edit.phase)[None, :, None].to(hidden.device)
            hidden = torch.where(chosen, edit.apply(hidden), hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def unpacked(self, tensors: Sequence[Tensor], batch: TokenBatch) -> Tensor:
        """tensors: [1, tokens, width] of each call -> [batch, seq, width]: every prompt gets the run of its own tokens."""
        values = tensors[0].new_zeros((*batch.ids.shape, tensors[0].shape[-1]))
        runs: dict[tuple[int, ...], Tensor] = {}
        for call, tensor in zip(self.calls, tensors, strict=True):
            runs |= {tuple(call.ids[run].tolist()): tensor[0, run] for run in call.runs()}
        values[batch.mask.bool()] = torch.cat([runs[tuple(prompt)] for prompt in batch.prompts()])
        return values


def _answers(model: LoadedModel, batch: TokenBatch, max_new_tokens: int) -> list[list[int]]:
    """`generate_batch` of the prompts -> the new token ids of each. A call can hold every token, so no prompt is split."""
    prompts = batch.prompts()
    pages = sum(-(-(len(prompt) + max_new_tokens) // PAGE) + 1 for prompt in prompts)
    settings = ContinuousBatchingConfig(
        page_size=PAGE,
        num_blocks=pages,
        max_batch_tokens=max(sum(map(len, prompts)), 8),
        allow_block_sharing=False,
        auto_switch_to_flash=False,
    )
    config = model.decoding(max_new_tokens)
    found = model.module.generate_batch(prompts, config, continuous_batching_config=settings)
    if len(found) < len(prompts) or any(answer.error for answer in found.values()):
        reason = next((str(answer.error) for answer in found.values() if answer.error), "no answer")
        raise RuntimeError(f"generate_batch answered {len(found)} of {len(prompts)} prompts: {reason}")
    return [list(answer.generated_tokens) for answer in found.values()]


def _check(model: LoadedModel, edits: Sequence[Edit]) -> None:
    """ToolUnsupported for what continuous batching does not have."""
    if not model.use_cache or model.prefill_chunk:
        raise ToolUnsupported("cache", "continuous batching has a paged cache, and splits prompts itself", "use_cache")
    if any(edit.positions is not None for edit in edits):
        raise ToolUnsupported("edit-range", "this adapter edits every position of a phase", "positions=None")


def _capture(model: LoadedModel, site: Site, kept: list[Tensor]) -> Any:
    """Hook the site's module so that its tensor is copied, once per forward call."""
    tap, columns = model.architecture.tap(site), model.columns(site)
    module = model.module_at(tap.path)

    def copy(value: Any) -> None:
        hidden = value[0] if isinstance(value, tuple) else value
        kept.append(hidden[..., columns].detach().to(model.device, copy=True))

    if tap.side == "input":
        return module.register_forward_pre_hook(lambda module, args: copy(args))
    return module.register_forward_hook(lambda module, args, output: copy(output))
