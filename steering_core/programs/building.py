"""From a program's data to what a tool is given: token batches, edits and sites of one model."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch, chat_ids, pad, pad_id
from steering_core.programs.program import Generate, Program, Prompts, Range, Read, Step, Vector
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

QUESTION = 12
"""Tokens of a question to a chat model, at most."""
SAMPLING: dict[str, Any] = {
    **{"do_sample": True, "temperature": 1.5, "top_k": 5, "top_p": 0.8, "repetition_penalty": 1.7},
    **{"no_repeat_ngram_size": 2},
}
"""What a checkpoint's generation config may say, and greedy decoding must not follow."""


def build_batch(model: LoadedModel, prompts: Prompts) -> TokenBatch:
    """The batch of token ids, on the model's device; the same for every tool."""
    rows = list(_rows(model.tokenizer, prompts))
    return pad(rows, pad_id(model.tokenizer), prompts.side).to(model.device)


def _rows(tokenizer: Any, prompts: Prompts) -> Iterator[list[int]]:
    drawn = random.Random(prompts.seed)
    ordinary, special = vocabulary(tokenizer)
    own: list[int] = []
    for number, length in enumerate(_lengths(prompts, drawn)):
        if prompts.pattern == "repeated" and number % 2:
            yield own
            continue
        own = drawn.choices(ordinary, k=length)
        if prompts.pattern == "chat":
            own = chat_ids(tokenizer, tokenizer.decode(own[:QUESTION]))
        elif prompts.pattern == "special" and special:
            for place in range(1, length, 2):
                own[place] = drawn.choice(special)
        yield own


def _lengths(prompts: Prompts, drawn: random.Random) -> list[int]:
    if prompts.pattern == "equal":
        return [prompts.longest] * prompts.count
    shorter = [drawn.randint(1, prompts.longest) for _ in range(prompts.count - 1)]
    lengths = [prompts.longest, *shorter]
    return drawn.sample(lengths, len(lengths))


@lru_cache(maxsize=8)
def vocabulary(tokenizer: Any) -> tuple[list[int], list[int]]:
    """(ordinary, special) token ids."""
    special = sorted({int(number) for number in tokenizer.all_special_ids})
    return [number for number in range(len(tokenizer)) if number not in special], special


def build_sites(call: Read) -> list[Site]:
    """In the order of the call; SuiteError for a text that is no site."""
    return [parse_site(text) for text in call.sites]


def parse_site(text: str) -> Site:
    """`resid_post@3`."""
    stream, _, layer = text.partition("@")
    return Site(stream, int(layer) if layer.isdecimal() else -1)


def build_edits(model: LoadedModel, steps: Sequence[Step]) -> list[Edit]:
    """The edits of a call, in its order; vectors on the model's device."""
    return [edit_of(step, model.spec.hidden, model.device) for step in steps]


def edit_of(step: Step, hidden: int, device: torch.device) -> Edit:
    """One edit; vectors of `hidden` entries on the device."""
    common: dict[str, Any] = {"site": Site(step.stream, step.block), "phase": step.phase}
    common |= {"positions": _span(step.positions), "features": _span(step.features)}
    if step.action == "scale":
        return Scale(coefficient=step.coefficient, **common)
    common["vector"] = build_vector(step.vector, hidden).to(device)
    if step.action in {"ablate", "set"}:
        return Ablate(**common) if step.action == "ablate" else Set(**common)
    common["coefficient"] = step.coefficient
    if step.action == "affine":
        return Affine(reference=build_vector(step.reference, hidden).to(device), **common)
    return Interpolate(**common) if step.action == "interpolate" else Add(**common)


def _span(given: Range | None) -> Span | None:
    return None if given is None else Span(given.start, given.stop)


def build_vector(vector: Vector, hidden: int) -> Tensor:
    """[hidden], of the vector's dtype, on the CPU."""
    drawn = torch.randn(hidden, generator=torch.Generator().manual_seed(vector.seed), dtype=torch.float64)
    return (drawn * vector.norm / drawn.norm()).to(getattr(torch, vector.dtype))


def fed_as(model: LoadedModel, call: Generate) -> LoadedModel:
    """The model, generating as the call says: with a cache or without, the prompt whole or in chunks."""
    return replace(model, use_cache=call.cache, prefill_chunk=call.chunk or None)


def last_generation(program: Program) -> Generate | None:
    """The program's last generation."""
    return next((call for call in reversed(program.calls) if isinstance(call, Generate)), None)
