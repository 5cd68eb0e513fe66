"""The reference's answers, kept: every tool that is asked for the same edits is compared with the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from steering_core.hosts.wire import encode
from steering_core.measure import reference
from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Edit

Asked = tuple[str, bytes, int, bool, int | None]


@dataclass(eq=False)
class ReferenceDraws:
    """Of one model; how often each was generated counts, because a GPU may answer otherwise the next time."""

    kept: dict[Asked, list[Tensor]] = field(default_factory=dict)

    def get(
        self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], new_tokens: int, count: int = 1
    ) -> list[Tensor]:
        """So many generations, each [batch, <= new_tokens]; model: fed as is wanted."""
        feeding = model.use_cache, model.prefill_chunk
        draws = self.kept.setdefault((batch.digest, encode([*edits]), new_tokens, *feeding), [])
        while len(draws) < count:
            draws.append(reference.generate(model, batch, edits, new_tokens))
        return draws[:count]
