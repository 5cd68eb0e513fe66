"""A round of `--follow`: a session of its own that runs the conditions which decisions have asked for, as further cells of
the same run.

Conditions are not added to a session that is under way: the workers of xdist must all have collected the same checks,
and the plan, the budget and the resumption of a run rest on what was collected before the first check.
"""

from pathlib import Path

import pytest

from parity.plugin.on_request import asks_for
from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.request.tools import REFERENCE
from steering_core.errors import UsageProblem
from steering_core.places import ROOT
from steering_core.records.followed import Asked, read_followed


def is_round(config: pytest.Config) -> bool:
    """Whether this session is a round of `--follow`."""
    return bool(config.getoption("follow_round"))


def asked(config: pytest.Config) -> tuple[Asked, ...]:
    """The conditions of every round so far; none outside of a round."""
    return read_followed(Path(config.getoption("run_dir"))).conditions if is_round(config) else ()


def widen(config: pytest.Config) -> None:
    """Collect every sweep, whatever part of the checks the command line names: a decision may ask for any condition."""
    if is_round(config):
        config.option.keyword = ""
        config.args = [str(ROOT / "parity" / "sweeps")]


def check_sweep_options(config: pytest.Config, matrix: RunMatrix) -> None:
    """UsageProblem for options of sweeps in a run without any: nothing would come of them."""
    given = {"--follow": config.getoption("follow"), "--sweep-through": matrix.sweep_through != (REFERENCE,)}
    if idle := [name for name, is_given in given.items() if is_given and not asks_for(config, "sweeps")]:
        sentence = f"{' and '.join(idle)}: no sweep is selected"
        raise UsageProblem("no-sweep", sentence, 'add -m "sweep and KEY", or name parity/sweeps')
