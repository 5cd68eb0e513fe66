"""The rules' inputs as printed: each number with its band, where it comes from, and its distance from each threshold."""

from dataclasses import dataclass

from reports.verdicts.rates import Gap
from reports.verdicts.verdict import Quantity, Reach
from steering_core.records import thresholds
from steering_core.records.thresholds import AGREE, AGREE_PP, DIVERGE, DIVERGE_PP, STABLE


@dataclass(frozen=True)
class WorstCosine:
    """A worst cosine as 1 - cosine, the tools and repeat that gave it, and the sentence of its record."""

    one_minus_cosine: float
    where: str
    sentence: str


def within_cosine(worst: WorstCosine) -> Quantity:
    """The worst within-tool cosine."""
    stable, distance = thresholds.is_stable(worst.one_minus_cosine), worst.one_minus_cosine - STABLE
    reach = Reach(rule=f"stable: {thresholds.STABLE_COSINE}", holds=stable, distance=distance)
    return _cosine("within_cosine", "within-tool cosine", worst, "stable" if stable else "unstable", (reach,))


def cross_cosine(worst: WorstCosine) -> Quantity:
    """The worst cross-tool cosine."""
    value, band = worst.one_minus_cosine, thresholds.band_of_cosine(worst.one_minus_cosine)
    reaches = (
        Reach(rule=f"agrees: {thresholds.AGREEING_COSINE}", holds=band == "agrees", distance=value - AGREE),
        Reach(rule=f"diverges: {thresholds.DIVERGING_COSINE}", holds=band == "diverges", distance=DIVERGE - value),
    )
    return _cosine("cross_cosine", "cross-tool cosine", worst, band, reaches)


def rate_gap(gap: Gap) -> Quantity:
    """The largest coherent-rate gap."""
    points, band = float(gap.points), thresholds.band_of_gap(gap.points)
    short, past = float(gap.points - AGREE_PP), float(DIVERGE_PP - gap.points)
    reaches = (
        Reach(rule=f"agrees: {thresholds.AGREEING_GAP}", holds=band == "agrees", distance=short),
        Reach(rule=f"diverges: {thresholds.DIVERGING_GAP}", holds=band == "diverges", distance=past),
    )
    text = f"coherent-rate gap = {points:.1f} pp ({gap.where}) {_describe_band(band, reaches, ' pp')}"
    return Quantity(name="rate_gap_pp", value=points, unit="pp", band=band, where=gap.where, reaches=reaches, text=text)


def relate(model: str, cosine: Quantity | None, gap: Quantity | None) -> tuple[str, tuple[str, ...]]:
    """`ModelNumbers.relation`, and what keeps the model from both agreeing and diverging."""
    if cosine is None or gap is None:
        return "not measured", ()
    if cosine.band == gap.band != "between":
        return cosine.band, ()
    if "between" in (cosine.band, gap.band):
        between = tuple(f"{model}: {number.text}" for number in (cosine, gap) if number.band == "between")
    else:
        one, other = ("direction", "behavior") if cosine.band == "diverges" else ("behavior", "direction")
        between = (f"{model}: a {one} gap without a {other} gap: {cosine.text}; {gap.text}",)
    return "between thresholds", between


def _cosine(name: str, title: str, worst: WorstCosine, band: str, reaches: tuple[Reach, ...]) -> Quantity:
    gap, cosine, where = worst.one_minus_cosine, min(1.0, 1 - worst.one_minus_cosine), worst.where
    # A cosine this close to 1 prints as 1.000000, which would hide the difference: hence 1 - cosine beside it.
    text = f"{title} = {cosine:.6f} (1 − cos = {gap:.2e}; {where}) {_describe_band(band, reaches, '')}"
    return Quantity(
        name=name, value=cosine, unit="cosine", band=band, where=where, reaches=reaches, text=text, one_minus_cosine=gap
    )


def _describe_band(band: str, reaches: tuple[Reach, ...], unit: str) -> str:
    if band != "between":
        return band
    agree, diverge = (f"{reach.distance:.3g}{unit}" for reach in reaches)
    return f"is between thresholds: {agree} short of agreeing, {diverge} short of diverging"
