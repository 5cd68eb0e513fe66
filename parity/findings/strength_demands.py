"""What models at equal strength must show, whichever is steered more easily (F8). Expected values are counted here."""

import math
from typing import TYPE_CHECKING

from parity.findings.layer_demands import EXACT, near
from parity.plugin.arguments import Draft
from parity.plugin.assertions import assert_holds
from steering_core.records.thresholds import does_work

if TYPE_CHECKING:
    from steering_core.directions.evaluation.uncertainty import Estimate
    from steering_core.measure.multilayer.between_models import Strength
    from steering_core.measure.multilayer.setting import Scale


def demand_equal(record: Draft, scale: "Scale", strength: "Strength", who: str) -> None:
    """What is added is the asked share of the activations' norm, or moves the worst 5 % of tokens by at most 1 nat."""
    __tracebackhide__ = True
    from steering_core.measure.multilayer.setting import NATS, RATIO

    words = f"{who}: ratio {strength.ratio:.4g}, worst 5 % of tokens {strength.worst:.4g} nats"
    if scale == "ratio":
        assert_holds(record, near(strength.ratio, RATIO, EXACT), words, f"{words}: not at ratio {RATIO:g}")
    else:
        holds = math.isfinite(strength.worst) and strength.worst <= NATS
        assert_holds(record, holds, words, f"{words}: not within {NATS:g} nat")


def demand_no_effect(record: Draft, strength: "Strength", who: str) -> None:
    """Neither unsteered answers nor those along a random direction of equal norm are coherent refusals as those that work
    are."""
    __tracebackhide__ = True
    from fractions import Fraction

    total = len(strength.refused)
    for count, what in ((strength.unsteered, "unsteered"), (sum(strength.random), "along a random direction")):
        words = f"{who}: {count} of {total} answers {what} are coherent refusals"
        assert_holds(record, not does_work(Fraction(count, total)), words)


def demand_other(record: Draft, own: "Strength", other: "Strength", names: tuple[str, str], same: bool) -> None:
    """What was kept is the other model's: it answered as many prompts, and its activations have another norm. same: whether
    both have the same weights."""
    __tracebackhide__ = True
    counts = [len(each) for each in (own.refused, own.random, other.refused, other.random)]
    words = f"{' and '.join(names)} answered {counts[0]} prompts each"
    assert_holds(record, len(set(counts)) == 1, words, f"answers of {names[0]} and {names[1]}: {counts}")
    words = f"the mean norms of {names[0]} and {names[1]} are {own.norm:.6g} and {other.norm:.6g}"
    assert_holds(record, same or own.norm != other.norm, words, f"{words}: one model's")


def demand_gap(record: Draft, value: "Estimate", own: "Strength", other: "Strength", place: str) -> None:
    """The gap is the difference of the two counts, and lies in its interval."""
    __tracebackhide__ = True
    expected = (sum(own.refused) - sum(other.refused)) / len(own.refused)
    words = f"{place}: gap {100 * value.value:+.1f} points [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"
    told = f"{words}, by the counts {100 * expected:+.1f}"
    assert_holds(record, math.isclose(value.value, expected, abs_tol=EXACT), words, told)
    assert_holds(record, value.low <= value.value <= value.high, words, f"{words}: outside its interval")
