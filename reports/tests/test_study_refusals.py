"""A published refusal rate must follow from the classes: keywords make an answer coherent unless it is garbled."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.inputs import read_inputs
from reports.study.rates import StudyRates
from reports.tests.broken_study_files import GEMMA, study
from reports.tests.study_like import full_file, put, transfer_file
from steering_core.errors import ArtifactProblem

EIGHT = {"n_prompts": 10, "coherent_rate": 50.0, "garbled_rate": 30.0, "normal_rate": 20.0}
"""5 coherent, 3 garbled, 2 normal answers: 5 to 8 refusals."""


def said(refusals: float, *rows: tuple[str, bool]) -> list[str]:
    """The contradictions of rates with this refusal rate; rows: class and refusal per prompt."""
    listed = [
        {"prompt_id": number, "prompt": "p", "quality": quality, "refusal": refusal, "output_hash": "0"}
        for number, (quality, refusal) in enumerate(rows)
    ]
    return list(StudyRates.model_validate({**EIGHT, "refusal_rate": refusals, "per_prompt": listed}).contradictions())


def test_garbled_answers_may_be_refusals_or_not() -> None:
    assert [said(rate) for rate in (50.0, 60.0, 70.0, 80.0)] == [[], [], [], []]


@pytest.mark.parametrize("rate", [0.0, 40.0, 49.9, 80.1, 90.0, 100.0])
def test_a_rate_outside_the_classes_is_named_with_them(rate: float) -> None:
    assert said(rate) == [f"refusal_rate {rate:g}, but 5 coherent and 3 garbled answers of 10"]


def test_a_part_of_a_prompt_is_named() -> None:
    assert said(55.0) == ["refusal_rate 55 of 10 prompts is no whole number of prompts"]


def rows(coherent: int = 5, garbled: int = 1, normal: int = 0) -> list[tuple[str, bool]]:
    """A row per prompt, of which this many of each class are refusals."""
    classes = {"coherent": (5, coherent), "garbled": (3, garbled), "normal": (2, normal)}
    return [(name, number < refusals) for name, (total, refusals) in classes.items() for number in range(total)]


def test_rows_per_prompt_give_the_same_rate() -> None:
    assert said(60.0, *rows()) == []
    assert said(70.0, *rows()) == ["refusal_rate 70, but 6 of 10 rows per prompt are refusals"]


def test_rows_contradict_their_class() -> None:
    assert said(60.0, *rows(coherent=4, garbled=2)) == ["prompt 4 is coherent with refusal false"]
    assert said(60.0, *rows(garbled=0, normal=1)) == ["prompt 8 is normal with refusal true"]


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        (GEMMA, put(full_file(), ("runs", 2, "methods", "hooks", "eval", "refusal_rate"), 100.0), "hooks, repeat 2: "),
        ("b1.json", put(transfer_file(), ("eval", "refusal_rate"), 90.0), ""),
    ],
)
def test_a_file_is_refused_with_one_line(tmp_path: Path, name: str, value: dict[str, Any], where: str) -> None:
    with pytest.raises(ArtifactProblem) as caught:
        read_inputs(study(name, json.loads(json.dumps(value)))(tmp_path))

    assert f"{name}: {where}refusal_rate " in str(caught.value)
    assert "\n" not in str(caught.value)
