"""The rooms of checks that run only when the command line asks for them, by marker or by path."""

import re
from pathlib import Path

import pytest

from parity.plugin.request.clauses import clauses_of
from parity.plugin.request.run_matrix import RunMatrix
from steering_core.errors import UsageProblem
from steering_core.measure.multilayer.layers import parse_layers
from steering_core.places import ROOT
from steering_core.records.clauses import Stage

PARITY = ROOT / "parity"
ROOMS = {"sweeps": Stage.SWEEP, "findings": Stage.FINDINGS}
"""Folder of parity/ -> the stage whose name, as a marker, asks for it; so does one of its clauses."""


def asks_for(config: pytest.Config, folder: str) -> bool:
    """Whether `-m` names the marker of a folder, or the command line names a path in it."""
    named = re.findall(r"\w+", config.option.markexpr)
    markers = {ROOMS[folder].value, *clauses_of(ROOMS[folder])}
    return not markers.isdisjoint(named) or any(folder in _rooms(config, argument) for argument in config.args)


def asks_for_checks(config: pytest.Config) -> bool:
    """Whether a path on the command line may hold checks of tools: parity/, something in it, or a folder above it."""
    return any(_holds_checks(_place(config, argument)) for argument in config.args)


def _holds_checks(place: Path) -> bool:
    if not place.is_relative_to(PARITY):
        return PARITY.is_relative_to(place)
    room = place.relative_to(PARITY).parts[:1]
    return not room or room[0] in ROOMS or room[0].startswith("test_")


def check_finding_options(config: pytest.Config, matrix: RunMatrix) -> None:
    """UsageProblem for layers of finding F4 in a run without findings, and for layers that a model of the run does not
    have."""
    if not (layers := config.getoption("steer_layers")):
        return
    if not asks_for(config, "findings"):
        sentence = "--steer-layers: no finding is selected"
        raise UsageProblem("no-finding", sentence, 'add -m "findings and KEY", or name parity/findings')
    for key in matrix.selected:
        parse_layers(layers, matrix.registry[key].layers)


def _rooms(config: pytest.Config, argument: str) -> tuple[str, ...]:
    """The folders below the root that a collected path names, wherever pytest was started."""
    path = _place(config, argument)
    return path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else ()


def _place(config: pytest.Config, argument: str) -> Path:
    """The file or folder that an argument names."""
    return Path(config.invocation_params.dir, str(argument).partition("::")[0]).resolve()
