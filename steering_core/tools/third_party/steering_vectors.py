"""steering-vectors: activations recorded by `record_activations`, one `SteeringVector` applied per edit.

Used as its documentation says (https://steering-vectors.github.io/steering-vectors/), without a mask of tokens: a mask has
the shape of one forward call, so a generation with a cache cannot be given one. Needs transformers below 5, so it runs in a
Python of its own: see docs/tool-python.md.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from steering_vectors import SteeringVector, record_activations
from torch import Tensor

from steering_core.errors import ToolUnsupported
from steering_core.models.architectures import architecture_of
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.edits import Add, Edit
from steering_core.tools.offers import Offers
from steering_core.tools.preparation import check_prompts, check_sites, edits_by_module, site_problem
from steering_core.tools.tool import ToolVersion, installed

LAYER_TYPES = {"resid_post": "decoder_block", "attn_out": "self_attn", "mlp_out": "mlp"}
"""Stream -> the library's name of the module whose output it is."""
ACCEPTED = "add vectors at every token"


class SteeringVectors:
    """Reads inside `record_activations`, generates inside `SteeringVector.apply`."""

    name = "steering_vectors"
    # transformers 4.57 gives padded rows wrong positions when it feeds a prompt in chunks, and one token is no prompt to it.
    offers = Offers(phases=("both",), modes=("add",), chunked_prefill=False, packed_prompts=True)

    def version(self) -> ToolVersion:
        """steering-vectors' version."""
        return installed("steering-vectors", "steering_vectors")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason: there are the outputs of blocks, attention and MLP modules, and addition to them."""
        if reason := site_problem(spec, site, action):
            return reason
        return None if _layer_type(spec, site) else f"steering-vectors has no layer type for {site.stream}"

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, hidden]}, in the model's dtype, detached, owned by the caller."""
        check_sites(model, sites)
        layers: dict[str, list[int]] = {}
        for site in sites:
            layers.setdefault(_required_type(model.spec, site), []).append(site.layer)
        with ExitStack() as stack:
            recorded = {
                layer_type: stack.enter_context(record_activations(model.module, layer_type, layer_nums=numbers))
                for layer_type, numbers in layers.items()
            }
            with model.inference():
                model.module(**batch.to(model.device).inputs(), **model.last_logits_only)
        values = {site: recorded[_required_type(model.spec, site)][site.layer][0] for site in sites}
        # Two sites may be one module's output, of which the library keeps one copy.
        return {site: value.to(model.device, copy=True) for site, value in values.items()}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        ordered = [edit for group in edits_by_module(model, edits).values() for edit in group]
        config = model.decoding(max_new_tokens)
        with ExitStack() as stack:
            for edit in map(_addition, ordered):
                vector = SteeringVector({edit.site.layer: edit.vector.float()}, _required_type(model.spec, edit.site))
                stack.enter_context(vector.apply(model.module, multiplier=edit.coefficient))
            ids = model.module.generate(input_ids=batch.ids, attention_mask=batch.mask, generation_config=config)
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


def _layer_type(spec: ModelSpec, site: Site) -> str | None:
    """The layer type whose output is the site's tensor: on most families attn_contrib is attn_out."""
    architecture = architecture_of(spec.family)
    types = {architecture.tap(Site(stream, site.layer)): name for stream, name in LAYER_TYPES.items()}
    return types.get(architecture.tap(site))


def _required_type(spec: ModelSpec, site: Site) -> str:
    layer_type = _layer_type(spec, site)
    if layer_type is None:
        sentence = f"steering-vectors has no layer type for {site.stream}"
        raise ToolUnsupported("layer-type", sentence, f"it has {', '.join(LAYER_TYPES.values())}")
    return layer_type


def _addition(edit: Edit) -> Add:
    """The edit, if a steering vector can carry it out; ToolUnsupported otherwise."""
    if not isinstance(edit, Add):
        raise ToolUnsupported("edit-kind", f"steering-vectors cannot edit by {type(edit).__name__}", ACCEPTED)
    if edit.phase != "both" or edit.positions is not None or edit.features is not None:
        raise ToolUnsupported("edit-range", "steering-vectors steers every feature of every forward call", ACCEPTED)
    return edit
