"""The budget: no cell starts that would end beyond it, and none after the first that would."""

import time
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from reports.budget.estimate import CellKind, Estimate
from reports.budget.meter import (
    BudgetGuard,
    Meter,
    about_usd,
    cost_of,
    fee_of,
    gpus,
    meter_of,
    reason,
    settle_budget,
    usd,
)
from reports.tests.synthetic_run import agreeing, replace
from reports.verdicts import judge
from steering_core.errors import UsageProblem
from steering_core.records.journal import DamagedLine, SessionStart
from steering_core.records.record import Cell, Outcome, Plan, Record
from steering_core.records.wire import as_property

PLAN = Plan(models=("qwen7b", "qwen32b"), tools=("hooks",), repeats=5, preset="phase1")
B1 = CellKind("qwen7b", "B1", "native")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Config:
    """The part of pytest's config that holds the options."""

    def __init__(self, **options: Any) -> None:
        defaults = {"gpu": False, "numprocesses": None, "budget_usd": None, "gpu_hour_usd": None, "spent_before": 0.0}
        self.option = Namespace(**{**defaults, "meter_started": 0.0, **options})

    def getoption(self, name: str, default: Any = None) -> Any:
        return getattr(self.option, name, default)


def config(**options: Any) -> pytest.Config:
    return cast("pytest.Config", Config(**options))


def guard(limit: float, clock: Clock) -> BudgetGuard:
    """At 3600 USD an hour a second costs a dollar; a B1 cell is expected to take 15, and loading its model 66."""
    return BudgetGuard(limit, Meter(3600.0, 0.0, clock=clock), Estimate(PLAN, gpu=True))


def loaded(limit: float, clock: Clock) -> BudgetGuard:
    """The same, with the model loaded."""
    started = guard(limit, clock)
    started.estimate.loaded.add("qwen7b")
    return started


def test_a_cell_starts_while_its_end_is_within_the_budget() -> None:
    clock = Clock()
    budget = loaded(100.0, clock)
    clock.now = 85.0
    assert not budget.refuses(B1)
    clock.now = 85.1
    assert budget.refuses(B1)


def test_nothing_starts_after_the_first_refusal_however_short() -> None:
    clock = Clock()
    budget = loaded(100.0, clock)
    clock.now = 90.0
    assert budget.refuses(B1)
    assert budget.refuses(CellKind("qwen7b", "P3", None))


def test_a_model_that_has_to_be_loaded_first_costs_more() -> None:
    clock = Clock()
    assert not guard(81.0, clock).refuses(B1)
    assert guard(80.9, clock).refuses(B1)
    assert not loaded(15.0, clock).refuses(B1)


def test_the_expected_time_of_a_cell_follows_measured_times() -> None:
    clock = Clock()
    budget = loaded(100.0, clock)
    cell = Cell(clause="B1", model="qwen7b", arm="native")
    budget.estimate.observe(Record(cell=cell, outcome=Outcome.AGREES, wall_seconds=50.0))
    clock.now = 60.0
    assert budget.refuses(B1)


def test_earlier_sessions_count() -> None:
    meter = Meter(3600.0, 0.0, before=90.0, clock=Clock())
    assert BudgetGuard(100.0, meter, Estimate(PLAN, gpu=True)).refuses(B1)


def test_no_budget_is_kept_beside_a_session_of_unknown_cost() -> None:
    for line in (DamagedLine(3), DamagedLine(3, "P1 m")):
        settle_budget(config(), [line])
    settle_budget(config(budget_usd=9.0), [DamagedLine(3, "P1 m")])
    with pytest.raises(UsageProblem, match=r"line 3 of journal.jsonl is damaged, and may have said what .* cost"):
        settle_budget(config(budget_usd=9.0), [DamagedLine(3)])


def test_a_clock_that_is_set_back_gives_no_money_back() -> None:
    options = config(gpu_hour_usd=3600.0)
    settle_budget(options, [])
    meter = meter_of(options, PLAN)
    assert meter.clock is time.monotonic, "the only clock that Python promises never to set back"
    assert 0 <= meter.spent() < 600, "it was started by the same clock"


