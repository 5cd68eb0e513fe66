"""The verdict in the terminal: what is concluded and why, in about forty lines, readable without color."""

import shlex
from collections.abc import Sequence
from io import StringIO
from typing import Any, Literal, NamedTuple

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from reports.page.findings import list_findings
from reports.page.judged import judge_line
from reports.run.layout import CHECKLIST, RECORDS, VERDICT
from reports.run.selected import RATES, selects
from reports.terminal.sweep_part import LEGEND, list_sweep, models_table, sweep_table
from reports.terminal.tables import ModelTables, legend
from reports.untrusted import plain
from reports.verdicts import Verdict
from reports.verdicts.commands import RESUME, repeat_command
from reports.verdicts.findings.section import is_finding
from reports.verdicts.sweeps.points import REVIEW_COMMAND, is_beside
from reports.verdicts.verdict import Cause
from steering_core.records.record import Outcome, Record, Run

STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow"}
"""By the tone of the verdict."""
SCREEN = 40
"""Lines that the text should have: further texts of a kind are counted to get there, but no text is cut for it."""
LONGEST = 1000
"""Characters of one text; the suite's own are shorter, those of tools and files may not be."""
LABEL = 9
MODELS = 6
"""Models of a sweep whose best condition is listed however little room there is."""
FILES = f"{RECORDS}, {VERDICT}, {CHECKLIST} in the run directory"


class Item(NamedTuple):
    """A labeled text."""

    label: str
    text: str


def render(run: Run, verdict: Verdict, width: int, color: bool, files: str = FILES, place: str = "") -> str:
    """The whole text, at most `width` columns wide except for the command to paste; `files` says where the files are,
    `place` is the run directory that commands name.

    Texts are wrapped between words, and none is cut unless it is far longer than any that the suite writes. With more
    to say than fits one screen, rows and further texts of a kind are counted instead of listed. Texts that came from a
    model or a stored file are escaped: nothing in them reaches the terminal as a command.
    """
    failure = _first_failure(run, verdict)
    verdict = _placed(verdict, place) if place else verdict
    compared = any(is_beside(record.cell) and not is_finding(record.cell) for record in run.records)
    shown = compared or (verdict.sweep is None and not verdict.findings)
    models = ModelTables(run, verdict, width) if shown else None
    for detail in (3, 2, 1):
        text = _print(_parts(run, verdict, failure, models, files, detail), width, color)
        if text.count("\n") <= SCREEN:
            break
    return text


def write_lines(items: Sequence[tuple[str, str]], width: int, color: bool) -> str:
    """Labeled texts in the same form, for what follows a verdict."""
    return _print([_grid([Item(label, text) for label, text in items])], width, color)


def _print(parts: Sequence[RenderableType], width: int, color: bool) -> str:
    out = StringIO()
    system: Literal["standard"] | None = "standard" if color else None
    console = Console(file=out, width=width, force_terminal=color, color_system=system, _environ={})
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().split("\n")[:-1])


def _placed(verdict: Verdict, place: str) -> Verdict:
    """The verdict with the run's own directory in the commands that a reader may paste."""
    where = shlex.quote(place)
    follow, read = " ".join(RESUME[:2]), REVIEW_COMMAND.removesuffix("DIR")
    changes: dict[str, Any] = {"next_command": verdict.next_command.replace(follow, f"{RESUME[0]} {where}")}
    if verdict.sweep:
        readings = (text.replace(REVIEW_COMMAND, read + where) for text in verdict.sweep.readings)
        changes["sweep"] = verdict.sweep.model_copy(update={"readings": tuple(readings)})
    return verdict.model_copy(update=changes)


def _parts(
    run: Run, verdict: Verdict, failure: Record | None, models: ModelTables | None, files: str, detail: int
) -> list[RenderableType]:
    rows = 3 * detail - 1
    items = [
        *_failures(verdict, failure, detail),
        *_next_steps(run, verdict, detail),
        *_sweep(verdict, detail),
        *_findings(verdict, detail),
        *_several("Note", verdict.notes, 2 * detail + 1),
        *_several("Judge", tuple(filter(None, [judge_line(run)])), 1),
        Item("Scope", verdict.scope.sentence),
        Item("Files", files),
    ]
    # Commands stay in one line so that they can be pasted.
    repeat = repeat_command(run.plan, failure) if failure and failure.nodeid else ""
    commands = {"Repeat": repeat, "Next": verdict.next_command}
    return [
        _headline(run, verdict),
        _grid([Item("Rule", verdict.rule)]),
        *_tables(models, verdict, rows),
        Text(),
        _grid(items),
        *(Text(f"{name:<{LABEL}} {plain(text, 2000)}", no_wrap=True) for name, text in commands.items() if text),
    ]


def _tables(models: ModelTables | None, verdict: Verdict, rows: int) -> list[RenderableType]:
    """What the tools measured and answered, unless nothing but sweeps and findings ran; then the sweep of depths."""
    tables: list[RenderableType] = []
    if models:
        rates = models.rates(rows)
        tables += [*models.numbers(rows), *([rates] if rates else []), legend(models.stages, rates is not None)]
    if verdict.sweep:
        least = max(rows, min(len(verdict.sweep.models), MODELS))
        swept, depths = models_table(verdict.sweep, least), sweep_table(verdict.sweep, least)
        tables += [swept] if swept else []
        tables += [depths, Text(LEGEND, style="dim")] if depths else []
    return [Text(), *tables] if tables else []


