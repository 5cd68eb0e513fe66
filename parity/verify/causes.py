"""The directions that common mistakes give: another block, stream or position, wrong padding, another template."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steering_core.localize.capture import read_sites
from steering_core.models.limited import render_turns, within_limits
from steering_core.models.model import LoadedModel
from steering_core.models.sites import STREAMS, Site
from steering_core.models.template import post_instruction_length
from steering_core.models.tokens import TokenBatch, pad, pad_id
from steering_core.prompts import PromptSet

LAST = "at the last prompt token"
ALIASES = ("resid_pre", "k", "v")
"""Streams that are not tried: the first is the residual stream after the block before, keys and values have another width."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """direction: float64 [hidden], mean(harmful) - mean(harmless). site, tokens, prompts: what it was read from; the last
    two are "" for what the protocol asks."""

    direction: Tensor
    site: Site
    tokens: str = ""
    prompts: str = ""

    def described(self) -> str:
        """`resid_post@3 at the first token, without the chat template`."""
        return ", ".join(filter(None, (f"{self.site} {self.tokens or LAST}", self.prompts)))

    def deviations(self, requested: Site) -> list[str]:
        """In words, how it differs from the requested direction; most likely causes first."""
        return [*filter(None, (_site_cause(self.site, requested), _CAUSES.get(self.tokens, self.tokens), self.prompts))]


_CAUSES = {
    "averaged over the prompt's tokens": "averaged over the prompt's tokens instead of read at the last one",
    "averaged over all columns": "averaged over padding too",
    "at the last column of right padding": "read in the last column, which holds padding in a right-padded batch",
}


def _site_cause(site: Site, requested: Site) -> str:
    if site == requested:
        return ""
    if site.stream == "final_norm":
        return "after the final norm, as the last entry of output_hidden_states is"
    if site.stream != requested.stream:
        return f"another tensor ({site})"
    blocks = site.layer - requested.layer
    hint = "; hidden_states[n] is the output of block n - 1" if blocks == -1 else ""
    count = "one block" if abs(blocks) == 1 else f"{abs(blocks)} blocks"
    return f"{count} too {'late' if blocks > 0 else 'early'}{hint}"


def candidates(model: LoadedModel, prompts: PromptSet, requested: Site) -> Iterator[Candidate]:
    """The requested direction first, then those of single mistakes, then those of two (another token at another block)."""
    rows = model.chat_rows(prompts.extraction)
    tail = post_instruction_length(model.tokenizer, prompts.extraction)
    found = list(_read(model, rows, len(prompts.harmful), tail))
    for words, other in _other_tokens(model, prompts.extraction, rows):
        found += [replace(each, prompts=words) for each in _read(model, other, len(prompts.harmful), 1)]
    found += list(_padded(model, rows, len(prompts.harmful)))
    yield from sorted(found, key=lambda each: len(each.deviations(requested)))


def _other_tokens(
    model: LoadedModel, texts: Sequence[str], rows: Sequence[Sequence[int]]
) -> Iterator[tuple[str, list[list[int]]]]:
    """The prompts as other token ids: not rendered at all, or rendered to text and tokenized with special tokens."""
    tokenizer = model.tokenizer
    plain = [list(tokenizer(text)["input_ids"]) for text in texts]
    turns = [[{"role": "user", "content": text}] for text in texts]
    rendered = render_turns(tokenizer, texts)
    unanswered = within_limits(
        tokenizer,
        lambda: [
            list(tokenizer.apply_chat_template(turn, tokenize=True, return_dict=True)["input_ids"]) for turn in turns
        ],
    )
    again = [list(tokenizer(text)["input_ids"]) for text in rendered]
    found = {
        "without the chat template": plain,
        "without the template's start of the answer (add_generation_prompt)": unanswered,
        "template tokenized again with special tokens (two start tokens)": again,
    }
    yield from ((words, ids) for words, ids in found.items() if all(ids) and ids != [list(row) for row in rows])


def _read(model: LoadedModel, rows: Sequence[Sequence[int]], pairs: int, tail: int) -> Iterator[Candidate]:
    """Of every block and stream: at the last tokens, at the first, and averaged over the prompt."""
    batch = pad(rows, pad_id(model.tokenizer))
    mask = batch.mask.double()
    first = mask.argmax(-1)
    for site, hidden in _captured(model, batch):
        for back in range(tail):
            words = f"{back} token{'s'[: back > 1]} before the last" if back else ""
            yield Candidate(_difference(hidden[:, -1 - back], pairs), site, words)
        yield Candidate(_difference(hidden[torch.arange(len(rows)), first], pairs), site, "at the first token")
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        yield Candidate(_difference(mean, pairs), site, "averaged over the prompt's tokens")
        yield Candidate(_difference(hidden.mean(1), pairs), site, "averaged over all columns")


class _PlainPositions(TokenBatch):
    """A batch whose positions are those of its columns, as transformers counts without position_ids."""

    @property
    def position_ids(self) -> Tensor:
        """[batch, seq]: padding counts."""
        return torch.arange(self.ids.shape[1], device=self.ids.device).expand_as(self.ids)

    def to(self, device: torch.device | str) -> "TokenBatch":
        """The same batch on another device."""
        moved = super().to(device)
        return _PlainPositions(moved.ids, moved.mask, moved.last, moved.side)


def _padded(model: LoadedModel, rows: Sequence[Sequence[int]], pairs: int) -> Iterator[Candidate]:
    """Mistakes with padding: the last column of right padding, and left padding that is attended to, or counted."""
    padding = pad_id(model.tokenizer)
    left, right = pad(rows, padding), pad(rows, padding, "right")
    everything = torch.ones_like(left.mask)
    for batch, tokens, words in (
        (_PlainPositions(right.ids, right.mask, right.last, "right"), "at the last column of right padding", ""),
        (
            _PlainPositions(left.ids, everything, left.last, "left"),
            "",
            "without an attention mask: padding is attended to",
        ),
        (_PlainPositions(left.ids, left.mask, left.last, "left"), "", "without position_ids: left padding is counted"),
    ):
        for site, hidden in _captured(model, batch):
            yield Candidate(_difference(hidden[:, -1], pairs), site, tokens, words)


def _captured(model: LoadedModel, batch: TokenBatch) -> Iterator[tuple[Site, Tensor]]:
    """Each stream as wide as the residual stream, float64 [batch, seq, hidden]; the final norm once."""
    spec = model.spec
    streams = [stream for stream in STREAMS if stream in model.architecture.taps and stream not in ALIASES]
    sites = [Site(stream, layer) for layer in range(spec.layers) for stream in streams]
    sites += [Site("resid_pre", 0), Site("final_norm", spec.layers - 1)]
    captured = read_sites(model, batch, sites)
    yield from ((site, captured[site].cpu().double()) for site in sites)


def _difference(rows: Tensor, pairs: int) -> Tensor:
    """rows: [prompts, hidden], harmful ones first -> [hidden]."""
    return rows[:pairs].mean(0) - rows[pairs:].mean(0)
