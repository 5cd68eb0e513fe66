"""`python -m reports verdict`: stored and published runs through the rules again, and transfers through theirs."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from rich.console import Console
from rich.table import Table

from reports.inputs import Inputs
from reports.study.replay import demand_real_tools, replay
from reports.study.transfer import transfers
from reports.terminal.screen import render, write_lines
from reports.untrusted import plain
from reports.verdicts import Verdict, judge
from steering_core.records.record import Run


@dataclass(frozen=True)
class JudgedRun:
    """A run, its verdict, where it came from; `second` is what the suite's own demands make of a replayed run."""

    place: str
    run: Run
    verdict: Verdict
    second: Verdict | None = None


def judge_inputs(inputs: Inputs) -> Iterator[JudgedRun]:
    """A verdict for each stored run, and one for all published phase 1 files together."""
    for path, run in inputs.runs:
        yield JudgedRun(str(path), run, judge(run))
    if inputs.published:
        yield judge_published(inputs)


def judge_published(inputs: Inputs) -> JudgedRun:
    """The study's numbers as published, with their caveats as notes; and by what this suite demands."""
    run = replay(inputs.published)
    notes = tuple(str(note) for note in run.environment["notes"])  # type: ignore[union-attr]
    verdict = judge(run)
    place = ", ".join(source.name for source, _ in inputs.published)
    return JudgedRun(
        place, run, verdict.model_copy(update={"notes": (*verdict.notes, *notes)}), judge(demand_real_tools(run))
    )


def show_judged(judged: JudgedRun, width: int, color: bool) -> str:
    """The verdict on one screen; a replayed one is followed by the second reading."""
    text = render(judged.run, judged.verdict, width, color, judged.place)
    return text if judged.second is None else text + second_reading(judged.second, width, color)


def second_reading(verdict: Verdict, width: int, color: bool) -> str:
    """What the same numbers are worth to a suite that demands a preflight and real tool paths."""
    demand = f"By this suite's own demands (full preflight, real pyvene) it is {verdict.label}:"
    return f"\n{plain(demand, width)}\n" + write_lines([("Missing", text) for text in verdict.missing], width, color)


def transfer_table(inputs: Inputs, width: int) -> str:
    """Transfer efficiencies with their 95 % intervals, as the study computed them."""
    table = Table(
        "source", "target", "transferred", "own", "efficiency [95 %]", "cosine", box=None, padding=(0, 2, 0, 0)
    )
    for row in transfers(inputs.transfers):
        point, low, high = row.efficiency
        cosine = "–" if row.cosine is None else f"{row.cosine:.4f}"
        counts = (f"{row.coherent}/{row.prompts}", f"{row.own}/{row.prompts}")
        table.add_row(
            plain(row.source, 20), plain(row.target, 20), *counts, f"{point:.3f} [{low:.3f}, {high:.3f}]", cosine
        )
    out = StringIO()
    Console(file=out, width=width, color_system=None, markup=False, highlight=False, _environ={}).print(table)
    return "Transfer of coherent refusal (replayed)\n" + out.getvalue()
