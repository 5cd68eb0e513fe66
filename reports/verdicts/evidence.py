"""Everything that the decision rules look at, taken from the records of one run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from reports.sweeps.review import ReviewCount
from reports.verdicts.failures import list_failures, place_of
from reports.verdicts.findings.section import MeasuredFinding, list_measured
from reports.verdicts.missing import list_missing, list_not_offered
from reports.verdicts.model_evidence import ModelEvidence, weigh
from reports.verdicts.paired import EQUIVALENT
from reports.verdicts.proceed import Proceed, decide
from reports.verdicts.prospects import list_open
from reports.verdicts.run_index import GATES, RunIndex, index_run, is_preflight, presets_of
from reports.verdicts.strength import weigh_strength
from reports.verdicts.subjects import is_self_test
from reports.verdicts.sweeps.section import SweepSection
from reports.verdicts.sweeps.summary import summarize
from reports.verdicts.verdict import Cause, PairedRates, Strength
from steering_core.records.record import Cell, Outcome, Plan, Run

WEIGHED = ("D1", "D2", "B1", "B2", "B3")
"""Clauses that the rules weigh; any other clause that does not hold is a note beside the conclusion."""

DEVIATION = "known deviation"
"""How a note of one begins."""
NAMED = 3
"""Commits of the suite that a note names."""
PROMPT_WARNINGS = 5
"""Warnings about the prompts that are listed; the rest are counted."""


@dataclass(frozen=True)
class Evidence:
    """Everything that a rule may look at. failures: gates that do not hold or crashed, the likely cause first.

    reviews: what a person found in the answers of sweeps, by cell. command: the run's own, "" where it is not stored.
    """

    index: RunIndex
    models: tuple[ModelEvidence, ...]
    failures: tuple[Cause, ...]
    missing: tuple[str, ...]
    reviews: Mapping[Cell, ReviewCount] | None = None
    command: str = ""

    @property
    def plan(self) -> Plan:
        """What the run set out to do."""
        return self.index.plan

    @property
    def failed(self) -> tuple[Cause, ...]:
        """Gates that were measured and do not hold: not those that crashed, and the premise only in a behavior run."""
        failed = (cause for cause in self.failures if cause.outcome is Outcome.DIFFERS)
        return tuple(cause for cause in failed if cause.clause != GATES or not self.index.preflight_only)

    @property
    def diverging(self) -> tuple[str, ...]:
        """Names of the models that diverge."""
        return tuple(model.model for model in self.models if model.diverges)

    @property
    def agreeing(self) -> tuple[str, ...]:
        """Names of the models that agree."""
        return tuple(model.model for model in self.models if model.agrees)

    @property
    def between_thresholds(self) -> str:
        """What keeps each model from both agreeing and diverging."""
        return "; ".join(text for model in self.models for text in model.numbers.between_thresholds)

    @property
    def open_conclusions(self) -> tuple[str, ...]:
        """What the missing cells can still lead to."""
        return list_open(self.index, self.models)

    @cached_property
    def strength(self) -> Strength:
        """How much the rates can carry."""
        return weigh_strength(self.models)

    @property
    def by_points(self) -> str:
        """What goes beside an agreement of rates that these prompts cannot show, or that they contradict."""
        open_pairs = [pair for pair in self.strength.paired if pair.conclusion != EQUIVALENT]
        words = [f"{pair.model} is {pair.conclusion} at n = {pair.prompts}{_more(pair)}" for pair in open_pairs]
        return f"; the rates agree by points alone: {', '.join(words)}" if words else ""

    @cached_property
    def is_self_test(self) -> bool:
        """Whether only the suite's own fixtures were measured."""
        return is_self_test(self.index)

    @cached_property
    def sweep(self) -> SweepSection | None:
        """What the sweeps of the run show; None without any."""
        return summarize(tuple(self.index.records.values()), self.reviews)

    @cached_property
    def findings(self) -> tuple[MeasuredFinding, ...]:
        """What the findings of the run show."""
        return list_measured(tuple(self.index.records.values()))

    @cached_property
    def proceed(self) -> Proceed:
        """The recommended tool."""
        return decide(self.index, self.models, self.failures, self.missing)

    @cached_property
    def not_offered(self) -> tuple[str, ...]:
        """What the tools do not claim to do."""
        return list_not_offered(self.index)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Findings beside the conclusion."""
        return tuple(_list_notes(self.index, self.models))


def _more(pair: PairedRates) -> str:
    return f" ({pair.prompts_needed} needed)" if pair.prompts_needed else ""


def gather(run: Run, reviews: Mapping[Cell, ReviewCount] | None = None) -> Evidence:
    """The evidence in a run's records and in what a person read of them; see `index_run` for what is refused."""
    index = index_run(run)
    models = tuple(weigh(index, model) for model in dict.fromkeys(run.plan.models))
    return Evidence(
        index, models, list_failures(index), list_missing(index), reviews, str(run.environment.get("command") or "")
    )


