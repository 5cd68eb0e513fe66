"""Replays the study's published phase 1 artifacts: its stored numbers become records, for the same rules as any run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from reports.study.cells import list_cells
from reports.study.files import FullArtifact, Origin, SummaryArtifact
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record, Run

TOOLS = ("hooks", "nnsight", "pyvene")

CAVEATS = (
    "only shapes and agreement on one prompt are stored: location, dtype, token position and timing are unchecked",
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
    """One run from the phase 1 files of several models; its plan requires only what they store.

    ArtifactProblem for two files of one model.
    """
    records: dict[str, list[Record]] = {}
    notes = list(CAVEATS)
    for file in files:
        origin = file.artifact.origin(file.name)
        if origin.model in records:
            raise ArtifactProblem("artifact-mixed", f"two files are about {origin.model}", "name one file per model")
        records[origin.model] = _records(file, origin)
        notes += origin.caveats
    replayed = tuple(record for model in records.values() for record in model)
    cells = tuple(record.cell for record in replayed)
    models = tuple(records)
    plan = Plan(models=models, tools=TOOLS, repeats=5, preset="as_run", gated=False, required=cells, planned=cells)
    return Run(plan=plan, records=replayed, environment={"replayed": True, "notes": list(notes)})


def demand_real_tools(run: Run) -> Run:
    """The same run with what this suite requires of any: preflight of every tool, and a pyvene arm that ran pyvene."""
    records = tuple(_without_pyvene(record) for record in run.records)
    required = tuple(dict.fromkeys((*_preflight(run.plan.models), *run.plan.required)))
    plan = run.plan.model_copy(update={"gated": True, "required": required, "planned": required})
    return run.model_copy(update={"plan": plan, "records": records})


def _records(file: Published, origin: Origin) -> list[Record]:
    provenance = {"replayed_from": file.name, "sha256": file.sha256, "preset": "as_run", **origin.settings}
    source = {"provenance": provenance, "started": origin.saved}
    return [record.model_copy(update=source) for record in list_cells(origin.model, file.artifact)]


def _preflight(models: tuple[str, ...]) -> list[Cell]:
    clauses = [clause.id for clause in CLAUSES.values() if clause.stage is Stage.PREFLIGHT and clause.id != "P6"]
    alone = [Cell(clause=clause, model=model, tool=tool) for model in models for tool in TOOLS for clause in clauses]
    pairs = [Cell(clause="P6", model=model, tool=a, other=b) for model in models for a, b in combinations(TOOLS, 2)]
    return alone + pairs


def _without_pyvene(record: Record) -> Record:
    if "pyvene" not in (record.cell.tool, record.cell.other):
        return record
    return record.model_copy(update={"outcome": Outcome.ABSENT, "sentence": CAVEATS[1], "measured": {}})
