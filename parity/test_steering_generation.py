"""Steering S3, S4: whole generations, with and without a cache, and beside the reference."""

import pytest

from parity.plugin.assertions import assert_holds
from steering_core.compare import first_difference

NEW_TOKENS = 12


@pytest.mark.clause("S3")
def test_cache(experiment, steering, tool, record):
    """S3: steered generation with KV cache equals the one without, as far as the reference's own does."""
    edits = experiment.edits(experiment.true_direction())
    made = {
        feeding: tool.generate(steering.fed(feeding), experiment.extraction, edits, NEW_TOKENS)
        for feeding in ("cache", "no-cache")
    }
    first = first_difference(made["cache"], made["no-cache"])
    floor = steering.cache_floor(NEW_TOKENS) if first else None
    judge(record, first, floor, f"{len(made['cache'])} answers with and without cache")


@pytest.mark.clause("S4")
def test_native_generation(experiment, steering, tool, record):
    """S4: the tool's own steered answers equal the reference's, as far as the reference repeats itself."""
    direction = experiment.direction(tool, 0)
    native = experiment.answers(tool, direction, 0, "native")
    first = first_difference(native, experiment.answers(tool, direction, 0, "reference"))
    floor = steering.repeat_floor(direction) if first else None
    judge(record, first, floor, f"{len(native)} answers, {native.shape[1]} tokens")


def judge(record, first, floor, what) -> None:
    """Token-identical, or parting no earlier than the reference parts from itself."""
    record.note(token_identical=first is None, first_difference=first, floor=floor)
    within = first is None or (floor is not None and first[1] >= floor[1])
    words = "token-identical" if first is None else f"within floor: the reference itself parts at [row, step] = {floor}"
    otherwise = f"{what}: first difference at [row, step] = {first}; the reference repeats itself" + (
        "" if floor is None else f" up to step {floor[1]}"
    )
    assert_holds(record, within, f"{what}: {words}", otherwise)
