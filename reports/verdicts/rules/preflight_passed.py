"""PREFLIGHT PASSED: a run without behavior in which every planned cell was measured and every preflight check holds.

One model is enough here; the premise B3 belongs to behavior and does not count.
"""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule
from reports.verdicts.run_index import is_preflight
from reports.verdicts.verdict import Tone
from steering_core.records.record import Cell

ACTION = (
    "The tools read the same, correct tensors here; run with behavior, on at least two models, to reach an Outcome."
)


def decide(evidence: Evidence) -> Decision | None:
    """Nothing failed, nothing is missing, and something was checked."""
    checked = [cell for cell in evidence.index.cells if is_preflight(cell)]
    if not evidence.index.preflight_only or evidence.failed or evidence.missing or not checked:
        return None
    return Decision(_describe(evidence, checked), ACTION)


def _describe(evidence: Evidence, checked: list[Cell]) -> str:
    """What passes, and how much of the preflight of these models that is."""
    models = dict.fromkeys(cell.model for cell in checked)
    tools = dict.fromkeys(name for cell in checked for name in (cell.tool, cell.other) if name)
    whole = {cell for cell in evidence.plan.required if is_preflight(cell) and cell.model in models}
    left_out, deviations = len(whole - set(checked)), sum(evidence.index.records[cell].declared for cell in checked)
    count = f"{len(checked) - deviations} of {len(checked)}" if deviations else f"all {len(checked)}"
    checks = "selected preflight checks" if left_out else "preflight checks"
    known = f"; known deviations: {deviations}" if deviations else ""
    rest = f"; {left_out} were not selected" if left_out else ""
    return f"{count} {checks} pass on {', '.join(models)} ({', '.join(tools)}){known}{rest}"


RULE = VerdictRule(
    conclusion="PREFLIGHT_PASSED",
    precedence=20,
    tone=Tone.GOOD,
    condition="the run measures no behavior, every planned check was measured, and every preflight check holds",
    meaning="Every basic check that was selected holds. Behavior was not part of this run.",
    decide=decide,
)
