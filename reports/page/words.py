"""The suite's terms in words for someone who has never seen it: conclusions, outcomes, stages."""

from reports.verdicts import Conclusion
from steering_core.records.clauses import Stage
from steering_core.records.record import Outcome

OUTCOMES: dict[Outcome, str] = {
    Outcome.AGREES: "measured, and the clause holds",
    Outcome.DIFFERS: "measured, and the clause does not hold",
    Outcome.ERRORED: "the check or the tool crashed, so nothing is known",
    Outcome.UNSUPPORTED: "the tool says that it cannot do this",
    Outcome.ABSENT: "not measured: library missing, or held back by an earlier failure",
}
"""Every outcome with its meaning, from best to least known; the page draws one shape for each."""


MEANINGS: dict[Conclusion, str] = {
    Conclusion.INCOMPLETE: "Something that the comparison needs was not measured, so nothing can be concluded yet.",
    Conclusion.INVALID: "A basic check failed. Until it is fixed, comparing the tools would compare different things.",
    Conclusion.UNSTABLE: "A tool does not repeat its own result, so a difference between tools could be chance.",
    Conclusion.OUTCOME_1: "Which library you use changes the result, on more than one model.",
    Conclusion.OUTCOME_2: "Which library you use changes the result on one model only.",
    Conclusion.OUTCOME_3: "The results are stable and at least one tool can be trusted to go on with.",
    Conclusion.OUTCOME_4: "The tools give the same result on every model: here, the choice of library does not matter.",
    Conclusion.INDETERMINATE: "The numbers fall between the protocol's lines: none of its outcomes applies.",
    Conclusion.PREFLIGHT_PASSED: "Every basic check that was selected holds. Behavior was not part of this run.",
    Conclusion.PREFLIGHT_FAILED: "A basic check of a tool failed. Fix that before anything is measured with it.",
}
"""Every conclusion for someone who has not read the protocol."""

DECLARED = "differs in a way that the tool is declared to: neither a pass nor a failure"

STAGES: dict[Stage, str] = {
    Stage.PREFLIGHT: "Preflight: does each tool read the right tensor?",
    Stage.DIRECTIONS: "Directions: do the tools find the same direction, again and again?",
    Stage.STEERING: "Steering: does each tool change exactly what it is asked to?",
    Stage.BEHAVIOR: "Behavior: does the steered model answer the same?",
    Stage.EVIDENCE: "Evidence: is the record complete?",
}
"""What each stage of the protocol asks."""

_GOOD = (Conclusion.OUTCOME_3, Conclusion.OUTCOME_4, Conclusion.PREFLIGHT_PASSED)
_BAD = (Conclusion.INVALID, Conclusion.PREFLIGHT_FAILED, Conclusion.OUTCOME_1, Conclusion.OUTCOME_2)

STRENGTHS = {
    "token-identical": "Token-identical: every steered answer that was compared is the same text, token for token.",
    "intervals": "By intervals: rates come from few prompts, so read them with their 95 % intervals.",
    "not measured": "Not measured: behavior was not compared, so tensors and directions alone carry this.",
}


def tone_of(conclusion: Conclusion) -> str:
    """good | bad | open: the color of a conclusion; its words always say the same."""
    return "good" if conclusion in _GOOD else "bad" if conclusion in _BAD else "open"
