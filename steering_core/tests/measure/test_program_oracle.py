"""What is true of a program's calls is computed with as few forwards as possible."""

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from steering_core.measure import reference
from steering_core.measure.program_oracle import ProgramOracle
from steering_core.models.model import LoadedModel
from steering_core.programs.program import Generate, Program, Prompts
from steering_core.tests.small_experiments import new_experiment


def test_the_token_that_ends_answers_early_takes_two_steps_of_the_reference(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, oracle = (
        Generate(prompts=Prompts(count=2, longest=5), new_tokens=12),
        ProgramOracle(new_experiment(loaded, tmp_path)),
    )
    second = int(oracle.answers(call, {})[0][1])
    asked: list[int] = []
    generate = reference.generate

    def counted(*given: Any) -> Tensor:
        asked.append(given[-1])
        return generate(*given)

    monkeypatch.setattr(reference, "generate", counted)

    ends = oracle.defaults(Program(calls=(call,), defaults="early ends"))["eos_token_id"]
    one = oracle.defaults(Program(calls=(call.model_copy(update={"new_tokens": 1}),), defaults="early ends"))

    assert asked == [2, 1]
    assert ends[-1] == second
    assert one["eos_token_id"][-1] == int(oracle.answers(call, {})[0][0])
