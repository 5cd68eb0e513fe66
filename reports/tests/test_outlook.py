"""What is announced before a run: checks, time, memory and costs."""

from contextlib import closing
from pathlib import Path
from typing import Any

from reports.budget.meter import Meter
from reports.budget.outlook import Outlook, cost_line
from reports.tests.test_budget import PLAN, Clock, config
from steering_core.records.journal import Journal
from steering_core.records.record import Cell, Outcome, Record, Run


def test_the_outlook_reports_the_cost_so_far_and_of_the_rest() -> None:
    cells = tuple(Cell(clause="B1", model="qwen7b", tool="hooks", repeat=repeat) for repeat in range(3))
    done = {cells[0]: Record(cell=cells[0], outcome=Outcome.AGREES, wall_seconds=90.0)}
    plan = PLAN.model_copy(update={"planned": cells})
    outlook = Outlook(config(gpu=True, budget_usd=50.0, gpu_hour_usd=3600.0), plan, done)
    outlook.meter = Meter(3600.0, 0.0, clock=Clock())
    environment = outlook.costs()

    assert environment == {"cost_usd": 0.0, "budget_usd": 50.0, "cells_left": 2, "estimated_rest_usd": 30.0}
    run = Run(plan=plan, records=tuple(done.values()), environment=environment)
    assert cost_line(run) == "$0.00 of a budget of $50.00 so far; the rest, 2 checks, is estimated at $30.00"
    assert cost_line(Run(plan=plan, records=())) == ""


def test_the_announcement_is_an_estimate_and_warns_of_an_early_end() -> None:
    cells = tuple(Cell(clause="B1", model="qwen7b", tool="hooks", repeat=repeat) for repeat in range(3))
    plan = PLAN.model_copy(update={"models": ("qwen7b",), "planned": cells})
    (line,) = Outlook(config(gpu=True, budget_usd=50.0, gpu_hour_usd=3600.0), plan, {}).announcement()

    # A B1 cell takes 15 s, loading 14 GB takes 10 + 4 x 14 s.
    assert line.startswith(
        "estimate (not measured yet): 3 checks, about 2 min, 14.0 GB of GPU memory, about $111.00 at"
    )
    assert line.endswith("at $3,600.00 an hour, of a budget of $50.00; the budget will stop it before the end")


def test_a_run_on_a_cpu_is_told_what_a_real_model_takes_where() -> None:
    cells = tuple(Cell(clause="B1", model="tiny_qwen2", tool="hooks", repeat=repeat) for repeat in range(3))
    plan = PLAN.model_copy(update={"models": ("tiny_qwen2",), "planned": cells, "preset": "fixture"})
    tiny, real = Outlook(config(), plan, {}).announcement()

    assert tiny.endswith("3 checks, about 10 s, under 0.1 GB of memory (2 copies of the weights)")
    assert real == (
        "the same checks of qwen7b (14 GB): about 2 min on one H200, about $0.03 at $1.10 an hour; about 24 min on a CPU"
    )


def test_the_estimate_of_a_run_is_that_of_the_newest_run_of_the_same_cells(tmp_path: Path) -> None:
    """20 s per cell, as that run measured, instead of the table's 15 s."""
    cells = tuple(Cell(clause="B1", model="qwen7b", tool="hooks", repeat=repeat) for repeat in range(3))
    plan = PLAN.model_copy(update={"models": ("qwen7b",), "planned": cells})
    for name, seconds, device in (("a", 20.0, "cuda:0"), ("b", 90.0, "cpu")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text(plan.model_dump_json())
        with closing(Journal(tmp_path / name)) as journal:
            for cell in cells:
                record = Record(cell=cell, outcome=Outcome.AGREES, wall_seconds=seconds, provenance={"device": device})
                journal.append(record.model_dump_json())

    asked = config(gpu=True, gpu_hour_usd=1.0, run_dir=str(tmp_path / "new"))
    (line,) = Outlook(asked, plan, {}).announcement()

    assert line.startswith("estimate (times of a): 3 checks, about 2 min, 14.0 GB of GPU memory, about $0.04 at $1.00")


def test_a_model_that_is_in_no_registry_takes_what_its_checkpoint_has() -> None:
    plan = PLAN.model_copy(update={"models": ("mine",), "planned": (Cell(clause="P1", model="mine", tool="hooks"),)})
    known = Outlook(config(gpu=True, weights_gb={"mine": 1.4}), plan, {}).announcement()[0]
    unknown = Outlook(config(gpu=True), plan, {}).announcement()[0]

    assert "about 16 s, 1.4 GB of GPU memory" in known, "10 s + 4 s/GB to load, and a tenth of a second"
    assert "about 67 s, 14.0 GB of GPU memory" in unknown


def test_workers_hold_a_model_each() -> None:
    plan = PLAN.model_copy(update={"models": ("a", "b", "c")})
    sizes = {"a": 1.0, "b": 2.0, "c": 3.0}

    def memory(**options: Any) -> str:
        return Outlook(config(weights_gb=sizes, **options), plan, {}).memory()

    assert memory(gpu=True, numprocesses=2) == "5.0 GB of GPU memory"
    assert memory(numprocesses=2) == "10.0 GB of memory (4 copies of the weights)"
    assert memory() == "6.0 GB of memory (2 copies of the weights)"
