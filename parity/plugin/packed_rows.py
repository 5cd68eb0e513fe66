"""What the check of packed prompts computes for itself: their inputs, what each gives alone, and what a wrong row holds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from parity.plugin.arguments import Experiment, Tool
from steering_core.compare import compare

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.localize import Localization
    from steering_core.models.tokens import TokenBatch


def packed_inputs(rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """What a forward of packed prompts is given: their ids in one row, positions that begin anew at each of them, and
    neither a mask nor a cache, with which transformers lets prompts attend to those before them."""
    ids, positions = sum(map(list, rows), []), [position for row in rows for position in range(len(row))]
    return {"input_ids": [ids], "position_ids": [positions], "use_cache": False}


def computed_alone(experiment: Experiment, prompts: Sequence[str]) -> "Tensor":
    """What the next block received of each prompt in a forward of its own, one after the other: [tokens, hidden]."""
    import torch

    after = experiment.settings.layer + 1
    return torch.cat([experiment.truth(experiment.batch((prompt,)))[after][0] for prompt in prompts])


def computed_untouched(experiment: Experiment, tool: Tool, packed: "TokenBatch") -> "Tensor":
    """The output of the tested block, by no tool, but with the tool's libraries: [tokens, hidden]."""
    from steering_core.hosts.hosted_tool import is_elsewhere

    if not is_elsewhere(tool):
        return experiment.truth(packed)[experiment.settings.layer + 1][0]
    there: dict[Any, Tensor] = experiment.perform(tool, "truth", batch=packed, sites=[experiment.site])
    return there[experiment.site][0]


def in_rows(values: "Tensor", padded: "TokenBatch") -> "Tensor":
    """[tokens, hidden], prompt by prompt -> [prompts, seq, hidden], where the padded batch of the prompts has them."""
    real = padded.mask.bool()[..., None]
    return values.new_zeros((*padded.mask.shape, values.shape[-1])).masked_scatter(real, values)


def localize_packed(
    experiment: Experiment, padded: "TokenBatch", returned: "Tensor", untouched: "Tensor", floor: float
) -> "Localization":
    """What was returned for packed prompts: the requested tensor, if it is the untouched model's of the packed row, whose
    kernels may be others than those of a prompt alone; the name of a mistake with packed rows; or of a tensor.

    returned, untouched: [tokens, hidden].
    """
    from steering_core.localize import Localization

    site, row = experiment.site, in_rows(returned, padded)
    if compare(returned, untouched).within(floor):
        return experiment.localized(padded, site, row, in_rows(untouched, padded))
    for mistake, values in _mistakes(experiment, padded):
        gap = compare(returned, values)
        if gap.within(floor):
            closeness = "bit-equal" if gap.bit_equal else f"max|d| = {gap.max_abs:.3g}"
            return Localization(f"returned {site} as {mistake} ({closeness})", True, str(site), site)
    return experiment.localized(padded, site, row)


def _mistakes(experiment: Experiment, padded: "TokenBatch") -> "Iterator[tuple[str, Tensor]]":
    """What else a forward of the row computes, by no tool: [tokens, hidden]."""
    import torch

    from steering_core.observe.forward_trace import block_inputs

    after, lengths = experiment.settings.layer + 1, padded.mask.sum(-1).tolist()
    ids = padded.ids[padded.mask.bool()][None]
    positions = torch.cat([torch.arange(length, device=ids.device) for length in lengths])[None]
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for mistake, more in (
        ("if each prompt attended to those before it", {"position_ids": positions}),
        ("if all prompts were one: their positions do not begin anew", {}),
    ):
        yield mistake, block_inputs(experiment.model, given | more, {after})[after][0]
