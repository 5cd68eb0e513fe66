"""A tool that only reads, and one that only steers, each end green in a real run; the rest is shown as not offered."""

import json
from pathlib import Path
from typing import Any

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from parity.plugin.assertions import assert_equal
from parity.plugin.conducting import allow_known_deviations
from parity.plugin.harness import LoadedCheckpoint, run_checks
from parity.plugin.needs import NEEDS, needs_of
from steering_core.places import ROOT
from steering_core.records.draft import Draft
from steering_core.records.record import Cell, Outcome
from steering_core.tools.spec import find_tool

FILE = ROOT / "parity" / "meta" / "partial_tools.py"
READING, STEERING = "reading only, steering is not offered", "steering only, reading is not offered"
HALF = {"HiddenStates": READING, "AddsOnly": STEERING}
SHARED = [pytest.param(name, marks=in_part(number, 2)) for number, name in enumerate(HALF)]
REFUSED = {
    "HiddenStates": {"P0 generate", "P1 last", "P4 packed", "P5", "P11 generate"},
    "AddsOnly": {
        *("P0 read", "P1", "P1 last", "P1 tested", "P2 1", "P2 3", "P2 17", "P3", "P4 left", "P4 right"),
        "P4 packed",
        *("P5", "P6", "P8", "P10", "P11 read", "P12 hook-before", "P12 hook-after", "P12 second-model", "P13"),
    },
}


@pytest.mark.parametrize("name", SHARED)
def test_half_a_tool_passes_the_preflight_of_what_it_offers(name: str, runs: ForkedRuns, tmp_path: Path) -> None:
    run, junit, log = tmp_path / "run", tmp_path / "junit.xml", tmp_path / "log"
    only = ("-m", "tiny_qwen2", "-k", f"preflight and {name}", "--tools", "hooks", "--tool", f"{FILE}:{name}")

    status = runs.run("parity", "-q", *only, "--run-dir", str(run), f"--junitxml={junit}", log=log)

    text = log.read_text()
    assert status == 0, text
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    cells = [record for record in records if record.get("cell", {}).get("tool")]
    refused = {label(record["cell"]) for record in cells if record["outcome"] == "not offered"}
    assert refused == REFUSED[name]
    both = [record for record in cells if label(record["cell"]) in {"P7", "P12"}]
    assert {record["measured"].get("half") for record in both} == {HALF[name]}
    verdict = json.loads((run / "verdict.json").read_text())
    assert (verdict["conclusion"], verdict["missing"]) == ("SELECTED_CHECKS_PASSED", [])
    assert f"{len(refused)} not offered" in text
    for shown in (run / "report.html", run / "report.md", junit):
        assert "not offered" in shown.read_text()


def label(cell: dict[str, Any]) -> str:
    """`P1 last`."""
    return f"{cell['clause']} {cell['variant'] or ''}".strip()


@pytest.mark.parametrize("name", SHARED)
def test_the_later_checks_of_half_a_tool_hold_or_are_not_offered(name: str, tmp_path: Path) -> None:
    records = run_checks(LoadedCheckpoint("tiny_qwen2", tmp_path).experiment(), f"{FILE}:{name}")

    fine = {Outcome.AGREES, Outcome.NOT_OFFERED}
    assert [f"{record.cell.id}: {record.sentence}" for record in records if not {record.outcome} <= fine] == [
        f"{record.cell.id}: {record.sentence}" for record in records if record.declared
    ]
    held = {record.cell.clause for record in records if record.outcome is Outcome.AGREES}
    assert held >= ({"D1", "D2", "D6", "B1"} if name == "HiddenStates" else {"S1", "S2", "S3", "S4", "S5", "S8", "B1"})
    refused = {label(record.cell.model_dump()) for record in records if record.outcome is Outcome.NOT_OFFERED}
    if name == "AddsOnly":
        assert {"S6 chunked", "S7", "D1", "D2", "D4", "D6"} <= refused
        assert "S6 no-cache" not in refused


def test_a_tool_of_one_site_is_asked_for_that_site_alone(tmp_path: Path) -> None:
    """It refuses a list of two; what needs several sites is not offered."""
    experiment = LoadedCheckpoint("tiny_qwen2", tmp_path).experiment()
    stages = {"P0", "P1", "P2", "P3", "P4", "P5", "P8", "P10", "P12"}

    records = run_checks(experiment, f"{FILE}:OneSite", lambda check: check.clause in stages and check.judges_tools)

    held = {label(record.cell.model_dump()) for record in records if record.outcome is Outcome.AGREES}
    refused = {label(record.cell.model_dump()) for record in records if record.outcome is Outcome.NOT_OFFERED}
    assert {"P1", "P1 tested", "P2 17", "P8", "P12"} <= held
    assert refused == {"P0 generate", "P1 last", "P5"}
    assert len(held) + len(refused) == len(records)
    assert next(record for record in records if label(record.cell.model_dump()) == "P1").measured["sites"] == 1


def test_every_need_of_a_check_is_known() -> None:
    from parity.plugin.harness import list_checks

    checks = [check for check in list_checks() if check.judges_tools]
    names = {name for check in checks for name in needs_of(check.function, check.params)}

    assert names - set(NEEDS) == {"cache", "interrupt"}, "a feeding and a failure that need nothing more"
    without = {check.clause for check in checks if not needs_of(check.function, check.params)}
    assert without == {"P7", "P9", "P12", "P13", "S9"}, "they measure whatever is offered"


@pytest.fixture
def deviating(tmp_path: Path) -> Any:
    (tmp_path / "mine.py").write_text("from steering_core.tools.adapters.hooks import Hooks\nclass Mine(Hooks): ...\n")
    row = '[[deviation]]\nclass = "Mine"\nclause = "S4"\nversions = ">=1"\nreason = "it samples"\nshows = "tokens"\n'
    (tmp_path / "mine.toml").write_text(row)
    return find_tool(f"{tmp_path / 'mine.py'}:Mine")


def test_a_known_deviation_is_honored_in_any_clause(deviating: Any) -> None:
    record = Draft(Cell(clause="S4", model="m", tool="Mine"))
    with pytest.raises(pytest.xfail.Exception, match="it samples"), allow_known_deviations(record, (deviating,)):
        assert_equal(record, "tokens", [1], [2])

    assert record.finish("").declared
    assert record.measured["fault"] == "tool"


def test_another_failure_than_the_known_one_is_red(deviating: Any) -> None:
    record = Draft(Cell(clause="S4", model="m", tool="Mine"))
    # An expected failure would leave this test unnoticed.
    with (
        pytest.raises((AssertionError, pytest.xfail.Exception)) as caught,
        allow_known_deviations(record, (deviating,)),
    ):
        assert_equal(record, "rows", 1, 2)

    assert caught.type is AssertionError
    assert not record.finish("").declared


def test_a_known_deviation_that_stops_being_true_is_red(deviating: Any) -> None:
    record = Draft(Cell(clause="S4", model="m", tool="Mine"))
    words = "Mine no longer deviates: it samples; remove the row for S4"
    with pytest.raises(AssertionError, match=words), allow_known_deviations(record, (deviating,)):
        record.agree("the same tokens")

    assert record.outcome is Outcome.DIFFERS
    assert not record.finish("").declared


def test_another_cell_has_no_deviation(deviating: Any) -> None:
    record = Draft(Cell(clause="S3", model="m", tool="Mine"))
    with pytest.raises(AssertionError, match="^differs$"), allow_known_deviations(record, (deviating,)):
        raise AssertionError("differs")
