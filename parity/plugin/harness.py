"""The checks of parity/, called one by one on one tool: the very functions that pytest calls, without a session each.

A tool under suspicion gets a model of its own (it may break it), and preflight closes the gate for what follows, as in
a run. What a check needs by name is handed to it by name; a name that is not known here is an error.
"""

import importlib
import inspect
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from parity.plugin.check_records import explain
from parity.plugin.request.run_matrix import tool_label
from steering_core.models.registry import read_presets, read_registry, resolve
from steering_core.places import FIXTURES, ROOT
from steering_core.prompts import PromptSet, read_prompts
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.draft import Draft
from steering_core.records.record import Cell, Outcome, Record

MODULES = sorted(path.stem for path in (ROOT / "parity").glob("test_*.py") if path.stem != "test_benchmarks")
ANSWERED = 10
"""Evaluation prompts: enough for a rate to move by 10 points."""
REPEATS = 2


@dataclass(frozen=True)
class Check:
    """One call of a check function: which clause, what the parametrize marks give it, and the name of the variant."""

    function: Callable[..., None]
    clause: str
    given: dict[str, Any]

    @property
    def wants(self) -> set[str]:
        """What it asks for by name."""
        return set(inspect.signature(self.function).parameters)


def every_check() -> list[Check]:
    """Every check of parity/, in the order of the stages; those that write snapshots or span no tool are left in."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"parity.{name}")
        for key, function in vars(module).items():
            if key.startswith("test_") and hasattr(function, "pytestmark"):
                found += list(_variants(function))
    return sorted(found, key=lambda check: list(Stage).index(CLAUSES[check.clause].stage))


def _variants(function: Callable[..., None]) -> Iterator[Check]:
    marks = function.pytestmark  # type: ignore[attr-defined]
    clause = next(mark.args[0] for mark in marks if mark.name == "clause")
    axes = {mark.args[0]: mark.args[1] for mark in marks if mark.name == "parametrize"}
    wants = inspect.signature(function).parameters
    axes |= {"arm": ["reference", "native"]} if "arm" in wants else {}
    axes |= {"repeat": [0]} if "repeat" in wants else {}
    for values in itertools.product(*axes.values()):
        yield Check(function, clause, dict(zip(axes, values, strict=True)))


class Room:
    """One loaded model and what its checks need; every tool is tried on a copy of it."""

    def __init__(self, key: str, folder: Path, dtype: str = "") -> None:
        from steering_core.models.model import LoadRequest

        spec = read_registry(FIXTURES / "models.toml")[key]
        request = LoadRequest(spec, str(ROOT / spec.source), dtype or spec.dtype)
        self.folder = folder
        self.model, self.weights = request.load(), request.digest()
        self.settings = resolve(spec, read_presets(FIXTURES / "presets.toml")["fixture"])
        whole = read_prompts(FIXTURES / "prompts" / "default.json")
        self.prompts = replace(whole, evaluation=whole.evaluation[:ANSWERED])

    def experiment(self, model: Any = None, prompts: PromptSet | None = None) -> Any:
        """A cycle on a copy of the model. The store is shared: what the reference answers is the same for every tool."""
        from steering_core.measure.experiment import Experiment
        from steering_core.measure.store import Store

        model = model or self.model
        copied = replace(model, module=deepcopy(model.module))
        return Experiment(copied, self.settings, prompts or self.prompts, Store(self.folder), self.weights)


@dataclass
class Suspect:
    """A tool on its cycle: what the checks ask for, by name. `spec` as on the command line."""

    made: Any
    spec: str
    others: tuple[str, ...] = ("hooks",)

    @property
    def experiment(self) -> Any:
        """The model's cycle."""
        return self.made

    @property
    def tool(self) -> Any:
        """The tool, constructed anew."""
        from steering_core.tools.spec import find_tool

        return find_tool(self.spec)

    @property
    def tools(self) -> tuple[Any, Any]:
        """The tool beside the first of the others."""
        return self.every_tool[0], self.tool

    @property
    def every_tool(self) -> list[Any]:
        """The others, then the tool."""
        from steering_core.tools.spec import find_tool

        return [*map(find_tool, self.others), self.tool]

    @cached_property
    def side_effects(self) -> Any:
        """As the fixture of that name."""
        from steering_core.measure.side_effects import SideEffects

        return SideEffects(self.made)

    @cached_property
    def steering(self) -> Any:
        """As the fixture of that name."""
        from steering_core.measure.steering import SteeringMeasurements

        return SteeringMeasurements(self.made)

    @property
    def repeats(self) -> int:
        """K."""
        return REPEATS


def run_check(check: Check, suspect: Suspect) -> Record:
    """Call one check; the record is what a run would have kept."""
    label = tool_label(suspect.spec)
    whose = {"tools": {"tool": suspect.others[0], "other": label}, "tool": {"tool": label}}
    named = next((cells for name, cells in whose.items() if name in check.wants), {})
    varied = [str(value) for name, value in sorted(check.given.items()) if name not in {"arm", "repeat"}]
    cell = Cell(
        clause=check.clause, model=suspect.experiment.model.spec.key, arm=check.given.get("arm"),
        repeat=check.given.get("repeat"), variant="-".join(varied) or None, **named,
    )  # fmt: skip
    draft = Draft(cell)
    given = {"cell": draft, **check.given}
    try:
        versions = {tool.name: asdict(tool.version()) for tool in suspect.every_tool}
        draft.provenance.update(suspect.experiment.provenance(), tools=versions)
        given |= {name: getattr(suspect, name) for name in check.wants - set(given)}
        check.function(**{name: given[name] for name in check.wants})
        draft.require_evidence()
    except (Exception, pytest.xfail.Exception, pytest.skip.Exception) as error:
        draft.fail(*explain(error))
    return draft.finish(check.function.__name__)


ABOUT_TOOLS = {"tool", "tools", "every_tool"}
OF_A_SESSION = {"canonical", "pytestconfig"}
"""What only a session of pytest has; the checks that write snapshots want it."""


def about_tools(check: Check) -> bool:
    """Whether a check judges tools, and not the run's model and prompts alone."""
    return bool(check.wants & ABOUT_TOOLS)


def about_the_run(check: Check) -> bool:
    """Whether a check judges the model and prompts, whatever the tools."""
    return not check.wants & (ABOUT_TOOLS | OF_A_SESSION)


def run_checks(suspect: Suspect, wanted: Callable[[Check], bool] = about_tools, gated: bool = True) -> list[Record]:
    """The wanted checks, stage by stage; a failed preflight keeps the later stages from running."""
    records: list[Record] = []
    for check in filter(wanted, every_check()):
        if gated and CLAUSES[check.clause].stage is not Stage.PREFLIGHT and any(map(closes, records)):
            continue
        with undisturbed():
            records.append(run_check(check, suspect))
    return records


def closes(record: Record) -> bool:
    """Whether a record closes the gate of its model."""
    preflight = CLAUSES[record.cell.clause].stage is Stage.PREFLIGHT
    return preflight and record.outcome is not Outcome.AGREES and not record.declared


@contextmanager
def undisturbed() -> Iterator[None]:
    """Take back what a wrong tool does to the process: random states, gradient mode."""
    import numpy as np
    import torch

    states, grad = (torch.get_rng_state(), random.getstate(), np.random.get_state()), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
        torch.set_grad_enabled(grad)
