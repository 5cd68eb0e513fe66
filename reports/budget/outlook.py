"""What is left of a run: cells, time and money, from measured times where there are any."""

from pathlib import Path
from typing import Any

import pytest

from reports.budget.earlier import earlier_times
from reports.budget.estimate import Estimate, duration
from reports.budget.meter import about_usd, limit_usd, meter_of, usd
from reports.budget.phases import PRESET, read_phases
from steering_core.records.journal import finished
from steering_core.records.record import Cell, Plan, Record, Run

REAL = "qwen7b"
"""The registered model that a run on a CPU is compared with."""


class Outlook:
    """What is left of one run; shares the ledger's dictionary of records, so that it is always up to date."""

    def __init__(self, config: pytest.Config, plan: Plan, records: dict[Cell, Record]) -> None:
        self.config, self.plan, self.records = config, plan, records
        self.sizes: dict[str, float] = config.getoption("weights_gb", None) or {}
        self.estimate = Estimate(plan, config.getoption("gpu"), self.sizes)
        self.meter = meter_of(config, plan)
        self.limit: float | None = config.getoption("budget_usd")
        self.priced = self.limit is not None or config.getoption("gpu_hour_usd") is not None
        folder = config.getoption("run_dir", None)
        self.source, earlier = (None, []) if folder is None else earlier_times(plan, Path(folder), self.estimate.gpu)
        self.estimate.learn(earlier)
        for record in records.values():
            self.estimate.observe(record)

    def cells_left(self) -> list[Cell]:
        """The planned cells without a record that a resumed run would keep."""
        done = finished(self.records.values())
        return [cell for cell in self.plan.planned if cell not in done]

    def seconds_left(self) -> float:
        """Until all are done; each model runs on one worker."""
        left = self.cells_left()
        workers = min(self.config.getoption("numprocesses", None) or 1, len({cell.model for cell in left}))
        return self.estimate.total(left) / max(workers, 1)

    def announcement(self) -> list[str]:
        """The lines before the first check: what is ahead, what it needs, and what it costs where a price is known."""
        seconds, meter = self.seconds_left(), self.meter
        source = f"times of {self.source.name}" if self.source else "not measured yet"
        line = f"estimate ({source}): {counted(len(self.cells_left()))}, about {duration(seconds)}, {self.memory()}"
        lines = [line + self._price(meter.price(seconds)) if self.priced or self.estimate.gpu else line]
        if self.priced and self.plan.preset == PRESET:
            lines += self.phases()
        return lines + ([] if self.estimate.gpu else self.real_model())

    def memory(self) -> str:
        """What the weights of the largest models take that are loaded at once, one in each worker: one copy on a GPU, one
        in each process of a tool, and of the reference if it has any, on a CPU."""
        sizes = [self.sizes.get(model) or self.estimate.gigabytes(model) for model in self.plan.models]
        at_once = sorted(sizes, reverse=True)[: self.config.getoption("numprocesses", None) or 1]
        processes = self.config.getoption("processes", None) or 1
        copies = 1 if self.estimate.gpu else 1 + len(self.plan.tools) * processes + (processes if processes > 1 else 0)
        size = sum(at_once) * copies
        where = "GPU memory" if self.estimate.gpu else f"memory ({len(at_once) * copies} copies of the weights)"
        return f"{'under 0.1' if size < 0.1 else f'{size:.1f}'} GB of {where}"

    def real_model(self) -> list[str]:
        """What the same checks would take of a 7-billion-parameter model; a run on a CPU is asked where to go on."""
        cells = {cell.model_copy(update={"model": REAL}) for cell in self.plan.planned}
        plan = self.plan.model_copy(update={"models": (REAL,), "preset": "phase1", "planned": tuple(cells)})
        on_gpu, on_cpu = (Estimate(plan, gpu).total(cells) for gpu in (True, False))
        row = Estimate(plan, gpu=True).rows[REAL]
        cost = about_usd(on_gpu / 3600 * row.gpu_hour_usd)
        line = f"the same checks of {REAL} ({row.memory_gb:g} GB): about {duration(on_gpu)} on one H200, {cost} "
        line += f"at {usd(row.gpu_hour_usd)} an hour; about {duration(on_cpu)} on a CPU"
        return [line] if REAL not in self.plan.models else []

    def _price(self, cost: float) -> str:
        """`, about $3.00 at $1.10 an hour`, and whether the budget allows it."""
        meter = self.meter
        text = f", {about_usd(cost)} at {usd(meter.usd_per_hour)} an hour"
        text += "" if self.limit is None else f", of a budget of {limit_usd(self.limit)}"
        text += f", after {usd(meter.before)} of earlier sessions" if meter.before else ""
        stops = self.limit is not None and meter.before + cost > self.limit
        return text + ("; the budget will stop it before the end" if stops else "")

    def phases(self) -> list[str]:
        """A line for each phase of the V3 plan that has cells left."""
        lines = []
        for phase in read_phases():
            if cells := [cell for cell in self.cells_left() if cell.clause in phase.clauses]:
                seconds = self.estimate.total(cells)
                cost = about_usd(self.meter.price(seconds))
                line = f"  phase {phase.name}: {counted(len(cells))}, about {duration(seconds)}, {cost}"
                lines.append(f"{line} of {usd(phase.budget)}, hard stop {usd(phase.stop)}")
        return lines

    def costs(self) -> dict[str, Any]:
        """For the run's environment: USD so far, and an estimate of the rest."""
        if not self.priced:
            return {}
        rest = {"cells_left": len(self.cells_left()), "estimated_rest_usd": self.meter.price(self.seconds_left())}
        return {"cost_usd": self.meter.spent(), "budget_usd": self.limit, **rest}


def counted(checks: int) -> str:
    """`1 check`, `2 checks`."""
    return f"{checks} check{'s' * (checks != 1)}"


def cost_line(run: Run) -> str:
    """The costs in words, from the environment of a priced run; empty for another."""
    costs: dict[str, Any] = run.environment
    if "cost_usd" not in costs:
        return ""
    limit = "" if costs.get("budget_usd") is None else f" of a budget of {limit_usd(costs['budget_usd'])}"
    rest = f"; the rest, {counted(costs['cells_left'])}, is estimated at {usd(costs['estimated_rest_usd'])}"
    return f"{usd(costs['cost_usd'])}{limit} so far{rest if costs['cells_left'] else ''}"
