"""The selection rules on scores that are written down, and the methods on a model whose every number is known."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from steering_core.directions import check_method, find_selection, method_names, selection_names
from steering_core.directions.scoring.variants import VARIANTS, find_variant
from steering_core.directions.selection import arditi, cosmic
from steering_core.directions.selection.arditi import ArditiScore
from steering_core.directions.selection.cosmic import CosmicScore
from steering_core.errors import EmptyMeasurement, UsageProblem
from steering_core.tests.directions.made_passes import AXES, MadePasses

GOOD = ArditiScore(-1, 3, bypass=-2.0, induce=1.0, kl=0.05)
BETTER = replace(GOOD, position=-2, bypass=-5.0)


@pytest.mark.parametrize(
    "change", [{"layer": 8}, {"kl": 0.1001}, {"induce": -1e-9}, {"bypass": math.nan}, {"kl": math.nan}]
)
def test_arditi_drops_what_a_filter_drops(change: dict[str, float]) -> None:
    assert arditi.choose([GOOD, BETTER], depth=10) == (-2, 3)
    assert arditi.choose([GOOD, replace(BETTER, **change)], depth=10) == (-1, 3)


@pytest.mark.parametrize("change", [{"layer": 7}, {"kl": 0.1}, {"induce": 0.0}])
def test_arditi_keeps_what_is_at_a_limit(change: dict[str, float]) -> None:
    kept = replace(BETTER, **change)

    assert arditi.choose([GOOD, kept], depth=10) == (kept.position, kept.layer)


def test_arditi_says_when_nothing_survives() -> None:
    with pytest.raises(EmptyMeasurement, match=r"dropped by a filter .*layer < 8, KL <= 0.1, induce >= 0.0"):
        arditi.choose([replace(GOOD, kl=1.0)], depth=10)


def test_arditi_scores_ablation_and_addition_of_the_candidate() -> None:
    """The stream is the logits and token 1 refuses: the second candidate, twice the difference of the classes, bypasses
    refusal and induces it; the first, orthogonal to it, does neither."""
    passes = MadePasses(depth=10, axes={(-2, 0): 2 * AXES[-2, 0], (-1, 0): 2 * AXES[-1, 0]})

    selection = find_selection("arditi")(passes)

    def log_odds(*logits: float) -> float:
        return math.log(math.exp(logits[1]) / (math.exp(logits[0]) + math.exp(logits[2])))

    useless, true = selection.scores
    assert (true.bypass, true.induce) == pytest.approx((log_odds(1, 0, 0), log_odds(1, 2, 0)), rel=1e-6)
    assert (useless.bypass, useless.induce) == pytest.approx((log_odds(1, 1, 0), log_odds(1, 0, 2)), rel=1e-6)
    assert (true.kl, useless.kl) == (0.0, 0.0)
    assert selection.candidate.place == (-1, 0)
    assert selection.notes == {"refusal_ids": [1], "kl_limit": 0.1, "survivors": 1}


def cosmic_scores(totals: dict[tuple[int, int], tuple[float, float]]) -> list[CosmicScore]:
    return [CosmicScore(*place, *values, kl=0.0) for place, values in totals.items()]


def test_cosmic_chooses_the_highest_sum_and_the_first_of_equals() -> None:
    scores = cosmic_scores({(-2, 0): (0.9, 0.1), (-2, 1): (0.6, 0.6), (-1, 1): (0.6, 0.6), (-1, 2): (0.2, 0.95)})

    assert cosmic.choose(scores, 10, VARIANTS["paper"]) == (-2, 1)
    with pytest.raises(EmptyMeasurement, match="dropped by a filter of COSMIC's variant paper"):
        cosmic.choose([replace(scores[0], comply=math.nan)], 10, VARIANTS["paper"])


def test_only_the_repository_variant_has_filters() -> None:
    late, harmful = CosmicScore(-2, 8, 0.9, 0.9, kl=0.0), CosmicScore(-2, 1, 0.8, 0.8, kl=0.11)
    plain = CosmicScore(-2, 2, 0.1, 0.1, kl=0.1)

    assert cosmic.choose([late, harmful, plain], 10, VARIANTS["paper"]) == (-2, 8)
    assert cosmic.choose([late, harmful, plain], 10, VARIANTS["repo"]) == (-2, 2)
    assert cosmic.choose([late, replace(harmful, kl=0.1), plain], 10, VARIANTS["repo"]) == (-2, 1)


def test_the_rule_for_the_last_position_is_the_repositorys_alone() -> None:
    """Peaks of positions -3 and -2: comply at layers 1 and 2, refuse at 3 and 4; the lower medians are 1 and 3."""
    peaks = {(-3, 1): (0.5, 0.0), (-3, 3): (0.0, 0.5), (-2, 2): (0.5, 0.0), (-2, 4): (0.0, 0.5)}
    beyond = cosmic_scores({**peaks, (-1, 4): (0.9, 0.9)})
    before = cosmic_scores({**peaks, (-1, 3): (0.9, 0.9)})

    assert cosmic.last_position_limit(beyond) == 3
    assert cosmic.choose(beyond, 10, VARIANTS["paper"]) == (-1, 4)
    assert cosmic.choose(beyond, 10, VARIANTS["repo"]) == (-3, 1)
    assert cosmic.choose(before, 10, VARIANTS["repo"]) == (-1, 3)
    assert cosmic.last_position_limit(beyond[-1:]) == math.inf


@pytest.mark.parametrize("variant", VARIANTS)
def test_cosmic_finds_the_axis_along_which_the_classes_differ(variant: str) -> None:
    """Ablated along it, harmful is harmless, comply = 1; with it added, harmless is harmful, refuse = 1."""
    axes = {(position, layer): axis for (position, _), axis in AXES.items() for layer in (0, 1)}
    passes = MadePasses(depth=2 if variant != "study" else 3, axes=axes)

    selection = find_selection(f"cosmic:{variant}")(passes)
    best = max(selection.scores, key=lambda score: score.total)

    assert selection.candidate.position == -1
    assert (best.comply, best.refuse) == pytest.approx((1.0, 1.0))
    assert selection.notes["evaluated_layers"] == [1]
    assert selection.candidate.direction.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_cosmic_runs_two_forwards_per_candidate_and_a_third_for_a_filter(variant: str) -> None:
    passes = MadePasses(axes={(position, 1): axis for (position, _), axis in AXES.items()}, depth=3)

    find_selection(f"cosmic:{variant}")(passes)

    per_candidate = 3 if VARIANTS[variant].kl_limit is not None else 2
    assert len(passes.calls) == 2 + per_candidate * len(AXES)


def test_unit_variants_score_a_candidate_at_norm_one_and_return_it_as_it_is() -> None:
    axes = {place: 8 * axis for place, axis in AXES.items()}

    chosen = {name: find_selection(f"cosmic:{name}")(MadePasses(axes=axes)) for name in ("paper", "repo")}
    refuse = {name: max(score.refuse for score in selection.scores) for name, selection in chosen.items()}

    assert refuse["paper"] == pytest.approx(1.0)
    assert refuse["repo"] == pytest.approx(9 / math.sqrt(2 * 65))
    assert {float(selection.candidate.direction.norm()) for selection in chosen.values()} == {8.0}


def test_a_score_that_ignores_the_candidate_is_refused() -> None:
    """Without the refusal, the first scored candidate wins whatever it is: the study's published code chose layer 1."""
    ties = [CosmicScore(position, layer, 0.3, 0.3) for position, layer in product((-2, -1), (1, 2, 3))]

    assert cosmic.choose(ties, 10, VARIANTS["study"])[1] == 1
    with pytest.raises(EmptyMeasurement, match="all 6 candidates have the same score, so the score ignores"):
        cosmic.check_scores_differ(ties)
    cosmic.check_scores_differ([*ties[:-1], replace(ties[-1], comply=0.31)])
    cosmic.check_scores_differ(ties[:1])


