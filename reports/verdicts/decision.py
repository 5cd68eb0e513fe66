"""What one rule says when it fires."""

from dataclasses import dataclass

from reports.verdicts.verdict import Conclusion


@dataclass(frozen=True)
class Decision:
    """A conclusion with its headline (one sentence), the rule in words, and the action that follows."""

    conclusion: Conclusion
    headline: str
    rule: str
    action: str
