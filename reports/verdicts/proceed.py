"""The proceed flag: Outcome 3's condition, evaluated for every conclusion."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.verdicts.model_evidence import ModelEvidence
from reports.verdicts.rates import pool_percents
from reports.verdicts.run_index import RunIndex
from reports.verdicts.verdict import Cause
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome

TIE_BREAK = "highest coherent rate over all models, arms and repeats; among equals, the first in registry order"


@dataclass(frozen=True)
class Proceed:
    """The tool to go on with, or None; the tools that share the highest rate with it; and why."""

    tool: str | None
    ties: tuple[str, ...]
    reason: str


def decide(
    index: RunIndex, models: Sequence[ModelEvidence], failures: Sequence[Cause], missing: Sequence[str]
) -> Proceed:
    """Go on only with complete, valid and stable evidence, and with a tool that passes on every model.

    Stricter than the letter in one point: a tool whose own steering is wrong (a failed steering clause) is not chosen,
    because the next phase steers with it. What fails and is left out is named in the verdict's notes.
    """
    if obstacle := _find_obstacle(index, models, failures, missing):
        return Proceed(None, (), obstacle)
    if not (candidates := _list_candidates(index, models)):
        return Proceed(None, (), "no tool passes every preflight and steering clause on every model")
    percents = pool_percents(rate for model in models for rate in model.rates)
    best = max(percents[tool] for tool in candidates)
    leaders = tuple(tool for tool in candidates if percents[tool] == best)
    declared = any(record.declared for cell, record in index.records.items() if leaders[0] in (cell.tool, cell.other))
    but = " but its declared deviations" if declared else ""
    reason = (
        f"{leaders[0]} passes every preflight check{but} on every model, with a coherent rate of {float(best):.1f} %"
    )
    return Proceed(leaders[0], leaders if len(leaders) > 1 else (), reason)


def _find_obstacle(
    index: RunIndex, models: Sequence[ModelEvidence], failures: Sequence[Cause], missing: Sequence[str]
) -> str | None:
    if index.preflight_only:
        return "no behavior was asked for, so no tool can be chosen"
    if missing:
        return "the evidence is incomplete"
    if failures and index.plan.gated:
        return "the failed check has to be put right first"
    if any(cause.tool is None for cause in failures):
        return "a failure of the model itself leaves its rates without meaning"
    if not all(model.stable for model in models):
        return "directions are not stable over repeats"
    return None


def _list_candidates(index: RunIndex, models: Sequence[ModelEvidence]) -> tuple[str, ...]:
    missteering = {
        cell.tool
        for cell, record in index.records.items()
        if CLAUSES[cell.clause].stage is Stage.STEERING and record.outcome is Outcome.DIFFERS
    }
    passing = [tool for tool in index.plan.tools if all(tool in model.passing for model in models)]
    return tuple(tool for tool in passing if tool not in missteering)
