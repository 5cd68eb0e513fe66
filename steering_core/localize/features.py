"""One feature at every token, where every feature of one token was meant: what `output[0][:, -1]` gives when the
output is a tensor and not a tuple. The search is the same one, with the token and feature axes exchanged."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, stream_forward
from steering_core.localize.explanation import Explanation, explanations
from steering_core.localize.layouts import NARROWEST, Layout
from steering_core.localize.search import Search
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch


def one_feature(returned: Tensor, batch: TokenBatch, widths: set[int]) -> bool:
    """Whether the shape is [seq] or [batch, seq], and seq is not the width of anything."""
    rows, seq = batch.ids.shape
    return tuple(returned.shape) in {(seq,), (1, seq), (rows, seq)} and seq >= NARROWEST and seq not in widths


def feature_explanations(
    model: LoadedModel, batch: TokenBatch, returned: Tensor, forward: str
) -> Iterator[Explanation]:
    """Explanations whose token says which feature of the residual stream was returned; returned: as above."""
    hidden = model.spec.hidden
    features = _features_as_tokens(batch, hidden)
    layout = Layout("feature axis missing", returned.reshape(-1, 1, returned.shape[-1]))
    search = Search(features, [layout])

    def consider(found: Sequence[Candidate]) -> None:
        wide = [candidate for candidate in found if candidate.hidden.shape[-1] == hidden]
        search.consider([replace(candidate, hidden=candidate.hidden.transpose(1, 2)) for candidate in wide])

    stream_forward(model, batch, {hidden}, consider)
    for found in explanations(search.finalists(), [layout], features, forward):
        feature = int(found.alignment.tokens[0, 0])
        words = f"feature {feature} at every token" if feature < hidden else "mean over features"
        yield replace(found, alignment=replace(found.alignment, token=words))


def _features_as_tokens(batch: TokenBatch, hidden: int) -> TokenBatch:
    ids = torch.ones(len(batch.ids), hidden, dtype=torch.long, device=batch.ids.device)
    return TokenBatch(ids, ids, ids[:, 0] * (hidden - 1), batch.side)
