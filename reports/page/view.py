"""Everything that a report shows, gathered once from stored records; the HTML page and the Markdown only lay it out."""

from dataclasses import dataclass

from reports.page import facts
from reports.page.agreement import agreement_table, component_table
from reports.page.behavior import behavior_table
from reports.page.commands import repeat_command, run_command
from reports.page.exports import Table
from reports.page.findings import Finding, count_blocked, list_findings
from reports.page.grid import Grid, build_grids, outcome_table
from reports.page.samples import Examples, list_examples
from reports.page.words import DECLARED, OUTCOMES, STAGES, STRENGTHS
from reports.verdicts import Verdict
from steering_core.records.record import Outcome, Run


@dataclass(frozen=True)
class PageView:
    """A run and its verdict in the order in which a reader needs them."""

    run: Run
    verdict: Verdict
    meaning: str
    tone: str
    strength: str
    findings: list[Finding]
    blocked: int
    grids: list[Grid]
    outcomes: Table
    agreement: Table
    behavior: Table
    components: Table
    examples: list[Examples]
    about: dict[str, str]
    versions: dict[str, str]
    deviations: list[facts.Fact]
    environment: list[facts.Fact]
    provenance: list[facts.Fact]
    command: str

    @property
    def first(self) -> Finding | None:
        """What failed first: the verdict's likely cause, else the first finding."""
        return self.findings[0] if self.findings else None

    @property
    def first_title(self) -> str:
        """A wrong number or a crash has failed; anything else was not measured."""
        failed = self.first is not None and self.first.outcome in (Outcome.DIFFERS, Outcome.ERRORED)
        return "What failed first" if failed else "What was not measured"

    @property
    def legend(self) -> dict[str, str]:
        """The five outcomes with their meaning, and what a declared deviation is."""
        return {str(outcome): meaning for outcome, meaning in OUTCOMES.items()} | {"declared": DECLARED}

    @property
    def stages(self) -> dict[str, str]:
        """What each stage asks."""
        return {str(stage): question for stage, question in STAGES.items()}

    def again(self, finding: Finding) -> str:
        """The command that repeats a finding's cell; empty when it was not recorded by a check."""
        return repeat_command(self.run.plan, finding.record) if finding.record.nodeid else ""


def view_run(run: Run, verdict: Verdict) -> PageView:
    """All parts of a report; nothing is computed that is not in the records."""
    return PageView(
        run=run,
        verdict=verdict,
        meaning=verdict.meaning,
        tone=verdict.tone,
        strength=STRENGTHS.get(verdict.strength.kind, verdict.strength.kind),
        findings=_order(list_findings(run), verdict),
        blocked=count_blocked(run),
        grids=build_grids(run),
        outcomes=outcome_table(run),
        agreement=agreement_table(run),
        behavior=behavior_table(run),
        components=component_table(run),
        examples=list_examples(run),
        about=_about(run, verdict),
        versions=facts.tool_versions(run),
        deviations=facts.list_deviations(run),
        environment=facts.list_environment(run),
        provenance=facts.list_provenance(run),
        command=run_command(run),
    )


def _order(findings: list[Finding], verdict: Verdict) -> list[Finding]:
    """The verdict's likely cause first, whatever else there is."""
    cause = verdict.likely_cause
    return sorted(findings, key=lambda found: not cause or cause.cell not in {r.cell.id for r in found.records})


def _about(run: Run, verdict: Verdict) -> dict[str, str]:
    plan = run.plan
    times = sorted(record.started for record in run.records)
    weights = ", random weights (shape only, no trained model)" if plan.random_weights else ""
    gate = "on: a failed preflight holds back what depends on it" if plan.gated else "off: everything ran regardless"
    return {
        "Models": ", ".join(plan.models) + weights,
        "Preset": f"{plan.preset}, {plan.repeats} repeats",
        "Sites": ", ".join(verdict.scope.sites) or "not recorded",
        "Prompts": verdict.scope.prompts,
        "Gate": gate,
        "Machine": facts.machine_of(run),
        "Commit": facts.source_of(run),
        "When": f"{times[0]:%Y-%m-%d %H:%M} UTC" if times else "no record",
        "Cost": facts.cost_of(run),
    }
