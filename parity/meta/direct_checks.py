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

from parity.drafts import explain
from parity.matrix import FIXTURES, ROOT
from steering_core.clauses import CLAUSES, Stage
from steering_core.draft import Draft
from steering_core.prompts import PromptSet, read_prompts
from steering_core.record import Cell, Outcome, Record
from steering_core.specs import read_presets, read_registry, resolve

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

    def __init__(self, key: str, folder: Path, dtype: str = "", prompts: PromptSet | None = None) -> None:
        from steering_core.models import LoadRequest

        spec = read_registry(FIXTURES / "models.toml")[key]
        request = LoadRequest(spec, str(ROOT / spec.source), dtype or spec.dtype)
        self.key, self.folder, self.spec = key, folder, spec
        self.model, self.weights = request.load(), request.digest()
        self.settings = resolve(spec, read_presets(FIXTURES / "presets.toml")["fixture"])
        whole = prompts or read_prompts(FIXTURES / "prompts" / "default.json")
        self.prompts = replace(whole, evaluation=whole.evaluation[:ANSWERED])
        self.opened = itertools.count()

    def cycle(self, model: Any = None, prompts: PromptSet | None = None) -> Any:
        """A cycle on a copy of the model, with a store of its own."""
        from steering_core.cycle import Cycle
        from steering_core.store import Store

        model = model or self.model
        copied = replace(model, module=deepcopy(model.module))
        store = Store(self.folder / f"{self.key}-{next(self.opened)}")
        return Cycle(copied, self.settings, prompts or self.prompts, store, self.weights)


@dataclass
class Suspect:
    """A tool on its cycle: what the checks ask for, by name. `spec` as on the command line."""

    made: Any
    spec: str
    others: tuple[str, ...] = ("hooks",)

    @property
    def cycle(self) -> Any:
        """The model's cycle."""
        return self.made

    @property
    def tool(self) -> Any:
        """The tool, constructed anew."""
        from steering_core.tools import find_tool

        return find_tool(self.spec)

    @property
    def tools(self) -> tuple[Any, Any]:
        """The tool beside the first of the others."""
        return self.every_tool[0], self.tool

    @property
    def every_tool(self) -> list[Any]:
        """The others, then the tool."""
        from steering_core.tools import find_tool

        return [*map(find_tool, self.others), self.tool]

    @cached_property
    def purity(self) -> Any:
        """As the fixture of that name."""
        from steering_core.purity import Purity

        return Purity(self.made)

    @cached_property
    def trials(self) -> Any:
        """As the fixture of that name."""
        from steering_core.trials import Trials

        return Trials(self.made)

    @property
    def repeats(self) -> int:
        """K."""
        return REPEATS


def run_check(check: Check, suspect: Suspect) -> Record:
    """Call one check; the record is what a run would have kept."""
    pair = {"tool": "hooks", "other": suspect.spec} if "tools" in check.wants else {"tool": suspect.spec}
    named = pair if check.wants & {"tool", "tools"} else {}
    varied = [str(value) for name, value in sorted(check.given.items()) if name not in {"arm", "repeat"}]
    cell = Cell(
        clause=check.clause, model=suspect.cycle.model.spec.key, arm=check.given.get("arm"),
        repeat=check.given.get("repeat"), variant="-".join(varied) or None, **named,
    )  # fmt: skip
    draft = Draft(cell)
    given = {name: draft if name == "cell" else check.given[name] if name in check.given else getattr(suspect, name)
             for name in check.wants}  # fmt: skip
    try:
        draft.provenance.update(suspect.cycle.provenance(), tools={suspect.spec: asdict(suspect.tool.version())})
        check.function(**given)
        draft.require_evidence()
    except (Exception, pytest.xfail.Exception, pytest.skip.Exception) as error:
        draft.fail(*explain(error))
    return draft.finish(check.function.__name__)


def run_checks(
    suspect: Suspect, gated: bool = True, only: Callable[[Check], bool] = lambda check: True
) -> list[Record]:
    """Every check about a tool, stage by stage; a failed preflight keeps the later stages from running."""
    records: list[Record] = []
    for check in every_check():
        about = check.wants & {"tool", "tools", "every_tool"}
        if not about or not only(check):
            continue
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
