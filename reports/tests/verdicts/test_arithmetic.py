"""Which arithmetic a verdict's numbers were computed with, as its scope says it."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, added, full_run
from reports.verdicts import judge
from steering_core.records.record import Cell, Outcome, Record, Value


@pytest.mark.parametrize(
    ("kinds", "floors", "expected"),
    [
        (("exact", "exact"), (0.0, None), "exact arithmetic"),
        (("plain", "plain"), (2e-9, 3e-7), "plain kernels, measured floor 1 - cos = 3e-07"),
        (("plain", "plain"), (None, None), "plain kernels, noise floor not measured"),
        (("exact", "plain"), (0.0, 2e-9), "exact arithmetic and plain kernels, measured floor 1 - cos = 2e-09"),
        (("plain", "exact"), (2e-9, 1e-3), "exact arithmetic and plain kernels, measured floor 1 - cos = 2e-09"),
        (
            ("exact", "exact, but batch-dependent"),
            (0.0, None),
            "exact arithmetic and exact operators under layers that depend on the batch",
        ),
        (("", ""), (1e-9, 1e-9), "arithmetic not recorded"),
    ],
)
def test_scope_says_which_arithmetic_was_used(
    kinds: tuple[str, ...], floors: tuple[float | None, ...], expected: str
) -> None:
    """Of two models, by their records' provenance; the floor is that of P10."""
    kind, floor = dict(zip(MODELS, kinds, strict=True)), dict(zip(MODELS, floors, strict=True))

    def record_of(record: Record) -> Record:
        model, measured = record.cell.model, dict(record.measured)
        if record.cell.clause == "P10" and floor[model] is not None:
            measured["floor_one_minus_cosine"] = floor[model]
        provenance: dict[str, Value] = {"arithmetic": kind[model]} if kind[model] else {}
        return record.model_copy(update={"provenance": provenance, "measured": measured})

    cells = [Cell(clause="P10", model=model, tool="hooks") for model in MODELS]
    run = full_run()
    for cell in cells:
        run = added(run, Record(cell=cell, outcome=Outcome.AGREES, sentence=""))
    scope = judge(run.model_copy(update={"records": tuple(map(record_of, run.records))})).scope

    assert scope.arithmetic == expected
    assert f"; {expected}; preset fixture." in scope.sentence
