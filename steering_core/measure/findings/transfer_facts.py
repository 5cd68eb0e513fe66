"""What a record of finding F5 holds, as JSON; estimates as [value, low, high], rates as [successes, n]."""

from typing import Any

from steering_core.directions.evaluation.transfer import DIFFERENT, SAME, judge_elicitation
from steering_core.measure.experiment import Experiment
from steering_core.measure.findings.sources import TRAIT, Source
from steering_core.measure.findings.transfers import Measured


def transfer_facts(measured: Measured) -> dict[str, Any]:
    """Numbers of one cell; none where its limit says why."""
    cell, steered = measured.cell, measured.cell.control
    facts: dict[str, Any] = {"source": cell.source, "target": cell.target, "limit": cell.limit, "cosine": cell.cosine}
    facts["detection"] = list(cell.detection) if cell.detection else None
    facts["efficiency"] = list(steered.efficiency) if steered and steered.efficiency else None
    rates = {"transferred": steered.transferred, "own": steered.own, "random": steered.baseline} if steered else {}
    facts |= {name: [rate.successes, rate.n] for name, rate in rates.items()}
    facts |= {f"{name}_interval": list(rate.interval) for name, rate in rates.items()}
    facts |= {name: measured.ratios.get(name) for name in ("ratio", "cumulative_ratio")}
    return facts | {
        "unsteered": [measured.unsteered.successes, measured.unsteered.n],
        "detects": cell.detects,
        "controls": cell.controls,
    }


def statements_of(matrix: str, measured: Measured) -> list[str]:
    """The cosine rule, where the sets are two elicitations of one trait."""
    cell = measured.cell
    if matrix != "elicitation" or cell.source == cell.target or cell.cosine is None:
        return []
    rule = f"above {SAME} / below {DIFFERENT}"
    return [f"natural against instructed, cosine {cell.cosine:.2f} ({rule}): {judge_elicitation(cell.cosine)}"]


def model_facts(here: Experiment, source: Source) -> dict[str, Any]:
    """Between which models and blocks; the setting is the target's."""
    layers = {"source_layer": source.layer, "target_layer": here.settings.layer}
    about = f"{TRAIT}, by the model"
    return {"matrix": str(source.relation), "about": about, "source_weights": source.weights, **layers}


def statements_between(measured: Measured) -> list[str]:
    """Said only where a direction detects and does not control, or the reverse."""
    cell = measured.cell
    if cell.limit or cell.detects == cell.controls:
        return []
    return [f"detection and control come apart: {cell.sentence}"]
