"""The evidence clauses V1-V3: does a run's own record hold up? Pure functions of the stored records, one per model."""

from collections.abc import Iterator

from steering_core.records.record import Cell, Outcome, Record, Run

REQUIRED = (
    "model", "model_id", "revision", "weights", "token_ids", "preset", "site", "position", "padding_side", "dtype",
    "device", "attention", "batch_shape", "operation", "blocks", "phase", "coefficient", "generation_config",
    "classifier", "torch", "transformers", "python", "commit", "dirty",
)  # fmt: skip
"""What every measured record carries (protocol, section 6)."""
MEASURED = (Outcome.AGREES, Outcome.DIFFERS)


def audit(run: Run) -> tuple[Record, ...]:
    """V1, V2 and V3 of every planned model; records that were added by an earlier audit are not looked at."""
    own = [record for record in run.records if not record.cell.clause.startswith("V")]
    return tuple(
        record
        for model in run.plan.models
        for record in (_complete(run, own, model), _traceable(own, model), _one_preset(run, own, model))
    )


def _complete(run: Run, records: list[Record], model: str) -> Record:
    have = {record.cell for record in records}
    lacking = [cell.id for cell in run.plan.planned if cell.model == model and cell not in have]
    return _record("V1", model, lacking, "every planned cell has a record", "without a record")


def _traceable(records: list[Record], model: str) -> Record:
    bad = [f"{record.cell.id} ({fault})" for record in _measured(records, model) for fault in _faults(record)]
    return _record("V2", model, bad, "every record carries its provenance", "of unknown origin")


def _one_preset(run: Run, records: list[Record], model: str) -> Record:
    other = [
        f"{record.cell.id} ({record.provenance.get('preset')})"
        for record in _measured(records, model)
        if record.provenance.get("preset") != run.plan.preset
    ]
    return _record("V3", model, other, f"preset {run.plan.preset} throughout", f"not measured under {run.plan.preset}")


def _measured(records: list[Record], model: str) -> list[Record]:
    return [record for record in records if record.cell.model == model and record.outcome in MEASURED]


def _faults(record: Record) -> Iterator[str]:
    said = record.provenance
    yield from (f"no {name}" for name in REQUIRED if said.get(name) in (None, "", [], {}))
    if said.get("model") not in (None, record.cell.model):
        yield f"about {said['model']}"
    if record.cell.tool and not said.get("tools"):
        yield "no tool version"


def _record(clause: str, model: str, bad: list[str], right: str, wrong: str) -> Record:
    cell = Cell(clause=clause, model=model)
    if not bad:
        return Record(cell=cell, outcome=Outcome.AGREES, sentence=right)
    sentence = f"{len(bad)} cells {wrong}, first {bad[0]}"
    return Record(cell=cell, outcome=Outcome.DIFFERS, sentence=sentence, measured={"cells": list(bad[:20])})
