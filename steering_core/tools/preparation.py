"""What an adapter works out before it touches a model: does the site exist, which edits go on which module."""

from collections.abc import Sequence
from dataclasses import replace

from steering_core.errors import EmptyMeasurement, ToolUnsupported, UsageProblem
from steering_core.models.architectures import architecture_of
from steering_core.models.model import LoadedModel
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.edits import Edit


def missing(spec: ModelSpec, site: Site) -> str | None:
    """None, or the reason why the model has no such site."""
    try:
        architecture_of(spec.family).tap(site)
    except ToolUnsupported as error:
        return str(error)
    if site.layer >= spec.layers:
        return f"{spec.key} has no block {site.layer}: blocks are 0 to {spec.layers - 1}"
    return None


def check_sites(model: LoadedModel, sites: Sequence[Site]) -> None:
    """ToolUnsupported at the first site that the model does not have; EmptyMeasurement when none is asked for."""
    if not sites:
        raise EmptyMeasurement("no-sites", "a reading of no sites", "name at least one site")
    for site in sites:
        if reason := missing(model.spec, site):
            raise ToolUnsupported("no-such-site", f"{site} cannot be read: {reason}", "ask for a site the model has")


def edits_by_module(model: LoadedModel, edits: Sequence[Edit]) -> dict[str, list[Edit]]:
    """Edits grouped by module path, their order kept, vectors moved once to where the module computes.

    ToolUnsupported at a site that is not the whole output of one module: changing only what a norm receives would
    leave the residual stream as it was.
    """
    grouped: dict[str, list[Edit]] = {}
    for edit in edits:
        if reason := missing(model.spec, edit.site):
            raise ToolUnsupported("edit-site", f"{edit.site} cannot be edited: {reason}", "edit a site the model has")
        tap = model.architecture.tap(edit.site)
        if tap.side != "output" or tap.part is not None:
            raise ToolUnsupported(
                "edit-site", f"{edit.site} cannot be edited: it is not the whole output of one module",
                "edit such an output, as resid_post is",
            )  # fmt: skip
        grouped.setdefault(tap.path, []).append(replace(edit, vector=edit.vector.to(model.device_at(tap.path))))
    return grouped


def check_prompts(batch: TokenBatch) -> None:
    """UsageProblem unless every row ends in a real token: generation goes on from the last column."""
    if not bool(batch.mask[:, -1].all()):
        raise UsageProblem(
            "padding-side", "generation was asked to go on from padding", "encode the prompts with side='left'"
        )
