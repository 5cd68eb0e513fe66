"""Comparing a verdict with what a pipeline expects."""

from reports.verdicts.verdict import Conclusion, Verdict
from steering_core.errors import UsageProblem


def conclusion_named(text: str) -> Conclusion:
    """`4`, `outcome 4`, `INVALID`, `preflight-passed` -> the conclusion; UsageProblem lists them."""
    name = text.strip().upper().replace(" ", "_").replace("-", "_")
    name = f"OUTCOME_{name}" if name.isdigit() else name
    if name not in Conclusion.__members__:
        known = ", ".join(Conclusion.__members__)
        raise UsageProblem("expect-outcome", f"unknown conclusion {text!r}", f"known: 1 to 4, {known}")
    return Conclusion[name]


def matches(verdict: Verdict, expected: str) -> bool:
    """Whether the verdict is the expected one."""
    return verdict.conclusion is conclusion_named(expected)