def _list_notes(index: RunIndex, models: tuple[ModelEvidence, ...]) -> Iterable[str]:
    skipped = [cell for cell, record in index.records.items() if index.is_excused(record)]
    if skipped:
        names = ", ".join(dict.fromkeys(cell.model for cell in skipped))
        checks = "1 dependent check was" if len(skipped) == 1 else f"{len(skipped)} dependent checks were"
        yield f"{checks} skipped, because an earlier check of {names} failed"
    for cell, record in index.records.items():
        weighed = cell.clause in WEIGHED or is_preflight(cell)
        if record.outcome is Outcome.DIFFERS and not weighed and not record.declared:
            yield f"{cell.clause} fails for {place_of(cell)}: {record.sentence}"
        if cell.clause == GATES and record.outcome is Outcome.AGREES and record.measured.get("failed_under"):
            yield f"{place_of(cell)}: {record.sentence}"
    if len(presets := presets_of(index.plan)) > 1:
        yield f"the models ran under different presets ({', '.join(presets)}); compare each model only with itself"
    if len(commits := _commits(index)) > 1:
        yield f"the records were made by {len(commits)} versions of the suite ({', '.join(commits[:NAMED])}), whose checks may differ"
    for model in models:
        if unscored := sum(rate.unscored for rate in model.rates):
            total = sum(rate.total for rate in model.rates)
            yield f"{unscored} of {total} answers of {model.model} could not be classified; they count as not coherent"
    yield from _list_prompt_warnings(index)
    yield from _list_deviations(index)


def _commits(index: RunIndex) -> list[str]:
    """The commits of the suite that the records name."""
    named = (record.provenance.get("commit") for record in index.records.values())
    return list(dict.fromkeys(str(commit) for commit in named if commit))


def _list_prompt_warnings(index: RunIndex) -> Iterable[str]:
    """Repeated prompts, and nearly equal ones of two sets, as the records name them; the first few."""
    lists = [record.provenance.get("prompt_warnings") for record in index.records.values()]
    warnings = list(dict.fromkeys(str(text) for texts in lists if isinstance(texts, list) for text in texts))
    yield from warnings[:PROMPT_WARNINGS]
    if (rest := len(warnings) - PROMPT_WARNINGS) > 0:
        yield f"and {rest} more warnings about the prompts, in the provenance"


def _list_deviations(index: RunIndex) -> Iterable[str]:
    """One line per known deviation, with the models that show it."""
    models: dict[tuple[str, str, str], dict[str, None]] = {}
    for cell, record in index.records.items():
        if record.declared:
            reason = str(record.measured["declared_deviation"])
            models.setdefault((cell.clause, cell.tools, reason), {})[cell.model] = None
    for (clause, tools, reason), names in models.items():
        yield f"{DEVIATION}, {clause} of {tools} on {', '.join(names)}: {reason}"
