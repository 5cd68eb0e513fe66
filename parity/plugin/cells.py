"""From the matrix to pytest parameters, and from a collected item to its cell."""

from itertools import combinations
from typing import Any

import pytest

from parity.plugin.request.run_matrix import RunMatrix, marks_of, tool_label
from steering_core.records.record import Cell

ARMS = ("reference", "native")
AXES = {"model_key", "tool_name", "pair", "arm", "repeat"}


def register_markers(config: pytest.Config, matrix: RunMatrix) -> None:
    """One marker per model key, family and `tiny`, so that -m is checked strictly."""
    for name in sorted(set().union(*(marks_of(spec) for spec in matrix.registry.values()))):
        config.addinivalue_line("markers", f"{name}: checks of model or family {name}")
    config.addinivalue_line("markers", "clause(id): the protocol clause that a check belongs to")


def parameters(metafunc: pytest.Metafunc, matrix: RunMatrix) -> dict[str, list[Any]]:
    """Values for each axis that a check asks for. Snapshot checks are collected for every model, the others only for
    the selected ones: a snapshot whose check was never collected looks unused, and would be deleted on update."""
    keys = list(matrix.registry) if "canonical" in metafunc.fixturenames else list(matrix.selected)
    axes: dict[str, list[Any]] = {
        "model_key": [_model(matrix, key) for key in keys],
        "tool_name": [pytest.param(name, id=tool_label(name)) for name in matrix.tools],
        "pair": [pytest.param(pair, id="~".join(map(tool_label, pair))) for pair in combinations(matrix.tools, 2)],
        "arm": list(ARMS),
        "repeat": [pytest.param(number, id=f"r{number}") for number in range(matrix.repeats)],
    }
    return {name: values for name, values in axes.items() if name in metafunc.fixturenames}


def _model(matrix: RunMatrix, key: str) -> Any:
    marks = [getattr(pytest.mark, name) for name in sorted(marks_of(matrix.registry[key]))]
    return pytest.param(key, marks=marks, id=key)


def cell_of(item: pytest.Item) -> Cell | None:
    """The cell of a check; None for tests without a clause, and for a pair of tools where there is only one."""
    marker = item.get_closest_marker("clause")
    if marker is None or not isinstance(item, pytest.Function):
        return None
    params: dict[str, Any] = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    pair = params.get("pair", (params.get("tool_name"), None))
    if not isinstance(pair, tuple):
        return None
    variant = "-".join(str(value) for name, value in sorted(params.items()) if name not in AXES)
    labels = [None if name is None else tool_label(name) for name in pair]
    return Cell(
        clause=marker.args[0], model=params["model_key"], tool=labels[0], other=labels[1], arm=params.get("arm"),
        repeat=params.get("repeat"), variant=variant or None,
    )  # fmt: skip
