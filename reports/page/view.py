"""Everything that a report shows, gathered once from stored records; the HTML page and the Markdown only lay it out."""

from collections.abc import Sequence
from typing import Any

from reports.page import facts
from reports.page.agreement import agreement_table, component_table
from reports.page.behavior import behavior_table, metrics_table
from reports.page.compared import compared_table
from reports.page.exports import Table
from reports.page.finding_parts import view_findings
from reports.page.findings import list_findings
from reports.page.grid import Grid, build_grids, outcome_table
from reports.page.history import Trend
from reports.page.judged import judge_table
from reports.page.overview import NO_TOOL, columns, count_checks, overview
from reports.page.samples import list_examples
from reports.page.sweep_tables import bands_table, sweep_tables
from reports.page.words import DECLARED, OUTCOMES, STRENGTHS
from reports.run.selected import DIRECTIONS, RATES, selects
from reports.verdicts import Verdict
from reports.verdicts.commands import repeat_command, run_command
from reports.verdicts.evidence import DEVIATION
from steering_core.records.record import Outcome, Run
from steering_core.records.thresholds import AGREE, DIVERGE

FOLDER = "report-files"
"""Of what lies beside the page of a large run."""
LARGE = 3000
"""Records from which on the checks of each model are on a page of their own."""
NOTED = 20
"""Notes that a report lists."""


def view_run(run: Run, verdict: Verdict, trend: Trend | None = None) -> dict[str, Any]:
    """What the templates call `report`: the parts of a page by name; nothing is computed that is not in the records.

    trend: of earlier runs, if it is to be shown.
    """
    grids, counts = build_grids(run), count_checks(run)
    beside, tools = len(run.records) > LARGE, columns(run)
    return {
        "run": run,
        "verdict": verdict,
        "meaning": verdict.meaning,
        "tone": verdict.tone,
        "headline": verdict.headline[:1].upper() + verdict.headline[1:],
        "strength": STRENGTHS.get(verdict.strength.kind, verdict.strength.kind),
        "notes": _notes(verdict),
        "checks": sum(number for _, number, _ in counts),
        "counts": counts,
        "overview": overview(run),
        "columns": tools,
        "trend": trend,
        "legend": {str(outcome): meaning for outcome, meaning in OUTCOMES.items()} | {"declared": DECLARED},
        "grids": grids,
        "beside": beside,
        "places": {grid.model: f"{FOLDER}/{grid.anchor}.html" if beside else f"#{grid.anchor}" for grid in grids},
        "shows": {"directions": selects(run, DIRECTIONS), "rates": selects(run, RATES)},
        "thresholds": {"agree": AGREE, "diverge": DIVERGE},
        "tables": _tables(run, verdict, grids),
        "sweep_tables": _sweep_tables(run, verdict),
        "finding_views": view_findings(run.records),
        "readings": verdict.sweep.readings if verdict.sweep else (),
        "examples": list_examples(run),
        "compared": compared_table(run),
        "about": _about(run, verdict),
        "versions": {} if tools == (NO_TOOL,) else facts.tool_versions(run),
        "deviations": facts.list_deviations(run),
        "provenance": facts.provenance_table(run),
        "command": run_command(run),
        "checkout": facts.checkout_command(run),
        **_failures(run, verdict),
    }


def long_tables(view: dict[str, Any]) -> dict[str, Table]:
    """{name: table} of those that have more rows than a report shows."""
    found = {
        f"finding-{part.clause}-{number}": table
        for part in view["finding_views"]
        for number, table in enumerate(part.tables, 1)
    }
    tables = {**view["tables"], **view["sweep_tables"], **found}
    return {name: table for name, table in tables.items() if table.unlisted}


def _failures(run: Run, verdict: Verdict) -> dict[str, Any]:
    cause = verdict.likely_cause.cell if verdict.likely_cause else None
    findings = sorted(list_findings(run), key=lambda f: cause not in {record.cell.id for record in f.records})
    first = findings[0] if findings else None
    failed = first is not None and first.outcome in (Outcome.DIFFERS, Outcome.ERRORED)
    return {
        "first": first,
        "first_title": "What failed first" if failed else "What was not measured",
        "first_command": repeat_command(run.plan, first.record) if first and first.record.nodeid else "",
        "other_findings": findings[1:],
        "skipped": sum(record.blocked_by is not None for record in run.records),
    }


def _tables(run: Run, verdict: Verdict, grids: Sequence[Grid]) -> dict[str, Table]:
    """The tables that a reader can copy, by the name of their files."""
    return {
        "outcomes": outcome_table(grids),
        "agreement": agreement_table(run),
        "behavior": behavior_table(run),
        "metrics": metrics_table(verdict),
        "judge": judge_table(run),
        "components": component_table(run),
    }


def _sweep_tables(run: Run, verdict: Verdict) -> dict[str, Table]:
    tables = [*([bands_table(verdict.sweep)] if verdict.sweep else []), *sweep_tables(run.records)]
    return {f"sweep-{number}": table for number, table in enumerate(tables, 1)}


def _notes(verdict: Verdict) -> list[str]:
    """Without known deviations, which have a section of their own."""
    notes = [note for note in verdict.notes if not note.startswith(DEVIATION)]
    rest = len(notes) - NOTED
    return notes[:NOTED] + ([f"and {rest} more, in verdict.json"] if rest > 0 else [])


def _about(run: Run, verdict: Verdict) -> dict[str, str]:
    plan = run.plan
    times = sorted(record.started for record in run.records)
    gate = "on: a failed preflight check skips what depends on it" if plan.gated else "off: every check ran regardless"
    return {
        "Preset": f"{plan.preset}, {plan.repeats} {'repeat' if plan.repeats == 1 else 'repeats'}",
        **({"Caveats": " and ".join(verdict.scope.caveats)} if verdict.scope.caveats else {}),
        "Sites": ", ".join(verdict.scope.sites) or "not recorded",
        "Prompts": verdict.scope.prompts,
        "Arithmetic": verdict.scope.arithmetic or "not recorded",
        "Gate": gate,
        "Machine": facts.machine_of(run),
        "Commit": facts.source_of(run),
        "When": f"{times[0]:%Y-%m-%d %H:%M} UTC" if times else "no record",
        "Cost": facts.cost_of(run),
    }
