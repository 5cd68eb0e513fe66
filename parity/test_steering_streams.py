"""Steering S1, S2, S4, S6, S7 inside blocks: edits of what attention and MLP return, for tools that offer them."""

import pytest

from parity.plugin.arguments import Draft, Experiment, Feeding, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_equal, assert_holds
from parity.test_steering import FEEDINGS, NEW_TOKENS, assert_moved, assert_right, note
from parity.test_steering_generation import assert_same_tokens
from steering_core.compare import first_difference

OUTPUTS = ("attn_out", "mlp_out")
CONTRIBUTIONS = ("attn_contrib", "mlp_contrib")
"""The same as the outputs, but in families with a norm behind attention and MLP."""
ANSWER = 12


@pytest.mark.clause("S1")
@pytest.mark.needs("inner")
@pytest.mark.parametrize("inner", [f"zero-{stream}" for stream in OUTPUTS])
def test_zero_vector_inside(
    experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft, inner: str
) -> None:
    """S1: adding a zero vector inside blocks moves nothing, and gives the unsteered answer."""
    observed = steering.watch(tool, steering.inside(inner), NEW_TOKENS)
    note(record, observed)
    observed.check_complete()
    assert_holds(record, not observed.wrong, "moved nothing", f"a zero vector moved the stream {observed.describe()}")
    plain = steering.reference_ids([], NEW_TOKENS)
    assert_equal(record, "tokens as the reference's without steering", observed.ids.equal(plain.cpu()), True)


@pytest.mark.clause("S2")
@pytest.mark.needs("inner")
@pytest.mark.parametrize(
    "inner", [*(f"add-{stream}" for stream in (*OUTPUTS, *CONTRIBUTIONS)), *(f"modes-{stream}" for stream in OUTPUTS)]
)
def test_shift_inside(steering: SteeringMeasurements, tool: Tool, record: Draft, inner: str) -> None:
    """S2: what attention and MLP return is edited exactly as requested, before anything is added to it or normalizes it."""
    observed = steering.watched_inside(tool, inner, NEW_TOKENS)
    assert_moved(record, observed, inner)
    assert_right(record, tool, observed, observed.wrong, "changed as requested", f"{inner}: wrong edit")


@pytest.mark.clause("S4")
@pytest.mark.needs("inner")
@pytest.mark.parametrize("inner", [f"add-{stream}" for stream in OUTPUTS])
def test_native_generation_inside(
    experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft, inner: str
) -> None:
    """S4: answers steered inside blocks equal the reference's, as far as the reference repeats itself; with --exact token
    for token."""
    edits = steering.inside(inner)
    native = tool.generate(experiment.model, experiment.extraction, edits, ANSWER)
    first = first_difference(native, steering.reference_ids(edits, ANSWER))
    floor = steering.draws_floor(edits, ANSWER) if first and not experiment.model.exact else None
    assert_same_tokens(record, first, floor, f"{len(native)} answers, {inner}")


@pytest.mark.clause("S6")
@pytest.mark.needs("inner", "feeding")
@pytest.mark.parametrize("inner", [f"add-{stream}" for stream in OUTPUTS])
@pytest.mark.parametrize("feeding", FEEDINGS)
def test_position_map_inside(
    steering: SteeringMeasurements, tool: Tool, record: Draft, feeding: Feeding, inner: str
) -> None:
    """S6: inside blocks too, the declared (row, absolute position) pairs are edited and no others, however the model is fed."""
    observed = steering.watched_inside(tool, inner, NEW_TOKENS, feeding)
    assert_moved(record, observed, inner)
    assert_right(record, tool, observed, observed.misplaced, "moved where declared", f"{feeding}: {inner} elsewhere")


@pytest.mark.clause("S7")
@pytest.mark.needs("inner")
@pytest.mark.parametrize("inner", [f"ablate-{stream}" for stream in OUTPUTS])
def test_ablation_inside(steering: SteeringMeasurements, tool: Tool, record: Draft, inner: str) -> None:
    """S7: ablating a direction from what attention or MLP returns is exact."""
    observed = steering.watch(tool, steering.inside(inner), NEW_TOKENS)
    assert_moved(record, observed, inner)
    assert_right(record, tool, observed, observed.wrong, "ablated as requested", f"{inner}: wrong ablation")
