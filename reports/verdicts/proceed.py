"""The recommended tool: Outcome 3's condition, evaluated for every conclusion."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from reports.verdicts.model_evidence import ModelEvidence
from reports.verdicts.rates import pool_percents
from reports.verdicts.run_index import RunIndex
from reports.verdicts.verdict import Cause
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome

TIE_BREAK = "highest coherent rate over all models, arms and repeats; on ties, the first in registry order"


@dataclass(frozen=True)
class Proceed:
    """The recommended tool, or None; the tools that share its rate, itself included; and why."""

    tool: str | None
    ties: tuple[str, ...]
    reason: str


def decide(
    index: RunIndex, models: Sequence[ModelEvidence], failures: Sequence[Cause], missing: Sequence[str]
) -> Proceed:
    """Proceed only with complete, valid and stable evidence, and with a tool that passes on every model what it offers.

    Stricter than the letter in one point: a tool whose own steering is wrong (a failed steering clause) is not chosen,
    because the next phase steers with it. The verdict's notes name that failure.
    """
    candidates = _list_candidates(index, models)
    obstacles = {
        "this run measured no behavior, so no tool can be chosen": index.preflight_only,
        "the evidence is incomplete": bool(missing),
        "the failed check has to be fixed first": bool(failures) and index.plan.gated,
        "the model itself fails a check, so its rates have no meaning": any(cause.tool is None for cause in failures),
        "no tool offers a direction of its own, so its stability was not measured": not any(
            model.numbers.within_cosine for model in models
        ),
        "directions are not stable across repeats": not all(model.stable for model in models),
        "no tool passes every preflight and steering clause on every model": not candidates,
    }
    if reason := next((reason for reason, applies in obstacles.items() if applies), None):
        return Proceed(None, (), reason)
    percents = _percents(models)
    best = max(percents[tool] for tool in candidates)
    leader, *others = (tool for tool in candidates if percents[tool] == best)
    declared = any(record.declared for cell, record in index.records.items() if leader in (cell.tool, cell.other))
    apart = ", apart from its known deviations," if declared else ""
    offered = "" if _offers_everything(index, leader) else " that it offers"
    checks = f"every preflight check{offered}{apart}"
    reason = f"{leader} passes {checks} on every model, with a coherent rate of {float(best):.1f} %"
    return Proceed(leader, (leader, *others) if others else (), reason)


def _list_candidates(index: RunIndex, models: Sequence[ModelEvidence]) -> tuple[str, ...]:
    missteering = {
        cell.tool
        for cell, record in index.records.items()
        if CLAUSES[cell.clause].stage is Stage.STEERING and record.outcome is Outcome.DIFFERS
    }
    passing = [tool for tool in index.plan.tools if all(tool in model.numbers.passing for model in models)]
    rated = _percents(models)
    return tuple(tool for tool in passing if tool not in missteering and tool in rated)


def _percents(models: Sequence[ModelEvidence]) -> dict[str, Fraction]:
    return pool_percents(rate for model in models for rate in model.rates)


def _offers_everything(index: RunIndex, tool: str) -> bool:
    return all(index.is_offered(cell) for cell in index.records if tool == cell.tool)
