"""The reference generation: greedy decoding with plain PyTorch pre-hooks, written without `generate`.

It edits the input of the next block by the observers' own arithmetic and positions, so it shares neither code nor hook
point with the tools it is compared with. (What attention or MLP returns inside a block can be edited only there.)
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LogitsProcessorList, RepetitionPenaltyLogitsProcessor

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.observe.expectation import ColumnCounter, check_editable, expected_stream, on_device
from steering_core.tools.edits import Edit


def generate(model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
    """New token ids, int64 [batch, <= max_new_tokens], greedy; finished rows continue with the padding id."""
    with steered(model, edits, batch.mask):
        return decode(model, batch, max_new_tokens)


def decode(model: LoadedModel, batch: TokenBatch, max_new_tokens: int) -> Tensor:
    """The same for the model as it is, with whatever hooks it has."""
    config = model.decoding(max_new_tokens)
    stops = end_tokens(config, batch.ids.device)
    mask, ids, positions = batch.mask, batch.ids, batch.position_ids
    done = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    cache, whole, inherited = None, ids, processors(config)
    with model.inference():
        for _ in range(max_new_tokens):
            inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
            out = model.module(**inputs, past_key_values=cache, use_cache=model.use_cache, logits_to_keep=1)
            cache = out.past_key_values
            scores = inherited(whole, out.logits[:, -1].float())
            ids = scores.argmax(-1, keepdim=True).masked_fill(done[:, None], config.pad_token_id)
            whole = torch.cat([whole, ids], -1)
            done = done | torch.isin(ids[:, 0], stops)
            if bool(done.all()):
                break
            mask = torch.cat([mask, torch.ones_like(ids)], -1)
            positions = mask.sum(-1, keepdim=True) - 1
            if not model.use_cache:
                ids, positions = whole, (mask.cumsum(-1) - 1).clamp(min=0)
    return whole[:, batch.ids.shape[1] :]


def processors(config: GenerationConfig) -> LogitsProcessorList:
    """What a checkpoint's own defaults change about greedy decoding: nothing unless they are inherited (`as_run`)."""
    penalty = config.repetition_penalty
    return LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty)] if penalty not in (None, 1.0) else [])


@contextmanager
def steered(model: LoadedModel, edits: Sequence[Edit], mask: Tensor) -> Iterator[None]:
    """Apply edits to the input of the following module, and those inside a block to the output of the module that writes
    the stream, at real tokens; hooks are removed at the end. ToolUnsupported for a stream that is not `EDITABLE`."""
    check_editable(edits)
    followers = [*model.blocks][1:] + [model.module_at(model.architecture.final_norm)]
    with ExitStack() as hooks:
        for edit in edits:
            edit = on_device(edit, model.device)
            counter = ColumnCounter(model.use_cache)
            if edit.site.stream == "resid_post":
                follower, hook = followers[edit.site.layer], _hook(edit, mask, counter)
                hooks.callback(follower.register_forward_pre_hook(hook, with_kwargs=True).remove)
            else:
                writer = model.module_at(model.architecture.tap(edit.site).path)
                hooks.callback(writer.register_forward_hook(_output_hook(edit, mask, counter)).remove)
        yield


def _hook(edit: Edit, mask: Tensor, counter: ColumnCounter) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        changed = expected_stream(hidden, [edit], mask, counter.next(hidden.shape[1]))
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    return hook


def _output_hook(edit: Edit, mask: Tensor, counter: ColumnCounter) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        changed = expected_stream(hidden, [edit], mask, counter.next(hidden.shape[1]))
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook


def end_tokens(config: GenerationConfig, device: torch.device) -> Tensor:
    """The ids that end an answer: int64 [ends], empty if nothing does."""
    ends = config.eos_token_id
    listed = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    return torch.tensor(listed, dtype=torch.long, device=device)
