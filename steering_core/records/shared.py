"""Equal parts of a run's records kept once: in a run of 100,000 records, cells, provenance and answers mostly repeat."""

from hashlib import blake2b

from steering_core.records.record import Cell, Plan, Record, Value

SMALL = 200
"""Characters of a list or table, as Python writes it, up to which a copy costs less than looking for its equal."""


class SharedParts:
    """What the records of one run have been seen to hold."""

    def __init__(self) -> None:
        self._cells: dict[Cell, Cell] = {}
        self._values: dict[bytes, Value] = {}

    def plan(self, plan: Plan) -> Plan:
        """The plan with one object for each of its cells."""
        cells = {name: tuple(map(self._cell, getattr(plan, name))) for name in ("required", "planned", "followed")}
        return plan.model_copy(update=cells)

    def record(self, record: Record) -> Record:
        """The record, just read, with the cell of the plan, and with tables that earlier records hold too."""
        measured = {name: self._value(value) for name, value in record.measured.items()}
        # Nobody else holds it yet, and to build 100,000 records a second time takes seconds.
        vars(record).update(cell=self._cell(record.cell), measured=measured, provenance=self._value(record.provenance))
        return record

    def _cell(self, cell: Cell) -> Cell:
        return self._cells.setdefault(cell, cell)

    def _value(self, value: Value) -> Value:
        """An equal value that was seen before; by digest, so that long texts are not kept a second time as keys."""
        if not isinstance(value, list | dict) or len(text := repr(value)) <= SMALL:
            return value
        return self._values.setdefault(blake2b(text.encode(errors="replace"), digest_size=16).digest(), value)
