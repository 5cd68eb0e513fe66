"""What is true of a program's calls is computed with as few forwards as possible."""

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from steering_core.measure import reference
from steering_core.measure.program_oracle import ProgramOracle
from steering_core.models.model import LoadedModel
from steering_core.programs.program import Generate, Program, Prompts, Range, Step
from steering_core.tests.small_experiments import new_experiment


def test_the_token_that_ends_answers_early_takes_two_steps_of_the_reference(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, oracle = (
        Generate(prompts=Prompts(count=2, longest=5), new_tokens=12),
        ProgramOracle(new_experiment(loaded, tmp_path)),
    )
    second = int(oracle.answers(call, {})[0][1])
    asked = count_generations(monkeypatch)

    ends = oracle.defaults(Program(calls=(call,), defaults="early ends"))["eos_token_id"]
    one = oracle.defaults(Program(calls=(call.model_copy(update={"new_tokens": 1}),), defaults="early ends"))

    assert asked == [2, 1]
    assert ends[-1] == second
    assert one["eos_token_id"][-1] == int(oracle.answers(call, {})[0][0])


def count_generations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of new tokens of each generation by the reference from now on."""
    asked: list[int] = []
    generate = reference.generate

    def counted(*given: Any) -> Tensor:
        asked.append(given[-1])
        return generate(*given)

    monkeypatch.setattr(reference, "generate", counted)
    return asked


STEP = Step(block=1, coefficient=4.0, positions=Range(start=-2))
CALL = Generate(prompts=Prompts(count=3, longest=6, pattern="uneven"), steps=(STEP,), new_tokens=5)


@pytest.mark.parametrize("change", ["none", "a token", "a row too short", "a row too long", "other edits", "no token"])
@pytest.mark.parametrize("cache", [True, False])
def test_answers_are_the_references_only_if_it_chooses_each_of_their_tokens(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, cache: bool
) -> None:
    """By one forward over whole answers, in which no token is generated."""
    call, oracle = CALL.model_copy(update={"cache": cache}), ProgramOracle(new_experiment(loaded, tmp_path))
    rows = oracle.rows(call, oracle.answers(call, {}), {})
    asked = count_generations(monkeypatch)
    if change == "a token":
        rows[1][3] += 1
    if change == "a row too short":
        rows[2].pop()
    if change == "a row too long":
        rows[0].append(7)
    if change == "other edits":
        strong = STEP.model_copy(update={"coefficient": -40.0})
        call = call.model_copy(update={"steps": (strong,)})
    if change == "no token":
        rows = [[] for _ in rows]

    assert oracle.are_its_own(call, rows, {}) is (change == "none")
    assert asked == []


def test_an_answer_ends_at_an_end_token_only(loaded: LoadedModel, tmp_path: Path) -> None:
    """The second token of the first answer ends answers here, where the model has another end token."""
    call, oracle = CALL, ProgramOracle(new_experiment(loaded, tmp_path))
    program = Program(calls=(call,), defaults="early ends")
    defaults = oracle.defaults(program)
    rows = oracle.rows(call, oracle.answers(call, defaults), defaults)

    assert len(rows[0]) < call.new_tokens
    assert oracle.are_its_own(call, rows, defaults)
    assert not oracle.are_its_own(call, rows, {}), "without that end token the first answer goes on"
    assert not oracle.are_its_own(call, [rows[0], rows[1][:-1], rows[2]], defaults), "it stopped before its end"
