"""OFFERED CHECKS PASSED / FAILED: a complete run whose tools do not offer what a comparison takes.

A tool that only steers has no direction to compare; two tools of which one only steers can agree in behavior alone.
"""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule, first_of
from reports.verdicts.run_index import RunIndex
from reports.verdicts.selection import describe_checks, list_failed
from reports.verdicts.verdict import ModelNumbers, Tone
from steering_core.records.record import Cell

ADD_A_TOOL = "Run these tools beside one that reads and steers, such as hooks and pyvene, for a comparison of results."
FIX = "Read the failed check, fix its cause, and repeat the run."


def decide_passed(evidence: Evidence) -> Decision | None:
    """Some model's tools were not compared, and every check that they offer holds."""
    if not (open_models := _not_compared(evidence)) or list_failed(evidence.index):
        return None
    checks = describe_checks(evidence.index, _cells(evidence.index), "checks")
    return Decision(f"{checks}; {'; '.join(map(_describe, open_models))}", ADD_A_TOOL)


def decide_failed(evidence: Evidence) -> Decision | None:
    """Some model's tools were not compared, and a check does not hold."""
    index = evidence.index
    failed = [index.records[cell] for cell in list_failed(index)]
    if not (open_models := _not_compared(evidence)) or not failed:
        return None
    first = first_of([f"{record.cell.id} fails: {record.sentence}" for record in failed])
    return Decision(f"{first}; {'; '.join(map(_describe, open_models))}", FIX)


def _not_compared(evidence: Evidence) -> list[ModelNumbers]:
    """Where INCOMPLETE has not fired, only what is not offered can be without a number."""
    return [model.numbers for model in evidence.models if model.numbers.relation == "not measured"]


def _cells(index: RunIndex) -> list[Cell]:
    return [cell for cell in index.plan.planned if cell in index.records]


def _describe(numbers: ModelNumbers) -> str:
    """What was not compared on a model, and what was."""
    known = [number.text for number in (numbers.cross_cosine, numbers.rate_gap_pp) if number]
    compared = {"directions": numbers.cross_cosine, "behavior": numbers.rate_gap_pp}
    left_out = " and ".join(name for name, number in compared.items() if not number)
    return ", ".join([f"on {numbers.model} no two tools offer what comparing {left_out} takes", *known])


PASSED = VerdictRule(
    conclusion="OFFERED_CHECKS_PASSED",
    precedence=49,
    tone=Tone.GOOD,
    condition="on at least one model no two tools offer what a comparison needs, and every check that they offer holds",
    meaning="Every check of what these tools offer holds. Their results were not compared, because they have too little in common.",
    decide=decide_passed,
    heading=LIKELY_CAUSE,
)
FAILED = VerdictRule(
    conclusion="OFFERED_CHECKS_FAILED",
    precedence=51,
    tone=Tone.BAD,
    condition="on at least one model no two tools offer what a comparison needs, and a check does not hold",
    meaning="A check of what these tools offer does not hold; their results were not compared.",
    decide=decide_failed,
    heading=LIKELY_CAUSE,
    fix_first=True,
)