def test_a_session_costs_from_its_start_to_the_end_of_its_last_cell() -> None:
    def ended(after: float) -> Record:
        return Record(cell=Cell(clause="P1", model="m"), started=START + timedelta(seconds=after), wall_seconds=5.0)

    later = SessionStart(started=START + timedelta(hours=9), usd_per_hour=720.0)
    first = SessionStart(started=START, usd_per_hour=3600.0)
    assert cost_of([first, ended(10.0), ended(30.0), later]) == pytest.approx(35.0)
    again = ended(9 * 3600 + 5.0)
    assert cost_of([first, ended(10.0), later, again]) == pytest.approx(15.0 + 2.0)
    assert cost_of([]) == 0


def test_the_price_is_that_of_the_most_expensive_model_unless_it_is_given() -> None:
    assert meter_of(config(), PLAN).usd_per_hour == 3.73
    assert meter_of(config(gpu_hour_usd=2.0), PLAN).usd_per_hour == 2.0
    unregistered = PLAN.model_copy(update={"models": ("mine",)})
    assert meter_of(config(), unregistered).usd_per_hour == 1.10


def test_each_worker_pays_for_one_gpu_up_to_the_number_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)

    assert [gpus(config(gpu=True, numprocesses=count)) for count in (None, 2, 8)] == [1, 2, 4]
    assert gpus(config(gpu=False, numprocesses=8)) == 1


@pytest.mark.parametrize("option", ["budget_usd", "gpu_hour_usd"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_or_price_that_is_not_positive_is_refused(option: str, value: float) -> None:
    with pytest.raises(UsageProblem, match=r"is not a price \(budget\)"):
        settle_budget(config(**{option: value}), [])


def test_cells_that_the_budget_stopped_make_the_run_incomplete() -> None:
    run = agreeing()
    last = [cell for cell in run.plan.planned if cell.clause == "B1" and cell.repeat == 4]
    verdict = judge(replace(run, *last, outcome=Outcome.ABSENT, sentence=reason(15.0), measured={}))

    assert verdict.conclusion == "INCOMPLETE"
    assert any("not run: the budget of $15.00 is spent" in line for line in verdict.missing)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(15.0, "$15.00"), (1234.5, "$1,234.50"), (0.0, "$0.00"), (0.0541, "$0.05"), (0.00541, "under a cent")],
)
def test_amounts_are_formatted_as_dollars(amount: float, text: str) -> None:
    assert usd(amount) == text
    assert about_usd(amount) == (text if text == "under a cent" else f"about {text}")


def judged(usd: Any) -> Record:
    cell = Cell(clause="B1", model="qwen7b", tool="hooks", arm="native", repeat=0)
    return Record(cell=cell, outcome=Outcome.AGREES, measured={"judge": {"usd": usd}}, started=START, wall_seconds=15.0)


@pytest.mark.parametrize(("usd", "fee"), [(0.25, 0.25), (-1.0, 0.0), ("9", 0.0), (None, 0.0), (float("inf"), 0.0)])
def test_a_judges_fee_is_read_from_its_record(usd: Any, fee: float) -> None:
    assert fee_of(judged(usd)) == fee


def test_a_judges_fees_count_against_the_budget() -> None:
    budget = loaded(100.0, Clock())
    report = cast("pytest.TestReport", Namespace(when="call", user_properties=[as_property(judged(84.9))]))
    budget.pytest_runtest_logreport(report)
    assert not budget.refuses(B1)
    budget.pytest_runtest_logreport(report)
    assert budget.refuses(B1)
    assert budget.meter.spent() == pytest.approx(169.8)


def test_a_judges_fees_of_earlier_sessions_are_spent() -> None:
    entries = [SessionStart(started=START, usd_per_hour=0.0), judged(2.0), judged(0.5)]
    assert cost_of(entries) == pytest.approx(2.5)
