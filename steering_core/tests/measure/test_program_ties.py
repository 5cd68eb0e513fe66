"""What rounding changes is no difference between answers, and is looked into with few forwards."""

from pathlib import Path

import pytest
import torch

from steering_core.measure.program_runs import ProgramRuns
from steering_core.models.model import LoadedModel
from steering_core.programs.program import Generate, Prompts, Range, Step
from steering_core.tests.small_experiments import new_experiment


@pytest.fixture
def runs(loaded: LoadedModel, tmp_path: Path) -> ProgramRuns:
    return ProgramRuns(new_experiment(loaded, tmp_path))


def test_a_tie_is_no_difference_and_a_clear_choice_is_one(runs: ProgramRuns) -> None:
    call = Generate(prompts=Prompts(count=2, longest=5, pattern="uneven"), new_tokens=1)
    first = int(runs.judge.oracle.answers(call, {})[0, 0])

    assert runs.judge.oracle.is_tie(call, 0, [], (first, first))
    assert not runs.judge.oracle.is_tie(call, 0, [], (first, (first + 1) % 20))


@pytest.mark.parametrize("cache", [True, False])
def test_what_a_cache_changes_is_no_difference(runs: ProgramRuns, monkeypatch: pytest.MonkeyPatch, cache: bool) -> None:
    """Of one row, which batching does not change: on a GPU, fed in pieces, it has other logits (here 0.4 off)."""
    call, oracle = Generate(prompts=Prompts(count=1, longest=7), new_tokens=1, cache=cache), runs.judge.oracle
    logits = torch.zeros(1, 20).index_fill(1, torch.tensor([3]), 0.75).index_fill(1, torch.tensor([7]), 0.85)
    monkeypatch.setattr(oracle, "_logits", lambda *asked: logits)
    monkeypatch.setattr(oracle, "_fed", lambda *asked: logits + 0.4)

    assert oracle.is_tie(call, 0, [5], (3, 1)) is cache
    assert not oracle.is_tie(call, 0, [5], (7, 1))


def test_pieces_are_fed_only_where_batching_does_not_explain_a_difference(
    runs: ProgramRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt fed token by token takes as many forwards as it has tokens."""
    call, oracle = Generate(prompts=Prompts(count=2, longest=7), new_tokens=1), runs.judge.oracle
    logits = torch.zeros(2, 20).index_fill(1, torch.tensor([7]), 0.1)
    monkeypatch.setattr(oracle, "_logits", lambda call, batch, answers: logits[: len(batch.ids)] + 0.1 * len(batch.ids))
    monkeypatch.setattr(oracle, "_fed", lambda *asked: pytest.fail("fed in pieces"))

    assert oracle.is_tie(call, 0, [5], (3, 7))


def test_fed_in_pieces_an_answer_has_the_logits_of_an_independent_forward(runs: ProgramRuns) -> None:
    """Steered at the prompt's end, of prompts of different lengths: in chunks, with a cache, and whole."""
    step = Step(block=1, coefficient=3.0, positions=Range(start=-2))
    call = Generate(prompts=Prompts(count=3, longest=5, pattern="uneven"), steps=(step,), new_tokens=1, chunk=2)
    oracle = runs.judge.oracle

    fed = oracle._fed(call, [3, 4])

    torch.testing.assert_close(fed, oracle._logits(call, oracle.batch(call.prompts), [[3, 4]] * 3), atol=1e-4, rtol=0)
    assert (fed - oracle._fed(call.model_copy(update={"steps": ()}), [3, 4])).abs().max() > 1e-2


def test_a_tie_is_looked_into_once_whichever_tools_ask(runs: ProgramRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward of all rows for all of them, and one of each row alone."""
    oracle = runs.judge.oracle
    batches: list[int] = []
    logits = oracle._logits
    monkeypatch.setattr(oracle, "_logits", lambda *asked: batches.append(len(asked[1].ids)) or logits(*asked))

    for chunk in (0, 3, 0):
        call = Generate(prompts=Prompts(count=3, longest=5), new_tokens=2, chunk=chunk)
        for row in range(3):
            oracle.is_tie(call, row, [], (4, 5))

    assert batches == [3, 1, 1, 1]