def test_variants_limit_layers_as_their_sources_do() -> None:
    considered = {name: [layer for layer in range(10) if VARIANTS[name].considers(layer, 10)] for name in VARIANTS}

    assert considered["paper"] == considered["repo"] == list(range(10))
    assert considered["study"] == list(range(1, 8))
    assert [layer for layer in range(10) if VARIANTS["repo"].keeps(layer, 10)] == list(range(8))
    with pytest.raises(UsageProblem, match="unknown COSMIC variant 'mine'"):
        find_variant("mine")


def test_selections_are_found_by_name_and_are_no_methods_of_rows() -> None:
    assert selection_names() == ["arditi", *(f"cosmic:{name}" for name in VARIANTS)]
    assert not set(selection_names()) & set(method_names())
    with pytest.raises(UsageProblem, match=r"unknown selection 'cosmic:mine'.*known: arditi, cosmic:paper"):
        find_selection("cosmic:mine")
    for name in ("cosmic", "cosmic:repo", "arditi"):
        with pytest.raises(UsageProblem, match="chooses its own layer"):
            check_method(name)


def test_a_kl_limit_replaces_that_of_a_variant_that_has_one() -> None:
    passes = MadePasses(logits_of=lambda output: 50 * output, axes={(-2, 0): torch.tensor([1.0, 0.2, 0.0]), **AXES})

    noted = {
        name: find_selection(f"cosmic:{name}")(passes, kl_limit=7.0).notes["variant"] for name in ("repo", "paper")
    }

    assert noted["repo"]["kl_limit"] == 7.0
    assert noted["paper"]["kl_limit"] is None


@pytest.mark.parametrize(
    ("variant", "removal", "induction"),
    [
        ("paper", ["ablate resid_pre", "ablate resid_post"], ["add resid_pre"]),
        ("repo", ["ablate resid_pre", "ablate attn_out", "ablate mlp_out"], ["add resid_pre"]),
        ("repo_affine", ["ablate resid_pre", "add resid_pre"], ["ablate resid_pre", "add resid_pre"]),
        ("study", ["ablate resid_post"], ["add resid_post"]),
    ],
)
def test_each_variant_edits_where_its_source_does(variant: str, removal: list[str], induction: list[str]) -> None:
    passes = MadePasses(axes={(position, 1): axis for (position, _), axis in AXES.items()}, depth=3)

    find_selection(f"cosmic:{variant}")(passes)

    edited = [(prompts, [f"{step.action} {step.stream}" for step in steps]) for prompts, steps in passes.calls if steps]
    assert edited[:2] == [("harmful", removal), ("harmless", induction)]
