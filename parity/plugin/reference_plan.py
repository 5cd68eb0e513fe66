"""Which answers the checks of a session will want of the reference and of the tools: the first one that is missing brings
others with it, under exact arithmetic as one batch, else in further processes."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from parity.plugin.context import Measurements
from steering_core.records.record import Cell

if TYPE_CHECKING:
    from steering_core.measure.planned_answers import Source
    from steering_core.measure.wanted_answers import WantedAnswers

CONTROL_SEEDS = (1, 2, 3)
"""B4: of the random directions."""


def plan_answers(cells: Iterable[Cell], measurements: Measurements, repeats: int) -> None:
    """Tell the experiment what the cells of its model will want."""
    for cell in cells:
        measurements.experiment.planned.sources += wanted_by(cell, measurements, repeats)
        measurements.experiment.repeats |= {*repeats_of(cell, repeats)}


def repeats_of(cell: Cell, repeats: int) -> Iterator[tuple[str, int]]:
    """(tool, repeat) of the tools' own answers that the check of a cell asks for."""
    if cell.clause in ("B1", "B2") and cell.arm == "native":
        numbers = range(repeats) if cell.repeat is None else [cell.repeat]
        yield from product(filter(None, (cell.tool, cell.other)), numbers)


def wanted_by(cell: Cell, measurements: Measurements, repeats: int) -> "Iterator[Source]":
    """What the check of a cell asks the reference for; along a tool's direction once that was measured."""
    experiment, prompts = measurements.experiment, measurements.experiment.prompts
    if cell.arm == "reference" or cell.clause == "S4":
        numbers = [cell.repeat] if cell.repeat is not None else range(repeats) if cell.clause == "B2" else [0]
        for tool in filter(None, (cell.tool, cell.other)):
            yield from (partial(_along, measurements, (tool, number)) for number in numbers)
    if cell.clause == "B4":
        yield partial(_true, measurements)
        yield from (partial(_control, measurements, seed) for seed in CONTROL_SEEDS)
    groups = {"B3": (prompts.to_refuse(), prompts.to_answer()), "B4": (prompts.evaluation,)}
    groups["B1"] = (prompts.evaluation,) if cell.repeat == 0 else ()  # beside the answers that a record quotes
    yield from (partial(experiment.want_plain, group) for group in groups.get(cell.clause, ()))


def _along(measurements: Measurements, of: tuple[str, int]) -> "WantedAnswers | None":
    """Of a tool and repeat; None as long as nobody has asked the tool."""
    direction = measurements.experiment.directions.get(of)
    return None if direction is None else measurements.experiment.want_steered(direction, of[1])


def _true(measurements: Measurements) -> "WantedAnswers":
    return measurements.experiment.want_steered(measurements.experiment.true_direction(), 0)


def _control(measurements: Measurements, seed: int) -> "WantedAnswers":
    return measurements.experiment.want_steered(measurements.steering.random_like_true(seed), 0)
