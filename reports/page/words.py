"""The suite's terms for someone who has never seen it: outcomes of checks, stages, strength of evidence."""

from steering_core.records.clauses import Stage
from steering_core.records.record import Outcome

OUTCOMES: dict[Outcome, str] = {
    Outcome.AGREES: "measured, and the clause holds",
    Outcome.DIFFERS: "measured, and the clause does not hold",
    Outcome.ERRORED: "the check or the tool crashed, so nothing is known",
    Outcome.UNSUPPORTED: "the tool says it cannot do this",
    Outcome.NOT_OFFERED: "the tool does not claim to do this: neither a pass, nor a failure, nor missing",
    Outcome.ABSENT: "not measured: a library is missing, or an earlier check failed",
}
"""Every outcome with its meaning, from best to least known; the page draws one shape for each."""

DECLARED = "differs in a way that is known for this tool: neither a pass nor a failure"

STAGES: dict[Stage, str] = {
    Stage.PREFLIGHT: "Preflight: does each tool read the right tensor?",
    Stage.DIRECTIONS: "Directions: do the tools find the same direction, every time?",
    Stage.STEERING: "Steering: does each tool change exactly what it is told to?",
    Stage.BEHAVIOR: "Behavior: does the steered model answer the same?",
    Stage.SWEEP: "Sweeps: at which depth, strength, size and precision does steering work?",
    Stage.FINDINGS: "Findings: what do directions and steering show on this model?",
    Stage.EVIDENCE: "Evidence: is the record complete?",
}
"""What each stage of the protocol asks."""

STRENGTHS = {
    "token-identical": "Token-identical: all compared steered answers are the same text, token for token.",
    "intervals": "By intervals: rates come from few prompts, so read them with their 95 % intervals.",
    "not measured": "Not measured: behavior was not compared, so this rests on tensors and directions alone.",
}
"""What each kind of `Strength` means."""
