"""How long cells take: a guess from one small table, replaced by measured times as cells finish.

seconds(cell) = mean of the measured cells of the same model, clause and arm; before there is one,
prior(cell)   = table * size * tokens, at least LEAST of its clause; times the median of measured / prior of the cells of
                the same clause so far, else of all, once there are FEW. A prior of LEAST does not depend on the model,
                so the ratios of other clauses do not change it
table   = SECONDS of its clause, else OTHERS of its stage, else OTHER
size    = gigabytes of weights / 14, on a CPU times 30, at least 1 / 50
tokens  = new tokens per answer / 256, for the clauses in SECONDS
A model that has not been loaded yet adds LOAD_SECONDS + LOAD_SECONDS_PER_GB * gigabytes.
"""

from collections.abc import Iterable, Mapping
from statistics import fmean, median
from types import MappingProxyType
from typing import NamedTuple

from steering_core.models.registry import read_presets, read_registry
from steering_core.places import PRESETS, REGISTRY
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome, Plan, Record

SECONDS = {"S4": 30.0, "B1": 15.0, "B3": 30.0, "B4": 60.0, "W1": 15.0, "W2": 60.0, "W3": 35.0, "W4": 210.0}
"""Of a cell that generates whole answers, for 7 billion parameters in bfloat16 on one H200: about 30 ms per decode step,
two batches of prompts, three for B3. W2 and W4 generate about 4 and 14 times as often as W1; W3 loads the model again."""
OTHERS = {Stage.STEERING: 2.0}
OTHER = 1.0
"""Of any other cell, by stage."""
LEAST = {"P13": 10.0, "S9": 20.0}
"""Of a cell that runs 200 random programs, however small the model: what it takes to ask the tool's process for each."""
FEW = 3
"""Measured cells before their ratio is applied to other clauses: the first one of a tool also starts the tool's process."""
REFERENCE_GB, REFERENCE_TOKENS, SMALLEST, CPU = 14.0, 256, 1 / 50, 30.0
LOAD_SECONDS, LOAD_SECONDS_PER_GB = 10.0, 4.0


NO_SIZES: Mapping[str, float] = MappingProxyType({})


class CellKind(NamedTuple):
    """Cells that are expected to take the same time."""

    model: str
    clause: str
    arm: str | None


def kind_of(cell: Cell) -> CellKind:
    """The kind of a cell."""
    return CellKind(cell.model, cell.clause, cell.arm)


class Estimate:
    """Seconds per cell of one run, learned with `observe`. sizes: gigabytes of the weights of models that are not in the
    registry; without a size they count as 14."""

    def __init__(self, plan: Plan, gpu: bool, sizes: Mapping[str, float] = NO_SIZES) -> None:
        self.gpu, self.sizes = gpu, sizes
        self.rows = {key: row for key, row in read_registry(REGISTRY).items() if key in plan.models}
        self.preset = read_presets(PRESETS).get(plan.preset)
        self.loaded: set[str] = set()
        self.measured: dict[CellKind, list[float]] = {}
        self.ratios: dict[str, list[float]] = {}

    def observe(self, record: Record) -> None:
        """Learn from a cell that ran; not from a model's first, whose time includes the loading."""
        kind = kind_of(record.cell)
        if record.outcome in (Outcome.ABSENT, Outcome.NOT_OFFERED):
            return
        if kind.model not in self.loaded:
            self.loaded.add(kind.model)
            return
        self.measured.setdefault(kind, []).append(record.wall_seconds)
        self.ratios.setdefault(kind.clause, []).append(record.wall_seconds / self.prior(kind))

    def learn(self, records: Iterable[Record]) -> None:
        """Learn from the cells of an earlier run; this one still has to load its models."""
        for record in records:
            self.observe(record)
        self.loaded.clear()

    def seconds(self, kind: CellKind) -> float:
        """Expected time of the next cell of a kind."""
        if times := self.measured.get(kind):
            return fmean(times)
        prior = self.prior(kind)
        if ratios := self.ratios.get(kind.clause):
            return prior * median(ratios)
        ratios = [ratio for each in self.ratios.values() for ratio in each]
        applied = len(ratios) >= FEW and prior > LEAST.get(kind.clause, 0.0)
        return prior * (median(ratios) if applied else 1.0)

    def next(self, kind: CellKind) -> float:
        """The same, with the loading of a model that no cell of this process has loaded."""
        return self.seconds(kind) + (0.0 if kind.model in self.loaded else self.load(kind.model))

    def total(self, cells: Iterable[Cell]) -> float:
        """Expected time of these cells one after the other, with the models still to be loaded."""
        kinds = [kind_of(cell) for cell in cells]
        loads = (self.load(model) for model in {kind.model for kind in kinds} - self.loaded)
        return sum(map(self.seconds, kinds)) + sum(loads)

    def prior(self, kind: CellKind) -> float:
        """The formula above, without anything measured."""
        row = self.rows.get(kind.model)
        limit = (self.preset.max_new_tokens if self.preset else None) or (
            row.max_new_tokens if row else REFERENCE_TOKENS
        )
        tokens = limit / REFERENCE_TOKENS if kind.clause in SECONDS else 1.0
        size = max(self.gigabytes(kind.model) / REFERENCE_GB * (1.0 if self.gpu else CPU), SMALLEST)
        return max(table(kind.clause) * size * tokens, LEAST.get(kind.clause, 0.0))

    def load(self, model: str) -> float:
        """Seconds until the first check of a model can begin."""
        return LOAD_SECONDS + LOAD_SECONDS_PER_GB * self.gigabytes(model)

    def gigabytes(self, model: str) -> float:
        """Of a model's weights: the registry's, else the checkpoint's, else the reference model's."""
        return self.rows[model].memory_gb if model in self.rows else self.sizes.get(model, REFERENCE_GB)


def table(clause: str) -> float:
    """Seconds of a cell of the reference model on the reference machine."""
    return SECONDS.get(clause) or OTHERS.get(CLAUSES[clause].stage, OTHER)


def duration(seconds: float) -> str:
    """`1 s` at least, `40 s`, `14 min`, `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
