"""Steering S1, S2, S5-S8: the tool's own edit does what was requested, and nothing else."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.arguments import Draft, Experiment, Feeding, SteeringMeasurements, Tool
from parity.plugin.assertions import assert_equal, assert_holds
from steering_core.records.thresholds import ROUNDING

if TYPE_CHECKING:
    from steering_core.observe.observed_generation import ObservedGeneration, Place

NEW_TOKENS = 6
MODES = ("set", "scale", "interpolate", "affine", "features")
ABLATIONS = ("affine", "ablate-positions", "ablate-features")
FEEDINGS = ("cache", "no-cache", "chunked")


@pytest.mark.clause("S1")
@pytest.mark.needs("add")
def test_zero_vector(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """S1: adding a zero vector moves nothing, and gives the unsteered answer."""
    observed = steering.watch(tool, steering.zero(), NEW_TOKENS)
    note(record, observed)
    observed.check_complete()
    otherwise = f"a zero vector moved the stream {observed.describe()}"
    assert_holds(record, not observed.wrong, "a zero vector moved nothing", otherwise)
    plain = tool.generate(experiment.model, experiment.extraction, [], NEW_TOKENS)
    assert_equal(record, "tokens as without steering", observed.ids.equal(plain.cpu()), True)
    expected = steering.reference_ids([], NEW_TOKENS)
    assert_equal(record, "unsteered tokens as the reference's", plain.equal(expected), True)


@pytest.mark.clause("S1")
@pytest.mark.needs("mode")
@pytest.mark.parametrize("mode", ["identity"])
def test_identity(steering: SteeringMeasurements, tool: Tool, record: Draft, mode: str) -> None:
    """S1: scaling by 1 and interpolating by 0 move nothing."""
    observed = steering.watch(tool, steering.in_mode(mode), NEW_TOKENS)
    note(record, observed)
    observed.check_complete()
    otherwise = f"scaling by 1 and interpolating by 0 moved the stream {observed.describe()}"
    assert_holds(record, not observed.wrong, "scaling by 1 and interpolating by 0 moved nothing", otherwise)


@pytest.mark.clause("S2")
@pytest.mark.needs("given")
@pytest.mark.parametrize("given", ["one", "two", "ends"])
def test_exact_shift(steering: SteeringMeasurements, tool: Tool, record: Draft, given: str) -> None:
    """S2: the stream moves by exactly the requested vector, at the requested blocks, at every real token; with
    several vectors at one block too, each in its phase, and at the first and the last block."""
    if given == "one":
        observed = steering.steered(tool, NEW_TOKENS)
    else:
        observed = steering.watch(tool, steering.doubled() if given == "two" else steering.ends(), NEW_TOKENS)
    assert_moved(record, observed, "steering")
    assert_right(record, tool, observed, observed.wrong, "moved as requested", "wrong shift")


@pytest.mark.clause("S2")
@pytest.mark.needs("mode")
@pytest.mark.parametrize("mode", MODES)
def test_mode(steering: SteeringMeasurements, tool: Tool, record: Draft, mode: str) -> None:
    """S2: setting, scaling, interpolating, affine editing and editing a range of features change the stream exactly as
    docs/tools.md defines them, each in its phase."""
    observed = steering.watch(tool, steering.in_mode(mode), NEW_TOKENS)
    assert_moved(record, observed, mode)
    assert_right(record, tool, observed, observed.wrong, "changed as requested", f"wrong {mode}")


@pytest.mark.clause("S5")
@pytest.mark.needs("add")
def test_first_token(experiment: Experiment, steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """S5: in prefill the last real token of every row is steered, at every requested block."""
    blocks = sorted(experiment.settings.blocks)
    missed = steering.steered(tool, NEW_TOKENS).unsteered_ends(blocks)
    record.note(blocks=len(blocks))
    sentence = f"last prompt token steered at {len(blocks)} blocks, in every row"
    otherwise = f"the last prompt token is not steered at blocks {missed}, so the first generated token is not either"
    assert_holds(record, not missed, sentence, otherwise)


@pytest.mark.clause("S6")
@pytest.mark.needs("add", "feeding")
@pytest.mark.parametrize("feeding", FEEDINGS)
def test_position_map(steering: SteeringMeasurements, tool: Tool, record: Draft, feeding: Feeding) -> None:
    """S6: the declared (row, absolute position) pairs are edited and no others, however the model is fed."""
    observed = steering.steered(tool, NEW_TOKENS, feeding)
    assert_moved(record, observed, "steering")
    otherwise = f"{feeding}: {observed.calls} calls; edited elsewhere"
    assert_right(record, tool, observed, observed.misplaced, "moved where declared", otherwise)


@pytest.mark.clause("S6")
@pytest.mark.needs("add", "mode", "feeding")
@pytest.mark.parametrize("mode", ["positions"])
@pytest.mark.parametrize("feeding", FEEDINGS)
def test_position_ranges(
    steering: SteeringMeasurements, tool: Tool, record: Draft, feeding: Feeding, mode: str
) -> None:
    """S6: edits of a range of positions, counted from the start or the end of each row's prompt, apply there and nowhere
    else, however the model is fed."""
    observed = steering.watch(tool, steering.in_mode(mode), NEW_TOKENS, feeding)
    assert_moved(record, observed, "steering a range of positions")
    assert_right(record, tool, observed, observed.wrong, "moved in the ranges", f"{feeding}: wrong positions")


@pytest.mark.clause("S7")
@pytest.mark.needs("ablate")
def test_ablation(steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """S7: ablating the direction is exact at every boundary, and gives the reference's tokens."""
    assert_ablated(steering, tool, record, "ablate")


