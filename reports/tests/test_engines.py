"""Result files of interp-engine's validator, judged by this suite's rules; every file here is written by the test."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.engines.cells import Cell, EngineFile
from reports.engines.rules import blind_spots, constant_factors, judge_cell, judge_file

BUG = {"url": "https://example.org/issues/1", "title": "outputs before the multiplier", "mechanism": "unscaled"}


def cell(point: str, **values: Any) -> dict[str, Any]:
    return {"point": point, "layer": 0, "status": "PASS", "tier": "fused", "max_abs_diff": 1.0, **values}


def result_file(points: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A file with the fields that theirs have."""
    run = {"reference_status": {"dtype": "bfloat16", "status": "ok"}, "replicate": ["run it"]}
    own = {"engine": "vllm", "hf_id": "org/model", "reference": "eager", "dtype": "bfloat16", "status": "ok"}
    return {**own, "verdict": "pass", "known_bug": None, "points": points, "run": run, "versions": {}, **fields}


def judged(dtype: str = "bfloat16", **values: Any) -> Any:
    file = EngineFile.model_validate(result_file({}, dtype=dtype, run={"reference_status": {"dtype": dtype}}))
    return judge_cell(file, "mlp_out.0", Cell.model_validate(cell("mlp_out", **values)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"cos": 1.0, "rel_diff": 0.0}, "equal"),
        ({"cos": 0.99999, "cos_worst_token": 0.9999, "rel_diff": 0.0045}, "equal"),
        ({"cos": 0.9905, "cos_worst_token": 0.991, "rel_diff": 0.27}, "close"),
        ({"cos": 0.995, "cos_worst_token": 0.97, "rel_diff": 0.1}, "between"),
        ({"cos": 0.991, "cos_worst_token": 0.71, "rel_diff": 0.14}, "diverges"),
        ({"cos": 0.2, "rel_diff": 1.2}, "diverges"),
        ({"mismatch": "mask"}, "broken"),
        ({"shape_eng": [1, 3], "shape_ref": [1, 4]}, "broken"),
        ({"missing": ["vllm"], "status": "N/A"}, "not compared"),
    ],
)
def test_a_cell_is_judged_by_the_first_rule_that_speaks(values: dict[str, Any], expected: str) -> None:
    assert judged(**values).ours == expected


def test_a_float32_cell_has_less_room_for_rounding() -> None:
    assert judged(cos=1.0, rel_diff=1e-3).ours == "equal"
    assert judged("float32", cos=0.9999996, rel_diff=1e-3).ours == "close"


def scaled(factor: float) -> dict[str, Any]:
    """What their scoring gives a tensor that is the reference times a factor, up to bfloat16."""
    return {"cos": 0.999999, "cos_worst_token": 0.999998, "rel_diff": abs(factor - 1)}


HIDDEN_FROM_COSINE = [
    *[("embeddings", 1 / width**0.5) for width in (640, 1152, 2304, 2560, 3584, 3840, 4608, 5376) for _ in range(2)],
    *[("embeddings", 1 / 1536**0.5), ("embeddings", 1 / 2560**0.5)],
    *[(f"{part}_out_post", 1 / 0.22) for part in ("attn", "mlp") for _ in range(8)],
    *[("attn_scores", 8.0)] * 4,
]
"""The kinds of cells that passed there at cosine 0.99999 until a rule for magnitude came: Gemma's embeddings without the
root of the width, Granite's contributions without the residual multiplier, its scores with another scale."""


def test_a_constant_factor_is_seen_where_cosine_sees_nothing() -> None:
    assert len(HIDDEN_FROM_COSINE) == 38
    for point, factor in HIDDEN_FROM_COSINE:
        one = judged(**scaled(factor))
        assert one.ours == "factor", point
        assert any(abs(each - factor) < 0.01 * factor + 1e-3 for each in one.factor), (point, factor, one.factor)


def test_noise_is_no_factor() -> None:
    for cosine in (0.99999, 0.999, 0.995):
        assert constant_factors(cosine, (2 * (1 - cosine)) ** 0.5, 0.01) == ()


def test_a_factor_is_recovered_behind_noise() -> None:
    cosine, factor = 0.999, 1.5
    relative = (2 * factor * (1 - cosine) + (factor - 1) ** 2) ** 0.5

    assert constant_factors(cosine, relative, 0.25)[-1] == pytest.approx(factor)


def test_where_the_rules_are_blind_is_said_in_numbers() -> None:
    assert "25% in bfloat16 (3.1% in float16, 1% in float32)" in blind_spots()[0]
    assert judged(**scaled(1.2)).ours == "equal"
    assert judged("float32", **scaled(1.2)).ours == "factor"


def test_the_reference_is_compared_with_nothing() -> None:
    file = result_file({"mlp_out.0": cell("mlp_out", status="N/A")}, engine="eager")

    assert judge_file(EngineFile.model_validate(file)) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models: an engine with a bug of two points, and one that did not run."""
    bug = {**BUG, "points": ["mlp_out_post"]}
    points = {
        "mlp_out_post.0": cell("mlp_out_post", **scaled(4.545), status="WARN", engine_bug=BUG),
        "mlp_out.0": cell("mlp_out", cos=0.991, cos_worst_token=0.7, rel_diff=0.14, waived={"reason": "measured"}),
        "resid_post.0": cell("resid_post", cos=1.0, rel_diff=0.001),
    }
    missing = cell("z", status="N/A")
    other = {"title": "does not load", "url": "https://example.org/issues/2"}
    files = {
        "a/one/tlens_v3.json": result_file(points, engine="tlens_v3", known_bug=bug),
        "a/one/eager.json": result_file({}, engine="eager"),
        "b/two/vllm.json": result_file({"z.0": missing}, hf_id="org/two", known_bug={**other, "points": []}),
    }
    for name, content in files.items():
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return tmp_path / "results"


def test_verdict_reads_the_tree_of_results(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", str(folder)]) == 0

    text = capsys.readouterr().out
    assert "3 files, 2 models, 4 cells, 3 of them compared" in text
    assert "Bugs that the files name: 2; our rules object to 1 of the 1 with values" in text
    assert "outputs before the multiplier" in text
    assert "does not load" in text
    assert "A constant factor that cosine cannot see: 1\n" in text
    assert "4.54" in text
    assert "Stricter here (1 of them are waived there): passes there, wrong by our rules: 1" in text


def test_a_single_file_and_a_damaged_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "a/one/tlens_v3.json"
    assert main(["verdict", str(file)]) == 0
    content = json.loads(file.read_text(encoding="utf-8"))
    content["points"]["mlp_out.0"]["cos"] = 2.0
    file.write_text(json.dumps(content), encoding="utf-8")

    assert main(["verdict", str(file)]) == 2
    assert "tlens_v3.json: field points.mlp_out.0.cos" in capsys.readouterr().err


def test_hostile_text_moves_no_cursor(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "a/one/tlens_v3.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["engine"], content["hf_id"] = "tool\x1b[2J\n::error::x", "org/\u202emodel"
    file.write_text(json.dumps(content), encoding="utf-8")

    assert main(["verdict", str(folder)]) == 0
    text = capsys.readouterr().out
    assert [unsafe for unsafe in ("\x1b", "\u202e", "\n::error") if unsafe in text] == []
