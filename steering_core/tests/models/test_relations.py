"""How models are related, on rows written out here."""

from dataclasses import replace

import pytest

from steering_core.errors import UsageProblem
from steering_core.models.registry import ModelSpec, read_registry
from steering_core.models.relations import Relation, relation, stages_before
from steering_core.places import REGISTRY

ROW = read_registry(REGISTRY)["tiny_qwen2"]
ROWS = {
    "base": {},
    "sft": {"tuned_from": "base"},
    "preferred": {"tuned_from": "sft"},
    "apart": {},
    "deep": {"layers": 12},
    "wide": {"hidden": 96},
    "other": {"family": "llama"},
}


def registry(**changes: dict[str, object]) -> dict[str, ModelSpec]:
    rows = {**ROWS, **changes}
    return {key: replace(ROW, key=key, **{"tuned_from": "", **row}) for key, row in rows.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("sft", "sft", Relation.OWN),
        ("base", "sft", Relation.STAGES),
        ("base", "preferred", Relation.STAGES),
        ("preferred", "base", Relation.STAGES),
        ("apart", "sft", Relation.CHECKPOINTS),
        ("deep", "sft", Relation.SIZES),
        ("sft", "wide", Relation.SIZES),
        ("other", "sft", Relation.FAMILIES),
    ],
)
def test_models_are_related_as_their_rows_say(source: str, target: str, expected: Relation) -> None:
    assert relation(registry(), source, target) is expected


def test_the_stages_before_a_model_come_latest_first() -> None:
    assert stages_before(registry(), "preferred") == ("sft", "base")
    assert stages_before(registry(), "base") == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sft": {"tuned_from": "gone"}}, "'gone'"),
        ({"base": {"tuned_from": "preferred"}}, "preferred is tuned from itself"),
        (
            {"base": {"layers": 12}},
            "sft is tuned from base, but they are qwen2 of 8 blocks and hidden size 64 and qwen2 of 12",
        ),
        ({"sft": {"tuned_from": "base", "hidden": 96}}, "hidden size 64 and qwen2 of 8 blocks and hidden size 96"),
    ],
)
def test_stages_that_lead_nowhere_or_in_a_circle_are_refused(changes: dict[str, dict[str, object]], words: str) -> None:
    with pytest.raises(UsageProblem) as refused:
        stages_before(registry(**changes), "preferred")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_stages_of_the_registry_have_one_shape() -> None:
    rows = read_registry(REGISTRY)
    pairs = [(key, stage) for key in rows for stage in stages_before(rows, key)]
    assert ("tiny_traits_preferred", "tiny_traits_base") in pairs
    assert all(
        (rows[a].family, rows[a].layers, rows[a].hidden) == (rows[b].family, rows[b].layers, rows[b].hidden)
        for a, b in pairs
    )
