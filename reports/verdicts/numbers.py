"""The rules' inputs as printed: every number with its band, where it comes from, and how far it is from each line."""

from reports.verdicts.model_evidence import ModelEvidence, WorstCosine
from reports.verdicts.rates import Gap, pool_percents
from reports.verdicts.verdict import ModelNumbers, Quantity, Reach
from steering_core.records.thresholds import (
    AGREE,
    AGREE_PP,
    DIVERGE,
    DIVERGE_PP,
    STABLE,
    band_of_cosine,
    band_of_gap,
    is_stable,
)


def number_model(model: ModelEvidence) -> ModelNumbers:
    """All numbers of one model."""
    return ModelNumbers(
        model=model.model,
        w=_number_within(model.within) if model.within else None,
        c=_number_across(model.across) if model.across else None,
        g=_number_gap(model.gap) if model.gap else None,
        relation=_relate(model),
        holes=list_holes(model),
        rates={tool: float(percent) for tool, percent in pool_percents(model.rates).items()},
        passing=model.passing,
        token_identical=model.token_identical,
    )


def list_holes(model: ModelEvidence) -> tuple[str, ...]:
    """What keeps a model from both agreeing and diverging, in words; empty when it does either."""
    if model.across is None or model.gap is None or model.agrees or model.diverges:
        return ()
    c, g = _number_across(model.across), _number_gap(model.gap)
    between = tuple(number.text for number in (c, g) if number.band == "between")
    if {c.band, g.band} != {"agrees", "diverges"}:
        return tuple(f"{model.model}: {text}" for text in between)
    kind = "direction gap without a behavior gap" if c.band == "diverges" else "behavior gap without a direction gap"
    return (f"{model.model}: a {kind}: {c.text}; {g.text}",)


def _relate(model: ModelEvidence) -> str:
    if model.bands is None:
        return "not measured"
    if model.agrees:
        return "agrees"
    return "diverges" if model.diverges else "in a hole"


def _number_within(angle: WorstCosine) -> Quantity:
    found = angle.one_minus_cosine
    reach = Reach(rule="stable: w > 0.999", holds=is_stable(found), distance=found - STABLE)
    return _quantity("w", angle, "stable" if reach.holds else "unstable", (reach,))


def _number_across(angle: WorstCosine) -> Quantity:
    found, band = angle.one_minus_cosine, band_of_cosine(angle.one_minus_cosine)
    agree = Reach(rule="agrees: c > 0.99", holds=band == "agrees", distance=found - AGREE)
    diverge = Reach(rule="diverges: c < 0.95", holds=band == "diverges", distance=DIVERGE - found)
    return _quantity("c", angle, band, (agree, diverge))


def _number_gap(gap: Gap) -> Quantity:
    points, band = gap.points, band_of_gap(gap.points)
    reaches = (
        Reach(rule="agrees: g <= 5 pp", holds=band == "agrees", distance=float(points - AGREE_PP)),
        Reach(rule="diverges: g > 20 pp", holds=band == "diverges", distance=float(DIVERGE_PP - points)),
    )
    text = f"g = {float(points):.1f} pp ({gap.where}) {_judge_band(band, reaches, ' pp')}"
    return Quantity(name="g", value=float(points), unit="pp", band=band, where=gap.where, reaches=reaches, text=text)


def _quantity(name: str, angle: WorstCosine, band: str, reaches: tuple[Reach, ...]) -> Quantity:
    found = angle.one_minus_cosine
    cosine = min(1.0, 1 - found)
    # A cosine this close to 1 prints as 1.000000, which would hide the difference: hence 1 - cos beside it.
    text = f"{name} = {cosine:.6f} (1 - cos = {found:.2e}; {angle.where}) {_judge_band(band, reaches, '')}"
    return Quantity(
        name=name, value=cosine, unit="cosine", band=band, where=angle.where, reaches=reaches, text=text,
        one_minus_cosine=found,
    )  # fmt: skip


def _judge_band(band: str, reaches: tuple[Reach, ...], unit: str) -> str:
    if band != "between":
        return band
    agree, diverge = reaches
    return (
        f"is in no rule: {agree.distance:.3g}{unit} short of agreeing, {diverge.distance:.3g}{unit} short of diverging"
    )
