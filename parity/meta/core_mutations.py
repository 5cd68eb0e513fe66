"""Mutations of what the core's tools and checks share, one at a time, and the clauses that must turn red.

A check whose expected value comes from the mutated piece itself is blind to it: both sides change alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core import compare
from steering_core.directions import difference_of_means as means
from steering_core.measure import experiment, noise_floor, steering
from steering_core.models import tokens
from steering_core.models.architectures import Architecture, Tap
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.quality import CLASSIFIERS, Quality
from steering_core.tools.edits import Ablate, Add, Affine, Span
from steering_core.tools.positions import Schedule

Patch = pytest.MonkeyPatch
MUTATIONS: dict[str, "CoreMutation"] = {}


@dataclass(frozen=True)
class CoreMutation:
    """apply: mutates the core. caught_by: every clause that must turn red. model: whose checks are run."""

    apply: Callable[[Patch], None]
    caught_by: tuple[str, ...]
    model: str


def mutation(caught_by: str, model: str = "tiny_qwen2") -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Registers a function that mutates the core under its own name."""

    def register(function: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTATIONS[function.__name__] = CoreMutation(function, tuple(caught_by.split()), model)
        return function

    return register


def add_with(patch: Patch, factor: float) -> None:
    """Add at another strength, in `apply` and in the vector that some tools take instead."""
    shift = Add.shift
    patch.setattr(Add, "shift", lambda edit, like: shift(replace(edit, coefficient=factor * edit.coefficient), like))


@mutation("S2 S4 S8")
def add_at_half_strength(patch: Patch) -> None:
    add_with(patch, 0.5)


@mutation("S2 S4 S8")
def add_with_the_wrong_sign(patch: Patch) -> None:
    add_with(patch, -1)


@mutation("S7")
def ablate_half(patch: Patch) -> None:
    whole = Ablate.apply
    patch.setattr(Ablate, "apply", lambda edit, hidden: (hidden + whole(edit, hidden)) / 2)


@mutation("S2")
def affine_without_its_reference(patch: Patch) -> None:
    whole = Affine.apply
    zero = torch.zeros(1)
    patch.setattr(Affine, "apply", lambda edit, hidden: whole(replace(edit, reference=zero), hidden))


@mutation("S2 S6")
def spans_that_include_their_end(patch: Patch) -> None:
    exact = Span.contains

    def longer(span: Span, numbers: Tensor, length: Any) -> Tensor:
        return exact(replace(span, stop=span.stop and span.stop + 1 or None), numbers, length)

    patch.setattr(Span, "contains", longer)


def schedule_with(patch: Patch, change: Callable[[Schedule, Tensor, int], Tensor]) -> None:
    """`change`: (schedule, its answer [batch, width, 1], first column of the call) -> the mutated answer."""
    answer = Schedule.next

    def mutated(schedule: Schedule, width: int) -> Tensor:
        start = schedule.seen if schedule.cached else 0
        return change(schedule, answer(schedule, width), start)

    patch.setattr(Schedule, "next", mutated)


@mutation("S2 S4 S6")
def schedule_of_the_last_three_prompt_tokens(patch: Patch) -> None:
    def last_three(schedule: Schedule, chosen: Tensor, start: int) -> Tensor:
        columns = torch.arange(start, start + chosen.shape[1])
        return chosen & (columns >= schedule.mask.shape[1] - 3)[:, None]

    schedule_with(patch, last_three)


@mutation("S2 S6")
def schedule_off_by_one(patch: Patch) -> None:
    schedule_with(patch, lambda schedule, chosen, start: chosen.roll(1, 1))


@mutation("S2")
def schedule_of_prefill_one_token_too_long(patch: Patch) -> None:
    def longer(schedule: Schedule, chosen: Tensor, start: int) -> Tensor:
        columns = torch.arange(start, start + chosen.shape[1])[:, None]
        return chosen | ((columns == schedule.mask.shape[1]) & (schedule.phase == "prefill"))

    schedule_with(patch, longer)


@mutation("S2")
def schedule_of_decode_that_reaches_the_prompt(patch: Patch) -> None:
    answer = Schedule.next

    def both(schedule: Schedule, width: int) -> Tensor:
        phase, schedule.phase = schedule.phase, "both" if schedule.phase == "decode" else schedule.phase
        chosen = answer(schedule, width)
        schedule.phase = phase
        return chosen

    patch.setattr(Schedule, "next", both)


def last_at(patch: Patch, last: Callable[[Tensor], Tensor]) -> None:
    """Batches whose `last` is `last(mask)`."""
    pad = tokens.pad

    def padded(*args: Any, **kwargs: Any) -> TokenBatch:
        batch = pad(*args, **kwargs)
        return replace(batch, last=last(batch.mask))

    patch.setattr(tokens, "pad", padded)
    patch.setattr(noise_floor, "pad", padded)


@mutation("P4")
def last_token_at_the_first_real_one(patch: Patch) -> None:
    last_at(patch, lambda mask: mask.argmax(-1))


@mutation("P4")
def last_token_one_too_early(patch: Patch) -> None:
    last_at(patch, lambda mask: mask.argmax(-1) + mask.sum(-1) - 2)


@mutation("S8")
def unit_that_does_not_normalize(patch: Patch) -> None:
    for module in (compare, experiment, steering):
        if hasattr(module, "unit"):
            patch.setattr(module, "unit", lambda vector: vector.double())


@mutation("D5 D6")
def means_of_swapped_classes(patch: Patch) -> None:
    patch.setattr(means, "difference_of_means", lambda harmful, harmless: harmless.mean(0) - harmful.mean(0))


@mutation("D5 D6")
def mean_of_one_class_only(patch: Patch) -> None:
    patch.setattr(means, "difference_of_means", lambda harmful, harmless: harmful.double().mean(0))


def tap_with(patch: Patch, streams: Mapping[str, str], earlier: int = 0) -> None:
    """A site table in which streams stand for other ones, some blocks earlier."""
    tap = Architecture.tap

    def mutated(architecture: Architecture, site: Site) -> Tap:
        if site.stream not in streams:
            return tap(architecture, site)
        return tap(architecture, Site(streams[site.stream], site.layer - earlier))

    patch.setattr(Architecture, "tap", mutated)


@mutation("P1 P4 S2")
def sites_with_resid_post_of_the_block_before(patch: Patch) -> None:
    tap_with(patch, {"resid_post": "resid_post"}, earlier=1)


@mutation("P5")
def sites_with_contributions_swapped(patch: Patch) -> None:
    tap_with(patch, {"attn_contrib": "mlp_contrib", "mlp_contrib": "attn_contrib"})


@mutation("P5", model="tiny_gemma2")
def sites_with_contributions_before_the_norm(patch: Patch) -> None:
    tap_with(patch, {"attn_contrib": "attn_out", "mlp_contrib": "mlp_out"})


def classes(patch: Patch, quality: Quality) -> None:
    """Every text is of one class, by every classifier."""
    for name in CLASSIFIERS:
        patch.setitem(CLASSIFIERS, name, lambda text: quality)


@mutation("B3")
def classify_all_as_coherent(patch: Patch) -> None:
    classes(patch, Quality.COHERENT)


@mutation("B3")
def classify_all_as_normal(patch: Patch) -> None:
    classes(patch, Quality.NORMAL)


def chat_ids_with(patch: Patch, change: Callable[[Any, str, list[int]], list[int]]) -> None:
    """The encoder's ids are `change(tokenizer, prompt, ids)`."""
    chat_rows = tokens.chat_rows

    def changed(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
        rows = zip(prompts, chat_rows(tokenizer, prompts), strict=True)
        return [change(tokenizer, prompt, ids) for prompt, ids in rows]

    patch.setattr(tokens, "chat_rows", changed)


@mutation("P4")
def encoder_without_the_template(patch: Patch) -> None:
    chat_ids_with(patch, lambda tokenizer, prompt, ids: list(tokenizer(prompt, add_special_tokens=False)["input_ids"]))


@mutation("P4", model="tiny_gemma2")
def encoder_with_a_second_bos(patch: Patch) -> None:
    chat_ids_with(patch, lambda tokenizer, prompt, ids: [tokenizer.bos_token_id, *ids])


@mutation("P4")
def encoder_that_cuts_the_last_token(patch: Patch) -> None:
    chat_ids_with(patch, lambda tokenizer, prompt, ids: ids[:-1])


@mutation("P4")
def encoder_that_pads_on_one_side_only(patch: Patch) -> None:
    pad = tokens.pad
    patch.setattr(tokens, "pad", lambda rows, pad_id, side="left": replace(pad(rows, pad_id, "left"), side=side))
