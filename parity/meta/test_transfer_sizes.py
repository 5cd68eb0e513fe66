"""Directions between sizes of one family, live: two depths with one hidden size, and a narrower model."""

from dataclasses import replace
from typing import Any

import pytest

from parity.meta.finding_runs import kept_source, record_finding
from parity.plugin.harness import LoadedCheckpoint
from steering_core.measure.findings.findings import Findings
from steering_core.measure.findings.sources import TRAIT, Source, source_rows
from steering_core.measure.findings.traits import read_traits
from steering_core.models.model import LoadRequest
from steering_core.models.registry import read_registry
from steering_core.models.relations import Relation, relation
from steering_core.places import REGISTRY, ROOT
from steering_core.records.record import Outcome, Record

DEEP, SHALLOW = "tiny_qwen2_deep", "tiny_qwen2"
HIDDEN = 48


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    """Twelve blocks of hidden size 64."""
    return LoadedCheckpoint(DEEP, tmp_path_factory.mktemp("store"))


def narrow_source(target: LoadedCheckpoint) -> Source:
    """Rows of a model of the same family with random weights and another hidden size, read from it."""
    registry = read_registry(REGISTRY)
    spec = replace(registry[SHALLOW], key="narrow", hidden=HIDDEN, tuned_from="")
    tokenizer = str(ROOT / registry[SHALLOW].source)
    model = LoadRequest(spec, spec.source, spec.dtype, random_weights=True, tokenizer=tokenizer).load()
    experiment = replace(target.experiment(), model=model, settings=replace(target.settings, layer=spec.layer or 0))
    related = relation({**registry, "narrow": spec}, "narrow", DEEP)
    return Source("narrow", 4, "random", source_rows(experiment, read_traits()[TRAIT]), related)


def transferred(target: LoadedCheckpoint, source: Source) -> Record:
    return record_finding(Findings(target.experiment()), "F5", {"taken_from": f"from:{source.key}"}, source=source)


def test_a_direction_of_another_depth_is_measured(target: LoadedCheckpoint) -> None:
    record = transferred(target, kept_source(SHALLOW, DEEP))
    measured: dict[str, Any] = record.measured

    assert record.outcome is Outcome.AGREES, record.sentence
    assert (measured["matrix"], measured["source_layer"], measured["target_layer"]) == ("sizes", 4, 7)
    assert measured["limit"] is None
    assert -1 <= measured["cosine"] <= 1
    assert 0 <= measured["detection"][1] <= measured["detection"][0] <= 1
    assert measured["own"][1] == measured["random"][1] == measured["transferred"][1] > 0


def test_a_direction_of_another_hidden_size_gives_no_number(target: LoadedCheckpoint) -> None:
    source = narrow_source(target)
    record = transferred(target, source)
    measured: dict[str, Any] = record.measured

    assert (source.rows.shape[-1], source.relation) == (HIDDEN, Relation.SIZES)
    assert record.outcome is Outcome.AGREES, record.sentence
    assert measured["limit"] == f"geometric only: hidden sizes {HIDDEN} and 64 differ"
    assert [measured.get(name) for name in ("cosine", "detection", "efficiency", "transferred")] == [None] * 4
    assert record.sentence == f"narrow -> {DEEP}: geometric only: hidden sizes {HIDDEN} and 64 differ"


def test_rows_of_another_hidden_size_that_gave_a_number_are_refuted(target: LoadedCheckpoint) -> None:
    findings = Findings(target.experiment())
    findings.transfers.taken = lambda source: findings.transfers.direction(findings.transfers.own_set)
    source = narrow_source(target)

    record = record_finding(findings, "F5", {"taken_from": "from:narrow"}, source=source)
    assert record.outcome is not Outcome.AGREES
