"""The decision rules in the protocol's order; the first that fires is the primary conclusion."""

from collections.abc import Callable

from reports.verdicts import (
    incomplete,
    indeterminate,
    invalid,
    outcome1,
    outcome2,
    outcome3,
    outcome4,
    preflight_only,
    unstable,
)
from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence, gather
from reports.verdicts.numbers import number_model
from reports.verdicts.proceed import TIE_BREAK
from reports.verdicts.scope import delimit
from reports.verdicts.strength import weigh_strength
from reports.verdicts.verdict import Conclusion, Verdict
from steering_core.records.record import Run

RULES: tuple[Callable[[Evidence], Decision | None], ...] = (
    preflight_only.apply,
    incomplete.apply,
    invalid.apply,
    unstable.apply,
    outcome1.apply,
    outcome2.apply,
    outcome4.apply,
    outcome3.apply,
)
NUMERIC = (
    Conclusion.UNSTABLE, Conclusion.OUTCOME_1, Conclusion.OUTCOME_2, Conclusion.OUTCOME_3, Conclusion.INDETERMINATE,
)  # fmt: skip
"""Conclusions that a failed clause heads as their likely cause; only an ungated run has both."""


def judge(run: Run) -> Verdict:
    """The verdict of a run, a pure function of its plan and records (PROTOCOL §5).

    EmptyMeasurement: nothing was planned. ArtifactProblem: the records contradict the plan, each other or arithmetic.
    """
    evidence = gather(run)
    library_calls = (decision for rule in RULES if (decision := rule(evidence)))
    decision = next(library_calls, None) or indeterminate.apply(evidence)
    return Verdict(
        conclusion=decision.conclusion,
        headline=_head(evidence, decision),
        rule=decision.rule,
        action=decision.action,
        numbers=tuple(number_model(model) for model in evidence.models),
        strength=weigh_strength(evidence.models),
        proceed=evidence.proceed.tool is not None,
        proceed_tool=evidence.proceed.tool,
        ties=evidence.proceed.ties,
        tie_break=TIE_BREAK,
        proceed_reason=evidence.proceed.reason,
        likely_cause=evidence.failures[0] if evidence.failures else None,
        failures=evidence.failures,
        missing=evidence.missing,
        notes=evidence.notes,
        scope=delimit(evidence.index, evidence.models),
    )


def _head(evidence: Evidence, decision: Decision) -> str:
    if not evidence.failures:
        return decision.headline
    if decision.conclusion in NUMERIC:
        return f"likely cause {evidence.failures[0].text} — {decision.headline}"
    if decision.conclusion is Conclusion.OUTCOME_4:
        return f"{evidence.failures[0].text}, which did not move the numbers — {decision.headline}"
    return decision.headline
