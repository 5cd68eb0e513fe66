"""What a run costs: wall time times the price of its GPUs; and the guard that starts no cell beyond the budget."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import pytest

from reports.budget.estimate import CellKind, Estimate
from reports.budget.phase_guard import PhaseGuard
from reports.budget.phases import PRESET
from steering_core.errors import UsageProblem
from steering_core.models.registry import ModelSpec
from steering_core.records.journal import JOURNAL, PLAN, DamagedLine, JournalEntry, SessionStart
from steering_core.records.record import Plan, Record
from steering_core.records.wire import records_in


@dataclass
class Meter:
    """usd_per_hour: of all GPUs together. started: what the clock said then. before: USD of earlier sessions. fees: USD
    that a judge's endpoint has charged in this one. clock: seconds, the same in every process of this machine, and never
    set back: else a run could spend more than its budget."""

    usd_per_hour: float
    started: float
    before: float = 0.0
    clock: Callable[[], float] = time.monotonic
    fees: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""
        return self.clock() - self.started

    def price(self, seconds: float) -> float:
        """USD for that much wall time."""
        return seconds * self.usd_per_hour / 3600

    def spent(self, ahead: float = 0.0) -> float:
        """USD until now, or until `ahead` seconds from now."""
        return self.before + self.fees + self.price(self.elapsed + ahead)


class BudgetGuard:
    """A pytest plugin object in each process that runs checks: the first cell that would exceed the budget ends it."""

    def __init__(self, limit: float, meter: Meter, estimate: Estimate, phases: "PhaseGuard | None" = None) -> None:
        self.limit, self.meter, self.estimate, self.phases = limit, meter, estimate, phases
        self.spent = False

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Called before a check's fixtures: skip it, with the reason, when it would cost too much."""
        kind = kind_of_item(item)
        if kind and self.refuses(kind):
            pytest.skip(reason(self.limit))
        money = self.limit - self.meter.spent()
        if kind and self.phases and (why := self.phases.why_not(kind, money, self.estimate)):
            pytest.skip(why)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called per phase of each test: learn how long cells take."""
        for record in records_in(report):
            self.estimate.observe(record)
            self.meter.fees += fee_of(record)

    def refuses(self, kind: CellKind) -> bool:
        """Whether this cell would end beyond the budget; after the first that would, no cell starts any more."""
        self.spent = self.spent or self.meter.spent(self.estimate.next(kind)) > self.limit
        return self.spent


def reason(limit: float) -> str:
    """Why a cell was not run; no failed check explains it, so the run is incomplete."""
    return f"not run: the budget of {limit_usd(limit)} is spent"


def kind_of_item(item: pytest.Item) -> CellKind | None:
    """The kind of a check; None for tests without a clause."""
    marker, call = item.get_closest_marker("clause"), getattr(item, "callspec", None)
    if marker is None or call is None:
        return None
    return CellKind(call.params["model_key"], marker.args[0], call.params.get("arm"))


def guard_budget(config: pytest.Config) -> None:
    """In a process that runs checks, once its plan is known: register the guard, if there is a budget."""
    limit, file = config.getoption("budget_usd"), Path(config.getoption("run_dir")) / PLAN
    if limit is None or not file.exists() or config.getoption("collectonly"):
        return
    plan = Plan.model_validate_json(file.read_text(encoding="utf-8"))
    meter = meter_of(config, plan)
    phases = PhaseGuard(plan, file.parent, meter.usd_per_hour / 3600 / gpus(config)) if plan.preset == PRESET else None
    estimate = Estimate(plan, config.getoption("gpu"), config.getoption("weights_gb", None) or {})
    guard = BudgetGuard(limit, meter, estimate, phases)
    config.pluginmanager.register(guard, "parity-budget")


def settle_budget(config: pytest.Config, entries: Iterable[JournalEntry]) -> None:
    """Check the limit and the price, and start the meter, for this process and its workers."""
    for name in ("budget_usd", "gpu_hour_usd"):
        value = config.getoption(name)
        if value is not None and not (isfinite(value) and value > 0):
            raise UsageProblem("budget", f"--{name.replace('_', '-')} {value:g} is not a price", "US dollars above 0")
    entries = list(entries)
    unreadable = [entry.number for entry in entries if isinstance(entry, DamagedLine) and not entry.cell]
    if unreadable and config.getoption("budget_usd") is not None:
        sentence = f"line {unreadable[0]} of {JOURNAL} is damaged, and may have said what an earlier session cost"
        raise UsageProblem("budget-journal", sentence, "--resume without --budget-usd, or a new --run-dir")
    config.option.spent_before = cost_of(entries)
    config.option.meter_started = time.monotonic()


def meter_of(config: pytest.Config, plan: Plan) -> Meter:
    """The running meter. The price is --gpu-hour-usd, or the highest of the planned models' rows."""
    price = config.getoption("gpu_hour_usd")
    if price is None:
        rows = Estimate(plan, gpu=True).rows
        price = max(rows[key].gpu_hour_usd if key in rows else ModelSpec.gpu_hour_usd for key in plan.models)
    return Meter(price * gpus(config), config.getoption("meter_started"), config.getoption("spent_before"))


def gpus(config: pytest.Config) -> int:
    """How many GPUs the run pays for: one per worker, at most those of the machine; 1 without --gpu."""
    if not config.getoption("gpu"):
        return 1
    import torch

    workers = getattr(config, "workerinput", {}).get("workercount") or config.getoption("numprocesses", None) or 1
    return max(1, min(int(workers), torch.cuda.device_count()))


def cost_of(entries: Iterable[JournalEntry]) -> float:
    """USD of earlier sessions, each from its start to the end of its last finished cell, with its judge's fees."""
    costs, fees, session = [0.0], 0.0, None
    for entry in entries:
        if isinstance(entry, SessionStart):
            session = entry
            costs.append(0.0)
        if not isinstance(entry, Record):
            continue
        fees += fee_of(entry)
        if session:
            seconds = (entry.started - session.started).total_seconds() + entry.wall_seconds
            costs[-1] = max(costs[-1], seconds * session.usd_per_hour / 3600)
    return sum(costs) + fees


def fee_of(record: Record) -> float:
    """USD that a judge's endpoint charged for a cell."""
    judge = record.measured.get("judge")
    usd = judge.get("usd") if isinstance(judge, dict) else None
    return float(usd) if isinstance(usd, int | float) and isfinite(usd) and usd > 0 else 0.0


def usd(amount: float) -> str:
    """`$15.00`, `$0.05`; `under a cent` for what is not worth a number."""
    return "under a cent" if 0 < amount < 0.01 else f"${amount:,.2f}"


def limit_usd(amount: float) -> str:
    """The same for a limit that a person gave, however small: `$15.00`, `$1e-06`."""
    return f"${amount:,.2f}" if amount >= 0.01 else f"${amount:g}"


def about_usd(amount: float) -> str:
    """The same for an estimate: `about $0.05`, `under a cent`."""
    return usd(amount) if 0 < amount < 0.01 else f"about {usd(amount)}"
