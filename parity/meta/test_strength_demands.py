"""What models at equal strength must show, on rows written out here, and which pairs of models are compared."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from parity.findings.strength_demands import demand_equal, demand_gap, demand_no_effect, demand_other
from parity.meta.test_sweeps import collected
from steering_core.directions.evaluation.uncertainty import Estimate
from steering_core.measure.multilayer.between_facts import Comparison
from steering_core.measure.multilayer.between_models import Strength, gap, unpack
from steering_core.records.draft import Draft
from steering_core.records.record import Cell

ROW = Strength(6.0, 10.0, 0.9, 0.4, 2, 1, 0, (True, True, False, True), (False,) * 4)
OTHER = replace(ROW, shift=1.2, norm=2.0, refused=(True, False, False, False))


def record() -> Draft:
    return Draft(Cell(clause="F8", model="later", variant="beside:earlier"))


def test_a_row_survives_being_kept() -> None:
    assert unpack(ROW.packed()) == ROW
    assert unpack(ROW.packed() * torch.nan) is None


def test_the_gap_is_of_paired_prompts() -> None:
    """Two prompts that only the first model refuses, none that only the second does: Tango's interval of 2 of 4."""
    value, low, high = gap(ROW, OTHER)

    assert value == 0.5
    assert low < 0 < 0.8 < high
    assert gap(OTHER, ROW) == pytest.approx((-0.5, -high, -low))


@pytest.mark.parametrize(
    ("demand", "given", "words"),
    [
        (demand_equal, ("ratio", replace(ROW, shift=6.1), "later"), "later: ratio 0.61, .*: not at ratio 0.6"),
        (demand_equal, ("divergence", replace(ROW, worst=1.01), "later"), "not within 1 nat"),
        (demand_equal, ("divergence", replace(ROW, worst=float("inf")), "later"), "not within 1 nat"),
        (demand_no_effect, (replace(ROW, unsteered=3), "later"), "3 of 4 answers unsteered are coherent refusals"),
        (demand_no_effect, (replace(ROW, random=ROW.refused), "later"), "3 of 4 answers along a random direction"),
        (demand_other, (ROW, ROW, ("later", "earlier"), False), "are 10 and 10: one model's"),
        (
            demand_other,
            (ROW, replace(OTHER, refused=(True,)), ("a", "b"), False),
            r"answers of a and b: \[4, 4, 1, 4\]",
        ),
        (demand_gap, (Estimate(-0.5, -0.8, 0.1), ROW, OTHER, "there"), r"-50.0 points .*, by the counts \+50.0"),
        (demand_gap, (Estimate(0.5, 0.6, 0.8), ROW, OTHER, "there"), "outside its interval"),
    ],
)
def test_a_strength_that_is_not_equal_is_refuted(demand: Any, given: tuple[Any, ...], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        demand(record(), *given)


def test_rows_that_can_be_compared_hold() -> None:
    for each in (ROW, OTHER):
        demand_equal(record(), "ratio", each, "a model")
        demand_no_effect(record(), each, "a model")
    demand_other(record(), ROW, OTHER, ("later", "earlier"), False)
    demand_other(record(), ROW, ROW, ("later", "its copy"), True)
    demand_gap(record(), gap(ROW, OTHER), ROW, OTHER, "there")


def test_the_record_says_which_model_is_steered_more_easily() -> None:
    comparison = Comparison("later", "earlier")
    comparison.add(("ratio", "single"), ROW, OTHER, Estimate(0.5, 0.1, 0.8))
    comparison.add(("divergence", "single"), ROW, OTHER, Estimate(-0.5, -0.8, -0.1))
    comparison.add(("divergence", "uniform"), ROW, OTHER, Estimate(0.5, -0.1, 0.8))
    comparison.add(("divergence", "weighted"), ROW, OTHER, Estimate(-0.5, -0.8, -0.1))

    assert comparison.sentence == (
        "later beside earlier, steered: at ratio 0.6: later more (single); at 1 nat: earlier more (single, weighted), "
        "no difference beyond uncertainty (uniform)"
    )
    assert [each["model"] for each in comparison.table] == ["later", "earlier"] * 4


def test_a_model_without_a_row_is_named_and_not_compared() -> None:
    comparison = Comparison("sft", "base")
    comparison.add(("ratio", "single"), ROW, None, None)

    assert comparison.facts()["statements"] == ["base has no refusals that could be compared"]
    assert comparison.sentence == "sft beside base, steered: not comparable"


def test_a_combination_that_one_model_lacks_is_listed_with_its_reason() -> None:
    """Weighted and orthogonal steering need a layer that raises refusals alone."""
    comparison = Comparison("later", "earlier")
    comparison.add(("ratio", "weighted"), None, OTHER, None, "no layer raises refusals alone")
    comparison.add(("divergence", "weighted"), ROW, None, None)

    told = comparison.facts()
    assert [(each["scale"], each["model"], each["reason"]) for each in told["missing"]] == [
        ("ratio", "later", "no layer raises refusals alone"),
        ("divergence", "earlier", "no such setting of it could be measured"),
    ]
    assert [each["model"] for each in told["table"]] == ["earlier", "later"]
    assert told["statements"] == ["no setting could be measured of both later and earlier"]


def test_two_tuned_models_are_compared_once_and_a_base_model_beside_each() -> None:
    base, sft, preferred = (f"tiny_traits_{name}" for name in ("base", "sft", "preferred"))
    names = collected("parity/findings/test_equal_strength.py", "-m", " or ".join((base, sft, preferred)))
    pairs = {name.partition("[")[2].removesuffix("]") for name in names if "test_equal_strength[" in name}

    assert pairs == {f"{sft}-beside:{base}", f"{preferred}-beside:{base}", f"{preferred}-beside:{sft}"}
