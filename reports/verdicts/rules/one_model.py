"""ONE MODEL: AGREES / DIVERGES / BETWEEN: a complete run of one model, which answers for that model alone."""

from functools import partial

from reports.verdicts.commands import second_model_command
from reports.verdicts.evidence import Evidence
from reports.verdicts.prospects import ONE_MODEL, RELATIONS, conclude_pair
from reports.verdicts.rule import LIKELY_CAUSE, Decision, VerdictRule
from reports.verdicts.verdict import Tone, label_of
from steering_core.records.thresholds import AGREES, DIVERGES

ACTION = "Add a second model{how}: {outcomes}."
HOW = ", with the command below or in a run of its own that `python -m reports merge` joins with this one"
HEADLINES = {
    "agrees": "all tools agree on {model}",
    "diverges": "the tools diverge on {model}",
    "between thresholds": "the tools neither agree nor diverge on {model} ({between})",
}
SECOND = ("if it agrees, {}", "if it diverges, {}", "if it is between the thresholds, {}")


def decide(evidence: Evidence, relation: str) -> Decision | None:
    """One model, with this relation between its tools."""
    if len(evidence.models) != 1 or evidence.models[0].numbers.relation != relation:
        return None
    headline = HEADLINES[relation].format(model=evidence.models[0].model, between=evidence.between_thresholds)
    outcomes = [conclude_pair(relation, second) for second in RELATIONS]
    named = ", ".join(text.format(label_of(outcome)) for text, outcome in zip(SECOND, outcomes, strict=True))
    command = second_model_command(evidence.plan, tuple(evidence.index.records.values()))
    if relation == "agrees":
        headline += evidence.by_points
    return Decision(
        headline, ACTION.format(how=HOW if command else "", outcomes=named), tuple(dict.fromkeys(outcomes)), command
    )


def _rule(relation: str, precedence: int, tone: Tone, condition: str, meaning: str) -> VerdictRule:
    return VerdictRule(
        conclusion=ONE_MODEL[relation],
        precedence=precedence,
        tone=tone,
        condition=f"the run has one model, {condition}",
        meaning=meaning,
        decide=partial(decide, relation=relation),
        heading=LIKELY_CAUSE,
    )


AGREE = _rule(
    "agrees",
    52,
    Tone.GOOD,
    f"which agrees: {AGREES}",
    "The tools give the same result on this model; a second model shows whether that holds elsewhere.",
)
DIVERGE = _rule(
    "diverges",
    54,
    Tone.BAD,
    f"which diverges: {DIVERGES}",
    "Which library you use changes the result on this model; a second model shows whether that is specific to this one.",
)
BETWEEN = _rule(
    "between thresholds",
    56,
    Tone.OPEN,
    "which neither agrees nor diverges",
    "On this model the numbers fall between the protocol's thresholds for agreeing and diverging.",
)
