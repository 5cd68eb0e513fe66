"""Verdicts: what the stored records of a run show, by the protocol's decision rules. One rule is one file in rules/."""

from reports.verdicts.judgment import conclusion_named, judge, matches
from reports.verdicts.verdict import ModelNumbers, Quantity, Tone, Verdict

__all__ = ["ModelNumbers", "Quantity", "Tone", "Verdict", "conclusion_named", "judge", "matches"]
