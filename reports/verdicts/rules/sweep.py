"""SWEEP: WORKS / WORKS ON SOME / PARTIAL / FAILS / MEASURED: a run of sweeps, without a comparison of tools.

Each model counts by its best condition. A run that compares tools as well keeps its own conclusion.
"""

from functools import partial

from reports.verdicts.commands import follow_command
from reports.verdicts.evidence import Evidence
from reports.verdicts.rule import Decision, VerdictRule
from reports.verdicts.selection import describe_checks, is_whole_preflight, list_failed
from reports.verdicts.sweeps import conclusions
from reports.verdicts.sweeps.bands import Band
from reports.verdicts.sweeps.points import is_beside
from reports.verdicts.sweeps.section import SweepSection
from reports.verdicts.sweeps.summary import VERBS
from reports.verdicts.verdict import Tone

READ = "Read the conditions below; no decision of the plan follows from them."
RANDOM = "Run the sweep with trained weights: with random ones, only its cost and its completeness are meaningful."


def decide(evidence: Evidence, conclusion: str) -> Decision | None:
    """Every selected check was measured and holds, sweeps are among them, and the models' bands conclude this."""
    index, section = evidence.index, evidence.sweep
    if section is None or not index.preflight_only:
        return None
    if evidence.failed or evidence.missing or list_failed(index) or is_whole_preflight(index):
        return None
    if conclusions.conclude(conclusions.bands_of(section).values()) != conclusion:
        return None
    others = [cell for cell in index.cells if is_beside(cell)]
    more = f"; {describe_checks(index, others, 'other selected checks')}" if others else ""
    steps = "; ".join(f"{step.subject}: {step.action}" for step in section.decisions)
    action = RANDOM if conclusion == conclusions.MEASURED else f"{steps}." if steps else READ
    asked = [condition for step in section.decisions for condition in step.conditions]
    records = tuple(index.records.values())
    return Decision(_head(section) + more, action, command=follow_command(index.plan, records, asked, evidence.command))


def _head(section: SweepSection) -> str:
    """One model in full; several by their bands: `steering works on a, b; works in part on c; fails on d`."""
    if len(section.models) == 1:
        return section.models[0].sentence
    bands = conclusions.bands_of(section)
    if not bands:
        return f"{len(section.conditions)} conditions on random weights"
    named = {band: ", ".join(model for model, its in bands.items() if its is band) for band in Band}
    return f"steering {'; '.join(f'{VERBS[band]} on {models}' for band, models in named.items() if models)}"


def _rule(conclusion: str, precedence: int, tone: Tone, condition: str, meaning: str) -> VerdictRule:
    condition = f"the run sweeps conditions without comparing tools, and {condition}"
    return VerdictRule(conclusion, precedence, tone, condition, meaning, partial(decide, conclusion=conclusion))


EVERY = _rule(
    conclusions.WORKS,
    12,
    Tone.GOOD,
    "every model has a condition that works",
    "At the right depth and strength, steering gives coherent refusals on every model of the sweep.",
)
SOME = _rule(
    conclusions.SOME,
    13,
    Tone.OPEN,
    "some models have a condition that works and others have none",
    "Steering gives coherent refusals on some models of the sweep, and on others at no depth or strength.",
)
PART = _rule(
    conclusions.PARTIAL,
    14,
    Tone.OPEN,
    "no model has a condition that works, though one works in part",
    "Steering gives coherent refusals for some prompts only; a finer sweep may find a condition that works.",
)
NONE = _rule(
    conclusions.FAILS,
    15,
    Tone.BAD,
    "every condition of every model fails",
    "At no depth or strength of the sweep does steering give coherent refusals: it does nothing, or garbles the text.",
)
MEASURED = _rule(
    conclusions.MEASURED,
    16,
    Tone.OPEN,
    "every model has random weights",
    "The sweep ran, but the answers of random weights mean nothing.",
)
