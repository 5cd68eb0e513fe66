"""Vectors of directions: how an engine's direction is compared, and where the frozen ones come from."""

from typing import Any

import numpy as np
import pytest

from parity.vectors.check import Result, check_vector
from parity.vectors.directions import DIRECTIONS, make_direction
from parity.vectors.files import frozen
from parity.vectors.format import DirectionCall, Vector
from parity.vectors.make import load


def results(call: DirectionCall, expected: dict[str, Any], given: dict[str, Any], **other: str) -> list[Result]:
    vector = Vector(name="v", text="", generation_config={}, calls=[call])
    arrays = [
        {f"v/0/{name}": np.array(value, np.float32) for name, value in each.items()} for each in (expected, given)
    ]
    return list(check_vector(vector, *arrays, other))


@pytest.mark.parametrize(
    ("given", "outcomes"),
    [
        ({"direction": [0.6, 0.8], "norm": [5.0]}, ["passed", "passed"]),
        ({"direction": [-0.6, -0.8], "norm": [5.0]}, ["failed", "passed"]),
        ({"direction": [3.0, 4.0], "norm": [5.0]}, ["failed", "passed"]),
        ({"direction": [0.6, 0.8], "norm": [5.3]}, ["passed", "failed"]),
        ({"direction": [0.6, 0.8, 0.0]}, ["failed", "missing"]),
    ],
    ids=["right", "swapped", "not normalized", "longer", "another width"],
)
def test_a_direction_is_compared_with_its_sign_and_length(given: dict[str, Any], outcomes: list[str]) -> None:
    call = DirectionCall(
        call="direction",
        instance=0,
        padding_side="left",
        site="resid_post@0",
        tolerances={"direction": 0.01, "norm": 0.1},
    )
    expected = {"direction": [0.6, 0.8], "norm": [5.0]}

    found = results(call, expected, given)

    assert [result.outcome for result in found] == outcomes
    offered = results(call, expected, {"direction": [0.6, 0.8]}, norm="only the unit vector")
    assert [result.outcome for result in offered] == ["passed", "not offered"]


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_frozen_directions_are_what_the_reference_gives(name: str) -> None:
    file, frozen_values = frozen("tiny_qwen2")
    made, values = make_direction(name, load("tiny_qwen2"), DIRECTIONS[name])
    (kept,) = (vector for vector in file.vectors if vector.name == name)

    assert made.model_dump(exclude={"calls"}) == kept.model_dump(exclude={"calls"})
    for value, tolerance in kept.calls[0].tolerances.items():
        key = f"{name}/0/{value}"
        assert float((values[key] - frozen_values[key]).abs().max()) <= tolerance, key
