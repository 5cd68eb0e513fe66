"""Identifies a wrong tensor: which site, token, batch row and transform a returned tensor really is.

`localize_tensor` runs the model once more and compares the returned tensor with every stream of every block, every other
module output inside the blocks, and the final norm of every block's output, at every position and batch row.
"""

from typing import Any

from torch import Tensor

from steering_core.localize.capture import capture_forward
from steering_core.localize.explanation import Explanation, explanations
from steering_core.localize.features import feature_explanations, is_one_feature
from steering_core.localize.final_norm import FinalNorm
from steering_core.localize.layouts import layouts
from steering_core.localize.localization import Localization, localization_of
from steering_core.localize.search import Search
from steering_core.localize.transforms import explain_values
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch

__all__ = ["Localization", "localize_beside", "localize_tensor"]


def localize_beside(
    model: LoadedModel, batch: TokenBatch, requested: Site, returned: Tensor, expected: Tensor
) -> Localization:
    """As `localize_tensor`, for values close to the expected ones, [batch, seq, width]: the model is run and searched
    only if more than rounding was done to them at real tokens."""
    real = batch.mask.to(expected.device).bool()
    match = explain_values(returned.to(expected.device)[real], expected[real].double(), expected.dtype)
    if not match.rounded:
        return localize_tensor(model, batch, requested, returned)
    sentence = f"returned {requested}, {'bit-equal' if match.exact else 'equal up to rounding'}"
    measured: dict[str, Any] = {"one_minus_cosine": match.gap, "bit_equal": match.exact}
    return Localization(sentence, True, str(requested), requested, **measured, as_requested=True)


def localize_tensor(model: LoadedModel, batch: TokenBatch, requested: Site, returned: Tensor) -> Localization:
    """Which tensor a tool returned when `requested` was requested on `batch`; costs one forward.

    returned: any shape and dtype; [batch, seq, width] or, for the last token, [batch, width] are as requested.
    """
    returned = returned.detach().to(model.device)
    if blank := _blank(returned):
        sentence = f"returned {blank}; requested {requested} [last token]"
        return Localization(sentence, matched=True, name=blank, transform=blank)
    candidates = _explanations(model, batch.to(model.device), requested, returned)
    if not candidates:
        return Localization(f"no tensor of the model fits shape {list(returned.shape)} {returned.dtype}")
    best = min(candidates, key=lambda explanation: explanation.cost)
    if not best.convinces(candidates):
        nearest = best.named(requested)[0].text
        return Localization(f"no known site matches; nearest {nearest} (cos {1 - best.match.gap:.4f})")
    return localization_of(best, requested, _shape_note(best, returned, batch))


def _explanations(model: LoadedModel, batch: TokenBatch, requested: Site, returned: Tensor) -> list[Explanation]:
    spec = model.spec
    query, key = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    expected = {spec.hidden, key if requested.stream in {"k", "v"} else spec.hidden}
    widths = {*expected, query, key, query + 2 * key, spec.mlp}
    if is_one_feature(returned, batch, widths):
        return list(feature_explanations(model, batch, returned))
    readings = layouts(returned, batch, widths, expected)
    search = Search(batch, readings, FinalNorm(model))
    if readings:
        capture_forward(model, batch, search.widths, search.add_block)
    return list(explanations(search.finalists(), readings, batch))


def _blank(returned: Tensor) -> str:
    if returned.numel() == 0:
        return "an empty tensor"
    if not bool(returned.any()):
        return "zeros"
    return "" if bool(returned.isfinite().any()) else "no finite number"


def _shape_note(best: Explanation, returned: Tensor, batch: TokenBatch) -> str:
    """How the returned shape differs from the requested one, "" if it does not."""
    shape, (rows, tokens) = list(returned.shape), batch.ids.shape
    if best.layout.difference:
        return f"{best.layout.difference}: shape {shape}"
    correct = best.layout.values.shape[:2] in {(rows, tokens), (rows, 1)}
    return "" if correct else f"shape {shape} for {rows} rows of {tokens} tokens"
