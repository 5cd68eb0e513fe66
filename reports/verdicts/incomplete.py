"""INCOMPLETE: something that the protocol asks for was not measured.

A crashed cell counts here even in the preflight: it has no number, and INVALID claims a measured mismatch. A preflight
clause that does fail is named in the headline all the same, so that missing cells cannot hide it.
"""

from reports.verdicts.decision import Decision
from reports.verdicts.evidence import Evidence
from reports.verdicts.verdict import Conclusion

RULE = "cells missing, a tool absent or unsupported, a crash, too few repeats, or fewer than two models"


def apply(evidence: Evidence) -> Decision | None:
    """Fires when anything is missing that no failed gate explains."""
    if not evidence.missing:
        return None
    first, *others = evidence.missing
    more = f" (and {len(others)} more)" if others else ""
    known = f"; already known: {evidence.failures[0].text}" if evidence.failures else ""
    return Decision(
        Conclusion.INCOMPLETE,
        f"not enough was measured: {first}{more}{known}",
        RULE,
        "Measure what is missing; no Outcome follows before that.",
    )
