"""PREFLIGHT PASSED: a run without behavior in which every preflight check of its models was measured and holds.

One model is enough here; the premise B3 belongs to behavior and does not count.
"""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule, first_of
from reports.verdicts.run_index import is_preflight
from reports.verdicts.selection import describe_checks, is_whole_preflight, list_failed
from reports.verdicts.verdict import Tone

ACTION = "The tools read the same, correct tensors here; run with behavior and trained weights to compare the results."


def decide(evidence: Evidence) -> Decision | None:
    """Nothing of the preflight failed, is missing, or was left out; other checks that do not hold are named."""
    index = evidence.index
    if not (index.preflight_only and is_whole_preflight(index)) or evidence.failed or evidence.missing:
        return None
    passed = describe_checks(index, [cell for cell in index.cells if is_preflight(cell)], "preflight checks")
    others = [cell.id for cell in list_failed(index)]
    return Decision(f"{passed}; other checks do not hold: {first_of(others)}" if others else passed, ACTION)


RULE = VerdictRule(
    conclusion="PREFLIGHT_PASSED",
    precedence=20,
    tone=Tone.GOOD,
    condition="the run measures no behavior, and every preflight check of its models was measured and holds",
    meaning="Every basic check of these tools holds on these models. Behavior was not part of this run.",
    decide=decide,
)
