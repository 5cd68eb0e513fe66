"""Replays the study's published phase 1 artifacts: its stored numbers become records, for the same rules as any run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from reports.study.absent import TOOLS
from reports.study.cells import list_cells
from reports.study.files import FullArtifact, ReplaySource
from reports.study.summary import SummaryArtifact
from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

CAVEATS = (
    "only shapes and agreement on raw activations are stored: location, native dtype, token position and timing are unchecked",
    "the pyvene arm may not have run pyvene: the study's code reads with a plain forward hook there",
    "raw hooks applied every direction; no tool's own steering was measured",
    "classes per prompt are not stored: the number of discordant prompts is the smallest possible",
)


@dataclass(frozen=True)
class Published:
    """A published phase 1 file: its name, the sha256 of its bytes, and what it holds."""

    name: str
    sha256: str
    artifact: FullArtifact | SummaryArtifact


def replay(files: Sequence[Published]) -> Run:
    """One run from the phase 1 files of several models; its plan requires what a comparison needs and they could store.

    ArtifactProblem for two files of one model.
    """
    records: dict[str, list[Record]] = {}
    names: dict[str, str] = {}
    notes = list(CAVEATS)
    for file in files:
        origin = file.artifact.origin(file.name)
        if other := names.get(origin.model):
            sentence = f"{plain(other, 80)} and {plain(file.name, 80)} are both about {origin.model}"
            raise ArtifactProblem("artifact-mixed", sentence, "name one file per model")
        names[origin.model], records[origin.model] = file.name, _records(file, origin)
        notes += [*origin.caveats, *_rounded(file.artifact, origin.model)]
    replayed = tuple(record for model in records.values() for record in model)
    cells = tuple(record.cell for record in replayed)
    plan = Plan(models=tuple(records), tools=TOOLS, repeats=5, preset="as_run", required=cells, planned=cells)
    return Run(plan=plan, records=replayed, environment={"replayed": True, "notes": list(notes)})


def ungate(run: Run) -> Run:
    """The same run as one that a failed preflight does not decide: the study measured behavior all the same."""
    return run.model_copy(update={"plan": run.plan.model_copy(update={"gated": False})})


def demand_real_tools(run: Run) -> Run:
    """The same run with what this suite requires of any: preflight of every tool, and a pyvene arm that ran pyvene."""
    records = tuple(_without_pyvene(record) for record in run.records)
    required = tuple(dict.fromkeys((*_preflight(run.plan.models), *run.plan.required)))
    plan = run.plan.model_copy(update={"required": required, "planned": required})
    return run.model_copy(update={"plan": plan, "records": records})


def _records(file: Published, origin: ReplaySource) -> list[Record]:
    provenance = {"replayed_from": file.name, "sha256": file.sha256, "preset": "as_run", **origin.settings}
    source = {"provenance": provenance, "started": origin.saved}
    return [record.model_copy(update=source) for record in list_cells(origin.model, file.artifact)]


def _rounded(artifact: FullArtifact | SummaryArtifact, model: str) -> Iterator[str]:
    """A caveat when a published cosine is above 1; one further above than float32 rounds is refused earlier."""
    rows = (artifact.aggregate if isinstance(artifact, FullArtifact) else artifact.rows).values()
    cosines = [row.within_method_cosine.max for row in rows if row.within_method_cosine]
    cosines += [cosine for parity in artifact.parities for cosine in parity.pairwise_raw_cosine_mean.values()]
    if (most := max(cosines, default=0.0)) > 1:
        yield f"{model}: a published cosine is {most:.10f}, above 1 by float32 rounding; it counts as 1"


def _preflight(models: tuple[str, ...]) -> list[Cell]:
    clauses = [clause.id for clause in CLAUSES.values() if clause.stage is Stage.PREFLIGHT and clause.id != "P6"]
    alone = [Cell(clause=clause, model=model, tool=tool) for model in models for tool in TOOLS for clause in clauses]
    pairs = [Cell(clause="P6", model=model, tool=a, other=b) for model in models for a, b in combinations(TOOLS, 2)]
    return alone + pairs


def _without_pyvene(record: Record) -> Record:
    if "pyvene" not in (record.cell.tool, record.cell.other):
        return record
    return record.model_copy(update={"outcome": Outcome.ABSENT, "sentence": CAVEATS[1], "measured": {}})
