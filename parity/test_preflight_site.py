"""Preflight P1, P2, P3, P5: every tool returns the tensor that was requested."""

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import assert_equal, assert_same
from parity.plugin.needs import CONTRIBUTIONS
from steering_core.models.sites import Site


@pytest.mark.clause("P1")
@pytest.mark.needs("block")
@pytest.mark.parametrize("block", ["tested", "last"])
def test_location(experiment: Experiment, tool: Tool, record: Draft, block: str) -> None:
    """P1: the tool's output of a block is what the next block (or the final norm) received."""
    layer = experiment.settings.layer if block == "tested" else experiment.model.spec.layers - 1
    site, batch = Site("resid_post", layer), experiment.extraction
    returned, received = experiment.read(tool, batch, site)[site], experiment.truth(batch)[layer + 1]
    real = batch.mask[..., None].bool()
    record.note(site=str(site))

    def explain() -> str:
        return experiment.localized(batch, site, returned)

    assert_equal(record, f"{site} shape", list(returned.shape), list(received.shape), explain=explain)
    what = f"{site} against what the next module received"
    assert_same(record, what, returned.where(real, 0), received.where(real, 0), explain=explain)


@pytest.mark.clause("P2")
@pytest.mark.needs("read")
@pytest.mark.parametrize("rows", [1, 3], ids=["batch1", "batch3"])
def test_shape(experiment: Experiment, tool: Tool, record: Draft, rows: int) -> None:
    """P2: [batch, seq, hidden], for one prompt and for several."""
    batch = experiment.batch(experiment.prompts.extraction[:rows])
    returned = tool.read(experiment.model, batch, [experiment.site])[experiment.site]
    assert_equal(record, "shape", list(returned.shape), [*batch.ids.shape, experiment.model.spec.hidden])


@pytest.mark.clause("P3")
@pytest.mark.needs("read")
def test_dtype(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P3: the model's own dtype; float32 only after the suite's cast."""
    returned = experiment.read(tool, experiment.extraction)[experiment.site]
    assert_equal(record, "dtype", str(returned.dtype), str(experiment.model.dtype))


@pytest.mark.clause("P5")
@pytest.mark.needs("contributions")
def test_timing(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P5: resid_pre + attn_contrib + mlp_contrib = resid_post, all captured by the tool in one forward pass."""
    layer, batch = experiment.settings.layer, experiment.extraction
    sites = [Site(stream, layer) for stream in CONTRIBUTIONS]
    captured = experiment.read(tool, batch, *sites)
    pre, attention, mlp, post = (captured[site] for site in sites)
    real, total = batch.mask[..., None].bool(), (pre + attention) + mlp
    assert_same(record, f"sum of contributions at block {layer}", post.where(real, 0), total.where(real, 0))
