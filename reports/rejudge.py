"""`python -m reports verdict`: applies the rules to stored and published runs, and tabulates transfers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import Console
from rich.table import Table

from reports.engines.table import engine_report
from reports.inputs import Inputs
from reports.review.files import count_kept
from reports.study.replay import demand_real_tools, replay, ungate
from reports.study.tables import Label, NamedTable, compare_choices, count_same, list_labels, replay_table
from reports.study.transfer import transfers
from reports.terminal.screen import render, write_lines
from reports.untrusted import plain
from reports.verdicts import Verdict, judge
from steering_core.records.record import Run


@dataclass(frozen=True)
class JudgedRun:
    """A run, its verdict, and where it came from.

    second: the verdict on a replayed run under this suite's rules. labels: of a replayed table, the study's and ours;
    choices: the condition of each model that the study goes on with, and the best one here.
    """

    place: str
    run: Run
    verdict: Verdict
    second: Verdict | None = None
    labels: tuple[Label, ...] = ()
    choices: tuple[str, ...] = ()

    def show(self, width: int, color: bool) -> str:
        """The verdict on one screen; for a replayed run, the second one follows."""
        text = render(self.run, self.verdict, width, color, self.place, self.place)
        if self.labels:
            chosen = write_lines(
                [("Chosen" if index == 0 else "", said) for index, said in enumerate(self.choices)], width, color
            )
            return f"{text}\n{label_table(self.labels, width)}{chosen}"
        if self.second is None:
            return text
        line = plain(f"By this suite's requirements (full preflight, real pyvene): {self.second.label}", width)
        return f"{text}\n{line}\n" + write_lines([("Missing", cells) for cells in self.second.missing], width, color)


def judge_inputs(inputs: Inputs) -> Iterator[JudgedRun]:
    """A verdict for each stored run and each published table, and one for all published phase 1 files together."""
    for path, run in inputs.runs:
        yield JudgedRun(str(path), run, judge(run, reviews=count_kept(path, run)))
    if inputs.published:
        yield judge_published(inputs)
    yield from map(judge_table, inputs.tables)


def judge_table(named: NamedTable) -> JudgedRun:
    """A published table, with its caveats as notes, and its labels beside this suite's."""
    run = replay_table(named)
    verdict = judge(run)
    notes = (*verdict.notes, *map(str, run.environment["notes"]))  # type: ignore[arg-type]
    return JudgedRun(
        named.name,
        run,
        verdict.model_copy(update={"notes": notes}),
        labels=list_labels(named.table),
        choices=tuple(compare_choices(named.table)),
    )


def label_table(labels: Sequence[Label], width: int) -> str:
    """A row per condition: what was published, the study's label, ours, and what explains or limits it."""
    columns = ("condition", "coherent [95 %]", "study", "here", "because")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for row in labels:
        table.add_row(*map(plain_cell, (row.place, row.rates, row.study, row.ours or "not judged", row.why)))
    return f"{count_same(labels)}\n{_print(table, width)}"


def plain_cell(text: str) -> str:
    """Text of a file, made harmless for a terminal."""
    return plain(text, 200)


def judge_published(inputs: Inputs) -> JudgedRun:
    """The study's numbers as published, with their caveats as notes; and under this suite's own requirements."""
    run = replay(inputs.published)
    verdict = judge(run)
    notes = [str(note) for note in run.environment["notes"]]  # type: ignore[union-attr]
    notes += [f"passed over: {sentence}" for sentence in inputs.passed_over]
    if verdict.failures:
        notes.insert(0, f"without the gate, as the study ran, these numbers give {judge(ungate(run)).label}")
    annotated = verdict.model_copy(update={"notes": (*verdict.notes, *notes)})
    place = ", ".join(file.name for file in inputs.published)
    return JudgedRun(place, run, annotated, judge(demand_real_tools(run)))


def tables(inputs: Inputs, width: int) -> str:
    """What is shown of inputs that have no verdict: transfers and compared engines."""
    transferred = transfer_table(inputs, width) if inputs.transfers else ""
    return transferred + (engine_report(inputs.engines, width) if inputs.engines else "")


def transfer_table(inputs: Inputs, width: int) -> str:
    """Transfer efficiencies with their 95 % intervals, as the study computed them; see `transfers` for what is refused."""
    columns = ("source", "target", "transferred", "self-control", "efficiency [95 %]", "cosine")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for row in transfers(inputs.transfers):
        point, low, high = row.efficiency
        ends = (plain(row.source, 20), plain(row.target, 20))
        counts = (f"{row.coherent}/{row.prompts}", f"{row.control}/{row.prompts}")
        cosine = "–" if row.cosine is None else f"{row.cosine:.4f}"
        table.add_row(*ends, *counts, f"{point:.3f} [{low:.3f}, {high:.3f}]", cosine)
    return "Transfer of coherent refusal (replayed)\n" + _print(table, width)


def _print(table: Table, width: int) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None, markup=False, highlight=False, _environ={}).print(table)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