def _sweep(verdict: Verdict, detail: int) -> list[Item]:
    """What the sweeps show, without what the headline says already."""
    shown = list_sweep(verdict.sweep) if verdict.sweep else ()
    lines = ((label, tuple(text for text in texts if text not in verdict.headline)) for label, texts in shown)
    return [item for label, texts in lines for item in _several(label, texts, detail)]


def _findings(verdict: Verdict, detail: int) -> list[Item]:
    """What the findings show, without what the headline says already."""
    first: dict[str, str] = {}
    for each in verdict.findings:
        for text in (each.sentence, *each.statements):
            first.setdefault(text, each.cell)
    shown = {text: cell for text, cell in first.items() if text not in verdict.headline}
    # A trait is part of the cell and of the sentence.
    texts = tuple(f"{cell}: {text.removeprefix(f'{cell.split()[-1]}: ')}" for text, cell in shown.items())
    return _several("Findings", texts, 2 * detail)


def _headline(run: Run, verdict: Verdict) -> Text:
    label = f"{verdict.label}{' (replayed)' if run.environment.get('replayed') else ''}"
    return Text(plain(f"{label}: {verdict.headline}", LONGEST), style=STYLES[verdict.tone])


def _failures(verdict: Verdict, failure: Record | None, detail: int) -> list[Item]:
    """What failed first, what else failed, and what is missing."""
    items: list[Item] = []
    if failure is not None:
        cause = verdict.likely_cause
        text = cause.text if cause else f"{failure.cell.id}: {failure.sentence}"
        items += [Item("Failed", text)] if text not in verdict.headline else []
        site = str(failure.measured.get("localized") or "")
        items += [Item("Found", site)] if site and site not in text else []
    others = _others(verdict.failures)
    return [
        *items,
        *_several("Also", others, detail),
        *_several("Missing", tuple(text for text in verdict.missing if text not in verdict.headline), detail),
        *_not_offered(verdict),
    ]


def _others(failures: Sequence[Cause]) -> tuple[str, ...]:
    """What failed beside the first; checks that say the same of the same tool and model are one line."""
    groups: dict[tuple[str, str], list[Cause]] = {}
    for cause in failures:
        groups.setdefault((cause.summary or cause.cell, cause.model), []).append(cause)
    texts = []
    for (summary, model), causes in groups.items():
        rest = causes[1:] if causes[0] is failures[0] else causes
        names = ", ".join(dict.fromkeys(f"{cause.clause} {cause.name}" for cause in rest))
        if len(rest) == 1:
            texts.append(rest[0].text)
        elif rest:
            texts.append(f"{summary} on {model} in {len(rest)} {'more ' * (rest != causes)}checks: {names}")
    return tuple(texts)


def _not_offered(verdict: Verdict) -> list[Item]:
    """One line: what the tools do not claim to do is no finding."""
    return [Item("Note", f"not offered: {'; '.join(verdict.not_offered)}")] if verdict.not_offered else []


def _first_failure(run: Run, verdict: Verdict) -> Record | None:
    """The record of the likely cause, else of the first finding that has failed or crashed."""
    if verdict.likely_cause is not None:
        return next((record for record in run.records if record.cell.id == verdict.likely_cause.cell), None)
    records = (finding.record for finding in list_findings(run))
    return next((record for record in records if record.outcome in (Outcome.DIFFERS, Outcome.ERRORED)), None)


def _next_steps(run: Run, verdict: Verdict, detail: int) -> list[Item]:
    """What to do next; which tool to use, and how much the rates can show, where rates are part of the run."""
    action = Item("Action", verdict.action)
    if not selects(run, RATES):
        return [action]
    ties = f"; tied: {', '.join(verdict.ties)} ({verdict.tie_break})" if verdict.ties else ""
    tool = f"recommended: {verdict.proceed_tool}{ties}"
    none = f"none recommended: {verdict.proceed_reason}"
    return [action, Item("Tool", tool if verdict.proceed else none), *_evidence(verdict, detail)]


def _evidence(verdict: Verdict, detail: int) -> list[Item]:
    """How much the rates can show; models of which the same is said share a line."""
    groups: dict[str, list[str]] = {}
    for line in verdict.strength.lines:
        model, _, text = line.partition(": ")
        groups.setdefault(text, []).append(model)
    first, *rest = [f"{', '.join(models)}: {text}" for text, models in groups.items()] or [""]
    return _several("Evidence", ("; ".join(filter(None, (verdict.strength.kind, first))), *rest), detail)


def _several(label: str, texts: tuple[str, ...], most: int) -> list[Item]:
    items = [Item(label if index == 0 else "", text) for index, text in enumerate(texts[:most])]
    if (rest := len(texts) - most) > 0:
        items[-1] = items[-1]._replace(text=f"{items[-1].text} (and {rest} more)")
    return items


def _grid(items: Sequence[Item]) -> Table:
    """Label and text side by side, wrapped between words."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=LABEL, no_wrap=True)
    grid.add_column(overflow="fold")
    for item in items:
        grid.add_row(Text(item.label, style="bold"), Text(plain(item.text, LONGEST)))
    return grid
