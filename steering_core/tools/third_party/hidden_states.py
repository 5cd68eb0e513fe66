"""transformers' own `output_hidden_states`: reading alone, in any environment that has transformers.

As its documentation says: one entry for the embeddings, and one for the output of each block.
https://huggingface.co/docs/transformers/main_classes/output
"""

from collections.abc import Sequence

from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.actions import Action
from steering_core.tools.offers import Offers
from steering_core.tools.preparation import check_sites, site_problem
from steering_core.tools.tool import ToolVersion, installed


class HiddenStates:
    """Reads `hidden_states[i + 1]` as the output of block i, the tensor itself, as users of the option do."""

    name = "hidden_states"
    offers = Offers(packed_prompts=True)

    def version(self) -> ToolVersion:
        """transformers' version."""
        return installed("transformers", "transformers")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason: there are the stream before the first block and after each one."""
        if site.stream not in ("resid_pre", "resid_post"):
            return f"output_hidden_states has the stream between blocks, not {site.stream}"
        return site_problem(spec, site, action)

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """One forward -> {site: [batch, seq, hidden]}, in the model's dtype; not copied (see hidden_states.toml)."""
        check_sites(model, sites)
        inputs = batch.to(model.device).inputs()
        with model.inference():
            states = model.module(**inputs, **model.last_logits_only, output_hidden_states=True).hidden_states
        return {site: states[site.layer + (site.stream == "resid_post")] for site in sites}
