"""repeng: a ControlModel around the model, with one control vector per steered block; steering alone.

Needs numpy below 2, so it runs in a Python of its own: see docs/tool-python.md.
"""

from collections.abc import Sequence

import repeng
from torch import Tensor

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


class Repeng:
    """Steers by `set_control`, which holds for every forward call until the model is unwrapped."""

    name = "repeng"
    offers = Offers(phases=("both",))

    def version(self) -> ToolVersion:
        """repeng's version."""
        return installed("repeng", "repeng")

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        """None, or the reason: repeng adds vectors to the output of blocks, and does nothing else.

        (It has no `read`: of activations, it returns those of the last token of strings only.)
        """
        if action == "ablate":
            return "repeng adds vectors; it has no ablation"
        if site.stream != "resid_post":
            return f"repeng adds vectors to the output of blocks (resid_post), not to {site.stream}"
        return site_problem(spec, site)

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        """New token ids only, int64 [batch, <= max_new_tokens], greedy; rows padded after their end."""
        check_prompts(batch)
        batch = batch.to(model.device)
        control = _control(model, edits)
        config = model.decoding(max_new_tokens)
        controlled = repeng.ControlModel(model.module, list(control.directions))
        try:
            controlled.set_control(control)
            ids = controlled.generate(input_ids=batch.ids, attention_mask=batch.mask, generation_config=config)
        finally:
            controlled.unwrap()
        new: Tensor = ids[:, batch.ids.shape[1] :]
        return new


def _control(model: LoadedModel, edits: Sequence[Edit]) -> repeng.ControlVector:
    """One vector per block, float32 [hidden]; ToolUnsupported for what a control vector cannot say."""
    directions = {}
    for group in edits_by_module(model, edits).values():
        edit = group[0]
        if not isinstance(edit, Add) or edit.site.stream != "resid_post":
            raise ToolUnsupported("edit-kind", f"repeng cannot edit {edit.site} by {type(edit).__name__}", ACCEPTED)
        if len(group) > 1:
            raise ToolUnsupported("edit-count", f"repeng holds one vector per block, not {len(group)}", ACCEPTED)
        if edit.phase != "both":
            raise ToolUnsupported("edit-phase", f"repeng steers every forward call, not {edit.phase} alone", ACCEPTED)
        directions[edit.site.layer] = (edit.vector.float() * edit.coefficient).cpu().numpy()
    return repeng.ControlVector(model_type=model.module.config.model_type, directions=directions)
