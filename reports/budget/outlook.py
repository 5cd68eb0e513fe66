"""What is left of a run: cells, time and money, from measured times where there are any."""

from typing import Any

import pytest

from reports.budget.estimate import Estimate, duration
from reports.budget.meter import meter_of, usd
from steering_core.records.journal import finished
from steering_core.records.record import Cell, Plan, Record, Run


class Outlook:
    """Shares the ledger's records, so that it knows what is done without being told."""

    def __init__(self, config: pytest.Config, plan: Plan, records: dict[Cell, Record]) -> None:
        self.config, self.plan, self.records = config, plan, records
        self.estimate = Estimate(plan, config.getoption("gpu"))
        self.meter = meter_of(config, plan)
        self.limit: float | None = config.getoption("budget_usd")
        self.priced = self.limit is not None or config.getoption("gpu_hour_usd") is not None
        for record in records.values():
            self.estimate.observe(record)

    def cells_left(self) -> list[Cell]:
        """The planned cells that have no record to keep."""
        kept = finished(self.records.values())
        return [cell for cell in self.plan.planned if cell not in kept]

    def seconds_left(self) -> float:
        """Until all are done; workers share no model."""
        left = self.cells_left()
        workers = min(self.config.getoption("numprocesses", None) or 1, len({cell.model for cell in left}))
        return self.estimate.total(left) / max(workers, 1)

    def announcement(self) -> list[str]:
        """Said before the first check of a priced run."""
        if not self.priced:
            return []
        seconds, cells = self.seconds_left(), len(self.cells_left())
        cost, rate = self.meter.price(seconds), self.meter.usd_per_hour
        within = "" if self.limit is None else f", of a budget of {usd(self.limit)}"
        spent = f", after {usd(self.meter.before)} of earlier sessions" if self.meter.before else ""
        beyond = self.limit is not None and self.meter.before + cost > self.limit
        return [
            f"estimate (not measured yet): {cells} cells, about {duration(seconds)}, "
            f"about {usd(cost)} at {usd(rate)} an hour{within}{spent}"
            f"{'; the budget will stop it before the end' if beyond else ''}"
        ]

    def costs(self) -> dict[str, Any]:
        """For the run's environment: USD so far, and an estimate of the rest."""
        if not self.priced:
            return {}
        rest = {"cells_left": len(self.cells_left()), "estimated_rest_usd": self.meter.price(self.seconds_left())}
        return {"cost_usd": self.meter.spent(), "budget_usd": self.limit, **rest}


def cost_line(run: Run) -> str:
    """The same in words, from the environment of a priced run; empty for another."""
    found: dict[str, Any] = run.environment
    if "cost_usd" not in found:
        return ""
    limit = "" if found.get("budget_usd") is None else f" of a budget of {usd(found['budget_usd'])}"
    rest = f"; the rest, {found['cells_left']} cells, is estimated at {usd(found['estimated_rest_usd'])}"
    return f"{usd(found['cost_usd'])}{limit} so far{rest if found['cells_left'] else ''}"
