"""Steering S3, S4: whole generations, with and without a cache, and beside the reference."""

import pytest

from parity.plugin.arguments import Draft, Experiment, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_holds
from steering_core.compare import first_difference

NEW_TOKENS = 12
MODES = ("set", "scale", "interpolate", "affine", "positions", "features")


@pytest.mark.clause("S3")
@pytest.mark.needs("add", "no-cache")
def test_cache(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """S3: steered generation with a KV cache equals the one without, as far as the reference's own does; with --exact
    token for token."""
    edits = experiment.edits(experiment.true_direction())
    cached, uncached = (
        tool.generate(steering.fed(feeding), experiment.extraction, edits, NEW_TOKENS)
        for feeding in ("cache", "no-cache")
    )
    first = first_difference(cached, uncached)
    floor = steering.cache_floor(NEW_TOKENS) if first and not experiment.model.exact else None
    assert_same_tokens(record, first, floor, f"{len(cached)} answers with and without cache")


@pytest.mark.clause("S3")
@pytest.mark.needs("add", "mode", "no-cache")
@pytest.mark.parametrize("mode", MODES)
def test_cache_in_mode(
    experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft, mode: str
) -> None:
    """S3: other edits than additions, and those of a range, give the same tokens with a KV cache as without."""
    edits, batch = steering.in_mode(mode), experiment.extraction
    cached, uncached = (
        tool.generate(steering.fed(feeding), batch, edits, NEW_TOKENS) for feeding in ("cache", "no-cache")
    )
    first = first_difference(cached, uncached)
    floor = steering.cache_floor(NEW_TOKENS, edits) if first and not experiment.model.exact else None
    assert_same_tokens(record, first, floor, f"{mode}: {len(cached)} answers with and without cache")


@pytest.mark.clause("S4")
@pytest.mark.needs("add", "mode")
@pytest.mark.parametrize("mode", MODES)
def test_native_generation_in_mode(
    experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft, mode: str
) -> None:
    """S4: under other edits than additions, and those of a range, the tool gives the reference's tokens, twice in a row."""
    edits = steering.in_mode(mode)
    expected = steering.reference_ids(edits, NEW_TOKENS)
    for call in ("first", "second"):
        native = tool.generate(experiment.model, experiment.extraction, edits, NEW_TOKENS)
        first = first_difference(native, expected)
        floor = steering.draws_floor(edits, NEW_TOKENS) if first and not experiment.model.exact else None
        assert_same_tokens(record, first, floor, f"{mode}: {len(native)} answers, {call} call")


@pytest.mark.clause("S4")
@pytest.mark.needs("add")
def test_native_generation(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """S4: the tool's own steered answers equal the reference's, as far as the reference repeats itself; with --exact
    token for token."""
    direction = experiment.direction_to_steer(tool, 0)
    native = experiment.answers(tool, direction, 0, "native")
    first = first_difference(native, experiment.answers(tool, direction, 0, "reference"))
    floor = steering.repeat_floor(direction) if first and not experiment.model.exact else None
    assert_same_tokens(record, first, floor, f"{len(native)} answers, {native.shape[1]} tokens")


def assert_same_tokens(record: Draft, first: list[int] | None, floor: list[int] | None, what: str) -> None:
    """Token-identical, or different no earlier than the reference differs from itself; both as [row, step]."""
    record.note(token_identical=first is None, first_difference=first, floor=floor)
    within = first is None or (floor is not None and first[1] >= floor[1])
    same = (
        "token-identical" if first is None else f"within floor: the reference itself differs from [row, step] {floor}"
    )
    repeats = "" if floor is None else f" up to step {floor[1]}"
    otherwise = f"{what}: first difference at [row, step] = {first}; the reference repeats itself{repeats}"
    assert_holds(record, within, f"{what}: {same}", otherwise)
