"""Preflight P1, P2, P3, P5: every tool returns the tensor that was requested."""

from functools import cache
from itertools import cycle, islice
from typing import TYPE_CHECKING

import pytest

from parity.plugin.arguments import Draft, Experiment, Tool
from parity.plugin.assertions import agree_bit_equal, assert_equal, assert_within_floor
from parity.plugin.needs import CONTRIBUTIONS
from steering_core.compare import compare
from steering_core.models.sites import Site

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.localize import Localization
    from steering_core.models.tokens import TokenBatch


@pytest.mark.clause("P1")
@pytest.mark.needs("block")
@pytest.mark.parametrize("block", ["tested", "last"])
def test_location(experiment: Experiment, tool: Tool, record: Draft, block: str) -> None:
    """P1: the tool's output of a block is what the next block (or the final norm) received, up to rounding."""
    layer = experiment.settings.layer if block == "tested" else experiment.model.spec.layers - 1
    site, batch = Site("resid_post", layer), experiment.extraction
    returned, received = experiment.read(tool, batch, [site])[site], experiment.truth(batch)[layer + 1]
    record.note(site=str(site))
    what = f"{site} against what the next module received"
    assert_rounded(experiment, tool, record, what, site, batch, returned, received)


@pytest.mark.clause("P1")
@pytest.mark.needs("read")
def test_every_location(experiment: Experiment, tool: Tool, record: Draft) -> None:
    """P1: every stream of every block that the tool offers, all asked for at once, is that tensor, up to rounding."""
    batch, sites = experiment.some, experiment.readable(tool)
    returned = experiment.known.differing(tool, batch, sites)
    captured = experiment.captures(batch, [*returned])
    alike = [site for site in returned if returned[site].shape == captured[site].shape]
    measure_floors(experiment, tool, batch, alike)
    for site in sites:
        what = f"{site} of {len(sites)} sites asked for together"
        if site in returned:
            assert_rounded(experiment, tool, record, what, site, batch, returned[site], captured[site])
        else:
            agree_bit_equal(record, what)
    streams = len({site.stream for site in sites})
    record.note(sites=len(sites), streams=streams)
    record.agree(f"{len(sites)} sites of {streams} streams: {record.measured['relation']}")


def measure_floors(experiment: Experiment, tool: Tool, batch: "TokenBatch", sites: "list[Site]") -> None:
    """The noise floors of several sites in the forwards of one; they are kept."""
    if sites:
        experiment.floor(batch, sites, tool)


def assert_rounded(
    experiment: Experiment,
    tool: Tool,
    record: Draft,
    what: str,
    site: Site,
    batch: "TokenBatch",
    returned: "Tensor",
    expected: "Tensor",
) -> None:
    """What a tool returned for a site, [batch, seq, width], is what was expected, up to rounding."""
    shape, real = (list(returned.shape), list(expected.shape)), batch.mask[..., None].bool()
    assert_equal(record, f"{site} shape", *shape, explain=lambda: experiment.localized(batch, site, returned).sentence)
    assert_within_floor(
        record,
        what,
        returned.where(real, 0),
        expected.where(real, 0),
        floor=lambda: experiment.floor(batch, [site], tool),
        localize=lambda: {"": localized_beside(experiment, tool, site, batch, returned, expected)},
        own=True,
    )


def localized_beside(
    experiment: Experiment, tool: Tool, site: Site, batch: "TokenBatch", returned: "Tensor", expected: "Tensor"
) -> "Localization":
    """Which tensor was returned; the model is not searched for one that is within rounding of the requested one."""
    real = batch.mask.bool()
    close = compare(returned[real], expected[real]).within(experiment.floor(batch, [site], tool))
    return experiment.localized(batch, site, returned, expected if close else None)


@pytest.mark.clause("P2")
@pytest.mark.needs("read")
@pytest.mark.parametrize("rows", [1, 3, 17], ids=["batch1", "batch3", "batch17"])
def test_shape(experiment: Experiment, tool: Tool, record: Draft, rows: int) -> None:
    """P2: [batch, seq, hidden], for one prompt and for several."""
    prompts = experiment.prompts.extraction + experiment.prompts.evaluation
    batch = experiment.batch(tuple(islice(cycle(prompts), rows)))
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
    """P5: resid_pre + attn_contrib + mlp_contrib = resid_post at every block, up to the rounding of those that are not
    bit-equal to the suite's own. All are asked of the tool at once; the last block's output is what it is alone."""
    batch, last = experiment.some, Site("resid_post", experiment.model.spec.layers - 1)
    blocks = whole_blocks(experiment.readable(tool))
    sites = [Site(stream, block) for block in blocks for stream in CONTRIBUTIONS]
    asked = list(dict.fromkeys([*sites, last]))
    own = experiment.captures(batch, asked)
    captured = own | experiment.known.differing(tool, batch, asked)
    for block in blocks:
        parts = {Site(stream, block): captured[Site(stream, block)] for stream in CONTRIBUTIONS}
        assert_sum(experiment, tool, record, parts, own)
    alone = experiment.read(tool, batch, [last])[last]
    what = f"{last}, asked together with them and alone"
    assert_rounded(experiment, tool, record, what, last, batch, captured[last], alone)
    record.note(blocks=len(blocks))
    record.agree(f"sums of contributions at {len(blocks)} blocks: {record.measured['relation']}")


def whole_blocks(sites: list[Site]) -> list[int]:
    """The blocks of which all of `CONTRIBUTIONS` are among these sites."""
    return [block for block in sorted({site.layer for site in sites}) if not parts_of(block) - {*sites}]


def parts_of(block: int) -> set[Site]:
    """The sites of a block that are summed, and their sum."""
    return {Site(stream, block) for stream in CONTRIBUTIONS}


def assert_sum(
    experiment: Experiment,
    tool: Tool,
    record: Draft,
    parts: "dict[Site, Tensor]",
    own: "dict[Site, Tensor]",
) -> None:
    """parts: the tensors of `CONTRIBUTIONS` at one block, [batch, seq, hidden]; the last is the sum of the others.
    own: the suite's own, of all blocks."""
    batch, (pre, attention, mlp, post) = experiment.some, parts.values()
    for site, part in parts.items():
        assert_equal(record, f"{site} shape", list(part.shape), [*batch.ids.shape, experiment.model.spec.hidden])
    real, total = batch.mask[..., None].bool(), (pre + attention) + mlp

    @cache
    def localize() -> "dict[str, Localization]":
        measure_floors(experiment, tool, batch, list(own))
        return {
            f"for {site}:": localized_beside(experiment, tool, site, batch, part, own[site])
            for site, part in parts.items()
        }

    def floor() -> float:
        rounded = [site for site, found in zip(parts, localize().values(), strict=True) if not found.bit_equal]
        return experiment.floor(batch, rounded, tool)

    what = f"sum of contributions at block {next(iter(parts)).layer}"
    assert_within_floor(record, what, post.where(real, 0), total.where(real, 0), floor=floor, localize=localize)
