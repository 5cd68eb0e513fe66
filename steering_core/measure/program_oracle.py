"""What is true about a program's calls on one model, computed without any tool, and kept for all of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from steering_core.localize.capture import read_sites
from steering_core.measure import reference
from steering_core.measure.experiment import Experiment
from steering_core.measure.known_values import KnownValues
from steering_core.models.generation_defaults import generation_defaults
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.row_matching import known_rows
from steering_core.observe.shifts import end_tokens
from steering_core.programs.building import SAMPLING, build_batch, build_edits, fed_as, last_generation
from steering_core.programs.program import Generate, Program, Prompts
from steering_core.records.thresholds import FLOOR_MARGIN


@dataclass(eq=False)
class ProgramOracle:
    """The batches, captured tensors and reference answers of one model's programs."""

    experiment: Experiment
    _batches: dict[Prompts, TokenBatch] = field(default_factory=dict, init=False)
    _answers: dict[tuple[Generate, str], Tensor] = field(default_factory=dict, init=False)
    _own: dict[tuple[Generate, str, tuple[tuple[int, ...], ...]], bool] = field(default_factory=dict, init=False)
    _batched: dict[tuple[Generate, int, tuple[int, ...]], float] = field(default_factory=dict, init=False)
    _pieces: dict[tuple[Generate, int, tuple[int, ...]], float] = field(default_factory=dict, init=False)
    _logits_kept: tuple[tuple[Generate, tuple[int, ...]], Tensor] | None = field(default=None, init=False)

    def batch(self, prompts: Prompts) -> TokenBatch:
        """The token ids that every tool gets."""
        if prompts not in self._batches:
            self._batches[prompts] = build_batch(self.experiment.model, prompts)
        return self._batches[prompts]

    def captured(self, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """{site: [batch, seq, width]} by the independent capture."""
        return read_sites(replace(self.experiment.model, module=self.experiment.pristine), batch, sites)

    @cached_property
    def known(self) -> KnownValues:
        """The digests of what is captured."""
        return KnownValues(self.captured, self.experiment.perform)

    def defaults(self, program: Program) -> dict[str, Any]:
        """What the checkpoint's generation config says during the program: end tokens are its own, and the second token of
        the first answer to the last call."""
        call = last_generation(program)
        if program.defaults == "sampling":
            return dict(SAMPLING)
        if program.defaults == "plain" or call is None:
            return {}
        first = self.answers(call.model_copy(update={"new_tokens": min(2, call.new_tokens)}), {})[0]
        return {"eos_token_id": [*end_tokens(self.model(call)), int(first[min(1, len(first) - 1)])]}

    def answers(self, call: Generate, defaults: Mapping[str, Any]) -> Tensor:
        """The reference's answers: int64 [batch, <= new_tokens], on the CPU."""
        key = call.model_copy(update={"object": 0, "chunk": 0}), json.dumps(defaults)
        if key not in self._answers:
            with generation_defaults(self.experiment.pristine, defaults):
                self._answers[key] = self._generate(call)
        return self._answers[key]

    def are_its_own(self, call: Generate, rows: Sequence[list[int]], defaults: Mapping[str, Any]) -> bool:
        """Whether answers, as `rows` gives them, are the reference's: it chooses each of their tokens itself after those
        before, and they end where they must. One forward tells; if it says no, rounding may be all that differs."""
        plain = call.model_copy(update={"object": 0, "chunk": 0})
        key = plain, json.dumps(defaults), tuple(map(tuple, rows))
        if key not in self._own:
            with generation_defaults(self.experiment.pristine, defaults):
                self._own[key] = self._chooses(plain, rows)
        return self._own[key]

    def _chooses(self, call: Generate, rows: Sequence[list[int]]) -> bool:
        model, width = self.model(call), max(map(len, rows), default=0)
        ends = end_tokens(model)
        if not width or reference.processors(model.decoding(call.new_tokens)):
            return False
        if any(len(row) < call.new_tokens and not {*row[-1:]} & {*ends} for row in rows):
            return False
        batch, padded = self.batch(call.prompts), [[*row, *[0] * (width - len(row))] for row in rows]
        chosen = self._whole(call, batch, [row[:-1] for row in padded], width).float().argmax(-1).tolist()
        return all(choice[: len(row)] == row for choice, row in zip(chosen, rows, strict=True))

    def rows(self, call: Generate, ids: Tensor, defaults: Mapping[str, Any]) -> list[list[int]]:
        """Each row's answer, up to and including its end token."""
        with generation_defaults(self.experiment.pristine, defaults):
            rows = known_rows(self.batch(call.prompts), ids, end_tokens(self.model(call)))
        return [list(row.tokens[row.prompt :]) for row in rows]

    def model(self, call: Generate) -> LoadedModel:
        """The untouched model, fed as the call says."""
        return fed_as(replace(self.experiment.model, module=self.experiment.pristine), call)

    def is_tie(self, call: Generate, row: int, answer: list[int], tokens: tuple[int, int]) -> bool:
        """Whether the reference, after the first tokens of an answer, is as near to one token as to another, up to what
        batching and feeding change by themselves: with a cache, and the prompt in chunks, if the call asks for them."""
        plain, first, second = call.model_copy(update={"object": 0, "chunk": 0}), *tokens
        together = self._together(plain, answer)[row]
        gap = abs(float(together[first] - together[second]))
        floors = (floor(each, row, answer) for floor, each in ((self._batching, plain), (self._feeding, call)))
        return any(gap <= FLOOR_MARGIN * floor for floor in floors)  # the second takes many forwards: only if needed

    def _batching(self, call: Generate, row: int, answer: list[int]) -> float:
        """How far the other rows move the logits of one, at most."""
        key = (call, row, tuple(answer))
        if key not in self._batched:
            distances = (self._together(call, answer)[row] - self._alone(call, row, answer)).abs()
            self._batched[key] = float(distances.max())
        return self._batched[key]

    def _feeding(self, call: Generate, row: int, answer: list[int]) -> float:
        """How far the logits of a row are moved at most by the pieces in which the call brings its tokens."""
        call = call.model_copy(update={"object": 0})
        key = (call, row, tuple(answer))
        if not call.cache:
            return 0.0
        if key not in self._pieces:
            together = self._together(call.model_copy(update={"chunk": 0}), answer)
            for number, distance in enumerate((together - self._fed(call, answer)).abs().amax(-1).tolist()):
                self._pieces[call, number, tuple(answer)] = distance
        return self._pieces[key]

    def _together(self, call: Generate, answer: list[int]) -> Tensor:
        """The reference's logits after an answer, of all rows; those asked for last are kept: rows follow each other."""
        key = (call, tuple(answer))
        if self._logits_kept is None or self._logits_kept[0] != key:
            batch = self.batch(call.prompts)
            self._logits_kept = (key, self._logits(call, batch, [answer] * len(batch.ids)))
        return self._logits_kept[1]

    def _alone(self, call: Generate, row: int, answer: list[int]) -> Tensor:
        """The reference's logits after an answer, of one row by itself."""
        batch = self.batch(call.prompts)
        ids = batch.ids[row : row + 1, batch.mask[row].bool()]
        one = TokenBatch(ids, torch.ones_like(ids), torch.tensor([ids.shape[1] - 1]), batch.side)
        return self._logits(call, one, [answer])[0]

    def _generate(self, call: Generate) -> Tensor:
        model = replace(self.model(call), prefill_chunk=None)
        edits = build_edits(model, call.steps)
        return reference.generate(model, self.batch(call.prompts), edits, call.new_tokens).cpu()

    def _logits(self, call: Generate, batch: TokenBatch, answers: list[list[int]]) -> Tensor:
        """The reference's logits after these answers: float64 [batch, vocabulary]."""
        return self._whole(call, batch, answers, 1)[:, -1].double()

    def _whole(self, call: Generate, batch: TokenBatch, answers: list[list[int]], last: int) -> Tensor:
        """The reference's logits after each of the last tokens, by one forward without a cache: [batch, last, vocabulary]."""
        model = replace(self.model(call), use_cache=False)
        inputs = _inputs(batch, answers)
        with model.inference(), reference.steered(model, build_edits(model, call.steps), batch.mask):
            logits: Tensor = model.module(**inputs, use_cache=False, logits_to_keep=last).logits
        return logits

    def _fed(self, call: Generate, answer: list[int]) -> Tensor:
        """The same of all rows, with a cache: the prompt in the call's chunks, then the answer token by token."""
        batch, model, cache = self.batch(call.prompts), replace(self.model(call), use_cache=True), None
        inputs = _inputs(batch, [answer] * len(batch.ids))
        prompt, whole = batch.ids.shape[1], inputs["input_ids"].shape[1]
        ends = [*range(call.chunk or prompt, prompt, call.chunk or prompt), *range(prompt, whole + 1)]
        with model.inference(), reference.steered(model, build_edits(model, call.steps), batch.mask):
            for start, end in pairwise([0, *ends]):
                piece = {name: value[:, start:end] for name, value in inputs.items()}
                piece["attention_mask"] = inputs["attention_mask"][:, :end]
                out = model.module(**piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = out.past_key_values
        logits: Tensor = out.logits
        return logits[:, -1].double()


def _inputs(batch: TokenBatch, answers: list[list[int]]) -> dict[str, Tensor]:
    """Prompts with the tokens after them, whole."""
    added = torch.tensor(answers, dtype=torch.long, device=batch.ids.device).reshape(len(answers), -1)
    ids, mask = torch.cat([batch.ids, added], -1), torch.cat([batch.mask, torch.ones_like(added)], -1)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
