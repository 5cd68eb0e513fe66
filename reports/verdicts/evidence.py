"""Everything that the decision rules look at, taken from the records of one run."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.verdicts.failures import list_failures, say_where
from reports.verdicts.missing import list_missing
from reports.verdicts.model_evidence import ModelEvidence, weigh
from reports.verdicts.proceed import Proceed, decide
from reports.verdicts.run_index import RunIndex, index_run, presets_of
from reports.verdicts.verdict import Cause
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome, Plan, Run

WEIGHED = ("D1", "D2", "B1", "B2", "B3")
"""Clauses that the rules weigh; any other clause that does not hold is a note beside the conclusion."""


@dataclass(frozen=True)
class Evidence:
    """Everything that a rule may look at."""

    index: RunIndex
    models: tuple[ModelEvidence, ...]
    failures: tuple[Cause, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    proceed: Proceed

    @property
    def plan(self) -> Plan:
        """What the run set out to do."""
        return self.index.plan

    @property
    def failed(self) -> tuple[Cause, ...]:
        """Gates that were measured and do not hold; a crash is missing evidence instead."""
        return tuple(cause for cause in self.failures if cause.outcome is Outcome.DIFFERS)

    @property
    def diverging(self) -> tuple[str, ...]:
        """Names of the models that diverge."""
        return tuple(model.model for model in self.models if model.diverges)


def gather(run: Run) -> Evidence:
    """The evidence in a run's records; see `lay_out` for what is refused."""
    index = index_run(run)
    models = tuple(weigh(index, model) for model in dict.fromkeys(run.plan.models))
    failures, missing = list_failures(index), list_missing(index)
    return Evidence(
        index=index,
        models=models,
        failures=failures,
        missing=missing,
        notes=tuple(_list_notes(index, models)),
        proceed=decide(index, models, failures, missing),
    )


def _list_notes(index: RunIndex, models: tuple[ModelEvidence, ...]) -> Iterable[str]:
    for cell, record in index.records.items():
        weighed = cell.clause in WEIGHED or CLAUSES[cell.clause].stage is Stage.PREFLIGHT
        if record.outcome is Outcome.DIFFERS and not weighed and not record.declared:
            yield f"{cell.clause} fails for {say_where(cell)}: {record.sentence}"
    if len(presets := presets_of(index.plan)) > 1:
        yield f"the models ran under different presets ({', '.join(presets)}); compare each model with itself alone"
    for model in models:
        if unscored := sum(rate.unscored for rate in model.rates):
            total = sum(rate.total for rate in model.rates)
            yield f"{unscored} of {total} answers of {model.model} could not be classed; they count as not coherent"
    yield from _list_deviations(index)


def _list_deviations(index: RunIndex) -> Iterable[str]:
    """One line per declared deviation, with the models that show it."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell, record in index.records.items():
        if record.declared:
            of = f"{cell.clause} of {cell.tools}"
            models = found.setdefault((of, str(record.measured["declared_deviation"])), [])
            models += [cell.model] if cell.model not in models else []
    for (of, words), models in found.items():
        yield f"declared deviation, {of} on {', '.join(models)}: {words}"
