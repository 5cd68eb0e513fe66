"""One feature at every token, where every feature of one token was meant: what `output[0][:, -1]` gives when the
output is a tensor and not a tuple. The same search, with the token and feature axes exchanged."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from steering_core.localize.capture import Candidate, capture_forward
from steering_core.localize.explanation import Explanation, explanations
from steering_core.localize.layouts import NARROWEST, Layout
from steering_core.localize.search import Search
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch


def is_one_feature(returned: Tensor, batch: TokenBatch, widths: set[int]) -> bool:
    """Whether the shape is [seq] or [batch, seq], and seq is not the width of any tensor."""
    rows, seq = batch.ids.shape
    return tuple(returned.shape) in {(seq,), (1, seq), (rows, seq)} and seq >= NARROWEST and seq not in widths


def feature_explanations(model: LoadedModel, batch: TokenBatch, returned: Tensor) -> Iterator[Explanation]:
    """Explanations whose token is the feature of the residual stream that was returned; returned: [seq] or [batch, seq]."""
    hidden = model.spec.hidden
    ids = torch.ones(len(batch.ids), hidden, dtype=torch.long, device=batch.ids.device)
    features = TokenBatch(ids, ids, ids[:, 0] * (hidden - 1), batch.side)  # one "token" per feature
    layout = Layout("feature axis missing", returned.reshape(-1, 1, returned.shape[-1]))
    search = Search(features, [layout])

    def add_transposed(block: Sequence[Candidate]) -> None:
        streams = [candidate for candidate in block if candidate.hidden.shape[-1] == hidden]
        search.add_block([replace(candidate, hidden=candidate.hidden.transpose(1, 2)) for candidate in streams])

    capture_forward(model, batch, {hidden}, add_transposed)
    for explanation in explanations(search.finalists(), [layout], features):
        feature = int(explanation.alignment.tokens[0, 0])
        token = f"feature {feature} at every token" if feature < hidden else "mean over features"
        yield replace(explanation, alignment=replace(explanation.alignment, token=token))
