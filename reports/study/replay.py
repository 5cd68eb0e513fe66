"""Replays the study's published phase 1 artifacts: its stored numbers become records, for the same rules as any run."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

from reports.study.cells import full_cells, summary_cells
from reports.study.files import FullArtifact, SummaryArtifact
from reports.study.rates import Stored
from steering_core.errors import ArtifactProblem
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record, Run, Value

TOOLS = ("hooks", "nnsight", "pyvene")

CAVEATS = (
    "of the preflight only shapes and agreement on one prompt are stored: location, dtype, token, timing are unchecked",
    "the pyvene arm is not known to be pyvene: the study's code reads with a plain forward hook there",
    "raw hooks applied every tool's direction; no tool's own steering was measured",
    "classes per prompt are not stored: the discordant prompts given are the fewest possible",
)
SUMMARY_CAVEATS = (
    "{model}: a summary; no directions, layer, strength or commit; the model's name is in the file name alone",
    "{model}: the cosine between tools is a published mean over raw harmful activations, not between directions",
)


@dataclass(frozen=True)
class PublishedFile:
    """A published file: its name and the sha256 of its bytes."""

    name: str
    sha256: str


Published = tuple[PublishedFile, FullArtifact | SummaryArtifact]


def replay(files: Sequence[Published]) -> Run:
    """One run from the phase 1 files of several models; its plan asks for nothing but what they store.

    ArtifactProblem for two files of one model.
    """
    records: list[Record] = []
    notes = list(CAVEATS)
    models: list[str] = []
    for source, artifact in files:
        if (model := model_of(source, artifact)) in models:
            raise ArtifactProblem("artifact-mixed", f"two files are about {model}", "name one file per model")
        models.append(model)
        notes += _notes(model, artifact)
        records += [_record(stored, source, artifact) for stored in _cells(model, artifact)]
    planned = tuple(record.cell for record in records)
    plan = Plan(
        models=tuple(models), tools=TOOLS, repeats=5, preset="as_run", gated=False, required=planned, planned=planned
    )
    return Run(plan=plan, records=tuple(records), environment={"replayed": True, "notes": list(notes)})


def demand_real_tools(run: Run) -> Run:
    """The same run asked for what this suite asks of any: preflight of every tool, and a pyvene arm that ran pyvene."""
    records = tuple(_without_pyvene(record) for record in run.records)
    required = tuple(dict.fromkeys((*_preflight(run.plan.models), *run.plan.required)))
    plan = run.plan.model_copy(update={"gated": True, "required": required, "planned": required})
    return run.model_copy(update={"plan": plan, "records": records})


def model_of(source: PublishedFile, artifact: FullArtifact | SummaryArtifact) -> str:
    """The model's key in this suite's spelling: `gemma9b` for the study's gemma-9b."""
    if isinstance(artifact, FullArtifact):
        return artifact.model_key.replace("-", "")
    found = re.search(r"_([a-z]+-\d+b)_", source.name)
    if found is None:
        raise ArtifactProblem(
            "artifact-model", f"{source.name} does not say which model it is about", "keep the published file name"
        )
    return found[1].replace("-", "")


def _cells(model: str, artifact: FullArtifact | SummaryArtifact) -> Iterable[Stored]:
    return full_cells(model, artifact) if isinstance(artifact, FullArtifact) else summary_cells(model, artifact)


def _record(stored: Stored, source: PublishedFile, artifact: FullArtifact | SummaryArtifact) -> Record:
    return Record(
        cell=stored.cell,
        outcome=Outcome.AGREES if stored.holds else Outcome.DIFFERS,
        sentence=stored.sentence,
        measured=stored.measured,
        provenance={"replayed_from": source.name, "sha256": source.sha256, **_settings(artifact)},
        started=_when(artifact),
    )


def _settings(artifact: FullArtifact | SummaryArtifact) -> dict[str, Value]:
    if isinstance(artifact, SummaryArtifact):
        return {"preset": "as_run"}
    return {
        "preset": "as_run", "model_id": artifact.model_id, "site": f"resid_post@{artifact.layer_idx}",
        "strength": artifact.multiplier, "commit": artifact.git_commit or "not stored",
    }  # fmt: skip


def _when(artifact: FullArtifact | SummaryArtifact) -> datetime:
    """When it was made; the summary says so only in the name it was saved under."""
    if isinstance(artifact, FullArtifact):
        return datetime.fromisoformat(artifact.timestamp_utc)
    stamp = re.search(r"_(\d{8}_\d{6})\.json$", artifact.saved)
    return datetime.strptime(stamp[1] if stamp else "19700101_000000", "%Y%m%d_%H%M%S").replace(tzinfo=UTC)


def _notes(model: str, artifact: FullArtifact | SummaryArtifact) -> list[str]:
    if isinstance(artifact, SummaryArtifact):
        return [caveat.format(model=model) for caveat in SUMMARY_CAVEATS]
    return [] if artifact.git_commit else [f"{model}: the commit of the code is not stored"]


def _preflight(models: Iterable[str]) -> list[Cell]:
    clauses = [clause.id for clause in CLAUSES.values() if clause.stage is Stage.PREFLIGHT and clause.id != "P6"]
    alone = [Cell(clause=clause, model=model, tool=tool) for model in models for tool in TOOLS for clause in clauses]
    pairs = [Cell(clause="P6", model=model, tool=a, other=b) for model in models for a, b in combinations(TOOLS, 2)]
    return alone + pairs


def _without_pyvene(record: Record) -> Record:
    if "pyvene" not in (record.cell.tool, record.cell.other):
        return record
    return record.model_copy(update={"outcome": Outcome.ABSENT, "sentence": CAVEATS[1], "measured": {}})
