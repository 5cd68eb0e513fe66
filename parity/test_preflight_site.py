"""Preflight P1, P2, P3, P5: every tool returns the tensor that was requested."""

from functools import cache
from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import assert_equal, assert_within_floor
from parity.plugin.needs import CONTRIBUTIONS
from steering_core.models.sites import Site

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.localize import Localization


@pytest.mark.clause("P1")
@pytest.mark.needs("block")
@pytest.mark.parametrize("block", ["tested", "last"])
def test_location(experiment: Experiment, tool: Tool, record: Draft, block: str) -> None:
    """P1: the tool's output of a block is what the next block (or the final norm) received, up to rounding."""
    layer = experiment.settings.layer if block == "tested" else experiment.model.spec.layers - 1
    site, batch = Site("resid_post", layer), experiment.extraction
    returned, received = experiment.read(tool, batch, [site])[site], experiment.truth(batch)[layer + 1]
    record.note(site=str(site))
    shape = list(returned.shape), list(received.shape)
    assert_equal(record, f"{site} shape", *shape, explain=lambda: experiment.localized(batch, site, returned).sentence)
    what = f"{site} against what the next module received"
    assert_rounded(experiment, tool, record, what, site, returned, received)


def assert_rounded(
    experiment: Experiment,
    tool: Tool,
    record: Draft,
    what: str,
    site: Site,
    returned: "Tensor",
    expected: "Tensor",
) -> None:
    """What a tool returned for a site, [batch, seq, hidden], is what was expected, up to rounding."""
    batch = experiment.extraction
    real = batch.mask[..., None].bool()
    assert_within_floor(
        record,
        what,
        returned.where(real, 0),
        expected.where(real, 0),
        floor=lambda: experiment.floor(batch, [site], tool),
        localize=lambda: {"": experiment.localized(batch, site, returned)},
    )


@pytest.mark.clause("P2")
@pytest.mark.needs("read")
@pytest.mark.parametrize("rows", [1, 3], ids=["batch1", "batch3"])
def test_shape(experiment: Experiment, tool: Tool, record: Draft, rows: int) -> None:
    """P2: [batch, seq, hidden], for one prompt and for several."""
    batch = experiment.batch(experiment.prompts.extraction[:rows])
    returned = experiment.read(tool, batch)[experiment.site]
    assert_equal(record, "shape", list(returned.shape), [*batch.ids.shape, experiment.model.spec.hidden])


@pytest.mark.clause("P3")
@pytest.mark.needs("read")
def test_dtype(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P3: the model's own dtype; float32 only after the suite's cast."""
    returned = experiment.read(tool, experiment.extraction)[experiment.site]
    assert_equal(record, "dtype", str(returned.dtype), str(experiment.model.dtype))


@pytest.mark.clause("P5")
@pytest.mark.needs("contributions", "last")
def test_timing(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P5: resid_pre + attn_contrib + mlp_contrib = resid_post, up to the rounding of those that are not bit-equal to the
    suite's own. All are asked of the tool at once, and with them the last block's output, which is what it is alone."""
    layer, batch = experiment.settings.layer, experiment.extraction
    last = Site("resid_post", experiment.model.spec.layers - 1)
    captured = experiment.read(tool, batch, experiment.preflight_sites)
    assert_sum(experiment, tool, record, {stream: captured[Site(stream, layer)] for stream in CONTRIBUTIONS})
    alone = experiment.read(tool, batch, [last])[last]
    what = f"{last}, asked together with them and alone"
    assert_rounded(experiment, tool, record, what, last, captured[last], alone)


def assert_sum(experiment: Experiment, tool: Tool, record: Draft, parts: "dict[str, Tensor]") -> None:
    """parts: the tensors of `CONTRIBUTIONS` at the tested block, [batch, seq, hidden]; the last is the sum of the others."""
    layer, batch = experiment.settings.layer, experiment.extraction
    pre, attention, mlp, post = parts.values()
    real, total = batch.mask[..., None].bool(), (pre + attention) + mlp

    @cache
    def localize() -> "dict[str, Localization]":
        sites = {Site(stream, layer): part for stream, part in parts.items()}
        return {f"for {site}:": experiment.localized(batch, site, part) for site, part in sites.items()}

    def floor() -> float:
        rounded = [stream for stream, found in zip(parts, localize().values(), strict=True) if not found.bit_equal]
        return experiment.floor(batch, [Site(stream, layer) for stream in rounded], tool)

    what = f"sum of contributions at block {layer}"
    assert_within_floor(record, what, post.where(real, 0), total.where(real, 0), floor=floor, localize=localize)
