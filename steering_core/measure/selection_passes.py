"""Forward passes for selection methods (`directions.scoring.candidates.ForwardPasses`) on one loaded model.

All candidates, of every position, layer and stream, come from one pass over the training prompts of a class.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from steering_core.directions import find_selection
from steering_core.directions.scoring.candidates import Candidate, LastTokens, PromptClass, Selection, make_candidates
from steering_core.directions.scoring.interventions import Intervention, Stream
from steering_core.directions.scoring.prompt_split import PromptSplit, split_prompts, unsplit
from steering_core.directions.scoring.variants import find_variant
from steering_core.measure.interventions import intervened
from steering_core.models.model import LoadedModel
from steering_core.models.template import post_instruction_length
from steering_core.models.tokens import TokenBatch, encode
from steering_core.observe.forward_trace import first_tensor


@dataclass(frozen=True, eq=False)
class _TrainingRows:
    """residual: [prompts, positions, blocks + 1, hidden], the input of the first block and the output of every block;
    last: the last tokens."""

    residual: Tensor
    last: LastTokens


@dataclass(eq=False)
class ModelPasses:
    """prompts: of each class. positions: of candidates, negative, from the last token backward; by default every token
    of the chat template after the instruction. layers: of candidates; by default every block. forwards: batches run so
    far."""

    model: LoadedModel
    prompts: Mapping[PromptClass, PromptSplit]
    positions: Sequence[int] = ()
    layers: Sequence[int] = ()
    batch_size: int = 32
    forwards: int = field(default=0, init=False)
    _training: dict[PromptClass, _TrainingRows] = field(default_factory=dict, init=False)

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.model.blocks)

    @cached_property
    def candidate_positions(self) -> tuple[int, ...]:
        """Ascending, the last token last."""
        every = [text for split in self.prompts.values() for text in (*split.training, *split.validation)]
        count = post_instruction_length(self.model.tokenizer, every)
        return tuple(self.positions) or tuple(range(-count, 0))

    @cached_property
    def refusal_ids(self) -> list[int]:
        """First tokens that the unedited model gives to harmful training prompts and to no harmless one."""
        first = {name: set(self.training(name).logits.argmax(-1).tolist()) for name in self.prompts}
        return sorted(first["harmful"] - first["harmless"])

    def candidates(self, stream: Stream) -> list[Candidate]:
        """At every position and layer, from the training prompts."""
        layers = tuple(self.layers) or tuple(range(self.depth))
        columns = [layer + (stream == "resid_post") for layer in layers]
        rows = [self._train(name).residual[:, :, columns] for name in ("harmful", "harmless")]
        return make_candidates(rows[0], rows[1], self.candidate_positions, layers)

    def training(self, prompts: PromptClass) -> LastTokens:
        """Last tokens of the unedited training prompts, from the pass that gives the candidates."""
        return self._train(prompts).last

    def validation(self, prompts: PromptClass, intervention: Intervention = ()) -> LastTokens:
        """Last tokens of the validation prompts under an intervention."""
        parts = []
        with intervened(self.model, intervention):
            for batch in self._batches(self.prompts[prompts].validation):
                outputs, logits = self._forward(batch, (-1,))
                parts.append((outputs[:, 0, 1:], logits))
        return LastTokens(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _train(self, prompts: PromptClass) -> _TrainingRows:
        if prompts not in self._training:
            batches = self._batches(self.prompts[prompts].training)
            positions = sorted({*self.candidate_positions, -1})
            parts = [self._forward(batch, positions) for batch in batches]
            residual, logits = (torch.cat(part) for part in zip(*parts, strict=True))
            kept = residual[:, [positions.index(position) for position in self.candidate_positions]]
            self._training[prompts] = _TrainingRows(kept, LastTokens(residual[:, -1, 1:], logits))
        return self._training[prompts]

    def _batches(self, prompts: Sequence[str]) -> Iterator[TokenBatch]:
        for start in range(0, len(prompts), self.batch_size):
            chosen = prompts[start : start + self.batch_size]
            yield encode(self.model.tokenizer, chosen).to(self.model.device)

    def _forward(self, batch: TokenBatch, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        """One forward -> [prompts, positions, blocks + 1, hidden] of the residual stream, and last logits, on the CPU."""
        self.forwards += 1
        with _residual_stream(self.model) as stream, self.model.inference():
            out = self.model.module(**batch.inputs(), use_cache=False, **self.model.last_logits_only)
        columns = torch.stack([batch.last + 1 + position for position in positions], 1)
        rows = torch.arange(len(batch.ids), device=columns.device)[:, None]
        hidden = [part[rows.to(part.device), columns.to(part.device)].float().cpu() for part in stream]
        return torch.stack(hidden, 2), out.logits[:, -1].float().cpu()


@contextmanager
def _residual_stream(model: LoadedModel) -> Iterator[list[Tensor]]:
    """Collects what the first block received and what every block returned, after all edits made before this opened."""
    stream: list[Tensor] = []

    def on_input(module: nn.Module, args: Any, kwargs: Any) -> None:
        stream.append(args[0] if args else kwargs["hidden_states"])

    with ExitStack() as hooks:
        hooks.callback(model.blocks[0].register_forward_pre_hook(on_input, with_kwargs=True).remove)
        for block in model.blocks:
            hook = block.register_forward_hook(lambda module, args, output: stream.append(first_tensor(output)))
            hooks.callback(hook.remove)
        yield stream


def divide_prompts(
    method: str, harmful: Sequence[str], harmless: Sequence[str], prefixes: Sequence[str] = ("",)
) -> dict[PromptClass, PromptSplit]:
    """Training and validation prompts of each class; the same prompts for both if the method's variant does not split."""
    variant = method.partition(":")[2]
    divide = split_prompts if not variant or find_variant(variant).split else unsplit
    return {"harmful": divide(harmful, prefixes=prefixes), "harmless": divide(harmless, prefixes=prefixes)}


def select_direction(method: str, passes: ModelPasses, **options: Any) -> Selection:
    """Run a selection method, `arditi` or `cosmic:VARIANT`, and note what it cost. options: of the method."""
    selection = find_selection(method)(passes, **options)
    shared = any(split.shared for split in passes.prompts.values())
    notes = {"positions": list(passes.candidate_positions), "forwards": passes.forwards, "shared_prompts": shared}
    selection.notes.update(notes)
    return selection
