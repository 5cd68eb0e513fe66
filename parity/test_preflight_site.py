"""Preflight P1, P2, P3, P5: every tool returns the tensor that was requested."""

from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import assert_equal, assert_within_floor
from steering_core.models.sites import Site

if TYPE_CHECKING:
    from steering_core.localize import Localization


@pytest.mark.clause("P1")
@pytest.mark.parametrize("block", ["tested", "last"])
def test_location(experiment: Experiment, tool: Tool, record: Draft, block: str) -> None:
    """P1: the tool's output of a block is what the next block (or the final norm) received, up to rounding."""
    layer = experiment.settings.layer if block == "tested" else experiment.model.spec.layers - 1
    site, batch = Site("resid_post", layer), experiment.extraction
    returned, received = experiment.read(tool, batch, [site])[site], experiment.truth(batch)[layer + 1]
    real = batch.mask[..., None].bool()
    record.note(site=str(site))

    def localize() -> "dict[str, Localization]":
        return {"": experiment.localized(batch, site, returned)}

    def explain() -> str:
        return localize()[""].sentence

    assert_equal(record, f"{site} shape", list(returned.shape), list(received.shape), explain=explain)
    assert_within_floor(
        record,
        f"{site} against what the next module received",
        returned.where(real, 0),
        received.where(real, 0),
        floor=lambda: experiment.floor(batch, [site]),
        localize=localize,
    )


@pytest.mark.clause("P2")
@pytest.mark.parametrize("rows", [1, 3], ids=["batch1", "batch3"])
def test_shape(experiment: Experiment, tool: Tool, record: Draft, rows: int) -> None:
    """P2: [batch, seq, hidden], for one prompt and for several."""
    batch = experiment.batch(experiment.prompts.extraction[:rows])
    returned = experiment.read(tool, batch)[experiment.site]
    assert_equal(record, "shape", list(returned.shape), [*batch.ids.shape, experiment.model.spec.hidden])


@pytest.mark.clause("P3")
def test_dtype(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P3: the model's own dtype; float32 only after the suite's cast."""
    returned = experiment.read(tool, experiment.extraction)[experiment.site]
    assert_equal(record, "dtype", str(returned.dtype), str(experiment.model.dtype))


@pytest.mark.clause("P5")
def test_timing(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P5: resid_pre + attn_contrib + mlp_contrib = resid_post, all asked of the tool at once, with the last block's
    output; up to the rounding of the four."""
    layer, batch = experiment.settings.layer, experiment.extraction
    captured = experiment.read(tool, batch, experiment.preflight_sites)
    parts = [Site(stream, layer) for stream in ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")]
    pre, attention, mlp, post = (captured[part] for part in parts)
    real, total = batch.mask[..., None].bool(), (pre + attention) + mlp

    def localize() -> "dict[str, Localization]":
        return {f"for {part}:": experiment.localized(batch, part, captured[part]) for part in parts}

    assert_within_floor(
        record,
        f"sum of contributions at block {layer}",
        post.where(real, 0),
        total.where(real, 0),
        floor=lambda: experiment.floor(batch, parts),
        localize=localize,
    )
