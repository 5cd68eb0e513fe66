"""Verdicts: what the stored records of a run show, by the protocol's decision rules. One rule per file."""

from reports.verdicts.expect import conclusion_named, matches
from reports.verdicts.order import judge
from reports.verdicts.verdict import Cause, Conclusion, ModelNumbers, Quantity, Reach, Scope, Strength, Verdict

__all__ = [
    "Cause", "Conclusion", "ModelNumbers", "Quantity", "Reach", "Scope", "Strength", "Verdict",
    "conclusion_named", "judge", "matches",
]  # fmt: skip
