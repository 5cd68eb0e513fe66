"""`python -m parity.verify cosmic`: its table is complete and true, and each of its checks can fail."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from parity.verify import cosmic_checks
from parity.verify.__main__ import main
from parity.verify.audit import audit_table, function_exists, read_audit
from parity.verify.cosmic_checks import IgnoresInterventions
from steering_core.directions.scoring.candidates import Candidate
from steering_core.directions.selection import arditi, cosmic
from steering_core.measure.selection_passes import ModelPasses
from steering_core.places import ROOT

DATA = Path(os.environ.get("STUDY_DATA", "absent")) / "refusal_direction"


def test_every_step_has_a_source_a_function_and_a_reason() -> None:
    rows = read_audit()

    assert len({row.step for row in rows}) == len(rows) >= 15
    assert all(row.paper and row.deviation and row.why for row in rows)
    assert [row.function for row in rows if not function_exists(row.function)] == []
    assert len(audit_table(rows).splitlines()) == len(rows) + 5


def test_a_function_that_is_gone_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [replace(read_audit()[0], function=name) for name in ("nowhere.f", "directions.selection.cosmic.gone")]
    monkeypatch.setattr(cosmic_checks, "read_audit", lambda: rows)

    result = cosmic_checks.every_function_exists()

    assert result.outcome == "failed"
    assert result.detail == "2 steps, missing: nowhere.f, directions.selection.cosmic.gone"


def test_one_candidate_is_dim_and_a_scaled_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cosmic_checks.one_candidate_is_dim().outcome == "passed"
    made = ModelPasses.candidates

    def scaled(self: ModelPasses, stream: str) -> list[Candidate]:
        return [replace(each, direction=each.direction * (1 + 1e-6)) for each in made(self, stream)]

    monkeypatch.setattr(ModelPasses, "candidates", scaled)

    assert cosmic_checks.one_candidate_is_dim().outcome == "failed"


def test_a_selection_that_takes_the_lowest_sum_misses_the_planted_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosmic.CosmicScore, "total", property(lambda score: -score.comply - score.refuse))

    assert cosmic_checks.planted_direction_is_chosen().outcome == "failed"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_studys_defect_is_caught_and_would_choose_the_first_layer(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the weights of the candidates: three other ones than the model's."""
    generator = torch.Generator().manual_seed(seed)

    def random_candidates(self: IgnoresInterventions, stream: str) -> list[Candidate]:
        return [
            replace(each, direction=torch.randn(each.direction.shape, generator=generator).double())
            for each in self.inner.candidates(stream)
        ]

    monkeypatch.setattr(IgnoresInterventions, "candidates", random_candidates)
    assert cosmic_checks.study_defect_is_caught().outcome == "passed"
    monkeypatch.setattr(cosmic, "check_scores_differ", lambda scores: None)
    unguarded = cosmic_checks.study_defect_is_caught()

    assert (unguarded.outcome, unguarded.detail) == ("failed", "chose layer 1, position -5")


@pytest.mark.skipif(not DATA.is_dir(), reason="$STUDY_DATA does not name the published score files")
def test_the_rule_gives_the_three_published_selections(monkeypatch: pytest.MonkeyPatch) -> None:
    published = {name: place for name, (_, place) in cosmic_checks.published_selections().items()}

    assert published == {"gemma-2b-it": (-2, 10), "meta-llama-3-8b-instruct": (-5, 12), "qwen-1_8b-chat": (-2, 15)}
    assert cosmic_checks.published_selections_replay().line.startswith("passed: published selections: 3 of 3")
    monkeypatch.setattr(arditi.ArditiScore, "survives", lambda score, depth, kl_limit: True)
    assert cosmic_checks.published_selections_replay().outcome == "failed"


def test_without_the_published_files_the_replay_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STUDY_DATA", raising=False)

    assert cosmic_checks.published_selections_replay().outcome == "not run"


def test_the_command_fails_when_a_check_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [cosmic_checks.Result("a", "passed", "1"), cosmic_checks.Result("b", "not run", "2")]
    monkeypatch.setattr(cosmic_checks, "CHECKS", [lambda result=result: result for result in results])
    assert main(["cosmic"]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == ["passed: a: 1", "not run: b: 2", "1 passed, 1 not run"]

    results[0] = cosmic_checks.Result("a", "failed", "1")
    monkeypatch.setattr(cosmic_checks, "CHECKS", [lambda result=result: result for result in results])
    assert main(["cosmic"]) == 1


def test_an_unknown_method_is_one_line_of_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parity.verify", "nosuch"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "choose from" in done.stderr.splitlines()[-1]
