"""What a tool returned as expected does not travel; what it did not is the same as before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from steering_core.measure import program_oracle
from steering_core.measure.program_runs import ProgramRuns
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.programs.program import Program, Prompts, Read
from steering_core.tests.measure.test_program_runs import ReadsTheBlockBefore
from steering_core.tests.small_experiments import new_experiment
from steering_core.tools.adapters.hooks import Hooks

SITES = [Site("resid_post", 0), Site("resid_post", 1), Site("k", 2)]


def test_only_what_differs_comes_back(loaded: LoadedModel, tmp_path: Path) -> None:
    experiment = new_experiment(loaded, tmp_path)
    batch = experiment.some
    differing = experiment.known.differing(ReadsTheBlockBefore(), batch, SITES)

    assert experiment.known.differing(Hooks(), batch, SITES) == {}
    assert [*differing] == [SITES[1]]
    assert differing[SITES[1]].equal(Hooks().read(loaded, batch, SITES)[SITES[0]])


def test_values_that_equal_nothing_come_back(loaded: LoadedModel, tmp_path: Path) -> None:
    experiment = new_experiment(loaded, tmp_path)
    hook = loaded.blocks[1].register_forward_hook(lambda module, args, output: _unordered(output))
    try:
        differing = experiment.known.differing(Hooks(), experiment.some, SITES[:2])
    finally:
        hook.remove()

    assert [*differing] == [SITES[1]], "the tool and the suite read the same"


def _unordered(output: Any) -> Any:
    whole = output[0] if isinstance(output, tuple) else output
    whole[0, -1, 0] = torch.nan
    return output


def test_a_read_of_a_program_is_captured_once_for_all_tools_and_its_values_stay_where_they_are(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = ProgramRuns(new_experiment(loaded, tmp_path))
    call = Read(prompts=Prompts(count=3, longest=5), sites=tuple(map(str, SITES)))
    captures = kept_results(monkeypatch, program_oracle, "read_sites")
    answers = kept_results(monkeypatch, runs.experiment, "perform")

    sentences = [runs.run(tool, Program(calls=(call, call))) for tool in (Hooks(), Hooks())]
    assert sentences == [None, None]
    assert len(captures) == 1
    assert [answer["value"] for answer in answers] == [{}] * 4
    assert "off by one block" in str(runs.run(ReadsTheBlockBefore(), Program(calls=(call,))))
    assert len(captures) == 2, "what differs is captured again, to say which tensor it is"
    assert [*answers[-1]["value"]] == [SITES[1]]


class KeepsItsMemory(Hooks):
    """Gives the memory of its first answer for one site again."""

    def __init__(self) -> None:
        self.first: dict[Site, Tensor] = {}

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        values = super().read(model, batch, sites)
        return values | {SITES[1]: self.first.setdefault(SITES[1], values[SITES[1]])}


def test_values_that_stay_the_same_are_looked_at_where_they_are(loaded: LoadedModel, tmp_path: Path) -> None:
    experiment = new_experiment(loaded, tmp_path)
    asked = {"batch": experiment.some, "others": [], "sites": SITES[1:]}
    owned, shared = (experiment.perform(tool, "ownership", **asked) for tool in (Hooks(), KeepsItsMemory()))

    assert owned == {"aliased": [], "given": SITES[1:], "undisturbed": {}, "held": {}, "again": {}}
    assert [[*shared[name]] for name in ("undisturbed", "held", "again")] == [[SITES[1]]] * 3
    assert shared["held"][SITES[1]].equal(shared["undisturbed"][SITES[1]])
    assert not shared["again"][SITES[1]].any(), "what the caller wrote"


def kept_results(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """What a function returns from now on."""
    results, function = list[Any](), getattr(owner, name)

    def kept(*given: Any, **more: Any) -> Any:
        results.append(function(*given, **more))
        return results[-1]

    monkeypatch.setattr(owner, name, kept)
    return results
