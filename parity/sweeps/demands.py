"""What every condition of a sweep must show, whatever its rates are: a sweep that no defect turns red measures nothing."""

from collections.abc import Mapping
from fractions import Fraction
from math import isclose
from typing import TYPE_CHECKING

from parity.plugin.arguments import Draft
from parity.plugin.assertions import assert_holds

if TYPE_CHECKING:
    from torch import Tensor

    from steering_core.measure.sweep import Measured, Sweep
    from steering_core.measure.working_band import WorkingBand


def demand_steered(
    record: Draft, sweep: "Sweep", measured: "Measured", direction: "Tensor", strongest: bool = False
) -> None:
    """The claimed blocks are steered; without steering nothing is refused; the strongest setting changes some answer;
    where the condition works, a random direction does not."""
    __tracebackhide__ = True
    from steering_core.measure.sweep_controls import by_random_direction, observed, unsteered

    seen = observed(sweep, measured, direction)
    claim = f"steered from block {measured.layer} on at strength {measured.strength:g}"
    assert_holds(record, not seen.wrong, claim, f"not {claim}: {seen.describe()}")
    plain = unsteered(sweep)
    record.note(unsteered=list(plain.counts), observed_places=seen.moved_tokens)
    refused = f"{plain.counts[0]} of {measured.unique} unsteered answers are coherent refusals"
    assert_holds(record, not plain.works, refused, f"{refused}: no rate of this sweep tells what steering does")
    if strongest:
        changed = measured.extra["answers"] != sweep.experiment.digest(plain.ids)
        assert_holds(record, changed, "answers change", f"no answer changes at strength {measured.strength:g}")
    if measured.works:
        control = by_random_direction(sweep, measured.layer, measured.strength)
        record.note(random_direction=list(control.counts))
        refusals = f"{control.counts[0]} of {measured.unique} coherent refusals"
        assert_holds(
            record,
            not control.works,
            f"along a random direction {refusals}",
            f"a random direction works too: {refusals}",
        )


def demand_best(record: Draft, validation: "list[Measured]", best: "Measured") -> None:
    """The layer of the size curve is the one with the most coherent refusals of its validation."""
    __tracebackhide__ = True
    most = max(each.coherent for each in validation)
    told = {each.layer: each.coherent for each in validation}
    chosen = f"block {best.layer} has {told.get(best.layer)} coherent refusals"
    assert_holds(record, told.get(best.layer) == most, chosen, f"{chosen}, and another block {most}")


def demand_precision(record: Draft, here: "Sweep", precision: str) -> None:
    """The model's weights are stored at the precision that the cell names."""
    __tracebackhide__ = True
    from steering_core.measure.sweep_controls import PACKED, packed_weights

    for name in PACKED:
        packed, linear = packed_weights(here.experiment.model, name)
        record.note(**{f"{name}_weights": packed})
        expected = linear if name == precision else 0
        sentence = f"{packed} of {linear} weights of the linear layers are stored as {name}"
        assert_holds(record, packed == expected, sentence, f"{sentence}, expected {expected}")


def demand_origin(record: Draft, origin: str, precision: str, steering: "Tensor", full: "Tensor") -> None:
    """The direction that steers at a lower precision is the full precision's exactly if the cell says so."""
    __tracebackhide__ = True
    if precision == "full":
        return
    same, applied = steering.equal(full), origin == "full_applied"
    words = "the full precision's direction steers" if same else "a direction extracted at this precision steers"
    assert_holds(record, same is applied, words, f"{words}, though the check's name says {origin.replace('_', ' ')}")


def demand_bracketed(record: Draft, band: "WorkingBand", grid: "list[float]", resolution: float) -> None:
    """Each end of the band lies between a multiplier that works and one that does not, at most `resolution` apart, or at
    an end of the grid."""
    __tracebackhide__ = True
    from steering_core.records.thresholds import does_work

    works = {strength: does_work(Fraction(coherent, total)) for strength, (coherent, _, total) in band.measured.items()}
    assert_holds(record, set(map(float, grid)) <= set(works), "the whole grid was measured")
    if band.low is None or band.high is None:
        assert_holds(record, not any(works.values()), "no multiplier works", "no band, though a multiplier works")
        return
    for fails, good, end in ((band.low[0], band.low[1], min(grid)), (band.high[1], band.high[0], max(grid))):
        assert_holds(record, works.get(good) is True, f"{good:g}x works", f"the band ends at {good:g}x, which fails")
        if fails is None:
            assert_holds(record, good == end, f"works at {end:g}x", f"the end {good:g}x of the band is not bracketed")
            continue
        assert_holds(record, works.get(fails) is False, f"{fails:g}x fails", f"{fails:g}x, beyond the band, works")
        gap = abs(good - fails)
        bracket = f"the end of the band lies between {min(good, fails):g}x and {max(good, fails):g}x"
        assert_holds(record, gap <= resolution, bracket, f"{bracket}: more than {resolution:g}x apart")


def demand_proportional(record: Draft, ratios: "Mapping[float, tuple[float, float]]") -> None:
    """ratios: multiplier -> perturbation ratio at the first steered block, and of all steered blocks at the last one. The
    prompts are the same, so that twice the strength is twice the ratio."""
    __tracebackhide__ = True
    lowest = min(ratios)
    expected = {each: [share * each / lowest for share in ratios[lowest]] for each in ratios}
    wrong = [each for each in ratios if not all(map(isclose, ratios[each], expected[each]))]
    claim = f"perturbation ratio {ratios[lowest][0]:.3g} at {lowest:g}x, in proportion at {len(ratios) - 1} others"
    otherwise = ", ".join(f"{each:g}x: {ratios[each][0]:.3g} instead of {expected[each][0]:.3g}" for each in wrong[:3])
    assert_holds(record, not wrong and ratios[lowest][0] > 0, claim, f"ratios out of proportion: {otherwise}")
