"""dialz: a SteeringModel around the model, with one steering vector per block; steering alone.

Needs transformers below 5, so it runs in a Python of its own: see docs/tool-python.md.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dialz import SteeringModel, SteeringVector
from dialz.vector import SteeringModule, model_layer_list
from torch import Tensor, nn

from steering_core.errors import ToolUnsupported
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.edits import Add, Edit
from steering_core.tools.offers import Offers
from steering_core.tools.preparation import check_prompts, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed

ACCEPTED = "add one vector per block at resid_post, at every token"


class Dialz:
    """Steers by `set_control`, which holds for every forward call until the model is unwrapped.

    No chunked prefill: dialz finds padding in the position ids of each row, of which blocks are given only one there.
    """

    name = "dialz"
    offers = Offers(phases=("both",), chunked_prefill=False, modes=("add",))

    def version(self) -> ToolVersion:
        """dialz's version."""
        return installed("dialz", "dialz")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason: dialz adds vectors to the output of blocks, and does nothing else.

        (It has no `read`: of activations, it returns those of the last token of strings only.)
        """
        if site.stream != "resid_post":
            return f"dialz adds vectors to the output of blocks (resid_post), not to {site.stream}"
        return site_problem(spec, site, action)

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        directions = _directions(model, edits)
        config = model.decoding(max_new_tokens)
        with _wrapping(model.module, directions) as steered:
            steered.set_control(directions)
            ids = steered.generate(input_ids=batch.ids, attention_mask=batch.mask, generation_config=config)
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


class _Loaded(SteeringModel):  # type: ignore[misc]
    """A SteeringModel of a model that is already loaded: dialz's own constructor loads one by name, always in float16."""

    def __init__(self, module: nn.Module, layer_ids: Sequence[int]) -> None:
        nn.Module.__init__(self)
        self.model, self.layer_ids = module, list(layer_ids)
        layers = model_layer_list(module)
        for layer_id in self.layer_ids:
            layers[layer_id] = SteeringModule(layers[layer_id])


@contextmanager
def _wrapping(module: nn.Module, vector: SteeringVector) -> Iterator[SteeringModel]:
    """The model with its steered blocks wrapped."""
    wrapped = _Loaded(module, list(vector.directions))
    try:
        yield wrapped
    finally:
        wrapped.unwrap()


def _directions(model: LoadedModel, edits: Sequence[Edit]) -> SteeringVector:
    """One vector per block, float32 [hidden]; ToolUnsupported for what a steering vector of dialz cannot say."""
    directions = {}
    for group in edits_by_module(model, edits).values():
        edit = group[0]
        if not isinstance(edit, Add) or edit.site.stream != "resid_post":
            raise ToolUnsupported("edit-kind", f"dialz cannot edit {edit.site} by {type(edit).__name__}", ACCEPTED)
        if len(group) > 1:
            raise ToolUnsupported("edit-count", f"dialz holds one vector per block, not {len(group)}", ACCEPTED)
        if edit.phase != "both" or edit.positions is not None or edit.features is not None:
            raise ToolUnsupported("edit-range", "dialz steers every feature of every forward call", ACCEPTED)
        directions[edit.site.layer] = (edit.vector.float() * edit.coefficient).cpu().numpy()
    return SteeringVector(model_type=model.module.config.model_type, directions=directions)
