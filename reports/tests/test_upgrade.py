"""Runs of schema 1 are judged as before, and can be merged with runs of today."""

import json
from pathlib import Path

from reports.__main__ import main
from reports.run.artifact import read_run, write_run
from reports.verdicts import judge
from steering_core.records.record import SCHEMA, Cell

ROOT = Path(__file__).resolve().parents[2]
OLD = Path(__file__).parent / "old_run"
"""Part of the preflight of `hooks` and of a tool that reads one block too early, recorded before schema 2."""


def test_an_old_run_is_judged_as_before() -> None:
    assert json.loads((OLD / "records.jsonl").read_text().partition("\n")[0])["schema"] == 1
    verdict = judge(read_run(OLD))

    assert verdict.conclusion == "PREFLIGHT_FAILED"
    assert verdict.likely_cause is not None
    assert verdict.likely_cause.cell == "P1 tiny_qwen2 OneBlockEarly tested"
    assert verdict.likely_cause.sentence.startswith("returned resid_post@3 [last token]; asked resid_post@4")
    assert len(verdict.failures) == 5


def test_old_node_ids_name_checks_that_exist() -> None:
    places = {tuple(record.nodeid.partition("[")[0].split("::")) for record in read_run(OLD).records}
    assert [place for place in places if f"def {place[1]}(" not in (ROOT / place[0]).read_text()] == []


def test_an_old_run_merges_with_a_new_one(tmp_path: Path) -> None:
    old = read_run(OLD)
    added = old.records[0].model_copy(update={"cell": Cell(clause="P7", model="tiny_gemma2", tool="hooks")})
    plan = old.plan.model_copy(update={"models": ("tiny_qwen2", "tiny_gemma2"), "planned": (added.cell,)})
    new = old.model_copy(update={"plan": plan, "records": (*old.records, added)})
    write_run(tmp_path / "new", new, None)

    assert main(["merge", str(OLD), str(tmp_path / "new"), "--into", str(tmp_path / "joined")]) == 0
    assert read_run(tmp_path / "joined").records == new.records
    text = (tmp_path / "joined" / "records.jsonl").read_text()
    assert json.loads(text.partition("\n")[0])["schema"] == SCHEMA
    assert '"localised"' not in text
