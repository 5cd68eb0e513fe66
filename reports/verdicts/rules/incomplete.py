"""INCOMPLETE: something that the conclusion needs was not measured.

A crashed cell counts here even in the preflight: it has no number, and INVALID claims a measured mismatch. The headline
names a preflight clause that does fail as well, so that missing cells cannot hide it.
"""

from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule, first_of
from reports.verdicts.verdict import Tone


def decide(evidence: Evidence) -> Decision | None:
    """Anything is missing that no failed gate explains, or the preflight has neither failed nor passed."""
    if evidence.index.preflight_only:
        return _leave_preflight_open(evidence)
    if not evidence.missing:
        return None
    known = f"; already known: {evidence.failures[0].text}" if evidence.failures else ""
    headline = f"not enough was measured: {first_of(evidence.missing)}{known}"
    return Decision(headline, "Measure what is missing; there is no Outcome before that.")


def _leave_preflight_open(evidence: Evidence) -> Decision:
    missing = evidence.missing[0] if evidence.missing else "neither a preflight check nor behavior was selected"
    action = "Run what is missing; until then the preflight has neither passed nor failed."
    return Decision(f"the preflight is undecided: {missing}", action)


RULE = VerdictRule(
    conclusion="INCOMPLETE",
    precedence=30,
    tone=Tone.OPEN,
    condition="cells are missing, a check crashed, a tool is absent or unsupported, or there are too few models, tools or "
    "repeats",
    meaning="Something that the comparison needs was not measured, so nothing can be concluded yet.",
    decide=decide,
)
