"""The verdict of a run: the first rule that fires concludes."""

from reports.verdicts import rules as rule_files
from reports.verdicts.evidence import gather
from reports.verdicts.proceed import TIE_BREAK
from reports.verdicts.rule import VerdictRule, find_rules
from reports.verdicts.scope import delimit
from reports.verdicts.strength import weigh_strength
from reports.verdicts.verdict import Verdict
from steering_core.errors import UsageProblem
from steering_core.records.record import Run

RULES = find_rules(rule_files)


def judge(run: Run, rules: tuple[VerdictRule, ...] = RULES) -> Verdict:
    """The verdict of a run, a pure function of its plan and records (PROTOCOL §5); the last of `rules` always fires.

    EmptyMeasurement: nothing was planned. ArtifactProblem: the records contradict the plan, each other or arithmetic.
    """
    evidence = gather(run)
    rule, decision = next((rule, decision) for rule in rules if (decision := rule.decide(evidence)))
    cause, proceed = next(iter(evidence.failures), None), evidence.proceed
    return Verdict(
        conclusion=rule.conclusion,
        tone=rule.tone,
        meaning=rule.meaning,
        headline=rule.heading.format(cause=cause.text, headline=decision.headline) if cause else decision.headline,
        rule=rule.condition,
        action=decision.action,
        numbers=tuple(model.numbers for model in evidence.models),
        strength=weigh_strength(evidence.models),
        proceed=proceed.tool is not None,
        proceed_tool=proceed.tool,
        ties=proceed.ties,
        tie_break=TIE_BREAK,
        proceed_reason=proceed.reason,
        likely_cause=cause,
        failures=evidence.failures,
        missing=evidence.missing,
        notes=evidence.notes,
        scope=delimit(evidence.index, evidence.models),
    )


def conclusion_named(text: str) -> str:
    """`4`, `outcome 4`, `INVALID`, `preflight-passed` -> the conclusion; UsageProblem lists them."""
    name = text.strip().upper().replace(" ", "_").replace("-", "_")
    name = f"OUTCOME_{name}" if name.isdigit() else name
    conclusions = [rule.conclusion for rule in RULES]
    if name not in conclusions:
        accepted = ", ".join(conclusions)
        raise UsageProblem("expect-outcome", f"unknown conclusion {text!r}", f"known: 1 to 4, {accepted}")
    return name


def matches(verdict: Verdict, expected: str) -> bool:
    """Whether the verdict is the expected one."""
    return verdict.conclusion == conclusion_named(expected)
