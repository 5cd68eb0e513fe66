"""A wrong tensor gets a name: which site, token, batch row, forward and transform a returned tensor really is.

`localise` runs the model once more and compares the returned tensor with every stream of every block, every other
module output inside the blocks, and the final norm of every block's output, at every position and batch row.
"""

from collections.abc import Mapping

from torch import Tensor

from steering_core.localize.capture import stream_forward
from steering_core.localize.explanation import Explanation, explanations
from steering_core.localize.layouts import layouts
from steering_core.localize.localisation import Localisation, closeness, finding
from steering_core.localize.search import Probe, Search
from steering_core.models import LoadedModel
from steering_core.sites import Site
from steering_core.tokens import TokenBatch

__all__ = ["Localisation", "localise"]


def localise(
    model: LoadedModel,
    batch: TokenBatch,
    asked: Site,
    returned: Tensor,
    others: Mapping[str, TokenBatch] | None = None,
) -> Localisation:
    """What a tool returned when asked for `asked` on `batch`.

    returned: any shape and dtype; [batch, seq, width] or, for the last token, [batch, width] are as asked.
    others: further batches whose tensors may have been returned instead, by name ("previous prompt", "double BOS");
    each costs one forward, and none is run once the asked batch explains the tensor bit for bit.
    """
    returned = returned.detach().to(model.device)
    if blank := _blank(returned):
        return Localisation(f"returned {blank}; asked {asked} [last token]", matched=True, name=blank, transform=blank)
    found: list[Explanation] = []
    for forward, tokens in {"": batch, **(others or {})}.items():
        found += _explanations(model, tokens.to(model.device), returned, forward)
        if any(each.match.exact for each in found):
            break
    if not found:
        return _unknown(f"no tensor of the model fits shape {list(returned.shape)} {returned.dtype}")
    best = min(found, key=lambda each: each.cost)
    if not best.convinces(found):
        return _unknown(f"no known site matches; nearest {best.named(asked)[0].name} (cos {1 - best.match.gap:.4f})")
    return _finding(best, asked, returned, batch)


def _explanations(model: LoadedModel, batch: TokenBatch, returned: Tensor, forward: str) -> list[Explanation]:
    readings = layouts(returned, batch, _widths(model))
    search = Search(batch, [Probe(layout, batch) for layout in readings])
    if readings:
        stream_forward(model, batch, search.widths, search.consider)
    return list(explanations(search.finalists, readings, batch, forward))


def _widths(model: LoadedModel) -> set[int]:
    spec = model.spec
    query, key = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    return {spec.hidden, query, key, query + 2 * key, spec.mlp}


def _blank(returned: Tensor) -> str:
    if returned.numel() == 0:
        return "an empty tensor"
    if not bool(returned.any()):
        return "zeros"
    return "" if bool(returned.isfinite().any()) else "no finite number"


def _unknown(sentence: str) -> Localisation:
    return Localisation(sentence, matched=False, name="")


def _finding(best: Explanation, asked: Site, returned: Tensor, batch: TokenBatch) -> Localisation:
    label, aliases = best.named(asked)
    site = label.site
    if site and site.stream == asked.stream == "final_norm":
        site = asked  # there is one final norm, whatever block it is asked for with
    transform = [words for words in (label.transform, best.part, *best.match.words) if words not in ("", "none")]
    shape = f"{best.layout.word}: shape {list(returned.shape)}" if best.layout.word else ""
    return finding(
        asked, shape, name=label.name, site=site, token=best.alignment.token, row=best.alignment.row,
        transform=", ".join(transform) or "none", layout=best.layout.word, forward=best.forward, aliases=aliases,
        one_minus_cosine=best.match.gap, bit_equal=best.match.exact,
    )  # fmt: skip
