"""A family that works in part gets a finer sweep, and only then goes on, with a caveat."""

from collections.abc import Iterator, Sequence

from reports.verdicts.sweeps.bands import Band
from reports.verdicts.sweeps.condition import Condition
from reports.verdicts.sweeps.decision import DecisionRule, Step
from reports.verdicts.sweeps.evidence import SweepEvidence, best_of, methods_of, size_conditions
from reports.verdicts.sweeps.plan import standard
from reports.verdicts.sweeps.points import Point
from steering_core.measure.sweep_plan import read_sweeps

CAVEAT = "The finer sweep is measured: include its sizes, with the caveat that no condition works"


def decide(evidence: SweepEvidence) -> Iterator[Step]:
    """One step per family whose best condition is Partial."""
    for family, points in evidence.families.items():
        best = best_of(points)
        if best.judged.band is Band.PARTIAL:
            finding = f"{best.model} works in part, best at {best.place}: {best.rates}"
            finer = evidence.missing(finer_conditions([point for point in points if point.model == best.model]))
            if finer:
                yield Step(family, finding, "Sweep more depths, and more multipliers at the best depth", finer)
            else:
                yield Step(family, finding, CAVEAT, evidence.missing(size_conditions(family, points)))


def finer_conditions(points: Sequence[Point]) -> Iterator[Condition]:
    """Of one model: two more depths at its own strength, and three multipliers at the best depth, with each method."""
    plan, methods = read_sweeps()["decisions"], methods_of(points)
    swept = [point for point in points if point.depth is not None]
    places = [(depth, standard()) for depth in plan["partial_depths"]]
    if swept:
        best = best_of(swept).depth
        places += [(best, float(multiplier)) for multiplier in plan["partial_multipliers"]]
    for depth, multiplier in places:
        for method in methods:
            yield Condition(points[0].model, "W1", depth, multiplier, method)


RULE = DecisionRule(
    name="family_partial",
    precedence=20,
    source="section 5.1",
    condition="the best condition of a family works in part",
    decide=decide,
)
