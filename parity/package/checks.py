"""The suite's checks in a tool author's own test file, as scikit-learn's `parametrize_with_checks` does for estimators."""

import atexit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from parity.plugin.harness import Check, LoadedCheckpoint, list_checks, run_check
from steering_core.errors import UsageProblem
from steering_core.places import REGISTRY
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome

if TYPE_CHECKING:
    from parity.plugin.context import Measurements

STAGES = (Stage.PREFLIGHT, Stage.STEERING)
"""Their checks say something about one tool; those of directions and behavior need several."""
REMOVE = "remove it from expected_failed_checks once the check passes"
PARTNER = "hooks"
"""The tool that pairs are made with."""


@dataclass(frozen=True)
class ToolCheck:
    """One check of one tool on one model. Calling it runs the check: AssertionError with its sentence if it does not hold,
    `pytest.skip` for what the tool does not offer. tool: as `--tool` takes it. model: a key of a tiny model."""

    check: Check
    tool: str
    model: str

    @property
    def id(self) -> str:
        """`P4-token_position-left-tiny_qwen2`."""
        name = self.check.function.__name__.removeprefix("test_")
        return "-".join((self.check.clause, name, *map(str, self.check.params.values()), self.model))

    def __call__(self) -> None:
        """Run it. RuntimeError for a check that crashed, or was not carried out: no expected failure covers that."""
        __tracebackhide__ = True
        record = run_check(self.check, measurements(self.tool, self.model), self.tool, (PARTNER,))
        if record.outcome is Outcome.NOT_OFFERED:
            pytest.skip(f"not offered: {record.sentence}")
        if record.outcome is not Outcome.AGREES and not record.declared:
            failure = AssertionError if record.outcome is Outcome.DIFFERS else RuntimeError
            raise failure(f"{self.id}: {record.sentence}")


def parametrize_with_checks(
    *tools: type | str,
    models: Sequence[str] = ("tiny_qwen2",),
    clauses: Sequence[str] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
) -> pytest.MarkDecorator:
    """A decorator for `def test_...(check): check()`.

    tools: classes, or texts as `--tool` takes them. models: keys of tiny models. clauses: those that are checked, such as
    ("P1", "S2"); by default every clause that says something about one tool. expected_failed_checks: {clause or id of a
    check: reason}; one that holds after all is a failure, as with a strict xfail. UsageProblem for what is not known.
    """
    expected = dict(expected_failed_checks or {})
    known = [check for check in list_checks() if check.judges_tools and CLAUSES[check.clause].stage in STAGES]
    demand_known("clauses", clauses, {check.clause for check in known})
    named = [tool if isinstance(tool, str) else f"{tool.__module__}:{tool.__qualname__}" for tool in tools]
    chosen = [
        ToolCheck(check, tool, model)
        for tool in named
        for model in models
        for check in known
        if not clauses or check.clause in clauses
    ]
    demand_known("tools", [""] * (not tools), set())
    demand_known("models", models, tiny_models())
    demand_known(
        "expected_failed_checks", [*expected], {each.id for each in chosen} | {each.check.clause for each in chosen}
    )
    return pytest.mark.parametrize("check", [_parameter(each, expected, len(named) > 1) for each in chosen])


def _parameter(each: ToolCheck, expected: Mapping[str, str], several: bool) -> Any:
    reason = expected.get(each.id, expected.get(each.check.clause))
    said = f"{reason} ({REMOVE})"
    marks = [pytest.mark.xfail(reason=said, strict=True, raises=AssertionError)] if reason is not None else []
    return pytest.param(each, id=f"{each.tool.rpartition(':')[2]}-{each.id}" if several else each.id, marks=marks)


def demand_known(what: str, given: Sequence[str], known: set[str]) -> None:
    """UsageProblem that lists what is known, where something else is given."""
    if unknown := [name for name in given if name not in known]:
        hint = f"known: {', '.join(sorted(known))}" if known else "name a class, or path/to/file.py:Class"
        raise UsageProblem("checks", f"parametrize_with_checks: {what}: {unknown[0]!r} is not known", hint)


def tiny_models() -> set[str]:
    """Keys of the models that come with the suite."""
    from steering_core.models.registry import read_registry

    return {key for key, spec in read_registry(REGISTRY).items() if spec.tiny}


@cache
def measurements(tool: str, model: str) -> "Measurements":
    """What the checks of one tool on one model share: it lives as long as the process, on a copy of the model of its own."""
    from parity.plugin.context import Measurements
    from steering_core.hosts.local_hosts import LocalHosts

    experiment = loaded(model).experiment()
    return Measurements(experiment, LocalHosts(experiment.model, alone=True))


@cache
def loaded(model: str) -> LoadedCheckpoint:
    """A tiny model, loaded once."""
    folder = TemporaryDirectory(prefix="steering-parity-")
    atexit.register(folder.cleanup)
    return LoadedCheckpoint(model, Path(folder.name))
