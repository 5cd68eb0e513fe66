"""The evidence clauses V1-V3: is a run's own record complete and consistent? Pure functions of the stored records, one
record per clause and model."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from steering_core.records.record import Cell, Outcome, Record, Run

REQUIRED = (
    *("model", "model_id", "revision", "weights", "token_ids", "preset", "site", "position", "padding_side", "dtype"),
    *("device", "attention", "batch_shape", "method", "operation", "blocks", "phase", "coefficient"),
    *("generation_config", "classifier", "torch", "transformers", "python", "commit", "dirty"),
    *("weights_verified", "tokenizer", "decoding"),
)
"""Provenance that every measured record carries (protocol, section 6), with the direction method."""
MEASURED = (Outcome.AGREES, Outcome.DIFFERS)


def audit(run: Run) -> tuple[Record, ...]:
    """V1, V2 and V3 of every planned model; records of an earlier audit are ignored."""
    planned: dict[str, list[Cell]] = defaultdict(list)
    records: dict[str, list[Record]] = defaultdict(list)
    for cell in run.plan.planned:
        planned[cell.model].append(cell)
    for record in run.records:
        if not record.cell.clause.startswith("V"):
            records[record.cell.model].append(record)
    preset = run.plan.preset
    return tuple(
        evidence
        for model in run.plan.models
        for evidence in _audit_model(model, planned[model], records[model], preset)
    )


def _audit_model(model: str, planned: Sequence[Cell], records: Sequence[Record], preset: str) -> Iterator[Record]:
    """planned, records: those of this model alone."""
    cells = {record.cell for record in records}
    missing = [cell.id for cell in planned if cell not in cells]
    yield _record("V1", model, missing, "every planned check has a record", "without a record")

    measured = [record for record in records if record.outcome in MEASURED]
    untraceable = [f"{record.cell.id} ({gap})" for record in measured for gap in _gaps(record)]
    yield _record("V2", model, untraceable, "every record carries its provenance", "of unknown origin")

    presets = [(record.cell.id, record.provenance.get("preset")) for record in measured]
    others = [f"{cell} ({other})" for cell, other in presets if other != preset]
    yield _record("V3", model, others, f"preset {preset} throughout", f"not measured under {preset}")


def _gaps(record: Record) -> Iterator[str]:
    """What a record's provenance lacks or gets wrong."""
    provenance = record.provenance
    yield from (f"no {name}" for name in REQUIRED if provenance.get(name) in (None, "", [], {}))
    if provenance.get("model") not in (None, record.cell.model):
        yield f"about {provenance['model']}"
    if record.cell.tool and not provenance.get("tools"):
        yield "no tool version"


def _record(clause: str, model: str, cells: list[str], right: str, wrong: str) -> Record:
    cell = Cell(clause=clause, model=model)
    if not cells:
        return Record(cell=cell, outcome=Outcome.AGREES, sentence=right)
    sentence = f"{len(cells)} check{'s' * (len(cells) > 1)} {wrong}, first {cells[0]}"
    return Record(cell=cell, outcome=Outcome.DIFFERS, sentence=sentence, measured={"cells": list(cells[:20])})
