"""The study's published numbers, judged by this suite's rules."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.__main__ import main
from reports.inputs import Inputs, read_inputs
from reports.rejudge import judge_published
from reports.study.replay import CAVEATS, demand_real_tools, replay
from reports.tests.broken_study_files import GEMMA, QWEN, study
from reports.tests.study_like import full_file, published, put, rates, summary_file
from reports.verdicts import judge
from steering_core.records.record import Cell, Outcome, Record


@pytest.fixture
def inputs(tmp_path: Path) -> Any:
    """Reads published-like values from files with published-like names."""

    def read(full: dict[str, Any], summary: dict[str, Any]) -> Inputs:
        return read_inputs([*study(GEMMA, full)(tmp_path), *study(QWEN, summary)(tmp_path)])

    return read


def records(inputs: Inputs) -> dict[Cell, Record]:
    """The replayed records by cell."""
    return {record.cell: record for record in replay(inputs.published).records}


def test_the_published_artifacts_conclude_outcome_4() -> None:
    judged = judge_published(read_inputs([published("study_phase1")]))
    assert judged.verdict.conclusion == "OUTCOME_4"
    assert (judged.verdict.proceed, judged.verdict.ties) == (True, ("hooks", "nnsight", "pyvene"))
    assert set(CAVEATS) < set(judged.verdict.notes)
    assert judged.second is not None
    assert judged.second.conclusion == "INCOMPLETE"


def test_the_published_directions_are_compared_in_float64() -> None:
    run = replay(read_inputs([published("study_phase1")]).published)
    gemma = {record.cell: record for record in run.records if record.cell.model == "gemma9b"}
    across = [record.measured["one_minus_cosine"] for cell, record in gemma.items() if cell.clause == "D2"]
    assert across == [0.0] * 15
    assert gemma[Cell(clause="D1", model="gemma9b", tool="pyvene")].measured["one_minus_cosine"] == 0.0
    assert gemma[Cell(clause="D3", model="gemma9b")].measured["norms"]["hooks"] == [92.95438385009766] * 5  # type: ignore[index,call-overload]


def test_the_published_rates_are_whole_prompts() -> None:
    run = replay(read_inputs([published("study_phase1")]).published)
    counts = [
        (r.cell.model, r.measured["coherent"], r.measured["normal"]) for r in run.records if r.cell.clause == "B1"
    ]
    assert sorted(counts) == [("gemma9b", 28, 2)] * 15 + [("qwen7b", 30, 0)] * 15
    low = next(r.measured["low"] for r in run.records if r.cell.clause == "B1" and r.cell.model == "gemma9b")
    assert low == pytest.approx(0.787, abs=5e-4)


def test_both_verdicts_and_the_caveats_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", str(published("study_phase1")), "--expect-outcome", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("OUTCOME 4 (replayed): ")
    assert "pyvene arm may not have run pyvene" in out
    assert "requirements (full preflight, real pyvene): INCOMPLETE" in out


def closeout() -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of the closeout's section 4: the same cosines for both models, some above 1."""
    tables = [summary_file(rate, within=1.0000000596, across=0.9999999844) for rate in (100.0, 280 / 3)]
    return tables[0], tables[1]


def test_the_closeout_tables_conclude_outcome_4(tmp_path: Path) -> None:
    qwen, gemma = closeout()
    published_like = read_inputs([*study(QWEN, qwen)(tmp_path), *study(GEMMA, gemma)(tmp_path)])
    verdict = judge(replay(published_like.published))
    assert verdict.conclusion == "OUTCOME_4"
    assert verdict.ties == ("hooks", "nnsight", "pyvene")
    assert {numbers.model: numbers.rates["nnsight"] for numbers in verdict.numbers} == pytest.approx(
        {"qwen7b": 100.0, "gemma9b": 93.333333}
    )


