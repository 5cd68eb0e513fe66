"""INCOMPLETE: something that the conclusion needs was not measured.

A crashed cell counts here even in the preflight: it has no number, and INVALID claims a measured mismatch. The headline
names a preflight clause that crashed, or failed in an ungated run, so that missing cells cannot hide it.
"""

from reports.verdicts.evidence import Evidence
from reports.verdicts.findings.section import is_finding
from reports.verdicts.missing import list_missing_cells
from reports.verdicts.rule import Decision, VerdictRule, first_of
from reports.verdicts.run_index import is_preflight
from reports.verdicts.selection import is_whole_preflight
from reports.verdicts.sweeps.conclusions import still_possible
from reports.verdicts.sweeps.points import is_beside, is_sweep
from reports.verdicts.verdict import Tone, label_of


def decide(evidence: Evidence) -> Decision | None:
    """Anything is missing that no failed gate explains, or the preflight has neither failed nor passed."""
    if evidence.index.preflight_only:
        return _leave_preflight_open(evidence)
    if not evidence.missing:
        return None
    known = f"; already known: {evidence.failures[0].text}" if evidence.failures else ""
    headline = f"not enough was measured: {first_of(evidence.missing)}{known}"
    possible = evidence.open_conclusions
    action = f"Measure what is missing; the run can still end in {_join(possible)}."
    return Decision(headline, action, possible)


def _join(conclusions: tuple[str, ...]) -> str:
    *others, last = map(label_of, conclusions)
    return f"{', '.join(others)} or {last}" if others else last


def _leave_preflight_open(evidence: Evidence) -> Decision:
    if any(map(is_sweep, evidence.index.planned)) and not any(map(is_beside, evidence.index.planned)):
        return _leave_sweep_open(evidence)
    if all(map(is_finding, evidence.index.planned)):
        ends = ("FINDINGS_MEASURED", "SELECTED_CHECKS_FAILED")
        action = f"Run what is missing; the run can still end in {_join(ends)}."
        return Decision(f"the findings are incomplete: {first_of(evidence.missing)}", action, ends)
    checks = "preflight is" if is_whole_preflight(evidence.index) else "selected checks are"
    passed = "PREFLIGHT_PASSED" if is_whole_preflight(evidence.index) else "SELECTED_CHECKS_PASSED"
    failed = "PREFLIGHT_FAILED" if any(map(is_preflight, evidence.index.cells)) else "SELECTED_CHECKS_FAILED"
    action = f"Run what is missing; the run can still end in {_join((failed, passed))}."
    return Decision(f"the {checks} undecided: {first_of(evidence.missing)}", action, (failed, passed))


def _leave_sweep_open(evidence: Evidence) -> Decision:
    """What is known so far, and what the missing conditions can still change."""
    index, section = evidence.index, evidence.sweep
    missing = {cell.model for cell in list_missing_cells(index) if is_sweep(cell)}
    planned = [cell.model for cell in index.planned if is_sweep(cell)]
    possible = still_possible(section, sorted(planned), missing)
    known = f"; so far, {'; '.join(swept.sentence for swept in section.models)}" if section else ""
    action = f"Run what is missing; the run can still end in {_join(possible)}."
    return Decision(f"the sweep is incomplete: {first_of(evidence.missing)}{known}", action, possible)


RULE = VerdictRule(
    conclusion="INCOMPLETE",
    precedence=40,
    tone=Tone.OPEN,
    condition="checks are missing, a check crashed, a tool is absent or unsupported, or there are too few tools or repeats",
    meaning="Something that the comparison needs was not measured; it can still change the conclusion.",
    decide=decide,
    fix_first=True,
)