@pytest.mark.clause("S7")
@pytest.mark.needs("mode")
@pytest.mark.parametrize("mode", ABLATIONS)
def test_ablation_in_mode(steering: SteeringMeasurements, tool: Tool, record: Draft, mode: str) -> None:
    """S7: so is taking the direction out about a reference point, and at some positions or in some features only."""
    assert_ablated(steering, tool, record, mode)


@pytest.mark.clause("S8")
@pytest.mark.needs("add", "arithmetic")
def test_arithmetic(steering: SteeringMeasurements, tool: Tool, record: Draft) -> None:
    """S8: float32 product, one rounding, addition in the model's dtype; and how much of the requested shift arrives. The
    requested shift is the unit direction at the preset's strength."""
    shift = steering.realized(tool)
    record.note(**shift)
    requested = f"the requested vector is off by {shift['request_error']:.3g} of the preset's strength"
    assert_holds(record, shift["request_error"] < ROUNDING, requested)
    assert_declared(record, shift)


@pytest.mark.clause("S8")
@pytest.mark.needs("mode", "arithmetic")
@pytest.mark.parametrize("mode", ["set", "scale", "interpolate", "affine"])
def test_arithmetic_in_mode(steering: SteeringMeasurements, tool: Tool, record: Draft, mode: str) -> None:
    """S8: other edits than additions are computed in float32 and rounded once; and how much of the change arrives."""
    shift = steering.realized_in_mode(tool, mode)
    record.note(**shift)
    assert_declared(record, shift)


def assert_ablated(steering: SteeringMeasurements, tool: Tool, record: Draft, kind: str) -> None:
    """A direction is taken out exactly, and the tokens are the reference's; kind: as in `SteeringMeasurements.ablations`."""
    edits = steering.ablations(kind)
    observed = steering.watch(tool, edits, NEW_TOKENS)
    assert_moved(record, observed, "ablation")
    assert_right(record, tool, observed, observed.wrong, "ablated as requested", "wrong ablation")
    expected = steering.reference_ids(edits, NEW_TOKENS)
    assert_equal(record, "tokens as the reference's", observed.ids.equal(expected.cpu()), True)


def assert_declared(record: Draft, shift: Mapping[str, Any]) -> None:
    """An edit arrived as its declared arithmetic gives it; shift: as in `arrival_in_numbers`."""
    inside = ", edited inside the block" if shift["inside"] else ""
    sentence = (
        f"{shift['dtype']}: realized / requested = {shift['ratio']:.4f}, {shift['unchanged']:.1%} unchanged{inside}"
    )
    otherwise = f"not the declared arithmetic, off by up to {shift['max_abs']:.3g}; {sentence}"
    assert_holds(record, shift["declared"], sentence, otherwise)


def note(record: Draft, observed: "ObservedGeneration") -> None:
    """What was seen, in numbers."""
    record.note(boundaries=observed.boundaries, calls=observed.calls, moved_tokens=observed.moved_tokens)
    record.note(max_abs=observed.max_abs, moved_padding=observed.padding, other_tokens=observed.unmatched)


def assert_moved(record: Draft, observed: "ObservedGeneration", what: str) -> None:
    """Every needed token was seen, and some of them moved."""
    note(record, observed)
    observed.check_complete()
    assert_holds(record, observed.moved_tokens > 0, "the stream moved", observed.describe_still(what))


def assert_right(
    record: Draft, tool: Tool, observed: "ObservedGeneration", wrong: "list[Place]", right: str, otherwise: str
) -> None:
    """No place is wrong, and no padding moved, unless the tool says that it moves padding."""
    reference = ", within rounding of the reference" if observed.inside else ""
    sentence = f"{observed.moved_tokens} (row, position, block) places {right}{reference}, in {observed.calls} calls"
    padding = f"; {observed.describe_padding()}" if observed.padding else ""
    assert_holds(record, not wrong, sentence, f"{otherwise} {observed.describe(wrong)}{padding}")
    untouched = getattr(getattr(tool, "offers", None), "padding_untouched", True)
    assert_holds(record, not (observed.padding and untouched), f"{sentence}{padding}", observed.describe_padding())