def test_cosines_are_recomputed_from_the_directions(inputs: Any) -> None:
    turned = put(full_file(), ("runs", 2, "methods", "pyvene", "direction"), [0.5, 0.5, 0.5, -0.5])
    replayed = records(inputs(turned, summary_file()))
    pair = replayed[Cell(clause="D2", model="gemma9b", tool="hooks", other="pyvene", repeat=2)]
    assert pair.measured["one_minus_cosine"] == pytest.approx(0.5)
    assert (pair.measured["band"], pair.outcome) == ("diverges", Outcome.DIFFERS)
    within = replayed[Cell(clause="D1", model="gemma9b", tool="pyvene")]
    assert within.measured["worst_pair"] in {"0-2", "1-2", "2-3", "2-4"}
    assert within.outcome is Outcome.DIFFERS


def test_tiny_angles_are_not_rounded_away(inputs: Any) -> None:
    direction = (np.array([0.5, 0.5, 0.5, 0.5]) + 1e-9 * np.array([1, -1, 1, -1])).tolist()
    turned = put(full_file(), ("runs", 0, "methods", "hooks", "direction"), direction)
    pair = records(inputs(turned, summary_file()))[
        Cell(clause="D2", model="gemma9b", tool="hooks", other="nnsight", repeat=0)
    ]
    assert pair.measured["one_minus_cosine"] == pytest.approx(2e-18, rel=1e-3, abs=0)


def diverging(key: str) -> dict[str, Any]:
    """The tools agree on raw activations, and hooks computes another direction from them, which refuses less."""
    far = full_file(key=key)
    for run in far["runs"]:
        run["methods"]["hooks"] |= {"direction": [0.5, -0.5, 0.5, -0.5], "eval": rates(10.0)}
    return far


def test_a_divergence_on_both_models_is_outcome_1(inputs: Any) -> None:
    published_like = inputs(diverging("gemma-9b"), diverging("qwen-7b"))
    assert judge(replay(published_like.published)).conclusion == "OUTCOME_1"


def test_unequal_activations_are_invalid_and_the_numbers_without_the_gate_are_noted(inputs: Any) -> None:
    summary = put(summary_file(), ("summary", "hooks"), summary_file(10.0)["summary"]["hooks"])
    summary = put(summary, ("tensor_site_parity", "pairwise_raw_cosine_mean", "hooks_vs_nnsight"), 0.3)
    verdict = judge_published(inputs(diverging("gemma-9b"), summary)).verdict
    assert verdict.conclusion == "INVALID"
    assert "without the gate, as the study ran, these numbers give OUTCOME 1" in verdict.notes


def test_a_failed_tool_leaves_the_run_incomplete(inputs: Any) -> None:
    failed = full_file()
    for run in failed["runs"]:
        run["methods"]["pyvene"] = {"ok": False, "error": "not installed"}
    verdict = judge(replay(inputs(failed, summary_file()).published))
    assert verdict.conclusion == "INCOMPLETE"
    assert any("pyvene" in line for line in verdict.missing)


def test_unequal_raw_activations_fail_the_preflight(inputs: Any) -> None:
    path = ("runs", 4, "tensor_site_parity", "pairwise_last_sample_l2", "hooks_vs_pyvene")
    pair = records(inputs(put(full_file(), path, 3.5), summary_file()))[
        Cell(clause="P6", model="gemma9b", tool="hooks", other="pyvene")
    ]
    assert (pair.outcome, pair.measured["max_abs"]) == (Outcome.DIFFERS, 3.5)


def test_equal_rates_are_not_called_equal_answers(inputs: Any) -> None:
    verdict = judge(replay(inputs(full_file(), summary_file()).published))
    assert verdict.strength.kind == "intervals"


def test_each_record_names_its_published_file(inputs: Any) -> None:
    run = replay(inputs(full_file(), summary_file()).published)
    origins = {(r.cell.model, r.provenance["replayed_from"]) for r in run.records}
    assert origins == {("gemma9b", GEMMA), ("qwen7b", QWEN)}
    assert all(re.fullmatch("[0-9a-f]{64}", str(r.provenance["sha256"])) for r in run.records)


def test_the_second_verdict_requires_preflight_and_pyvene(inputs: Any) -> None:
    verdict = judge(demand_real_tools(replay(inputs(full_file(), summary_file()).published)))
    assert verdict.conclusion == "INCOMPLETE"
    assert not verdict.proceed
    missing = " ".join(verdict.missing)
    assert "the pyvene arm may not have run pyvene" in missing
    assert "(preflight " in missing
