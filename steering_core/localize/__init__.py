"""A wrong tensor gets a name: which site, token, batch row, forward and transform a returned tensor really is.

`localize` runs the model once more and compares the returned tensor with every stream of every block, every other
module output inside the blocks, and the final norm of every block's output, at every position and batch row.
"""

from collections.abc import Mapping

from torch import Tensor

from steering_core.localize.capture import stream_forward
from steering_core.localize.explanation import Explanation, explanations
from steering_core.localize.features import feature_explanations, one_feature
from steering_core.localize.final_norm import FinalNorm
from steering_core.localize.layouts import layouts
from steering_core.localize.localization import Localization, finding
from steering_core.localize.search import Search
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch

__all__ = ["Localization", "localize"]


def localize(
    model: LoadedModel,
    batch: TokenBatch,
    asked: Site,
    returned: Tensor,
    others: Mapping[str, TokenBatch] | None = None,
) -> Localization:
    """What a tool returned when asked for `asked` on `batch`.

    returned: any shape and dtype; [batch, seq, width] or, for the last token, [batch, width] are as asked.
    others: further batches whose tensors may have been returned instead, by name ("previous prompt", "double BOS");
    each costs one forward, and none is run once the asked batch explains the tensor bit for bit.
    """
    returned = returned.detach().to(model.device)
    if blank := _blank(returned):
        return Localization(f"returned {blank}; asked {asked} [last token]", matched=True, name=blank, transform=blank)
    found: list[Explanation] = []
    for forward, tokens in {"": batch, **(others or {})}.items():
        found += _explanations(model, tokens.to(model.device), asked, returned, forward)
        if any(each.match.exact for each in found):
            break
    if not found:
        return _unknown(f"no tensor of the model fits shape {list(returned.shape)} {returned.dtype}")
    best = min(found, key=lambda each: each.cost)
    if not best.convinces(found):
        return _unknown(f"no known site matches; nearest {best.named(asked)[0].name} (cos {1 - best.match.gap:.4f})")
    return _finding(best, asked, returned, batch)


def _explanations(
    model: LoadedModel, batch: TokenBatch, asked: Site, returned: Tensor, forward: str
) -> list[Explanation]:
    spec = model.spec
    query, key = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    wanted = {spec.hidden, key if asked.stream in {"k", "v"} else spec.hidden}
    widths = {*wanted, query, key, query + 2 * key, spec.mlp}
    if one_feature(returned, batch, widths):
        return list(feature_explanations(model, batch, returned, forward))
    readings = layouts(returned, batch, widths, wanted)
    norm = FinalNorm(model)
    search = Search(batch, readings, norm)
    if readings:
        stream_forward(model, batch, search.widths, search.consider)
    return list(explanations(search.finalists(), readings, batch, forward))


def _blank(returned: Tensor) -> str:
    if returned.numel() == 0:
        return "an empty tensor"
    if not bool(returned.any()):
        return "zeros"
    return "" if bool(returned.isfinite().any()) else "no finite number"


def _unknown(sentence: str) -> Localization:
    return Localization(sentence, matched=False, name="")


def _finding(best: Explanation, asked: Site, returned: Tensor, batch: TokenBatch) -> Localization:
    label, aliases = best.named(asked)
    site = label.site
    if site and site.stream == asked.stream == "final_norm":
        site = asked  # there is one final norm, whatever block it is asked for with
    transform = [words for words in (label.transform, best.part, *best.match.words) if words not in ("", "none")]
    return finding(
        asked, _shape(best, returned, batch), name=label.name, site=site, token=best.alignment.token,
        row=best.alignment.row, transform=", ".join(transform) or "none", layout=best.layout.word,
        forward=best.forward, aliases=aliases, one_minus_cosine=best.match.gap, bit_equal=best.match.exact,
    )  # fmt: skip


def _shape(best: Explanation, returned: Tensor, batch: TokenBatch) -> str:
    if best.layout.word:
        return f"{best.layout.word}: shape {list(returned.shape)}"
    rows, tokens = batch.ids.shape
    if best.layout.values.shape[:2] in {(rows, tokens), (rows, 1)}:
        return ""
    return f"shape {list(returned.shape)} where {rows} rows of {tokens} tokens were asked"
