"""FINDINGS: MEASURED: a run of findings, all of which hold, without sweeps and without a comparison of tools."""

from collections import Counter
from collections.abc import Sequence

from reports.verdicts.evidence import Evidence
from reports.verdicts.findings.section import MeasuredFinding, is_finding
from reports.verdicts.rule import Decision, VerdictRule
from reports.verdicts.selection import describe_checks, is_whole_preflight, list_failed
from reports.verdicts.sweeps.points import is_beside
from reports.verdicts.verdict import Tone

ACTION = "Read the tables of the report; a finding holds for the models, traits and prompts that it was measured on."


def decide(evidence: Evidence) -> Decision | None:
    """Every selected check was measured and holds, and findings are among them."""
    index = evidence.index
    unsettled = evidence.failed or evidence.missing or list_failed(index) or is_whole_preflight(index)
    if not evidence.findings or not index.preflight_only or unsettled:
        return None
    others = [cell for cell in index.cells if is_beside(cell) and not is_finding(cell)]
    more = f"; {describe_checks(index, others, 'other selected checks')}" if others else ""
    return Decision(_measured(evidence.findings) + more, ACTION)


def _measured(findings: Sequence[MeasuredFinding]) -> str:
    """The sentence of one finding, or how often each was measured: `sites x3, extraction x1 on tiny_qwen2`."""
    if len(findings) == 1:
        return f"{findings[0].model}: {findings[0].sentence}"
    counted = Counter(each.name for each in findings)
    names = ", ".join(f"{name} x{count}" for name, count in counted.items())
    return f"{len(findings)} findings ({names}) on {', '.join(dict.fromkeys(each.model for each in findings))}"


RULE = VerdictRule(
    conclusion="FINDINGS_MEASURED",
    precedence=17,
    tone=Tone.GOOD,
    condition="the run measures findings without comparing tools, and every requirement on them holds",
    meaning="The findings were measured, and every requirement on them holds. They say nothing about tools.",
    decide=decide,
)
