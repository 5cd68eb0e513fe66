"""What an adapter works out before it touches a model: whether a site exists, and which module each edit is applied to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from steering_core.errors import EmptyMeasurement, ToolUnsupported, UsageProblem
from steering_core.models.architectures import architecture_of
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.models.transfers import onto
from steering_core.tools.actions import Action
from steering_core.tools.edits import Edit, tensors_of


def site_problem(spec: ModelSpec, site: Site, action: Action = "read") -> str | None:
    """None, or the reason why the model has no such site, or why it cannot be edited.

    A site that can be edited is the whole output of one module: changing only the input of a norm would leave the
    residual stream unchanged.
    """
    try:
        tap = architecture_of(spec.family).tap(site)
    except ToolUnsupported as error:
        return str(error)
    if site.layer >= spec.layers:
        return f"{spec.key} has no block {site.layer}: blocks are 0 to {spec.layers - 1}"
    if action != "read" and (tap.side != "output" or tap.part is not None):
        return "it is not the whole output of one module"
    return None


def check_sites(model: LoadedModel, sites: Sequence[Site]) -> None:
    """ToolUnsupported for the first site that the model does not have; EmptyMeasurement when no site is requested."""
    if not sites:
        raise EmptyMeasurement("no-sites", "no site was requested", "name at least one site")
    for site in sites:
        if reason := site_problem(model.spec, site):
            raise ToolUnsupported("no-such-site", f"{site} cannot be read: {reason}", "request a site the model has")


def edits_by_module(model: LoadedModel, edits: Sequence[Edit]) -> dict[str, list[Edit]]:
    """{module path: edits}, in order, each tensor on the device of its module; ToolUnsupported for a site that the model
    does not have, or that cannot be edited."""
    grouped: dict[str, list[Edit]] = {}
    for edit in edits:
        if reason := site_problem(model.spec, edit.site, "add"):
            hint = "edit a site that the model has, such as resid_post of one of its blocks"
            raise ToolUnsupported("edit-site", f"{edit.site} cannot be edited: {reason}", hint)
        tap = model.architecture.tap(edit.site)
        tensors: dict[str, Any] = {
            name: onto(tensor, model.device_at(tap.path)) for name, tensor in tensors_of(edit).items()
        }
        grouped.setdefault(tap.path, []).append(replace(edit, **tensors))
    return grouped


def check_prompts(batch: TokenBatch) -> None:
    """UsageProblem unless every row ends in a real token: generation continues from the last column."""
    if not bool(batch.mask[:, -1].all()):
        raise UsageProblem("padding-side", "generation would continue from padding", "encode prompts with side='left'")
