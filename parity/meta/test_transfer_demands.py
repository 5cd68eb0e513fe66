"""What cells between models of different hidden sizes must show, on cells written out here."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from parity.findings.transfer_demands import demand_limit
from steering_core.directions.evaluation.transfer import Cell
from steering_core.measure.findings.sources import Source
from steering_core.measure.findings.transfers import Measured, Rate
from steering_core.models.relations import Relation
from steering_core.records.draft import Draft
from steering_core.records.record import Cell as RecordCell

LIMIT = "geometric only: hidden sizes 6 and 4 differ"


def demanded(cell: Cell, hidden: int = 6) -> str:
    """The sentence of the record of a target of hidden size 4."""
    record = Draft(RecordCell(clause="F5", model="target", variant="from:source"))
    source = Source("source", 0, "w", torch.ones(2, 3, hidden), Relation.SIZES)
    findings: Any = SimpleNamespace(experiment=SimpleNamespace(model=SimpleNamespace(spec=SimpleNamespace(hidden=4))))
    demand_limit(record, findings, Measured(cell, Rate(0, 30)), source)
    return record.finish("test").sentence


def test_different_hidden_sizes_need_no_number() -> None:
    assert demanded(Cell("source", "target", limit=LIMIT)) == "no number without a common space"


@pytest.mark.parametrize(
    ("cell", "hidden", "words"),
    [
        (Cell("source", "target", limit=LIMIT), 4, "hidden sizes 4 and 4, and yet: geometric only"),
        (Cell("source", "target", cosine=0.5, limit=LIMIT), 6, "and yet there is a number"),
    ],
)
def test_a_limit_without_a_reason_and_a_number_beside_it_are_refuted(cell: Cell, hidden: int, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        demanded(cell, hidden)
