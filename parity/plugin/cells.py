"""From the run matrix to pytest parameters, and from a collected check to its cell."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest

from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.request.selection import marks_of
from parity.plugin.request.tools import REFERENCE
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import ARMS, Cell
from steering_core.tools.spec import ToolSpec

AXES = ("model_key", "tool_name", "through", "pair", "arm", "repeat")
"""Parameters that a cell has fields for; any other parameter of a check is part of its variant."""


def register_markers(config: pytest.Config, matrix: RunMatrix) -> None:
    """One marker per model key, family and `tiny`, so that -m is checked strictly."""
    for name in sorted(set().union(*(marks_of(spec) for spec in matrix.registry.values()))):
        config.addinivalue_line("markers", f"{name}: checks of model or family {name}")
    config.addinivalue_line("markers", "clause(id): the protocol clause that a check belongs to")
    for clause in CLAUSES.values():
        config.addinivalue_line("markers", f"{clause.id}: {clause.name}")
    config.addinivalue_line("markers", "sweep: conditions of the V3 plan; collected only when asked for")
    config.addinivalue_line(
        "markers", "findings: what steering research reports, as checks; collected only when asked for"
    )
    config.addinivalue_line("markers", "needs(names): what a check needs of a tool; see parity/plugin/needs.py")


def parameters(metafunc: pytest.Metafunc, matrix: RunMatrix) -> dict[str, list[Any]]:
    """The values of each axis that a check has.

    Snapshot checks are collected for every model, the others only for the selected ones: a snapshot whose check was
    never collected would look unused, and be deleted on update.
    """
    keys = list(matrix.registry) if "canonical" in metafunc.fixturenames else list(matrix.selected)
    labels = {name: ToolSpec.parse(name).label for name in matrix.tools}
    axes: dict[str, list[Any]] = {
        "model_key": [_model(matrix, key) for key in keys],
        "tool_name": [pytest.param(name, id=label) for name, label in labels.items()],
        "through": [pytest.param(name, id=ToolSpec.parse(name).label) for name in matrix.sweep_through],
        "pair": [pytest.param((a, b), id=f"{labels[a]}~{labels[b]}") for a, b in combinations(matrix.tools, 2)],
        "arm": list(ARMS),
        "repeat": [pytest.param(number, id=f"r{number}") for number in range(matrix.repeats)],
    }
    return {name: values for name, values in axes.items() if name in metafunc.fixturenames}


def _model(matrix: RunMatrix, key: str) -> Any:
    marks = [getattr(pytest.mark, name) for name in sorted(marks_of(matrix.registry[key]))]
    return pytest.param(key, marks=marks, id=key)


def cell_of(item: pytest.Item) -> Cell | None:
    """The cell of a check; None for a test without a clause, for a pair where only one tool is compared, and for a tuning
    stage where none is earlier."""
    marker = item.get_closest_marker("clause")
    if marker is None or not isinstance(item, pytest.Function):
        return None
    params: dict[str, Any] = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    if not isinstance(params.get("pair", ()), tuple) or not isinstance(params.get("tuned_after", ""), str):
        return None  # pytest's placeholder for an empty parameter set
    return make_cell(marker.args[0], params)


def make_cell(clause: str, params: Mapping[str, Any]) -> Cell:
    """The cell of one clause under the parameters of one check; what is not an axis makes up the variant."""
    labels = [ToolSpec.parse(name).label for name in tools_in(params)]
    tool, other = (*labels, None, None)[:2]
    variant = "-".join(str(value) for name, value in sorted(params.items()) if name not in AXES) or None
    model, arm, repeat = params["model_key"], params.get("arm"), params.get("repeat")
    return Cell(clause=clause, model=model, tool=tool, other=other, arm=arm, repeat=repeat, variant=variant)


def tools_in(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The tool, the two of a pair, or none: a sweep through the reference names none."""
    if params.get("through", REFERENCE) != REFERENCE:
        return (params["through"],)
    if "tool_name" in params:
        return (params["tool_name"],)
    return tuple(params.get("pair", ()))
