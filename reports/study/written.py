"""A published number as a record."""

from steering_core.records.record import Cell, Outcome, Record, Value


def written(cell: Cell, holds: bool, sentence: str, **measured: Value) -> Record:
    """A record without provenance: AGREES or DIFFERS."""
    outcome = Outcome.AGREES if holds else Outcome.DIFFERS
    return Record(cell=cell, outcome=outcome, sentence=sentence, measured=measured)
